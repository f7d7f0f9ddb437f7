"""One run, look by look, exactly as a live release is judged."""

from __future__ import annotations

import numpy as np

from analysis.judge import begin_step, observe, start
from analysis.model import Judgement, Verdict
from analysis.offline.question import Question
from analysis.offline.result import Result, result_of
from analysis.offline.runs import Run


def judge_one(run: Run, question: Question) -> Result:
    """The result of one run; what `judge` gives for many at once."""
    return judged(run, question)[0]


def judged(run: Run, question: Question) -> tuple[Result, tuple[Judgement, ...]]:
    """The result, and what was said at each look up to the verdict UNHEALTHY or to the end."""
    config = question.config(run)
    state, begins = start(config), run.begins
    said: list[Judgement] = []
    for index, look in enumerate(run.looks()):
        if begins[index]:
            # Shares are not in the file: 0 is "unknown".
            state = begin_step(config, state, share=0.0, last_share=0.0)
        state, judgement = observe(config, state, look)
        said.append(judgement)
        if judgement.verdict is Verdict.UNHEALTHY:
            break
    healthy = np.array([judgement.verdict is Verdict.HEALTHY for judgement in said], dtype=bool)
    return result_of(run, healthy, said[-1]), tuple(said)
