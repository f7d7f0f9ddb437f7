"""`slower: 20%`: a tolerance in time, from pairs of buckets. JUDGE, "Latency".

A canary whose requests take at most 1.2 times as long as stable's has at most as many over x_j as stable has over x_i,
wherever `x_j >= 1.2 x_i`: exact, whatever the distributions are, and nothing is interpolated between buckets. So that a
canary can also be shown to be within it, buckets must lie as near to each other as the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

SAME = 1e-9
"""Bounds this near to each other, relatively, are one."""


def partner(bounds: Iterable[float], bound: float, slower: float) -> float | None:
    """The smallest bound by which the canary is held against stable's share over `bound`; None where there is none."""
    least = bound * (1.0 + slower) * (1.0 - SAME)
    return min((other for other in bounds if other >= least and math.isfinite(other)), default=None)


def provable(bounds: Iterable[float], named: Iterable[float]) -> float:
    """The smallest tolerance in time that buckets can show at the bounds that must be confirmed.

    Args:
        bounds: of the buckets.
        named: those nearest to stable's p50, p95 and p99.

    Returns:
        As in `slower`: 0.5 is "half as long again". Infinite where a bound has no bucket above it.
    """
    known = sorted(bound for bound in bounds if math.isfinite(bound) and bound > 0)
    found = 0.0
    for bound in named:
        above = next((other for other in known if other > bound * (1.0 + SAME)), math.inf)
        found = max(found, above / bound - 1.0)
    return found
