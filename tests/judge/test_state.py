"""What is journalled is enough: a judge that was killed goes on as if it had not been."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.judge import JudgeConfig, MetricConfig, begin_step, decode, encode, learn, observe, start
from analysis.model import Arm, Counts, Look

CONFIG = JudgeConfig(
    metrics=(
        MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.01, rate_limit=0.2),
        MetricConfig(name="latency", kind="latency", relative=0.2, absolute=0.01, quantile_limits=((0.99, 2.0),)),
        MetricConfig(name="trial", kind="counts", relative=0.0, absolute=0.01, dry_run=True),
    ),
    planned_looks=100,
)

BOUNDS = (0.1, 0.3, 1.2, 5.0, float("inf"))


@st.composite
def counts(draw: st.DrawFn) -> Counts:
    total = draw(st.integers(0, 500))
    within = sorted(draw(st.lists(st.integers(0, total), min_size=4, max_size=4)))
    buckets = tuple(zip(BOUNDS, [*within, total], strict=True))
    return Counts(total=total, bad=draw(st.integers(0, total)), buckets=buckets)


@st.composite
def looks(draw: st.DrawFn) -> Look:
    found = {}
    for metric in ("errors", "latency", "trial"):
        arms = draw(st.sets(st.sampled_from(list(Arm)), min_size=1))
        found[metric] = {arm: draw(counts()) for arm in arms}
    return Look(start=0.0, end=5.0, counts=found)


class Step:
    """A new step in the middle of looks."""


STORY = st.lists(st.one_of(looks(), looks(), looks(), st.just(Step())), min_size=1, max_size=14)


def tell(story: list[Any], *, killed_after: int) -> Any:
    """The last judgement of a story; the judge is stored and read again at some point of it."""
    state, judgement = start(CONFIG), None
    share = 1.0
    for index, one in enumerate(story):
        if isinstance(one, Step):
            share = min(100.0, share * 5)
            state = begin_step(CONFIG, state, share=share, last_share=25.0, baking=share >= 100)
        elif index < 2:
            state = learn(CONFIG, state, one)
        else:
            state, judgement = observe(CONFIG, state, one)
        if index == killed_after:
            state = decode(json.loads(json.dumps(encode(state), allow_nan=False)))
    return state, judgement


def close(one: Any, other: Any) -> bool:
    """Equal, but for the last of twelve digits and the ends of the interval that is only shown."""
    assert one.verdict is other.verdict
    assert one.may_proceed == other.may_proceed
    assert [finding.code for finding in one.findings] == [finding.code for finding in other.findings]
    for mine, theirs in zip(one.findings, other.findings, strict=True):
        assert mine.numbers.keys() == theirs.numbers.keys()
        for name, value in mine.numbers.items():
            if name not in {"difference_low", "difference_high", "visible"}:
                assert theirs.numbers[name] == pytest.approx(value, rel=1e-8, abs=1e-8)
    return True


@settings(max_examples=50, deadline=None, derandomize=True)
@given(story=STORY, where=st.integers(0, 13))
def test_a_judge_that_was_killed_judges_on_identically(story: list[Any], where: int) -> None:
    state, judgement = tell(story, killed_after=where)
    without, expected = tell(story, killed_after=-1)
    assert (judgement is None) == (expected is None)
    assert judgement is None or close(judgement, expected)
    assert decode(encode(state)).tests == without.tests


@settings(max_examples=30, deadline=None, derandomize=True)
@given(story=STORY)
def test_encoding_is_stable_and_plain(story: list[Any]) -> None:
    state, judgement = tell(story, killed_after=-1)
    once = encode(state)
    assert encode(decode(once)) == once
    assert judgement is None or all(
        np.isfinite(value) or name == "share_of_evidence"
        for finding in judgement.findings
        for name, value in finding.numbers.items()
    )


def test_the_state_leaves_room_in_the_journal(sim: Any) -> None:
    """Errors, a latency histogram and two limits after hundreds of looks; 32 KiB hold the rest too."""
    chance, state, buckets = np.random.default_rng(1), start(CONFIG), sim.BUCKETS
    for index in range(300):
        arms = {}
        for arm, n in ((Arm.STABLE, 950), (Arm.CANARY, 50)):
            took = chance.lognormal(-2.5, 1.3, n)
            within = tuple((bound, int((took <= bound).sum())) for bound in buckets)
            arms[arm] = Counts(total=n, bad=int(chance.binomial(n, 0.003)), buckets=within)
        look = Look(start=index * 5.0, end=index * 5.0 + 5, counts=dict.fromkeys(("errors", "latency", "trial"), arms))
        if index == 10:
            state = begin_step(CONFIG, state, share=5, last_share=50)
        state = observe(CONFIG, state, look)[0] if index >= 10 else learn(CONFIG, state, look)
    assert len(state.tests) >= 9
    assert len(json.dumps(encode(state), separators=(",", ":"))) < 14_000


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 1},
        {"harm": [[0.0], []]},
        {"harm": []},
        {"health": [float("nan")]},
        {"now": []},
        {"tests": [["errors"]]},
        {"interval": []},
        {"memory": "none"},
    ],
)
def test_a_damaged_state_is_refused_with_the_reason(damage: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="the judge's state"):
        decode({**encode(start(CONFIG)), **damage})


def test_a_missing_part_is_refused_with_the_reason() -> None:
    whole = encode(start(CONFIG))
    for name in whole:
        with pytest.raises(ValueError, match="the judge's state"):
            decode({key: value for key, value in whole.items() if key != name})
