"""Counters that grow, and readings of them: what the tests of the window share."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from hypothesis import settings

from analysis.model import Arm, Look
from analysis.sources import Key, Reading, Role, Sample, Window

CALM = settings(derandomize=True, deadline=None, max_examples=150)
METRICS = {"errors": False, "latency": True}
BOUNDS = (0.1, 0.5, float("inf"))
START = 1_000_000.0

# A series as a gateway has it: (arm, status code, proxy).
Series = tuple[Arm, str, str]
ALL: tuple[Series, ...] = tuple((arm, code, proxy) for arm in Arm for code in ("200", "500") for proxy in ("a", "b"))


def samples_of(series: Series, counters: dict[Any, float], time: float) -> list[Sample]:
    """As the classifier makes them: one series feeds several numbers."""
    arm, code, proxy = series
    name = f"{proxy}|code={code},service={arm}"
    roles = [Role.TOTAL, Role.BAD] if code == "500" else [Role.TOTAL]
    found = [Sample(Key("errors", arm, role), name, time, counters[series]) for role in roles]
    return found + [
        Sample(Key("latency", arm, Role.BUCKET, bound), name, time, counters[series, bound]) for bound in BOUNDS
    ]


class World:
    """Counters that grow, are born, vanish, and begin again; and (without resets) what should have been counted."""

    def __init__(self, seed: int, *, resets: bool, gaps: bool) -> None:
        self.chance = random.Random(seed)
        self.resets, self.gaps = resets, gaps
        self.time = START
        self.counters: dict[Any, float] = {}
        self.truth: Counter[Any] = Counter()
        for series in ALL:
            # Something is there at the first look: before that a release does not begin.
            if series == ALL[0] or self.chance.random() < 0.4:
                self._serve(series, self.chance.randrange(1, 50_000), judged=False)

    def _serve(self, series: Series, requests: int, *, judged: bool = True) -> None:
        fast = self.chance.randint(0, requests)
        medium = self.chance.randint(fast, requests)
        grown: dict[Any, int] = {
            series: requests,
            **dict(zip([(series, b) for b in BOUNDS], (fast, medium, requests), strict=True)),
        }
        for what, more in grown.items():
            self.counters[what] = self.counters.get(what, 0.0) + more
            if judged:
                self.truth[what] += more

    def step(self) -> None:
        self.time += self.chance.choice((1.0, 5.0, 15.0))
        for series in ALL:
            if self.resets and series in self.counters and self.chance.random() < 0.1:
                for what in (series, *((series, bound) for bound in BOUNDS)):
                    self.counters[what] = 0.0
            if self.chance.random() < 0.6:
                self._serve(series, self.chance.randrange(1, 200))

    def scrape(self, *, whole: bool = False) -> list[Sample]:
        found = []
        for series in ALL:
            if series in self.counters and (whole or not self.gaps or self.chance.random() < 0.8):
                found += samples_of(series, self.counters, self.time)
        return found


def summed(looks: list[Look]) -> Counter[Any]:
    total: Counter[Any] = Counter()
    for look in looks:
        for arm in Arm:
            total[arm, "total"] += look.counts["errors"][arm].total
            total[arm, "bad"] += look.counts["errors"][arm].bad
            for bound, count in look.counts["latency"][arm].buckets:
                total[arm, bound] += count
    return total


def expected(world: World) -> Counter[Any]:
    total: Counter[Any] = Counter()
    for what, count in world.truth.items():
        if what in ALL:
            arm, code, _ = what
            total[arm, "total"] += count
            total[arm, "bad"] += count if code == "500" else 0
        else:
            (arm, _, _), bound = what
            total[arm, bound] += count
    return total


def nothing(counts: Counter[Any]) -> dict[Any, int]:
    return {key: count for key, count in counts.items() if count}


def readings(seed: int, *, resets: bool = False, gaps: bool = False, steps: int = 12) -> tuple[World, list[Reading]]:
    world = World(seed, resets=resets, gaps=gaps)
    made = [Reading(at=world.time, samples=tuple(world.scrape(whole=True)))]
    for _ in range(steps):
        world.step()
        made.append(Reading(at=world.time, samples=tuple(world.scrape())))
    world.time += 15.0
    made.append(Reading(at=world.time, samples=tuple(world.scrape(whole=True))))
    return world, made


def looks_of(window: Window, made: list[Reading]) -> list[Look]:
    return [look for reading in made if isinstance(look := window.advance(reading), Look)]


def fresh() -> Window:
    return Window(metrics=METRICS, every=5.0)


def errors(arm: Arm, role: Role, value: float, time: float, series: str = "s") -> Sample:
    return Sample(Key("errors", arm, role), f"{series}-{arm}-{role}", time, value)


def both(time: float, stable: float, canary: float, *more: Sample, at: float | None = None) -> Reading:
    samples = (errors(Arm.STABLE, Role.TOTAL, stable, time), errors(Arm.CANARY, Role.TOTAL, canary, time), *more)
    return Reading(at=time if at is None else at, samples=samples)


def counted(window: Window, reading: Reading) -> tuple[int, int, int]:
    look = window.advance(reading)
    assert isinstance(look, Look), look
    counts = look.counts["errors"]
    return counts[Arm.STABLE].total, counts[Arm.CANARY].total, counts[Arm.CANARY].bad


def simple(every: float = 5.0) -> Window:
    return Window(metrics={"errors": False}, every=every)
