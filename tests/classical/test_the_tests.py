"""The classical tests against other ways to compute the same, and what their p-values are worth."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from analysis.classical import FixedTest
from analysis.classical.tests import calibrated, correlation, log_evalue, of_counts, of_values

CALM = settings(derandomize=True, deadline=None, max_examples=60)
VALUES = st.lists(st.integers(-50, 50).map(float), min_size=3, max_size=5)


def by_enumeration(stable: list[float], canary: list[float], statistic: object) -> float:
    """How often a division of the same values at random is at least as far."""
    every = [*canary, *stable]
    here = statistic(canary, stable)  # type: ignore[operator]
    found = [
        statistic([every[i] for i in chosen], [every[i] for i in range(len(every)) if i not in chosen])  # type: ignore[operator]
        for chosen in combinations(range(len(every)), len(canary))
    ]
    return sum(one >= here - 1e-12 for one in found) / len(found)


def above(one: list[float], other: list[float]) -> float:
    return sum((a > b) + 0.5 * (a == b) for a in one for b in other)


def gap(one: list[float], other: list[float]) -> float:
    """By how much at most the other's distribution function is over the one's."""
    return max(sum(b <= x for b in other) / len(other) - sum(a <= x for a in one) / len(one) for x in [*one, *other])


@given(stable=VALUES, canary=VALUES)
@CALM
def test_mann_whitney_and_kolmogorov_smirnov_are_those_of_enumeration(stable: list[float], canary: list[float]) -> None:
    if len({*stable, *canary}) < len(stable) + len(canary):
        return
    for kind, statistic in (("mannWhitney", above), ("kolmogorovSmirnov", gap)):
        p = of_values(FixedTest(kind=kind, after=1), stable, canary)  # type: ignore[arg-type]
        assert p == pytest.approx(by_enumeration(stable, canary, statistic), abs=1e-9)


@given(stable=VALUES, canary=VALUES, worse=st.sampled_from(["higher", "lower"]))
@CALM
def test_welch_is_the_formula_of_the_textbook(stable: list[float], canary: list[float], worse: str) -> None:
    one, other = (np.var(values, ddof=1) / len(values) for values in (canary, stable))
    if not one or not other:
        return
    t = (np.mean(canary) - np.mean(stable)) / math.sqrt(one + other) * (1 if worse == "higher" else -1)
    freedom = (one + other) ** 2 / (one**2 / (len(canary) - 1) + other**2 / (len(stable) - 1))
    tail = special.betainc(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2
    p = of_values(FixedTest(kind="welch", after=1, worse=worse), stable, canary)  # type: ignore[arg-type]
    assert p == pytest.approx(tail if t > 0 else 1 - tail, abs=1e-9)


def test_welch_refuses_what_it_cannot_measure() -> None:
    with pytest.raises(ValueError, match="use mannWhitney"):
        of_values(FixedTest(kind="welch", after=1), [1.0] * 5, [2.0] * 5)


@given(n_s=st.integers(1, 30), n_c=st.integers(1, 30), data=st.data())
@CALM
def test_fisher_is_the_sum_over_the_tables(n_s: int, n_c: int, data: st.DataObject) -> None:
    x_s, x_c = data.draw(st.integers(0, n_s)), data.draw(st.integers(0, n_c))
    bad, every = x_s + x_c, math.comb(n_s + n_c, x_s + x_c)
    tail = sum(math.comb(n_c, k) * math.comb(n_s, bad - k) for k in range(x_c, min(bad, n_c) + 1)) / every
    assert of_counts(FixedTest(kind="fisher", after=1), (x_s, n_s, x_c, n_c)) == pytest.approx(tail, abs=1e-9)


@given(n_s=st.integers(20, 5000), n_c=st.integers(20, 5000), a=st.floats(0.01, 0.9), c=st.floats(0.01, 0.9))
@CALM
def test_proportions_without_a_tolerance_is_the_pooled_z(n_s: int, n_c: int, a: float, c: float) -> None:
    x_s, x_c = round(a * n_s), round(c * n_c)
    pooled = (x_s + x_c) / (n_s + n_c)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n_s + 1 / n_c))
    z = (x_c / n_c - x_s / n_s) / spread if spread else 0.0
    p = of_counts(FixedTest(kind="proportions", after=1), (x_s, n_s, x_c, n_c))
    assert p == pytest.approx(float(stats.norm.sf(z)) if z > 0 else 1.0, abs=1e-9)


@pytest.mark.parametrize("kind", ["mannWhitney", "welch", "kolmogorovSmirnov"])
@pytest.mark.parametrize("worse", ["higher", "lower", "either"])
def test_at_the_tolerance_a_gauge_is_condemned_no_more_often_than_stated(kind: str, worse: str) -> None:
    chance = np.random.default_rng(4)
    how = FixedTest(kind=kind, after=1, worse=worse, relative=0.2, absolute=1.0)  # type: ignore[arg-type]
    direction = -1 if worse == "lower" else 1
    found = []
    for _ in range(120):
        stable = chance.normal(100, 10, 20)
        other = chance.normal(100, 10, 20)
        found.append(of_values(how, stable.tolist(), (other + direction * (abs(other) * 0.2 + 1.0)).tolist()))
    assert sum(p <= 0.05 for p in found) <= stats.binom.ppf(0.9999, 120, 0.05)
    worse_still = (chance.normal(100, 10, 20) + direction * 60).tolist()
    assert of_values(how, chance.normal(100, 10, 20).tolist(), worse_still) < 1e-4


def test_at_the_bound_the_z_test_with_a_tolerance_keeps_its_level() -> None:
    chance = np.random.default_rng(5)
    how = FixedTest(kind="proportions", after=1, relative=0.5, absolute=0.002)
    rejected = 0
    for _ in range(600):
        x_s, x_c = chance.binomial(20_000, 0.01), chance.binomial(2_000, 0.017)
        rejected += of_counts(how, (x_s, 20_000, x_c, 2_000)) <= 0.05
    assert stats.binom.ppf(0.0005, 600, 0.03) <= rejected <= stats.binom.ppf(0.9999, 600, 0.055)


@given(level=st.floats(1e-6, 0.2))
@CALM
def test_half_of_a_looks_level_condemns_alone_and_the_whole_of_it_does_not(level: float) -> None:
    assert calibrated(0.25) == 1.0
    assert math.exp(log_evalue(level / 2, level=level)) * level >= 1.0
    assert math.exp(log_evalue(level, level=level)) * level < 1.0


def test_the_expected_evidence_is_at_most_one() -> None:
    ps = (np.arange(20_000) + 0.5) / 20_000
    for level in (0.001, 0.01, 0.1):
        mean = float(np.mean([math.exp(log_evalue(float(p), level=level)) for p in ps]))
        assert mean == pytest.approx(1.0, abs=0.02)


def test_correlation_tells_a_slow_gauge_from_noise() -> None:
    chance = np.random.default_rng(6)
    noise = chance.normal(size=400)
    assert abs(correlation(noise.tolist())) < 0.2
    assert correlation(np.cumsum(noise).tolist()) > 0.9
    assert correlation([3.0] * 9) == correlation([]) == 0.0
