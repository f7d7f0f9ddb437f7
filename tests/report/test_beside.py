"""How a plan tells of the metrics that are not judged at every look."""

from __future__ import annotations

from analysis.classical import ClassicalConfig, FixedTest, Grouped, ScoreConfig, Threshold
from analysis.judge import JudgeConfig, MetricConfig
from canary.report.beside import rules


def test_every_metric_says_how_it_is_judged_and_what_it_spends() -> None:
    config = JudgeConfig(
        metrics=(MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.002, every=30.0, no_data="hold"),),
        classical=(
            ClassicalConfig(name="queue", how=FixedTest(kind="mannWhitney", after=300.0, looks=4)),
            ClassicalConfig(name="memory", how=Threshold(most=900.0, failures=2, successes=3), delay=60.0),
            ClassicalConfig(name="cpu", how=Grouped(group="saturation", direction="increase"), dry_run=True),
        ),
        score=ScoreConfig(passes=95, marginal=75, after=300.0),
    )
    test, rule, part, score, own = rules(config)
    assert test == (
        "queue: Mann-Whitney U, looks once in each step, 5m into it; spends 17% of falseRollback: "
        "alone it rolls back from p = 0.00021 down"
    )
    assert rule == (
        "memory: at most 900; more than 2 failures in the release roll back; each step needs 3 in a row; "
        "outside of falseRollback; from 1m on"
    )
    assert part == "cpu: a part of the score's group saturation, increase counts (dryRun: decides nothing)"
    assert score == (
        "score: as Kayenta's judge computes it, 5m into each step; passes from 95, rolls back from 75 down; "
        "outside of falseRollback"
    )
    assert own == "errors: judged every 30s, without data: hold"
