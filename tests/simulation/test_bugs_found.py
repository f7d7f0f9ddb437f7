"""Every bug that a seed found, by name, and what was promised of single faults at every moment."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simulated.oracles import play, play_scenario
from simulated.scenario import CallFault, Happening, Scenario, scenario

FOUND = {
    "a takeover while the canary is being removed puts no token back onto the clean route": 16,
    "engines that stood by for each other for ever, and a last call that left nobody time": 13,
    "a raise that lay in the network came after the rollback, on the very same weights": 321,
    "the process ended 0 although its last journal was never written": 386,
    "stable was updated by a task that had been called off before it began": 136,
    "a task of a sleeping engine made the canary again after the release had ended": 395,
    "a stale engine stamped the route of a release that had ended": 511,
    "an API server away for a moment while a token was read ended the engine": 56,
    "the stamp stood on the route and in no journal, and was left there": 455,
    "a stamp that nobody answered came after the end": 5891,
    "a second crash during the takeover forgot what was pending": 5942,
    "after a takeover a raise was sent before what somebody had lowered was looked at": 6260,
    "a stale engine's stamp, computed before its pause, was left on the route": 10305,
    "another token seen while a rule was gone was no key of a table": 1295,
    "a read that failed while a rule was gone ended the engine": 281,
    "a route made again counts its generations anew, and was taken for an old version": 3738,
    "a route made again was stamped on the way back": 1569,
    "a stale engine took the traffic off a release that another had promoted": 18055,
    "an engine that swept up after it woke stamped the route a second time and left": 4484,
    "an engine that slept in its first stamp left it behind while it swept up": 3394,
    "a route made again was stamped before its reference was written": 10500,
    "a fence taken on the way back stamped a route that was clean already": 3517,
    "a stamp on stable that nobody answered came after the end, and no second look was taken": 40652,
    "a gate was opened for a release past its deadline, and its raise came when it had gone back already": 1005452,
    "an engine that was cut off made a deleted journal anew, with another end than the one that it had missed": 1005191,
    "a decision went with the journal that was deleted while nobody lived": 389,
}


@pytest.mark.parametrize("seed", FOUND.values(), ids=list(FOUND))
def test_found_by_seed(seed: int) -> None:
    assert play(seed).violations == []


def calm(**changes: object) -> Scenario:
    """A good release to which only what is asked for happens."""
    plain = scenario(3)
    policy = replace(
        plain.policy, undecided="proceed", deadline=900.0, last_call=1900.0, has_workload=True, bake_gate=None
    )
    policy = replace(policy, steps=tuple(replace(step, gate=None) for step in policy.steps))
    quiet = replace(
        plain, policy=policy, real_judge=False, quality="good", looks=2, rate=400.0, lag=0.0, noise=0.0, reverter=0.0,
        calls=(), script=(),
    )  # fmt: skip
    return replace(quiet, **changes)  # type: ignore[arg-type]


def codes(given: Scenario) -> list[int]:
    found = play_scenario(given)
    assert found.violations == []
    return [int(code) for code in found.codes]


def test_a_good_release_is_promoted() -> None:
    assert codes(calm()) == [0]


@pytest.mark.parametrize("seconds", [10.0, 60.0, 300.0])
@pytest.mark.parametrize("at", range(6, 60, 6))
def test_an_outage_for_everyone_rolls_no_healthy_release_back(at: float, seconds: float) -> None:
    assert codes(calm(script=(Happening(at=at, kind="outage-all", seconds=seconds),))) == [0]


@pytest.mark.parametrize("at", range(1, 60))
def test_a_bad_canary_is_never_promoted_whenever_its_engine_is_killed(at: float) -> None:
    assert codes(calm(quality="bad", script=(Happening(at=at, kind="kill"),)))[0] == 10


@pytest.mark.parametrize("kind", ["kill-before", "kill-after", "kill-late"])
@pytest.mark.parametrize("number", range(1, 45))
def test_killed_once_around_any_call_a_good_release_is_promoted(number: int, kind: str) -> None:
    assert codes(calm(calls=(CallFault(number=number, kind=kind, seconds=12.0),)))[-1] == 0


@pytest.mark.parametrize("number", range(1, 45))
def test_an_engine_that_sleeps_at_any_call_while_another_finishes_raises_nothing(number: int) -> None:
    assert set(codes(calm(calls=(CallFault(number=number, kind="pause", seconds=150.0),)))) == {0}


@pytest.mark.parametrize("quality", ["good", "bad"])
@pytest.mark.parametrize("at", range(2, 60, 6))
def test_a_second_engine_of_the_same_release_stands_by_and_ends_with_its_code(at: float, quality: str) -> None:
    ended = codes(calm(quality=quality, script=(Happening(at=at, kind="second-engine"),)))
    assert set(ended) == {0 if quality == "good" else 10}


@pytest.mark.parametrize("number", range(34, 48))
def test_an_engine_that_sleeps_at_any_call_of_the_promotion_does_not_promote_after_a_rollback(number: int) -> None:
    """Between reading stable and patching it: another engine meets the deadline and rolls back meanwhile."""
    given = calm(calls=(CallFault(number=number, kind="pause", seconds=150.0),))
    ended = codes(replace(given, policy=replace(given.policy, deadline=75.0)))
    assert len(ended) == 2
    assert set(ended) in ({0}, {23})


@pytest.mark.parametrize("at", range(8, 40, 4))
def test_a_rule_that_lost_stable_is_an_alarm_and_keeps_the_canary_alive(at: float) -> None:
    script = (Happening(at=at, kind="edit:canary-to-all"), Happening(at=at, kind="edit:drop-stable"))
    found = play_scenario(calm(script=script))
    assert found.violations == []
    if found.ledger.raised:
        assert any("but not to stable" in alarm or "no longer sends to stable" in alarm for alarm in found.alarms)
        assert found.workloads.exists
