"""What a reading of counters is, wherever it was read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from analysis.model import Arm, Note


class Role(StrEnum):
    """What a counter counts.

    TOTAL, BAD: requests that ended. BUCKET: those of them that took no longer than a bound. STARTED: attempts that were
    sent to a pod, also those that never end.
    """

    TOTAL = "total"
    BAD = "bad"
    BUCKET = "bucket"
    STARTED = "started"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which number a series feeds.

    Attributes:
        metric: the metric's name; `ROUTE` for the counters of the route itself.
        arm: the arm; None for the route.
        role: what is counted.
        bound: upper bound in seconds for BUCKET, else 0.
    """

    metric: str
    arm: Arm | None
    role: Role
    bound: float = 0.0


MOST = 2.0**53
"""Beyond this a float no longer counts one by one; no counter of requests gets there."""

ROUTE = ""
"""The metric name of the route's own counters, which see requests that never reached an arm."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One raw sample of one counter.

    Attributes:
        key: the number it feeds; several series may feed one number.
        series: the series' identity (its labels), so that each is differenced on its own.
        time: when it was sampled, seconds since the epoch on the sampler's clock.
        value: the counter's value; 0 <= value <= `MOST`.
        origin: who was sampled (a proxy, an app's pod); empty where the source does not say.
        vector: series that can only begin anew together (the statuses of one cluster, the buckets of one histogram)
            have the same; empty for a series of its own.
        pod, node: whose it is, where the labels say it.
        by: which server of a pair sampled it, where the labels say it.
    """

    key: Key
    series: str
    time: float
    value: float
    origin: str = ""
    pod: str = ""
    node: str = ""
    vector: str = ""
    by: str = ""

    def __post_init__(self) -> None:
        """Refuse what no counter can be.

        Raises:
            ValueError: the value is negative, too large or not a number, or the time is not finite.
        """
        if not 0 <= self.value <= MOST:
            raise ValueError(f"a counter cannot be {self.value}")
        if not math.isfinite(self.time):
            raise ValueError(f"a sample cannot be from {self.time}")


class Trouble(StrEnum):
    """Why a reading brought nothing, each told apart.

    DOWN: no connection. SLOW: no answer in time. NONSENSE: an answer that cannot be used. PARTIAL: the source says
    itself that something is missing. ABSENT: it answered, and knows none of the series. STALE: nothing new in them.
    """

    DOWN = "SOURCE_DOWN"
    SLOW = "SOURCE_SLOW"
    NONSENSE = "SOURCE_NONSENSE"
    PARTIAL = "SOURCE_PARTIAL"
    ABSENT = "SERIES_ABSENT"
    STALE = "SCRAPE_STALE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One reading of a gauge on one arm.

    Attributes:
        metric, arm: which.
        points: (time, value) pairs, oldest first; values may be no numbers.
        every: seconds between the values that are wanted.
        skew: seconds by which the times' clock is ahead of the reader's.
        code: why there are none: a `Trouble`, `SEVERAL_SERIES` or `QUERY_REFUSED`; "" for nothing.
        sentence: that in words, with what to do.
    """

    metric: str
    arm: Arm
    points: tuple[tuple[float, float], ...] = ()
    every: float = 0.0
    skew: float = 0.0
    code: str = ""
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reading of everything that is needed.

    Attributes:
        at: when it was asked for, seconds since the epoch on the reader's clock.
        samples: what came back.
        gauges: what came back of the series that count nothing; those that were not due are missing.
        trouble: why nothing useful came back; None when the source answered.
        sentence: the trouble in words, with what to do.
        skew: seconds by which the source's clock is ahead of the reader's, as far as it is known.
        notes: what was unusual about the answer.
    """

    at: float
    samples: tuple[Sample, ...] = ()
    gauges: tuple[Measured, ...] = ()
    trouble: Trouble | None = None
    sentence: str = ""
    skew: float = 0.0
    notes: tuple[Note, ...] = ()
