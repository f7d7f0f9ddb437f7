"""The journal's copy on the lease: what is left of a release whose journal somebody deleted, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from canary.adapters.memory import MemoryJournals, MemoryLeases, World
from canary.core.moves import PROMOTED
from canary.core.outcome import ExitCode, Outcome
from canary.core.release import FINAL, Phase, Release, Stage
from canary.engine.copying import LOST, UNTOUCHED, Copier, finished, going_back, recorded, restored
from canary.engine.journal import Journal, decode, encode
from canary.ports import Conflict, Unavailable

JUDGED = Outcome(code=ExitCode.JUDGED_BAD, reason="bad", decided=9.0)
HOLDER, NEXT = "i1", "i2"


@pytest.fixture
def release(play: Any) -> Release:
    return Release(uid="r1", incarnation=HOLDER, policy=play.policy, step=0)


def places() -> list[tuple[Phase, Stage]]:
    return [(phase, stage) for phase in Phase for stage in Stage]


@pytest.fixture
def world() -> Any:
    class There:
        whole = World()
        leases, journals = MemoryLeases(whole), MemoryJournals(whole)

    There.leases.acquire(HOLDER)
    return There


def kept(world: Any, release: Release, **more: Any) -> str:
    assert Copier(world.leases).keep(Journal(release=release, identity="same", **more)) is None
    return str(world.leases.copy)


def back(world: Any) -> Journal | None:
    found = restored(world.journals, world.leases, holder=NEXT, clock=world.whole.clock)
    return decode(found.text) if found else None


def test_whatever_stood_in_the_copy_goes_back_or_is_finished_and_keeps_its_decision(release: Release) -> None:
    for phase, stage in places():
        if phase in UNTOUCHED:
            continue
        for outcome in (None, JUDGED):
            found = going_back(replace(release, phase=phase, stage=stage, outcome=outcome), holder=NEXT, at=5.0)
            finished = found.phase in FINAL or (found.phase, found.stage) in PROMOTED
            assert finished or found.outcome is not None, (phase, stage)
            assert found.incarnation == (HOLDER if found.phase in FINAL else NEXT), (
                "whoever sleeps takes it for its own"
            )
            if outcome is not None:
                assert found.outcome == outcome
            elif found.outcome is not None:
                assert (found.outcome.code, found.outcome.reason) == (ExitCode.ENGINE_LOST, LOST)
                assert found.phase is (Phase.PROMOTING if phase is Phase.PROMOTING else Phase.ROLLING_BACK)


def test_one_that_was_deleted_is_put_back_and_the_decision_with_it(world: Any, release: Release) -> None:
    kept(world, replace(release, phase=Phase.ROLLING_BACK, outcome=JUDGED))
    found = back(world)
    assert found is not None
    assert found.release.outcome == JUDGED
    assert world.journals.stored is not None
    assert back(world) == found
    assert world.whole.calls.count("journals.save") == 1


def test_what_stands_is_believed_and_not_its_copy(world: Any, release: Release) -> None:
    kept(world, replace(release, phase=Phase.ROLLING_BACK, outcome=JUDGED))
    whole = Journal(release=replace(release, phase=Phase.JUDGING), identity="same")
    world.journals.overwrite(encode(whole))
    assert back(world) == whole
    assert "leases.copied" not in world.whole.calls


def test_before_anything_is_touched_there_is_nothing_to_keep(world: Any, release: Release) -> None:
    for phase in UNTOUCHED:
        assert kept(world, replace(release, phase=phase)) == ""
    assert back(world) is None
    assert "leases.keep" not in world.whole.calls


def test_one_that_cannot_be_read_is_shown_and_not_put_back(world: Any) -> None:
    world.leases.keep(HOLDER, "torn", over="")
    found = restored(world.journals, world.leases, holder=NEXT, clock=world.whole.clock)
    assert found is not None
    assert found.text == "torn"
    assert world.journals.stored is None


def test_one_that_could_not_be_put_back_is_no_release_that_begins(world: Any, release: Release) -> None:
    kept(world, replace(release, phase=Phase.JUDGING))
    world.whole.faults.plan("journals.save", Conflict("it is there"))
    with pytest.raises(Unavailable):
        back(world)
    found = back(world)
    assert found is not None
    assert found.release.outcome is not None


def test_what_a_person_finished_is_not_gone_on_with(world: Any, release: Release) -> None:
    kept(world, replace(release, phase=Phase.JUDGING))
    finished(world.journals, world.leases, holder=HOLDER)
    assert back(world) is None
    ended = Journal(release=replace(release, phase=Phase.ROLLED_BACK, outcome=JUDGED), identity="same")
    world.journals.overwrite(encode(ended))
    finished(world.journals, world.leases, holder=HOLDER)
    world.journals.delete()
    assert back(world) == ended


def test_without_a_lease_there_is_no_copy() -> None:
    world = World()
    assert recorded(MemoryJournals(world), MemoryLeases(world)) is None


def test_the_judges_state_is_not_in_it(world: Any, release: Release) -> None:
    text = kept(
        world, replace(release, phase=Phase.JUDGING), judge={"evidence": 1.5}, window={"at": 1}, surgery={"a": 1}
    )
    found = decode(text)
    assert (found.judge, found.window, found.surgery) == ({}, {}, {"a": 1})


def test_it_is_written_only_for_what_is_new_in_it(world: Any, release: Release) -> None:
    copier, lease = Copier(world.leases), world.leases
    steps = [
        (replace(release, phase=Phase.PROVISIONING), True),
        (replace(release, phase=Phase.JUDGING), False),
        (replace(release, phase=Phase.JUDGING, step=1), False),
        (replace(release, phase=Phase.PROMOTING, stage=Stage.UPDATING), True),
        (replace(release, phase=Phase.PROMOTING, stage=Stage.RETURNING), True),
        (replace(release, phase=Phase.ROLLING_BACK, outcome=JUDGED), True),
        (replace(release, phase=Phase.ROLLING_BACK, stage=Stage.DRAINING, outcome=JUDGED), False),
        (replace(release, phase=Phase.ROLLED_BACK, outcome=JUDGED), True),
    ]
    for at, new in steps:
        before = lease.version
        assert copier.keep(Journal(release=at, identity="same")) is None
        assert (lease.version != before) is new, at.phase


def test_whoever_lost_the_lease_keeps_nothing_and_learns_who_has_it(world: Any, release: Release) -> None:
    copier = Copier(world.leases)
    world.leases.seize("i2")
    assert copier.keep(Journal(release=replace(release, phase=Phase.JUDGING), identity="same")) == "i2"
    assert world.leases.copy == ""


def test_an_answer_that_was_lost_is_found_and_gone_on_from(world: Any, release: Release) -> None:
    copier = Copier(world.leases)
    world.whole.faults.plan("leases.keep", Unavailable("no answer"), committed=True)
    with pytest.raises(Unavailable):
        copier.keep(Journal(release=replace(release, phase=Phase.JUDGING), identity="same"))
    decided = Journal(release=replace(release, phase=Phase.ROLLING_BACK, outcome=JUDGED), identity="same")
    assert copier.keep(decided) is None
    assert decode(world.leases.copy) == decided


def test_nothing_is_decided_in_the_journal_before_the_copy_says_so(new_play: Callable[..., Any]) -> None:
    play = new_play()
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    play.world.faults.plan("leases.keep", Unavailable("no answer"), times=3)
    play.gateway.errors = dict.fromkeys(play.gateway.errors, 0.0) | {list(play.gateway.errors)[-1]: 0.5}
    play.until(lambda: play.decider.release.outcome is not None)
    assert play.gateway.share() == 0.0, "the way back does not wait for it"
    stored = decode(play.journals.stored.text).release
    assert stored.outcome is None
    assert play.to_the_end() is ExitCode.JUDGED_BAD
    assert decode(play.leases.copy).release == decode(play.journals.stored.text).release
