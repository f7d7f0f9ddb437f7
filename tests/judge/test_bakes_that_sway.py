"""A bake has no second arm: what sways a service over time is no evidence against a version; being worse is."""

import numpy as np
import pytest

from analysis.judge import JudgeConfig, MetricConfig, begin_step, learn, observe, start
from analysis.model import Arm, Counts, Look, Verdict

CONFIG = JudgeConfig(
    metrics=(MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.005),), planned_looks=120
)


def _look(at: float, arm: Arm, bad: int, total: int) -> Look:
    other = Arm.CANARY if arm is Arm.STABLE else Arm.STABLE
    counts = {arm: Counts(total=total, bad=bad), other: Counts(total=0, bad=0)}
    return Look(start=at, end=at + 1, counts={"errors": counts})


def _bake(chance: np.random.Generator, stable: list[float], canary: list[float]) -> Verdict:
    """The verdict after looks at stable alone, and then at the canary alone, with these rates per look."""
    state, at = start(CONFIG), 0.0
    for rate in stable:
        state = learn(CONFIG, state, _look(at, Arm.STABLE, int(chance.binomial(200, rate)), 200))
        at += 1
    state = begin_step(CONFIG, state, share=100.0, last_share=100.0, baking=True)
    verdict = Verdict.NO_DATA
    for rate in canary:
        state, judgement = observe(CONFIG, state, _look(at, Arm.CANARY, int(chance.binomial(200, rate)), 200))
        verdict = judgement.verdict
        at += 1
        if verdict is Verdict.UNHEALTHY:
            break
    return verdict


def _swaying(chance: np.random.Generator, looks: int) -> list[float]:
    """Two per cent, and a quarter in every burst of four looks."""
    rates = []
    while len(rates) < looks:
        rates += [0.25] * 4 if chance.random() < 0.1 else [0.02]
    return rates[:looks]


def test_bursts_that_stable_had_too_do_not_condemn_a_bake() -> None:
    condemned = 0
    for seed in range(60):
        chance = np.random.default_rng(seed)
        condemned += _bake(chance, _swaying(chance, 60), _swaying(chance, 60)) is Verdict.UNHEALTHY
    assert condemned <= 9  # 5; without the sway of stable it is 39 of 60


@pytest.mark.parametrize("rate", [0.3, 0.5])
def test_a_version_that_is_plainly_worse_is_condemned_in_a_bake_whatever_sways(rate: float) -> None:
    for seed in range(20):
        chance = np.random.default_rng(seed)
        assert _bake(chance, _swaying(chance, 60), [rate] * 60) is Verdict.UNHEALTHY


def test_a_steady_service_is_judged_as_sharply_as_before() -> None:
    for seed in range(20):
        chance = np.random.default_rng(seed)
        assert _bake(chance, [0.002] * 60, [0.02] * 30) is Verdict.UNHEALTHY
