"""Waiting: ready means ready for long enough without a break, and every wait has an end. Time is the test's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.adapters.kubernetes.budget import Pacer
from canary.adapters.kubernetes.rollout import Standing
from canary.adapters.kubernetes.waiting import Pace, Waiting
from canary.ports import Unavailable, WorkloadFailure

SETTINGS = settings(deadline=None, derandomize=True, max_examples=300)
PACE = Pace(poll=1.0, soon=1000.0, steady=3.0, stuck=5.0)
READY, COMING = Standing(ready=True), Standing(reason="1 of 2 pods are available")
STUCK = Standing(reason="ImagePullBackOff", stuck=True)
HOPELESS = Standing(reason="ProgressDeadlineExceeded", hopeless=True)
AWAY = Unavailable("no answer")


class Play:
    """A wait in virtual time: what each look shows, one a second, the last again and again."""

    def __init__(self, *shown: Standing | Exception, pace: Pace = PACE, within: float = 30.0) -> None:
        self.now, self.shown, self.looks = 0.0, list(shown), 0
        self.cancel_at = float("inf")
        self._pace, self._within = pace, within

    def wait(self, seconds: float) -> bool:
        """As threading.Event has it."""
        self.now += seconds
        return self.now >= self.cancel_at

    def run(self) -> None:
        waiting = Waiting(Pacer(monotonic=lambda: self.now, sleep=self._never), self._pace)
        cancelled: Any = self
        waiting.until_ready(cancelled, self._look, within=self._within)

    def outcome(self) -> str:
        """Why it failed; empty when it did not."""
        try:
            self.run()
        except WorkloadFailure as failure:
            return str(failure)
        return ""

    def _look(self) -> Standing:
        self.looks += 1
        shown = self.shown[min(self.looks, len(self.shown)) - 1]
        if isinstance(shown, Exception):
            raise shown
        return shown

    def _never(self, _: float) -> None:
        raise AssertionError("it must wait on the event, so that it can be called off")


@SETTINGS
@given(st.lists(st.sampled_from([READY, COMING, STUCK, HOPELESS, AWAY]), max_size=40))
def test_it_returns_at_the_end_of_the_first_unbroken_steady_time_and_fails_before_for_good_reason_only(
    shown: list[Any],
) -> None:
    play = Play(*shown, COMING)
    failure = play.outcome()
    seen = [*shown, COMING][: play.looks]
    if failure:
        last = seen[-6:]
        assert (
            failure == HOPELESS.reason
            or (failure == STUCK.reason and len(last) == 6 and all(each is STUCK for each in last))
            or (play.now >= 30.0 and "not ready within 30 s" in failure)
        )
        assert seen[-1] is not READY
    else:
        assert all(each is READY for each in seen[-4:])
    # Whatever it was, no steady time passed unnoticed, and nothing hopeless was waited through.
    before = shown[: play.looks - 1]
    assert HOPELESS not in before
    assert not any(all(each is READY for each in before[at : at + 4]) for at in range(len(before) - 3))


@pytest.mark.parametrize(("shown", "words"), [(COMING, "1 of 2 pods"), (AWAY, "no answer")])
def test_the_end_tells_what_was_last_seen(shown: Any, words: str) -> None:
    with pytest.raises(WorkloadFailure, match=f"not ready within 30 s: {words}"):
        Play(shown).run()


def test_it_can_be_called_off() -> None:
    play = Play(COMING)
    play.cancel_at = 4.0
    with pytest.raises(WorkloadFailure, match="cancelled"):
        play.run()
    assert play.now == 4.0


@pytest.mark.parametrize(("missed_at", "waits"), [(None, 0.0), (40.0, 0.0), (40.5, 0.5), (90.0, 50.0)])
def test_after_an_outage_gateways_are_given_time_to_know_the_endpoints(missed_at: float | None, waits: float) -> None:
    play = Play()
    play.now = 100.0
    waiting = Waiting(Pacer(monotonic=lambda: play.now, sleep=play._never), PACE)
    cancelled: Any = play
    waiting.until_caught_up(cancelled, lambda: missed_at)
    assert play.now == 100.0 + waits
    play.cancel_at = play.now + 0.5
    with pytest.raises(WorkloadFailure, match="cancelled"):
        waiting.until_caught_up(cancelled, lambda: play.now)


def test_a_server_that_comes_and_goes_holds_nobody_up_for_ever() -> None:
    play = Play()
    waiting = Waiting(Pacer(monotonic=lambda: play.now, sleep=play._never), PACE)
    cancelled: Any = play
    waiting.until_caught_up(cancelled, lambda: play.now)
    assert play.now == 120.0


def test_what_takes_long_is_looked_at_less_often() -> None:
    def looks(pace: Pace) -> int:
        play = Play(COMING, pace=pace, within=630.0)
        with pytest.raises(WorkloadFailure):
            play.run()
        return play.looks

    assert looks(Pace()) < 400


def test_a_call_that_ended_is_not_called_off_and_leaves_nothing_behind() -> None:
    waiting = Waiting(Pacer(), PACE)
    with waiting.call() as first:
        waiting.cancel()
    assert first.is_set()
    with waiting.call() as second:
        assert not second.is_set()
    waiting.cancel()
    assert not second.is_set()


def test_an_error_of_the_look_that_is_not_an_outage_is_the_callers() -> None:
    error: Callable[[str], Exception] = WorkloadFailure
    with pytest.raises(WorkloadFailure, match="deleted"):
        Play(error("deleted")).run()
