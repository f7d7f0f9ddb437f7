"""The judge: one look in, one judgement out. Pure; the state that comes in is never changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis import classical
from analysis.judge import pace, shares, unusual
from analysis.judge.accounts import STEP_SHARE, Wealth
from analysis.judge.book import Asked, Counted
from analysis.judge.config import JudgeConfig
from analysis.judge.state import JudgeState, add_latency, learn_histograms
from analysis.judge.tests import levels
from analysis.judge.verdict import judgement_of
from analysis.model import Arm, Judgement, Look, Verdict

Array = NDArray[np.float64]


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
    return state


def learn(config: JudgeConfig, state: JudgeState, look: Look) -> JudgeState:
    """Learn stable from a look that is not judged (before a step settled): its rate, its latency histogram."""
    state = state.copy()
    _expose(state, look)
    asked = _asked(config, state)
    learn_histograms(config, state, look)
    state.book = state.book.learn(_counted(state, look), asked)
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
    _expose(state, look)
    state.began = look.start if state.began is None else state.began
    stable, canary = look.requests(Arm.STABLE), look.requests(Arm.CANARY)
    state.beside = classical.observe(
        config.classical, config.score, state.beside, look, levels=levels(config), baking=state.baking
    )
    look, state.held, left = pace.paced(config, state.held, look, began=state.began)
    asked, counts = _asked(config, state), _counted(state, look)
    a, phi = state.book.rates(asked), state.book.phi(asked)
    part = STEP_SHARE if state.first else 1.0 / max(config.planned_looks, 2)
    judge = state.book.bake if state.baking else state.book.compare
    before = state.book
    state.book = judge(counts, asked, part=part)
    if left:
        waits = np.array([test.metric in left for test in state.tests], dtype=bool)
        state.book = replace(state.book, quiet=np.where(waits, before.quiet, state.book.quiet))
    state.over = state.over.look(state.limits, look, part=part, threshold=config.threshold)
    if config.check_share and not state.baking and 0 < state.share < 100:
        state.split = shares.look(state.split, stable=stable, canary=canary, share=state.share, part=part)
    state.idle = (0 if stable else state.idle[0] + 1, 0 if canary else state.idle[1] + 1)
    state.looks, state.first = state.looks + 1, False
    judgement = judgement_of(config, state, asked, a=a, phi=phi)
    state.condemned = state.condemned or judgement.verdict is Verdict.UNHEALTHY
    if not state.baking:
        # What this look showed of stable chooses the bounds of later looks only.
        learn_histograms(config, state, look)
        add_latency(config, state)
    return state, unusual.told(judgement, look)


def _expose(state: JudgeState, look: Look) -> None:
    """The canary's first traffic: what stable was without it is known now or never."""
    if not state.exposed and look.requests(Arm.CANARY):
        state.exposed, state.book = True, state.book.known()


def _asked(config: JudgeConfig, state: JudgeState) -> Asked:
    relative = np.array([test.relative for test in state.tests])
    absolute = np.array([test.absolute for test in state.tests])
    phi0 = np.array([config.phi0_of(test.metric) for test in state.tests])
    return Asked.of(config, relative=relative, absolute=absolute, phi0=phi0)


def _counted(state: JudgeState, look: Look) -> Counted:
    rows = [(*test.counts(look, Arm.STABLE), *test.counts(look, Arm.CANARY)) for test in state.tests]
    return Counted.of(np.array(rows, dtype=float).reshape(len(rows), 4))
