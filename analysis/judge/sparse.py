"""Looks with hardly a request: what has nothing to be compared with waits for it. JUDGE, "The sequential test".

A look without a request on one arm says nothing, and the other arm's requests in it would be lost. They wait, and are
judged with those of later looks as one look, as soon as there are enough on both arms. Which looks those are depends on
how many requests there were and never on how they ended, and stable's rate, the dispersion and the bets of such a look
are from before the first of them: it is a look like any other. What rates do meanwhile is seen by the two arms at
slightly different times, as it is where they are scraped at different moments; the cap on what a look may win is for
that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.judge.asked import Counted
from analysis.judge.evalue import Mask

Array = NDArray[np.float64]

FEWEST_STABLE = 5.0
"""Of stable, requests that a comparison takes. T* is four of them even where all of very many on the canary fail, so
that nothing is lost by waiting for them, and an outage of both arms shows on stable too. [by simulation: 3 to 8 do as
well; with 1, trouble at a request a look takes 2 % longer]"""

FEWEST_CANARY = 1.0
"""Of the canary: one that fails may be half of the evidence. Two would be seen later, and the cap cuts what they win in
one look. [by simulation: 3 % longer]"""

LONGEST = 100.0
"""Looks that are judged as one at most: rates may change meanwhile. What waited in vain is remembered of stable. At a
request in 25 looks, where the slowest bar of detection is, one in 60 waits in vain. [by simulation: 30 takes 1 % longer
to see what 100 sees, and 300 as long]"""


def gathered(waiting: Array, look: Counted) -> tuple[Counted, Array]:
    """What is to be judged now, zeros where nothing is, and what waits.

    Args:
        waiting: of each test, looks that wait and their (x_s, n_s, x_c, n_c), shape (tests, 5).
        look: the newest look.
    """
    if not waiting.any() and _enough(look.n_s, look.n_c).all():
        return look, waiting
    now = waiting.copy()
    now[:, 1:] += look.table
    now[:, 0] += now[:, 1:].any(axis=1)
    ready = _enough(now[:, 2], now[:, 4]) | (now[:, 0] >= LONGEST)
    judged = now * ready[:, None]
    return Counted.of(judged[:, 1:]), now - judged


def _enough(n_s: Array, n_c: Array) -> Mask:
    found: Mask = (n_s >= FEWEST_STABLE) & (n_c >= FEWEST_CANARY)
    return found
