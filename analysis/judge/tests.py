"""From metrics to count tests: errors are one, latency is one per bound. JUDGE, "Counts, not ratios" and "Latency"."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from analysis.classical import FixedTest
from analysis.judge.config import PARTS, JudgeConfig, MetricConfig
from analysis.judge.once import once
from analysis.judge.slower import partner
from analysis.model import Arm, Counts, Look

MOST_BOUNDS = 8
"""Latency bounds compared at most: each takes its part of the weight, and stable's quantiles are between eight well
enough."""

TAIL, BODY = 0.0001, 0.90
"""Stable's share over a bound lies between these: beyond them a bound tells nothing."""

FULLEST = 0.95
"""A bound at which this share of the canary's requests would be tolerated tells nothing either."""

CONFIRMED = (0.5, 0.05, 0.01)
"""Shares over the bounds that must be confirmed for HEALTHY (p50, p95, p99); the others can only veto."""

CLEAN = 0.001
"""Least absolute tolerance at a bound that no request of stable's was over: too few were seen to say how rare it is."""

LEAST_PART = 1e-6
"""Of a fixed test that is only reported: its p-value is told as if it had this little of alpha."""

SAME = (1 - 1e-9, 1 + 1e-9)
"""Bounds this near to each other are one: sources write them with different digits."""

RULE_OF_THREE = 3.0
"""Requests over a bound that none was seen over in so many are at most these with 95 % confidence
(Hanley & Lippman-Hand, 1983)."""

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
        base: for a tolerance in time, the bound of stable's that the canary's is held against; 0 where it is the same.
        ratio: of a canary equal to stable, its rate over `bound` as a part of stable's over `base`.
    """

    metric: str
    bound: float
    relative: float
    absolute: float
    weight: float
    confirm: bool
    dry_run: bool
    base: float = 0.0
    ratio: float = 1.0

    def counts(self, look: Look, arm: Arm) -> tuple[int, int]:
        """(bad, total) of one arm in a look; zeros where there is nothing."""
        bound = self.base if self.base and arm is Arm.STABLE else self.bound
        return bad_of(look.counts.get(self.metric, {}).get(arm), bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One absolute limit, tested on each arm alone.

    Attributes:
        metric: the metric it belongs to.
        bound: for latency, the bucket bound at or next above the limit, by which it is shown broken; 0 for errors,
            negative where there is none, so that it cannot be shown broken.
        below: for latency, the one at or next below it, by which it is shown kept; negative where there is none.
        rate: share of bad requests that may not be exceeded.
        weight: its part of the one alpha.
        words: the limit as the user wrote it.
    """

    metric: str
    bound: float
    below: float
    rate: float
    weight: float
    words: str

    def counts(self, look: Look, arm: Arm) -> tuple[int, int]:
        """(bad, total) of one arm in a look; zeros where there is nothing."""
        counts = look.counts.get(self.metric, {}).get(arm)
        return bad_of(counts, self.bound) if self.bound >= 0 else (0, counts.total if counts else 0)

    def counts_below(self, look: Look, arm: Arm) -> tuple[int, int]:
        """The same by the bound below: at least as many are over that."""
        if self.below < 0:
            _, total = self.counts(look, arm)
            return total, total
        return bad_of(look.counts.get(self.metric, {}).get(arm), self.below)


def bad_of(counts: Counts | None, bound: float) -> tuple[int, int]:
    """(bad, total) of some counts: errors, or requests slower than the bound; zeros where that bound is not counted."""
    if counts is None:
        return 0, 0
    if not bound:
        return counts.bad, counts.total
    within = _within(counts.buckets, bound)
    return (0, 0) if within is None else (counts.total - within, counts.total)


def counts_of(tests: Sequence[Test], look: Look) -> list[tuple[int, int, int, int]]:
    """(bad, total) of stable and of the canary in a look, for each test: as `Test.counts` gives them, faster."""
    found, metric = [], None
    stable = canary = _UNSEEN
    for test in tests:
        if test.metric != metric:
            metric = test.metric
            arms = look.counts.get(metric, {})
            stable, canary = (_Arm(arms.get(arm)) for arm in (Arm.STABLE, Arm.CANARY))
        found.append((*stable.bad_of(test.base or test.bound), *canary.bad_of(test.bound)))
    return found


class _Arm:
    """Counts of one arm, whose buckets are looked up by the very bound before they are searched."""

    __slots__ = ("_buckets", "_counts")

    def __init__(self, counts: Counts | None) -> None:
        self._counts = counts
        self._buckets = dict(counts.buckets) if counts else {}

    def bad_of(self, bound: float) -> tuple[int, int]:
        counts = self._counts
        within = self._buckets.get(bound) if bound else None
        if counts is None or within is None:
            return bad_of(counts, bound)
        return counts.total - within, counts.total


_UNSEEN = _Arm(None)


def _within(buckets: tuple[tuple[float, int], ...], bound: float) -> int | None:
    """Requests at or under a bound; None where it is not counted."""
    place = bisect_left(buckets, (bound * SAME[0],))
    if place < len(buckets) and buckets[place][0] < bound * SAME[1]:
        return buckets[place][1]
    return None


def shares_over(histogram: Mapping[float, int]) -> dict[float, float]:
    """Share of requests over each finite bound of a cumulative histogram; empty when there were none."""
    total = max(histogram.values(), default=0)
    if not total:
        return {}
    return {bound: (total - number) / total for bound, number in histogram.items() if bound != float("inf")}


def choose_bounds(histogram: Mapping[float, int], *, relative: float = 0.0) -> tuple[tuple[float, float, bool], ...]:
    """Latency bounds from stable's own requests, before the canary is judged by them.

    Args:
        histogram: cumulative counts of stable by upper bound in seconds.
        relative: the tolerance, by which a bound that half of the requests are over may leave no room to be worse.

    Returns:
        (bound, stable's share over it, must be confirmed), ascending; empty with too few requests. The first bound that
        hardly any request is over is among them, and more beyond as there is room, each with the share that might be
        over it unseen: a new tail shows there, however long it is.
    """
    total = max(histogram.values(), default=0)
    if total < LEARNED_REQUESTS:
        return ()
    shares = shares_over(histogram)
    usable = {bound: share for bound, share in shares.items() if TAIL <= share <= min(BODY, FULLEST / (1.0 + relative))}
    clean = sorted(bound for bound, share in shares.items() if share < TAIL)
    unseen = max(RULE_OF_THREE / total, CLEAN)
    # Near in ratio: 0.6 % is as near to 1 % as 1.7 % is.
    named = {min(usable, key=lambda bound: abs(math.log(usable[bound] / wanted))) for wanted in CONFIRMED if usable}
    used = named | _spread(sorted(set(usable) - named), MOST_BOUNDS - len(named) - min(1, len(clean)))
    first = set(clean[:1])
    unused = first | _spread(clean[1:], MOST_BOUNDS - len(used) - len(first))
    found = [(bound, usable[bound], bound in named) for bound in used]
    return tuple(sorted(found + [(bound, unseen, not usable and bound in first) for bound in unused]))


def _spread(bounds: list[float], room: int) -> set[float]:
    """At most so many of some ascending bounds, evenly."""
    return set(bounds if len(bounds) <= room else (bounds[i * len(bounds) // room] for i in range(room)))


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
    if metric.slower is not None:
        return _slower_tests(metric, histogram, metric.slower)
    bounds = choose_bounds(histogram, relative=metric.relative)
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


def _slower_tests(metric: MetricConfig, histogram: Mapping[float, int], slower: float) -> tuple[Test, ...]:
    """The tests of a tolerance in time: stable's share over a bound against the canary's over one so much later."""
    total = max(histogram.values(), default=0)
    pairs = [
        (bound, share, later, confirm)
        for bound, share, confirm in choose_bounds(histogram)
        if (later := partner(histogram, bound, slower)) is not None
    ]
    return tuple(
        Test(
            metric=metric.name,
            bound=later,
            base=bound,
            relative=0.0,
            # Over a bound that hardly any request of stable's is over, a few of the canary's would be too many.
            absolute=share if total - histogram[bound] < TAIL * total else 0.0,
            weight=metric.part / len(pairs),
            confirm=confirm,
            dry_run=metric.dry_run,
            # One request of each is added, so that none seen is not taken for none possible.
            ratio=min(1.0, (total - histogram[later] + 1.0) / (total - histogram[bound] + 1.0)),
        )
        for bound, share, later, confirm in pairs
    )


def limits_of(metric: MetricConfig, histogram: Mapping[float, int]) -> tuple[Limit, ...]:
    """The absolute limits of one metric; those of latency need the bounds that its histogram has."""
    found = []
    if metric.rate_limit is not None:
        words = f"at most {metric.rate_limit:.2%} may fail"
        found.append(Limit(metric=metric.name, bound=0.0, below=0.0, rate=metric.rate_limit, weight=1.0, words=words))
    for quantile, seconds in metric.quantile_limits if histogram else ():
        finite = [bound for bound in histogram if bound != math.inf]
        above = min((bound for bound in finite if bound >= seconds * (1 - 1e-9)), default=-1.0)
        below = max((bound for bound in finite if bound <= seconds * (1 + 1e-9)), default=-1.0)
        words = f"p{quantile * 100:g} at most {seconds * 1000:g} ms"
        limit = Limit(metric=metric.name, bound=above, below=below, rate=1 - quantile, weight=1.0, words=words)
        found.append(limit)
    part = PARTS["limits"] * metric.weight
    return tuple(replace(limit, weight=part / len(found)) for limit in found)


@once
def normaliser(config: JudgeConfig) -> float:
    """What all weights are divided by, so that they sum to 1 whether or not every test exists yet."""
    parts = [metric.part for metric in config.metrics if not metric.dry_run]
    limited = [metric for metric in config.metrics if metric.rate_limit is not None or metric.quantile_limits]
    parts += [PARTS["limits"] * metric.weight for metric in limited if not metric.dry_run]
    parts += [one.part for one in config.classical]
    return sum(parts) or 1.0


def levels(config: JudgeConfig) -> dict[str, float]:
    """Per fixed test, the share of alpha that one look of it may spend."""
    if not config.classical:
        return {}
    whole = normaliser(config)
    return {
        one.name: max(one.part, LEAST_PART) / whole * config.false_rollback / one.how.looks
        for one in config.classical
        if isinstance(one.how, FixedTest)
    }
