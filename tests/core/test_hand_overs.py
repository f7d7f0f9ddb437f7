"""An engine that was evicted in good order has not died: drained nodes do not use up a release's lives."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from canary.core import events as on
from canary.core.backward import LIVES, handed_over
from canary.core.machine import advance
from canary.core.outcome import ExitCode
from canary.core.release import Phase, Policy, Release, StepPolicy


def release() -> Release:
    step = StepPolicy(share=Decimal(50), hold_min=10, hold_max=60)
    policy = Policy(
        steps=(step,),
        bake_min=10,
        bake_max=30,
        settle_window=2,
        settle_least=60,
        drain=20,
        deadline=3600,
        last_call=4000,
    )
    return Release(uid="r", incarnation="i", policy=policy, phase=Phase.JUDGING, step=0, started=1.0, fenced=True)


@given(st.lists(st.booleans(), max_size=8))
def test_deaths_count_and_hand_overs_do_not(lives: list[bool]) -> None:
    now, deaths, going = 10.0, 0, release()
    for handed in lives:
        deaths += not handed
        going = handed_over(going) if handed else going
        going, _ = advance(going, on.Resumed(at=now, incarnation=f"i{now}"))
        if going.outcome is not None:
            break
        now += 1
    assert (going.outcome is not None) is (deaths >= LIVES - 1)
    if going.outcome is not None:
        assert going.outcome.code is ExitCode.ENGINE_LOST
