"""Every finding tells its numbers; the interval that people see covers what it says it does."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.judge import (
    JudgeConfig,
    MetricConfig,
    begin_step,
    decode,
    drop,
    encode,
    first_request,
    learn,
    observe,
    shares,
    start,
)
from analysis.judge.accounts import STEP_SHARE, Wealth
from analysis.judge.asked import Asked
from analysis.judge.book import Book
from analysis.model import Arm, Counts, Look, Verdict

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


def _slow(at: float, *, stable: int, canary: int, slow: int = 0) -> Look:
    """A look without errors; of both arms so many took longer than 250 ms."""
    counts: dict[str, dict[Arm, Counts]] = {"errors": {}, "latency": {}}
    for arm, total in ((Arm.STABLE, stable), (Arm.CANARY, canary)):
        fast = total - min(slow, total)
        counts["errors"][arm] = Counts(total=total)
        buckets = ((0.05, fast // 2), (0.1, fast * 9 // 10), (0.25, fast), (0.5, total), (math.inf, total))
        counts["latency"][arm] = Counts(total=total, buckets=buckets)
    return Look(start=at, end=at + 1.0, counts=counts)


LATENCY = MetricConfig(name="latency", kind="latency", relative=2.0, absolute=0.02)


def test_a_step_that_was_good_for_long_is_condemned_with_the_looks_that_condemn_it() -> None:
    """A machine stalls for a second at the end of a bake: of the whole bake, few requests were slow."""
    config, at = JudgeConfig(metrics=(replace(ERRORS, rate_limit=None), LATENCY), planned_looks=60), 0.0
    state = start(config)
    for at in range(60):
        state = learn(config, state, _slow(at, stable=50, canary=0, slow=2))
    state = begin_step(config, state, share=100, last_share=50, baking=True)
    verdicts = []
    for look in range(32):
        at += 1
        state, judgement = observe(config, state, _slow(at, stable=0, canary=50, slow=20 if look >= 27 else 0))
        verdicts.append(judgement.verdict)
    assert verdicts.index(Verdict.UNHEALTHY) == 31
    assert "canary 6.2 % slower than 250 ms (100 of 1,600)" in judgement.sentence
    assert "tolerated up to 16.8 %" in judgement.sentence
    assert "risen in the last 5 looks: canary 40.0 % (100 of 250)" in judgement.sentence
    assert decode(json.loads(json.dumps(encode(state)))).book.rise == pytest.approx(state.book.rise)


def test_what_was_won_in_the_step_before_is_told_in_the_next() -> None:
    config = JudgeConfig(metrics=(replace(ERRORS, rate_limit=None),), planned_looks=200)
    state = begin_step(config, start(config), share=10, last_share=50)
    state, judgement = observe(config, state, _errors(1, bad=2))
    assert judgement.verdict is Verdict.UNDECIDED
    assert "risen" not in judgement.sentence, "the step's own counts tell it"
    state, judgement = observe(config, begin_step(config, state, share=20, last_share=50), _errors(2, bad=1))
    assert "canary 10.0 % errors (1 of 10)" in judgement.sentence
    assert "risen in the last 2 looks: canary 15.0 % (3 of 20), stable 0.00 % (0 of 180)" in judgement.sentence


def _errors(at: float, *, bad: int) -> Look:
    counts = {Arm.STABLE: Counts(total=90), Arm.CANARY: Counts(total=10, bad=bad)}
    return Look(start=at, end=at + 1.0, counts={"errors": counts})


@pytest.mark.parametrize("early", [False, True])
def test_of_what_is_left_out_it_is_not_said_that_there_was_nothing(early: bool) -> None:
    """The first looks of a step, or the canary's warmup: its errors condemn it, its latency waits."""
    config = JudgeConfig(metrics=(replace(ERRORS, rate_limit=None), LATENCY), planned_looks=60)
    state = start(config)
    for at in range(60):
        state = learn(config, state, _slow(at, stable=50, canary=0, slow=2))
    state = begin_step(config, state, share=20, last_share=50)
    for at in range(60, 63):
        look = _slow(at, stable=40, canary=10)
        look = replace(look, counts=look.counts | {"errors": _errors(at, bad=9).counts["errors"]})
        state, judgement = observe(config, state, look, early=early, left_out={"latency"})
    assert judgement.verdict is Verdict.UNHEALTHY
    waiting = [one for one in judgement.findings if one.metric.startswith("latency")]
    assert {(one.verdict, one.code) for one in waiting} == {(Verdict.NO_DATA, "LEFT_OUT")}
    assert all("nothing of latency is judged yet" in one.sentence for one in waiting)


def test_after_a_clock_was_set_back_no_warmup_and_no_delay_waits_for_the_old_time() -> None:
    config = JudgeConfig(metrics=(LATENCY,), planned_looks=60)
    state = begin_step(config, start(config), share=20, last_share=50)
    for at, since in ((1000, 1000), (1001, 1000), (400, 400), (401, 400)):
        state, _ = observe(config, state, _slow(at, stable=40, canary=10))
        assert (state.first_request, state.began) == (since, since)


def test_requests_of_which_only_the_latency_is_judged_are_there_while_it_waits() -> None:
    config = JudgeConfig(metrics=(LATENCY,), planned_looks=60)
    state = start(config)
    for at in range(60):
        state = learn(config, state, _slow(at, stable=50, canary=0, slow=2))
    state = begin_step(config, state, share=20, last_share=50)
    for at in range(60, 90):
        state, judgement = observe(config, state, _slow(at, stable=40, canary=10), left_out={"latency"})
        assert judgement.verdict is Verdict.UNDECIDED
        assert "no request on the canary" not in judgement.sentence
    state, judgement = observe(config, state, _slow(90, stable=40, canary=10))
    assert {one.code for one in judgement.findings} == {"NOT_YET"}


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
    from analysis.judge.asked import Counted

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


@pytest.mark.parametrize("slow", [10, 0], ids=["a slow canary", "a quick one"])
def test_a_cold_start_that_outlasts_the_warmup_is_a_finding(slow: int) -> None:
    config = JudgeConfig(metrics=(replace(LATENCY, relative=0.2),), planned_looks=600, warmup=20.0)
    state = start(config)
    for at in range(60):
        state = learn(config, state, _slow(at, stable=50, canary=0, slow=2))
    state = begin_step(config, state, share=20, last_share=50)
    told = []
    for at in range(60, 110):
        left = {"latency"} if at < 80 else set()
        state, judgement = observe(config, state, _slow(at, stable=40, canary=10, slow=slow), left_out=left)
        for one in judgement.findings:
            if one.code == "COLD_START":
                told.append(at)
                assert (one.metric, one.verdict, one.numbers) == ("latency", Verdict.UNDECIDED, {"warmup": 20.0})
                assert "after its warmup of 20 s" in one.sentence
                assert one.sentence in judgement.sentence
    assert judgement.verdict is (Verdict.UNHEALTHY if slow else Verdict.HEALTHY), "a cold start is no excuse"
    assert told == list(range(told[0], 100) if slow else ())
    assert not slow or told[0] in range(81, 90)


def test_pods_that_come_later_have_a_cold_start_of_their_own() -> None:
    """Whichever looks show them: judged, learned from, or with a change of the share in them."""
    config = JudgeConfig(metrics=(replace(LATENCY, relative=0.2),), planned_looks=600, warmup=20.0)
    known = start(config)
    for at in range(60):
        known = learn(config, known, replace(_slow(at, stable=50, canary=0, slow=2), pods=_pods(1)))
    known = begin_step(config, known, share=20, last_share=50)
    for at in range(60, 120):
        look = replace(_slow(at, stable=40, canary=10, slow=0), pods=_pods(1))
        known, _ = observe(config, known, look, left_out={"latency"} if at < 80 else ())
    assert first_request(known, look) == 60.0
    for sees in ("judged", "learned", "dropped"):
        look, state = replace(_slow(120, stable=40, canary=10, slow=10), pods=_pods(2)), known
        assert first_request(state, look) == 121.0, "what is left out of this look is decided before it is judged"
        if sees == "judged":
            state, _ = observe(config, state, look, left_out={"latency"})
        else:
            state = learn(config, state, look) if sees == "learned" else drop(state, look)
        told = []
        for at in range(121, 150):
            look = replace(_slow(at, stable=40, canary=10, slow=10), pods=_pods(2))
            state, judgement = observe(config, state, look, left_out={"latency"} if at < 141 else ())
            told += [at for one in judgement.findings if one.code == "COLD_START"]
        assert told == list(range(told[0], 150))
        assert told[0] in range(141, 147)


def _pods(canary: int) -> dict[Arm, int]:
    return {Arm.STABLE: 4, Arm.CANARY: canary}
