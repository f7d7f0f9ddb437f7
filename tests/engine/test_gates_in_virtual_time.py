"""Gates through the real decider on the memory world: put up, decided, survived, closed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from analysis.model import Arm
from canary.core import gates
from canary.core.outcome import ExitCode
from canary.core.release import Phase
from canary.engine.record import entries
from canary.ports import Unavailable

NewPlay = Callable[..., Any]
ANN = gates.Person(name="ann", groups=("oncall",))


def data(play: Any) -> dict[str, str]:
    found = play.gates.current
    return found["data"] if found else {}


def waits(play: Any) -> bool:
    return play.decider.release.phase is Phase.GATED and data(play).get("state") == "pending"


def decide(play: Any, *, approved: bool = True, reason: str = "looked at it") -> None:
    at = gates.moment(play.world.clock.now(), full=True)
    play.gates.patch(gates.decision(play.gates.read(), approved=approved, person=ANN, at=at, reason=reason))


def ask(play: Any, wish: gates.Wish, *, release: str = "r1") -> None:
    found = play.gates.read() or play.gates.create({"about": "x"})
    at = gates.moment(play.world.clock.now(), full=True)
    play.gates.patch(gates.asking(found, wish=wish, release=release, by="ann", reason="", at=at))


def told(play: Any, reason: str) -> list[str]:
    return [one.message for one in play.reporters.told if one.reason == reason]


def test_a_gate_before_the_bake_and_one_before_the_promotion_are_opened_and_the_release_is_promoted(
    new_play: NewPlay,
) -> None:
    play = new_play(bake_gate=300.0, promotion_gate=300.0)
    for before in ("the bake", "the promotion"):
        play.until(lambda: waits(play))
        assert data(play)["before"] == before
        decide(play)
        play.until(lambda: not waits(play))
    assert play.to_the_end() is ExitCode.PROMOTED
    assert told(play, "GateOpened") == ["approved by ann (identity: self-declared): looked at it"] * 2


def test_what_was_seen_while_a_gate_waited_is_recorded_before_a_raise_rests_on_it(new_play: NewPlay) -> None:
    play = new_play(bake_gate=300.0)
    play.until(lambda: waits(play))
    for _ in range(20):
        play.second()
    seen = play.world.clock.now()
    decide(play)
    play.until(lambda: play.gateway.share() == 1.0)
    recorded = [row["at"] for row in entries(play.records.read()) if row["kind"] == "look"]
    assert recorded[-1] == seen


def test_with_an_admission_policy_the_name_stands_alone(new_play: NewPlay) -> None:
    play = new_play(bake_gate=300.0)
    play.gates.pins = True
    play.until(lambda: waits(play))
    decide(play, approved=False, reason="checkout is slow")
    assert play.to_the_end() is ExitCode.REJECTED
    assert play.reason() == "rejected by ann: checkout is slow"
    assert play.clean()


def test_a_restart_at_an_open_gate_keeps_it_and_a_decision_made_meanwhile_counts(new_play: NewPlay) -> None:
    play = new_play(bake_gate=60.0)
    play.until(lambda: waits(play))
    nonce = data(play)["nonce"]
    play.gates._watchers.clear()
    decide(play)
    play.world.clock.advance(90)  # nobody lives, and the gate would have expired
    play.gateway.serve()
    play.start()
    assert data(play)["nonce"] == nonce
    assert play.to_the_end() is ExitCode.PROMOTED
    assert told(play, "GateOpened")


def test_judging_goes_on_while_a_gate_waits_and_what_it_leaves_undecided_is_closed(new_play: NewPlay) -> None:
    play = new_play(bake_gate=300.0)
    play.until(lambda: waits(play))
    play.gateway.errors[Arm.CANARY] = 0.3
    assert play.to_the_end() is ExitCode.JUDGED_BAD
    assert data(play)["state"] == "closed"
    assert play.clean()


def test_an_unanswered_gate_ends_with_12_and_an_api_server_that_fails_in_between_loses_nothing(
    new_play: NewPlay,
) -> None:
    play = new_play(bake_gate=30.0)
    play.world.faults.plan("gates.create", Unavailable("no answer"), committed=True)
    play.world.faults.plan("gates.read", Unavailable("no answer"), skip=2, times=2)
    play.until(lambda: waits(play))
    assert play.to_the_end() is ExitCode.GATE_EXPIRED
    assert data(play)["state"] == "closed"


@pytest.mark.parametrize(("approved", "expiry"), [*itertools.product([True, False], ["rollback", "proceed"])])
def test_a_decision_made_in_time_counts_although_it_could_not_be_read_before_the_gate_expired(
    new_play: NewPlay, approved: bool, expiry: str
) -> None:
    play = new_play(bake_gate=60.0, on_gate_expiry=expiry)
    play.until(lambda: waits(play))
    decide(play, approved=approved)
    decided = play.world.clock.now()
    play.world.faults.plan("gates.read", Unavailable("no answer"), times=25)
    assert play.to_the_end() is (ExitCode.PROMOTED if approved else ExitCode.REJECTED)
    (heard,) = [one for one in entries(play.records.read()) if one.get("name") == "GateDecided"]
    assert heard["at"] > decided + 60.0


def test_a_decision_that_does_not_count_is_told_and_the_gate_waits_on(new_play: NewPlay) -> None:
    play = new_play(bake_gate=300.0)
    play.until(lambda: waits(play))
    forged = {"state": "approved", "decidedBy": "eve", "decidedAt": "whenever"}
    play.gates.patch(gates.written(play.gates.read(), forged))
    play.until(lambda: bool(told(play, "GateTroubled")))
    assert waits(play)
    assert "does not say when it was made" in data(play)["note"]


def test_pause_resume_and_a_skip_asked_twice_do_what_they_say_once(new_play: NewPlay) -> None:
    play = new_play()
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    ask(play, gates.Wish.PAUSE, release="another")
    ask(play, gates.Wish.PAUSE)
    play.until(lambda: play.decider.release.paused)
    step = play.decider.release.step
    for _ in range(40):
        play.second()
    assert play.decider.release.step == step
    ask(play, gates.Wish.SKIP)
    ask(play, gates.Wish.RESUME)
    play.until(lambda: not play.decider.release.paused)
    assert told(play, "NotSkipped")
    play.start()
    assert play.decider.release.heard == 4
    assert play.to_the_end() is ExitCode.PROMOTED
    assert len(told(play, "Paused")) == len(told(play, "Resumed")) == 1
