"""What the machine does when a watchdog takes a release over, wherever its engine left it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from canary.core import effects as do
from canary.core import events as on
from canary.core.machine import advance
from canary.core.moves import PROMOTED
from canary.core.outcome import ExitCode, Outcome
from canary.core.release import FINAL, Phase, Policy, Release, Stage, StepPolicy

WHY = "the lease of i1 stood unchanged for 30 s"
LOST = on.Resumed(at=100.0, incarnation="dog", lost=WHY)
STANDS = [
    (Phase.PROVISIONING, Stage.FENCING),
    (Phase.PROVISIONING, Stage.BUILDING),
    (Phase.PROVISIONING, Stage.ATTACHING),
    (Phase.SHIFTING, Stage.BUILDING),
    (Phase.SHIFTING, Stage.WRITING),
    (Phase.SETTLING, Stage.NONE),
    (Phase.JUDGING, Stage.NONE),
    (Phase.GATED, Stage.NONE),
    (Phase.BAKING, Stage.NONE),
]


def at(phase: Phase, stage: Stage = Stage.NONE, **changes: object) -> Release:
    policy = Policy(
        steps=(StepPolicy(share=Decimal(50), hold_min=5, hold_max=9),), bake_min=5, bake_max=9, settle_window=1,
        settle_least=5, drain=5, deadline=600, last_call=900,
    )  # fmt: skip
    release = Release(uid="r", incarnation="i1", policy=policy, phase=phase, stage=stage, step=0, started=1.0)
    return replace(release, fenced=True, share=Decimal(50), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("phase", "stage"), STANDS)
def test_before_stable_is_updated_it_goes_back_behind_a_fence_of_its_own(phase: Phase, stage: Stage) -> None:
    release, effects = advance(at(phase, stage), LOST)
    assert (release.phase, release.stage) == (Phase.ROLLING_BACK, Stage.WRITING)
    assert release.outcome == Outcome(code=ExitCode.ENGINE_LOST, reason=WHY, decided=100.0)
    assert [type(one) for one in effects] == [do.Tell, do.TakeFence]
    assert release.token == "r/dog"  # noqa: S105 - the fence's
    assert not release.fenced
    release, effects = advance(release, on.FenceTaken(at=101.0, effect=effects[1].id))
    assert [type(one) for one in effects] == [do.LowerShare]


def test_a_fence_that_cannot_be_taken_keeps_no_traffic_on_the_canary() -> None:
    release, effects = advance(at(Phase.JUDGING), LOST)
    failed = on.EffectFailed(at=101.0, effect=effects[1].id, failure=on.Failure.REFUSED, message="denied")
    release, effects = advance(release, failed)
    assert [type(one) for one in effects] == [do.LowerShare]


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.PREFLIGHT])
def test_a_release_that_touched_nothing_ends_and_touches_nothing(phase: Phase) -> None:
    release, effects = advance(replace(at(phase), share=Decimal(0), fenced=False), LOST)
    assert release.phase is Phase.ROLLED_BACK
    (finish,) = effects
    assert isinstance(finish, do.Finish)
    assert finish.code is ExitCode.ENGINE_LOST


def test_while_stable_is_updated_it_is_put_back_before_the_traffic() -> None:
    release, effects = advance(at(Phase.PROMOTING, Stage.UPDATING), LOST)
    assert (release.phase, release.stage) == (Phase.PROMOTING, Stage.REVERTING)
    release, effects = advance(release, on.FenceTaken(at=101.0, effect=effects[1].id))
    assert [type(one) for one in effects] == [do.RevertStable]
    release, effects = advance(release, on.StableReverted(at=160.0, effect=effects[0].id))
    assert [type(one) for one in effects] == [do.LowerShare]
    assert release.phase is Phase.ROLLING_BACK


@pytest.mark.parametrize(("phase", "stage"), sorted(PROMOTED))
def test_once_the_promotion_is_confirmed_it_goes_forward(phase: Phase, stage: Stage) -> None:
    release, _ = advance(at(phase, stage), LOST)
    assert (release.phase, release.outcome) == (phase, None)
    assert release.phase not in FINAL


def test_a_decision_that_stood_already_is_the_one_that_is_carried_out() -> None:
    bad = Outcome(code=ExitCode.JUDGED_BAD, reason="worse", decided=50.0)
    release, _ = advance(at(Phase.ROLLING_BACK, Stage.DRAINING, outcome=bad), LOST)
    assert release.outcome == bad
    assert release.phase is Phase.ROLLING_BACK
