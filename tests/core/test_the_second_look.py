"""Creates cannot be fenced: where one may still come, the end of a release looks a second time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core import effects as do
from canary.core import events as on
from canary.core.machine import advance
from canary.core.moves import LATE_CREATE
from canary.core.outcome import ExitCode, Outcome
from canary.core.release import FINAL, Phase, Policy, Release, Stage, StepPolicy

POLICY = Policy(
    steps=(StepPolicy(share=50, hold_min=1, hold_max=2),),  # type: ignore[arg-type]  # only its presence counts here
    bake_min=1,
    bake_max=2,
    settle_window=2,
    settle_least=20,
    drain=10,
    deadline=600,
    last_call=900,
)
AT = 1_000.0


def release(phase: Phase, **changes: object) -> Release:
    given = Release(uid="r1", incarnation="i1", policy=POLICY, phase=phase, started=AT - 60, since=AT)
    return replace(given, **changes)  # type: ignore[arg-type]


def removing(*, unsure: float) -> Release:
    outcome = Outcome(code=ExitCode.JUDGED_BAD, reason="bad", decided=AT - 20)
    pending = do.RemoveWorkload(id="r1/9")
    back = Phase.ROLLING_BACK
    return release(back, stage=Stage.REMOVING, outcome=outcome, pending=pending, numbered=10, unsure=unsure)


@given(st.integers(0, int(2 * LATE_CREATE)))
def test_the_end_waits_until_a_look_has_begun_after_which_no_create_can_come(ago: int) -> None:
    """The first look began some time before its answer: it may have been over when the create came."""
    after, done = advance(removing(unsure=AT - ago), on.WorkloadRemoved(at=AT, effect="r1/9"))
    until = AT - ago + LATE_CREATE
    assert after.phase is Phase.ROLLING_BACK
    if until > AT:
        assert [type(one) for one in done] == [do.Tell]
        after, nothing = advance(after, on.Ticked(at=until - 1e-3))
        assert nothing == ()
        after, done = advance(after, on.Ticked(at=until))
    (effect,) = done
    assert isinstance(effect, do.RemoveWorkload)
    assert effect.id != "r1/9"
    ended, _ = advance(after, on.WorkloadRemoved(at=max(AT, until) + 30, effect=effect.id))
    assert ended.phase is Phase.ROLLED_BACK
    assert ended.outcome is not None
    assert (ended.outcome.code, ended.outcome.reason) == (ExitCode.JUDGED_BAD, "bad")


@given(st.integers(0, int(2 * LATE_CREATE)))
def test_a_look_that_begins_late_enough_is_the_only_one(ago: int) -> None:
    detaching = replace(removing(unsure=AT - ago), stage=Stage.DETACHING, pending=do.DetachCanary(id="r1/9"))
    after, (effect,) = advance(detaching, on.CanaryDetached(at=AT, effect="r1/9", generation=8))
    assert isinstance(effect, do.RemoveWorkload)
    ended, _ = advance(after, on.WorkloadRemoved(at=AT + 30, effect=effect.id))
    assert (ended.phase is Phase.ROLLED_BACK) is (ago >= LATE_CREATE)


def test_without_an_unanswered_create_the_release_ends_at_once() -> None:
    after, _ = advance(removing(unsure=0.0), on.WorkloadRemoved(at=AT, effect="r1/9"))
    assert after.phase in FINAL


def test_a_process_before_this_one_may_have_left_a_create() -> None:
    after, _ = advance(release(Phase.JUDGING, step=0), on.Resumed(at=AT, incarnation="i2"))
    assert after.unsure == AT
    before, _ = advance(release(Phase.PREFLIGHT), on.Resumed(at=AT, incarnation="i2"))
    assert before.unsure == 0.0


@pytest.mark.parametrize("failure", list(on.Failure))
@pytest.mark.parametrize("effect", [do.ProvisionWorkload(id="r1/3", share=50), do.UpdateStable(id="r1/3")])  # type: ignore[arg-type]
def test_only_a_create_without_an_answer_is_unsure(effect: do.Work, failure: on.Failure) -> None:
    phase = Phase.PROVISIONING if isinstance(effect, do.ProvisionWorkload) else Phase.PROMOTING
    stage = Stage.BUILDING if phase is Phase.PROVISIONING else Stage.UPDATING
    given = release(phase, stage=stage, pending=effect, numbered=4, fenced=True)
    after, _ = advance(given, on.EffectFailed(at=AT, effect="r1/3", failure=failure, message="no answer"))
    unanswered = isinstance(effect, do.ProvisionWorkload) and failure is on.Failure.UNAVAILABLE
    still_asked = isinstance(effect, do.ProvisionWorkload) and after.outcome is not None
    assert (after.unsure == AT) is (unanswered or still_asked)


def test_a_create_that_is_called_off_may_still_come() -> None:
    effect = do.ProvisionWorkload(id="r1/3", share=50)  # type: ignore[arg-type]
    given = release(Phase.PROVISIONING, stage=Stage.BUILDING, pending=effect, numbered=4, fenced=True)
    after, _ = advance(given, on.AbortRequested(at=AT, by="ann", reason="no"))
    assert after.unsure == AT
