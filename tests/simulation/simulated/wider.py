"""The same histories with more in them: gates that people decide, twice and too late too, sleeping machines, metrics
that come and go; and, wider still, clocks that disagree and an API server that throttles. Drawn beside `scenario`, so
that what its seeds draw stays as it is.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from simulated.scenario import CallFault, Happening, Scenario, scenario

SEEDS = 1_000_000
"""Added to a seed, this asks for its wider history."""

TIMED = 2_000_000
"""Added to a seed, this asks for its wider history with clocks that disagree and an API server that throttles."""


def drawn(seed: int) -> Scenario:
    """The scenario of a seed: plain, wide or timed."""
    if seed >= TIMED:
        return timed(seed - TIMED)
    return wide(seed - SEEDS) if seed >= SEEDS else scenario(seed)


def wide(seed: int) -> Scenario:
    """The scenario of a seed, and more."""
    plain, chance = scenario(seed), Random(f"wide/{seed}")
    gates = chance.random() < 0.6
    steps = tuple(replace(step, gate=_gate(chance) if gates else step.gate) for step in plain.policy.steps)
    policy = replace(plain.policy, steps=steps, bake_gate=_gate(chance) if gates else None)
    more = [*_decisions(chance), *_sleeps(chance), *_flapping(chance)]
    script = tuple(sorted((*plain.script, *more), key=lambda each: each.at))
    return replace(plain, seed=seed + SEEDS, policy=policy, script=script)


def timed(seed: int) -> Scenario:
    """The wide scenario of a seed; the API server's clock is set, clocks drift, requests are throttled."""
    plain, chance = wide(seed), Random(f"timed/{seed}")
    script = tuple(sorted((*plain.script, *_settings(chance)), key=lambda each: each.at))
    return replace(
        plain,
        seed=seed + TIMED,
        script=script,
        calls=(*plain.calls, *_throttled(chance)),
        drift=chance.choice([0.0, 0.0005, -0.0005, 0.02, -0.02]),
        scraped=chance.random() < 0.5,
    )


def _settings(chance: Random) -> list[Happening]:
    """The API server's clock is set; who begins after that has another time, so most settings bring a new process."""
    found = []
    for _ in range(chance.choice([0, 1, 1, 2, 3])):
        at = float(chance.randint(1, 120))
        value = chance.choice([-600.0, -120.0, -31.0, -2.0, 0.0, 2.0, 31.0, 120.0, 600.0])
        found.append(Happening(at=at, kind="server-clock", value=value))
        if chance.random() < 0.8:
            kind = chance.choice(["kill", "terminate", "second-engine", "stop"])
            found.append(Happening(at=at + chance.choice([1.0, 5.0, 20.0]), kind=kind, seconds=40.0))
    return found


def _throttled(chance: Random) -> list[CallFault]:
    """Some calls in a row are turned away, to be asked again after as long as the server says."""
    found = []
    for _ in range(chance.choice([0, 0, 1, 2])):
        first, asked = chance.randint(2, 70), chance.choice([1.0, 5.0, 30.0, 3600.0])
        many = chance.choice([1, 3, 10])
        found.extend(CallFault(number=first + index, kind="throttled", seconds=asked) for index in range(many))
    return found


def _gate(chance: Random) -> float | None:
    return chance.choice([None, 4.0, 25.0, 60.0])


def _decisions(chance: Random) -> list[Happening]:
    """Yes and no at any time: early, late, twice, two people in the same second."""
    found = []
    for _ in range(chance.choice([0, 0, 1, 3, 6])):
        at = float(chance.randint(5, 120))
        many = chance.choice([1, 1, 2])
        found.extend(Happening(at=at, kind="decide", value=chance.random()) for _ in range(many))
    return found


def _sleeps(chance: Random) -> list[Happening]:
    """The machine with every engine on it sleeps; the world, and its clock, go on."""
    if chance.random() < 0.7:
        return []
    seconds = chance.choice([5.0, 29.0, 40.0, 200.0, 700.0])
    return [Happening(at=float(chance.randint(3, 100)), kind="sleep", seconds=seconds)]


def _flapping(chance: Random) -> list[Happening]:
    if chance.random() < 0.7:
        return []
    first, every = chance.randint(3, 60), chance.randint(2, 9)
    return [
        Happening(at=float(first + every * index), kind="metrics-outage", seconds=float(chance.randint(1, 8)))
        for index in range(chance.randint(2, 12))
    ]
