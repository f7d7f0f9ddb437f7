"""Seconds: by how much requests must be slower to be seen, and how long it takes until traffic is back. Pure.

What buckets show of a shift in time is exact: a canary whose requests take `x / y` times as long as stable's has at
least as many over x as stable has over y. Between two bounds nothing is known, and nothing is interpolated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from analysis.judge.tests import shares_over

LEAST_LOOKS = 2
"""No single look condemns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """The smallest shift of all requests that is seen for certain at one bound.

    Attributes:
        bound: the bucket that shows it, seconds.
        beyond: stable's bound that at least as many of its requests are over as the canary must have over `bound`.
    """

    bound: float
    beyond: float

    @property
    def times(self) -> float:
        """Times as long as stable's."""
        return self.bound / self.beyond

    @property
    def longer(self) -> float:
        """Seconds more for every request."""
        return self.bound - self.beyond


def shift(histogram: Mapping[float, int], *, bound: float, rate: float) -> Shift | None:
    """The smallest shift in time that gives the canary so many slow requests for certain.

    Args:
        histogram: stable's cumulative counts by upper bound in seconds.
        bound: the bucket by which the canary is judged.
        rate: the canary's share of requests over it that is seen.

    Returns:
        None where stable has no bound that so many of its requests are over: no shift is seen for certain.
    """
    shares = shares_over(histogram)
    enough = [other for other, share in shares.items() if 0 < other < bound and share >= rate]
    return Shift(bound=bound, beyond=max(enough)) if enough else None


def quantile_between(histogram: Mapping[float, int], quantile: float) -> tuple[float, float] | None:
    """The two bounds between which a quantile lies, seconds; the lower is 0 in the first bucket.

    Returns:
        None without requests. The upper is infinite where it lies beyond the last bound.
    """
    total = max(histogram.values(), default=0)
    if not total:
        return None
    low = 0.0
    for bound in sorted(histogram):
        if histogram[bound] >= quantile * total:
            return low, bound
        low = bound
    return low, math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """From the first bad request until traffic is back, part by part. All in seconds.

    Attributes:
        judging: until enough was counted that it is condemned in 9 of 10 releases; at least two looks.
        looks: that this takes.
        scrape: between two samples of the source; 0 where the engine reads the proxies itself.
        look: between two looks.
        gateway: that the gateway usually takes to follow a change of weights; None where nobody knows.
    """

    judging: float
    looks: int
    scrape: float
    look: float
    gateway: float | None

    @property
    def expected(self) -> float:
        """On average: a moment waits for half an interval."""
        return self.judging + self.scrape / 2 + self.look / 2 + (self.gateway or 0.0)

    @property
    def worst(self) -> float:
        """When everything has just been missed."""
        return self.judging + self.scrape + self.look + (self.gateway or 0.0)


def reaction(seconds: float, *, scrape: float, look: float, gateway: float | None) -> Reaction:
    """The reaction to something that takes so many seconds of traffic to be condemned.

    A look needs a new sample, so looks are as far apart as the slower of the two.
    """
    pace = max(scrape, look)
    looks = max(LEAST_LOOKS, math.ceil(seconds / pace))
    return Reaction(judging=looks * pace, looks=looks, scrape=scrape, look=look, gateway=gateway)
