"""Looks with hardly a request: what has nothing to be compared with waits for it. JUDGE, "The sequential test".

A look without a request on one arm says nothing, and the other arm's requests in it would be lost. They wait, and are
judged with those of later looks as one look, as soon as both arms have a request. Which looks those are depends on how
many requests there were and never on how they ended, and stable's rate, the dispersion and the bets of such a look are
from before the first of them: it is a look like any other. What rates do meanwhile is seen by the two arms at slightly
different times, as it is where the arms are scraped at different moments; the cap on what one look may win is for that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.judge.asked import Counted

Array = NDArray[np.float64]

FEWEST = 1.0
"""Requests on each arm that a comparison takes. Where it takes two, what waits comes nearer to its share and is worth
more, but a canary that fails at once is seen later, and the cap cuts what several bad requests win in one look."""

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
    if not waiting.any() and (np.minimum(look.n_s, look.n_c) >= FEWEST).all():
        return look, waiting
    now = waiting.copy()
    now[:, 1:] += look.table
    now[:, 0] += now[:, 1:].any(axis=1)
    ready = (np.minimum(now[:, 2], now[:, 4]) >= FEWEST) | (now[:, 0] >= LONGEST)
    judged = now * ready[:, None]
    return Counted.of(judged[:, 1:]), now - judged
