"""Stable's current rate, from past looks only. JUDGE, "a".

Without forgetting, a shared outage would poison the estimate for good. With too much, a rare error would be forgotten
before the next one: the memory is as long as 30 stable errors take, if that is longer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.judge.evalue import EDGE

Array = NDArray[np.float64]

HALF_LIFE = 20.0
"""Looks."""

ERRORS_REMEMBERED = 30.0
"""Stable errors that the memory holds at least."""

LONGEST = 5_000.0
"""Cap of the half-life in looks: a service without errors must be able to change."""

PRIOR_REQUESTS = 200.0
"""What stable's own history counts for."""

DEFAULT_PRIOR = 0.001
"""Stable's rate before anything is known of it."""

DEFAULT_WORTH = 20.0
"""What that counts for: hardly anything."""


def half_life(x: Array, looks: Array) -> Array:
    """Looks after which a look counts half.

    Args:
        x: remembered stable errors.
        looks: remembered looks.
    """
    per_look = x / np.maximum(looks, 1.0)
    return np.clip(ERRORS_REMEMBERED / np.maximum(per_look, 1e-9), HALF_LIFE, LONGEST)


def remember(x: Array, n: Array, looks: Array, *, x_s: Array, n_s: Array) -> tuple[Array, Array, Array]:
    """The remembered errors, requests and looks after one more look."""
    keep = np.exp2(-1.0 / half_life(x, looks))
    return x * keep + x_s, n * keep + n_s, looks * keep + 1.0


def rate(x: Array, n: Array, *, prior: float, worth: float) -> Array:
    """The estimate, kept in [1e-9, 1 - 1e-9].

    Args:
        x, n: remembered errors and requests.
        prior: rate before any look.
        worth: requests that the prior counts for.
    """
    return np.clip((x + prior * worth) / (n + worth), EDGE, 1.0 - EDGE)
