"""The machine on its own: what others, failures and the clock do to a release, and how it goes back."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from canary.core import effects as do
from canary.core import events as on
from canary.core.moves import PROMOTED
from canary.core.outcome import ExitCode
from canary.core.release import FINAL, Phase, Stage
from tests.core.play import Play
from tests.core.rows import policy


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
