"""Nobody is sent to a stable without a single ready endpoint: held, told, and looked at again every second."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from canary.core import effects as do
from canary.core import events as on
from canary.core.machine import advance
from canary.core.outcome import ExitCode
from canary.core.release import Phase, Policy, Release, StepPolicy

POLICY = Policy(
    steps=(StepPolicy(share=Decimal(50), hold_min=5, hold_max=9),),
    bake_min=1, bake_max=2, settle_window=2, settle_least=20, drain=10, deadline=600, last_call=900,
)  # fmt: skip
JUDGING = Release(
    uid="r1", incarnation="i1", policy=POLICY, phase=Phase.JUDGING, step=0, started=1.0, since=1.0, renewed=1.0,
    fenced=True, share=Decimal(50), stable_ready=4,
)  # fmt: skip


def kinds(effects: tuple[do.Effect, ...]) -> list[str]:
    return [effect.kind for effect in effects]


def gone(release: Release = JUDGING, *, at: float = 2.0) -> Release:
    after, effects = advance(release, on.CapacityChanged(at=at, stable=0, canary=4))
    assert [isinstance(one, do.Tell) and one.alarm for one in effects] == [True]
    assert advance(after, on.CapacityChanged(at=at, stable=0, canary=3))[1] == ()
    return after


def decided() -> Release:
    release, effects = advance(gone(), on.AbortRequested(at=3.0, by="ann", reason="bad"))
    assert kinds(effects) == ["tell", "tell"]
    assert isinstance(release.pending, do.LowerShare)
    return release


def test_a_decision_is_held_and_tried_every_second() -> None:
    release = decided()
    for second in range(4, 60):
        assert advance(release, on.Ticked(at=second - 0.5))[1] == ()
        release, effects = advance(release, on.Ticked(at=float(second)))
        assert effects == (), "said once"
    release, effects = advance(release, on.CapacityChanged(at=60.2, stable=1, canary=4))
    assert kinds(effects) == ["lower-share"]


def test_with_the_canary_gone_as_well_it_goes_back_at_once() -> None:
    _, effects = advance(decided(), on.CapacityChanged(at=4.0, stable=0, canary=0))
    assert kinds(effects) == ["lower-share"]


def test_a_stable_that_was_never_seen_ready_says_nothing() -> None:
    release, effects = advance(replace(JUDGING, stable_ready=0), on.CapacityChanged(at=2.0, stable=0, canary=4))
    assert effects == ()
    assert kinds(advance(release, on.AbortRequested(at=3.0, by="ann", reason=""))[1]) == ["lower-share", "tell"]


def test_it_is_held_to_the_last_call_and_no_longer() -> None:
    _, effects = advance(decided(), on.Ticked(at=1.0 + POLICY.last_call))
    (end,) = effects
    assert isinstance(end, do.Finish)
    assert end.code is ExitCode.ROLLBACK_INCOMPLETE


@pytest.mark.parametrize(("stable", "asked"), [(0, "tell"), (None, "tell"), (1, "lower-share")])
def test_whoever_takes_over_goes_by_what_was_counted_last(stable: int | None, asked: str) -> None:
    canary = None if stable is None else 4
    resumed = on.Resumed(at=9.0, incarnation="dog", lost="silent", stable=stable, canary=canary)
    release, effects = advance(decided(), resumed)
    assert kinds(effects) == ["take-fence"]
    fence = release.pending
    assert fence is not None
    answers = (
        on.FenceTaken(at=9.1, effect=fence.id),
        on.EffectFailed(at=9.1, effect=fence.id, failure=on.Failure.UNAVAILABLE, message="no"),
    )
    for answer in answers:
        assert kinds(advance(release, answer)[1]) == [asked]


def test_a_server_that_asks_to_be_left_alone_is_but_not_where_traffic_goes_back() -> None:
    def retried(release: Release) -> float:
        assert release.pending is not None
        failed = on.EffectFailed(
            at=10.0, effect=release.pending.id, failure=on.Failure.UNAVAILABLE, message="429", after=3600.0
        )
        after = advance(release, failed)[0].retry_at
        assert after is not None
        return after - 10.0

    lowering, _ = advance(JUDGING, on.AbortRequested(at=3.0, by="ann", reason=""))
    assert lowering.pending is not None
    assert retried(lowering) < 1.0
    lowered, _ = advance(lowering, on.ShareWritten(at=4.0, effect=lowering.pending.id, share=Decimal(0), generation=2))
    detaching, effects = advance(lowered, on.Ticked(at=20.0))
    assert kinds(effects) == ["detach-canary"]
    assert retried(detaching) == 60.0
