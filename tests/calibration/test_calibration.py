"""Stable against stable: what is found of a past whose chances are known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.calibration import LAG, Past, Scarce, Stage, arms_of, at_share, calibrate, of_samples, pods_of, scatter
from analysis.calibration.trial import LEARNED, interval
from analysis.calibration.worsen import failing, rate_of, slower
from analysis.judge import JudgeConfig, MetricConfig
from analysis.model import Arm
from analysis.sources import Key, Role, Sample

CONFIG = JudgeConfig(metrics=(MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.002),))
BOUNDS = np.array([0.01, 0.1, 1.0, np.inf])


def past(
    looks: int = 720, *, rate: float = 1000.0, errors: float = 0.01, cv: float = 0.0, lasting: int = 1, seed: int = 1
) -> Past:
    """Errors that come in bursts of some looks with this variation."""
    chance = np.random.default_rng(seed)
    total = chance.poisson(rate, looks)
    swing = np.repeat(chance.gamma(1 / cv**2, cv**2, looks), lasting)[:looks] if cv else np.ones(looks)
    table = np.zeros((looks, 2, 2))
    table[:, 0] = np.stack([total, chance.binomial(total, np.minimum(1.0, errors * swing))], axis=1)
    return Past(times=5.0 * np.arange(looks), counts={"errors": table}, buckets={})


def test_errors_that_fail_independently_have_no_dispersion_and_bursts_have_theirs() -> None:
    assert scatter(CONFIG, past(), shares=[5, 50])["errors"] < 1.4
    bursty = scatter(CONFIG, past(cv=0.7), shares=[50])["errors"]
    # Per look and arm 500 requests at 1 %: the difference of two gammas adds 5 * 0.49 to a variance of 1.
    assert bursty == pytest.approx(1 + 5 * 0.49, rel=0.35)


def test_a_release_against_itself_is_not_rolled_back_and_a_bad_one_is() -> None:
    found = calibrate(CONFIG, [past(360)], [Stage(5, 100), Stage(50, 200)])
    assert (found.false, len(found.releases), found.whole) == (0, (360 - LAG) // (60 + LEARNED), True)
    assert found.interval == (0.0, pytest.approx(scipy.stats.beta.ppf(0.975, 1, len(found.releases))))
    worst = found.caught[0]
    assert (worst.factor, worst.caught) == (100, worst.releases)
    smallest = found.smallest("errors")
    assert smallest is not None
    assert 1.5 <= smallest.factor <= 5
    assert [one.caught for one in found.caught] == sorted((one.caught for one in found.caught), reverse=True)


def test_bursts_that_condemn_without_their_dispersion_condemn_nobody_with_it() -> None:
    found = calibrate(CONFIG, [past(480, cv=1.0, rate=5000.0, lasting=15)], [Stage(50, 200)])
    assert found.scatter["errors"] > 20
    assert found.unaware >= 3
    assert found.false == 0


def test_runs_are_pasts_of_their_own_and_pods_take_turns() -> None:
    runs = calibrate(CONFIG, [past(100), past(130, seed=2)], [Stage(50, 200)])
    assert len(runs.releases) == (100 - LAG) // 46 + (130 - LAG) // 46
    pods = []
    for number in (1, 2):
        one = past(100, seed=number)
        one.counts["errors"][:, 1] = past(100, seed=9).counts["errors"][:, 0]
        pods.append(Past(times=one.times, counts=one.counts, buckets={}, pod=f"pod=p{number}"))
    found = calibrate(CONFIG, pods, [Stage(50, 200)])
    assert (found.split, len(found.releases)) == ("pod=p1, pod=p2", 100 // 46)


def test_too_little_is_refused_with_how_much_there_is() -> None:
    with pytest.raises(Scarce, match="59 looks to compare"):
        calibrate(CONFIG, [past(59 + LAG)], [Stage(50, 200)])
    with pytest.raises(Scarce, match="there are 0 looks"):
        of_samples([], metrics={"errors": False}, every=5.0)


def sample(time: float, value: float, *, role: Role = Role.TOTAL, pod: str = "a", arm: Arm = Arm.STABLE) -> Sample:
    return Sample(Key("errors", arm, role), f"|code=200,pod={pod}", time, value)


def test_counters_become_looks_over_resets_and_births_without_a_canarys() -> None:
    samples = [sample(5.0 * i, 100.0 * i) for i in range(100)]
    samples += [sample(5.0 * i, 100.0 * (i - 100)) for i in range(100, 200)]  # began again
    samples += [sample(5.0 * i, 10.0 * (i - 50), role=Role.BAD, pod="b") for i in range(51, 200)]
    # In the look of the reset nothing was counted: what was bad in it waits for the next.
    samples += [sample(5.0 * i, 7.0 * i, arm=Arm.CANARY) for i in range(200)]
    found = of_samples(samples, metrics={"errors": False}, every=5.0)
    assert found.counts["errors"][:, 0].sum(axis=0).tolist() == [(199 - 24 - 1) * 100.0, 149 * 10.0]
    assert found.counts["errors"][:, 1].sum() == 0
    assert pods_of(samples, "pod") == ("pod=a", "pod=b")
    assert pods_of(samples, "node") == ()


def test_a_pod_is_the_second_arm() -> None:
    samples = [sample(5.0 * i, 100.0 * i, pod=pod) for i in range(120) for pod in ("a", "b.c")]
    found = of_samples(samples, metrics={"errors": False}, every=5.0, pod="pod=b.c")
    assert found.counts["errors"][:, 0].tolist() == found.counts["errors"][:, 1].tolist()


@settings(max_examples=50, derandomize=True, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(0, 400), min_size=4, max_size=4), min_size=1, max_size=6),
    share=st.floats(0.01, 99.9),
    seed=st.integers(0, 9),
)
def test_thinning_keeps_whole_requests_of_each_kind_and_the_share(
    rows: list[list[int]], share: float, seed: int
) -> None:
    table = np.cumsum(np.array(rows, dtype=float), axis=1)
    both = np.stack([table, table], axis=1)
    given_past = Past(times=np.arange(len(rows)), counts={}, buckets={"latency": (BOUNDS, both)})
    thinned = at_share(arms_of(given_past, lag=0), share=share, seed=seed).buckets["latency"][1]
    single = np.diff(thinned, axis=2, prepend=0.0)
    assert (single >= 0).all()
    assert (single <= np.diff(both, axis=2, prepend=0.0)).all()
    for arm, part in ((0, 1 - share / 100), (1, share / 100)):
        assert np.abs(thinned[:, arm, -1] - table[:, -1] * part).max() <= 1.0


@settings(max_examples=50, derandomize=True, deadline=None)
@given(
    row=st.lists(st.integers(0, 400), min_size=4, max_size=4),
    factor=st.floats(1.0, 200.0),
    more=st.floats(1.0, 3.0),
)
def test_slower_is_never_faster_and_loses_nobody(row: list[int], factor: float, more: float) -> None:
    table = np.cumsum(np.array([[row, row]], dtype=float), axis=2)
    given_past = Past(times=np.zeros(1), counts={}, buckets={"latency": (BOUNDS, table)})
    moved, further = (
        slower(given_past, "latency", factor=times).buckets["latency"][1] for times in (factor, factor * more)
    )
    assert (moved[:, 0] == table[:, 0]).all()
    assert (moved[:, 1, -1] == table[:, 1, -1]).all()
    assert (np.diff(moved, axis=2) >= 0).all()
    assert (further <= moved).all()
    assert (moved <= table).all()


def test_ten_times_as_slow_moves_every_request_one_decade_on() -> None:
    table = np.array([[[0, 0, 0, 0], [10, 30, 60, 70]]], dtype=float)
    moved = slower(Past(times=np.zeros(1), counts={}, buckets={"l": (BOUNDS, table)}), "l", factor=10.0)
    assert moved.buckets["l"][1][0, 1].tolist() == [1, 10, 30, 70]


@pytest.mark.parametrize("factor", [2.0, 10.0, 1000.0])
def test_more_errors_are_as_many_more_as_asked(factor: float) -> None:
    one = past(2000)
    one.counts["errors"][:, 1] = one.counts["errors"][:, 0]
    worse = failing(one, "errors", factor=factor, seed=3).counts["errors"][:, 1].sum(axis=0)
    assert worse[1] / worse[0] == pytest.approx(min(1.0, factor * rate_of(one, "errors")), rel=0.03)


@pytest.mark.parametrize(("found", "of"), [(0, 1), (0, 30), (3, 30), (30, 30)])
def test_the_interval_is_scipys(found: int, of: int) -> None:
    exact = scipy.stats.binomtest(found, of).proportion_ci(method="exact")
    assert interval(found, of) == pytest.approx((exact.low, exact.high))
