"""From what is remembered to a judgement. JUDGE, "What the user sees", "HEALTHY" and "Many metrics, one alpha"."""

from __future__ import annotations

import math
from collections.abc import Collection
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from analysis import classical
from analysis.judge import shares, unusual
from analysis.judge.absence import absence_of
from analysis.judge.asked import Asked
from analysis.judge.book import upper_end
from analysis.judge.config import JudgeConfig
from analysis.judge.evalue import Mask, bound, comparable
from analysis.judge.explain import HARM_HINT, Bars, limit_finding, overall
from analysis.judge.holds import absent, both_worse, hung, no_data, pod_outlier, share_finding, starved
from analysis.judge.once import once
from analysis.judge.pods import outlier
from analysis.judge.power import detectable_rates
from analysis.judge.rates import PRIOR_REQUESTS
from analysis.judge.resting import basis_of, resting, spreads_of
from analysis.judge.state import JudgeState
from analysis.judge.tests import Test, levels, normaliser
from analysis.judge.told import Rows
from analysis.model import Arm, Finding, Judgement, Look, Verdict

Array = NDArray[np.float64]

LOOSEST = 10.0
"""A small step's absolute tolerance may be looser by this factor at most. [judged]"""

COARSE = 0.25
"""Step of the logarithms to which numbers are rounded before what they can show is computed."""

EXACTLY = 1e9
"""Requests after which a rate may be taken as known."""

PASS = "pass"  # noqa: S105 - a policy's name
"""The policy of a metric that is no part of a step in which nothing of it is seen."""

ONE_SIDED = 1.645
"""Normal quantile of 95 % on one side: an undecided step's upper end."""


def judgement_of(
    config: JudgeConfig,
    state: JudgeState,
    asked: Asked,
    *,
    a: Array,
    phi: Array,
    harm: Array,
    look: Look,
    left_out: Collection[str] = (),
) -> Judgement:
    """The judgement after a look.

    Args:
        config: the question.
        state: after the look.
        asked: what was asked of each test.
        a, phi: stable's rates and the dispersion that the look was judged with.
        harm: log evidence of harm, per test.
        look: as it came, with what it lacks and what was unusual about it.
        left_out: metrics that this look said nothing of, because it is too early for them.
    """
    other = config.other(baking=state.baking)
    whole = normaliser(config)
    weights = _weights(config, state.tests)
    limited, over = _limit_findings(config, state, whole)
    beside = classical.word_of(
        config.classical,
        config.score,
        state.beside,
        levels=levels(config),
        whole=whole,
        threshold=config.threshold,
        baking=state.baking,
    )
    pairs = [*zip(weights.tolist(), harm.tolist(), strict=True), *over, *beside.pairs]
    combined = _combined(pairs)
    seen = _visible(config, state, asked, a=a, phi=phi)
    spreads = spreads_of(state, asked)
    basis = basis_of(config, state, a=a, phi=phi, visible=seen, combined=combined, spreads=spreads)
    tolerated = _tolerated(state, asked, a)
    requests = int(state.requests[1])
    best = basis.best
    shared = basis.numbers(best) | unusual.numbers_of(look)
    findings = Rows(
        tests=state.tests,
        book=state.book,
        bars=Bars(harm=config.threshold, health=config.health_threshold, enough=state.looks >= config.min_looks),
        tolerated=tolerated,
        excludes=_step_bound(state, asked, tolerated),
        evidence=harm,
        weights=weights,
        phi=phi,
        visible=seen,
        no_room=~comparable(state.book.frozen if state.baking else a, asked.relative, asked.absolute),
        baking=state.baking,
        other=other,
        requests=float(requests),
        left_out=left_out,
        absent=[name for name, arms in look.absent.items() if Arm.CANARY in arms],
        shared=shared,
        spreads=spreads,
    ).findings()
    rests = partial(resting, shared=shared, spreads=spreads)
    idle = absent(look, baking=state.baking, other=other) or no_data(
        state.idle, baking=state.baking, requests=requests, other=other
    )
    holds = _holds(config, state, requests)
    starves = state.flow.starved(config.threshold)
    starving = [starved(state.flow, asked=config.compared(state.share), look=look)] if starves else []
    others = rests([*limited, *beside.findings])
    everything = [*rests(starving), *sorted([*findings, *others], key=_guilt, reverse=True)]
    verdict, guilty = Verdict.UNDECIDED, bool(starving) or beside.condemned or combined >= config.threshold
    odd = (
        []
        if state.condemned or starving or beside.condemned or not guilty
        else _outliers(config, state, asked, a=a, phi=phi, pairs=pairs)
    )
    holds += odd
    if state.condemned or (guilty and not odd):
        verdict = Verdict.UNHEALTHY
    elif idle is not None:
        verdict = Verdict.NO_DATA
    elif combined < HARM_HINT and not holds and _all_healthy(config, state, findings, limited, beside):
        verdict = Verdict.HEALTHY
    held = bool(holds) or any(finding.code == "LIMIT_BOTH" for finding in limited)
    unsuspected = verdict is Verdict.UNDECIDED and combined < HARM_HINT and not held
    may_proceed = unsuspected and not beside.waits and _may_proceed(config, state, asked, tolerated, beside)
    policy, absence = absence_of(config, state, findings, beside, idle)
    if verdict is Verdict.UNHEALTHY:
        told = (*everything, *rests(holds))
    else:
        told = (*rests([idle, *holds] if idle else holds), *everything)
    return Judgement(
        verdict=verdict,
        findings=told,
        evidence=combined,
        threshold=config.threshold,
        looks=state.looks,
        requests=requests,
        may_proceed=may_proceed,
        sentence=overall(
            verdict,
            everything if verdict is Verdict.UNHEALTHY else told,
            may_proceed=may_proceed,
            stands=combined < config.threshold,
        ),
        absent=policy,
        absence=absence,
        basis="; ".join([basis.sentence(best), *unusual.steadily(look)]),
    )


@once
def _weights(config: JudgeConfig, tests: tuple[Test, ...]) -> Array:
    """Parts of the one alpha; all of them sum to 1 at most."""
    return np.array([0.0 if test.dry_run else test.weight for test in tests]) / normaliser(config)


@once
def _levels(config: JudgeConfig, tests: tuple[Test, ...]) -> Array:
    """Evidence by which each test alone condemns."""
    weights = _weights(config, tests)
    levels: Array = config.threshold - np.log(np.where(weights > 0, weights, 1.0))
    return levels


def _outliers(
    config: JudgeConfig, state: JudgeState, asked: Asked, *, a: Array, phi: Array, pairs: list[tuple[float, float]]
) -> list[Finding]:
    """The canary pod that carries all of the excess; nothing where the evidence condemns without it, too."""
    found, innocent = [], list(pairs)
    for row, test in enumerate(state.tests):
        pods = {} if test.bound else state.seen.get(test.metric, {})
        name = outlier(
            pods,
            rate=float(a[row]),
            relative=float(asked.relative[row]),
            absolute=float(asked.absolute[row]),
            phi=float(phi[row]),
        )
        if name is not None:
            innocent[row] = (pairs[row][0], 0.0)
            found.append(pod_outlier(test.metric, name, pods[Arm.CANARY]))
    return found if _combined(innocent) < config.threshold else []


def _guilt(finding: Finding) -> tuple[bool, float]:
    # Rounded, so that a state which was stored and read again sorts equals alike. A broken rule has no evidence.
    return finding.verdict is Verdict.UNHEALTHY, round(finding.numbers.get("share_of_evidence", float("-inf")), 6)


def _visible(config: JudgeConfig, state: JudgeState, asked: Asked, *, a: Array, phi: Array) -> tuple[float, ...]:
    """What this step's requests would have shown, per test; in a bake, against stable as if it were known exactly."""
    if not len(a):
        return ()
    x_s, n_s, _, n_c = state.book.step.T
    # Of the whole step, it moves less from look to look than what is remembered.
    rate = (x_s + PRIOR_REQUESTS * a) / (n_s + PRIOR_REQUESTS)
    if state.baking:
        rate, n_s = state.book.frozen, np.full(len(a), EXACTLY)
    questions = np.array((rate, n_s, n_c, phi, asked.relative, asked.absolute, _levels(config, state.tests)))
    questions[:4] = _rounded(questions[:4])
    return _remembered(questions.tobytes())


@lru_cache(maxsize=256)
def _remembered(questions: bytes) -> tuple[float, ...]:
    """`detectable_rates` of rounded numbers: most looks ask what the one before asked."""
    rate, n_s, n_c, phi, relative, absolute, levels = np.frombuffer(questions).reshape(7, -1)
    asked = np.array((rate, n_s, n_c, relative, absolute, levels, phi)).T
    return tuple(detectable_rates(asked).tolist())


def _rounded(values: Array) -> Array:
    """To within 13 %: finer than "could have seen" ever needs, and much the same from look to look."""
    logs = np.log(np.maximum(values, 1e-300))
    logs /= COARSE
    near: Array = np.exp(np.rint(logs, out=logs) * COARSE)
    near[values <= 0] = 0.0
    return near


def _tolerated(state: JudgeState, asked: Asked, a: Array) -> Array:
    """The canary's tolerated rates: from stable in this step, or from stable as it was when the bake began."""
    x_s, n_s = state.book.step[:, 0], state.book.step[:, 1]
    base = state.book.frozen if state.baking else np.where(n_s > 0, x_s / np.maximum(n_s, 1.0), a)
    return bound(base, asked.relative, asked.absolute)


def _limit_findings(
    config: JudgeConfig, state: JudgeState, whole: float
) -> tuple[list[Finding], list[tuple[float, float]]]:
    """Findings of the limits, and their (weight, log evidence)."""
    findings: list[Finding] = []
    over: list[tuple[float, float]] = []
    if not state.limits:
        return findings, over
    evidence, both = state.over.evidence()
    dry = {metric.name for metric in config.metrics if metric.dry_run}
    for row, limit in enumerate(state.limits):
        weight = 0.0 if limit.metric in dry else limit.weight / whole
        over.append((weight, float(evidence[row])))
        above, below, total = state.over.step[row].tolist()
        findings.append(
            limit_finding(
                limit,
                counts=(above, below, total),
                evidence=float(evidence[row]),
                weight=weight,
                both=bool(both[row]),
                config=config,
            )
        )
    return findings, over


def _combined(pairs: list[tuple[float, float]]) -> float:
    """Log of the weighted mean of all wealth: an e-process under any dependence, so alpha is spent once.

    What no test exists for yet keeps factor 1; what has no weight must not even scale the sum.
    """
    counted = [(weight, evidence) for weight, evidence in pairs if weight > 0]
    rest = 1.0 - sum(weight for weight, _ in counted)
    if rest > 0:
        counted.append((rest, 0.0))
    top = max((evidence for _, evidence in counted), default=0.0)
    return top + math.log(sum(weight * math.exp(evidence - top) for weight, evidence in counted))


def _holds(config: JudgeConfig, state: JudgeState, requests: int) -> list[Finding]:
    """What keeps a step from passing without blaming the canary."""
    found = []
    if config.check_share and not state.baking and requests and shares.mismatch(state.split):
        stable, canary = state.requests
        found.append(share_finding(asked=config.compared(state.share), stable=stable, canary=canary))
    if state.flow.hung:
        found.append(hung(state.flow))
    if state.baking or config.baseline:
        return found  # a fresh baseline is young, and may be worse than stable ever was
    if not state.book.worse.may_reach(config.threshold):
        return found
    worse = state.book.worse.evidence()
    for row in np.flatnonzero(worse >= config.threshold).tolist():
        test = state.tests[row]
        x_s, n_s = state.book.step[row, :2].tolist()
        if test.confirm and not test.dry_run and n_s:
            baseline = float(state.book.baseline[row])
            found.append(both_worse(test, bad=x_s, total=n_s, baseline=baseline, evidence=float(worse[row])))
    return found


def _all_healthy(
    config: JudgeConfig, state: JudgeState, findings: list[Finding], limited: list[Finding], beside: classical.Word
) -> bool:
    """Whether every metric that decides is confirmed, by enough looks and enough requests."""
    if state.looks < config.min_looks or beside.waits:
        return False
    decides = [
        (test.metric, finding.verdict, requests)
        for test, finding, requests in zip(state.tests, findings, state.book.step[:, 3].tolist(), strict=True)
        if test.confirm and not test.dry_run
    ]
    if any(verdict is Verdict.UNDECIDED for _, verdict, _ in decides):
        return False
    optional = {metric.name for metric in config.metrics if metric.no_data == PASS}
    compared = {test.metric for test in state.tests} | optional
    if any(metric.name not in compared and not metric.dry_run for metric in config.metrics):
        return False
    dry = {metric.name for metric in config.metrics if metric.dry_run}
    least = _least(config)
    deciding = [
        verdict is Verdict.HEALTHY and requests >= least[metric]
        for metric, verdict, requests in decides
        if not (metric in optional and verdict is Verdict.NO_DATA)
    ]
    limits = [
        finding.verdict is Verdict.HEALTHY
        for finding in limited
        if finding.metric not in dry and not (finding.metric in optional and not finding.numbers["canary_total"])
    ]
    return (bool(deciding) or beside.any) and all(deciding) and all(limits)


@once
def _least(config: JudgeConfig) -> dict[str, int]:
    return {metric.name: metric.min_requests for metric in config.metrics}


def _step_bound(state: JudgeState, asked: Asked, tolerated: Array) -> Array:
    """What an undecided step must exclude: few are exposed to a small share, so its absolute part may be looser."""
    looser = min(LOOSEST, max(1.0, state.last_share / state.share if state.share else 1.0))
    return tolerated + asked.absolute * (looser - 1.0)


def _may_proceed(
    config: JudgeConfig, state: JudgeState, asked: Asked, tolerated: Array, beside: classical.Word
) -> bool:
    """Whether an undecided step may go on at its maximum hold: every guard of the promise to users holds."""
    counted, needed = _guarded(config, state.tests)
    if not needed:
        return False
    x_c, n_c = state.book.step[:, 2], state.book.step[:, 3]
    counted = counted & ~(_optional(config, state.tests) & (n_c == 0))
    if not counted.any():
        return beside.any
    n = np.maximum(n_c, 1.0)
    passes = (n_c >= _fewest(config, state.tests)) & (x_c / n <= tolerated)
    if not passes[counted].all():
        return False
    excluded = upper_end(x_c, n, z=ONE_SIDED) <= _step_bound(state, asked, tolerated)
    return bool(excluded[counted].all())


@once
def _optional(config: JudgeConfig, tests: tuple[Test, ...]) -> Mask:
    """Tests of metrics that are no part of a step in which nothing of them is seen."""
    optional = {metric.name for metric in config.metrics if metric.no_data == PASS}
    return np.array([test.metric in optional for test in tests], dtype=bool)


@once
def _fewest(config: JudgeConfig, tests: tuple[Test, ...]) -> Array:
    """Canary requests in a step that each test must have seen."""
    least = _least(config)
    return np.array([max(1, least[test.metric]) for test in tests], dtype=float)


@once
def _guarded(config: JudgeConfig, tests: tuple[Test, ...]) -> tuple[Mask, bool]:
    """Which tests decide, and whether each metric that decides has one, or needs none."""
    known = {test.metric for test in tests} | {metric.name for metric in config.metrics if metric.no_data == PASS}
    every = all(metric.name in known or metric.dry_run for metric in config.metrics)
    return np.array([not test.dry_run for test in tests], dtype=bool), every
