"""The two promises at full size: false rollbacks, and HEALTHY. Each scenario is judged in every run for an hour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from analysis.offline import Question
from judging.ours import Known, dispersion, judged
from judging.streams import CANARY, Array, Stream, chunks, draw, gamma_bursts, skewed, waves
from judging.yardstick import confirming

ALPHA, BETA = 0.01, 0.05
RELATIVE, ABSOLUTE = 0.5, 0.002
QUESTION = Question(relative=RELATIVE, absolute=ABSOLUTE, false_rollback=ALPHA, false_healthy=BETA)

HOUR = 3_600
"""Looks of one second."""

BURSTY = 720
"""Looks of five seconds in an hour."""

Made = Callable[[np.random.Generator, int], Stream]


def bound(rate: Array) -> Array:
    """What is tolerated of the canary."""
    return np.minimum(rate * (1.0 + RELATIVE) + ABSOLUTE, 1.0)


def _steps(looks: int) -> Array:
    """Shares of 1, 5, 20 and 50 %, a quarter of the looks each."""
    return np.repeat([1.0, 5.0, 20.0, 50.0], looks // 4)


def _quarters(looks: int) -> tuple[int, ...]:
    return tuple(range(0, looks, looks // 4))


def at_the_bound(rps: float, stable: Array, share: float | None = None) -> Made:
    """A release whose canary is exactly as bad as is tolerated, at every look of an hour and in four steps.

    Args:
        rps: requests a second of both arms.
        stable: its rate at every look.
        share: of the canary, percent; None for another in each step.
    """
    return lambda chance, runs: draw(
        chance,
        runs,
        rps=rps,
        share=_steps(HOUR) if share is None else share,
        stable=stable,
        canary=bound(stable),
        every=1.0,
        looks=HOUR,
        steps=_quarters(HOUR),
    )


def outage(
    rps: float, *, every: int = HOUR // 4, lasts: int = 120, share: float | None = None, tolerated: bool = False
) -> Made:
    """Outages in which both arms fail 60 %, the canary scraped up to a look earlier or later.

    Args:
        rps: requests a second of both arms.
        every, lasts: looks from one to the next, and of each.
        share: of the canary, percent; None for another in each step.
        tolerated: before and after them the canary is as bad as is tolerated, and not as good as stable.
    """
    since = np.arange(HOUR) % every - every * 4 // 9
    stable = np.where((since >= 0) & (since < lasts), 0.6, 0.005)

    def made(chance: np.random.Generator, runs: int) -> Stream:
        canary = np.array([skewed(stable.copy(), part) for part in chance.uniform(-1.0, 1.0, runs)])
        return draw(
            chance,
            runs,
            rps=rps,
            share=_steps(HOUR) if share is None else share,
            stable=stable,
            canary=np.where(tolerated & (canary == stable.min()), bound(canary), canary),
            every=1.0,
            looks=HOUR,
            steps=_quarters(HOUR),
        )

    return made


def hours() -> dict[str, Made]:
    """Releases that must not be rolled back, by name."""
    looks = np.arange(HOUR)
    rising = 0.001 * 60.0 ** (looks / HOUR)
    swinging = 0.01 * np.exp(1.5 * np.sin(looks / 47.0))
    sawing = np.where(looks % 20 < 10, 0.001, 0.05)
    found: dict[str, Made] = {}
    for rps in (50.0, 200.0, 2000.0):
        found[f"at the bound, 0.5 % errors, {rps:g}/s"] = at_the_bound(rps, np.full(HOUR, 0.005))
        found[f"at the bound, errors rising from 0.1 to 6 %, {rps:g}/s"] = at_the_bound(rps, rising)
        found[f"shared outages to 60 %, scrapes skewed, {rps:g}/s"] = outage(rps)
    found["at the bound, errors swinging between 0.2 and 4.5 %, 200/s"] = at_the_bound(200.0, swinging)
    found["at the bound, errors jumping between 0.1 and 5 %, 200/s"] = at_the_bound(200.0, sawing)
    return found | _sparse(rising, swinging)


def _sparse(rising: Array, swinging: Array) -> dict[str, Made]:
    """The same with so few requests that whatever changes does so between two of them, on both arms alike."""
    found: dict[str, Made] = {}
    for rps in (0.4, 1.0, 2.0):
        found[f"at the bound, 5 % errors, {rps:g}/s, half on the canary"] = at_the_bound(rps, np.full(HOUR, 0.05), 50.0)
        name = f"one shared outage of two minutes, at the bound before and after, {rps:g}/s, half on the canary"
        found[name] = outage(rps, every=HOUR, share=50.0, tolerated=True)
    found["shared outages of half a minute every three, 1/s, half on the canary"] = outage(
        1.0, every=180, lasts=30, share=50.0
    )
    found["at the bound, errors rising from 0.1 to 6 %, 1/s, half on the canary"] = at_the_bound(1.0, rising, 50.0)
    found["at the bound, errors swinging between 0.2 and 4.5 %, 5/s"] = at_the_bound(5.0, swinging)
    found["shared outages to 60 %, scrapes skewed, 5/s"] = outage(5.0)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How a promise was kept.

    Attributes:
        runs: played.
        condemned: of them.
        healthy: share of the runs called HEALTHY, per step.
    """

    runs: int
    condemned: int
    healthy: tuple[float, ...]


def kept(made: Made, *, runs: int, seed: int, question: Question = QUESTION) -> Kept:
    """Play a scenario."""
    condemned, healthy = 0, []
    for stream in chunks(runs, seed, made):
        said = judged(stream, question)
        condemned += int(np.isfinite(said.condemned).sum())
        healthy.append(np.isfinite(said.healthy).sum(axis=0))
    return Kept(runs=runs, condemned=condemned, healthy=tuple((np.sum(healthy, axis=0) / runs).tolist()))


def bursts() -> dict[str, Made]:
    """A canary as good as stable, the errors of each arm coming in bursts of its own."""
    found: dict[str, Made] = {}
    for rps in (200.0, 2000.0):
        for share in (5.0, 50.0):
            found[f"bursts of one look (CV 0.7), {rps:g}/s, {share:g} %"] = _bursting(rps, share, 0.0)
            found[f"bursts that last (AR 0.8), {rps:g}/s, {share:g} %"] = _bursting(rps, share, 0.8)
    return found


def _bursting(rps: float, share: float, memory: float) -> Made:
    def made(chance: np.random.Generator, runs: int) -> Stream:
        def factors() -> Array:
            if memory:
                return waves(chance, runs, BURSTY, cv=0.7, memory=memory)
            return gamma_bursts(chance, runs, BURSTY, cv=0.7)

        stable, canary = (np.minimum(0.9, 0.01 * factors()) for _ in range(2))
        return draw(chance, runs, rps=rps, share=share, stable=stable, canary=canary, looks=BURSTY)

    return made


def condemned_in_bursts(made: Made, *, runs: int, seed: int) -> tuple[float, float]:
    """Share of runs rolled back with an hour of history, and without.

    The history is of two parts of stable at the release's share, which burst as arms do.
    """
    known = Known(relative=RELATIVE, absolute=ABSOLUTE, false_rollback=ALPHA, prior_rate=0.01)
    with_history = without = 0
    for past, stream in zip(chunks(runs, seed + 1, made), chunks(runs, seed, made), strict=True):
        said = judged(stream, replace(known, phi0=tuple(dispersion(past).tolist())))
        with_history += int(np.isfinite(said.condemned).sum())
        without += int(np.isfinite(judged(stream, QUESTION).condemned).sum())
    return with_history / runs, without / runs


CONFIRMED = tuple((rate, share) for rate in (0.001, 0.005, 0.01, 0.05) for share in (1.0, 5.0, 20.0, 50.0))
"""Error rates and shares for which an equal canary is confirmed."""


def confirmed(rate: float, share: float, *, runs: int, seed: int) -> tuple[float, float]:
    """Requests on an equal canary until HEALTHY over those of JUDGE.md, on average; share of runs never confirmed."""
    needed = confirming(rate, share=share, relative=RELATIVE, absolute=ABSOLUTE, beta=BETA)
    looks = 400
    # So many requests that 50 looks would do: the least number of looks, 20, must not decide.
    stream = draw(
        np.random.default_rng([seed, round(1e4 * rate), round(share)]),
        runs,
        rps=needed / 50.0 / (share / 100.0),
        share=share,
        stable=rate,
        canary=rate,
        every=1.0,
        looks=looks,
    )
    question = Known(relative=RELATIVE, absolute=ABSOLUTE, false_healthy=BETA, prior_rate=rate)
    first = judged(stream, question).healthy[:, 0]
    exposed = np.cumsum(stream.total(CANARY), axis=1)
    took = exposed[np.arange(runs), np.minimum(first, looks - 1).astype(np.int64)]
    return float(took.mean() / needed), float(np.isinf(first).mean())


def tolerated(times: float, *, runs: int, seed: int) -> float:
    """Share of canaries worse than stable, within what is tolerated, that 30 looks of 20,000 requests confirm.

    Args:
        times: stable's error rate of 0.5 %.
        runs: how many.
        seed: of their chance.
    """
    chance = np.random.default_rng(seed)
    stream = draw(chance, runs, rps=20_000.0, share=50.0, stable=0.005, canary=0.005 * times, every=1.0, looks=30)
    question = Known(relative=RELATIVE, absolute=ABSOLUTE, false_healthy=BETA, prior_rate=0.005)
    return float(np.isfinite(judged(stream, question).healthy[:, 0]).mean())


def turning_bad(rps: float) -> Made:
    """A canary equal to stable in two steps, and at the bound from the third on."""
    looks = 1_200
    stable = np.full(looks, 0.005)
    canary = np.where(np.arange(looks) < looks // 2, stable, bound(stable))
    return lambda chance, runs: draw(
        chance,
        runs,
        rps=rps,
        share=_steps(looks),
        stable=stable,
        canary=canary,
        looks=looks,
        steps=_quarters(looks),
    )


def careless(question: Question = QUESTION) -> Question:
    """The same question of a judge whose rollbacks do not hide what it would have called HEALTHY."""
    return replace(question, false_rollback=1e-12)
