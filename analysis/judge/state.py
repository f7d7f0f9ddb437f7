"""What the judge remembers between looks: sufficient for every later verdict, small enough for the journal."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.judge import accounts
from analysis.judge.config import JudgeConfig
from analysis.judge.dispersion import Dispersion
from analysis.judge.tests import Limit, Test, latency_tests, limits_of, plain_tests

Array = NDArray[np.float64]

VERSION = 1
"""Of the judge's arithmetic and of this form; a record names it."""

DIGITS = 12
"""Significant digits kept: a verdict judged again agrees to 1e-9."""


@dataclass(slots=True)
class Wealth:
    """Cash and accounts of several bets."""

    cash: Array
    accounts: Array

    @classmethod
    def fresh(cls, tests: int) -> Wealth:
        """Before any look."""
        return cls(*accounts.fresh(tests))

    def look(self, log_factors: Array, *, part: float, log_cap: float) -> None:
        """One look: first the cash moves, then the accounts grow."""
        self.cash, self.accounts = accounts.move(self.cash, self.accounts, part)
        self.accounts = accounts.grow(self.accounts, log_factors, log_cap)

    def evidence(self) -> Array:
        """Log of the wealth of each."""
        return accounts.evidence(self.cash, self.accounts)


@dataclass(slots=True)
class JudgeState:
    """The whole memory.

    Attributes:
        tests, limits: what is tested; latency's appear once stable's histogram is known.
        harm: wealth against "within the tolerance", one row per test.
        health: log evidence for "within", restarted in each step.
        memory: remembered stable (errors, requests, looks), one row per test.
        dispersion: of the comparison.
        over, over_stable: wealth against "within the limit", on the canary and on stable.
        step: (x_s, n_s, x_c, n_c) of this step, one row per test.
        over_step: (x, n) of the canary in this step, one row per limit.
        looks: judged looks in this step.
        idle: newest looks in a row without a request, on stable and on the canary.
        first: the next look is the step's first.
        share, last_share: of this step and of the plan's last, percent.
        baking: no second arm is left.
        frozen: stable's rates as they were when the bake began, one per test.
        histograms: stable's cumulative latency histogram per metric, until bounds are chosen.
        condemned: UNHEALTHY was said; it stands.
    """

    tests: tuple[Test, ...]
    limits: tuple[Limit, ...]
    harm: Wealth
    health: Array
    memory: Array
    dispersion: Dispersion
    over: Wealth
    over_stable: Wealth
    step: Array
    over_step: Array
    looks: int = 0
    idle: tuple[int, int] = (0, 0)
    first: bool = True
    share: float = 0.0
    last_share: float = 100.0
    baking: bool = False
    frozen: Array = field(default_factory=lambda: np.zeros(0))
    histograms: dict[str, dict[float, int]] = field(default_factory=dict)
    condemned: bool = False

    def copy(self) -> JudgeState:
        """An independent copy: the judge never changes what it was given."""
        return copy.deepcopy(self)


def start(config: JudgeConfig) -> JudgeState:
    """A new release: a new alpha, no evidence."""
    tests = plain_tests(config)
    limits = tuple(limit for metric in config.metrics if metric.kind != "latency" for limit in limits_of(metric, {}))
    return _sized(tests, limits)


def _sized(tests: tuple[Test, ...], limits: tuple[Limit, ...]) -> JudgeState:
    k, m = len(tests), len(limits)
    return JudgeState(
        tests=tests,
        limits=limits,
        harm=Wealth.fresh(k),
        health=np.zeros(k),
        memory=np.zeros((k, 3)),
        dispersion=Dispersion.fresh(k),
        over=Wealth.fresh(m),
        over_stable=Wealth.fresh(m),
        step=np.zeros((k, 4)),
        over_step=np.zeros((m, 2)),
    )


def add_latency(config: JudgeConfig, state: JudgeState) -> None:
    """Choose latency bounds where stable has shown enough; from stable alone, before the canary is judged by them."""
    for metric in config.metrics:
        histogram = state.histograms.get(metric.name)
        if metric.kind != "latency" or not histogram:
            continue
        tests = latency_tests(metric, histogram)
        if not tests:
            continue
        more = _sized(tests, limits_of(metric, histogram))
        _memory_from(more, histogram)
        _append(state, more)
        del state.histograms[metric.name]


def _memory_from(state: JudgeState, histogram: Mapping[float, int]) -> None:
    total = max(histogram.values(), default=0)
    for row, test in enumerate(state.tests):
        state.memory[row] = (total - histogram[test.bound], total, 1.0)


def _append(state: JudgeState, more: JudgeState) -> None:
    state.tests += more.tests
    state.limits += more.limits
    for name in ("health", "memory", "step", "over_step"):
        setattr(state, name, np.concatenate([getattr(state, name), getattr(more, name)]))
    for name in ("harm", "over", "over_stable"):
        mine, theirs = getattr(state, name), getattr(more, name)
        mine.cash = np.concatenate([mine.cash, theirs.cash])
        mine.accounts = np.concatenate([mine.accounts, theirs.accounts])
    joined = [np.concatenate(pair) for pair in zip(state.dispersion.rows(), more.dispersion.rows(), strict=True)]
    state.dispersion = Dispersion(*joined)


def _plain(array: Array) -> Any:
    return [_plain(row) for row in array] if array.ndim > 1 else [float(f"{value:.{DIGITS}g}") for value in array]


def encode(state: JudgeState) -> dict[str, Any]:
    """As JSON-able data."""
    return {
        "version": VERSION,
        "tests": [list(asdict(test).values()) for test in state.tests],
        "limits": [list(asdict(limit).values()) for limit in state.limits],
        "harm": [_plain(state.harm.cash), _plain(state.harm.accounts)],
        "over": [_plain(state.over.cash), _plain(state.over.accounts)],
        "over_stable": [_plain(state.over_stable.cash), _plain(state.over_stable.accounts)],
        "health": _plain(state.health),
        "memory": _plain(state.memory),
        "dispersion": [_plain(rows) for rows in state.dispersion.rows()],
        "step": _plain(state.step),
        "over_step": _plain(state.over_step),
        "frozen": _plain(state.frozen),
        "histograms": {
            name: [[str(bound), count] for bound, count in histogram.items()]
            for name, histogram in state.histograms.items()
        },
        "now": [state.looks, *state.idle, state.first, state.share, state.last_share, state.baking, state.condemned],
    }


def decode(data: Mapping[str, Any]) -> JudgeState:
    """From `encode`'s data.

    Raises:
        ValueError: it is damaged, or of another version.
    """
    if data.get("version") != VERSION:
        raise ValueError(f"the judge's state has version {data.get('version')!r}, this judge knows {VERSION}")
    try:
        tests = tuple(Test(**dict(zip(Test.__slots__, values, strict=True))) for values in data["tests"])
        limits = tuple(Limit(**dict(zip(Limit.__slots__, values, strict=True))) for values in data["limits"])
        looks, idle_s, idle_c, first, share, last_share, baking, condemned = data["now"]
        k, m = len(tests), len(limits)
        return JudgeState(
            tests=tests,
            limits=limits,
            harm=_wealth(data["harm"], k),
            over=_wealth(data["over"], m),
            over_stable=_wealth(data["over_stable"], m),
            health=_array(data["health"], (k,)),
            memory=_array(data["memory"], (k, 3)),
            dispersion=Dispersion(*(_array(rows, (k, 4)) for rows in data["dispersion"])),
            step=_array(data["step"], (k, 4)),
            over_step=_array(data["over_step"], (m, 2)),
            frozen=np.array(data["frozen"], dtype=float),
            histograms={
                name: {float(bound): int(count) for bound, count in rows} for name, rows in data["histograms"].items()
            },
            looks=int(looks),
            idle=(int(idle_s), int(idle_c)),
            first=bool(first),
            share=float(share),
            last_share=float(last_share),
            baking=bool(baking),
            condemned=bool(condemned),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the judge's state is damaged: {error!r}") from error


def _wealth(data: Any, tests: int) -> Wealth:
    return Wealth(_array(data[0], (tests,)), _array(data[1], (tests, len(accounts.EFFECTS))))


def _array(data: Any, shape: tuple[int, ...]) -> Array:
    array = np.array(data, dtype=float).reshape(shape)
    if not np.isfinite(array).all():
        raise ValueError("not finite")
    return array
