"""What of a look counts soon after a change of the share, and in the canary's first minute."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from analysis.model import Arm, Counts, Look
from analysis.replay import replay
from canary.core import events as on
from canary.core.outcome import ExitCode
from canary.core.release import Phase
from canary.engine.record import entries, lives, pieces
from canary.engine.warming import LONGEST, Warming


def look(end: float, *, slow: int = 0, bound: float = 90.0) -> Look:
    """A second of 10,000 requests of stable, some of them slower than 0.1 s and at most as slow as the bound."""
    counts = Counts(total=10_000, buckets=((0.1, 10_000 - slow), (bound, 10_000), (math.inf, 10_000)))
    return Look(start=end - 1.0, end=end, counts={"latency": {Arm.STABLE: counts}})


@pytest.mark.parametrize(
    ("warmup", "slow", "wait"),
    [(60.0, 0, 30.0), (60.0, 9, 30.0), (60.0, 11, 90.0), (10.0, 0, 10.0), (0.0, 0, 0.1), (0.0, 11, 90.0)],
)
def test_looks_wait_for_half_a_minute_or_for_stables_slowest_request_in_a_thousand(
    warmup: float, slow: int, wait: float
) -> None:
    warming = Warming(warmup=warmup, latency=["latency"])
    warming.learn(look(1.0, slow=slow))
    assert warming.wait == wait
    warming.changed = 100.0
    assert warming.early(look(99.9 + wait))
    assert not warming.early(look(100.0 + wait))


def test_a_service_of_long_polls_is_judged_at_last() -> None:
    warming = Warming(warmup=60.0, latency=["latency"])
    warming.learn(look(1.0, slow=5_000, bound=3_600.0))
    assert warming.wait == LONGEST


def test_latency_waits_for_the_canarys_first_minute() -> None:
    warming = Warming(warmup=60.0, latency=["latency"])
    assert warming.left_out(look(160.0), 100.0) == {"latency"}
    assert warming.left_out(look(161.0), 100.0) == frozenset()


def test_a_step_is_not_healthy_before_its_looks_count_and_bad_news_is_not_waited_for(
    new_play: Callable[..., Any],
) -> None:
    for errors, code in ((0.0, ExitCode.PROMOTED), (0.5, ExitCode.JUDGED_BAD)):
        play = new_play(warmup=20.0)
        play.until(lambda play=play: play.decider.release.phase is Phase.JUDGING)
        began = play.decider.release.since
        play.gateway.errors[Arm.CANARY] = errors or play.gateway.errors[Arm.CANARY]
        play.until(lambda play=play: play.decider.release.phase is not Phase.JUDGING)
        took = play.world.clock.now() - began
        assert took < 10 if errors else took >= 15
        assert play.to_the_end() is code
        found = replay(lives(pieces(play.records.read())))
        assert [one.differences for one in found.differing] == []
        assert found.whole


def test_whoever_takes_over_in_a_step_lets_no_look_speak_for_the_canary_before_its_time(
    new_play: Callable[..., Any],
) -> None:
    """It knows neither when the share changed nor how long stable's requests take, though the judge knows the step."""
    play = new_play(warmup=20.0)
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    for _ in range(3):
        play.second()
    for asked in (on.PauseRequested, on.ResumeRequested):  # which are written down, and the judge's state with them
        play.decider.handle(asked(at=play.world.clock.now(), by="ann"))
    play.start()
    began = play.world.clock.now()
    play.until(lambda: play.decider.release.phase is not Phase.JUDGING)
    looks = [row for row in entries(play.records.read()) if row["kind"] == "look" and row["at"] > began]
    judged = [row.get("early", False) for row in looks if row["as"] == "judged" and row["at"] < began + 20.0]
    assert len(judged) >= 10
    assert all(judged)
