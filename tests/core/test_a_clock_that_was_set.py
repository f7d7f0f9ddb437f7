"""The API server's clock is set between two lives of an engine: no hold, drain or deadline is longer than its whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canary.core import events as on
from canary.core.outcome import ExitCode
from canary.core.release import Phase, Stage
from canary.core.settling import Settling
from tests.core.play import Play
from tests.core.rows import policy


def again(play: Play, step: float) -> None:
    """The next life begins under a clock that was set."""
    play.now += step
    play.happens(on.Resumed, incarnation="i2")
    play.answer(on.FenceTaken)


@pytest.mark.parametrize("back", [0.5, 600.0])
def test_set_back_a_step_is_held_no_longer_than_its_maximum(back: float) -> None:
    play = Play(policy(undecided="rollback"))
    play.to_judging()
    again(play, -back)
    play.wait(play.release.current.hold_max)
    assert play.release.outcome is not None
    assert play.release.outcome.code is ExitCode.NO_EVIDENCE


@pytest.mark.parametrize("back", [0.5, 600.0])
def test_set_back_a_release_has_no_more_than_its_deadline(back: float) -> None:
    play = Play(policy(undecided="extend", no_data="hold"))
    play.to_judging()
    again(play, -back)
    play.wait(play.release.policy.deadline)
    assert play.release.outcome is not None


@pytest.mark.parametrize("back", [0.5, 600.0])
def test_set_back_the_drain_is_waited_for_once(back: float) -> None:
    play = Play()
    play.to_judging()
    play.happens(on.AbortRequested, by="ann", reason="no")
    play.written()
    assert play.release.stage is Stage.DRAINING
    again(play, -back)
    play.wait(play.release.policy.drain)
    assert play.release.stage is Stage.DETACHING


def test_what_is_not_later_than_now_stays_as_it_is() -> None:
    play = Play()
    play.to_judging()
    play.happens(on.AbortRequested, by="ann", reason="no")
    play.written()
    play.release = replace(play.release, settling=Settling(since=play.now, accepted=True, seen=7))
    before = play.release
    play.happens(on.Resumed, incarnation="i2")
    assert (play.release.settling, play.release.since) == (before.settling, before.since)
    assert play.release.started == before.started > 0


def test_a_release_that_has_not_begun_has_no_beginning_by_that() -> None:
    play = Play()
    play.happens(on.Resumed, incarnation="i2")
    assert (play.release.phase, play.release.started) == (Phase.PREFLIGHT, 0.0)
