"""The judge: one look in, one judgement out. Pure; the state that comes in is never changed.

The order inside a look matters for the guarantee: rates, dispersion and what is invested come from past looks only
(they are predictable), then the look is judged, then it is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.judge import rates
from analysis.judge.accounts import CAP, EFFECTS, STEP_SHARE
from analysis.judge.config import JudgeConfig
from analysis.judge.evalue import bound, log_evalue, log_evalue_one_arm, odds_above
from analysis.judge.explain import Numbers, finding_of, limit_finding, no_data, overall
from analysis.judge.state import JudgeState, add_latency
from analysis.judge.tests import normaliser
from analysis.model import Arm, Finding, Judgement, Look, Verdict

Array = NDArray[np.float64]

HEALTH_CAP = 0.25
"""A look's factor towards HEALTHY is at most `(1/beta)**HEALTH_CAP`."""

HARM_HINT = np.log(5.0)
"""Evidence of harm at which a step is neither HEALTHY nor lets itself proceed undecided."""

IDLE_LOOKS = 20
"""Looks in a row without a request on an arm after which there is no data."""

LOOSEST = 10.0
"""A small step's absolute tolerance may be looser by this factor at most. [judged]"""

DEFAULT_PRIOR = 0.001
"""Stable's rate before anything is known of it; worth only as many requests as `DEFAULT_WORTH`."""

DEFAULT_WORTH = 20.0


@dataclass(frozen=True, slots=True)
class _Counts:
    """One look as arrays, one entry per test."""

    x_s: Array
    n_s: Array
    x_c: Array
    n_c: Array


def begin_step(
    config: JudgeConfig, state: JudgeState, *, share: float, last_share: float, baking: bool = False
) -> JudgeState:
    """Begin a step: HEALTHY starts anew (evidence from a smaller share is about another load), harm goes on.

    Args:
        config: the question.
        state: before.
        share: percent now settled.
        last_share: percent of the plan's last step; a smaller step tolerates more, since it exposes fewer.
        baking: all traffic is on the canary: judge by limits and by stable as it was, observationally.
    """
    state = state.copy()
    add_latency(config, state)
    state.health = np.zeros(len(state.tests))
    state.step = np.zeros((len(state.tests), 4))
    state.over_step = np.zeros((len(state.limits), 2))
    state.looks, state.idle, state.first = 0, (0, 0), True
    state.share, state.last_share = share, last_share
    if baking and not state.baking:
        state.frozen = _rates(config, state)
    state.baking = baking
    return state


def learn(config: JudgeConfig, state: JudgeState, look: Look) -> JudgeState:
    """Learn stable from a look that is not judged (before a step settled): its rate, its latency histogram."""
    state = state.copy()
    _learn_histograms(config, state, look)
    _remember(state, _counts(state, look))
    return state


def observe(config: JudgeConfig, state: JudgeState, look: Look) -> tuple[JudgeState, Judgement]:
    """Judge one look.

    Args:
        config: the question.
        state: what is remembered; not changed.
        look: the look; looks that hold a change of share must not be given.

    Returns:
        What is remembered now, and the judgement.
    """
    state = state.copy()
    counts = _counts(state, look)
    a, phi = _rates(config, state), state.dispersion.phi(np.full(len(state.tests), config.phi0))
    part = STEP_SHARE if state.first else 1.0 / max(config.planned_looks, 1)
    if state.baking:
        _bake(config, state, counts, part)
    else:
        _compare(config, state, counts, a=a, phi=phi, part=part)
    _check_limits(config, state, look, part)
    state.dispersion.look(x_s=counts.x_s, n_s=counts.n_s, x_c=counts.x_c, n_c=counts.n_c, a=a)
    _remember(state, counts)
    _learn_histograms(config, state, look)
    state.step = state.step + np.stack([counts.x_s, counts.n_s, counts.x_c, counts.n_c], axis=1)
    state.looks, state.first = state.looks + 1, False
    stable, canary = look.requests(Arm.STABLE), look.requests(Arm.CANARY)
    state.idle = (0 if stable else state.idle[0] + 1, 0 if canary else state.idle[1] + 1)
    judgement = _judge(config, state, a, phi)
    state.condemned = state.condemned or judgement.verdict is Verdict.UNHEALTHY
    if not state.tests and state.histograms:
        add_latency(config, state)
    return state, judgement


def _counts(state: JudgeState, look: Look) -> _Counts:
    rows = [(*test.counts(look, Arm.STABLE), *test.counts(look, Arm.CANARY)) for test in state.tests]
    table = np.array(rows, dtype=float).reshape(len(rows), 4)
    return _Counts(x_s=table[:, 0], n_s=table[:, 1], x_c=table[:, 2], n_c=table[:, 3])


def _rates(config: JudgeConfig, state: JudgeState) -> Array:
    known = config.prior_rate is not None
    prior = np.full(len(state.tests), config.prior_rate if config.prior_rate is not None else DEFAULT_PRIOR)
    worth = rates.PRIOR_REQUESTS if known else DEFAULT_WORTH
    return rates.rate(state.memory[:, 0], state.memory[:, 1], prior=prior, worth=worth)


def _tolerances(state: JudgeState) -> tuple[Array, Array]:
    relative = np.array([test.relative for test in state.tests])
    absolute = np.array([test.absolute for test in state.tests])
    return relative, absolute


def _compare(config: JudgeConfig, state: JudgeState, counts: _Counts, *, a: Array, phi: Array, part: float) -> None:
    """Both bets of every test: against "within" (harm) and against "beyond" (health)."""
    relative, absolute = _tolerances(state)
    worse = odds_above(bound(a, relative, absolute), EFFECTS)
    factors = log_evalue(
        x_s=counts.x_s[:, None],
        n_s=counts.n_s[:, None],
        x_c=counts.x_c[:, None],
        n_c=counts.n_c[:, None],
        a=a[:, None],
        c=worse,
        relative=relative[:, None],
        absolute=absolute[:, None],
    )
    state.harm.look(factors / phi[:, None], part=part, log_cap=CAP * config.threshold)
    fine = log_evalue(
        x_s=counts.x_s,
        n_s=counts.n_s,
        x_c=counts.x_c,
        n_c=counts.n_c,
        a=a,
        c=a,
        relative=relative,
        absolute=absolute,
    )
    state.health = state.health + np.minimum(fine / phi, HEALTH_CAP * config.health_threshold)


def _bake(config: JudgeConfig, state: JudgeState, counts: _Counts, part: float) -> None:
    """No second arm: the canary against stable as it was when the bake began. Observational, outside the promise."""
    relative, absolute = _tolerances(state)
    tolerated = bound(state.frozen, relative, absolute)
    worse = odds_above(tolerated, EFFECTS)
    factors = log_evalue_one_arm(x=counts.x_c[:, None], n=counts.n_c[:, None], limit=tolerated[:, None], c=worse)
    state.harm.look(factors, part=part, log_cap=CAP * config.threshold)


def _check_limits(config: JudgeConfig, state: JudgeState, look: Look, part: float) -> None:
    if not state.limits:
        return
    limit = np.array([one.rate for one in state.limits])
    worse = odds_above(limit, EFFECTS)
    for wealth, arm in ((state.over, Arm.CANARY), (state.over_stable, Arm.STABLE)):
        rows = np.array([one.counts(look, arm) for one in state.limits], dtype=float).reshape(len(limit), 2)
        factors = log_evalue_one_arm(x=rows[:, :1], n=rows[:, 1:], limit=limit[:, None], c=worse)
        wealth.look(factors, part=part, log_cap=CAP * config.threshold)
        if arm is Arm.CANARY:
            state.over_step = state.over_step + rows


def _remember(state: JudgeState, counts: _Counts) -> None:
    if not len(state.tests):
        return
    x, n, looks = state.memory.T
    seen = counts.n_s > 0
    new_x, new_n, new_looks = rates.remember(x, n, looks, x_s=counts.x_s, n_s=counts.n_s)
    state.memory = np.where(seen[:, None], np.stack([new_x, new_n, new_looks], axis=1), state.memory)


def _learn_histograms(config: JudgeConfig, state: JudgeState, look: Look) -> None:
    chosen = {test.metric for test in state.tests}
    for metric in config.metrics:
        if metric.kind != "latency" or metric.name in chosen:
            continue
        counts = look.counts.get(metric.name, {}).get(Arm.STABLE)
        if counts is None or not counts.buckets:
            continue
        known = state.histograms.setdefault(metric.name, {})
        for upper, number in counts.buckets:
            known[upper] = known.get(upper, 0) + number


def _judge(config: JudgeConfig, state: JudgeState, a: Array, phi: Array) -> Judgement:
    weights = np.array([0.0 if test.dry_run else test.weight for test in state.tests]) / normaliser(config)
    harm = state.harm.evidence()
    findings = [
        finding_of(
            test,
            Numbers(
                counts=tuple(state.step[row]),
                tolerated=_tolerated(state, row, a),
                evidence=float(harm[row]),
                weight=float(weights[row]),
                health=float(state.health[row]),
                phi=float(phi[row]),
                baking=state.baking,
            ),
            config,
            looks=state.looks,
        )
        for row, test in enumerate(state.tests)
    ]
    limited, over = _limit_findings(config, state)
    combined = _combined(weights, harm, over, config)
    requests = int(max((row[3] for row in state.step), default=0))
    idle = no_data(state.idle, IDLE_LOOKS, baking=state.baking, requests=requests)
    everything = sorted([*findings, *limited], key=_guilt, reverse=True)
    verdict = _verdict(config, state, findings, combined, idle)
    may_proceed = verdict is Verdict.UNDECIDED and _may_proceed(config, state, combined, a)
    return Judgement(
        verdict=verdict,
        findings=tuple([idle, *everything] if idle else everything),
        evidence=combined,
        threshold=config.threshold,
        looks=state.looks,
        requests=requests,
        may_proceed=may_proceed,
        sentence=overall(verdict, [idle, *everything] if idle else everything, may_proceed=may_proceed),
    )


def _guilt(finding: Finding) -> float:
    return finding.numbers.get("share_of_evidence", float("-inf"))


def _tolerated(state: JudgeState, row: int, a: Array) -> float:
    """The canary's tolerated rate: from stable in this step, or from stable as it was when the bake began."""
    test, (x_s, n_s, _, _) = state.tests[row], state.step[row]
    base = state.frozen[row] if state.baking else x_s / n_s if n_s else a[row]
    return float(base * (1 + test.relative) + test.absolute)


def _limit_findings(config: JudgeConfig, state: JudgeState) -> tuple[list[Finding], list[tuple[float, float]]]:
    """Findings of the limits, and (weight, log evidence) of those that only the canary breaks."""
    findings, over = [], []
    canary, stable = state.over.evidence(), state.over_stable.evidence()
    dry = {metric.name for metric in config.metrics if metric.dry_run}
    for row, limit in enumerate(state.limits):
        both = stable[row] >= HARM_HINT
        weight = 0.0 if limit.metric in dry else limit.weight / normaliser(config)
        if not both:
            over.append((weight, float(canary[row])))
        x, n = state.over_step[row]
        findings.append(
            limit_finding(
                limit, bad=x, total=n, evidence=float(canary[row]), weight=weight, both=bool(both), config=config
            )
        )
    return findings, over


def _combined(weights: Array, harm: Array, over: list[tuple[float, float]], config: JudgeConfig) -> float:
    """Log of the weighted mean of all wealth: an e-process under any dependence, so alpha is spent once.

    What no test exists for yet, and what is left out, keeps factor 1.
    """
    pairs = [(float(weight), float(log)) for weight, log in zip(weights, harm, strict=True)] + over
    spent = sum(weight for weight, _ in pairs)
    pairs.append((max(0.0, 1.0 - spent), 0.0))
    del config
    top = max(log for _, log in pairs)
    return float(top + np.log(sum(weight * np.exp(log - top) for weight, log in pairs)))


def _verdict(
    config: JudgeConfig, state: JudgeState, findings: list[Finding], combined: float, idle: Finding | None
) -> Verdict:
    if state.condemned or combined >= config.threshold:
        return Verdict.UNHEALTHY
    if idle is not None:
        return Verdict.NO_DATA
    if state.looks < config.min_looks or combined >= HARM_HINT:
        return Verdict.UNDECIDED
    compared = {test.metric for test in state.tests}
    missing = [m for m in config.metrics if m.name not in compared and not m.dry_run]
    deciding = [
        finding for test, finding in zip(state.tests, findings, strict=True) if test.confirm and not test.dry_run
    ]
    if missing or not deciding or any(finding.verdict is not Verdict.HEALTHY for finding in deciding):
        return Verdict.UNDECIDED
    return Verdict.HEALTHY


def _may_proceed(config: JudgeConfig, state: JudgeState, combined: float, a: Array) -> bool:
    """Whether an undecided step may go on at its maximum hold: every guard of the promise to users holds."""
    if combined >= HARM_HINT:
        return False
    least = {metric.name: metric.min_requests for metric in config.metrics}
    looser = min(LOOSEST, max(1.0, state.last_share / state.share if state.share else 1.0))
    for row, test in enumerate(state.tests):
        if test.dry_run:
            continue
        x_c, n_c = state.step[row][2:]
        if n_c < least[test.metric]:
            return False
        tolerated = _tolerated(state, row, a)
        excluded = tolerated + test.absolute * (looser - 1.0)
        if x_c / n_c > tolerated or upper_end(x_c, n_c) > max(excluded, tolerated) + 3.0 / n_c:
            return False
    return bool(state.tests)


def upper_end(x: float, n: float, z: float = 1.96) -> float:
    """Upper end of Wilson's 95 % interval of a proportion (Wilson, JASA 22, 1927)."""
    p = x / n
    middle = p + z * z / (2 * n)
    spread = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return float((middle + spread) / (1 + z * z / n))
