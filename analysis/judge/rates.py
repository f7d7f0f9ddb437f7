"""Stable's current rate, from past looks only. JUDGE, "a".

Without forgetting, a shared outage would poison the estimate for good. With too much, a rare error would be forgotten
before the next one: the memory is as long as 30 stable errors take, if that is longer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.judge.evalue import EDGE, Mask

Array = NDArray[np.float64]

HALF_LIFE = 20.0
"""Looks: at five seconds a look under two minutes, so that rates which drift are followed, and long enough for
hundreds of requests at the least traffic that is judged look by look."""

ERRORS_REMEMBERED = 30.0
"""Stable errors that the memory holds at least."""

LONGEST = 5_000.0
"""Cap of the half-life in looks: a service without errors must be able to change."""

FELL = 6.0
"""Nats by which looks in a row must speak for fewer errors than remembered to count as a fall: three and a half
standard deviations; at a few requests a look it takes some looks."""

FELL_TO = 0.05
"""Of what was expected, in each of them: the end of an outage. What sways a service less than that is part of what
stable is like, and a bake is held against it."""

KEPT_AFTER_FALL = 0.25
"""Of the memory, at each fall: an outage that is over is forgotten within a few looks, not within minutes."""

PRIOR_REQUESTS = 200.0
"""What stable's own history counts for: enough that the first looks are not judged by chance, so little that an hour
which was unlike today is outweighed within seconds at a hundred requests a second."""

DEFAULT_PRIOR = 0.001
"""Stable's rate before anything is known of it: what services are usually allowed. Too low or too high costs evidence
in the first looks and no validity."""

DEFAULT_WORTH = 20.0
"""What that counts for, in requests: hardly anything, and more than nothing, where a first look without an error
would say that there are none."""

CUT = 0.5
"""Of the looks remembered before: fewer than these and one more are left by a fall alone, which keeps a quarter;
forgetting keeps at least 0.96 of them."""


def half_life(x: Array, looks: Array) -> Array:
    """Looks after which a look counts half.

    Args:
        x: remembered stable errors.
        looks: remembered looks.
    """
    # Errors so rare that the cap decides are one each 1e9 looks at most: nothing is divided by nothing.
    return np.minimum(np.maximum(ERRORS_REMEMBERED * np.maximum(looks, 1.0) / np.maximum(x, 1e-9), HALF_LIFE), LONGEST)


def fewer(x: Array, n: Array, nats: Array, *, x_s: Array, n_s: Array) -> Array:
    """Nats by which the newest looks, up to this one, speak for far fewer errors than remembered; 0 if this does not.

    Args:
        x, n: remembered errors and requests.
        nats: of the looks just before this one.
        x_s, n_s: of this look.
    """
    expected = np.maximum(x, 1e-300) * n_s / np.maximum(n, 1.0)
    found = np.maximum(x_s, 1e-300)
    more = expected - x_s + x_s * np.log(found / np.maximum(expected, 1e-300))
    return (nats + more) * (x_s <= FELL_TO * expected)


def remember(
    x: Array, n: Array, looks: Array, nats: Array, *, x_s: Array, n_s: Array
) -> tuple[Array, Array, Array, Array]:
    """The remembered errors, requests and looks after one more look, and the nats that speak for a fall."""
    nats = fewer(x, n, nats, x_s=x_s, n_s=n_s)
    fell, keep = nats >= FELL, np.exp2(-1.0 / half_life(x, looks))
    if fell.any():
        keep[fell] = KEPT_AFTER_FALL
    return x * keep + x_s, n * keep + n_s, looks * keep + 1.0, nats * ~fell


def fell(before: Array, after: Array) -> Mask:
    """Whether a look made the memory fall: an outage of both arms is over, and forgotten.

    Args:
        before, after: memories as `remember` takes and gives them, one row per test.
    """
    cut: Mask = after[:, 2] < CUT * before[:, 2] + 1.0
    return cut


def rate(x: Array, n: Array, *, prior: float | Array, worth: float | Array) -> Array:
    """The estimate, kept in [1e-9, 1 - 1e-9].

    Args:
        x, n: remembered errors and requests.
        prior: rate before any look.
        worth: requests that the prior counts for.
    """
    return np.minimum(np.maximum((x + prior * worth) / (n + worth), EDGE), 1.0 - EDGE)
