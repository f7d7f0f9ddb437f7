"""The two promises over whole releases, by simulation with fixed seeds.

Every release runs four steps of 60 looks (shares 1, 5, 20 and 50 %) and is looked at 240 times. Counts are compared
with the 99.9 % binomial quantile of the promised chance: were the promise kept exactly and no better, one seed in a
thousand would exceed it; the seeds are fixed, so no run of the tests does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from analysis.judge.asked import Asked
from analysis.judge.book import Book
from analysis.judge.dispersion import Dispersion

RUNS = 500
ALPHA, BETA = 0.01, 0.05

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("without_interval")]


def most(chance: float, runs: int = RUNS) -> int:
    return int(stats.binom.ppf(0.999, runs, chance))


def at_the_bound(relative: float, absolute: float) -> Callable[..., Any]:
    return lambda moment: np.minimum(1.0, moment.stable * (1 + relative) + absolute)


SERVICES = [
    (rps, rate, relative, absolute)
    for rps in (0.2, 1.0, 5.0, 20.0, 200.0)
    for rate, relative, absolute in ((0.0, 0.5, 0.01), (0.002, 0.0, 0.002), (0.01, 0.5, 0.01), (0.05, 0.5, 0.002))
]


@pytest.mark.parametrize(("rps", "rate", "relative", "absolute"), SERVICES)
def test_a_release_exactly_at_the_bound_is_condemned_as_rarely_as_promised(
    sim: Any, rps: float, rate: float, relative: float, absolute: float
) -> None:
    traffic = sim.Traffic(rps=rps, stable=sim.steady(rate), canary=at_the_bound(relative, absolute))
    plays = sim.play(traffic, sim.config_of(relative, absolute), runs=RUNS, seed=int(rps * 10))
    assert plays.rollbacks <= most(ALPHA)
    for called_healthy in plays.healthy:
        assert called_healthy.sum() <= most(BETA)


@pytest.mark.parametrize("rps", [1.0, 20.0, 200.0])
def test_a_release_equal_to_stable_is_not_condemned_and_at_enough_traffic_is_healthy(sim: Any, rps: float) -> None:
    traffic = sim.Traffic(rps=rps, stable=sim.steady(0.005), canary=sim.as_stable)
    plays = sim.play(traffic, sim.config_of(0.5, 0.01), runs=RUNS, seed=7)
    assert plays.rollbacks == 0
    if rps == 200:
        assert plays.healthy[-1].mean() > 0.95


@pytest.mark.parametrize("worse", [1.0, 1.2])
def test_a_tolerated_canary_is_confirmed_within_thirty_looks_of_thousands_of_requests(sim: Any, worse: float) -> None:
    """A cap on what one look may win, and none on what it may lose, left 6 of 60 and half of them undecided."""
    traffic = sim.Traffic(
        rps=4_000.0, stable=sim.steady(0.005), canary=lambda moment: worse * moment.stable, shares=(50.0,), looks=30
    )
    plays = sim.play(traffic, sim.config_of(0.5, 0.002), runs=RUNS, seed=7, history=20)
    assert plays.healthy[0].mean() > 0.98


def drifting(moment: Any) -> Any:
    """Sixty times as many errors at the end as at the start."""
    return moment.all(0.001 * 60 ** (moment.look / moment.looks))


def sawing(moment: Any) -> Any:
    return moment.all(0.001 if moment.look % 20 < 10 else 0.05)


@pytest.mark.parametrize("stable", [drifting, sawing])
def test_rates_that_drift_on_both_arms_together_break_neither_promise(sim: Any, stable: Callable[..., Any]) -> None:
    traffic = sim.Traffic(rps=200.0, stable=stable, canary=at_the_bound(0.5, 0.002))
    plays = sim.play(traffic, sim.config_of(0.5, 0.002), runs=RUNS, seed=3)
    assert plays.rollbacks <= most(ALPHA)
    for called_healthy in plays.healthy:
        assert called_healthy.sum() <= most(BETA)


@pytest.mark.parametrize("ahead", [-1, 0, 1])
def test_an_outage_of_both_arms_is_not_the_canarys_fault_even_when_its_scrape_is_off_by_a_look(
    sim: Any, ahead: int
) -> None:
    def rate(look: int) -> float:
        return 0.95 if 60 <= look < 80 else 0.002

    traffic = sim.Traffic(
        rps=200.0,
        stable=lambda moment: moment.all(rate(moment.look)),
        canary=lambda moment: moment.all(rate(moment.look + ahead)),
    )
    plays = sim.play(traffic, sim.config_of(0.5, 0.002), runs=RUNS, seed=3)
    assert plays.rollbacks <= most(ALPHA)
    assert plays.healthy[1].mean() > 0.9, "it happened in this step, and the judge is not blinded by it"


def failing_now_and_then(moment: Any) -> Any:
    """Outages of half a minute, one in ten."""
    return moment.all(0.6 if moment.look % 300 >= 270 else 0.005)


@pytest.mark.parametrize("rps", [0.4, 1.0, 2.0])
@pytest.mark.parametrize("stable", [drifting, sawing, failing_now_and_then])
def test_what_both_arms_do_between_two_requests_breaks_neither_promise(
    sim: Any, rps: float, stable: Callable[..., Any]
) -> None:
    """Looks of a second are judged as one then, and what changes begins and ends within them."""
    traffic = sim.Traffic(
        rps=rps, every=1.0, stable=stable, canary=at_the_bound(0.5, 0.002), shares=(20.0, 50.0), looks=450
    )
    plays = sim.play(traffic, sim.config_of(0.5, 0.002), runs=RUNS, seed=3)
    assert plays.rollbacks <= most(ALPHA)
    for called_healthy in plays.healthy:
        assert called_healthy.sum() <= most(BETA)


def test_bursts_shared_by_both_arms_break_neither_promise(sim: Any) -> None:
    traffic = sim.Traffic(rps=200.0, stable=sim.bursty(0.01, 0.7), canary=at_the_bound(0.5, 0.002))
    plays = sim.play(traffic, sim.config_of(0.5, 0.002), runs=RUNS, seed=3)
    assert plays.rollbacks <= most(ALPHA)


def phi0_of(sim: Any, rps: float, cv: float) -> float:
    """The dispersion of stable's own history: pseudo-arms of 20 % and 80 %, 1,000 looks."""
    chance, rate = np.random.default_rng(9), sim.bursty(0.01, cv)
    seen = Dispersion.fresh(1)
    for look in range(1_000):
        n = chance.poisson(rps * 5.0, 1)
        n_c = n // 5
        moment = sim.Moment(look=look, looks=1_000, runs=1, chance=chance)
        x_s, x_c = (chance.binomial(part, rate(moment)).astype(float) for part in (n - n_c, n_c))
        seen = seen.look(x_s=x_s, n_s=(n - n_c) * 1.0, x_c=x_c, n_c=n_c * 1.0, a=np.array([0.01]))
    return float(seen.observed()[0])


@pytest.mark.parametrize("rps", [20.0, 200.0, 2000.0])
def test_bursts_of_each_arms_own_are_not_taken_for_a_regression_where_history_knows_them(sim: Any, rps: float) -> None:
    phi0 = phi0_of(sim, rps, 0.7)
    own = sim.bursty(0.01, 0.7)
    traffic = sim.Traffic(
        rps=rps,
        stable=own,
        canary=lambda moment: 1.5 * own(moment) + 0.002,
    )
    plays = sim.play(traffic, sim.config_of(0.5, 0.002, phi0=phi0), runs=RUNS, seed=3)
    assert plays.rollbacks <= most(ALPHA)


def test_dispersion_is_one_on_independent_errors_and_follows_bursts(sim: Any) -> None:
    assert phi0_of(sim, 200.0, 0.0) < 1.4
    assert phi0_of(sim, 200.0, 0.7) > 2.0


def test_a_regression_does_not_pass_for_dispersion(sim: Any) -> None:
    chance = np.random.default_rng(4)
    seen = Dispersion.fresh(1)
    for _ in range(300):
        x_s, x_c = chance.binomial(950, 0.002, 1) * 1.0, chance.binomial(50, 0.1, 1) * 1.0
        seen = seen.look(x_s=x_s, n_s=np.array([950.0]), x_c=x_c, n_c=np.array([50.0]), a=np.array([0.002]))
    assert seen.phi(np.ones(1))[0] < 1.3


def test_a_raise_does_not_pass_for_dispersion() -> None:
    chance = np.random.default_rng(4)
    seen = Dispersion.fresh(200)
    for look in range(120):
        n_c = 10.0 if look < 60 else 500.0
        x_s, x_c = chance.binomial(int(1000 - n_c), 0.05, 200) * 1.0, chance.binomial(int(n_c), 0.05, 200) * 1.0
        seen = seen.look(x_s=x_s, n_s=np.full(200, 1000 - n_c), x_c=x_c, n_c=np.full(200, n_c), a=np.full(200, 0.05))
    assert np.mean(seen.phi(np.ones(200))) < 1.1


@pytest.mark.parametrize("rps", [1.0, 200.0])
@pytest.mark.parametrize(("rate", "relative", "absolute"), [(0.0, 0.5, 0.002), (0.01, 0.2, 0.0), (0.05, 0.0, 0.005)])
def test_a_bake_of_what_stable_was_condemns_nobody_and_a_step_does_not_blame_stable(
    sim: Any, rps: float, rate: float, relative: float, absolute: float
) -> None:
    """Outside of the promise, since nothing is left to compare with; kept all the same while rates stay put."""
    chance, config = np.random.default_rng(3), sim.config_of(relative, absolute)
    asked = Asked.of(config, relative=np.full(RUNS, relative), absolute=np.full(RUNS, absolute))
    traffic = sim.Traffic(rps=rps, stable=sim.steady(rate), canary=sim.as_stable)
    book = Book.fresh(RUNS)
    for look in range(20):
        book = book.learn(traffic.draw(look, 0.0, RUNS, chance), asked)
    book, blamed = book.known().begin_step(bakes=False), np.zeros(RUNS, dtype=bool)
    for look in range(60):
        book = book.compare(traffic.draw(look, 50.0, RUNS, chance), asked, part=1 / 300)
        blamed |= book.worse.evidence() >= config.threshold
    book, condemned = book.begin_step(bakes=True), np.zeros(RUNS, dtype=bool)
    for look in range(120):
        book = book.bake(traffic.draw(look, 100.0, RUNS, chance), asked, part=1 / 300)
        condemned |= book.harm.evidence() >= config.threshold
    assert condemned.sum() <= most(ALPHA)
    assert blamed.sum() <= most(ALPHA)
