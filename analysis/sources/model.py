"""What a reading of counters is, wherever it was read."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from analysis.model import Arm


class Role(StrEnum):
    """What a counter counts."""

    TOTAL = "total"
    BAD = "bad"
    BUCKET = "bucket"


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


ROUTE = ""
"""The metric name of the route's own counters, which see requests that never reached an arm."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One raw sample of one counter.

    Attributes:
        key: the number it feeds; several series may feed one number.
        series: the series' identity (its labels), so that each is differenced on its own.
        time: when it was sampled, seconds since the epoch on the sampler's clock.
        value: the counter's value; not negative, finite.
    """

    key: Key
    series: str
    time: float
    value: float

    def __post_init__(self) -> None:
        """Refuse what no counter can be.

        Raises:
            ValueError: the value is negative or not finite.
        """
        if not math.isfinite(self.value) or self.value < 0:
            raise ValueError(f"a counter cannot be {self.value}")


class Trouble(StrEnum):
    """Why a reading brought nothing, each told apart."""

    DOWN = "SOURCE_DOWN"
    SLOW = "SOURCE_SLOW"
    NONSENSE = "SOURCE_NONSENSE"
    ABSENT = "SERIES_ABSENT"
    STALE = "SCRAPE_STALE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reading of everything that is needed.

    Attributes:
        at: when it was asked for, seconds since the epoch on the reader's clock.
        samples: what came back.
        trouble: why nothing useful came back; None when the source answered.
        sentence: the trouble in words, with what to do.
    """

    at: float
    samples: tuple[Sample, ...] = ()
    trouble: Trouble | None = None
    sentence: str = ""
