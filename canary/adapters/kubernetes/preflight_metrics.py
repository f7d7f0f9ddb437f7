"""What the buckets of stable's latency can show of what the release file asks for."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.judge import MetricConfig
from analysis.judge.slower import between, too_coarse
from analysis.model import Arm
from analysis.sources import Reading, Role
from canary.ports import Problem

_COARSE = (
    "Give the gateway finer buckets, or write the tolerance that these can show, or tolerance: in shares of requests."
)
_BETWEEN = "Nothing, if that is acceptable; else write a limit at a bucket, or give the gateway one at the limit."


def check_buckets(reading: Reading, metrics: Sequence[MetricConfig]) -> list[Problem]:
    """A problem for each tolerance in time that cannot be shown, and a warning for each limit between two buckets."""
    found: list[Problem] = []
    for metric in metrics:
        if metric.kind != "latency":
            continue
        histogram = stable_histogram(reading, metric.name)
        if coarse := too_coarse(metric, histogram):
            found.append(Problem(what=f"{coarse[0].upper()}{coarse[1:]}.", fix=_COARSE))
        found += [
            Problem(what=f"{sentence[0].upper()}{sentence[1:]}.", fix=_BETWEEN, code=None)
            for sentence in between(metric, histogram)
        ]
    return found


def stable_histogram(reading: Reading, metric: str) -> dict[float, int]:
    """Stable's cumulative counts by upper bound in seconds, from the newest sample of every series."""
    newest: dict[tuple[float, str], tuple[float, float]] = {}
    for sample in reading.samples:
        key = sample.key
        if (key.metric, key.arm, key.role) == (metric, Arm.STABLE, Role.BUCKET):
            where = (key.bound, sample.series)
            newest[where] = max(newest.get(where, (sample.time, sample.value)), (sample.time, sample.value))
    found: dict[float, float] = {}
    for (bound, _), (_, value) in newest.items():
        found[bound] = found.get(bound, 0.0) + value
    return {bound: round(found[bound]) for bound in sorted(found)}
