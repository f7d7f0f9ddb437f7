"""What classical metrics do to a release's verdict, by each of their settings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from analysis.classical import FixedTest, Grouped, ScoreConfig, Threshold
from analysis.judge.tests import levels
from analysis.model import Finding, Judgement, Verdict

TEST = FixedTest(kind="mannWhitney", after=60.0, looks=2)
RANGE = Threshold(most=10.0, failures=2, successes=3)


def found(judgement: Judgement, name: str = "queue") -> Finding:
    return next(one for one in judgement.findings if one.metric == name)


def sees(release: Any, looks: int, stable: float, canary: float, *, name: str = "queue", seed: int = 3) -> Judgement:
    chance = np.random.default_rng(seed)
    for _ in range(looks):
        judgement = release.look({name: ([stable + chance.normal()], [canary + chance.normal()])})
        if judgement.verdict is Verdict.UNHEALTHY:
            break
    return judgement


# Fixed tests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mannWhitney", "welch", "kolmogorovSmirnov"])
def test_a_gauge_that_is_worse_is_condemned_at_the_one_look_and_not_before(judged: Any, gauge: Any, kind: Any) -> None:
    release = judged(gauge(FixedTest(kind=kind, after=100.0))).begins()
    judgement = sees(release, 19, 100.0, 140.0)
    assert judgement.verdict is not Verdict.UNHEALTHY
    assert found(judgement).code == "NOT_YET"
    assert "looks once, in 5 s" in found(judgement).sentence
    judgement = sees(release, 1, 100.0, 140.0)
    assert judgement.verdict is Verdict.UNHEALTHY
    assert judgement.sentence.startswith("queue: canary median 139.8 (20 samples)")
    assert "looking once: p" in judgement.sentence
    assert found(judgement).numbers["p"] <= levels(release.config)["queue"] / 2


def test_it_looks_once_in_a_step_and_never_again(judged: Any, gauge: Any) -> None:
    release = judged(gauge(TEST)).begins()
    sees(release, 12, 100.0, 100.0)
    p = found(release.look()).numbers["p"]
    judgement = sees(release, 30, 100.0, 900.0)
    assert found(judgement).numbers["p"] == p
    assert judgement.verdict is not Verdict.UNHEALTHY


def test_a_test_that_shows_nothing_lets_the_step_pass_and_until_then_it_waits(judged: Any, gauge: Any) -> None:
    release = judged(gauge(FixedTest(kind="mannWhitney", after=150.0))).begins()
    assert sees(release, 29, 100.0, 100.0).verdict is Verdict.UNDECIDED
    judgement = sees(release, 1, 100.0, 100.0, seed=8)
    assert judgement.verdict is Verdict.HEALTHY
    assert found(judgement).code == "NOT_SHOWN_WORSE"


def test_over_many_releases_no_more_are_condemned_than_was_stated(judged: Any, gauge: Any) -> None:
    """Values at the tolerance, two steps, one look in each: the stated share of alpha for both together."""
    config = judged(gauge(FixedTest(kind="mannWhitney", after=1, looks=2)), false_rollback=0.2).config
    level = levels(config)["queue"]
    assert level * 2 < config.false_rollback
    chance = np.random.default_rng(1)
    condemned = 0
    for _ in range(150):
        pairs = [(chance.normal(size=15), chance.normal(size=15)) for _ in range(2)]
        ps = [stats.mannwhitneyu(c, s, alternative="greater", method="exact").pvalue for s, c in pairs]
        condemned += min(ps) <= level / 2
    assert condemned <= stats.binom.ppf(0.9999, 150, level)


def test_p_values_near_to_condemning_do_not_pass(judged: Any, gauge: Any) -> None:
    release = judged(gauge(FixedTest(kind="mannWhitney", after=60.0))).begins()
    for i in range(12):
        judgement = release.look({"queue": ([100.0 + i], [104.5 + i])})
    assert 0.0005 < found(judgement).numbers["p"] < 0.05
    values = found(judgement)
    assert (values.code == "SUSPICIOUS") == (values.numbers["p"] <= 0.01)
    assert "correlation" in values.sentence, "a ramp is no sample of independent values"


def test_only_the_last_step_is_looked_at_when_asked_so(judged: Any, gauge: Any) -> None:
    release = judged(gauge(FixedTest(kind="mannWhitney", after=60.0, last_only=True))).begins(5.0)
    judgement = sees(release, 40, 100.0, 140.0)
    assert found(judgement).code == "LOOKS_LATER"
    assert judgement.verdict is Verdict.HEALTHY, "what was confirmed is the errors"
    release.begins(50.0)
    assert sees(release, 12, 100.0, 140.0).verdict is Verdict.UNHEALTHY


@pytest.mark.parametrize("kind", ["fisher", "proportions"])
def test_counts_at_a_fixed_horizon(judged: Any, gauge: Any, kind: Any) -> None:
    release = judged(gauge(FixedTest(kind=kind, after=50.0), name="checkout")).begins()
    for _ in range(10):
        judgement = release.look(counts={"checkout": (2, 400, 12, 100)})
    assert judgement.verdict is Verdict.UNHEALTHY
    assert "checkout: canary 120 bad of 1,000 against stable 20 of 4,000" in judgement.sentence
    assert "checkout" not in {test.metric for test in release.state.tests}, "it is not judged at every look as well"


def test_a_test_that_cannot_be_made_is_a_finding_and_never_healthy(judged: Any, gauge: Any) -> None:
    release = judged(gauge(FixedTest(kind="welch", after=60.0))).begins()
    for _ in range(40):
        judgement = release.look({"queue": ([5.0], [5.0])})
    assert found(judgement).code == "TEST_FAILED"
    assert judgement.verdict is Verdict.UNDECIDED
    assert not judgement.may_proceed


def test_in_the_bake_there_is_nothing_to_compare_with(judged: Any, gauge: Any) -> None:
    release = judged(gauge(TEST)).begins()
    sees(release, 30, 100.0, 100.0)
    release.begins(100.0, baking=True)
    judgement = sees(release, 30, 100.0, 300.0)
    assert found(judgement).code == "NO_SECOND_ARM"
    assert judgement.verdict is Verdict.HEALTHY


def test_the_weight_scales_what_a_test_may_spend(judged: Any, gauge: Any) -> None:
    plain, heavy, critical = (
        levels(judged(gauge(TEST, **more)).config)["queue"] for more in ({}, {"weight": 3.0}, {"critical": True})
    )
    assert plain < critical < heavy
    assert plain == pytest.approx(0.01 * (0.1 / 0.6) / 2)


# Rules --------------------------------------------------------------------------------------------------------------


def test_one_failure_over_the_budget_condemns_and_the_budget_is_the_releases(judged: Any, gauge: Any) -> None:
    release = judged(gauge(RANGE)).begins()
    assert release.look({"queue": ([1.0], [11.0])}).verdict is not Verdict.UNHEALTHY
    sees(release, 30, 1.0, 1.0)
    assert release.look({"queue": ([1.0], [11.0])}).verdict is not Verdict.UNHEALTHY
    release.begins(50.0)
    judgement = release.look({"queue": ([1.0], [11.0])})
    assert judgement.verdict is Verdict.UNHEALTHY
    assert judgement.sentence == (
        "queue: canary at 11, wanted at most 10; 3 failures in the release, 2 tolerated "
        "(a rule, outside of falseRollback)"
    )
    assert release.look({"queue": ([1.0], [1.0])}).verdict is Verdict.UNHEALTHY, "it stands"


def test_successes_in_a_row_are_wanted_in_each_step(judged: Any, gauge: Any) -> None:
    release = judged(gauge(RANGE)).begins()
    for _ in range(30):
        release.look()
    assert [release.look({"queue": ([1.0], [value])}).verdict for value in (1.0, 1.0, 11.0, 1.0, 1.0)] == [
        Verdict.UNDECIDED
    ] * 5
    assert release.look({"queue": ([1.0], [1.0])}).verdict is Verdict.HEALTHY
    release.begins(50.0)
    for _ in range(30):
        judgement = release.look()
    assert judgement.verdict is not Verdict.HEALTHY


def test_a_range_that_stable_leaves_too_is_not_the_canarys_fault(judged: Any, gauge: Any) -> None:
    release = judged(gauge(RANGE)).begins()
    judgement = sees(release, 30, 20.0, 20.0)
    assert judgement.verdict is Verdict.UNDECIDED
    assert found(judgement).code == "LIMIT_BOTH"
    assert found(judgement).numbers["failures"] == 0


@pytest.mark.parametrize(("least", "most", "bad"), [(None, 10.0, 11.0), (5.0, None, 4.0), (5.0, 10.0, 12.0)])
def test_both_ends_of_a_range(judged: Any, gauge: Any, least: Any, most: Any, bad: float) -> None:
    release = judged(gauge(Threshold(least=least, most=most))).begins()
    assert release.look({"queue": ([7.0], [7.0])}).verdict is not Verdict.UNHEALTHY
    assert release.look({"queue": ([7.0], [bad])}).verdict is Verdict.UNHEALTHY


def test_a_rule_goes_on_in_the_bake(judged: Any, gauge: Any) -> None:
    release = judged(gauge(RANGE)).begins()
    sees(release, 5, 1.0, 1.0)
    release.begins(100.0, baking=True)
    assert sees(release, 3, 99.0, 99.0).verdict is Verdict.UNHEALTHY


# What every metric may say ------------------------------------------------------------------------------------------


def test_a_dry_run_says_everything_and_decides_nothing(judged: Any, gauge: Any) -> None:
    rule, test = gauge(RANGE, dry_run=True), gauge(TEST, name="heap", dry_run=True)
    release = judged(rule, test).begins()
    for _ in range(40):
        judgement = release.look({"queue": ([1.0], [99.0]), "heap": ([1.0], [99.0])})
    assert judgement.verdict is Verdict.HEALTHY
    assert found(judgement).code == "RULE_BROKEN"
    assert judgement.evidence < 0.1


def test_nothing_is_concluded_from_too_few_requests(judged: Any, gauge: Any) -> None:
    release = judged(gauge(RANGE, min_requests=5_000)).begins()
    judgement = sees(release, 20, 1.0, 99.0)
    assert judgement.verdict is Verdict.UNDECIDED
    assert "of 5000 canary requests seen" in found(judgement).sentence
    assert sees(release, 10, 1.0, 99.0).verdict is Verdict.UNHEALTHY


def test_the_first_seconds_of_a_step_are_left_out(judged: Any, gauge: Any) -> None:
    release = judged(gauge(RANGE, delay=50.0)).begins()
    assert found(sees(release, 10, 1.0, 99.0)).numbers["measured"] == 0
    assert sees(release, 3, 1.0, 99.0).verdict is Verdict.UNHEALTHY


@pytest.mark.parametrize("policy", ["fail", "hold", "extend"])
def test_a_metric_without_data_never_passes_and_names_its_policy(judged: Any, gauge: Any, policy: str) -> None:
    release = judged(gauge(RANGE, no_data=policy)).begins()
    for _ in range(40):
        judgement = release.look(wrong={"queue": "no series matches it"})
    assert judgement.verdict is Verdict.UNDECIDED
    assert not judgement.may_proceed
    assert (judgement.absent, judgement.absence) == (policy, "queue: no series matches it")
    assert found(judgement).verdict is Verdict.NO_DATA
    assert found(judgement).code == "SERIES_ABSENT"


def test_a_metric_may_say_that_it_is_not_needed(judged: Any, gauge: Any) -> None:
    release = judged(gauge(RANGE, no_data="pass"), gauge(TEST, name="heap", no_data="pass")).begins()
    for _ in range(40):
        judgement = release.look(wrong={"queue": "no series matches it", "heap": "no series matches it"})
    assert judgement.verdict is Verdict.HEALTHY
    assert judgement.absent == ""


def test_without_a_policy_of_its_own_the_releases_holds_and_the_strictest_wins(judged: Any, gauge: Any) -> None:
    release = judged(gauge(RANGE), gauge(TEST, name="heap", no_data="extend"), no_data="hold").begins()
    for _ in range(40):
        judgement = release.look(wrong={"queue": "gone", "heap": "gone too"})
    assert judgement.absent == "extend"
    release = judged(gauge(RANGE), no_data="hold").begins()
    assert release.look(wrong={"queue": "gone"}).absent == "hold"


def test_values_that_are_no_numbers_are_counted_and_told(judged: Any, gauge: Any) -> None:
    release = judged(gauge(RANGE)).begins()
    judgement = release.look({"queue": ([1.0], [1.0])}, dropped=4)
    assert "4 values were not numbers" in found(judgement).sentence
    assert found(judgement).numbers["dropped"] == 4


# Kayenta's score ----------------------------------------------------------------------------------------------------

SCORE = ScoreConfig(passes=95, marginal=50, after=60.0)


def scored(judged: Any, gauge: Any, **how: Any) -> Any:
    metrics = [gauge(Grouped(group=name[0], **how), name=name) for name in ("a1", "a2", "b1")]
    return judged(*metrics, score=SCORE).begins()


def plays(release: Any, looks: int, **canary: float) -> Judgement:
    chance = np.random.default_rng(2)
    for _ in range(looks):
        judgement = release.look(
            {name: ([100 + chance.normal()], [value + chance.normal()]) for name, value in canary.items()}
        )
    return judgement


def test_a_score_that_passes_lets_the_step_pass_once_it_is_computed(judged: Any, gauge: Any) -> None:
    release = scored(judged, gauge)
    assert plays(release, 11, a1=100, a2=100, b1=100).verdict is Verdict.UNDECIDED
    judgement = plays(release, 30, a1=100, a2=100, b1=100)
    assert judgement.verdict is Verdict.HEALTHY
    assert found(judgement, "score").numbers["score"] == 100


def test_a_low_score_condemns_and_names_who_failed(judged: Any, gauge: Any) -> None:
    judgement = plays(scored(judged, gauge), 13, a1=150, a2=100, b1=150)
    assert judgement.verdict is Verdict.UNHEALTHY
    assert judgement.sentence == (
        "score 25 of 100: passes from 95, condemns from 50 down (Kayenta's judge, outside of falseRollback); "
        "failed: a1, b1"
    )


def test_a_score_in_between_holds_and_is_computed_again(judged: Any, gauge: Any) -> None:
    release = scored(judged, gauge)
    judgement = plays(release, 30, a1=150, a2=100, b1=100)
    assert judgement.verdict is Verdict.UNDECIDED
    assert found(judgement, "score").numbers["score"] == 75
    for _ in range(3):
        judgement = plays(release, 30, a1=100, a2=100, b1=100)
    assert judgement.verdict is Verdict.HEALTHY, "the newest hour is what counts"


def test_a_score_with_something_unseen_is_open(judged: Any, gauge: Any) -> None:
    judgement = plays(scored(judged, gauge), 40, a1=100, a2=100)
    assert judgement.verdict is Verdict.UNDECIDED
    assert found(judgement, "score").code == "SCORE_OPEN"
    assert "not seen: b1" in found(judgement, "score").sentence
    assert judgement.absent == "fail"


def test_what_a_metric_throws_is_a_finding(judged: Any, gauge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def throws(*_: object) -> float:
        raise ArithmeticError("the shift has no root")

    monkeypatch.setattr("analysis.classical.netflix.shift", throws)
    judgement = plays(scored(judged, gauge), 13, a1=150, a2=100, b1=100)
    assert found(judgement, "a1").code == "CLASSIFICATION_FAILED"
    assert "the shift has no root" in found(judgement, "a1").sentence
    assert judgement.verdict is not Verdict.HEALTHY
    assert math.isclose(found(judgement, "score").numbers["score_most"], 100.0)
