"""The share check: do the canary's requests fit the share asked for? JUDGE, "Where the comparison is blind" (e).

Counts that do not fit mean that something other than the weights decides who is served where (retries, sticky
clients, another route onto stable), so the arms may not be comparable. Null: the canary's part of the requests is
within 20 % relative or 0.5 points of the weights; two e-processes, too many and too few, at every look.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analysis.judge.accounts import CAP, FACTORS, Wealth
from analysis.judge.evalue import log_odds_of

Array = NDArray[np.float64]

RELATIVE, POINTS = 0.2, 0.005
"""How far the share may be off: relative, and in absolute terms; the wider of both."""

MISMATCH = math.log(2.0 / 0.001)
"""Evidence of one side that says so: chance 0.001 per step for both sides, at every look together."""

HEADROOM = 3.0
"""What an account may have above that (nats): a share that is right again must be noticed."""


def allowed(share: float) -> tuple[float, float]:
    """The canary's part of the requests that fits a share.

    Args:
        share: percent.

    Returns:
        (least, most), each between 0 and 1.
    """
    asked = share / 100.0
    slack = max(RELATIVE * asked, POINTS)
    return max(0.0, asked - slack), min(1.0, asked + slack)


def look(wealth: Wealth, *, stable: int, canary: int, share: float, part: float) -> Wealth:
    """Both bets after one look: row 0 on too many, row 1 on too few.

    Args:
        wealth: before, of two rows.
        stable, canary: requests of the look.
        share: percent asked for.
        part: of the cash, to be moved before the look.
    """
    least, most = allowed(share)
    bad, good = log_odds_of((most, 1.0 - least), FACTORS)
    x = np.array(((canary,), (stable,)), dtype=float)
    factors = x * bad + x[::-1] * good
    if most >= 1.0 or least <= 0.0:
        factors[[most >= 1.0, least <= 0.0]] = 0.0
    return wealth.look(factors, part=part, log_cap=CAP * MISMATCH).at_most(MISMATCH + HEADROOM)


def mismatch(wealth: Wealth) -> bool:
    """Whether the share does not fit."""
    return wealth.may_reach(MISMATCH) and bool((wealth.evidence() >= MISMATCH).any())
