"""The judge: one look in, one judgement out. Pure; the state that comes in is never changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis import classical
from analysis.judge import holds, pace, pods, shares, unusual
from analysis.judge.accounts import STEP_SHARE, Wealth
from analysis.judge.asked import Asked, Counted
from analysis.judge.config import JudgeConfig
from analysis.judge.explain import HARM_HINT
from analysis.judge.flow import Flow
from analysis.judge.once import once
from analysis.judge.past import Past, history_of, phi0_of
from analysis.judge.state import JudgeState, add_latency, learn_histograms
from analysis.judge.tests import Test, counts_of, levels
from analysis.judge.verdict import judgement_of
from analysis.model import Arm, Judgement, Look, Verdict

Array = NDArray[np.float64]


def recall(state: JudgeState, past: Past) -> JudgeState:
    """Learn what stable's recorded past shows; it ends before the canary had traffic.

    Its dispersion is in force from the next look on, its rates are the prior of what this release will see, and what
    stable is later held against (BOTH_WORSE) rests on it too.
    """
    state = state.copy()
    state.past = past
    if state.exposed:
        state.book = state.book.known(_recorded(state), only_unknown=True)
    return state


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
    state.book = state.book.begin_step(bakes=baking and not state.baking)
    state.over = state.over.begin_step()
    state.split = Wealth.fresh(2)
    state.looks, state.idle, state.first = 0, (0, 0), True
    state.share, state.last_share, state.baking = share, last_share, baking
    state.beside, state.held, state.began = classical.begin_step(state.beside, last=share >= last_share), {}, None
    state.flow, state.dropped = Flow(), {}
    state.widening = _widening(config, state)
    return state


def drop(state: JudgeState, look: Look) -> JudgeState:
    """Remember that a look was not judged, because a change of the share lies in it."""
    state = state.copy()
    state.book = state.book.parted()
    if state.exposed:
        _age(state, look)
    _count_dropped(state, look, more={"share_change": 1})
    return state


def learn(config: JudgeConfig, state: JudgeState, look: Look) -> JudgeState:
    """Learn stable from a look that is not judged (before a step settled): its rate, its latency histogram."""
    state = state.copy()
    _expose(state, look)
    if not look.requests(Arm.CANARY):
        # Later the look that shows that traffic follows is learned from first, and judged as the step's first.
        _see(state, look)
    asked = _asked(config, state)
    learn_histograms(config, state, look)
    state.book = state.book.learn(_counted(state, look), asked)
    return state


def suspected(state: JudgeState, metrics: Collection[str]) -> bool:
    """Whether there is more than a hint that the canary is worse in one of some metrics."""
    rows = [row for row, test in enumerate(state.tests) if test.metric in metrics]
    return bool(rows) and bool((state.book.harm.evidence()[rows] >= HARM_HINT).any())


def observe(
    config: JudgeConfig, state: JudgeState, look: Look, *, early: bool = False, left_out: Collection[str] = ()
) -> tuple[JudgeState, Judgement]:
    """Judge one look.

    Args:
        config: the question.
        state: what is remembered; not changed.
        look: the look; looks that hold a change of share must not be given.
        early: so soon after a change of the share that requests which take long have not ended yet: it may speak
            against the canary, not for it.
        left_out: metrics that are not judged in it, because it is too early for them.

    Returns:
        What is remembered now, and the judgement.
    """
    cold, came = _starts_cold(config, state, look), look
    state = state.copy()
    _expose(state, look)
    _see(state, look)
    # An earlier look comes after a later one where their clock was set back: nothing then waits for the old time.
    state.began = look.start if state.began is None else min(state.began, look.start)
    if not state.looks and not early:
        # Of what was too early to speak for the canary, nothing may do so later.
        state.book = state.book.parted()
    stable, canary = look.requests(Arm.STABLE), look.requests(Arm.CANARY)
    state.beside = classical.observe(
        config.classical, config.score, state.beside, look, levels=levels(config), baking=state.baking
    )
    keeps = config.check_share and not state.baking and 0 < state.share < 100
    part = STEP_SHARE if state.first else 1.0 / max(config.planned_looks, 2)
    share = config.compared(state.share)
    state.flow = state.flow.look(look, share=share, keeps=keeps, part=part, threshold=config.threshold)
    if left_out:
        look = replace(look, counts={name: arms for name, arms in look.counts.items() if name not in left_out})
    look, state.held, left = pace.paced(config, state.held, look, began=state.began)
    left |= frozenset(left_out)
    asked, counts = _asked(config, state), _counted(state, look)
    a, phi = state.book.rates(asked), state.book.phi(asked)
    before = state.book
    if state.baking:
        state.book = state.book.bake(counts, asked, part=part)
    else:
        state.book = state.book.compare(counts, asked, part=part, known=(a, phi))
    if early:
        state.book = state.book.changed(health=before.health, health_before=before.health_before)
    if left:
        waits = np.array([test.metric in left for test in state.tests], dtype=bool)
        state.book = replace(state.book, quiet=np.where(waits, before.quiet, state.book.quiet))
    if state.limits:
        known = max(1.0, history_of(config, state.past) or 1.0)
        state.over = state.over.look(state.limits, look, part=part, threshold=config.threshold, phi=known)
    if keeps and came.counted(Arm.STABLE) and came.counted(Arm.CANARY):
        state.split = shares.look(state.split, stable=stable, canary=canary, share=share, part=part)
    state.idle = (0 if stable else state.idle[0] + 1, 0 if canary else state.idle[1] + 1)
    state.looks, state.first = state.looks + (not early), False
    harm = state.book.harm.evidence()
    state.book = state.book.risen(counts, harm)
    judgement = judgement_of(config, state, asked, a=a, phi=phi, harm=harm, look=came, left_out=left)
    state.condemned = state.condemned or judgement.verdict is Verdict.UNHEALTHY
    state.outlier = next((one.metric for one in judgement.findings if one.code == "POD_OUTLIER"), "")
    if not state.baking:
        # What this look showed of stable chooses the bounds of later looks only.
        learn_histograms(config, state, look)
        add_latency(config, state)
    return state, unusual.told(holds.with_cold_start(judgement, config.warmup) if cold else judgement, look)


def _starts_cold(config: JudgeConfig, state: JudgeState, look: Look) -> bool:
    """Whether the canary's latency is suspected right after its warmup: a longer cold start looks like that too."""
    if not config.warmup or state.first_request is None:
        return False
    over = state.first_request + config.warmup
    return over <= look.start < over + config.warmup and suspected(state, config.latency)


def first_request(state: JudgeState, look: Look) -> float | None:
    """When the youngest of the canary's pods had its first request, as far as this look shows; None before any.

    Counters seldom tell pods apart, but how many are ready is known: where there are more of them than before, some of
    the canary's requests are those of a pod that begins. One that was only away for a moment looks the same.
    """
    if state.exposed and look.pods.get(Arm.CANARY, 0) > state.pods[1]:
        return look.end
    known = state.first_request
    if look.requests(Arm.CANARY) and (known is None or known > look.end):  # later: their clock was set back
        return look.start
    return known


def _age(state: JudgeState, look: Look) -> None:
    state.first_request = first_request(state, look)
    if look.pods:
        state.pods = (look.pods.get(Arm.STABLE, 0), look.pods.get(Arm.CANARY, 0))


def _expose(state: JudgeState, look: Look) -> None:
    """The canary's first traffic: what stable was without it is known now or never."""
    _age(state, look)
    if not state.exposed and look.requests(Arm.CANARY):
        state.exposed, state.book = True, state.book.known(_recorded(state))


def _recorded(state: JudgeState) -> Array:
    """(bad, total) per test of stable's recorded past; zeros where it shows nothing."""
    rows = [state.past.metrics.get(test.metric) if not test.bound else None for test in state.tests]
    return np.array([(one.bad, one.total) if one else (0, 0) for one in rows], dtype=float).reshape(len(rows), 2)


def _asked(config: JudgeConfig, state: JudgeState) -> Asked:
    return _asked_of(config, state.tests, state.past, state.widening)


@once
def _asked_of(config: JudgeConfig, tests: tuple[Test, ...], past: Past, widening: Mapping[str, float]) -> Asked:
    relative = np.array([_relative(widening, test) for test in tests])
    absolute = np.array([test.absolute for test in tests])
    phi0 = np.array([phi0_of(config, past, test.metric) for test in tests])
    ratio = np.array([test.ratio for test in tests])
    known = [past.metrics.get(test.metric) if not test.bound else None for test in tests]
    priors = [one.rate if one else None for one in known]
    return Asked.of(config, relative=relative, absolute=absolute, phi0=phi0, ratio=ratio, priors=priors)


def _relative(widening: Mapping[str, float], test: Test) -> float:
    wider = widening.get(test.metric, 1.0)
    return (1.0 + test.relative) * wider - 1.0 if wider > 1.0 else test.relative


def _widening(config: JudgeConfig, state: JudgeState) -> Mapping[str, float]:
    """What `pods: widen` multiplies `1 + r` by, from what stable's pods have shown before this step."""
    found: dict[str, float] = {}
    for metric, arms in state.seen.items() if config.widen_pods else ():
        sigma = pods.spread(arms.get(Arm.STABLE, {}).values())
        canary, stable = state.pods[1] or 1, state.pods[0] or len(arms.get(Arm.STABLE, {}))
        if sigma:
            found[metric] = pods.widened(0.0, sigma, canary=canary, stable=stable) + 1.0
    return found


def _see(state: JudgeState, look: Look) -> None:
    """Pods, and what happened between the looks."""
    state.seen = pods.add(state.seen, look)
    _count_dropped(state, look, more={})
    _replaced(state)


def _count_dropped(state: JudgeState, look: Look, *, more: Mapping[str, int]) -> None:
    for reason, number in (*look.missed.items(), *more.items()):
        state.dropped = {**state.dropped, reason: state.dropped.get(reason, 0) + number}


def _replaced(state: JudgeState) -> None:
    """The pod that carried the excess is gone: what was won by it is thrown away, which is always allowed."""
    arms = state.seen.get(state.outlier, {})
    gone = {name for name, pod in arms.get(Arm.CANARY, {}).items() if pod.quiet >= pods.GONE}
    if not gone:
        return
    rows = np.array([test.metric == state.outlier for test in state.tests])
    kept = {name: pod for name, pod in arms[Arm.CANARY].items() if name not in gone}
    state.seen = {**state.seen, state.outlier: {**arms, Arm.CANARY: kept}}
    state.book, state.outlier = state.book.forgiven(rows), ""


def _counted(state: JudgeState, look: Look) -> Counted:
    return Counted.of(np.array(counts_of(state.tests, look), dtype=float).reshape(len(state.tests), 4))
