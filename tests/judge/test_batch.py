"""Many runs judged together are judged as each would be alone, by `observe`, look by look."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.judge import judge as live
from analysis.model import Verdict
from analysis.offline import Question, Run, judge, judge_one, many
from analysis.offline.one import judged

BOUNDS = np.array([0.01, 0.05, 0.1, 0.25, 1.0, np.inf])


@pytest.fixture(autouse=True)
def _narrow(without_interval: None) -> None:
    """The interval decides nothing and costs most of the time."""


@st.composite
def runs(draw: Any) -> Run:
    """One run: metrics, steps, lulls and trouble as they come."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    looks = draw(st.sampled_from([1, 25, 60, 90]))
    requests = draw(st.sampled_from([2.0, 300.0, 1_000.0, 20_000.0]))
    share = draw(st.sampled_from([0.02, 0.2, 0.5]))
    stable = draw(st.sampled_from([0.0, 0.01, 0.05, 0.9]))
    canary = draw(st.sampled_from([1.0, 1.0, 4.0, 10.0]))
    onset = draw(st.integers(0, 40))
    when = np.arange(looks)
    totals = np.stack([chance.poisson(requests * (1 - share), looks), chance.poisson(requests * share, looks)], axis=1)
    for arm in draw(st.sampled_from([(), (), (0,), (1,), (0, 1)])):
        first = draw(st.integers(0, 60))
        totals[first : first + draw(st.integers(1, 40)), arm] = 0
    rates = np.stack([np.full(looks, stable), np.where(when >= onset, min(1.0, stable * canary), stable)], axis=1)
    names = draw(st.sampled_from([(), ("errors",), ("errors", "retries"), ("retries",), ("a", "b", "c")]))
    counts = {name: np.stack([totals, chance.binomial(totals, rates)], axis=2).astype(float) for name in names}
    buckets = {}
    if not names or draw(st.booleans()):
        slower = np.where(when >= onset, draw(st.sampled_from([1.0, 1.1, 3.0])), 1.0)
        buckets["latency"] = (BOUNDS, _histograms(totals, slower, chance))
    steps = tuple(str(look // 35) for look in range(looks)) if draw(st.booleans()) else None
    return Run(name="r", times=5.0 * when, steps=steps, counts=counts, buckets=buckets)


def _histograms(totals: Any, slower: Any, chance: np.random.Generator) -> Any:
    """Cumulative counts of lognormal times around 80 ms, on the canary so many times as slow."""
    found = np.zeros((*totals.shape, len(BOUNDS)))
    for (look, arm), total in np.ndenumerate(totals):
        took = 0.08 * (slower[look] if arm else 1.0) * np.exp(chance.normal(0, 0.8, min(int(total), 2_000)))
        found[look, arm] = (took[:, None] <= BOUNDS).sum(axis=0)
    return found


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.lists(runs(), min_size=1, max_size=4))
def test_every_look_of_every_run_is_said_the_same_of_together_as_alone(given_runs: list[Run]) -> None:
    question = Question(absolute=0.002, false_healthy=0.1)
    alone = [judged(run, question)[1] for run in given_runs]
    block = many.Block(given_runs, question)
    for look in range(max(len(said) for said in alone)):
        _, said = block.look()
        for i, expected in enumerate(alone):
            if look >= len(expected):
                continue
            assert said.evidence[i] == pytest.approx(expected[look].evidence, rel=1e-9, abs=1e-9)
            assert said.unhealthy[i] == (expected[look].verdict is Verdict.UNHEALTHY)
            assert said.healthy[i] == (expected[look].verdict is Verdict.HEALTHY)


@settings(deadline=None, max_examples=12, derandomize=True)
@given(st.lists(runs(), min_size=1, max_size=4), st.sampled_from([1, 2, 1_000]))
def test_the_results_are_the_same_too_in_blocks_of_any_size(given_runs: list[Run], block: int) -> None:
    question = Question(absolute=0.002, false_healthy=0.1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(many, "MOST_RUNS", block)
        together = list(judge(given_runs, question))
    for run, result in zip(given_runs, together, strict=True):
        line, alone = result.line(), judge_one(run, question).line()
        assert line.pop("evidence") == pytest.approx(alone.pop("evidence"), rel=1e-9, abs=1e-9)
        assert line == alone


def test_what_was_compared_holds_every_verdict() -> None:
    """The two tests above would prove little if their runs all ended alike."""
    found: dict[Verdict, int] = dict.fromkeys(Verdict, 0)
    joined = []

    @settings(deadline=None, max_examples=60, derandomize=True, database=None)
    @given(runs())
    def collect(run: Run) -> None:
        result = judge_one(run, Question(absolute=0.002, false_healthy=0.1))
        found[result.verdict] += 1
        joined.append("over" in (result.metric or ""))

    collect()
    assert min(found.values()) >= 2
    assert sum(joined) >= 2


def test_the_file_s_steps_begin_health_anew_and_keep_harm() -> None:
    """The judge is asked to begin a step wherever the column changes, and nowhere else."""
    begun = []
    run = Run(
        name="r",
        times=np.arange(6.0),
        steps=("1", "1", "2", "2", "2", "1"),
        counts={"errors": np.tile([[100.0, 1.0], [10.0, 0.0]], (6, 1, 1))},
        buckets={},
    )
    with pytest.MonkeyPatch.context() as patched:
        from analysis.offline import one

        patched.setattr(one, "begin_step", lambda *args, **share: begun.append(args) or live.begin_step(*args, **share))
        result = judge_one(run, Question())
    assert len(begun) == 3
    assert [step for step, _ in result.steps] == ["1", "2", "1"]


def test_healthy_counts_since_when_it_has_held_and_first_when_it_was_said() -> None:
    from analysis.judge import observe, start
    from analysis.offline.result import result_of

    question = Question()
    table = np.tile([[1000.0, 10.0], [1000.0, 10.0]], (60, 1, 1))
    run = Run(name="r", times=np.arange(60.0) * 10, steps=("1",) * 30 + ("2",) * 30, counts={"e": table}, buckets={})
    result, said = judged(run, question)
    healthy = np.array([one.verdict is Verdict.HEALTHY for one in said])
    assert result.verdict is Verdict.HEALTHY
    first, last = np.flatnonzero(healthy)[0], np.flatnonzero(~healthy)[-1]
    assert (result.healthy_t, result.t) == (first * 10.0, (last + 1) * 10.0)
    assert first < 30 <= last, "health began anew in the second step"
    assert result.steps == (("1", first * 10.0), ("2", (last + 1) * 10.0))
    config = question.config(run)
    _, judgement = observe(config, start(config), next(run.looks()))
    assert result_of(run, np.array([False]), judgement).t is None
