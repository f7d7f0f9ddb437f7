"""Many releases at once: each row of a `Book` is one release with one metric, judged by the judge's own arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.judge import JudgeConfig, MetricConfig, begin_step, book, interval, learn, observe, start
from analysis.judge.accounts import STEP_SHARE
from analysis.judge.asked import Asked, Counted
from analysis.judge.book import Book
from analysis.model import Arm, Counts, Judgement, Look

Array = NDArray[np.float64]

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, float("inf"))


def config_of(relative: float = 0.5, absolute: float = 0.01, **changes: object) -> JudgeConfig:
    errors = MetricConfig(name="errors", kind="errors", relative=relative, absolute=absolute)
    return JudgeConfig(metrics=(errors,), **({"planned_looks": 300} | changes))  # type: ignore[arg-type]


@dataclass(kw_only=True)
class Plays:
    """What happened in many releases.

    Attributes:
        condemned: the look at which each was condemned; infinite where it never was.
        healthy: per step, whether each was ever called HEALTHY in it.
        exposed: canary requests until it was condemned (or until the end).
    """

    condemned: Array
    exposed: Array
    healthy: list[NDArray[np.bool_]] = field(default_factory=list)

    @property
    def rollbacks(self) -> int:
        return int(np.isfinite(self.condemned).sum())


@dataclass(kw_only=True)
class Moment:
    """One look of many releases.

    Attributes:
        look, looks: which of how many.
        runs: releases.
        chance: the only source of it.
        stable: stable's rates, once they are known.
    """

    look: int
    looks: int
    runs: int
    chance: np.random.Generator
    stable: Array = field(default_factory=lambda: np.zeros(0))

    def all(self, rate: float) -> Array:
        return np.full(self.runs, rate)


Rates = Callable[[Moment], Array]


@dataclass(kw_only=True)
class Traffic:
    """One service: requests a second, a look's seconds, and the rates of both arms.

    Attributes:
        stable, canary: rate of bad requests at a moment.
    """

    rps: float
    stable: Rates
    canary: Rates
    every: float = 5.0
    shares: tuple[float, ...] = (1.0, 5.0, 20.0, 50.0)
    looks: int = 60

    def draw(self, look: int, share: float, runs: int, chance: np.random.Generator) -> Counted:
        requests = chance.poisson(self.rps * self.every, runs)
        n_c = chance.binomial(requests, share / 100.0)
        n_s = requests - n_c
        moment = Moment(look=look, looks=self.looks * len(self.shares), runs=runs, chance=chance)
        moment.stable = self.stable(moment)
        x_s, x_c = chance.binomial(n_s, moment.stable), chance.binomial(n_c, self.canary(moment))
        return Counted(*(np.asarray(one, dtype=float) for one in (x_s, n_s, x_c, n_c)))


def play(traffic: Traffic, config: JudgeConfig, *, runs: int, seed: int, history: int = 0) -> Plays:
    """Play whole releases; `history` looks of stable alone come first."""
    chance = np.random.default_rng(seed)
    metric = config.metrics[0]
    asked = Asked.of(config, relative=np.full(runs, metric.relative), absolute=np.full(runs, metric.absolute))
    now = Book.fresh(runs)
    for look in range(history):
        now = now.learn(traffic.draw(look, 0.0, runs, chance), asked)
    found = Plays(condemned=np.full(runs, np.inf), exposed=np.zeros(runs))
    look = 0
    for share in traffic.shares:
        now = now.begin_step(bakes=False)
        healthy = np.zeros(runs, dtype=bool)
        for index in range(traffic.looks):
            counts = traffic.draw(look, share, runs, chance)
            now = now.compare(counts, asked, part=STEP_SHARE if not index else 1.0 / config.planned_looks)
            found.exposed += np.where(np.isinf(found.condemned), counts.n_c, 0.0)
            crossed = now.harm.evidence() >= config.threshold
            found.condemned = np.where(crossed, np.minimum(found.condemned, look), found.condemned)
            if index + 1 >= config.min_looks:
                healthy |= (now.agreed >= config.health_threshold) & (now.harm.evidence() < np.log(5))
            look += 1
        found.healthy.append(healthy)
    return found


def steady(rate: float) -> Rates:
    return lambda moment: moment.all(rate)


def as_stable(moment: Moment) -> Array:
    return moment.stable


def bursty(rate: float, cv: float) -> Rates:
    """Lognormal bursts of one look with a coefficient of variation."""
    sigma = np.sqrt(np.log1p(cv * cv))
    return lambda moment: np.minimum(0.9, rate * np.exp(moment.chance.normal(-sigma * sigma / 2, sigma, moment.runs)))


@pytest.fixture
def without_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interval decides nothing and is three quarters of the arithmetic: left out where only verdicts count."""
    monkeypatch.setattr(interval, "GRID", np.zeros(0))
    monkeypatch.setattr(book, "GRID", np.zeros(0))


def look_of(
    end: float,
    *,
    stable: tuple[int, int],
    canary: tuple[int, int] | None,
    metric: str = "errors",
    slow: dict[Arm, tuple[int, ...]] | None = None,
) -> Look:
    """A look with (bad, total) per arm, and latency buckets where given."""
    counts = {metric: {Arm.STABLE: Counts(total=stable[1], bad=stable[0])}}
    if canary is not None:
        counts[metric][Arm.CANARY] = Counts(total=canary[1], bad=canary[0])
    if slow is not None:
        counts["latency"] = {
            arm: Counts(total=values[-1], buckets=tuple(zip(BUCKETS, values, strict=True)))
            for arm, values in slow.items()
        }
    return Look(start=end - 5.0, end=end, counts=counts)


def asked(*metrics: MetricConfig, planned_looks: int = 200, **changes: Any) -> JudgeConfig:
    errors = MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.005)
    return JudgeConfig(metrics=metrics or (errors,), planned_looks=planned_looks, **changes)


class Release:
    """A judge and the looks that it is given; one service with fixed rates, drawn from a fixed seed."""

    def __init__(self, config: JudgeConfig | None = None, *, share: float = 10.0, seed: int = 1) -> None:
        self.config = config or asked()
        self.chance = np.random.default_rng(seed)
        self.state, self.at, self.share = start(self.config), 0.0, share
        self.judgements: list[Judgement] = []

    def look(self, stable: float, canary: float, *, requests: int = 1000, **parts: Any) -> Any:
        """A look in which every request went where the share says."""
        self.at += 5.0
        n_c = round(requests * self.share / 100)
        n_s = requests - n_c
        slow = None
        if parts:
            medians = {Arm.STABLE: parts.get("stable_s", 0.05), Arm.CANARY: parts.get("canary_s", 0.05)}
            slow = {arm: self._histogram(n, medians[arm], parts) for arm, n in ((Arm.STABLE, n_s), (Arm.CANARY, n_c))}
        return look_of(
            self.at,
            stable=(int(self.chance.binomial(n_s, stable)), n_s),
            canary=(int(self.chance.binomial(n_c, canary)), n_c),
            slow=slow,
        )

    def _histogram(self, n: int, median: float, parts: dict[str, Any]) -> tuple[int, ...]:
        took = median * np.exp(self.chance.normal(0, 0.5, n))
        if median == parts.get("canary_s") and "tail" in parts:
            took[: round(n * parts["tail"])] *= 20
        return tuple(int((took <= bound).sum()) for bound in BUCKETS)

    def learns(self, looks: int, stable: float = 0.002, **parts: Any) -> Release:
        for _ in range(looks):
            share, self.share = self.share, 0.0
            self.state = learn(self.config, self.state, self.look(stable, 0.0, **parts))
            self.share = share
        return self

    def begins(self, share: float | None = None, *, last: float = 50.0, baking: bool = False) -> Release:
        self.share = self.share if share is None else share
        self.state = begin_step(self.config, self.state, share=self.share, last_share=last, baking=baking)
        return self

    def sees(self, looks: int, stable: float, canary: float, **parts: Any) -> Judgement:
        for _ in range(looks):
            self.given(self.look(stable, canary, **parts))
        return self.judgements[-1]

    def given(self, look: Any) -> Judgement:
        self.state, judgement = observe(self.config, self.state, look)
        self.judgements.append(judgement)
        return judgement

    def codes(self) -> set[str]:
        return {finding.code for finding in self.judgements[-1].findings}


@pytest.fixture
def release() -> Release:
    return Release().learns(20).begins()


@pytest.fixture(scope="session")
def sim() -> object:
    """This module: helpers of a test folder that is not a package."""
    import sys

    return sys.modules[__name__]
