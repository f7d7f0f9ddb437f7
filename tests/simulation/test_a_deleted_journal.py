"""A journal that is deleted by hand while nobody lives to write it anew: no decision goes with it."""

from __future__ import annotations

import pytest
from simulated.guarded import play_guarded
from simulated.oracles import play_scenario
from simulated.scenario import CallFault, Happening, Scenario

from tests.simulation.test_bugs_found import calm

MOMENTS = range(1, 70, 3)


def deleted(at: float, **more: object) -> Scenario:
    """The engine is killed, and a second later the journal is deleted; nobody lives for a moment at least."""
    script = (Happening(at=at, kind="kill"), Happening(at=at + 1.0, kind="edit:delete-journal"))
    return calm(script=script, **more)


@pytest.mark.parametrize("quality", ["good", "bad"])
@pytest.mark.parametrize("at", MOMENTS)
def test_with_its_engine_the_release_goes_back_or_is_finished(at: float, quality: str) -> None:
    found = play_scenario(deleted(at, quality=quality))
    assert found.violations == []
    assert {int(code) for code in found.codes} <= {0 if quality == "good" else 10, 14}


@pytest.mark.parametrize("quality", ["good", "bad"])
@pytest.mark.parametrize("at", MOMENTS)
def test_where_the_job_is_gone_a_watchdog_finishes_it_all_the_same(at: float, quality: str) -> None:
    found = play_guarded(deleted(at, quality=quality), lonely=True)
    assert found.violations == []
    assert {int(code) for code in found.codes} <= {0 if quality == "good" else 10, 14}


@pytest.mark.parametrize("kind", ["kill-before", "kill-after", "kill-late", "pause", "answer-lost", "late"])
@pytest.mark.parametrize("number", range(1, 7))
@pytest.mark.parametrize("after", [0.0, 2.0])
def test_whatever_happens_to_the_copy_the_decision_stands(number: int, kind: str, after: float) -> None:
    """Around each write of the copy, with the journal deleted then or soon after, and the engine killed once more."""
    faults = (CallFault(number=-number, kind=kind, seconds=45.0),)
    plain = play_scenario(calm(quality="bad", calls=faults))
    assert plain.violations == []
    hit = next((float(line.split()[0]) for line in plain.lines if "leases.keep" in line), None)
    if hit is None:
        return
    script = (Happening(at=hit + after, kind="edit:delete-journal"), Happening(at=hit + after + 1.0, kind="kill"))
    found = play_scenario(calm(quality="bad", calls=faults, script=script))
    assert found.violations == []
    assert {int(code) for code in found.codes} <= {10, 14}


@pytest.mark.parametrize("at", [60.0, 100.0, 130.0])
@pytest.mark.parametrize("number", range(10, 50, 2))
def test_an_engine_that_sleeps_makes_no_journal_anew_and_takes_none_for_its_own(number: int, at: float) -> None:
    """Another one puts it back and goes on, or has ended by then; the sleeper's next write meets a conflict as well."""
    faults = (CallFault(number=number, kind="pause", seconds=150.0),)
    script = (Happening(at=at, kind="edit:delete-journal"), Happening(at=at + 5.0, kind="edit:delete-journal"))
    for conflict in range(number + 1, number + 61, 10):
        more = tuple(CallFault(number=conflict + each, kind="conflict") for each in range(0, 10, 3))
        found = play_scenario(calm(calls=(*faults, *more), script=script))
        assert found.violations == [], (conflict, found.lines[-20:])
