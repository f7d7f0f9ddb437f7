"""Each rule behaves as its engine documents, on requests that are counted out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judging.peers import Argo, Flagger, Kayenta
from judging.peers.kayenta import scored
from judging.peers.mannwhitney import label, shift
from judging.peers.windows import Counters
from judging.streams import BOUNDS, CANARY, Array, Stream, draw
from scipy import stats

MINUTE = 12
"""Looks of 5 s."""


def counted(*minutes: tuple[int, int], stable: tuple[int, int] = (1200, 6), slow: float = 0.0) -> Stream:
    """One run: (total, bad) of the canary in each minute, spread evenly over its looks; a share of it takes 0.8 s."""
    counts = np.zeros((1, MINUTE * len(minutes), 2, 2))
    for i, each in enumerate(minutes):
        looks = slice(MINUTE * i, MINUTE * (i + 1))
        counts[0, looks, 0], counts[0, looks, 1] = np.array(stable) / MINUTE, np.array(each) / MINUTE
    buckets = None
    if slow:
        within = np.array([(1.0 - slow) if bound < 0.8 else 1.0 for bound in BOUNDS])
        buckets = counts[:, :, :, :1] * within
        buckets[:, :, 0] = counts[:, :, 0, :1]
    return Stream(every=5.0, counts=counts, buckets=buckets)


GOOD, BAD, NONE = (1200, 0), (1200, 24), (0, 0)


def rolled_back(rule: Flagger | Argo | Kayenta, stream: Stream) -> float:
    return float(rule(stream)[0])


def test_flagger_rolls_back_on_the_tick_after_the_check_that_reached_the_threshold() -> None:
    assert rolled_back(Flagger(threshold=1), counted(GOOD, BAD, GOOD, GOOD)) == 180
    assert rolled_back(Flagger(threshold=1), counted(GOOD, GOOD, GOOD, GOOD)) == np.inf
    assert rolled_back(Flagger(threshold=1), counted(GOOD, GOOD, GOOD, BAD)) == np.inf, "the stream ends before"


def test_flaggers_failed_checks_add_up_however_many_pass_in_between() -> None:
    assert rolled_back(Flagger(threshold=3), counted(BAD, GOOD, GOOD, BAD, GOOD, BAD, GOOD)) == 420
    assert rolled_back(Flagger(threshold=4), counted(BAD, GOOD, GOOD, BAD, GOOD, BAD, GOOD)) == np.inf


def test_flagger_takes_no_values_for_a_failed_check() -> None:
    assert rolled_back(Flagger(threshold=1), counted(GOOD, NONE, GOOD, GOOD)) == 180


@pytest.mark.parametrize(("bad", "until"), [(12, np.inf), (13, 120)])
def test_flagger_tolerates_one_percent_of_errors(bad: int, until: float) -> None:
    assert rolled_back(Flagger(threshold=1), counted((1200, bad), GOOD, GOOD)) == until


@pytest.mark.parametrize(("slow", "until"), [(0.005, np.inf), (0.02, 120)])
def test_flagger_tolerates_half_a_second_at_p99(slow: float, until: float) -> None:
    assert rolled_back(Flagger(threshold=1), counted(GOOD, GOOD, GOOD, slow=slow)) == until


def test_flagger_does_not_look_at_stable() -> None:
    assert rolled_back(Flagger(threshold=1), counted(BAD, BAD, BAD, stable=(1200, 600))) == 120


def test_argo_rolls_back_at_the_fourth_failed_measurement() -> None:
    """The first measurement waits for two samples, with errors in between; then one comes every five minutes."""
    bad = [(1200, 120)] * 20
    assert rolled_back(Argo(), counted(*bad)) == 30 + 3 * 300
    assert rolled_back(Argo(failure_limit=0), counted(*bad)) == 30
    assert rolled_back(Argo(), counted(*bad[:15])) == np.inf


def test_argos_example_sees_only_the_last_two_samples_before_it_measures() -> None:
    between = [(1200, 1200) if minute % 5 in {2, 3} else GOOD for minute in range(30)]
    assert rolled_back(Argo(), counted(*between)) == np.inf, "two minutes of each five all failing"


def test_argo_tolerates_five_percent_of_errors() -> None:
    assert rolled_back(Argo(failure_limit=0), counted(*[(1200, 60)] * 6)) == np.inf
    assert rolled_back(Argo(failure_limit=0), counted(*[(1200, 61)] * 6)) == 30


def test_argo_fails_a_release_without_traffic_after_five_errors_ten_seconds_apart() -> None:
    assert rolled_back(Argo(), counted(*[NONE] * 5)) == 40


def test_argo_takes_no_requests_between_two_samples_for_a_failure() -> None:
    quiet = [GOOD, GOOD, *[NONE] * 30]
    assert rolled_back(Argo(), counted(*quiet)) == 30 + 4 * 300


FEW = st.lists(st.integers(0, 12).map(float), min_size=4, max_size=12).map(np.array)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(canary=FEW, baseline=FEW)
def test_the_interval_excludes_zero_exactly_when_the_test_rejects(canary: Array, baseline: Array) -> None:
    """scipy's Mann-Whitney test as the oracle, where no differences are zero and the quantile can be reached."""
    canary = canary + 0.5

    def oracle(one: Array, other: Array) -> float:
        return float(stats.mannwhitneyu(one, other, alternative="greater", method="asymptotic").pvalue)

    reachable = oracle(100.0 + np.arange(len(canary)), np.arange(len(baseline)) * 1.0) < 0.01
    found = oracle(canary, baseline)
    if reachable and abs(found - 0.01) > 0.004:
        assert (shift(canary, baseline)[0] > 0) == (found < 0.01)


def test_the_estimate_is_the_median_of_all_differences() -> None:
    canary, baseline = np.array([1.0, 5.0, 9.0]), np.array([0.0, 2.0])
    assert shift(canary, baseline)[1] == np.median([1.0, -1.0, 5.0, 3.0, 9.0, 7.0])


def test_kayenta_calls_two_small_samples_high_that_do_not_overlap() -> None:
    """Documented nowhere, reproduced from its source: two points are enough."""
    assert label(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == "High"
    assert label(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == "Low"
    assert label(np.array([2.0, 4.0]), np.array([1.0, 3.0])) == "Pass"


def test_kayenta_passes_equal_samples_and_asks_for_a_quarter_of_the_shift() -> None:
    same = np.array([1.0, 2.0, 3.0])
    assert label(same, same[::-1]) == "Pass"
    assert label(np.full(9, 2.0), np.full(9, 2.0)) == "Pass"
    wide = np.array([0.1, 0.2, 0.2, 8.0, 8.0, 9.0, 9.0, 9.0, 9.0])
    lower, estimate, _ = shift(wide, np.zeros(9))
    assert 0 < lower < 0.25 * estimate
    assert label(wide, np.zeros(9)) == "Pass"


def test_kayenta_has_no_data_where_all_values_are_missing() -> None:
    assert label(np.full(3, np.nan), np.ones(3)) == "Nodata"


@pytest.mark.parametrize(
    ("labels", "score"),
    [(["Pass"], 100), (["High"], 0), (["Pass", "High", "Pass"], 200 / 3), (["Pass", "Nodata"], 0), (["Low"], 100)],
)
def test_kayentas_score(labels: list[str], score: float) -> None:
    assert scored(labels) == pytest.approx(score)


def test_a_group_without_data_counts_as_passed() -> None:
    assert scored(["Pass", "Pass", "Nodata"]) == 100


def test_kayenta_ends_a_run_at_the_first_interval_whose_score_is_not_above_marginal() -> None:
    chance = np.random.default_rng(1)
    bad = draw(chance, 20, rps=100, share=50, stable=0.005, canary=0.2)
    assert (Kayenta()(bad) == 600).all()
    good = draw(chance, 20, rps=100, share=50, stable=0.005, canary=0.005)
    assert np.isinf(Kayenta()(good)).mean() > 0.8


def test_kayenta_misses_half_a_percent_to_two_at_fifty_requests_a_minute() -> None:
    """As its users report (kayenta#780, #426): caught in one release of ten in half an hour."""
    stream = draw(np.random.default_rng(1), 200, rps=100 / 60, share=50, stable=0.005, canary=0.02, looks=360)
    seen = np.isfinite(Kayenta(interval=1800.0)(stream)).mean()
    assert 0.03 < seen < 0.25


@pytest.mark.parametrize(("points", "chance"), [(2, 0.107), (3, 0.024), (4, 0.005)])
def test_kayenta_calls_equal_samples_high_as_often_as_was_found_of_it(points: int, chance: float) -> None:
    """The rates of `reference/peers.md` 2.3, which were computed without this code; 4,000 samples, 4 deviations."""
    drawn = np.random.default_rng(points).normal(10.0, 1.0, (4_000, 2, points))
    seen = np.mean([label(canary, baseline) == "High" for canary, baseline in drawn])
    assert abs(seen - chance) < 4 * np.sqrt(chance * (1 - chance) / 4_000)


def test_a_quantile_is_linear_inside_its_bucket_as_prometheus_has_it() -> None:
    within = np.array([0, 0, 10, 10, 30, 40, 40, 40, 40, 40.0])
    stream = Stream(every=5.0, counts=np.full((1, 1, 2, 2), 40.0), buckets=np.tile(within, (1, 1, 2, 1)))
    counters = Counters.of(stream, CANARY)
    assert counters.quantile(0.5, 0, 5)[0] == pytest.approx(0.1 + 0.15 * 0.5)
    assert counters.quantile(0.99, 0, 5)[0] == pytest.approx(0.25 + 0.25 * 0.96)
    assert np.isnan(counters.quantile(0.5, 5, 5)[0])
