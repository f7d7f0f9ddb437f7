"""The same histories with a fresh baseline beside the canary, and with hands on its weight. Drawn beside `scenario`."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from simulated.oracles import play_scenario
from simulated.scenario import Happening, Scenario
from simulated.simulation import Simulation
from simulated.wider import drawn
from simulated.world import OF_BASELINE


def beside(seed: int) -> Scenario:
    """The scenario of a seed, wide or plain, with a baseline, and more."""
    plain, chance = drawn(seed), Random(f"baseline/{seed}")
    policy = replace(plain.policy, has_workload=True)
    script = tuple(sorted((*plain.script, *_hands(chance)), key=lambda each: each.at))
    return replace(plain, policy=policy, script=script, baseline=True)


def _hands(chance: Random) -> list[Happening]:
    """Somebody writes the baseline's weight or takes its reference out, or its pods go."""
    kinds = [*(f"edit:{kind}" for kind in OF_BASELINE), "baseline-vanishes"]
    return [
        Happening(at=float(chance.randint(2, 90)), kind=chance.choice(kinds), value=chance.random())
        for _ in range(chance.choice([0, 0, 0, 1, 1, 2]))
    ]


def play_fresh(seed: int) -> Simulation:
    """The history of a seed, with every violation during it and at its end."""
    return play_scenario(beside(seed))
