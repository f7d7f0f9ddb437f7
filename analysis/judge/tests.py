"""From metrics to count tests: errors are one, latency is one per bound. JUDGE, "Counts, not ratios" and "Latency"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from analysis.judge.config import PARTS, JudgeConfig, MetricConfig
from analysis.model import Arm, Counts, Look

MOST_BOUNDS = 8
"""Latency bounds compared at most."""

TAIL, BODY = 0.0001, 0.90
"""Stable's share over a bound lies between these: beyond them a bound tells nothing."""

CONFIRMED = (0.5, 0.05, 0.01)
"""Shares over the bounds that must be confirmed for HEALTHY (p50, p95, p99); the others can only veto."""

LEARNED_REQUESTS = 200
"""Stable requests seen before bounds are chosen: fewer would choose by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One comparison of counts.

    Attributes:
        metric: the metric it belongs to.
        bound: for latency, seconds; 0 for plain counts.
        relative, absolute: the tolerance, for latency with the absolute part cut to stable's own share.
        weight: its part of the one alpha; all parts sum to 1 at most.
        confirm: HEALTHY needs this test's confirmation.
        dry_run: reported, never decides.
    """

    metric: str
    bound: float
    relative: float
    absolute: float
    weight: float
    confirm: bool
    dry_run: bool

    def counts(self, look: Look, arm: Arm) -> tuple[int, int]:
        """(bad, total) of one arm in a look; zeros where there is nothing."""
        return bad_of(look.counts.get(self.metric, {}).get(arm), self.bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One absolute limit, tested on each arm alone.

    Attributes:
        metric: the metric it belongs to.
        bound: for latency, the bucket bound that stands in for the limit (the next one above); 0 for errors.
        rate: share of bad requests that may not be exceeded.
        weight: its part of the one alpha.
        words: the limit as the user wrote it.
    """

    metric: str
    bound: float
    rate: float
    weight: float
    words: str

    def counts(self, look: Look, arm: Arm) -> tuple[int, int]:
        """(bad, total) of one arm in a look; zeros where there is nothing."""
        return bad_of(look.counts.get(self.metric, {}).get(arm), self.bound)


def bad_of(counts: Counts | None, bound: float) -> tuple[int, int]:
    """(bad, total) of some counts: errors, or requests slower than the bound."""
    if counts is None:
        return 0, 0
    if not bound:
        return counts.bad, counts.total
    within = next((number for upper, number in counts.buckets if upper >= bound * (1 - 1e-9)), None)
    return (0, 0) if within is None else (counts.total - within, counts.total)


def shares_over(histogram: Mapping[float, int]) -> dict[float, float]:
    """Share of requests over each finite bound of a cumulative histogram; empty when there were none."""
    total = max(histogram.values(), default=0)
    if not total:
        return {}
    return {bound: (total - number) / total for bound, number in histogram.items() if bound != float("inf")}


def choose_bounds(histogram: Mapping[float, int]) -> tuple[tuple[float, float, bool], ...]:
    """Latency bounds from stable's own requests, before the canary is judged by them.

    Args:
        histogram: cumulative counts of stable by upper bound in seconds.

    Returns:
        (bound, stable's share over it, must be confirmed), ascending; empty with too few requests.
    """
    if max(histogram.values(), default=0) < LEARNED_REQUESTS:
        return ()
    usable = {bound: share for bound, share in shares_over(histogram).items() if TAIL <= share <= BODY}
    if not usable:
        return ()
    # Near in ratio: 0.6 % is as near to 1 % as 1.7 % is.
    named = {min(usable, key=lambda bound: abs(_log(usable[bound] / wanted))) for wanted in CONFIRMED}
    rest = sorted(set(usable) - named)
    room = MOST_BOUNDS - len(named)
    spread = rest if len(rest) <= room else [rest[i * len(rest) // room] for i in range(room)]
    chosen = sorted(named | set(spread))
    return tuple((bound, usable[bound], bound in named) for bound in chosen)


def _log(value: float) -> float:
    import math

    return math.log(value)


def plain_tests(config: JudgeConfig) -> tuple[Test, ...]:
    """The tests that need nothing learned, with unnormalised weights."""
    return tuple(
        Test(
            metric=metric.name,
            bound=0.0,
            relative=metric.relative,
            absolute=metric.absolute,
            weight=metric.part,
            confirm=True,
            dry_run=metric.dry_run,
        )
        for metric in config.metrics
        if metric.kind != "latency"
    )


def latency_tests(metric: MetricConfig, histogram: Mapping[float, int]) -> tuple[Test, ...]:
    """The tests of one latency metric; its part of alpha is split evenly over the bounds."""
    bounds = choose_bounds(histogram)
    return tuple(
        Test(
            metric=metric.name,
            bound=bound,
            relative=metric.relative,
            # Never more than stable's own share, else a tail of 0.1 % could triple unseen.
            absolute=min(metric.absolute, share),
            weight=metric.part / len(bounds),
            confirm=confirm,
            dry_run=metric.dry_run,
        )
        for bound, share, confirm in bounds
    )


def limits_of(metric: MetricConfig, histogram: Mapping[float, int]) -> tuple[Limit, ...]:
    """The absolute limits of one metric; those of latency need the bounds that its histogram has."""
    found = []
    if metric.rate_limit is not None:
        words = f"at most {metric.rate_limit:.2%} may fail"
        found.append(Limit(metric=metric.name, bound=0.0, rate=metric.rate_limit, weight=1.0, words=words))
    for quantile, seconds in metric.quantile_limits:
        above = [bound for bound in sorted(histogram) if bound >= seconds and bound != float("inf")]
        if above:
            words = f"p{quantile * 100:g} at most {seconds * 1000:g} ms"
            found.append(Limit(metric=metric.name, bound=above[0], rate=1 - quantile, weight=1.0, words=words))
    part = PARTS["limits"] * metric.weight
    return tuple(replace(limit, weight=part / len(found)) for limit in found)


def normaliser(config: JudgeConfig) -> float:
    """What all weights are divided by, so that they sum to 1 whether or not every test exists yet."""
    parts = [metric.part for metric in config.metrics if not metric.dry_run]
    limited = [metric for metric in config.metrics if metric.rate_limit is not None or metric.quantile_limits]
    parts += [PARTS["limits"] * metric.weight for metric in limited if not metric.dry_run]
    return sum(parts) or 1.0
