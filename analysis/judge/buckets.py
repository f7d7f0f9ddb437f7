"""What stable's buckets cannot show of what a latency metric asks: said before a release begins."""

from __future__ import annotations

import math
from collections.abc import Mapping

from analysis.judge.config import MetricConfig
from analysis.judge.slower import SAME, provable
from analysis.judge.tests import choose_bounds


def too_coarse(metric: MetricConfig, histogram: Mapping[float, int]) -> str:
    """Why a metric's buckets cannot show its time tolerance, with what they can; empty when they can.

    Args:
        metric: with `slower`.
        histogram: stable's cumulative counts by upper bound in seconds.
    """
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
