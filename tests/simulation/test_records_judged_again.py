"""Whatever happened to a release, what its record holds is judged again to the same verdicts and numbers."""

from __future__ import annotations

from itertools import count, islice

import pytest
from simulated.oracles import play
from simulated.scenario import scenario
from simulated.simulation import Simulation

from analysis.replay import Replayed, replay
from canary.engine.record import lives, pieces

SEEDS = 6
SOAKED = 400


def judged(how_many: int, first: int = 0) -> list[int]:
    """Seeds whose histories are judged by the real judge."""
    return list(islice((seed for seed in count(first) if scenario(seed).real_judge), how_many))


def again(found: Simulation) -> Replayed:
    return replay(lives(pieces(found.records.read())))


def check(seeds: list[int]) -> int:
    looks = 0
    for seed in seeds:
        replayed = again(play(seed))
        assert [look.differences for look in replayed.differing] == [], f"seed {seed}"
        looks += len(replayed.looks)
    return looks


def test_every_simulated_release_is_judged_again_to_the_same() -> None:
    assert check(judged(SEEDS)) > 200


@pytest.mark.soak
@pytest.mark.parametrize("chunk", range(8))
def test_many_simulated_releases_are_judged_again_to_the_same(chunk: int) -> None:
    check(judged(SOAKED)[SEEDS + chunk :: 8])
