"""What people decide about the pace, in the machine: never more than the judge's word lets happen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.model import Verdict
from canary.core import effects as do
from canary.core import events as on
from canary.core import gating
from canary.core.outcome import ExitCode
from canary.core.release import Phase, Stage
from tests.core.play import Play
from tests.core.rows import judged, policy


def gated(**changes: Any) -> Play:
    """Gates before the second step, the bake and the promotion."""
    first, second = policy().steps
    steps = (first, replace(second, gate=100.0))
    return Play(policy(steps=steps, bake_gate=100.0, promotion_gate=100.0, **changes))


def at_the_gate(play: Play) -> Play:
    play.healthy_step()
    assert play.release.phase is Phase.GATED
    return play


def approve(play: Play, **given: Any) -> tuple[do.Effect, ...]:
    return play.happens(on.GateDecided, approved=True, by="ann", reason="fine", **given)


def test_every_gate_of_a_good_release_is_waited_at_the_last_one_after_the_bake() -> None:
    play = gated()
    for phase in (Phase.SHIFTING, Phase.SHIFTING, Phase.PROMOTING):
        at_the_gate(play)
        approve(play)
        assert play.release.phase is phase
    assert play.release.stage is Stage.UPDATING
    told = [effect.message for effect in play.done if isinstance(effect, do.Tell) and effect.reason == "GateWaiting"]
    assert [line.split(" until")[0] for line in told] == [
        f"waits for an approver before {what}" for what in ("50 %", "the bake", "the promotion")
    ]


@pytest.mark.parametrize("place", [0, 2, 7])
def test_a_decision_about_another_gate_opens_nothing(place: int) -> None:
    play = at_the_gate(gated())
    approve(play, gate=place)
    assert play.release.phase is Phase.GATED
    approve(play, gate=1)
    assert play.release.phase is Phase.SHIFTING


def test_a_bad_verdict_beats_an_approval_that_stands_already_and_one_that_comes_later() -> None:
    play = at_the_gate(gated())
    play.happens(on.PauseRequested, by="bob")
    approve(play)
    assert play.release.phase is Phase.JUDGING
    play.look(canary=9, stable=9, judged=judged(Verdict.UNHEALTHY))
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.JUDGED_BAD
    late = at_the_gate(gated())
    late.look(canary=9, stable=9, judged=judged(Verdict.UNHEALTHY))
    approve(late)
    assert late.release.phase is Phase.ROLLING_BACK


@pytest.mark.parametrize("verdict", [Verdict.UNDECIDED, Verdict.NO_DATA])
def test_an_approval_is_no_evidence_the_step_goes_on_until_the_judge_says_so(verdict: Verdict) -> None:
    play = at_the_gate(gated())
    play.look(canary=9, stable=9, judged=judged(verdict))
    play.now += 50
    approve(play)
    assert play.release.phase is Phase.JUDGING
    play.wait(1)
    play.look(canary=9, stable=9, judged=judged(Verdict.HEALTHY))
    assert play.release.phase is Phase.SHIFTING


def test_an_approval_after_a_missed_look_raises_nothing() -> None:
    play = at_the_gate(gated())
    play.happens(on.LookMissed, reason="Prometheus is down")
    approve(play)
    assert (play.release.phase, play.release.verdict) == (Phase.JUDGING, Verdict.NO_DATA)


def test_what_troubles_a_gate_is_told_as_an_alarm_and_the_gate_waits_on() -> None:
    play = at_the_gate(gated())
    (told,) = play.happens(on.GateTroubled, sentence="the gate object is gone")
    assert isinstance(told, do.Tell)
    assert (told.reason, told.alarm, play.release.phase) == ("GateTroubled", True, Phase.GATED)


def test_the_wait_at_a_gate_is_no_part_of_the_hold() -> None:
    play = at_the_gate(gated())
    play.now += 90
    play.look(canary=9, stable=9, judged=judged(Verdict.NO_DATA))
    approve(play)
    play.wait(40)
    assert play.release.outcome is None, "held for 12 of 60 seconds before the gate, and 40 after it"
    play.wait(10)
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.NO_EVIDENCE


def test_after_a_restart_an_old_healthy_opens_no_gate_and_a_decision_is_read_before_it_expires() -> None:
    play = at_the_gate(gated())
    play.now += 99
    play.happens(on.Resumed, incarnation="i2")
    play.wait(2)
    assert play.release.phase is Phase.GATED, "its expiry waits until what stands in the object was read"
    approve(play)
    assert play.release.phase is Phase.GATED, "the fence is not taken yet"
    play.answer(on.FenceTaken)
    play.wait(1)
    assert play.release.phase is Phase.JUDGING
    play.look(canary=9, stable=9, judged=judged(Verdict.HEALTHY))
    assert play.release.phase is Phase.SHIFTING


@pytest.mark.parametrize(
    ("expiry", "phase", "code"),
    [
        ("rollback", Phase.ROLLING_BACK, ExitCode.GATE_EXPIRED),
        ("hold", Phase.GATED, None),
        ("proceed", Phase.SHIFTING, None),
    ],
)
def test_an_unanswered_gate_ends_as_the_file_says(expiry: str, phase: Phase, code: ExitCode | None) -> None:
    play = at_the_gate(gated(on_gate_expiry=expiry))
    play.wait(99)
    play.happens(on.GateUnanswered, gate=1)
    assert play.release.phase is Phase.GATED, "it has not expired"
    play.wait(2)
    play.happens(on.GateUnanswered, gate=2)
    assert play.release.phase is Phase.GATED, "that is another gate, and nobody has read this one since"
    play.happens(on.GateUnanswered, gate=1)
    assert play.release.phase is phase
    assert (play.release.outcome.code if play.release.outcome else None) is code


@pytest.mark.parametrize("expiry", ["rollback", "hold", "proceed"])
def test_a_gate_that_cannot_be_read_when_it_expires_is_never_gone_past(expiry: str) -> None:
    play = at_the_gate(gated(on_gate_expiry=expiry))
    play.wait(100 + gating.UNREAD - 1)
    assert play.release.phase is Phase.GATED
    alarms = [one for _ in range(3) for one in play.wait(1) if isinstance(one, do.Tell) and one.alarm]
    if expiry == "rollback":
        assert play.release.outcome is not None
        assert play.release.outcome.code is ExitCode.GATE_EXPIRED
        assert "could not be read" in play.release.outcome.reason
        return
    assert [one.reason for one in alarms] == ["GateUnread"]
    assert play.release.phase is Phase.GATED
    play.happens(on.GateDecided, approved=False, by="ann", reason="read at last", gate=1)
    assert play.release.phase is Phase.ROLLING_BACK


def test_skip_ends_the_wait_at_healthy_and_where_the_judge_lets_it_proceed() -> None:
    for said in (judged(Verdict.HEALTHY), judged(Verdict.UNDECIDED, may_proceed=True)):
        play = Play(policy(undecided="rollback"))
        play.to_judging()
        play.look(canary=9, stable=9, judged=said)
        assert play.release.phase is Phase.JUDGING
        play.happens(on.SkipRequested, by="ann", reason="quiet night", number=3)
        assert (play.release.phase, play.release.heard) == (Phase.SHIFTING, 3)


@pytest.mark.parametrize("verdict", [Verdict.NO_DATA, Verdict.UNDECIDED])
def test_skip_and_promote_never_stand_in_for_evidence(verdict: Verdict) -> None:
    for event in (on.SkipRequested, on.PromoteRequested):
        play = Play()
        play.to_judging()
        play.look(canary=9, stable=9, judged=judged(verdict))
        (told,) = play.happens(event, by="ann", number=1)
        assert play.release.phase is Phase.JUDGING
        assert isinstance(told, do.Tell)
        assert f"the judge says {verdict}" in told.message


def test_skip_opens_no_gate_and_says_what_does() -> None:
    play = at_the_gate(gated())
    (told,) = play.happens(on.SkipRequested, by="ann")
    assert play.release.phase is Phase.GATED
    assert isinstance(told, do.Tell)
    assert "canary approve" in told.message


def test_promote_goes_to_the_bake_and_out_of_it_but_past_no_gate() -> None:
    play = Play()
    play.to_judging()
    play.look(canary=9, stable=9, judged=judged(Verdict.HEALTHY))
    play.happens(on.PromoteRequested, by="ann")
    assert (play.release.phase, play.release.baking) == (Phase.SHIFTING, True)
    play.to_judging()
    assert play.release.phase is Phase.BAKING
    play.look(canary=9, stable=9, judged=judged(Verdict.HEALTHY))
    play.happens(on.PromoteRequested, by="ann")
    assert play.release.phase is Phase.PROMOTING
    barred = gated()
    barred.to_judging()
    barred.look(canary=9, stable=9, judged=judged(Verdict.HEALTHY))
    (told,) = barred.happens(on.PromoteRequested, by="ann")
    assert barred.release.phase is Phase.JUDGING
    assert isinstance(told, do.Tell)
    assert "there is a gate before 50 %" in told.message


def test_nothing_is_skipped_promoted_or_paused_where_nothing_waits() -> None:
    play = Play()
    play.to_first_step()
    for event in (on.SkipRequested, on.PromoteRequested):
        before = play.release.phase
        (told,) = play.happens(event, by="ann")
        assert isinstance(told, do.Tell)
        assert play.release.phase is before
    play.to_judging()
    play.happens(on.AbortRequested, by="bob", reason="no")
    play.happens(on.PauseRequested, by="ann")
    assert not play.release.paused


def test_skip_while_paused_is_refused_and_says_so() -> None:
    play = Play()
    play.to_judging()
    play.look(canary=9, stable=9, judged=judged(Verdict.HEALTHY))
    play.happens(on.PauseRequested, by="bob")
    (told,) = play.happens(on.SkipRequested, by="ann")
    assert isinstance(told, do.Tell)
    assert "paused" in told.message


def test_superseded_ends_with_13_and_names_the_other() -> None:
    play = Play()
    play.to_judging()
    play.happens(on.AbortRequested, by="release r2 of ghcr.io/acme/shop@sha256:bb", reason="newer", superseded=True)
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.HELD_BY_ANOTHER
    assert play.release.outcome.reason.startswith("superseded by release r2")
