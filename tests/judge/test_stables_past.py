"""What stable's recorded past changes of a judgement, and what it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.judge import JudgeConfig, Known, MetricConfig, Past, begin_step, decode, encode, learn, observe, start
from analysis.judge import recall as told
from analysis.model import Arm, Counts, Look

CONFIG = JudgeConfig(metrics=(MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.002),))
PAST = Past(metrics={"errors": Known(bad=400, total=100_000, phi0=2.5)}, told="stable's last 60 min, 240 looks")


def look(end: float, stable: tuple[int, int], canary: tuple[int, int]) -> Look:
    arms = {Arm.STABLE: Counts(total=stable[0], bad=stable[1]), Arm.CANARY: Counts(total=canary[0], bad=canary[1])}
    return Look(start=end - 1.0, end=end, counts={"errors": arms})


def test_log_evidence_is_divided_by_what_the_past_scattered() -> None:
    def evidence(past: Past | None, config: JudgeConfig = CONFIG) -> float:
        state = start(config) if past is None else told(start(config), past)
        state = begin_step(config, state, share=10.0, last_share=50.0)
        return observe(config, state, look(1.0, (900, 4), (100, 2)))[1].findings[0].numbers["dispersion"]

    assert evidence(None) == 1.0
    assert evidence(PAST) == 2.5
    assert evidence(PAST, replace(CONFIG, phi0=1.5)) == 1.5
    assert evidence(replace(PAST, metrics={"errors": Known(bad=1, total=10)})) == 1.0


def test_its_rate_is_the_prior_and_counts_for_two_hundred_requests() -> None:
    state = told(start(CONFIG), PAST)
    state = begin_step(CONFIG, state, share=10.0, last_share=50.0)
    assert state.book.rates(_asked(state)) == pytest.approx([0.004])
    state = learn(CONFIG, state, look(1.0, (600, 6), (0, 0)))
    assert state.book.rates(_asked(state)) == pytest.approx([(6 + 0.8) / 800])


def _asked(state: object) -> object:
    from analysis.judge.judge import _asked as asked

    return asked(CONFIG, state)  # type: ignore[arg-type]


@pytest.mark.parametrize("late", [False, True])
def test_stable_is_held_against_what_it_was_even_where_the_engine_saw_nothing_of_it(late: bool) -> None:
    """BOTH_WORSE without a look before the canary had traffic: only the recorded past can tell."""
    state = start(CONFIG)
    state = state if late else told(state, PAST)
    state = begin_step(CONFIG, state, share=10.0, last_share=50.0)
    chance = np.random.default_rng(1)
    codes: set[str] = set()
    for end in range(1, 61):
        state, said = observe(
            CONFIG,
            state,
            look(float(end), (900, int(chance.binomial(900, 0.03))), (100, int(chance.binomial(100, 0.03)))),
        )
        codes |= {one.code for one in said.findings}
        if late and end == 5:
            assert "BOTH_WORSE" not in codes
            state = told(state, PAST)
    assert "BOTH_WORSE" in codes


def test_it_is_remembered_with_everything_else() -> None:
    state = told(start(CONFIG), PAST)
    assert decode(encode(state)).past == PAST
    assert decode(encode(start(CONFIG))).past == Past()
    for damaged in (["x"], ["x", {"errors": [1, 0, 2.0]}], ["x", {"errors": [0, 1, 0.5]}], ["x", {"errors": [0, 1]}]):
        with pytest.raises(ValueError, match="damaged"):
            decode(encode(state) | {"past": damaged})
