"""Wealth is neither made nor lost but by looks; the ratio of the rates is not moved by the shares."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.judge import rates
from analysis.judge.accounts import CAP, EFFECT_WEIGHTS, EFFECTS, HOT, Wealth, heated, move, picky
from analysis.judge.asked import Asked, Counted
from analysis.judge.book import Book
from analysis.judge.config import JudgeConfig, MetricConfig
from analysis.judge.dispersion import Dispersion

CONFIG = JudgeConfig(metrics=(MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.002),))
LOGS = st.floats(-40, 40)
WEALTH = st.builds(
    lambda cash, held: Wealth(np.array([cash]), np.array([held])),
    LOGS,
    st.lists(LOGS, min_size=len(EFFECTS), max_size=len(EFFECTS)),
)


def test_a_release_begins_with_a_wealth_of_one() -> None:
    assert Wealth.fresh(3).evidence() == pytest.approx(np.zeros(3), abs=1e-12)
    assert pytest.approx(1.0) == EFFECT_WEIGHTS.sum()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(wealth=WEALTH, part=st.floats(0, 0.999))
def test_moving_cash_neither_makes_nor_loses_any(wealth: Wealth, part: float) -> None:
    moved = Wealth(*move(wealth.cash, wealth.accounts, part))
    assert moved.evidence()[0] == pytest.approx(wealth.evidence()[0], abs=1e-9)
    assert (moved.accounts >= wealth.accounts).all()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(wealth=WEALTH, hot=st.lists(st.booleans(), min_size=len(EFFECTS), max_size=len(EFFECTS)))
def test_cash_that_follows_neither_makes_nor_loses_any(wealth: Wealth, hot: list[bool]) -> None:
    after = wealth.following(np.array([hot]))
    assert after.evidence()[0] == pytest.approx(wealth.evidence()[0], abs=1e-9)
    for was, now, follows in zip(wealth.accounts[0], after.accounts[0], hot, strict=True):
        assert now > was or was == pytest.approx(now, abs=1e-12)
        assert follows or now == was
    assert (after.cash[0] < wealth.cash[0]) == any(hot)


def test_no_single_look_makes_cash_follow_and_two_that_agree_do() -> None:
    assert CAP < HOT
    threshold = math.log(100.0)
    heat = heated(np.zeros((1, 1)), np.array([[50.0]]), CAP * threshold)
    assert (heat < HOT * threshold).all()
    assert (heated(heat, np.array([[50.0]]), CAP * threshold) >= HOT * threshold).all()
    assert (heated(heat, np.array([[-50.0]]), CAP * threshold) == 0).all()


def test_whoever_follows_what_chance_won_wins_nothing_on_average() -> None:
    """All 2**14 histories of a fair bet, in half of which cash follows at some time: their mean wealth stays one."""
    looks, threshold = 14, math.log(100.0)
    histories = (np.arange(2**looks)[:, None] >> np.arange(looks)) & 1
    wealth, heat = Wealth.fresh(len(histories)), np.zeros((len(histories), len(EFFECTS)))
    followed = np.zeros(len(histories), dtype=bool)
    for won in histories.T:
        factors = np.tile(np.where(won, math.log(1.9), math.log(0.1))[:, None], (1, len(EFFECTS)))
        wealth = wealth.look(factors, part=0.02, log_cap=CAP * threshold)
        heat = heated(heat, factors, CAP * threshold)
        hot = heat >= HOT * threshold
        wealth, heat, followed = wealth.following(hot), np.where(hot, 0.0, heat), followed | hot.any(axis=1)
        assert np.exp(wealth.evidence()).mean() == pytest.approx(1.0, abs=1e-9)
    assert followed.any()


def test_a_release_five_times_as_long_as_its_plan_has_half_of_its_cash_left_and_never_none() -> None:
    """So much moves as if a part of 1/600 were asked for; `exp(-5)` would be 0.007 of it."""
    wealth = Wealth.fresh(1)
    start, left = wealth.cash[0], []
    for _ in range(60_000):
        wealth = Wealth(*move(wealth.cash, wealth.accounts, 1 / 600))
        left.append(math.exp(wealth.cash[0] - start))
    assert left[2_999] == pytest.approx(0.467, abs=0.001)
    assert left[-1] > 0.2
    assert math.fsum((math.exp(wealth.cash[0]), *np.exp(wealth.accounts[0]))) == pytest.approx(1.0, abs=1e-9)


def test_each_time_that_cash_follows_in_vain_the_next_takes_more() -> None:
    wealth, asked = Wealth.fresh(1), []
    for _ in range(5):
        asked.append(float(picky(wealth.cash)[0]))
        wealth = wealth.following(np.ones((1, len(EFFECTS)), dtype=bool))
    assert asked[0] == 0
    assert all(later > earlier + 0.2 for earlier, later in itertools.pairwise(asked))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(wealth=WEALTH, factors=st.lists(LOGS, min_size=len(EFFECTS), max_size=len(EFFECTS)), cap=st.floats(0.1, 5))
def test_a_look_multiplies_every_account_by_its_capped_factor_and_leaves_cash_alone(
    wealth: Wealth, factors: list[float], cap: float
) -> None:
    after = wealth.look(np.array([factors]), part=0.0, log_cap=cap)
    expected = math.exp(wealth.cash[0]) + sum(
        math.exp(held + min(factor, cap)) for held, factor in zip(wealth.accounts[0], factors, strict=True)
    )
    assert after.evidence()[0] == pytest.approx(math.log(expected), abs=1e-9)
    assert after.cash[0] == wealth.cash[0]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(wealth=WEALTH, ceiling=LOGS)
def test_throwing_gains_away_never_adds(wealth: Wealth, ceiling: float) -> None:
    assert wealth.at_most(np.array(ceiling)).evidence()[0] <= wealth.evidence()[0] + 1e-12


def test_the_memory_of_stable_holds_thirty_errors_or_twenty_looks() -> None:
    assert rates.half_life(np.array([1000.0]), np.array([20.0]))[0] == rates.HALF_LIFE
    assert rates.half_life(np.array([10.0]), np.array([100.0]))[0] == pytest.approx(300.0)
    assert rates.half_life(np.array([0.0]), np.array([100.0]))[0] == rates.LONGEST


def test_neither_a_first_look_nor_a_raise_moves_the_ratio_of_the_rates() -> None:
    chance, runs = np.random.default_rng(4), 2_000
    seen = Dispersion.fresh(runs)
    first = seen._omega(np.full(runs, 990.0), np.full(runs, 10.0))
    assert first == pytest.approx(np.ones(runs))
    for _ in range(60):
        x_s, x_c = chance.binomial(900, 0.05, runs) * 1.0, chance.binomial(100, 0.05, runs) * 1.0
        seen = seen.look(x_s=x_s, n_s=np.full(runs, 900.0), x_c=x_c, n_c=np.full(runs, 100.0), a=np.full(runs, 0.05))
    before = seen._omega(np.full(runs, 900.0), np.full(runs, 100.0))
    after = seen._omega(np.full(runs, 10.0), np.full(runs, 10_000.0))
    assert np.mean(before) == pytest.approx(1.0, abs=0.02)
    assert np.mean(after / before) == pytest.approx(1.0, abs=0.005)


def test_an_outage_that_is_over_does_not_hide_what_begins_after_it_as_a_burst() -> None:
    """Its errors are most of what the ratio of the rates is made of: without the fall a regression lifts phi to 2.1."""
    chance, runs = np.random.default_rng(4), 50
    asked = Asked.of(CONFIG, relative=np.full(runs, 0.5), absolute=np.full(runs, 0.002))
    book, found = Book.fresh(runs), {}
    for look in range(420):
        stable = 0.6 if 60 <= look < 120 else 0.001
        canary = 0.05 if look >= 180 else stable
        x_s, x_c = chance.binomial(1_000, stable, runs), chance.binomial(1_000, canary, runs)
        n = np.full(runs, 1_000.0)
        book = book.compare(Counted(x_s * 1.0, n, x_c * 1.0, n), asked, part=0.0, interval=False)
        found[look] = float(np.mean(book.phi(asked)))
    assert found[179] < 1.1
    assert found[419] < 1.1


def test_an_effect_that_begins_in_the_middle_of_a_release_does_not_pass_for_a_burst() -> None:
    """The ratio that was remembered is the one before it: 1.9 after 30 looks, were it not learned anew."""
    chance, runs = np.random.default_rng(4), 100
    asked = Asked.of(CONFIG, relative=np.full(runs, 0.5), absolute=np.full(runs, 0.002))
    book, n = Book.fresh(runs), np.full(runs, 10_000.0)
    for look in range(67):
        x_s, x_c = (chance.binomial(10_000, rate, runs) * 1.0 for rate in (0.001, 0.005 if look >= 37 else 0.001))
        book = book.compare(Counted(x_s, n, x_c, n), asked, part=0.0, interval=False)
    assert np.mean(book.phi(asked)) < 1.2


@pytest.mark.parametrize("requests", [5.0, 200.0])
def test_the_end_of_an_outage_is_forgotten_within_a_minute_at_any_traffic(requests: float) -> None:
    """Sixty looks of 60 % errors, then none: at a few requests a look no single look can tell."""
    state = tuple(np.array([value]) for value in (0.05 * requests, 50 * requests, 50.0, 0.0))
    for _ in range(60):
        state = rates.remember(*state, x_s=np.array([0.6 * requests]), n_s=np.array([requests]))
    for _ in range(40):
        state = rates.remember(*state, x_s=np.zeros(1), n_s=np.array([requests]))
    assert rates.rate(state[0], state[1], prior=0.001, worth=200.0)[0] < 0.02


def test_errors_that_come_now_and_then_are_not_taken_for_a_fall() -> None:
    """One request in a hundred: what is remembered stays near it, and is seldom cut down."""
    chance, cut = np.random.default_rng(1), 0
    state = tuple(np.full(200, value) for value in (30.0, 3000.0, 600.0, 0.0))
    for _ in range(2_000):
        after = rates.remember(*state, x_s=chance.binomial(5, 0.01, 200).astype(float), n_s=np.full(200, 5.0))
        cut += int((after[1] < 0.5 * state[1]).sum())
        state = after
    assert cut < 0.004 * 2_000 * 200 * 5 * 0.01
    assert np.median(rates.rate(state[0], state[1], prior=0.01, worth=200.0)) == pytest.approx(0.01, rel=0.15)
