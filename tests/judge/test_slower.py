"""`slower: 20%`: a tolerance in time, shown by pairs of buckets and never by interpolation."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from analysis.judge import JudgeConfig, MetricConfig, begin_step, decode, encode, learn, observe, start
from analysis.judge.buckets import between, too_coarse
from analysis.judge.slower import partner, provable
from analysis.model import Arm, Counts, Look, Verdict

FINE = (*np.geomspace(0.01, 1.0, 27).tolist(), math.inf)
"""Each 1.194 times the one before."""

COARSE = (0.1, 0.25, 0.5, 1.0, math.inf)


def metric(slower: float = 0.2) -> MetricConfig:
    return MetricConfig(name="latency", kind="latency", relative=0.2, absolute=0.002, slower=slower)


def counts(took: Any, bounds: tuple[float, ...]) -> Counts:
    within = tuple((bound, int((took <= bound).sum())) for bound in bounds)
    return Counts(total=len(took), buckets=within)


def judged(times: float, *, looks: int, bounds: tuple[float, ...] = FINE, slower: float = 0.2, seed: int = 1) -> Any:
    """What is said of a canary whose every request takes so many times as long as stable's would."""
    chance, config = np.random.default_rng(seed), JudgeConfig(metrics=(metric(slower),), planned_looks=looks)

    def look(end: float) -> Look:
        took = {Arm.STABLE: 0.1 * np.exp(chance.normal(0, 0.5, 500))}
        took[Arm.CANARY] = times * 0.1 * np.exp(chance.normal(0, 0.5, 500))
        arms = {arm: counts(values, bounds) for arm, values in took.items()}
        return Look(start=end - 5, end=end, counts={"latency": arms})

    state = learn(config, start(config), look(0.0))
    state = begin_step(config, state, share=50, last_share=50)
    for index in range(looks):
        state, judgement = observe(config, state, look(5.0 * index))
        if index == 10:
            state = decode(json.loads(json.dumps(encode(state))))
        if judgement.verdict is Verdict.UNHEALTHY:
            break
    return judgement


def test_a_canary_within_the_tolerance_in_time_is_healthy_and_one_beyond_it_is_not() -> None:
    assert judged(1.0, looks=100).verdict is Verdict.HEALTHY
    bad = judged(1.7, looks=100)
    assert bad.verdict is Verdict.UNHEALTHY
    assert bad.findings[0].sentence.count("slower than") == 2, "the canary's bound, and stable's"


def test_a_canary_at_the_tolerance_is_not_condemned() -> None:
    assert [judged(1.2, looks=60, seed=seed).verdict for seed in range(12)].count(Verdict.UNHEALTHY) == 0


def test_coarse_buckets_condemn_nobody_who_is_within_the_tolerance_and_see_less() -> None:
    assert judged(1.2, looks=60, bounds=COARSE).verdict is not Verdict.UNHEALTHY
    assert judged(6.0, looks=60, bounds=COARSE).verdict is Verdict.UNHEALTHY


def test_buckets_that_are_too_coarse_are_named_with_what_they_can_show() -> None:
    chance = np.random.default_rng(3)
    took = 0.1 * np.exp(chance.normal(0, 0.5, 20_000))
    histogram = dict(counts(took, COARSE).buckets)
    said = too_coarse(metric(), histogram)
    assert "too coarse for slower: 20%" in said
    assert "the smallest that they can show is slower: 150%" in said
    assert too_coarse(metric(1.5), histogram) == ""
    assert too_coarse(metric(), dict(counts(took, FINE).buckets)) == ""
    assert too_coarse(metric(), {}) == "", "nothing is known of stable yet"


@pytest.mark.parametrize(("bound", "found"), [(0.1, 0.25), (0.25, 0.5), (0.5, 1.0), (1.0, None)])
def test_a_pair_is_the_next_bucket_that_is_late_enough(bound: float, found: float | None) -> None:
    assert partner(COARSE, bound, 0.2) == found
    assert provable(COARSE, [bound]) == pytest.approx((found or math.inf) / bound - 1)


def test_a_limit_between_buckets_is_told_with_what_shows_it_broken_and_kept() -> None:
    limited = MetricConfig(
        name="latency",
        kind="latency",
        relative=0.2,
        absolute=0.002,
        quantile_limits=((0.5, 0.25), (0.99, 0.8), (0.999, 3.0)),
    )
    said = between(limited, dict.fromkeys(COARSE, 1))
    assert len(said) == 2
    assert "p99: 800 ms" in said[0]
    assert "shown broken by 1000 ms" in said[0]
    assert "shown kept by 500 ms" in said[0]
    assert "never be shown broken" in said[1]
