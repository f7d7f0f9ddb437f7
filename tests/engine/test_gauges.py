"""Releases with gauges, in virtual time: rolled back or promoted, over a crash, and judged again from the record."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from analysis.classical import ClassicalConfig, FixedTest, Grouped, ScoreConfig, Threshold
from analysis.judge import JudgeConfig
from analysis.model import Arm
from analysis.replay import begun, question_of, replay
from canary.core.outcome import ExitCode
from canary.core.release import Phase
from canary.engine.record import lives, pieces

NewPlay = Callable[..., Any]

TEST = FixedTest(kind="mannWhitney", after=15.0, looks=3, min_samples=8)
RULE = Threshold(most=10.0, failures=2)


def judged(how: FixedTest | Threshold | Grouped, **more: Any) -> dict[str, Any]:
    return {"classical": (ClassicalConfig(name="queue", how=how, min_requests=10, **more),)}


def with_queue(new_play: NewPlay, config: dict[str, Any], *, stable: float, canary: float | str, **policy: Any) -> Any:
    play = new_play(judged=config, **policy)
    play.gateway.gauges = {"queue": {Arm.STABLE: stable, Arm.CANARY: canary}}
    return play


@pytest.mark.parametrize("how", [TEST, RULE], ids=["test", "rule"])
def test_a_worse_gauge_rolls_back_and_is_named(new_play: NewPlay, how: Any) -> None:
    play = with_queue(new_play, judged(how), stable=5.0, canary=50.0)
    assert play.to_the_end() is ExitCode.JUDGED_BAD
    assert "queue" in play.reason()
    assert play.clean()
    told = [progress.judgement for progress in play.reporters.told if progress.judgement]
    assert told[-1].findings[0].metric == "queue"


@pytest.mark.parametrize("how", [TEST, RULE], ids=["test", "rule"])
def test_a_gauge_like_stables_is_promoted(new_play: NewPlay, how: Any) -> None:
    play = with_queue(new_play, judged(how), stable=5.0, canary=5.0)
    assert play.to_the_end() is ExitCode.PROMOTED, play.reason()
    assert play.clean()


@pytest.mark.parametrize("canary", [5.0, 50.0])
def test_a_score_decides_as_well(new_play: NewPlay, canary: float) -> None:
    score = ScoreConfig(passes=95, marginal=75, after=15.0)
    play = with_queue(new_play, judged(Grouped(group="g")) | {"score": score}, stable=5.0, canary=canary)
    bad = canary > 5.0
    assert play.to_the_end() is (ExitCode.JUDGED_BAD if bad else ExitCode.PROMOTED), play.reason()
    assert play.reason().startswith("score 0 of 100") == bad


def test_a_budget_is_carried_over_a_crash(new_play: NewPlay) -> None:
    play = with_queue(new_play, judged(Threshold(most=10.0, failures=60, successes=1)), stable=5.0, canary=50.0)
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    for _ in range(12):
        play.second()
    play.decider.hand_over()
    failures = play.decider._observer._judge.beside.seen["queue"].failures
    assert failures >= 10
    play.start()
    assert play.decider._observer._judge.beside.seen["queue"].failures == failures
    assert play.to_the_end() is ExitCode.NO_EVIDENCE or "queue" in play.reason()


def test_the_record_of_a_gauge_is_judged_again_to_the_same(new_play: NewPlay) -> None:
    play = with_queue(new_play, judged(TEST), stable=5.0, canary=50.0)
    play.to_the_end()
    again = replay(lives(pieces(play.records.read())))
    assert again.looks[-1].again == "UNHEALTHY"
    assert "queue" in again.looks[-1].sentence
    assert again.differing == ()


@pytest.mark.parametrize("how", [TEST, RULE, Threshold(), Grouped(group="g"), FixedTest(kind="fisher", after=1.0)])
def test_the_question_is_read_as_it_was_written(how: Any) -> None:
    config = JudgeConfig(metrics=(), score=ScoreConfig(passes=95, marginal=75, after=1.0), **judged(how))
    row = json.loads(json.dumps(begun(config, last_share=50.0, state=None)))
    assert question_of(row) == config


# Without data -------------------------------------------------------------------------------------------------------

ABSENT = "no series matches it"


def test_without_data_the_release_fails_at_the_longest_hold(new_play: NewPlay) -> None:
    play = with_queue(new_play, judged(RULE, no_data="fail"), stable=5.0, canary=ABSENT)
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    for _ in range(20):
        play.second()
    assert play.decider.release.phase is Phase.JUDGING, "not before"
    assert play.to_the_end(seconds=20) is ExitCode.NO_EVIDENCE
    assert play.reason() == f"no data by the end of the hold: queue: {ABSENT}"
    assert play.clean()


def test_holding_waits_for_data_and_goes_on_with_it(new_play: NewPlay) -> None:
    play = with_queue(new_play, judged(RULE, no_data="hold"), stable=5.0, canary=ABSENT)
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    for _ in range(80):
        play.second()
    assert play.decider.release.phase is Phase.JUDGING
    play.gateway.gauges["queue"][Arm.CANARY] = 5.0
    assert play.to_the_end() is ExitCode.PROMOTED, play.reason()


def test_extending_waits_as_long_again_and_then_fails(new_play: NewPlay) -> None:
    play = with_queue(new_play, judged(RULE, no_data="extend"), stable=5.0, canary=ABSENT)
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    for _ in range(40):
        play.second()
    assert play.decider.release.phase is Phase.JUDGING
    assert play.to_the_end(seconds=20) is ExitCode.NO_EVIDENCE


def test_a_metric_that_is_not_needed_stands_in_nobodys_way(new_play: NewPlay) -> None:
    play = with_queue(new_play, judged(RULE, no_data="pass"), stable=5.0, canary=ABSENT)
    assert play.to_the_end() is ExitCode.PROMOTED, play.reason()
