"""This judge beside the rules of others, on the same requests: what the bars are about."""

from __future__ import annotations

import numpy as np

from analysis.offline import Question
from judging.ours import judged
from judging.peers import Flagger, Kayenta
from judging.streams import Stream, draw
from judging.table import hurt

RATE = 0.005


def failed_requests(canary: float, *, per_second: float, every: float, runs: int, seed: int) -> tuple[float, float]:
    """Mean failed requests on the canary until the rollback: under this judge, and under Flagger's defaults.

    Args:
        canary: its rate of errors.
        per_second: requests on the canary.
        every: seconds between looks.
        runs, seed: how many, and their chance.
    """
    chance = np.random.default_rng([seed, round(1000 * canary), round(10 * per_second), round(every)])
    stream = draw(
        chance,
        runs,
        rps=10.0 * per_second,
        share=10.0,
        stable=RATE,
        canary=canary,
        every=every,
        looks=round(1200.0 / every),
    )
    mine = (judged(stream, Question(looks=round(3600.0 / every))).condemned + 1.0) * every
    return float(hurt(stream, mine).mean()), float(hurt(stream, Flagger(threshold=1)(stream)).mean())


def few_requests(*, runs: int, seed: int) -> Stream:
    """Errors from 0.5 % to 2 % at 50 requests a minute and arm, for an hour."""
    chance = np.random.default_rng(seed)
    return draw(chance, runs, rps=100.0 / 60.0, share=50.0, stable=0.005, canary=0.02)


def caught(stream: Stream) -> tuple[float, float]:
    """Share of runs that are rolled back within the stream, nothing tolerated: by this judge, and by Kayenta's rule."""
    mine = judged(stream, Question(relative=0.0, absolute=0.0)).condemned
    theirs = Kayenta()(stream)
    return float(np.isfinite(mine).mean()), float(np.isfinite(theirs).mean())
