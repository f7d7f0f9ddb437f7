"""What a plan says that a step will see is what the judge then sees, on simulated counts with fixed seeds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.delays import reaction, shift
from analysis.judge import JudgeConfig, MetricConfig
from analysis.judge.tests import choose_bounds
from analysis.offline import Question, Run, judge
from analysis.planning import NEVER, Prospect, Sight, Traffic, prospect

RUNS = 200


def config(relative: float = 0.5, absolute: float = 0.002) -> JudgeConfig:
    return JudgeConfig(metrics=(MetricConfig(name="errors", kind="errors", relative=relative, absolute=absolute),))


def played(rate: float, share: float, stable: float, canary: float, *, seconds: float, every: float = 5.0) -> list[Run]:
    """Releases of one step, whose canary fails at a rate."""
    chance, looks = np.random.default_rng(11), int(seconds / every)
    found = []
    for number in range(RUNS):
        requests = chance.poisson(rate * every, looks)
        n_c = chance.binomial(requests, share / 100)
        n_s = requests - n_c
        arms = [np.stack([n, chance.binomial(n, p)], axis=1) for n, p in ((n_s, stable), (n_c, canary))]
        table = np.stack(arms, axis=1).astype(float)
        run = Run(name=str(number), times=every * np.arange(looks), steps=None, counts={"errors": table}, buckets={})
        found.append(run)
    return found


def sight(rate: float, share: float, errors: float, *, hold: float = 600.0) -> Sight:
    """What one step sees of errors."""
    found = prospect(config(), Traffic(rate=rate, errors=errors, every=5.0), share=share, hold_min=60.0, hold_max=hold)
    return found.sights[0]


CASES = [(200.0, 5.0, 0.002), (50.0, 20.0, 0.01), (25.0, 50.0, 0.001)]


@pytest.mark.parametrize(("rate", "share", "errors"), CASES)
def test_the_smallest_rate_that_is_seen_is_condemned_in_nine_of_ten_releases(
    rate: float, share: float, errors: float
) -> None:
    seen = sight(rate, share, errors)
    assert seen.late is not None
    runs = played(rate, share, errors, seen.late, seconds=600)
    condemned = np.mean([result.unhealthy_t is not None for result in judge(runs, Question())])
    assert 0.84 <= condemned <= 0.98


@pytest.mark.parametrize(("rate", "share", "errors"), CASES)
def test_twice_what_is_tolerated_is_condemned_within_the_hold_that_it_is_said_to_take(
    rate: float, share: float, errors: float
) -> None:
    seen = sight(rate, share, errors)
    assert seen.wanted == pytest.approx(2 * (1.5 * errors + 0.002))
    assert seen.wanted_after is not None
    runs = played(rate, share, errors, seen.wanted, seconds=seen.wanted_after)
    condemned = np.mean([result.unhealthy_t is not None for result in judge(runs, Question())])
    assert 0.84 <= condemned <= 0.99


@pytest.mark.parametrize(("rate", "share", "errors"), CASES)
def test_an_equal_canary_is_healthy_after_about_as_long_as_is_said(rate: float, share: float, errors: float) -> None:
    expected = sight(rate, share, errors).confirmed_after
    assert expected is not None
    runs = played(rate, share, errors, errors, seconds=4 * expected)
    # Each run's first HEALTHY; those that never were count as long as they lasted.
    took = [result.healthy_t if result.healthy_t is not None else 4 * expected for result in judge(runs, Question())]
    assert 0.7 * expected <= np.mean(took) <= 1.4 * expected


def test_where_nothing_can_be_seen_it_is_said_and_nothing_is_seen() -> None:
    quiet = prospect(config(), Traffic(rate=0.2, errors=0.01, every=5.0), share=1, hold_min=60, hold_max=600)
    assert quiet.blind
    assert quiet.sights[0].anything_after is not None
    assert quiet.sights[0].anything_after > 600
    runs = played(0.2, 1.0, 0.01, 1.0, seconds=600)
    condemned = np.mean([result.unhealthy_t is not None for result in judge(runs, Question())])
    assert condemned <= 0.1


def test_without_errors_and_without_an_absolute_tolerance_nothing_is_ever_confirmed() -> None:
    metric = MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.0)
    found = prospect(
        JudgeConfig(metrics=(metric,)), Traffic(rate=50, errors=0.0, every=5.0), share=50, hold_min=60, hold_max=600
    )
    assert found.healthy_after is None


BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0)


@settings(derandomize=True, deadline=None)
@given(
    milliseconds=st.lists(st.integers(1, 1500), min_size=200, max_size=300),
    bound=st.sampled_from(BOUNDS),
    rate=st.floats(0.001, 0.9),
)
def test_a_shift_in_time_that_is_said_to_be_seen_is_whatever_the_latencies_are(
    milliseconds: list[int], bound: float, rate: float
) -> None:
    """Also within buckets: by the times themselves, which the buckets do not tell."""
    times = np.array(milliseconds) / 1000
    histogram = {one: int((times <= one).sum()) for one in BOUNDS} | {math.inf: len(times)}
    found = shift(histogram, bound=bound, rate=rate)
    if found is None:
        assert all((times > one).mean() < rate for one in BOUNDS if one < bound)
        return
    assert (times * found.times > bound * (1 - 1e-9)).mean() >= rate
    assert (times + found.longer > bound - 1e-9).mean() >= rate
    between = [one for one in BOUNDS if found.beyond < one < bound]
    assert all((times > one).mean() < rate for one in between), "no smaller one is certain"


def test_with_the_histogram_the_bounds_are_those_that_the_judge_will_choose() -> None:
    metric = MetricConfig(name="latency", kind="latency", relative=0.2, absolute=0.002)
    asked = JudgeConfig(metrics=(metric,))
    histogram = {0.05: 620, 0.1: 910, 0.25: 960, 0.5: 992, 1.0: 999, math.inf: 1000}
    traffic = Traffic(rate=50, errors=0.0, every=5.0, latency={"latency": histogram})
    found = prospect(asked, traffic, share=50, hold_min=60, hold_max=600)
    chosen = [bound for bound, _, confirm in choose_bounds(histogram, relative=0.2) if confirm]
    assert [one.metric for one in found.sights] == [f"slower than {bound * 1000:g} ms" for bound in chosen]
    assert [one.quantile for one in found.sights] == [0.5, 0.95, 0.99]


def test_latency_is_planned_without_the_time_in_which_new_pods_warm_up() -> None:
    latency = MetricConfig(name="latency", kind="latency", relative=0.2, absolute=0.002)
    cold = JudgeConfig(metrics=(*config().metrics, latency), warmup=60.0)
    traffic = Traffic(rate=200.0, errors=0.005, every=5.0)
    found = prospect(cold, traffic, share=20.0, hold_min=60.0, hold_max=660.0)
    warm = prospect(replace(cold, warmup=0.0), traffic, share=20.0, hold_min=60.0, hold_max=600.0)
    longer = prospect(replace(cold, warmup=0.0), traffic, share=20.0, hold_min=60.0, hold_max=660.0)
    assert found.sights[0] == longer.sights[0], "errors count from the first request"
    for mine, usual in zip(found.sights[1:], warm.sights[1:], strict=True):
        assert (mine.cold, usual.cold, mine.soon, mine.late) == (60.0, 0.0, None, usual.late)
        for after in ("wanted_after", "anything_after", "confirmed_after"):
            assert getattr(mine, after) == pytest.approx(getattr(usual, after) + 60.0)


def test_a_tolerance_in_time_is_planned_where_the_histogram_is_known() -> None:
    metric = MetricConfig(name="latency", kind="latency", relative=0.0, absolute=0.0, slower=1.0)
    histogram = {0.05: 620, 0.1: 910, 0.25: 960, 0.5: 992, 1.0: 999, math.inf: 1000}
    traffic = Traffic(rate=500, errors=0.0, every=5.0, latency={"latency": histogram})
    asked = JudgeConfig(metrics=(metric,))
    found = prospect(asked, traffic, share=50, hold_min=60, hold_max=600)
    assert found.sights
    assert all(one.tolerated == one.stable for one in found.sights)
    blind = prospect(asked, Traffic(rate=500, errors=0.0, every=5.0), share=50, hold_min=60, hold_max=600)
    assert not blind.sights


@given(
    seconds=st.floats(0.001, 1e4), scrape=st.floats(0, 60), look=st.floats(0.5, 60), gateway=st.none() | st.just(2.0)
)
def test_a_reaction_is_the_sum_of_its_parts_and_takes_two_looks(
    seconds: float, scrape: float, look: float, gateway: float | None
) -> None:
    found = reaction(seconds, scrape=scrape, look=look, gateway=gateway)
    assert found.looks >= 2
    assert found.judging >= max(seconds, 2 * look, 2 * scrape) * (1 - 1e-9)
    assert found.judging <= max(seconds + max(look, scrape), 2 * max(look, scrape)) * (1 + 1e-9)
    assert found.expected <= found.worst


@settings(derandomize=True, deadline=None)
@given(
    rate=st.floats(1e-3, 1e6),
    errors=st.floats(0.0, 1.0),
    share=st.floats(0.0001, 99.9999),
    relative=st.floats(0.0, 2.0),
    absolute=st.floats(0.0, 0.5),
    hold=st.floats(0.0, 3600.0),
)
def test_every_prospect_is_in_range_and_more_hold_sees_no_less(
    *, rate: float, errors: float, share: float, relative: float, absolute: float, hold: float
) -> None:
    latency = MetricConfig(name="latency", kind="latency", relative=relative, absolute=absolute)
    asked = JudgeConfig(metrics=(*config(relative, absolute).metrics, latency))
    found: Prospect = prospect(
        asked, Traffic(rate=rate, errors=errors, every=1.0), share=share, hold_min=hold, hold_max=2 * hold
    )
    assert [one.metric for one in found.sights] == ["errors", "slower than p50", "slower than p95", "slower than p99"]
    assert sum(found.stable) + sum(found.canary) == pytest.approx(3 * rate * hold)
    for one in found.sights:
        for seen in (one.soon, one.late):
            assert seen is None or min(one.tolerated, 1.0) <= seen <= 1.0
        if one.soon is not None:
            assert one.late is not None
            assert one.late <= one.soon * (1 + 1e-6)
        for after in (one.wanted_after, one.anything_after, one.confirmed_after):
            assert after is None or 0 < after <= NEVER
