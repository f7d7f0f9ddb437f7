"""From the judge's state to what its judgement rests on, and onto each finding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from analysis.judge.asked import Asked
from analysis.judge.basis import Basis
from analysis.judge.config import JudgeConfig
from analysis.judge.past import history_of
from analysis.judge.pods import false_rollback
from analysis.judge.pods import spread as spread_of
from analysis.judge.state import JudgeState
from analysis.model import Arm, Finding

Array = NDArray[np.float64]


def spreads_of(state: JudgeState, asked: Asked) -> dict[str, tuple[float, float]]:
    """Per metric whose pods are known: stable's spread, and the chance of a false rollback that it implies."""
    found: dict[str, tuple[float, float]] = {}
    for row, test in enumerate(state.tests if state.seen else ()):
        stable = state.seen.get(test.metric, {}).get(Arm.STABLE, {})
        sigma = None if test.bound else spread_of(stable.values())
        x_s, n_s = state.book.step[row, :2].tolist()
        if sigma is None or not n_s:
            continue
        chance = false_rollback(
            sigma,
            rate=x_s / n_s,
            relative=float(asked.relative[row]),
            absolute=float(asked.absolute[row]),
            canary=state.pods[1] or len(state.seen[test.metric].get(Arm.CANARY, {})),
            stable=state.pods[0] or len(stable),
        )
        found[test.metric] = (sigma, chance)
    return found


def of_pods(spreads: Mapping[str, tuple[float, float]], metric: str) -> dict[str, float]:
    """The numbers of how much stable's pods differ in one metric; nothing where that is not known."""
    if metric not in spreads:
        return {}
    sigma, chance = spreads[metric]
    return {"pod_spread": sigma, "pod_false_rollback": chance}


def resting(
    findings: Iterable[Finding], shared: Mapping[str, float], spreads: Mapping[str, tuple[float, float]]
) -> tuple[Finding, ...]:
    """Each with what all of them rest on."""
    return tuple(
        Finding(
            metric=one.metric,
            verdict=one.verdict,
            sentence=one.sentence,
            code=one.code,
            numbers=MappingProxyType({**shared, **of_pods(spreads, one.metric), **one.numbers}),
        )
        for one in findings
    )


def basis_of(
    config: JudgeConfig,
    state: JudgeState,
    *,
    a: Array,
    phi: Array,
    visible: tuple[float, ...],
    combined: float,
    spreads: Mapping[str, tuple[float, float]],
) -> Basis:
    """What the judgement rests on.

    Args:
        config: the question.
        state: after the look.
        a, phi: stable's rates and the dispersion that the look was judged with.
        visible: the smallest canary rate that would have been seen, per test.
        combined: log evidence of all tests together.
        spreads: of stable's pods, per metric.
    """
    step = state.book.step.tolist()
    return Basis(
        tests=state.tests,
        visible=visible,
        stable=[x_s / n_s if n_s else rate for (x_s, n_s, _, _), rate in zip(step, a.tolist(), strict=True)],
        dispersion=max(phi.tolist(), default=1.0),
        history=history_of(config, state.past),
        told="" if config.phi0 is not None else state.past.told,
        pods=state.pods,
        share=config.compared(state.share),
        other=config.other(baking=state.baking),
        requests=state.requests,
        attempt=config.attempt,
        dropped=state.dropped,
        spent=combined / config.threshold,
        spreads=spreads,
    )
