"""A service without a stable version, in virtual time: made and let go of, or taken away where it does not start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from canary.core import events as on
from canary.core.outcome import ExitCode
from canary.core.release import Phase, Stage
from canary.ports import Problem, Unavailable, WorkloadFailure

NOTHING_SERVES = Problem(what="There is no stable version.", fix="Nothing.", code=None, first=True)


@pytest.fixture
def first(new_play: Callable[..., Any]) -> Any:
    play = new_play(absent=True)
    play.preflights.problems = [NOTHING_SERVES]
    return play


def task(play: Any) -> None:
    """What a worker does next, and what follows at once."""
    play.world.clock.advance(0.2)
    play.decider.handle(play.tasks.waiting.popleft()())


@pytest.fixture
def building(first: Any) -> Any:
    """Preflight has passed, the fence stands, and a worker is about to make it."""
    task(first)
    assert first.decider.release.stage is Stage.BUILDING
    return first


def left(play: Any) -> tuple[bool, bool, str]:
    """Of stable's workload: whether it is there, whether it is still ours, what token stands on it."""
    return not play.workloads.absent, play.workloads.deployed, play.workloads.token


def test_it_is_made_no_traffic_is_moved_and_it_says_so(first: Any) -> None:
    weights = set()
    while not first.decider.over:
        first.second()
        weights.add(str(first.routes.current["spec"]))
    assert first.decider.code is ExitCode.PROMOTED
    assert "deployed directly" in first.reason()
    assert left(first) == (True, False, "")
    assert len(weights) == 1
    assert first.clean()
    told = [one.message for one in first.reporters.told if one.message]
    assert any("without a canary and without a comparison" in line for line in told)
    assert any("warning: There is no stable version." in line for line in told)


def test_one_that_does_not_start_is_taken_away_with_the_clusters_reason(first: Any) -> None:
    deploy = first.workloads.deploy

    def crashes() -> Any:
        deploy()
        raise WorkloadFailure("CrashLoopBackOff: back-off restarting")

    first.workloads.deploy = crashes
    assert first.to_the_end() is ExitCode.JUDGED_BAD
    assert "the first version did not become ready: CrashLoopBackOff" in first.reason()
    assert left(first) == (False, False, "")
    assert first.clean()


@pytest.mark.parametrize("made", [False, True], ids=["before it was made", "after it was made"])
def test_an_engine_that_dies_meanwhile_is_gone_on_for(building: Any, made: bool) -> None:
    if made:
        building.workloads.deploy()
    building.start()
    assert building.to_the_end() is ExitCode.PROMOTED
    assert left(building) == (True, False, "")
    assert building.clean()


@pytest.mark.parametrize("done", [False, True], ids=["before it let go", "after it let go"])
def test_an_engine_that_dies_at_the_end_leaves_it_where_it_is(building: Any, done: bool) -> None:
    task(building)
    assert building.decider.release.phase is Phase.CLEANING
    building.world.faults.plan("workloads.remove", Unavailable("no answer"))
    if done:
        building.tasks.waiting.popleft()()
        building.workloads.remove(keep=True)
    building.start()
    assert building.to_the_end() is ExitCode.PROMOTED
    assert left(building) == (True, False, "")
    assert building.clean()


def test_the_third_life_may_only_take_it_away(building: Any) -> None:
    for _ in range(2):
        building.workloads.deploy()
        building.start()
    assert building.to_the_end() is ExitCode.ENGINE_LOST
    assert left(building) == (False, False, "")
    assert building.clean()


def test_a_person_may_stop_it(building: Any) -> None:
    first = building
    first.decider.handle(on.AbortRequested(at=first.world.clock.now(), by="ann", reason="not yet"))
    assert first.to_the_end() is ExitCode.REJECTED
    assert left(first) == (False, False, "")
    assert first.clean()


def test_one_that_somebody_else_made_meanwhile_is_theirs(building: Any) -> None:
    first = building
    first.workloads.absent = False
    assert first.to_the_end() is ExitCode.JUDGED_BAD
    assert "made by somebody else" in first.reason()
    assert left(first) == (True, False, "")
    assert first.clean()
