"""The e-value of one look keeps its promise exactly: no expectation above 1 anywhere in the null."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, stats

from analysis.judge.accounts import CAP, EFFECTS
from analysis.judge.asked import Asked, Counted
from analysis.judge.book import EASED, HEALTH_CAP, Book
from analysis.judge.config import JudgeConfig, MetricConfig
from analysis.judge.evalue import bound, boundary_point, log_evalue, log_evalue_one_arm, odds_above

Array = NDArray[np.float64]

CONFIG = JudgeConfig(metrics=(MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.002),))
RATES = st.floats(0.0005, 0.9)
RELATIVE = st.sampled_from([0.0, 0.1, 0.5, 1.0])
ABSOLUTE = st.sampled_from([0.0, 0.001, 0.01, 0.1])
SIZES = st.integers(1, 14)
EFFECT = st.sampled_from([*EFFECTS, 0.0])


@dataclass(kw_only=True)
class Case:
    """An alternative, a tolerance and the sizes of a look; without an effect it tests for health: c = a."""

    a: float
    effect: float
    n_s: float
    n_c: float
    relative: float
    absolute: float

    @property
    def tolerated(self) -> float:
        return self.b(self.a)

    @property
    def c(self) -> float:
        return float(odds_above(np.array(self.tolerated), np.array([self.effect]))[0]) if self.effect else self.a

    @property
    def comparable(self) -> bool:
        return self.tolerated < 0.999 and not (self.effect == 0 and self.tolerated == self.a)

    def b(self, theta: float) -> float:
        return theta * (1 + self.relative) + self.absolute

    def arrays(self, size: int = 1) -> dict[str, Array]:
        values = {"a": self.a, "c": self.c, "n_s": self.n_s, "n_c": self.n_c}
        values |= {"relative": self.relative, "absolute": self.absolute}
        return {name: np.full(size, value, dtype=float) for name, value in values.items()}


SMALL = st.builds(Case, a=RATES, effect=EFFECT, n_s=SIZES, n_c=SIZES, relative=RELATIVE, absolute=ABSOLUTE).filter(
    lambda case: case.comparable
)
LARGE = st.builds(
    Case,
    a=st.floats(-9, -0.05).map(lambda power: 10.0**power),
    effect=EFFECT,
    n_s=st.floats(0, 6).map(lambda power: float(round(10.0**power))),
    n_c=st.floats(0, 6).map(lambda power: float(round(10.0**power))),
    relative=RELATIVE,
    absolute=ABSOLUTE,
).filter(lambda case: case.comparable)


def expectation(log_e: Array, case: Case, *, theta_s: float, theta_c: float) -> float:
    """Of an e-value given for every outcome, by enumeration."""
    chance_s = stats.binom.pmf(np.arange(case.n_s + 1), case.n_s, theta_s)
    chance_c = stats.binom.pmf(np.arange(case.n_c + 1), case.n_c, theta_c)
    return float(chance_s @ np.exp(log_e) @ chance_c)


def every_outcome(case: Case) -> Array:
    x_s, x_c = np.meshgrid(np.arange(case.n_s + 1.0), np.arange(case.n_c + 1.0), indexing="ij")
    return log_evalue(x_s=x_s, x_c=x_c, **case.arrays())


@settings(max_examples=250, deadline=None, derandomize=True)
@given(case=SMALL)
def test_no_evidence_is_expected_anywhere_in_the_null(case: Case) -> None:
    """Of harm from a canary at or within the bound; of health from one at or beyond it."""
    log_e = every_outcome(case)
    cap = CAP * np.log(100) if case.effect else HEALTH_CAP * np.log(20)
    for theta_s in (1e-4, 0.003, 0.05, case.a, 0.4, 0.8):
        edge = case.b(theta_s)
        null = (edge, 0.9 * edge, 0.3 * edge, 0.0) if case.effect else (edge, 1.5 * edge, 0.5 * (1 + edge), 1.0)
        for theta_c in null:
            if not edge <= theta_c <= 1 and not case.effect:
                continue
            where = {"theta_s": theta_s, "theta_c": min(1.0, theta_c)}
            assert expectation(log_e, case, **where) <= 1 + 1e-12
            assert expectation(np.minimum(log_e, cap), case, **where) <= 1 + 1e-12
            assert expectation(np.minimum(log_e / 2.5, cap), case, **where) <= 1 + 1e-12, "tempered by a dispersion"


@pytest.mark.parametrize(("rate", "relative", "absolute"), [(0.02, 0.5, 0.15), (0.3, 0.2, 0.15), (0.1, 1.0, 0.05)])
def test_no_health_is_expected_of_a_canary_at_the_bound_or_beyond_by_a_look_of_many_requests(
    rate: float, relative: float, absolute: float
) -> None:
    """By all outcomes of a look whose factor is eased, because an equal canary would be expected to win more."""
    n = 70
    x_s, x_c = (grid.ravel() for grid in np.meshgrid(np.arange(n + 1.0), np.arange(n + 1.0), indexing="ij"))
    size = np.full(len(x_s), float(n))
    asked = Asked.of(CONFIG, relative=np.full(len(x_s), relative), absolute=np.full(len(x_s), absolute))
    book = Book.fresh(len(x_s))
    book.memory[:] = [1e6 * rate, 1e6, 100.0, 0.0]
    log_e = book.compare(Counted(x_s, size, x_c, size), asked, part=0.0, interval=False).health
    for theta_s in (1e-3, rate, 0.5):
        edge = theta_s * (1 + relative) + absolute
        for theta_c in (edge, 0.5 * (1 + edge)):
            chance = stats.binom.pmf(x_s, n, theta_s) * stats.binom.pmf(x_c, n, min(1.0, theta_c))
            assert chance @ np.exp(log_e) <= 1 + 1e-12
    equal = stats.binom.pmf(x_s, n, rate) * stats.binom.pmf(x_c, n, rate)
    unmoved = log_e[(x_s == round(n * rate)) & (x_c == round(n * rate))][0]
    assert unmoved == pytest.approx(EASED * HEALTH_CAP * np.log(20), rel=0.35), "so it is eased"
    assert equal @ log_e > 0


@settings(max_examples=100, deadline=None, derandomize=True)
@given(limit=st.floats(0.001, 0.9), effect=st.sampled_from(list(EFFECTS)), n=st.integers(1, 40))
def test_a_limit_is_not_expected_broken_at_or_below_it(limit: float, effect: float, n: int) -> None:
    c = odds_above(np.array(limit), np.array([effect]))
    x = np.arange(n + 1.0)
    log_e = log_evalue_one_arm(x=x, n=np.full_like(x, n), limit=np.full_like(x, limit), c=np.full_like(x, c[0]))
    for theta in (limit, 0.7 * limit, 0.0):
        assert stats.binom.pmf(x, n, theta) @ np.exp(log_e) <= 1 + 1e-12


@settings(max_examples=400, deadline=None, derandomize=True)
@given(case=LARGE)
def test_the_boundary_point_is_the_nearest_one(case: Case) -> None:
    """Halley's steps against bracketed root finding."""

    def slope(s: float) -> float:
        b = case.b(s)
        return case.n_s * (s - case.a) * b * (1 - b) + case.n_c * (1 + case.relative) * (b - case.c) * s * (1 - s)

    crossing = max(0.0, (case.c - case.absolute) / (1 + case.relative))
    low, high = sorted((case.a, crossing))
    found = boundary_point(**case.arrays())[0]
    assert low <= found <= high
    if slope(low) * slope(high) < 0:
        exact = optimize.brentq(slope, low, high, xtol=1e-300, rtol=8.9e-16)
        assert found == pytest.approx(exact, rel=1e-6, abs=1e-15)


def test_nothing_is_concluded_where_nothing_can_be_compared() -> None:
    def one(**changes: float) -> float:
        values = {"x_s": 1.0, "n_s": 50.0, "x_c": 9.0, "n_c": 10.0, "a": 0.01, "c": 0.5}
        values |= {"relative": 0.5, "absolute": 0.01} | changes
        return float(log_evalue(**{name: np.array([value]) for name, value in values.items()})[0])

    assert one() > 0
    assert one(n_s=0, x_s=0) == 0
    assert one(n_c=0, x_c=0) == 0
    assert one(a=0.8, c=0.9999) == 0, "stable fails so often that nothing is left to tolerate"
    assert one(a=float("nan")) == 0


def test_alternatives_stay_below_certainty() -> None:
    rates = odds_above(np.array([1e-9, 0.01, 0.998]), EFFECTS)
    assert (rates < 1).all()
    assert (rates > bound(np.array([[1e-9], [0.01], [0.998]]), np.array(0.0), np.array(0.0))).all()


@settings(max_examples=300, deadline=None, derandomize=True)
@given(case=LARGE)
def test_the_promise_holds_for_a_million_requests_in_a_look(case: Case) -> None:
    """The expectation has a closed form, because the log of the e-value is linear in both counts."""
    x_s, x_c = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    none, one_s, one_c = log_evalue(x_s=x_s, x_c=x_c, **case.arrays(3))
    theta_s = np.concatenate([np.geomspace(1e-10, 1, 400), case.a * np.linspace(0.5, 2, 101)])
    theta_s = theta_s[theta_s * (1 + case.relative) + case.absolute <= 1]
    theta_c = theta_s * (1 + case.relative) + case.absolute
    expected = none + case.n_s * np.log1p(theta_s * np.expm1(one_s - none))
    expected += case.n_c * np.log1p(theta_c * np.expm1(one_c - none))
    # What is left is the rounding of up to two million logarithms.
    assert expected.max() <= 1e-8


def test_the_root_is_found_at_once_by_the_slow_and_sure_way_too() -> None:
    """Halving, in 5,000 cases with up to a million requests on one arm and one on the other, in both directions."""
    chance = np.random.default_rng(5)
    k = 5_000
    a, n_s, n_c = 10.0 ** chance.uniform(-6, -0.05, k), *(np.ceil(10.0 ** chance.uniform(0, 6, (2, k))))
    relative, absolute = chance.choice([0.0, 0.2, 2.0], k), chance.choice([0.0, 0.002, 0.05], k)
    difference = chance.choice(np.geomspace(0.0003, 0.9, 15), k) * chance.choice([-1.0, 1.0], k)
    shown = chance.random(k) < 0.3
    relative, absolute = np.where(shown, 0.0, relative), np.where(shown, difference, absolute)
    b = bound(a, relative, absolute)
    harm = odds_above(np.clip(b, 1e-6, 0.99), np.array([1.3, 60.0]))[np.arange(k), chance.integers(0, 2, k)]
    c = np.where(shown | (chance.random(k) < 0.3), a, harm)
    room = b < 0.999
    a, c, n_s, n_c, relative, absolute = (one[room] for one in (a, c, n_s, n_c, relative, absolute))
    found = boundary_point(a=a, c=c, n_s=n_s, n_c=n_c, relative=relative, absolute=absolute)
    crossing = np.clip((c - absolute) / (1 + relative), 0.0, 1.0)
    low, high = np.maximum(np.minimum(a, crossing), -absolute / (1 + relative)), np.maximum(a, crossing)
    for _ in range(200):
        s = 0.5 * (low + high)
        b = s * (1 + relative) + absolute
        below = n_s * (s - a) * b * (1 - b) + n_c * (1 + relative) * (b - c) * s * (1 - s) < 0
        low, high = np.where(below, s, low), np.where(below, high, s)
    assert np.allclose(found, 0.5 * (low + high), rtol=1e-9, atol=1e-14)
