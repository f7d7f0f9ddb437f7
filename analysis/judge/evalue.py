"""The e-value of one look at two arms. JUDGE, "The sequential test for counts".

Null at every look: `theta_c <= b(theta_s)` with `b(theta) = theta (1 + r) + d`. For an alternative `(a, c)` let
`(s, b(s))` be the boundary point that minimises `n_s KL(a||s) + n_c KL(c||b(s))`. The likelihood ratio of `(a, c)`
against `(s, b(s))` has expectation at most 1 under every point of the null, for any sizes (the log-expectation is
concave, its gradient vanishes along the boundary, and inside the null it falls). Source: Turner, Ly & Grunwald,
"Generic e-variables for exact sequential k-sample tests that allow for optional stopping" (2024); Grunwald, de Heide
& Koolen, "Safe testing".

All functions work on arrays; the last axis is usually the grid of alternatives.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

STEPS = 16
"""Halley's steps for the root at most. In 100,000 random cases, up to a million requests on one arm and one on the
other, twelve were the most that was needed."""

UNWATCHED = 2
"""Steps before it is worth asking whether all have arrived."""

ARRIVED = 1e-6
"""A relative step below which they stop: the error left is about its cube."""

EDGE = 1e-9
"""Rates are kept in [EDGE, 1 - EDGE], whose logarithms are finite: nobody serves a thousand million requests in a
release to tell such a rate from none."""

TINY = 1e-30
"""Keeps a boundary point at 0 out of the logarithm; much smaller than EDGE, since moving it costs expectation."""

TOO_BAD = 0.999
"""A stable rate whose bound reaches this leaves nothing to compare."""


def bound(rate: Array, relative: Array, absolute: Array) -> Array:
    """The rate that is still tolerated: `b(theta)`."""
    return rate * (1.0 + relative) + absolute


def boundary_point(*, a: Array, c: Array, n_s: Array, n_c: Array, relative: Array, absolute: Array) -> Array:
    """The stable rate `s` of the nearest point of the null's boundary.

    The root of `n_s (s - a) b (1 - b) + n_c (1 + r)(b - c) s (1 - s)` with `b = s (1 + r) + d`, between `a` and `(c -
    d)/(1 + r)`.

    Args:
        a, c: the alternative's rates on stable and canary.
        n_s, n_c: requests on stable and canary.
        relative, absolute: the tolerance.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return _boundary_point(a=a, c=c, n_s=n_s, n_c=n_c, relative=relative, absolute=absolute)


def _boundary_point(*, a: Array, c: Array, n_s: Array, n_c: Array, relative: Array, absolute: Array) -> Array:
    """`boundary_point`, for whoever ignores what cannot be divided already."""
    slope = 1.0 + relative
    crossing = np.minimum(np.maximum((c - absolute) / slope, 0.0), 1.0)
    # Below the point where b(s) is 0 the equation is negative: the root is above it.
    low, high = np.maximum(np.minimum(a, crossing), -absolute / slope), np.maximum(a, crossing)
    # Where both rates are small the cubic is nearly a quadratic, whose larger root this is.
    bad = n_s * absolute
    square, half = slope * (n_s + n_c * slope), 0.5 * (n_s * slope * a - bad + n_c * slope * (c - absolute))
    start = (half + np.sqrt(np.maximum(half * half + square * bad * a, 0.0))) / square
    start = np.minimum(np.maximum(start, low), high)
    return _middle_root(_cubic(a=a, c=c, n_s=n_s, n_c=n_c, slope=slope, absolute=absolute), start, low, high)


def _middle_root(cubic: tuple[Array, ...], s: Array, low: Array, high: Array) -> Array:
    """The cubic's root between `low` and `high`, by Halley's steps.

    The cubic falls from above at minus infinity to below at plus infinity and rises through zero between `low` and
    `high`: its three roots are real, so its Schwarzian derivative is negative, and between its two turning points
    Halley's steps come nearer to the middle root without ever crossing it. At the inflection it is steepest.
    """
    k3, k2, k1, k0 = cubic
    steep = 3.0 * k3
    bend = np.minimum(np.maximum(-k2 / steep, low), high)
    s = np.where((steep * s + 2.0 * k2) * s > -k1, s, bend)
    value, rise, bow = np.empty_like(s), np.empty_like(s), np.empty_like(s)
    for step in range(STEPS):
        np.multiply(k3, s, out=value)
        value += k2
        value *= s
        value += k1
        value *= s
        value += k0
        # Half of the second derivative, and from it the first.
        np.multiply(steep, s, out=bow)
        bow += k2
        np.add(bow, k2, out=rise)
        rise *= s
        rise += k1
        bow *= value
        value *= rise
        rise *= rise
        rise -= bow
        value /= rise
        s -= value
        if step >= UNWATCHED and not (np.abs(value) > ARRIVED * s).any():
            break
    return np.minimum(np.maximum(s, low), high)


def _cubic(*, a: Array, c: Array, n_s: Array, n_c: Array, slope: Array, absolute: Array) -> tuple[Array, ...]:
    """Coefficients, highest first, of `boundary_point`'s equation: it is a cubic in s."""
    free = absolute * (1.0 - absolute)
    linear = slope * (1.0 - 2.0 * absolute)
    square = slope * slope
    weight, gap = n_c * slope, absolute - c
    return (
        -(n_s * square + weight * slope),
        n_s * (linear + a * square) + weight * (slope - gap),
        n_s * (free - a * linear) + weight * gap,
        -n_s * a * free,
    )


def log_ratio(
    *,
    x_s: Array,
    n_s: Array,
    x_c: Array,
    n_c: Array,
    a: Array,
    c: Array,
    relative: Array,
    absolute: Array,
) -> Array:
    """Log of the e-value of one look; 0 where an arm is empty or the value is not finite.

    Args:
        x_s, n_s, x_c, n_c: bad and all requests on stable and canary.
        a, c: the alternative; `c` above `b(a)` tests for harm, `c` below it for health.
        relative, absolute: the tolerance; `absolute` may be negative here, down to -1 (the interval's grid).
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        s = np.maximum(_boundary_point(a=a, c=c, n_s=n_s, n_c=n_c, relative=relative, absolute=absolute), TINY)
        b = s * (1.0 + relative) + absolute
        value = (
            x_s * np.log(a / s)
            + (n_s - x_s) * np.log((1.0 - a) / (1.0 - s))
            + x_c * np.log(c / b)
            + (n_c - x_c) * np.log((1.0 - c) / (1.0 - b))
        )
    value[~np.isfinite(value)] = 0.0
    value *= (n_s > 0) & (n_c > 0)
    return value


def comparable(a: Array, relative: Array, absolute: Array) -> Mask:
    """Where stable leaves room to be worse than: its bound is below `TOO_BAD`."""
    return bound(a, relative, absolute) < TOO_BAD


def log_evalue(
    *,
    x_s: Array,
    n_s: Array,
    x_c: Array,
    n_c: Array,
    a: Array,
    c: Array,
    relative: Array,
    absolute: Array,
) -> Array:
    """`log_ratio`, and 0 where stable is too bad to compare with."""
    value = log_ratio(x_s=x_s, n_s=n_s, x_c=x_c, n_c=n_c, a=a, c=c, relative=relative, absolute=absolute)
    return np.where(comparable(a, relative, absolute), value, 0.0)


def log_evalue_one_arm(*, x: Array, n: Array, limit: Array, c: Array) -> Array:
    """Log of the e-value of one look at one arm against `theta <= limit`, for the alternative `c > limit`.

    The likelihood ratio of `c` against `limit` has expectation 1 at the limit and less below it.
    """
    limit = np.minimum(np.maximum(limit, EDGE), 1.0 - EDGE)
    value = x * np.log(c / limit) + (n - x) * np.log((1.0 - c) / (1.0 - limit))
    value[~np.isfinite(value)] = 0.0
    return value


@lru_cache(maxsize=16)
def log_odds_of(limits: tuple[float, ...], factors: tuple[float, ...]) -> tuple[Array, Array]:
    """What a bad and a good request add to `log_evalue_one_arm` at limits that stay: shape (limits, factors) each."""
    limit = np.array(limits)
    c, some = odds_above(limit, np.array(factors)), np.minimum(np.maximum(limit, EDGE), 1.0 - EDGE)[:, None]
    return np.log(c / some), np.log((1.0 - c) / (1.0 - some))


def odds_above(rate: Array, factors: Array) -> Array:
    """Rates whose odds are `factors` times those of `rate`: never 1, however large the factor.

    Args:
        rate: shape (...,).
        factors: shape (k,).

    Returns:
        Shape (..., k).
    """
    rate = np.minimum(np.maximum(rate, EDGE), 1.0 - EDGE)
    odds = (rate / (1.0 - rate))[..., None] * factors
    return odds / (1.0 + odds)
