"""Argo Rollouts: the success rate of its documentation's Prometheus example.

Documented: every 5 minutes, `sum(irate(not 5xx[5m])) / sum(irate(all[5m]))`, `successCondition: result[0] >= 0.95`,
`failureLimit: 3` (a fourth failed measurement fails the analysis). `irate` uses the last two samples only. A condition
that is not true is a failed measurement, also for NaN, which comes of no requests; one that cannot be evaluated (an
empty vector) is an error, tried again after 10 s, and the fifth error in a row fails the analysis. The first
measurement is made at once. An analysis that fails aborts the rollout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from judging.peers.windows import Counters
from judging.streams import CANARY, Array, Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Argo:
    """Its rule.

    Attributes:
        interval: seconds between measurements.
        success: least success rate.
        failure_limit: failed measurements that are still allowed.
        error_limit: errors in a row that are still allowed.
        retry: seconds after an error.
        scrape: seconds between Prometheus's samples.
    """

    interval: float = 300.0
    success: float = 0.95
    failure_limit: int = 3
    error_limit: int = 4
    retry: float = 10.0
    scrape: float = 15.0

    def __call__(self, stream: Stream) -> Array:
        """Seconds until the rollback of each run."""
        counters, end = Counters.of(stream, CANARY), stream.looks * stream.every
        return np.array([self._run(counters, run, end) for run in range(stream.runs)])

    def _run(self, counters: Counters, run: int, end: float) -> float:
        now, failed, errors = 0.0, 0, 0
        while now <= end:
            rate = self._measured(counters, run, now)
            errors = errors + 1 if rate is None else 0
            failed += rate is not None and not rate >= self.success
            if failed > self.failure_limit or errors > self.error_limit:
                return now
            now += self.retry if rate is None else self.interval
        return np.inf

    def _measured(self, counters: Counters, run: int, now: float) -> float | None:
        """The query's value; None when it answers with an empty vector."""
        last = np.floor(now / self.scrape) * self.scrape
        before = last - self.scrape
        if before <= 0:
            return None
        (total, bad), (old_total, old_bad) = (
            (counters.total[run, counters.at(t)], counters.bad[run, counters.at(t)]) for t in (last, before)
        )
        # A series exists from its first request on; without two samples of a good one there is nothing to divide.
        if old_total - old_bad <= 0:
            return None
        return float((total - bad - old_total + old_bad) / (total - old_total)) if total > old_total else np.nan
