"""SIGTERM in virtual time: one row each for what may become of the engine's own Job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from canary.core import events as on
from canary.core.leaving import ENDED, JobFate
from canary.core.outcome import ExitCode
from canary.core.release import Phase
from canary.engine.leaving import ASKED_FOR, BACK_WITHIN, Leaving
from canary.ports import Unavailable
from tests.engine.conftest import Play


def directly(body: Callable[[], None]) -> None:
    body()


def never(body: Callable[[], None]) -> None:
    del body


def judging(play: Play) -> None:
    play.until(lambda: play.decider.release.phase is Phase.JUDGING and play.decider.release.step == 1)


def leaves(play: Play, ask: Callable[[], JobFate], spawn: Any = directly) -> tuple[ExitCode | None, float]:
    """From SIGTERM to the end of the process: its code, and the seconds it took."""
    leaving = Leaving(ask=ask, clock=play.world.clock, spawn=spawn)
    began, most = play.world.clock.monotonic(), play.gateway.share()
    leaving.begin(play.decider)
    while (code := leaving.step(play.decider) or play.decider.code) is None:
        play.second()
        assert play.gateway.share() <= most, "raised after SIGTERM"
        most = play.gateway.share()
    return code, play.world.clock.monotonic() - began


@pytest.mark.parametrize("fate", sorted(ENDED))
def test_a_job_that_has_ended_is_rolled_back_for(new_play: Callable[..., Play], fate: JobFate) -> None:
    play = new_play(drain=2)
    judging(play)
    code, took = leaves(play, lambda: fate)
    assert (code, play.clean()) == (ExitCode.REJECTED, True)
    assert took <= BACK_WITHIN
    assert ENDED[fate] in play.reason()


def test_what_a_rollback_cannot_finish_in_time_is_handed_over_with_the_traffic_back(
    new_play: Callable[..., Play],
) -> None:
    play = new_play()
    judging(play)
    play.world.faults.plan("workloads.remove", Unavailable("throttled"), times=None)
    code, took = leaves(play, lambda: JobFate.GONE)
    assert (code, play.gateway.share()) == (ExitCode.HANDED_OVER, 0.0)
    play.world.faults.clear()
    assert BACK_WITHIN <= took < BACK_WITHIN + 1
    play.start()
    assert play.to_the_end() is ExitCode.REJECTED
    assert play.clean()


def test_with_a_replacement_to_come_the_release_goes_on_where_it_was(play: Play) -> None:
    judging(play)
    share = play.gateway.share()
    assert leaves(play, lambda: JobFate.REPLACED) == (ExitCode.HANDED_OVER, 0.0)
    assert play.gateway.share() == share
    play.start()
    assert play.to_the_end() is ExitCode.PROMOTED


def fails() -> JobFate:
    raise Unavailable("connection refused")


@pytest.mark.parametrize(("ask", "spawn", "within"), [(fails, directly, 0.0), (fails, never, ASKED_FOR)])
def test_an_api_server_that_does_not_answer_is_no_reason_to_roll_back(
    play: Play, ask: Callable[[], JobFate], spawn: Any, within: float
) -> None:
    judging(play)
    code, took = leaves(play, ask, spawn)
    assert (code, within <= took <= within + 1.1) == (ExitCode.HANDED_OVER, True)


def test_nothing_is_raised_while_the_answer_is_waited_for_but_a_bad_canary_goes(new_play: Callable[..., Play]) -> None:
    play = new_play()
    judging(play)
    play.decider.leaving = True
    share = play.gateway.share()
    for _ in range(60):
        play.second()
        assert play.gateway.share() <= share
    assert play.decider.release.pending is not None  # the raise stands in the journal, for the next one
    play.decider.handle(on.AbortRequested(at=play.world.clock.now(), by="somebody", reason="it is bad"))
    assert play.gateway.share() == 0.0


def test_an_engine_that_stands_by_only_ends(play: Play) -> None:
    judging(play)
    play.decider.handle(on.FenceLost(at=play.world.clock.now(), holder="another"))
    calls = len(play.world.calls)
    assert leaves(play, lambda: JobFate.GONE) == (ExitCode.HANDED_OVER, 0.0)
    assert not [call for call in play.world.calls[calls:] if call.startswith("routes.")]


def test_a_second_sigterm_gives_no_more_time(new_play: Callable[..., Play]) -> None:
    play = new_play()
    judging(play)
    play.world.faults.plan("workloads.remove", Unavailable("throttled"), times=None)
    leaving = Leaving(ask=lambda: JobFate.DELETED, clock=play.world.clock, spawn=directly)
    leaving.begin(play.decider)
    began, code = play.world.clock.monotonic(), None
    while (code := leaving.step(play.decider)) is None:
        play.second()
        leaving.begin(play.decider)
    assert code is ExitCode.HANDED_OVER
    assert play.world.clock.monotonic() - began < BACK_WITHIN + 1
