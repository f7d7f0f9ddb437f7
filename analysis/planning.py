"""What each step of a release will be able to see, before it starts. JUDGE, "Planning and calibrating".

Pure arithmetic on `analysis.judge.power`: no traffic is needed, only how much of it there is and how often stable
fails. What is said is what the judge then does, for errors that come independently: bursts make it slower.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from analysis.judge import JudgeConfig, detectable, requests_needed
from analysis.judge.evalue import EDGE, boundary_point
from analysis.judge.power import NOTHING
from analysis.judge.tests import CONFIRMED, MOST_BOUNDS, normaliser

OVERSHOOT = 1.2
"""Confirming takes 1.1 to 1.3 times the requests that the mean evidence per request suggests."""

BROKEN = 0.5
"""The rate of a canary whose every second request fails: for how fast the judge can be."""

FAILS = 0.999
"""A canary that fails always, as a rate that can be computed with."""

LEAST_LOOKS = 2
"""No single look condemns."""

NEVER = 7 * 86_400.0
"""Seconds; what would take longer than a release may last is called never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What the release will meet.

    Attributes:
        rate: requests a second of stable before the release; more than 0.
        errors: the share of them that fails, 0 to below 1.
        every: seconds between two looks.
    """

    rate: float
    errors: float
    every: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a step sees of one metric; rates are shares of requests, durations seconds.

    Attributes:
        metric: `errors`, or `slower than p99` for requests over the time that 1 % of stable's are over.
        stable, tolerated: the rates that are compared.
        soon, late: the smallest rate of the canary that is condemned with chance 90 % within the shortest and the
            longest hold; None where not even a canary that fails always would be.
        twice, twice_after: twice the tolerated rate, and the hold that condemns it with chance 90 %; None is never.
        anything_after: the hold that condemns a canary that fails always; None is never.
        confirmed_after: about the hold that confirms a canary equal to stable; None is never.
    """

    metric: str
    stable: float
    tolerated: float
    soon: float | None
    late: float | None
    twice: float
    twice_after: float | None
    anything_after: float | None
    confirmed_after: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What one step will see.

    Attributes:
        stable, canary: requests of each arm in the shortest and in the longest hold.
        sights: per metric.
        healthy_after: about the hold after which a canary equal to stable is HEALTHY; None is never.
        reaction: seconds of judging until a canary whose every second request fails is condemned; None is never.
    """

    stable: tuple[float, float]
    canary: tuple[float, float]
    sights: tuple[Sight, ...]
    healthy_after: float | None
    reaction: float | None

    @property
    def blind(self) -> bool:
        """Whether the longest hold can see nothing."""
        return all(sight.late is None for sight in self.sights)


@dataclass(frozen=True, slots=True)
class _Question:
    """One test of one step."""

    name: str
    stable: float
    relative: float
    absolute: float
    level: float


def prospect(config: JudgeConfig, traffic: Traffic, *, share: float, hold_min: float, hold_max: float) -> Prospect:
    """What one step will see.

    Args:
        config: the judge's.
        traffic: what the release will meet.
        share: percent of the traffic that the canary gets, above 0 and below 100.
        hold_min, hold_max: seconds.
    """
    per_second = traffic.rate * share / 100.0
    others = traffic.rate - per_second
    questions = list(_questions(config, traffic.errors))
    sights = tuple(
        _sight(question, config, share=share, canary=per_second, stable=others, holds=(hold_min, hold_max))
        for question in questions
    )
    confirmed = [sight.confirmed_after for sight in sights]
    least = max(hold_min, config.min_looks * traffic.every)
    healthy = max([least, *(after for after in confirmed if after is not None)])
    return Prospect(
        stable=(others * hold_min, others * hold_max),
        canary=(per_second * hold_min, per_second * hold_max),
        sights=sights,
        healthy_after=None if None in confirmed or not confirmed else healthy,
        reaction=_reaction(questions, traffic, share=share, canary=per_second),
    )


def _questions(config: JudgeConfig, errors: float) -> Iterable[_Question]:
    """The tests whose rates are known beforehand.

    Errors as observed; latency at the times that stable's p50, p95 and p99 are, whatever they are. Other counts have
    rates that nobody told.
    """
    whole = normaliser(config)
    for metric in config.metrics:
        if metric.dry_run or metric.own or metric.kind == "counts" or metric.slower is not None:
            continue  # what a tolerance in time can show depends on stable's own histogram
        if metric.kind == "errors":
            level = config.threshold - math.log(metric.part / whole)
            yield _Question("errors", errors, metric.relative, metric.absolute, level)
            continue
        level = config.threshold - math.log(metric.part / whole / MOST_BOUNDS)
        for share in CONFIRMED:
            name, absolute = f"slower than p{100 - 100 * share:g}", min(metric.absolute, share)
            yield _Question(name, share, metric.relative, absolute, level)


def _sight(
    question: _Question,
    config: JudgeConfig,
    *,
    share: float,
    canary: float,
    stable: float,
    holds: tuple[float, float],
) -> Sight:
    tolerated = question.stable * (1.0 + question.relative) + question.absolute
    twice = min(2.0 * tolerated, (1.0 + tolerated) / 2.0)

    def seen(hold: float) -> float | None:
        found = detectable(
            rate=question.stable,
            n_s=stable * hold,
            n_c=canary * hold,
            relative=question.relative,
            absolute=question.absolute,
            level=question.level,
        )
        return None if found >= NOTHING else found

    return Sight(
        metric=question.name,
        stable=question.stable,
        tolerated=tolerated,
        soon=seen(holds[0]),
        late=seen(holds[1]),
        twice=twice,
        twice_after=_hold(_condemning(question, twice, share), canary),
        anything_after=_hold(_condemning(question, FAILS, share), canary),
        confirmed_after=_hold(requests_to_confirm(config, question, share=share), canary),
    )


def _condemning(question: _Question, rate: float, share: float) -> float:
    return requests_needed(
        rate=question.stable,
        canary=rate,
        share=share,
        relative=question.relative,
        absolute=question.absolute,
        level=question.level,
    )


def requests_to_confirm(config: JudgeConfig, question: _Question, *, share: float) -> float:
    """About the canary requests that confirm a canary equal to stable. JUDGE, "HEALTHY".

    The health e-value bets on "both fail like stable" against the nearest point of the bound; per canary request its
    logarithm grows by `n_s KL(a||s) + KL(a||b(s))` on average, and `log(1/beta)` is what it takes.

    Returns:
        Infinite where nothing can be confirmed: without errors and without an absolute tolerance.
    """
    a, n_s = min(max(question.stable, EDGE), 1.0 - EDGE), (100.0 - share) / share
    point = boundary_point(
        a=np.array([a]),
        c=np.array([a]),
        n_s=np.array([n_s]),
        n_c=np.array([1.0]),
        relative=np.array([question.relative]),
        absolute=np.array([question.absolute]),
    )
    s = max(float(point[0]), EDGE * EDGE)
    b = min(s * (1.0 + question.relative) + question.absolute, 1.0 - EDGE)
    grows = n_s * _divergence(a, s) + _divergence(a, b)
    return OVERSHOOT * config.health_threshold / grows if grows > EDGE else math.inf


def _divergence(p: float, q: float) -> float:
    """Kullback and Leibler's, of one yes or no."""
    return p * math.log(p / q) + (1.0 - p) * math.log((1.0 - p) / (1.0 - q))


def _reaction(questions: Iterable[_Question], traffic: Traffic, *, share: float, canary: float) -> float | None:
    needed = [_hold(_condemning(one, BROKEN, share), canary) for one in questions if one.name == "errors"]
    fastest = min((after for after in needed if after is not None), default=None)
    if fastest is None:
        return None
    return max(LEAST_LOOKS, math.ceil(fastest / traffic.every)) * traffic.every


def _hold(requests: float, per_second: float) -> float | None:
    """Seconds until so many requests; None is never."""
    seconds = requests / per_second
    return seconds if seconds <= NEVER else None
