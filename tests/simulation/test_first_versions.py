"""Histories of a first version: made and let go of, or taken away; somebody else's is left alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from simulated.firsts import first, play_first, play_guarded_first
from simulated.scenario import CallFault, Happening, Scenario

from canary.core import ending
from tests.simulation.test_bugs_found import calm
from tests.simulation.test_the_watchdog import NEVER_TOUCHED

FOUND = {"a sweep whose answer came late had looked before the create came, and no second one was made": 2649}
SEEDS, SOAKED = 60, 4_000


def check(seeds: Iterable[int]) -> None:
    for play, known in ((play_first, None), (play_guarded_first, NEVER_TOUCHED)):
        drawn = [seed for seed in seeds if seed != known]
        failed = [f"seed {seed}: {found[0]}" for seed in drawn if (found := play(first(seed)).violations)]
        assert not failed, f"{play.__name__}: {len(failed)} histories went wrong:\n" + "\n".join(failed[:20])


@pytest.mark.parametrize("seed", FOUND.values(), ids=list(FOUND))
def test_found_by_seed(seed: int) -> None:
    check([seed])


@pytest.mark.slow
def test_every_first_version_stands_or_is_gone() -> None:
    check(range(SEEDS))


@pytest.mark.soak
@pytest.mark.parametrize("chunk", range(10))
def test_four_thousand_first_versions(chunk: int) -> None:
    check(range(SEEDS + chunk, SEEDS + SOAKED, 10))


def given(number: int, kind: str, seconds: float = 9.0) -> Scenario:
    return calm(calls=(CallFault(number=number, kind=kind, seconds=seconds),))


@pytest.mark.parametrize("kind", ["kill-before", "kill-after", "kill-late", "pause", "late", "answer-lost"])
def test_whatever_happens_to_any_one_call_it_stands(kind: str) -> None:
    for number in range(1, 26):
        found = play_first(given(number, kind))
        assert found.violations == [], (number, found.lines)
        assert set(found.codes) == {0}


def test_the_world_sees_a_first_version_that_is_taken_away_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "keeps", lambda _: False)
    assert any("stable's workload is gone" in one for one in play_first(calm()).violations)


def test_the_world_sees_a_create_that_came_when_nobody_looked_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server takes it nine seconds after the engine sent it, and a person stopped the release meanwhile."""
    late = replace(given(12, "late"), script=(Happening(at=12.0, kind="abort"),))
    assert play_first(late).violations == []
    monkeypatch.setattr(ending, "LATE_CREATE", -60.0)
    assert any("still carries the release's label" in one for one in play_first(late).violations)


@pytest.mark.parametrize("killed", range(53, 59))
def test_a_first_version_that_is_made_long_after_the_end_is_swept_by_a_watchdog(killed: int) -> None:
    """Its engine slept in the create, and is killed when it wakes; the Job is gone."""
    faults = (CallFault(number=12, kind="pause", seconds=240.0), CallFault(number=killed, kind="kill-before"))
    found = play_guarded_first(calm(calls=faults))
    assert found.violations == []
    assert any("was made after release r1 had ended" in line for line in found.lines)
