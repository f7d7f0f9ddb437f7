"""The machine on its own: what each row does, and what no history whatever may do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.model import Judgement, Verdict
from canary.core import effects as do
from canary.core import events as on
from canary.core.machine import TABLE, ReleaseEnded, advance
from canary.core.moves import PROMOTED
from canary.core.outcome import ExitCode
from canary.core.release import FINAL, Phase, Policy, Release, Stage, StepPolicy


def policy(**changes: Any) -> Policy:
    steps = tuple(StepPolicy(share=Decimal(share), hold_min=10, hold_max=60) for share in (5, 50))
    given = Policy(
        steps=steps,
        bake_min=10,
        bake_max=30,
        settle_window=2,
        settle_least=60,
        drain=20,
        deadline=3600,
        last_call=4000,
        exact_split=True,
    )
    return replace(given, **changes)


def judgement(verdict: Verdict, *, may_proceed: bool = False) -> Judgement:
    return Judgement(
        verdict=verdict,
        findings=(),
        evidence=0.0,
        threshold=4.6,
        looks=30,
        requests=1000,
        may_proceed=may_proceed,
        sentence="canary 9 % errors against stable 0.4 %",
    )


class Play:
    """A release played by hand: answers work as a willing world would, unless a test says otherwise."""

    def __init__(self, given: Policy | None = None) -> None:
        self.release = Release(uid="r1", incarnation="i1", policy=given or policy())
        self.now = 1000.0
        self.done: list[do.Effect] = []
        self.generation = 7

    def happens(self, event: type, **values: Any) -> tuple[do.Effect, ...]:
        self.release, effects = advance(self.release, event(at=self.now, **values))
        self.done.extend(effects)
        return effects

    def answer(self, event: type, **values: Any) -> tuple[do.Effect, ...]:
        assert self.release.pending is not None
        return self.happens(event, effect=self.release.pending.id, **values)

    def wait(self, seconds: float) -> tuple[do.Effect, ...]:
        self.now += seconds
        self.release = replace(self.release, renewed=self.now)
        return self.happens(on.Ticked)

    def written(self) -> None:
        self.generation += 1
        pending = self.release.pending
        share = pending.share if isinstance(pending, do.RaiseShare) else Decimal(0)
        self.answer(on.ShareWritten, share=share, generation=self.generation)
        self.happens(on.RouteAccepted, generation=self.generation, good=True)

    def look(self, *, canary: int, stable: int, judged: Judgement | None = None) -> tuple[do.Effect, ...]:
        start, self.now = self.now, self.now + 1
        return self.happens(on.Looked, start=start, end=self.now, stable=stable, canary=canary, judgement=judged)

    def settle(self) -> None:
        share = int(self.release.share)
        self.look(canary=share * 2, stable=(100 - share) * 2)

    def to_first_step(self) -> None:
        self.happens(on.Started)
        self.answer(on.PreflightPassed)
        self.answer(on.FenceTaken)
        self.answer(on.WorkloadReady)
        self.answer(on.CanaryAttached, generation=self.generation)
        self.happens(on.RouteAccepted, generation=self.generation, good=True)

    def to_judging(self) -> None:
        if self.release.phase is Phase.PENDING:
            self.to_first_step()
        self.answer(on.WorkloadReady)
        self.written()
        self.settle()

    def healthy_step(self) -> None:
        self.to_judging()
        self.now += 11
        self.release = replace(self.release, renewed=self.now)
        self.look(canary=10, stable=10, judged=judgement(Verdict.HEALTHY))

    def to_promoting(self) -> None:
        for _ in range(3):
            self.healthy_step()

    def kinds(self) -> list[str]:
        return [effect.kind for effect in self.done if not isinstance(effect, do.Tell)]


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
    effects = play.look(canary=10, stable=190, judged=judgement(Verdict.UNHEALTHY))
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
    assert play.look(canary=10, stable=190, judged=judgement(Verdict.HEALTHY)) == ()
    assert play.release.phase is Phase.JUDGING


@pytest.mark.parametrize("verdict", [Verdict.UNDECIDED, Verdict.NO_DATA])
def test_no_evidence_before_the_maximum_hold_never_raises(verdict: Verdict) -> None:
    play = Play()
    play.to_judging()
    for _ in range(50):
        play.look(canary=10, stable=190, judged=judgement(verdict, may_proceed=True))
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
    play.look(canary=10, stable=190, judged=judgement(Verdict.UNDECIDED, may_proceed=may_proceed))
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
    play.look(canary=10, stable=10, judged=judgement(Verdict.HEALTHY))
    assert play.release.phase is Phase.JUDGING


def test_a_raise_that_waited_for_its_workload_checks_again_before_it_is_sent() -> None:
    play = Play()
    play.to_first_step()
    play.now += 100  # the lease was not confirmed meanwhile
    assert not any(isinstance(e, do.RaiseShare) for e in play.answer(on.WorkloadReady))
    assert any(isinstance(e, do.RaiseShare) for e in play.wait(2))


def test_a_share_lowered_by_somebody_is_confirmed_once_and_then_ends_15_by_name() -> None:
    play = Play()
    play.to_judging()
    change = {
        "direction": on.Direction.LOWERED,
        "by": "argocd-controller",
        "sentence": "the canary's weight went from 5 to 0",
    }
    effects = play.happens(on.RouteChanged, confirmed=False, **change)
    assert [e.kind for e in effects] == ["confirm-change"]
    play.happens(on.RouteChanged, confirmed=True, **change)
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.CHANGED_BY_OTHERS
    assert "argocd-controller" in play.release.outcome.reason


def test_a_share_raised_by_somebody_is_put_down_at_once() -> None:
    play = Play()
    play.to_judging()
    effects = play.happens(
        on.RouteChanged, direction=on.Direction.RAISED, confirmed=False, by="kubectl-edit", sentence="5 became 40"
    )
    assert isinstance(effects[0], do.LowerShare)


def test_a_share_raised_during_the_rollback_is_put_down_again() -> None:
    play = Play()
    play.to_judging()
    play.happens(on.AbortRequested, by="ann", reason="no")
    play.written()
    assert play.release.stage is Stage.DRAINING
    play.happens(on.RouteChanged, direction=on.Direction.RAISED, confirmed=True, by="bob", sentence="0 became 40")
    assert isinstance(play.release.pending, do.LowerShare)


def test_a_stable_that_does_not_get_ready_is_put_back_before_traffic_returns() -> None:
    play = Play()
    play.to_promoting()
    play.answer(on.WorkloadFailed, reason="CrashLoopBackOff")
    assert isinstance(play.release.pending, do.RevertStable)
    play.answer(on.StableReverted)
    assert (play.release.phase, play.release.stage) == (Phase.ROLLING_BACK, Stage.WRITING)
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.JUDGED_BAD


def test_after_the_promotion_is_confirmed_an_abort_goes_forward() -> None:
    play = Play()
    play.to_promoting()
    play.answer(on.StableUpdated)
    play.happens(on.AbortRequested, by="ann", reason="too late")
    assert play.release.outcome is None
    assert (play.release.phase, play.release.stage) in PROMOTED


def test_a_canary_without_endpoints_is_rolled_back_at_once() -> None:
    play = Play()
    play.to_judging()
    play.happens(on.CapacityChanged, stable=2, canary=1)
    assert play.release.phase is Phase.JUDGING
    effects = play.happens(on.CapacityChanged, stable=2, canary=0)
    assert isinstance(effects[0], do.LowerShare)


def test_a_pod_that_fails_for_good_is_a_verdict_in_the_clusters_words() -> None:
    play = Play()
    play.to_judging()
    play.happens(on.CapacityChanged, stable=2, canary=1, trouble="pod x: restarted 3 times, last ended with OOMKilled")
    assert play.release.phase is Phase.ROLLING_BACK
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.JUDGED_BAD
    assert "OOMKilled" in play.release.outcome.reason


def test_a_canary_without_endpoints_says_why_and_before_it_has_traffic_it_is_waited_for() -> None:
    play = Play()
    play.happens(on.Started)
    play.answer(on.PreflightPassed)
    play.happens(on.CapacityChanged, stable=2, canary=0, trouble="pod x: crashed")
    assert play.release.outcome is None  # provisioning waits for it, and says itself when it fails
    play = Play()
    play.to_judging()
    play.happens(on.CapacityChanged, stable=2, canary=0, missing="pod x: ErrImagePull")
    assert play.release.outcome is not None
    assert play.release.outcome.reason == "the canary has no ready endpoints left: pod x: ErrImagePull"


def test_a_canary_that_dies_while_stable_is_updated_costs_no_hour() -> None:
    play = Play(policy(hook=3600.0))
    play.to_promoting()
    play.happens(on.CapacityChanged, stable=1, canary=1)
    assert play.release.outcome is None
    play.happens(on.CapacityChanged, stable=2, canary=0)
    assert isinstance(play.release.pending, do.RevertStable)
    play.answer(on.StableReverted)
    assert isinstance(play.release.pending, do.LowerShare)


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
    play.look(canary=10, stable=0, judged=judgement(Verdict.UNHEALTHY))
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.JUDGED_BAD
    play = Play(policy(hook=100.0))
    play.to_promoting()
    play.answer(on.StableUpdated)
    play.wait(200)
    assert play.release.outcome is None
    assert play.release.stage is Stage.RETURNING


def test_a_new_incarnation_fences_itself_and_asks_for_the_same_effect_again() -> None:
    play = Play()
    play.to_first_step()
    play.answer(on.WorkloadReady)
    pending = play.release.pending
    effects = play.happens(on.Resumed, incarnation="i2")
    assert [e.kind for e in effects] == ["take-fence"]
    assert play.answer(on.FenceTaken) == (pending,)


def test_the_third_life_without_progress_only_rolls_back() -> None:
    play = Play()
    play.to_first_step()
    play.answer(on.WorkloadReady)
    play.happens(on.Resumed, incarnation="i2")
    effects = play.happens(on.Resumed, incarnation="i3")
    assert isinstance(effects[0], do.LowerShare)
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.ENGINE_LOST


def test_a_failed_write_is_asked_for_again_with_the_same_id_after_a_growing_wait() -> None:
    play = Play()
    play.to_judging()
    play.happens(on.AbortRequested, by="ann", reason="no")
    lowering = play.release.pending
    waits = []
    for _ in range(12):
        play.answer(on.EffectFailed, failure=on.Failure.UNAVAILABLE, message="timeout")
        assert play.release.retry_at is not None
        waits.append(play.release.retry_at - play.now)
        assert lowering in play.wait(waits[-1])
    assert waits == sorted(waits)
    assert waits[-1] == 10.0


def test_a_raise_that_is_refused_twice_ends_21_with_the_servers_words() -> None:
    play = Play()
    play.to_first_step()
    play.answer(on.WorkloadReady)
    play.answer(on.EffectFailed, failure=on.Failure.REFUSED, message="denied by policy weights-frozen")
    play.wait(5)
    play.answer(on.EffectFailed, failure=on.Failure.REFUSED, message="denied by policy weights-frozen")
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.NOT_PERMITTED
    assert "weights-frozen" in play.release.outcome.reason


def test_the_deadline_rolls_back_and_the_last_call_ends_30() -> None:
    play = Play()
    play.to_judging()
    play.wait(3600)
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.DEADLINE
    effects = play.wait(400)
    assert isinstance(effects[0], do.Finish)
    assert effects[0].code is ExitCode.ROLLBACK_INCOMPLETE


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


# Properties over any history -----------------------------------------------------------------------------------------

WORDS = ("ann", "kubectl")


def _event(release: Release, now: float, chance: Random) -> on.Event:
    """Anything that could happen now, true or not; answers are mostly to what is pending."""
    pending = release.pending.id if release.pending and chance.random() < 0.9 else "r1/999"
    word, yes = chance.choice(WORDS), chance.random() < 0.5
    generation = release.generation + chance.randint(0, 1)
    answers: list[on.Event] = [
        on.PreflightPassed(at=now, effect=pending),
        on.FenceTaken(at=now, effect=pending),
        on.WorkloadReady(at=now, effect=pending),
        on.WorkloadFailed(at=now, effect=pending, reason=word),
        on.CanaryAttached(at=now, effect=pending, generation=generation),
        on.ShareWritten(at=now, effect=pending, share=chance.choice(SHARES), generation=generation),
        on.StableUpdated(at=now, effect=pending),
        on.StableReverted(at=now, effect=pending),
        on.CanaryDetached(at=now, effect=pending, generation=generation),
        on.WorkloadRemoved(at=now, effect=pending),
        on.EffectFailed(at=now, effect=pending, failure=chance.choice(list(on.Failure)), message=word),
    ]
    judged = judgement(chance.choice(list(Verdict)), may_proceed=yes) if chance.random() < 0.7 else None
    others: list[on.Event] = [
        on.Ticked(at=now),
        on.Started(at=now),
        on.Resumed(at=now, incarnation=chance.choice(["i2", "i3"])),
        on.RouteChanged(at=now, direction=chance.choice(list(on.Direction)), confirmed=yes, by=word, sentence=word),
        on.RouteAccepted(at=now, generation=generation, good=chance.random() < 0.8, reason=word),
        on.StableChanged(at=now, by=word, sentence=word),
        on.CapacityChanged(at=now, stable=chance.randint(0, 3), canary=chance.randint(0, 3)),
        on.LookMissed(at=now, reason=word),
        on.LeaseRenewed(at=now),
        on.FenceLost(at=now, holder=word),
        on.GateDecided(at=now, approved=yes, by=word, reason=word),
        on.AbortRequested(at=now, by=word, reason=word),
        on.PauseRequested(at=now, by=word),
        on.ResumeRequested(at=now, by=word),
        on.SkipRequested(at=now, by=word),
        on.PromoteRequested(at=now, by=word),
    ]
    looked = on.Looked(
        at=now,
        start=now - 1,
        end=now,
        stable=chance.randint(0, 300),
        canary=chance.randint(0, 300),
        judgement=judged,
    )
    kind = chance.random()
    return chance.choice(answers) if kind < 0.5 else looked if kind < 0.75 else chance.choice(others)


SHARES = [Decimal(share) for share in (0, 5, 50, 100)]


def _history(seed: int) -> Iterator[tuple[Release, on.Event, Release, tuple[do.Effect, ...]]]:
    chance = Random(seed)
    undecided: Any = chance.choice(["extend", "pause", "proceed", "rollback"])
    no_traffic: Any = chance.choice(["hold", "rollback", "proceed"])
    given_policy = policy(undecided=undecided, no_traffic=no_traffic, has_workload=chance.random() < 0.7)
    play = Play(given_policy)
    if given_policy.has_workload:
        chance.choice([lambda: None, play.to_judging, play.to_promoting])()
    release, now = play.release, play.now
    for _ in range(chance.randint(1, 60)):
        if release.phase in FINAL:
            return
        now += chance.choice([0.1, 1.0, 15.0, 70.0])
        event = _event(release, now, chance)
        after, effects = advance(release, event)
        yield release, event, after, effects
        release = after


@given(st.integers(0, 2**32))
@settings(max_examples=600, deadline=None, derandomize=True)
def test_whatever_happens_a_decision_stands_and_nothing_is_raised_against_the_rules(seed: int) -> None:
    for before, event, after, effects in _history(seed):
        raises = [effect for effect in effects if isinstance(effect, do.RaiseShare)]
        if before.outcome is not None:
            assert after.outcome is not None
            assert after.outcome.code is before.outcome.code
            assert not raises
        for effect in raises:
            assert after.phase is Phase.SHIFTING
            assert after.fenced
            assert not after.paused
            assert not after.short
            assert event.at - after.renewed <= after.policy.lease_grace
            assert effect.share == after.current.share
        numbers = [int(effect.id.rsplit("/", 1)[1]) for effect in effects]
        assert all(number < after.numbered for number in numbers)
        assert len(set(numbers)) == len(numbers)


@given(st.integers(0, 2**32))
@settings(max_examples=250, deadline=None, derandomize=True)
def test_the_same_history_gives_the_same_release_and_the_same_effects(seed: int) -> None:
    for before, event, after, effects in _history(seed):
        assert advance(before, event) == (after, effects)


@given(st.integers(0, 2**32))
@settings(max_examples=250, deadline=None, derandomize=True)
def test_steps_are_taken_one_at_a_time_and_never_back_unless_a_person_promotes_early(seed: int) -> None:
    for before, event, after, _ in _history(seed):
        jumps = isinstance(event, on.PromoteRequested) and before.verdict is Verdict.HEALTHY
        assert after.step - before.step in ({0, 1, len(before.policy.steps) - before.step} if jumps else {0, 1})
        assert after.step <= len(after.policy.steps)


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


def test_what_could_not_be_put_back_keeps_the_canary_alive_and_asks_for_a_person() -> None:
    play = Play()
    play.to_first_step()
    play.happens(on.AbortRequested, by="ann", reason="no")
    play.written()
    play.wait(21)
    play.done.clear()
    play.answer(on.CanaryDetached, generation=9, alarms=("stable is not in the rule any more",))
    assert not [effect for effect in play.done if isinstance(effect, do.RemoveWorkload)]
    (finish,) = [effect for effect in play.done if isinstance(effect, do.Finish)]
    assert finish.code is ExitCode.ROLLBACK_INCOMPLETE
    assert "stable is not in the rule any more" in finish.reason
    assert play.release.phase not in FINAL


def test_a_mistake_of_ours_in_a_worker_rolls_back_and_is_called_one() -> None:
    play = Play()
    play.to_first_step()
    play.settle()
    play.release = replace(play.release, pending=do.ProvisionWorkload(id="x", share=Decimal(50)))
    play.happens(on.EffectFailed, effect="x", failure=on.Failure.BROKEN, message="KeyError: 'spec'")
    assert play.release.phase is Phase.ROLLING_BACK
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.BUG


def test_a_preflight_that_nobody_answers_fails_and_has_touched_nothing() -> None:
    play = Play()
    play.happens(on.Started)
    for _ in range(2):
        play.answer(on.EffectFailed, failure=on.Failure.UNAVAILABLE, message="no answer within 20 s")
        assert play.release.phase is Phase.PREFLIGHT
        play.wait(60)
    play.answer(on.EffectFailed, failure=on.Failure.UNAVAILABLE, message="no answer within 20 s")
    assert play.release.phase is Phase.ROLLED_BACK
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.PREFLIGHT_FAILED
    touching = (do.TakeFence, do.AttachCanary, do.RaiseShare, do.LowerShare, do.DetachCanary, do.ProvisionWorkload)
    assert not [effect for effect in play.done if isinstance(effect, touching)]


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
