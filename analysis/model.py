"""The words of the judge as values: arms, looks, findings, verdicts.

Nothing here reads a clock, a network or a file. Times are seconds since the Unix epoch on the clock of
whoever sampled; durations are seconds; counts are requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

RETRIES = "retries"
"""The metric of attempts that a gateway made again: its counts are attempts, all others' are requests."""


def of_requests(metrics: Iterable[str]) -> frozenset[str]:
    """Those of some metrics whose counts are requests; all of them where there is nothing but retries."""
    known = frozenset(metrics)
    return known - {RETRIES} or known


class Arm(StrEnum):
    """One side of the comparison."""

    STABLE = "stable"
    CANARY = "canary"


class Verdict(StrEnum):
    """What the judge says; only HEALTHY may ever let a step pass by itself."""

    HEALTHY = "HEALTHY"
    UNHEALTHY = "UNHEALTHY"
    UNDECIDED = "UNDECIDED"
    NO_DATA = "NO_DATA"


class Note(NamedTuple):
    """One unusual thing about a reading.

    Attributes:
        name: what `value` is called among a finding's numbers.
        value: how many, or seconds.
        said: in words; empty where the number is for whoever asks.
        steady: it is so at every look: told with what a judgement rests on, not in every sentence.
    """

    name: str
    value: float
    said: str
    steady: bool = False


class Pod(NamedTuple):
    """What one pod had of a look.

    Attributes:
        name: as the source's labels name it: a pod, or an address.
        node: where it runs; empty where the labels do not say.
        total, bad: its requests.
    """

    name: str
    node: str
    total: int
    bad: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Increments of one arm for one metric during one look.

    Attributes:
        total: requests finished during the look.
        bad: how many of them were bad; 0 <= bad <= total.
        buckets: for latency, pairs (upper bound in seconds, requests at or under it), cumulative and
            ascending; the last bound is `inf` and its count equals `total`. Empty for plain counts.
        started: requests begun during the look; None where the source does not tell.
        pods: the same per pod, where the source's labels allow it; empty elsewhere.
    """

    total: int
    bad: int = 0
    buckets: tuple[tuple[float, int], ...] = ()
    started: int | None = None
    pods: tuple[Pod, ...] = ()

    def __post_init__(self) -> None:
        """Refuse counts that cannot have happened.

        Raises:
            ValueError: a count is negative, `bad` exceeds `total`, or the buckets are not cumulative.
        """
        if self.total < 0 or not 0 <= self.bad <= self.total:
            raise ValueError(f"counts must satisfy 0 <= bad <= total, got bad={self.bad}, total={self.total}")
        last_bound, last_count = float("-inf"), 0
        for bound, count in self.buckets:
            if bound <= last_bound or count < last_count:
                raise ValueError(f"buckets must ascend and accumulate, got {self.buckets}")
            last_bound, last_count = bound, count


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """What was measured of a gauge on one arm since the previous look.

    Attributes:
        points: its new values, oldest first; finite.
        dropped: values that were no numbers.
        code, sentence: what was wrong with the newest reading, as a stable short word and for people; "" for nothing.
    """

    points: tuple[float, ...] = ()
    dropped: int = 0
    code: str = ""
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One reading with a new sample in it: what happened between two sampling times, on both arms alike.

    Attributes:
        start: the earlier sampling time, seconds since the epoch.
        end: the later sampling time; a look is identified by it and counted once.
        counts: per metric name, the increments of each arm. A metric without data for an arm lacks that arm.
        route: increments seen on the route itself, before any backend was chosen; requests that never
            reached an arm (no endpoints, refused) show up here only. None where the source has no such series.
        gauges: per metric name, what was measured of series that count nothing; where one value is for both arms, it
            is the canary's.
        spans_change: the shares changed during the look; it is counted, never judged (Simpson's paradox).
        notes: what was unusual about the reading (a reset, a value that is none, another clock).
        absent: per metric, the arms of which there was no series at all. Such an arm is among `counts` with no request
            where that is what it means, because the same proxies count both arms; else it lacks there.
        pods: ready pods of each arm, as far as somebody counts them.
        missed: readings since the last look that made none, by the reason's code.
    """

    start: float
    end: float
    counts: Mapping[str, Mapping[Arm, Counts]]
    route: Counts | None = None
    gauges: Mapping[str, Mapping[Arm, Gauge]] = field(default_factory=dict)
    spans_change: bool = False
    notes: tuple[Note, ...] = ()
    absent: Mapping[str, tuple[Arm, ...]] = field(default_factory=lambda: MappingProxyType({}))
    pods: Mapping[Arm, int] = field(default_factory=lambda: MappingProxyType({}))
    missed: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def requests(self, arm: Arm) -> int:
        """The largest request count that any metric saw on this arm (they count the same requests)."""
        counted = (self.counts[name] for name in of_requests(self.counts))
        return max((arms[arm].total for arms in counted if arm in arms), default=0)

    def lacks(self, arm: Arm) -> bool:
        """Whether there was no series of this arm for any metric."""
        return bool(self.absent) and all(arm in self.absent.get(name, ()) for name in of_requests(self.counts))

    def counted(self, arm: Arm) -> bool:
        """Whether it is known how many requests this arm had, none included."""
        return any(arm in self.counts[name] for name in of_requests(self.counts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One metric's result at one look, with its reason.

    Attributes:
        metric: the metric's name in the release file.
        verdict: this metric's own verdict.
        sentence: one sentence a person understands, with its numbers.
        code: a stable short word for machines, e.g. `WORSE`, `WITHIN`, `STALE`, `NO_REQUESTS`, `LIMIT`.
        numbers: the sentence's numbers as data (rates, counts, bound, interval, evidence, threshold, dispersion).
    """

    metric: str
    verdict: Verdict
    sentence: str
    code: str
    numbers: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the judge says after one look, over all metrics.

    Attributes:
        verdict: the verdict over all metrics.
        findings: per metric, the guilty ones first.
        evidence: log of the combined evidence that the canary is worse than tolerated.
        threshold: what `evidence` must reach for UNHEALTHY: log(1/falseRollback).
        looks: judged looks in this step.
        requests: canary requests judged in this step.
        may_proceed: still undecided, but every guard that DESIGN.md asks of an undecided step holds
            (estimates within bound, evidence not pointing to harm, enough requests judged).
        sentence: the reason in one sentence: the most telling finding's.
        absent: what a step that ends without some metric's data should do, by that metric's own policy, the strictest
            first: `fail`, `extend` or `hold`; "" while nothing is absent, or where only the release's policy holds.
        absence: which metric, in one sentence.
        basis: what the judgement rests on, in one sentence: what could have been missed, dispersion, pods, shares.
    """

    verdict: Verdict
    findings: tuple[Finding, ...]
    evidence: float
    threshold: float
    looks: int
    requests: int
    may_proceed: bool
    sentence: str
    absent: str = ""
    absence: str = ""
    basis: str = ""
