"""What is asked of the API server around each decision: nothing twice, and nothing before the traffic is back."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from analysis.model import Arm
from canary.core.release import Phase, StepPolicy
from canary.engine.leasekeeper import PERIOD

LONG = StepPolicy(share=Decimal(5), hold_min=600, hold_max=900)


def calls_until(play: Any, done: Callable[[], bool]) -> list[str]:
    before = len(play.world.calls)
    play.until(done)
    return list(play.world.calls[before:])


def test_the_way_back_is_the_intent_and_one_write_and_reads_nothing(new_play: Callable[..., Any]) -> None:
    play = new_play(steps=(LONG,), deadline=2_000, last_call=3_000)
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    play.gateway.errors[Arm.CANARY] = 0.3
    calls = calls_until(play, lambda: play.decider.release.outcome is not None)
    assert play.gateway.share() == 0.0
    intent = ["leases.keep", "journals.save"]  # in two places: a deleted journal takes no decision with it
    assert calls == [*intent, "routes.patch", "records.append", "journals.save"]


def test_a_raise_writes_the_looks_that_it_rests_on_and_each_intent_once(play: Any) -> None:
    play.until(lambda: play.decider.release.step == 1 and play.decider.release.phase is Phase.JUDGING)
    calls = calls_until(play, lambda: play.decider.release.step == 2 and play.decider.release.phase is Phase.SETTLING)
    assert calls == [
        "journals.save", "records.append", "workloads.provision", "journals.save", "routes.patch", "journals.save"
    ]  # fmt: skip


def test_a_minute_in_which_nothing_happens_costs_twelve_requests_at_most(new_play: Callable[..., Any]) -> None:
    play = new_play(steps=(LONG,), deadline=2_000, last_call=3_000, bake_gate=1_000.0)
    renewals = 60 / PERIOD
    for phase in (Phase.JUDGING, Phase.GATED):
        play.until(lambda phase=phase: play.decider.release.phase is phase, seconds=1_000)
        before = len(play.world.calls)
        for _ in range(300):
            play.second()
        assert play.decider.release.phase is phase
        assert (len(play.world.calls) - before) / 5 + renewals <= 12
