"""What a query over a window of time would answer, from counts per look."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from judging.streams import BAD, BOUNDS, TOTAL, Array, Stream

UPPER = np.array(BOUNDS)
FINITE = np.append(UPPER[:-1], UPPER[-2])


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters of one arm as a scraper sees them: sums from the start, shape (runs, looks + 1, ...).

    Attributes:
        every: seconds between looks.
        total, bad: requests.
        buckets: requests at or under each bound; None without latency.
    """

    every: float
    total: Array
    bad: Array
    buckets: Array | None

    @classmethod
    def of(cls, stream: Stream, arm: int) -> Counters:
        """Of one arm of a stream."""
        counts = _from_zero(stream.counts[:, :, arm])
        buckets = None if stream.buckets is None else _from_zero(stream.buckets[:, :, arm])
        return cls(stream.every, counts[:, :, TOTAL], counts[:, :, BAD], buckets)

    def at(self, seconds: float) -> int:
        """The index of the newest look at a time."""
        return min(int(seconds / self.every + 1e-9), self.total.shape[1] - 1)

    def increase(self, start: float, end: float) -> tuple[Array, Array]:
        """Requests and failed ones between two times, each of shape (runs,)."""
        first, last = self.at(start), self.at(end)
        return self.total[:, last] - self.total[:, first], self.bad[:, last] - self.bad[:, first]

    def quantile(self, q: float, start: float, end: float) -> Array:
        """As `histogram_quantile` computes it: linear inside a bucket; NaN without requests, shape (runs,)."""
        assert self.buckets is not None
        within = self.buckets[:, self.at(end)] - self.buckets[:, self.at(start)]
        rank = q * within[:, -1]
        which = np.minimum((within < rank[:, None]).sum(axis=1), len(UPPER) - 1)
        rows = np.arange(len(within))
        low = np.where(which > 0, UPPER[np.maximum(which - 1, 0)], 0.0)
        before = np.where(which > 0, within[rows, np.maximum(which - 1, 0)], 0.0)
        inside = np.maximum(within[rows, which] - before, 1.0)
        # In the last bucket, which has no upper end, the answer is its lower one.
        width = FINITE[which] - low
        return np.where(within[:, -1] > 0, low + width * (rank - before) / inside, np.nan)


def _from_zero(counts: Array) -> Array:
    summed = np.cumsum(counts, axis=1)
    found: Array = np.concatenate([np.zeros_like(summed[:, :1]), summed], axis=1)
    return found
