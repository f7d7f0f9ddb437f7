"""A judge whose other arm is a fresh baseline: the share that is compared, and what sentences call it."""

from __future__ import annotations

from typing import Any

import pytest

from analysis import judge
from analysis.judge import JudgeConfig, MetricConfig
from analysis.model import Arm, Counts, Look, Verdict
from analysis.replay import form

ERRORS = MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.005)
FRESH = JudgeConfig(metrics=(ERRORS,), planned_looks=90, baseline=True)
ALONE = JudgeConfig(metrics=(ERRORS,), planned_looks=90)


def judged(
    config: JudgeConfig, looks: list[tuple[int, int]], *, share: float, bad: int = 0, baking: bool = False
) -> Any:
    state = judge.begin_step(config, judge.start(config), share=share, last_share=80.0, baking=baking)
    said = None
    for number, (stable, canary) in enumerate(looks):
        counts = {Arm.STABLE: Counts(total=stable), Arm.CANARY: Counts(total=canary, bad=min(bad, canary))}
        look = Look(start=float(number), end=number + 1.0, counts={"errors": counts})
        state, said = judge.observe(config, state, look)
    return said


@pytest.mark.parametrize(("share", "compared"), [(0, 0), (0.5, 50), (5, 50), (50, 50), (80, 80), (99, 99), (100, 100)])
def test_the_share_that_is_compared_is_half_until_the_baseline_cannot_keep_up(share: float, compared: float) -> None:
    assert FRESH.compared(share) == pytest.approx(compared)
    assert ALONE.compared(share) == share


@pytest.mark.parametrize(("share", "pair"), [(5, (40, 40)), (50, (200, 200)), (80, (40, 160))])
def test_counts_at_their_weights_fit_the_share(share: float, pair: tuple[int, int]) -> None:
    said = judged(FRESH, [pair] * 60, share=share)
    assert "SHARE_MISMATCH" not in {one.code for one in said.findings}
    assert said.verdict is Verdict.HEALTHY


@pytest.mark.parametrize(("share", "pair"), [(5, (40, 160)), (80, (160, 40))])
def test_counts_that_do_not_are_told_with_the_share_that_was_asked_for(share: float, pair: tuple[int, int]) -> None:
    said = judged(FRESH, [pair] * 60, share=share)
    codes = {one.code: one for one in said.findings}
    assert {"SHARE_MISMATCH", "COMPLETIONS"} & set(codes)
    assert said.verdict is not Verdict.HEALTHY


def test_without_a_baseline_equal_counts_at_a_small_share_fit_nothing() -> None:
    said = judged(ALONE, [(40, 40)] * 60, share=5.0)
    assert "SHARE_MISMATCH" in {one.code for one in said.findings}


def test_sentences_call_the_other_arm_what_it_is() -> None:
    said = judged(FRESH, [(200, 200)] * 20, share=5.0, bad=30)
    assert said.verdict is Verdict.UNHEALTHY
    assert "against the baseline 0.00 %" in said.sentence
    assert "share 50 % asked, 50 % seen" in said.basis
    silent = judged(FRESH, [(0, 40)] * 30, share=5.0)
    assert any("no request on the baseline for 30 looks" in one.sentence for one in silent.findings)
    baked = judged(FRESH, [(0, 200)] * 5, share=100.0, baking=True)
    assert not any("baseline" in one.sentence for one in baked.findings)


def test_a_record_says_that_there_was_a_baseline_and_nothing_where_there_was_none() -> None:
    rows = [form.begun(config, last_share=80.0, state=None) for config in (FRESH, ALONE)]
    assert [form.question_of(row) for row in rows] == [FRESH, ALONE]
    assert ["baseline" in row["config"] for row in rows] == [True, False]


@pytest.mark.parametrize(("config", "held"), [(FRESH, False), (ALONE, True)])
def test_young_pods_may_be_worse_than_stable_ever_was(config: JudgeConfig, held: bool) -> None:
    """Found by a whole release: it was held for good, for what both of its young versions had."""
    state = judge.start(config)
    for number in range(60):
        counts = {Arm.STABLE: Counts(total=400), Arm.CANARY: Counts(total=0)}
        state = judge.learn(config, state, Look(start=float(number), end=number + 1.0, counts={"errors": counts}))
    state, said = judge.begin_step(config, state, share=50.0, last_share=50.0), None
    for number in range(60, 160):
        both = Counts(total=4000, bad=40)
        look = Look(start=float(number), end=number + 1.0, counts={"errors": {Arm.STABLE: both, Arm.CANARY: both}})
        state, said = judge.observe(config, state, look)
    assert said is not None
    assert ("BOTH_WORSE" in {one.code for one in said.findings}) is held
    assert (said.verdict is Verdict.HEALTHY) is not held
