"""The machine on its own: the way forward, row by row, and what stops it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.model import Verdict
from canary.core import effects as do
from canary.core import events as on
from canary.core.machine import TABLE, ReleaseEnded, advance
from canary.core.outcome import ExitCode
from canary.core.release import FINAL, Phase, Release, Stage
from tests.core.play import Play
from tests.core.rows import judged, policy


def test_a_good_release_goes_through_every_phase_in_order_and_ends_promoted() -> None:
    play = Play()
    play.to_promoting()
    assert (play.release.phase, play.release.stage) == (Phase.PROMOTING, Stage.UPDATING)
    play.answer(on.StableUpdated)
    play.written()
    play.look(canary=1, stable=199)
    for _ in range(3):
        play.look(canary=0, stable=200)
    assert play.release.phase is Phase.CLEANING
    play.answer(on.CanaryDetached, generation=99)
    play.answer(on.WorkloadRemoved)
    assert play.release.phase is Phase.SUCCEEDED
    assert play.kinds() == [
        "run-preflight",
        "take-fence",
        "provision-workload",
        "attach-canary",
        *["provision-workload", "raise-share", "restart-judge"] * 3,
        "update-stable",
        "lower-share",
        "detach-canary",
        "remove-workload",
        "finish",
    ]
    assert [e.share for e in play.done if isinstance(e, do.RaiseShare)] == [5, 50, 100]


def test_an_unhealthy_verdict_lowers_at_once_and_the_release_ends_10() -> None:
    play = Play()
    play.to_judging()
    effects = play.look(canary=10, stable=190, judged=judged(Verdict.UNHEALTHY, sentence="canary 9 % errors"))
    assert isinstance(effects[0], do.LowerShare)
    play.written()
    for _ in range(3):
        play.look(canary=0, stable=200)
    play.answer(on.CanaryDetached, generation=99)
    play.answer(on.WorkloadRemoved)
    assert play.release.phase is Phase.ROLLED_BACK
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.JUDGED_BAD
    assert "9 % errors" in play.release.outcome.reason


def test_a_failed_preflight_touches_nothing() -> None:
    play = Play()
    play.happens(on.Started)
    play.answer(on.PreflightFailed, code=ExitCode.NOT_PERMITTED, reason="may not patch httproutes")
    assert play.release.phase is Phase.ROLLED_BACK
    assert play.kinds() == ["run-preflight", "finish"]


def test_healthy_before_the_minimum_hold_does_not_end_the_step() -> None:
    play = Play()
    play.to_judging()
    assert play.look(canary=10, stable=190, judged=judged(Verdict.HEALTHY)) == ()
    assert play.release.phase is Phase.JUDGING


@pytest.mark.parametrize("verdict", [Verdict.UNDECIDED, Verdict.NO_DATA])
def test_no_evidence_before_the_maximum_hold_never_raises(verdict: Verdict) -> None:
    play = Play()
    play.to_judging()
    for _ in range(50):
        play.look(canary=10, stable=190, judged=judged(verdict, may_proceed=True))
    assert play.release.phase is Phase.JUDGING


@pytest.mark.parametrize(
    ("undecided", "may_proceed", "phase"),
    [
        ("proceed", True, Phase.SHIFTING),
        ("proceed", False, Phase.JUDGING),
        ("extend", True, Phase.JUDGING),
        ("pause", True, Phase.JUDGING),
        ("rollback", True, Phase.ROLLING_BACK),
    ],
)
def test_an_undecided_step_ends_by_its_policy_at_the_maximum_hold(
    undecided: Any, may_proceed: bool, phase: Phase
) -> None:
    play = Play(policy(undecided=undecided))
    play.to_judging()
    play.look(canary=10, stable=190, judged=judged(Verdict.UNDECIDED, may_proceed=may_proceed))
    play.wait(61)
    assert play.release.phase is phase
    assert play.release.paused is (undecided == "pause")


def test_a_step_without_data_ends_16_at_its_maximum_hold() -> None:
    play = Play()
    play.to_judging()
    play.happens(on.LookMissed, reason="the source is down")
    play.wait(61)
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.NO_EVIDENCE


@pytest.mark.parametrize(
    ("no_traffic", "phase"),
    [("hold", Phase.SETTLING), ("rollback", Phase.ROLLING_BACK), ("proceed", Phase.JUDGING)],
)
def test_traffic_that_does_not_follow_is_a_finding_and_the_policy_decides(no_traffic: Any, phase: Phase) -> None:
    play = Play(policy(no_traffic=no_traffic))
    play.to_first_step()
    play.answer(on.WorkloadReady)
    play.written()
    play.look(canary=0, stable=1000)
    play.wait(30)
    assert play.release.phase is Phase.SETTLING
    play.wait(1000)
    assert play.release.phase is phase
    assert any("NOT_SETTLED" in e.message for e in play.done if isinstance(e, do.Tell))


@pytest.mark.parametrize(
    "spoil",
    [
        {"paused": True},
        {"fenced": False},
        {"short": True},
        {"renewed": 0.0},
        {"suspect": "weights were lowered"},
    ],
)
def test_nothing_is_raised_while_something_stands_against_it(spoil: dict[str, Any]) -> None:
    play = Play()
    play.to_judging()
    play.now += 11
    play.release = replace(play.release, renewed=play.now)
    play.release = replace(play.release, **spoil)
    play.look(canary=10, stable=10, judged=judged(Verdict.HEALTHY))
    assert play.release.phase is Phase.JUDGING


@pytest.mark.parametrize(("left", "raised"), [(0.5, True), (0.0, False), (-0.5, False)])
def test_nothing_is_raised_from_the_deadline_on(left: float, raised: bool) -> None:
    play = Play()
    play.to_first_step()
    play.now = play.release.started + play.release.policy.deadline - left
    play.release = replace(play.release, renewed=play.now)
    assert any(isinstance(e, do.RaiseShare) for e in play.answer(on.WorkloadReady)) is raised


def test_a_raise_that_waited_for_its_workload_checks_again_before_it_is_sent() -> None:
    play = Play()
    play.to_first_step()
    play.now += 100  # the lease was not confirmed meanwhile
    assert not any(isinstance(e, do.RaiseShare) for e in play.answer(on.WorkloadReady))
    assert any(isinstance(e, do.RaiseShare) for e in play.wait(2))


def test_a_hook_is_waited_for_as_long_as_it_may_take_and_judging_goes_on() -> None:
    play = Play(policy(hook=100.0))
    play.to_promoting()
    assert any(isinstance(each, do.Tell) and each.reason == "HookWaiting" for each in play.done)
    assert isinstance(play.release.pending, do.UpdateStable)
    play.wait(99)
    assert play.release.outcome is None
    play.wait(1)
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.GATE_EXPIRED
    play = Play(policy(hook=100.0))
    play.to_promoting()
    play.look(canary=10, stable=0, judged=judged(Verdict.UNHEALTHY))
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.JUDGED_BAD
    play = Play(policy(hook=100.0))
    play.to_promoting()
    play.answer(on.StableUpdated)
    play.wait(200)
    assert play.release.outcome is None
    assert play.release.stage is Stage.RETURNING


def test_a_gate_waits_and_each_answer_does_what_it_says() -> None:
    gated = policy(steps=tuple(replace(step, gate=100.0) for step in policy().steps))
    for approved, expected in ((True, Phase.SHIFTING), (False, Phase.ROLLING_BACK)):
        play = Play(gated)
        play.to_first_step()
        assert play.release.phase is Phase.GATED
        play.happens(on.GateDecided, approved=approved, by="ann", reason="looked at the graphs")
        assert play.release.phase is expected
    play = Play(gated)
    play.to_first_step()
    play.wait(101)
    play.happens(on.GateUnanswered, gate=0)
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.GATE_EXPIRED


def test_a_final_phase_takes_no_event_and_changes_nothing() -> None:
    ended = Release(uid="r", incarnation="i", policy=policy(), phase=Phase.SUCCEEDED)
    with pytest.raises(ReleaseEnded, match="SUCCEEDED"):
        advance(ended, on.Ticked(at=1.0))


def test_every_phase_is_reached_by_some_row_and_left_by_some_row() -> None:
    reached = {phase for row in TABLE for phase in row.to} | {Phase.PENDING}
    left = {phase for row in TABLE for phase in row.phases if row.to - {phase}}
    assert reached | {Phase.PROVISIONING} == set(Phase)
    assert left == set(Phase) - FINAL


@pytest.mark.parametrize(("wish", "phase"), [("rollback", Phase.ROLLING_BACK), ("hold", Phase.PROVISIONING)])
def test_a_gateway_that_never_accepts_the_reference_is_not_waited_for_for_ever(wish: Any, phase: Phase) -> None:
    play = Play(policy(no_traffic=wish))
    play.happens(on.Started)
    play.answer(on.PreflightPassed)
    play.answer(on.FenceTaken)
    play.answer(on.WorkloadReady)
    play.answer(on.CanaryAttached, generation=play.generation)
    assert play.wait(59) == ()
    play.wait(2)
    assert play.release.phase is phase
    told = [effect for effect in play.done if isinstance(effect, do.Tell)]
    assert "did not accept the canary's reference within 60 s" in told[-1].message


def test_what_stood_against_the_first_raise_is_looked_at_again() -> None:
    play = Play()
    play.happens(on.Started)
    play.answer(on.PreflightPassed)
    play.happens(on.CapacityChanged, stable=2, canary=0)
    play.answer(on.FenceTaken)
    play.answer(on.WorkloadReady)
    play.answer(on.CanaryAttached, generation=play.generation)
    play.happens(on.CapacityChanged, stable=1, canary=1)
    play.happens(on.RouteAccepted, generation=play.generation, good=True)
    assert play.release.phase is Phase.PROVISIONING
    play.happens(on.CapacityChanged, stable=2, canary=1)
    play.wait(1)
    assert play.release.phase is Phase.SHIFTING


def test_after_a_restart_a_step_is_looked_at_again_before_it_may_end_without_data() -> None:
    play = Play(policy(look_every=10))
    play.to_judging()
    play.wait(58)
    assert play.release.phase is Phase.JUDGING
    play.happens(on.Resumed, incarnation="i2")
    play.answer(on.FenceTaken)
    play.wait(39)
    assert play.release.phase is Phase.JUDGING
    play.wait(2)
    assert play.release.phase is Phase.ROLLING_BACK
