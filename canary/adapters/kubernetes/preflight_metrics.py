"""What stable's own series show of what the release file asks for, before anything is touched."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from analysis.classical import ClassicalConfig, Threshold
from analysis.judge import MetricConfig
from analysis.judge.buckets import between, too_coarse
from analysis.model import Arm
from analysis.sources import Measured, Reading, Role, Trouble
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


_NAME = (
    "Correct the name of the series and its labels, and see that Prometheus scrapes it; a metric that may be missing "
    "has noData: pass."
)


def check_series(reading: Reading, metrics: Sequence[MetricConfig]) -> list[Problem]:
    """A problem for each query of one's own of which stable has no series, although it has others.

    A warning where the metric may be missing, or decides nothing. A gateway's latencies may come later than its counts.
    """
    there = {
        sample.key.metric
        for sample in reading.samples
        if sample.key.arm is Arm.STABLE and sample.key.role in (Role.TOTAL, Role.BUCKET)
    }
    found = []
    for metric in metrics:
        if not metric.own or metric.name in there or not there:
            continue
        what = f"Stable has no series of {metric.name}: it would never be judged."
        found.append(_severe(what, _NAME, metric.no_data, dry_run=metric.dry_run))
    return found


def check_gauges(gauges: Iterable[Measured], rules: Sequence[ClassicalConfig]) -> list[Problem]:
    """What stable's gauges show already: queries that are refused, bring nothing or too much, or break their own rule.

    The canary is not there yet, so that what is missing on its arm says nothing.
    """
    known = {one.name: one for one in rules}
    found = []
    for measured in gauges:
        rule = known.get(measured.metric)
        if rule is None:
            continue
        absent = measured.code == Trouble.ABSENT
        if measured.arm is Arm.CANARY and (absent or not measured.code):
            continue
        if measured.code:
            what = f"The gauge {measured.metric}: {measured.sentence.rstrip('.?')}."
            fix = _NAME if absent else "Correct the query; try it in Prometheus with stable's Service in place of $arm."
            found.append(_severe(what, fix, rule.no_data if absent else "", dry_run=rule.dry_run))
        elif measured.points:
            found += _at_rest(rule, measured.points[-1][1])
    return list(dict.fromkeys(found))


def _at_rest(rule: ClassicalConfig, value: float) -> list[Problem]:
    """A warning where stable is out of the range itself, or its value is no number."""
    if not math.isfinite(value):
        what = f"The gauge {rule.name} is no number on stable now ({value})."
        return [Problem(what=what, fix="See that the query divides by nothing that can be 0.", code=None)]
    if isinstance(rule.how, Threshold) and not rule.how.holds(value):
        what = f"The gauge {rule.name} is {value:g} on stable already, and the rule is {rule.how.words}."
        fix = "Write a range that stable keeps: a step is held while stable is out of it as well."
        return [Problem(what=what, fix=fix, code=None)]
    return []


def _severe(what: str, fix: str, no_data: str, *, dry_run: bool) -> Problem:
    if dry_run or no_data == "pass":
        return Problem(what=what, fix=fix, code=None)
    return Problem(what=what, fix=fix)
