"""`slower: 20%`: a tolerance in time, from pairs of buckets. JUDGE, "Latency".

A canary whose requests take at most 1.2 times as long as stable's has at most as many over x_j as stable has over x_i,
wherever `x_j >= 1.2 x_i`: exact, whatever the distributions are, and nothing is interpolated between buckets. So that a
canary can also be shown to be within it, buckets must lie as near to each other as the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from analysis.judge.config import MetricConfig

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


def too_coarse(metric: MetricConfig, histogram: Mapping[float, int]) -> str:
    """Why a metric's buckets cannot show its time tolerance, with what they can; empty when they can.

    Args:
        metric: with `slower`.
        histogram: stable's cumulative counts by upper bound in seconds.
    """
    from analysis.judge.tests import choose_bounds

    named = [bound for bound, _, confirm in choose_bounds(histogram) if confirm and bound > 0]
    if metric.slower is None or not named:
        return ""
    least = provable(histogram, named)
    if metric.slower >= least - SAME:
        return ""
    can = (
        f"the smallest that they can show is slower: {math.ceil(least * 100 - SAME)}%"
        if math.isfinite(least)
        else ("there is no bucket above stable's slowest requests")
    )
    return f"the buckets of {metric.name} are too coarse for slower: {metric.slower:.0%}; {can}"


def between(metric: MetricConfig, histogram: Mapping[float, int]) -> list[str]:
    """A sentence for each limit of a metric that lies between two buckets, with what that means."""
    found = []
    finite = sorted(bound for bound in histogram if math.isfinite(bound))
    for quantile, seconds in metric.quantile_limits:
        if not finite or any(math.isclose(bound, seconds, rel_tol=SAME) for bound in finite):
            continue
        name = f"limit p{quantile * 100:g}: {seconds * 1000:g} ms of {metric.name}"
        above = next((bound for bound in finite if bound > seconds), None)
        below = next((bound for bound in reversed(finite) if bound < seconds), None)
        broken = "it can never be shown broken" if above is None else f"it is shown broken by {above * 1000:g} ms"
        kept = "never shown kept" if below is None else f"shown kept by {below * 1000:g} ms"
        found.append(f"{name} has no bucket of its own: {broken} and {kept}; what lies between stays UNDECIDED")
    return found
