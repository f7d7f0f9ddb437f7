"""What of a look counts soon after a change of the share, and in the canary's first minute."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from analysis.judge import JudgeConfig, MetricConfig
from analysis.model import Arm, Counts, Look
from analysis.replay import replay
from canary.core import events as on
from canary.core.outcome import ExitCode
from canary.core.release import Phase, StepPolicy
from canary.engine.record import entries, lives, pieces
from canary.engine.warming import LONGEST, Warming
from canary.ports import Endpoints


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


COLD = 55.0
"""Seconds in which a new pod is slow."""

MOSTLY_SLOW, USUALLY_SLOW = 0.9, 0.02


class Cold:
    """The canary's pods: each is slow while it is young, and all of them from some moment on where the version is."""

    def __init__(self, play: Any) -> None:
        self.worse = 0.0
        self._play, self._born = play, list[float]()
        play.workloads.watch(self._changed, threading.Event())
        play.gateway.slow = self._slow

    def _changed(self, seen: Endpoints) -> None:
        self._born = self._born[: seen.canary]
        self._born += [self._play.world.clock.now()] * (seen.canary - len(self._born))

    def _slow(self, arm: Arm) -> float:
        if arm is Arm.STABLE or not self._born:
            return USUALLY_SLOW
        now = self._play.world.clock.now()
        each = [MOSTLY_SLOW if now - born < COLD else USUALLY_SLOW + self.worse for born in self._born]
        return sum(each) / len(each)


def a_play(new_play: Callable[..., Any], **policy: Any) -> tuple[Any, Cold]:
    metrics = (
        MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.005),
        MetricConfig(name="latency", kind="latency", relative=0.5, absolute=0.02),
    )
    asked = JudgeConfig(metrics=metrics, planned_looks=600, warmup=60.0)
    steps = tuple(StepPolicy(share=Decimal(share), hold_min=35, hold_max=200) for share in (10, 50, 80))
    play = new_play(asked=asked, steps=steps, bake_min=10, bake_max=200, deadline=2_000, last_call=3_000, **policy)
    return play, Cold(play)


def judged_rows(play: Any) -> list[dict[str, Any]]:
    return [row for row in entries(play.records.read()) if row["kind"] == "look" and row["as"] in ("judged", "again")]


def test_pods_that_come_with_a_step_have_a_first_minute_of_their_own(new_play: Callable[..., Any]) -> None:
    """One pod, two, four: every step adds some that are slow for longer than a raise is waited for."""
    play, _ = a_play(new_play)
    grown = list[tuple[float, int]]()
    play.workloads.watch(lambda seen: grown.append((play.world.clock.now(), seen.canary)), threading.Event())
    assert play.to_the_end(seconds=900) is ExitCode.PROMOTED
    births = [(at, after) for (_, before), (at, after) in pairwise(grown) if after > before]
    assert [after for _, after in births] == [1, 2, 4]
    for born, _ in births[1:]:
        young = [row for row in judged_rows(play) if born <= row["start"] < born + COLD]
        assert len(young) > 30
        assert all(row["left_out"] == ["latency"] for row in young)
    found = replay(lives(pieces(play.records.read())))
    assert [one.differences for one in found.differing] == []
    assert found.whole


@pytest.mark.parametrize("share", [50, 80])
def test_a_canary_that_is_slow_when_its_pods_are_warm_is_rolled_back(new_play: Callable[..., Any], share: int) -> None:
    """And soon: in the step that added pods after their minute, in one that added none at once."""
    play, pods = a_play(new_play)
    play.until(lambda: play.decider.release.phase is Phase.JUDGING and play.decider.release.share == share, seconds=900)
    began, pods.worse = play.world.clock.now(), 0.2
    assert play.to_the_end() is ExitCode.JUDGED_BAD
    assert "latency" in play.reason() or "slower" in play.reason()
    assert play.world.clock.now() - began < 90


def test_a_pod_that_comes_and_goes_lets_nothing_pass(new_play: Callable[..., Any]) -> None:
    """Its latency waits each time, and a step in which none was judged is not gone past."""
    play, pods = a_play(new_play)
    play.until(lambda: play.decider.release.phase is Phase.JUDGING and play.decider.release.share == 50, seconds=900)
    pods.worse = 0.2
    for second in range(300):
        play.workloads.set_endpoints(canary=1 if second % 50 == 25 else 2)
        play.second()
        assert play.decider.release.share in (0, 50)
    assert play.to_the_end() is not ExitCode.PROMOTED


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
