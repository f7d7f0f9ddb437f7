"""Kayenta's NetflixACA judge: one value a minute and metric, compared between the arms by rank.

Documented: each metric is labelled by `mannwhitney` (here an increase is bad), a group's score is the percentage of its
metrics that pass, a group without data counts 100, groups without weights share 100 equally, and with half of the
metrics or more without data the score is 0. Judged at every interval over all time since the start; a score at or under
`marginal` ends the run, and in the end it must be over it and reach `pass`. Examples use 75 and 95.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from judging.peers.mannwhitney import label
from judging.peers.windows import Counters
from judging.streams import CANARY, STABLE, Array, Stream

POINT = 60.0
"""Seconds between the values that it compares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kayenta:
    """Its rule.

    Attributes:
        interval: seconds between judgements.
        marginal, passing: scores.
    """

    interval: float = 600.0
    marginal: float = 75.0
    passing: float = 95.0

    def __call__(self, stream: Stream) -> Array:
        """Seconds until the rollback of each run."""
        values = _values(stream)
        last = stream.looks * stream.every
        return np.array([self._run([pair[:, run] for pair in values], last) for run in range(stream.runs)])

    def _run(self, values: list[Array], last: float) -> float:
        for end in np.arange(self.interval, last + 1.0, self.interval).tolist():
            points = int(end / POINT)
            score = scored([label(canary[:points], baseline[:points]) for baseline, canary in values])
            needed = self.passing if end + self.interval > last else np.nextafter(self.marginal, np.inf)
            if score < needed:
                return float(end)
        return np.inf


def scored(labels: list[str]) -> float:
    """The score of metrics that are each a group of their own; only an increase is bad."""
    missing = labels.count("Nodata")
    if 2 * missing >= len(labels):
        return 0.0
    return 100.0 * (len(labels) - labels.count("High")) / len(labels)


def _values(stream: Stream) -> list[Array]:
    """Per metric, the values of each arm, run and minute: shape (arms, runs, minutes)."""
    arms = [Counters.of(stream, arm) for arm in (STABLE, CANARY)]
    minutes = np.arange(0.0, stream.looks * stream.every - POINT + 1.0, POINT).tolist()
    errors = [[_rate(*counters.increase(t, t + POINT)) for t in minutes] for counters in arms]
    found = [np.moveaxis(np.array(errors), 1, 2)]
    if stream.buckets is not None:
        for q in (0.5, 0.99):
            slow = [[counters.quantile(q, t, t + POINT) for t in minutes] for counters in arms]
            found.append(np.moveaxis(np.array(slow), 1, 2))
    return found


def _rate(total: Array, bad: Array) -> Array:
    return np.where(total > 0, bad / np.maximum(total, 1.0), np.nan)
