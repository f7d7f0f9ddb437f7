"""What the judge remembers between looks: sufficient for every later verdict, small enough for the journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from analysis import classical
from analysis.judge.accounts import Wealth
from analysis.judge.book import Book
from analysis.judge.config import JudgeConfig
from analysis.judge.flow import Flow
from analysis.judge.limits import Limits
from analysis.judge.pace import Held
from analysis.judge.past import UNASKED, Past
from analysis.judge.pods import Table
from analysis.judge.tests import Limit, Test, latency_tests, limits_of, plain_tests
from analysis.model import Arm, Look, of_requests

Array = NDArray[np.float64]

Histogram = Mapping[float, int]


@dataclass(slots=True)
class JudgeState:
    """The whole memory. Whatever hangs on it is never changed in place, so that a copy costs nothing.

    Attributes:
        tests, limits: what is tested; latency's appear once stable's histogram is known.
        book: what is remembered of the tests, one row per test.
        over: what is remembered of the limits, one row per limit.
        split: wealth against "the requests fit the share", restarted in each step.
        looks: judged looks in this step.
        idle: newest looks in a row without a request, on stable and on the canary.
        first: the next look is the step's first.
        share, last_share: of this step and of the plan's last, percent; 0 before the first step.
        exposed: the canary has had traffic.
        baking: no second arm is left.
        histograms: stable's cumulative latency histogram per metric, until bounds are chosen.
        condemned: UNHEALTHY was said; it stands.
        beside: what is remembered of the metrics that are not judged sequentially.
        held: counts of metrics whose own interval is not over yet.
        began: start of this step's first judged look; None before it.
        flow: what the canary begins and ends, restarted in each step.
        seen: the pods of both arms since the release began.
        pods: ready pods of stable and canary; 0 where nobody counts them.
        dropped: looks of this step that were not judged, by reason.
        widening: what the tolerance of each metric is widened by in this step: `(1 + r)` is multiplied by it.
        outlier: the canary pod that carries the excess; empty where there is none.
        past: what stable's recorded past shows.
        first_request: when the youngest of the canary's pods had its first request; None before any.
    """

    tests: tuple[Test, ...]
    limits: tuple[Limit, ...]
    book: Book
    over: Limits
    split: Wealth = field(default_factory=lambda: Wealth.fresh(2))
    looks: int = 0
    idle: tuple[int, int] = (0, 0)
    first: bool = True
    share: float = 0.0
    last_share: float = 100.0
    exposed: bool = False
    baking: bool = False
    histograms: Mapping[str, Histogram] = field(default_factory=dict)
    condemned: bool = False
    beside: classical.Beside = field(default_factory=classical.Beside)
    held: Mapping[str, Held] = field(default_factory=dict)
    began: float | None = None
    flow: Flow = field(default_factory=Flow)
    seen: Table = field(default_factory=dict)
    pods: tuple[int, int] = (0, 0)
    dropped: Mapping[str, int] = field(default_factory=dict)
    widening: Mapping[str, float] = field(default_factory=dict)
    outlier: str = ""
    past: Past = UNASKED
    first_request: float | None = None

    @property
    def requests(self) -> tuple[float, float]:
        """Requests of this step on stable and on the canary, by the test that counted most of the canary's."""
        counted = of_requests(test.metric for test in self.tests)
        step = zip(self.tests, self.book.step.tolist(), strict=True)
        rows = (row for test, row in step if test.metric in counted)
        _, stable, _, canary = max(rows, key=itemgetter(3), default=(0.0,) * 4)
        return stable, canary

    def copy(self) -> JudgeState:
        """An independent copy: the judge never changes what it was given."""
        twin = object.__new__(JudgeState)
        for name in JudgeState.__slots__:
            setattr(twin, name, getattr(self, name))
        return twin


def start(config: JudgeConfig) -> JudgeState:
    """A new release: a new alpha, no evidence."""
    tests = plain_tests(config)
    limits = tuple(limit for metric in config.metrics if metric.kind != "latency" for limit in limits_of(metric, {}))
    return JudgeState(
        tests=tests,
        limits=limits,
        book=Book.fresh(len(tests)),
        over=Limits.fresh(len(limits)),
        beside=classical.fresh(config.classical),
    )


def learn_histograms(config: JudgeConfig, state: JudgeState, look: Look) -> None:
    """Add a look to stable's latency histograms, as far as bounds are still to be chosen."""
    chosen = {test.metric for test in state.tests}
    for metric in config.metrics:
        counts = look.counts.get(metric.name, {}).get(Arm.STABLE)
        if metric.kind != "latency" or metric.name in chosen or counts is None or not counts.buckets:
            continue
        known = dict(state.histograms.get(metric.name, {}))
        for upper, number in counts.buckets:
            known[upper] = known.get(upper, 0) + number
        state.histograms = {**state.histograms, metric.name: known}


def add_latency(config: JudgeConfig, state: JudgeState) -> None:
    """Choose latency bounds where stable has shown enough; from stable alone, before the canary is judged by them."""
    for metric in config.metrics:
        histogram = state.histograms.get(metric.name)
        tests = latency_tests(metric, histogram) if metric.kind == "latency" and histogram else ()
        if not tests or not histogram:
            continue
        limits = limits_of(metric, histogram)
        state.tests += tests
        state.limits += limits
        state.book = state.book.joined(_book_of(tests, histogram))
        state.over = state.over.joined(Limits.fresh(len(limits)))
        state.histograms = {name: known for name, known in state.histograms.items() if name != metric.name}


def _book_of(tests: tuple[Test, ...], histogram: Histogram) -> Book:
    """New rows that remember what the histogram has shown of stable."""
    total = max(histogram.values(), default=0)
    book = Book.fresh(len(tests))
    book.memory[:] = [(total - histogram[test.base or test.bound], total, 1.0, 0.0) for test in tests]
    return book.known()
