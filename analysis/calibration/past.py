"""Stable's past as looks: from raw counters by the same window that a live release reads through, or from a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.model import Arm, Counts, Look
from analysis.offline.runs import ARMS, Run
from analysis.sources import Reading, Sample, Window

Array = NDArray[np.float64]

SETTLED = 120.0
"""Seconds of samples that the first reading holds: every series that is alive has one in them, so none is born later
with the counts of years."""

FEWEST = 60
"""Looks below which a past says nothing: three of a step's twenty, and two blocks of the longest dispersion."""


class Scarce(ValueError):
    """There is too little past to calibrate with; the message says how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Looks at stable, ascending; one row per look.

    Attributes:
        times: ends of the looks, seconds.
        counts: per metric of counts, (total, bad) of both arms, shape (looks, 2, 2); the second arm is a pod of
            stable's where the past is split by pods, else empty.
        buckets: per latency metric its bounds, and the requests at or under each, shape (looks, 2, bounds).
        pod: which pod the second arm is; empty where there is none.
    """

    times: Array
    counts: Mapping[str, Array]
    buckets: Mapping[str, tuple[Array, Array]]
    pod: str = ""

    def __len__(self) -> int:
        """Looks."""
        return len(self.times)

    @property
    def every(self) -> float:
        """Seconds between two looks, the median."""
        return float(np.median(np.diff(self.times))) if len(self) > 1 else 0.0

    @property
    def span(self) -> float:
        """Seconds from the first look to the last."""
        return float(self.times[-1] - self.times[0]) if len(self) else 0.0

    def looks(self, start: int, end: int) -> Iterable[Look]:
        """Some of them as a live release has them."""
        counts = {name: table[start:end] for name, table in self.counts.items()}
        buckets = {name: (bounds, table[start:end]) for name, (bounds, table) in self.buckets.items()}
        return Run(name="", times=self.times[start:end], steps=None, counts=counts, buckets=buckets).looks()


def of_run(run: Run) -> Past:
    """The past in a table of counts: its rows of stable; what it says of a canary is left out.

    Raises:
        Scarce: there is too little of it.
    """
    counts = {name: _stable_only(table) for name, table in run.counts.items()}
    buckets = {name: (bounds, _stable_only(table)) for name, (bounds, table) in run.buckets.items()}
    return _enough(Past(times=run.times, counts=counts, buckets=buckets))


def _stable_only(table: Array) -> Array:
    only = table.copy()
    only[:, 1] = 0.0
    return only


def of_samples(samples: Sequence[Sample], *, metrics: Mapping[str, bool], every: float, pod: str = "") -> Past:
    """The past in raw samples of stable's counters.

    Args:
        samples: in any order; those of a canary are left out.
        metrics: names, with whether each has latency buckets.
        every: seconds between looks; no look is shorter than the samples are apart.
        pod: `label=value` of the series that become the second arm; empty for none.

    Raises:
        Scarce: there is too little of it.
    """
    chosen = [sample for sample in samples if sample.key.arm is Arm.STABLE]
    if pod:
        label, _, value = pod.partition("=")
        chosen = [_on_arm(sample, label, value) for sample in chosen]
    ordered = sorted(chosen, key=lambda sample: sample.time)
    window = Window(metrics=metrics, every=every)
    looks: list[Look] = []
    for reading in _readings(ordered, every):
        look = window.advance(reading)
        if isinstance(look, Look):
            looks.append(look)
    return _enough(_table(looks, metrics, pod))


def _on_arm(sample: Sample, label: str, value: str) -> Sample:
    return replace(sample, key=replace(sample.key, arm=Arm.CANARY)) if label_of(sample, label) == value else sample


def label_of(sample: Sample, label: str) -> str | None:
    """The value of a label in a sample's series; None where it has none."""
    found = re.search(rf'(?:^|[|,]){re.escape(label)}=("(?:[^"\\]|\\.)*"|[^,]*)', sample.series)
    return found.group(1).strip('"') if found else None


def pods_of(samples: Iterable[Sample], label: str) -> tuple[str, ...]:
    """`label=value` of each pod of stable's that the samples tell apart, those with most samples first."""
    number: dict[str, int] = {}
    for sample in samples:
        value = label_of(sample, label) if sample.key.arm is Arm.STABLE else None
        if value is not None:
            number[value] = number.get(value, 0) + 1
    return tuple(f"{label}={value}" for value in sorted(number, key=lambda one: (-number[one], one)))


def _readings(samples: Sequence[Sample], every: float) -> Iterable[Reading]:
    """The samples as they would have been read, look by look."""
    if not samples:
        return
    end, start = samples[0].time + SETTLED, 0
    while start < len(samples):
        stop = start
        while stop < len(samples) and samples[stop].time <= end:
            stop += 1
        if stop > start:
            yield Reading(at=end, samples=tuple(samples[start:stop]))
        start, end = stop, end + every


def _table(looks: Sequence[Look], metrics: Mapping[str, bool], pod: str) -> Past:
    counts: dict[str, Array] = {}
    buckets: dict[str, tuple[Array, Array]] = {}
    for name, latency in metrics.items():
        if latency:
            buckets[name] = _buckets(looks, name)
            continue
        rows = [[(one.total, one.bad) for one in _arms(look, name)] for look in looks]
        counts[name] = np.array(rows, dtype=float).reshape(len(looks), 2, 2)
    return Past(times=np.array([look.end for look in looks]), counts=counts, buckets=buckets, pod=pod)


def _arms(look: Look, name: str) -> list[Counts]:
    return [look.counts.get(name, {}).get(arm, Counts(total=0)) for arm in ARMS]


def _buckets(looks: Sequence[Look], name: str) -> tuple[Array, Array]:
    bounds = sorted({bound for look in looks for one in _arms(look, name) for bound, _ in one.buckets})
    table = np.zeros((len(looks), 2, len(bounds)))
    for row, look in enumerate(looks):
        for arm, one in enumerate(_arms(look, name)):
            if one.buckets:
                known = dict(one.buckets)
                table[row, arm] = np.maximum.accumulate([known.get(bound, 0) for bound in bounds])
    return np.array(bounds), table


def _enough(past: Past) -> Past:
    if len(past) < FEWEST:
        raise Scarce(f"there are {len(past)} looks at stable's past, at least {FEWEST} are needed")
    totals = [table[:, 0, 0].sum() for table in past.counts.values()]
    totals += [table[:, 0, -1].sum() for _, table in past.buckets.values() if table.shape[2]]
    if not max(totals, default=0):
        raise Scarce("stable had no requests in its recorded past")
    return past
