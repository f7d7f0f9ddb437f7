"""Releases that never happened, judged by the very judge. JUDGE, "Planning and calibrating".

How often they would have been rolled back, and which worse canary would have been caught, and how fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from analysis import judge
from analysis.calibration.past import FEWEST, Past, Scarce
from analysis.calibration.pseudo import arms_of, at_share
from analysis.calibration.scatter import scatter, with_scatter
from analysis.calibration.worsen import failing, rate_of, slower
from analysis.judge import JudgeConfig
from analysis.model import Arm, Look, Verdict

Array = NDArray[np.float64]

LEARNED = 6
"""Looks at stable alone before the canary gets traffic: about what a live release has."""

MOST_RELEASES = 100
"""Played healthy; more tell no more than their interval's last digit."""

WORSE_RELEASES = 10
"""Played for each size of effect."""

FACTORS = (100.0, 50.0, 20.0, 10.0, 5.0, 3.0, 2.0, 1.5)
"""Times as many errors: about half as many each time, down to what the default tolerance allows."""

SHIFTS = (5.0, 3.0, 2.0, 1.5, 1.25, 1.1)
"""Times as slow, the same, down to what buckets hardly show."""

POWER = 0.9
"""What is caught in so many releases counts as caught."""

HOPELESS = 0.2
"""Smaller effects are not tried once so few are caught."""

DRAWN = 240
"""Points of one release's evidence that are kept for a plot."""

GAP = 3.0
"""Times as long as usual between two points of the course: nothing is known in between."""

Progress = Callable[[float, str], None]
"""Told the part done, 0 to 1, and what is done now."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the release: percent of the traffic, above 0 and below 100, and seconds."""

    share: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One that never happened.

    Attributes:
        began: end of its first look, seconds since the epoch.
        unhealthy_after: seconds from its first judged look until it was condemned; None if it never was.
        reason: the judge's last word.
        evidence: (seconds, log evidence) over its course, not every look.
    """

    began: float
    unhealthy_after: float | None
    reason: str
    evidence: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caught:
    """What would have been caught of one kind and size of effect.

    Attributes:
        metric: which was made worse.
        kind: `errors` or `latency`.
        factor: times as many errors, or times as slow.
        rate: of the canary's errors; None for latency.
        releases, caught: played, and condemned.
        after, slowest: seconds until half, and until nine tenths of all releases were condemned; None where so many
            never were.
    """

    metric: str
    kind: str
    factor: float
    rate: float | None
    releases: int
    caught: int
    after: float | None
    slowest: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What the judge would have made of stable's past.

    Attributes:
        looks, every, span: of the past: how many, seconds apart, seconds in all.
        rates: stable's rate of bad requests per metric of counts.
        requests: of stable, in all.
        split: how two arms were made of one: `time`, or the pods.
        stages: the release's.
        whole: the past is as long as one release or longer; else each played release is cut short.
        scatter: phi0 per metric.
        releases: that never happened, judged with that; they share no look.
        false: how many of them would have been rolled back.
        interval: of that part, confidence 95 %.
        unaware: how many would have been without phi0.
        caught: per kind and size of effect.
        threshold: log of the evidence that condemns.
        course: (seconds, rate) of the past per metric of counts, not every look; the rate is not a number where there
            were no requests, and once within a gap between looks.
    """

    looks: int
    every: float
    span: float
    rates: dict[str, float]
    requests: int
    split: str
    stages: tuple[Stage, ...]
    whole: bool
    scatter: dict[str, float]
    releases: tuple[Release, ...]
    false: int
    interval: tuple[float, float]
    unaware: int
    caught: tuple[Caught, ...]
    threshold: float
    course: dict[str, tuple[tuple[float, float], ...]]

    def smallest(self, metric: str) -> Caught | None:
        """The smallest effect on a metric that was caught in nine of ten releases; None where none was."""
        seen = [one for one in self.caught if one.metric == metric and one.caught >= POWER * one.releases]
        return min(seen, key=lambda one: one.factor, default=None)


def calibrate(
    config: JudgeConfig,
    pasts: Sequence[Past],
    stages: Sequence[Stage],
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Calibration:
    """Play releases on stable's past.

    Args:
        config: what the judge is asked.
        pasts: stable's; one, or one for each pod that plays the canary, or one for each run of a table.
        stages: the release's steps, each as long as it is held at most.
        seed: of all chance.
        progress: told how far it is.

    Raises:
        Scarce: there is too little of it.
    """
    progress = progress or _silent
    arms = [arms_of(past) for past in pasts]
    if max(len(one) for one in arms) < FEWEST:
        raise Scarce(f"there are {max(len(one) for one in arms)} looks to compare, at least {FEWEST} are needed")
    progress(0.0, "measuring how stable scatters")
    shares = [stage.share for stage in stages]
    found = [scatter(config, past, shares=shares, seed=seed) for past in pasts]
    phi = {name: max(one.get(name, 1.0) for one in found) for one in found for name in one}
    aware = with_scatter(config, phi)
    windows = list(_windows(arms, stages))
    chosen = _spread(windows, MOST_RELEASES)
    played = []
    for number, window in enumerate(chosen):
        progress(0.05 + 0.4 * number / len(chosen), "judging releases that never happened")
        played.append(window.play(aware, seed=seed + number))
    unaware = sum(window.play(config, seed=seed + i).unhealthy_after is not None for i, window in enumerate(chosen))
    false = sum(release.unhealthy_after is not None for release in played)
    past = pasts[0]
    return Calibration(
        looks=sum(len(one) for one in pasts),
        every=past.every,
        span=sum(one.span for one in pasts),
        rates={name: rate_of(past, name) for name in past.counts},
        requests=int(sum(_requests(one) for one in pasts)),
        split=", ".join(one.pod for one in pasts) if past.pod else "time",
        stages=tuple(stages),
        whole=any(window.whole for window in windows),
        scatter=phi,
        releases=tuple(played),
        false=false,
        interval=interval(false, len(played)),
        unaware=unaware,
        caught=tuple(_caught(aware, _spread(windows, WORSE_RELEASES), seed=seed, progress=progress)),
        threshold=config.threshold,
        course={name: _course(past, name) for name in past.counts},
    )


def _silent(part: float, what: str) -> None:
    del part, what


def interval(found: int, of: int) -> tuple[float, float]:
    """The exact 95 % interval of a part (Clopper and Pearson, Biometrika 26, 1934)."""
    low = float(betaincinv(found, of - found + 1, 0.025)) if found else 0.0
    high = float(betaincinv(found + 1, of - found, 0.975)) if found < of else 1.0
    return low, high


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """A stretch of the past on which one release is played."""

    arms: Past
    start: int
    shares: Array
    whole: bool

    def play(self, config: JudgeConfig, *, seed: int, worse: Callable[[Past], Past] = lambda past: past) -> Release:
        """The release, up to its rollback or its end."""
        end = self.start + len(self.shares)
        cut = _cut(self.arms, self.start, end)
        split = worse(at_share(cut, share=self.shares, seed=seed))
        planned = replace(config, planned_looks=len(self.shares) - LEARNED)
        state, evidence, reason = judge.start(planned), [], ""
        began, after = float(split.times[LEARNED - 1]), None
        for number, look in enumerate(split.looks(0, len(split))):
            if number < LEARNED:
                state = judge.learn(planned, state, _stable_only(look))
                continue
            share = float(self.shares[number])
            if number == LEARNED or share != self.shares[number - 1]:
                state = judge.begin_step(planned, state, share=share, last_share=float(self.shares[-1]))
            state, said = judge.observe(planned, state, look)
            evidence.append((look.end - began, said.evidence))
            reason = said.sentence
            if said.verdict is Verdict.UNHEALTHY:
                after = look.end - began
                break
        return Release(began=began, unhealthy_after=after, reason=reason, evidence=_thin(evidence))


def _windows(arms: Sequence[Past], stages: Sequence[Stage]) -> Iterator[_Window]:
    """Stretches that share no look: with several pods, each in its turn plays the canary."""
    every = max(arms[0].every, 1e-9)
    shares = np.concatenate([np.full(max(1, round(one.seconds / every)), one.share) for one in stages])
    shares = np.concatenate([np.full(LEARNED, shares[0]), shares])
    separate = not arms[0].pod
    number = 0
    for past in arms if separate else arms[:1]:
        if len(past) < max(FEWEST, LEARNED + 2):
            continue
        size = min(len(shares), len(past))
        for start in range(0, len(past) - size + 1, size):
            own = past if separate else arms[number % len(arms)]
            if start + size <= len(own):
                yield _Window(arms=own, start=start, shares=shares[:size], whole=size == len(shares))
            number += 1


def _caught(config: JudgeConfig, windows: Sequence[_Window], *, seed: int, progress: Progress) -> Iterator[Caught]:
    past = windows[0].arms
    tried = [(metric.name, "errors") for metric in config.metrics if metric.name in past.counts]
    tried += [(name, "latency") for name in past.buckets]
    for place, (metric, kind) in enumerate(tried):
        rate = rate_of(past, metric) if kind == "errors" else None
        factors = SHIFTS if kind == "latency" else FACTORS if rate else ()
        for number, factor in enumerate(factors):
            part = 0.5 + 0.5 * (place + number / len(factors)) / len(tried)
            progress(part, f"{metric}: a canary {'slower' if kind == 'latency' else 'failing'} {factor:g} times")

            def worse(arms: Past, factor: float = factor, metric: str = metric, kind: str = kind) -> Past:
                if kind == "latency":
                    return slower(arms, metric, factor=factor)
                return failing(arms, metric, factor=factor, seed=seed)

            times = [
                window.play(config, seed=seed + i, worse=worse).unhealthy_after for i, window in enumerate(windows)
            ]
            one = _one(metric, kind, factor, rate, times)
            yield one
            if one.caught < HOPELESS * one.releases:
                break


def _one(metric: str, kind: str, factor: float, rate: float | None, times: Sequence[float | None]) -> Caught:
    known = sorted(time for time in times if time is not None)

    def until(part: float) -> float | None:
        needed = max(1, int(np.ceil(part * len(times))))
        return known[needed - 1] if len(known) >= needed else None

    return Caught(
        metric=metric,
        kind=kind,
        factor=factor,
        rate=None if rate is None else min(1.0, rate * factor),
        releases=len(times),
        caught=len(known),
        after=until(0.5),
        slowest=until(POWER),
    )


def _cut(past: Past, start: int, end: int) -> Past:
    return replace(
        past,
        times=past.times[start:end],
        counts={name: table[start:end] for name, table in past.counts.items()},
        buckets={name: (bounds, table[start:end]) for name, (bounds, table) in past.buckets.items()},
    )


def _stable_only(look: Look) -> Look:
    counts = {name: {Arm.STABLE: arms[Arm.STABLE]} for name, arms in look.counts.items()}
    return replace(look, counts=counts)


def _spread(windows: Sequence[_Window], most: int) -> list[_Window]:
    return [windows[i * len(windows) // most] for i in range(most)] if len(windows) > most else list(windows)


def _thin(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    stride = max(1, -(-len(points) // DRAWN))
    kept = [*points[::stride], *points[-1:]]
    return tuple((round(time, 3), round(value, 4)) for time, value in kept)


def _course(past: Past, name: str) -> tuple[tuple[float, float], ...]:
    """Rates of as many stretches of the past as are drawn."""
    table, size = past.counts[name][:, 0], max(1, -(-len(past) // DRAWN))
    points: list[tuple[float, float]] = []
    for start in range(0, len(past), size):
        time, (total, bad) = float(past.times[start]), table[start : start + size].sum(axis=0)
        if points and time - points[-1][0] > GAP * size * past.every:
            points.append((points[-1][0] + size * past.every, float("nan")))
        points.append((time, float(bad / total) if total else float("nan")))
    return tuple(points)


def _requests(past: Past) -> float:
    totals = [table[:, 0, 0].sum() for table in past.counts.values()]
    totals += [table[:, 0, -1].sum() for _, table in past.buckets.values() if table.shape[2]]
    return float(max(totals, default=0.0))
