"""What each step of a release will be able to see, before it starts. JUDGE, "Planning and calibrating".

Pure arithmetic on `analysis.judge.power`: no traffic is needed, only how much of it there is and how often stable
fails. What is said is what the judge then does, for errors that come independently: bursts make it slower.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from analysis.delays import Reaction, Shift, reaction, shift
from analysis.judge import JudgeConfig, MetricConfig, detectable, requests_needed
from analysis.judge.evalue import EDGE, boundary_point
from analysis.judge.power import NOTHING
from analysis.judge.tests import CONFIRMED, MOST_BOUNDS, latency_tests, normaliser, shares_over

OVERSHOOT = 1.2
"""Confirming takes 1.1 to 1.3 times the requests that the mean evidence per request suggests."""

BROKEN = 0.5
"""The rate of a canary whose every second request fails: for how fast the judge can be."""

FAILS = 0.999
"""A canary that fails always, as a rate that can be computed with."""

NEVER = 7 * 86_400.0
"""Seconds; what would take longer than a release may last is called never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What the release will meet.

    Attributes:
        rate: requests a second of stable before the release; more than 0.
        errors: the share of them that fails, 0 to below 1.
        every: seconds between two looks.
        scrape: seconds between two samples of the source; 0 where the engine reads the proxies itself.
        gateway: seconds that the gateway usually takes to follow a change of weights; None where nobody knows.
        latency: stable's cumulative counts by upper bound in seconds, per latency metric as far as they are known.
        wanted: the canary's error rate that is to be seen; None for twice what is tolerated.
        told: where all this comes from, for a person.
    """

    rate: float
    errors: float
    every: float
    scrape: float = 0.0
    gateway: float | None = None
    latency: Mapping[str, Mapping[float, int]] = field(default_factory=dict)
    wanted: float | None = None
    told: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a step sees of one metric; rates are shares of requests, durations seconds.

    Attributes:
        metric: `errors`; `slower than p99` for requests over the time that 1 % of stable's are over; with a known
            histogram `slower than 250 ms`.
        stable, tolerated: the rates that are compared.
        soon, late: the smallest rate of the canary that is condemned with chance 90 % within the shortest and the
            longest hold; None where not even a canary that fails always would be.
        wanted, wanted_after: what is to be seen (for latency, and unless told, twice the tolerated rate), and the hold
            that condemns it with chance 90 %; None is never.
        anything_after: the hold that condemns a canary that fails always; None is never.
        confirmed_after: about the hold that confirms a canary equal to stable; None is never.
        quantile: the one of stable's that lies nearest to the bound; 0 for errors.
        cold: of each hold, the seconds in which it is not judged, because new pods may be warming up.
        shift: the smallest shift in time that gives the canary the rate `late` for certain; None without a histogram,
            and where no shift does.
    """

    metric: str
    stable: float
    tolerated: float
    soon: float | None
    late: float | None
    wanted: float
    wanted_after: float | None
    anything_after: float | None
    confirmed_after: float | None
    quantile: float = 0.0
    cold: float = 0.0
    shift: Shift | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What one step will see.

    Attributes:
        stable, canary: requests of each arm in the shortest and in the longest hold.
        sights: per metric.
        healthy_after: about the hold after which a canary equal to stable is HEALTHY; None is never.
        reaction: to a canary whose every second request fails; None is never.
    """

    stable: tuple[float, float]
    canary: tuple[float, float]
    sights: tuple[Sight, ...]
    healthy_after: float | None
    reaction: Reaction | None

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
    quantile: float = 0.0
    bound: float = 0.0
    histogram: Mapping[float, int] = field(default_factory=dict)


def prospect(config: JudgeConfig, traffic: Traffic, *, share: float, hold_min: float, hold_max: float) -> Prospect:
    """What one step will see.

    Args:
        config: the judge's.
        traffic: what the release will meet.
        share: percent of the traffic that the canary gets, above 0 and below 100.
        hold_min, hold_max: seconds.
    """
    per_second = traffic.rate * share / 100.0
    share = config.compared(share)
    others = per_second * (100.0 - share) / share if config.baseline else traffic.rate - per_second
    questions = list(_questions(config, traffic))
    sights = tuple(
        _sight(
            question,
            config,
            share=share,
            canary=per_second,
            stable=others,
            holds=(hold_min, hold_max),
            wanted=None if question.quantile else traffic.wanted,
        )
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


def _questions(config: JudgeConfig, traffic: Traffic) -> Iterable[_Question]:
    """The tests whose rates are known beforehand.

    Errors as observed; latency at the bounds that the judge will choose where stable's histogram is known, else at the
    times that stable's p50, p95 and p99 are, whatever they are. Other counts have rates that nobody told.
    """
    whole = normaliser(config)
    for metric in config.metrics:
        if metric.dry_run or metric.kind == "counts":
            continue
        if metric.kind == "errors":
            level = config.threshold - math.log(metric.part / whole)
            yield _Question("errors", traffic.errors, metric.relative, metric.absolute, level)
        elif histogram := traffic.latency.get(metric.name):
            yield from _known(config, metric, histogram, whole)
        elif not metric.own and metric.slower is None:  # what those can show depends on the histogram
            level = config.threshold - math.log(metric.part / whole / MOST_BOUNDS)
            for share in CONFIRMED:
                name, absolute = f"slower than p{100 - 100 * share:g}", min(metric.absolute, share)
                yield _Question(name, share, metric.relative, absolute, level, quantile=1.0 - share)


def _known(
    config: JudgeConfig, metric: MetricConfig, histogram: Mapping[float, int], whole: float
) -> Iterable[_Question]:
    """The bounds that must be confirmed, as the judge will choose them of this histogram."""
    shares = shares_over(histogram)
    for test in latency_tests(metric, histogram):
        stable = shares[test.base or test.bound]
        if not test.confirm or stable <= 0:
            continue
        nearest = min(CONFIRMED, key=lambda wanted, stable=stable: abs(math.log(stable / wanted)))  # type: ignore[misc]
        yield _Question(
            f"{'' if metric.name == 'latency' else metric.name + ' '}slower than {_milliseconds(test.bound)}",
            stable,
            test.relative,
            test.absolute,
            config.threshold - math.log(test.weight / whole),
            quantile=1.0 - nearest,
            bound=test.bound,
            histogram=histogram,
        )


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:g} ms" if seconds < 1 else f"{seconds:g} s"


def _sight(
    question: _Question,
    config: JudgeConfig,
    *,
    share: float,
    canary: float,
    stable: float,
    holds: tuple[float, float],
    wanted: float | None,
) -> Sight:
    tolerated = question.stable * (1.0 + question.relative) + question.absolute
    if wanted is None:
        wanted = min(2.0 * tolerated, (1.0 + tolerated) / 2.0)

    # Any step may bring new pods, and while they are cold nothing of latency is judged.
    cold = config.warmup if question.quantile else 0.0

    def seen(hold: float) -> float | None:
        judged = max(0.0, hold - cold)
        found = detectable(
            rate=question.stable,
            n_s=stable * judged,
            n_c=canary * judged,
            relative=question.relative,
            absolute=question.absolute,
            level=question.level,
        )
        return None if found >= NOTHING else found

    late = seen(holds[1])
    return Sight(
        metric=question.name,
        stable=question.stable,
        tolerated=tolerated,
        soon=seen(holds[0]),
        late=late,
        wanted=wanted,
        wanted_after=_hold(_condemning(question, wanted, share), canary, cold),
        anything_after=_hold(_condemning(question, FAILS, share), canary, cold),
        confirmed_after=_hold(requests_to_confirm(config, question, share=share), canary, cold),
        quantile=question.quantile,
        cold=cold,
        shift=None if late is None else shift(question.histogram, bound=question.bound, rate=late),
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


def _reaction(questions: Iterable[_Question], traffic: Traffic, *, share: float, canary: float) -> Reaction | None:
    needed = [_hold(_condemning(one, BROKEN, share), canary) for one in questions if one.name == "errors"]
    fastest = min((after for after in needed if after is not None), default=None)
    if fastest is None:
        return None
    return reaction(fastest, scrape=traffic.scrape, look=traffic.every, gateway=traffic.gateway)


def _hold(requests: float, per_second: float, cold: float = 0.0) -> float | None:
    """Seconds until so many requests after those that do not count; None is never."""
    seconds = cold + requests / per_second
    return seconds if seconds <= NEVER else None
