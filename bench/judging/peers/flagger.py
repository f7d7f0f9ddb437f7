"""Flagger: thresholds on the canary alone, checked once an interval.

Documented: `analysis.interval` is 60 s when not given, `threshold` is the number of failed checks and 1 when not given;
request-success-rate at least 99 % and request-duration (p99) at most 500 ms, both over 1 minute; no values are a failed
check. The tutorials write `threshold: 5`. From its source: failed checks add up and are never taken back, and the
rollback comes on the tick after the one that reached the threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from judging.peers.windows import Counters
from judging.streams import CANARY, Array, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Flagger:
    """Its rule.

    Attributes:
        threshold: failed checks.
        interval: seconds between ticks, and of the metrics' windows.
        success: least share of requests that succeed.
        slowest: largest p99, seconds.
    """

    threshold: int
    interval: float = 60.0
    success: float = 0.99
    slowest: float = 0.5

    def __call__(self, stream: Stream) -> Array:
        """Seconds until the rollback of each run."""
        counters = Counters.of(stream, CANARY)
        failed = np.zeros(stream.runs, dtype=np.int64)
        found = np.full(stream.runs, np.inf)
        for tick in range(1, int(stream.looks * stream.every / self.interval) + 1):
            now = tick * self.interval
            found = np.where((failed >= self.threshold) & np.isinf(found), now, found)
            failed += self._fails(counters, now)
        return found

    def _fails(self, counters: Counters, now: float) -> Array:
        total, bad = counters.increase(now - self.interval, now)
        fails = (total == 0) | (total - bad < self.success * total)
        if counters.buckets is not None:
            fails |= counters.quantile(0.99, now - self.interval, now) > self.slowest
        return fails
