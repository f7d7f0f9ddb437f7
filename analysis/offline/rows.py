"""The tests of one run as rows: what each look counted for each, and from which look on it is judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.judge import JudgeConfig, MetricConfig
from analysis.judge.tests import LEARNED_REQUESTS, Test, latency_tests, normaliser, plain_tests
from analysis.offline.runs import Array, Run

NOTHING = (0.0, 0.0, 0.0, 0.0)
"""Remembered of stable before anything was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One test of one run.

    Attributes:
        test: which.
        weight: its part of alpha, normalised.
        counts: (x_s, n_s, x_c, n_c) of every look, shape (4, looks).
        joins: the first look that it judges; latency's bounds are known only after some.
        memory: what is remembered of stable as it begins, as a `Book` has it.
    """

    test: Test
    weight: float
    counts: Array
    joins: int
    memory: tuple[float, float, float, float]


def rows_of(run: Run, config: JudgeConfig) -> list[Row]:
    """The rows of a run, in the order in which a live release would get them."""
    whole = normaliser(config)
    rows = [
        Row(test=test, weight=test.weight / whole, counts=_plain(run.counts[test.metric]), joins=0, memory=NOTHING)
        for test in plain_tests(config)
    ]
    for metric in config.metrics:
        if metric.name in run.buckets:
            rows += _latency(metric, *run.buckets[metric.name], whole=whole)
    return sorted(rows, key=lambda row: row.joins)


def _plain(table: Array) -> Array:
    return np.stack([table[:, 0, 1], table[:, 0, 0], table[:, 1, 1], table[:, 1, 0]])


def _latency(metric: MetricConfig, bounds: Array, table: Array, *, whole: float) -> list[Row]:
    """The rows of one latency metric, from the look after the one that showed enough of stable."""
    seen = np.cumsum(table[:, 0], axis=0)
    for look in range(int(np.searchsorted(seen[:, -1], LEARNED_REQUESTS)), len(seen) - 1):
        histogram = _histogram(bounds, seen[look])
        tests = latency_tests(metric, histogram)
        if tests:
            known = int(seen[look, -1])
            return [
                Row(
                    test=test,
                    weight=test.weight / whole,
                    counts=_slow(bounds, table, test.bound),
                    joins=look + 1,
                    memory=(known - histogram[test.bound], known, 1.0, 0.0),
                )
                for test in tests
            ]
    return []


def _histogram(bounds: Array, counts: Array) -> dict[float, int]:
    return {bound: int(number) for bound, number in zip(bounds.tolist(), counts.tolist(), strict=True)}


def _slow(bounds: Array, table: Array, bound: float) -> Array:
    total = table[:, :, -1]
    slow = total - table[:, :, int(np.searchsorted(bounds, bound))]
    return np.stack([slow[:, 0], total[:, 0], slow[:, 1], total[:, 1]])
