"""Every finding tells its numbers; the interval that people see covers what it says it does."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.judge import JudgeConfig, MetricConfig, begin_step, learn, observe, shares, start
from analysis.judge.accounts import STEP_SHARE, Wealth
from analysis.judge.book import Asked, Book
from analysis.model import Verdict

ERRORS = MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.002, rate_limit=0.5)
CONFIG = JudgeConfig(metrics=(ERRORS,), planned_looks=200)

RESULT = re.compile(
    r"canary (?P<rate>[\d.]+) % errors \((?P<bad>[\d,]+) of (?P<total>[\d,]+)\) "
    r"against stable [\d.]+ % \([\d,]+ of [\d,]+\); tolerated up to [\d.]+ %; evidence (none|next to none|1 in [\d,]+)"
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(canary=st.floats(0, 1), stable=st.floats(0, 0.3), looks=st.integers(1, 30), seed=st.integers(0, 99))
def test_every_judgement_says_how_many_of_how_many_and_what_was_tolerated(
    sim: Any, canary: float, stable: float, looks: int, seed: int
) -> None:
    chance, state = np.random.default_rng(seed), start(CONFIG)
    state = begin_step(CONFIG, state, share=10, last_share=50)
    for index in range(looks):
        x_s, x_c = int(chance.binomial(900, stable)), int(chance.binomial(100, canary))
        state, judgement = observe(CONFIG, state, sim.look_of(index * 5.0, stable=(x_s, 900), canary=(x_c, 100)))
    assert judgement.requests == 100 * looks
    assert judgement.looks == looks
    assert judgement.sentence
    told = [found for finding in judgement.findings if (found := RESULT.search(finding.sentence))]
    assert len(told) == 1
    finding = next(one for one in judgement.findings if RESULT.search(one.sentence))
    numbers = finding.numbers
    assert int(told[0]["bad"].replace(",", "")) == numbers["canary_bad"]
    assert int(told[0]["total"].replace(",", "")) == numbers["canary_total"] == 100 * looks
    assert float(told[0]["rate"]) == pytest.approx(100 * numbers["canary_bad"] / numbers["canary_total"], abs=0.051)
    wanted = {"tolerated", "visible", "dispersion", "evidence", "threshold", "difference_low", "difference_high"}
    assert wanted <= numbers.keys()
    assert -1 <= numbers["difference_low"] < numbers["difference_high"] <= 1
    assert numbers["dispersion"] >= 1
    if judgement.verdict is Verdict.UNHEALTHY:
        assert any(one.verdict is Verdict.UNHEALTHY for one in judgement.findings) or "together" in judgement.sentence
        assert "1 in " in judgement.sentence


def test_guilt_that_faded_is_not_told_as_if_it_were_new(sim: Any) -> None:
    state = start(CONFIG)
    for index in range(20):
        state = learn(CONFIG, state, sim.look_of(index * 5.0, stable=(2, 1000), canary=None))
    state = begin_step(CONFIG, state, share=10, last_share=50)
    for index in range(60):
        look = sim.look_of(200 + index * 5.0, stable=(18, 9000), canary=(40 if index < 5 else 0, 1000))
        state, judgement = observe(CONFIG, state, look)
    assert judgement.verdict is Verdict.UNHEALTHY
    assert judgement.evidence < judgement.threshold
    assert "condemned at an earlier look" in judgement.sentence


@pytest.mark.parametrize("difference", [0.0, 0.004, 0.03, -0.008])
@pytest.mark.parametrize("drifts", [False, True])
def test_the_interval_covers_a_constant_difference_at_every_look_together(difference: float, drifts: bool) -> None:
    """300 runs of 120 looks; a run counts as missed if the interval ever left the difference out. 5 % are promised."""
    runs, chance = 300, np.random.default_rng(11)
    config = JudgeConfig(metrics=(ERRORS,), planned_looks=200)
    asked = Asked.of(config, relative=np.full(runs, 0.5), absolute=np.full(runs, 0.002))
    book, missed = Book.fresh(runs), np.zeros(runs, dtype=bool)
    widths = []
    for look in range(120):
        base = 0.01 * 3 ** np.sin(look / 9) if drifts else 0.01
        n_s, n_c = np.full(runs, 800), np.full(runs, 200)
        x_s, x_c = chance.binomial(n_s, base), chance.binomial(n_c, max(0.0, base + difference))
        if drifts and base + difference < 0:
            continue
        table = np.stack([x_s, n_s, x_c, n_c], axis=1).astype(float)
        book = book.compare(_counted(table), asked, part=STEP_SHARE if not look else 0.005)
        low, high = book.interval.ends()
        missed |= (difference < low) | (difference > high)
        widths.append(float(np.mean(high - low)))
    assert missed.sum() <= stats.binom.ppf(0.999, runs, 0.05)
    assert widths[-1] < 0.05, "and it says something in the end"


def _counted(table: Any) -> Any:
    from analysis.judge.book import Counted

    return Counted.of(table)


@pytest.mark.parametrize("share", [0.3, 1.0, 5.0, 50.0, 99.0])
@pytest.mark.parametrize("requests", [5, 1000])
def test_a_share_at_the_edge_of_what_fits_is_seldom_called_wrong(share: float, requests: int) -> None:
    """30 steps of 200 looks, at either edge; promised is 1 in 1,000 for both sides together."""
    chance = np.random.default_rng(5)
    least, most = shares.allowed(share)
    for part in {least, most} - {0.0, 1.0}:
        wrong = 0
        for _ in range(30):
            wealth, called = Wealth.fresh(2), False
            for canary in chance.binomial(requests, part, 200):
                wealth = shares.look(wealth, stable=requests - int(canary), canary=int(canary), share=share, part=0.005)
                called = called or shares.mismatch(wealth)
            wrong += called
        assert wrong <= stats.binom.ppf(0.999, 30, 0.001)


@pytest.mark.parametrize(("share", "seen"), [(10.0, 0.02), (10.0, 0.3), (1.0, 0.05), (50.0, 0.9)])
def test_a_share_that_is_far_off_is_called_wrong(share: float, seen: float) -> None:
    chance, wealth = np.random.default_rng(5), Wealth.fresh(2)
    for canary in chance.binomial(200, seen, 60):
        wealth = shares.look(wealth, stable=200 - int(canary), canary=int(canary), share=share, part=0.005)
    assert shares.mismatch(wealth)
