"""What so many requests can show. JUDGE, "What the user sees" and "Planning and calibrating".

When stable fails at rate a and the canary at c, the account that bets on effect j wins `I_j` per look on average, which
is linear in c, and its evidence scatters by `sqrt(V_j)` around that. It condemns with chance 90 % once
`I_j - z sqrt(V_j) >= level - log(what the account began with)`; the account that gets there first is what counts.
Pure; used by `plan` before a release, and by findings during one. A look's cap is not in it: a verdict takes two looks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.judge.accounts import EFFECT_WEIGHTS, EFFECTS, INVESTED
from analysis.judge.evalue import EDGE, bound, boundary_point, odds_above

Array = NDArray[np.float64]

POWER_Z = 1.2816
"""Normal quantile of the 90 % with which something must be seen."""

NOTHING = 1.0
"""The answer where not even a canary that fails always would be seen."""


@dataclass(frozen=True, slots=True)
class _Bets:
    """Per question and account, shape (k, 8), per request.

    Attributes:
        win, lose: log of the account's factor for a bad and for a good canary request.
        stable: its mean per stable request; `scatter` its variance.
    """

    win: Array
    lose: Array
    stable: Array
    scatter: Array

    @classmethod
    def of(cls, *, a: Array, n_s: Array, n_c: Array, relative: Array, absolute: Array) -> _Bets:
        c = odds_above(bound(a, relative, absolute)[:, 0], EFFECTS)
        s = boundary_point(a=a, c=c, n_s=n_s, n_c=n_c, relative=relative, absolute=absolute)
        b = bound(s, relative, absolute)
        bad, good = np.log(a / s), np.log((1.0 - a) / (1.0 - s))
        return cls(
            win=np.log(c / b),
            lose=np.log((1.0 - c) / (1.0 - b)),
            stable=a * bad + (1.0 - a) * good,
            scatter=a * (1.0 - a) * (bad - good) ** 2,
        )


def detectable(
    *, rate: float, n_s: float, n_c: float, relative: float, absolute: float, level: float, phi: float = 1.0
) -> float:
    """The smallest canary rate that so many requests show with chance 90 %.

    Args:
        rate: stable's rate of bad requests.
        n_s, n_c: requests on stable and canary.
        relative, absolute: the tolerance.
        level: evidence that condemns: `log(1/alpha) + log(1/weight)`.
        phi: dispersion.

    Returns:
        Between the bound and 1; `NOTHING` where not even 1 would be seen.
    """
    question = np.array([[rate, n_s, n_c, relative, absolute, level, phi]])
    return float(detectable_rates(question)[0])


def detectable_rates(questions: Array) -> Array:
    """`detectable` for many at once: rows of its arguments, in their order."""
    rate, n_s, n_c, relative, absolute, level, phi = questions.T[:, :, None]
    a = np.clip(rate, EDGE, 1.0 - EDGE)
    tolerated = bound(a, relative, absolute)
    usable = (n_s > 0) & (n_c > 0) & (tolerated < 1.0 - EDGE)
    a, n_s, n_c = np.where(usable, a, 0.5 * EDGE), np.where(usable, n_s, 1.0), np.where(usable, n_c, 1.0)
    bets = _Bets.of(a=a, n_s=n_s, n_c=n_c, relative=relative, absolute=absolute)
    # (mean - needed)^2 = z^2 phi variance is quadratic in c; beyond its larger root the bet is won often enough
    # (unless it is the root of the other sign: then no rate is).
    wanted = phi * (level - np.log(INVESTED * EFFECT_WEIGHTS)) - n_s * bets.stable
    odds, start, noise = bets.win - bets.lose, n_c * bets.lose - wanted, POWER_Z**2 * phi
    square = n_c * odds**2 * (n_c + noise)
    half = 0.5 * n_c * odds * (2.0 * start - noise * odds)
    rest = start**2 - noise * n_s * bets.scatter
    c = (np.sqrt(np.maximum(half**2 - square * rest, 0.0)) - half) / square
    c = np.clip(np.where(start + n_c * odds * c >= 0, c, NOTHING), tolerated, 1.0)
    found: Array = np.where(usable[:, 0], c.min(axis=1), NOTHING)
    return found


def requests_needed(
    *, rate: float, canary: float, share: float, relative: float, absolute: float, level: float, phi: float = 1.0
) -> float:
    """Canary requests that show a canary of this rate with chance 90 %.

    Args:
        rate: stable's rate of bad requests.
        canary: the canary's.
        share: percent of the requests that go to the canary, above 0 and below 100.
        relative, absolute: the tolerance.
        level: evidence that condemns: `log(1/alpha) + log(1/weight)`.
        phi: dispersion.

    Returns:
        Infinite where the canary is within the tolerance, or so little beyond it that no bet wins.
    """
    if canary <= rate * (1.0 + relative) + absolute:
        return math.inf
    per_canary = (100.0 - share) / share
    bets = _Bets.of(
        a=np.clip(np.array([[rate]]), EDGE, 1.0 - EDGE),
        n_s=np.array([[per_canary]]),
        n_c=np.array([[1.0]]),
        relative=np.array([[relative]]),
        absolute=np.array([[absolute]]),
    )
    mean = per_canary * bets.stable + canary * bets.win + (1.0 - canary) * bets.lose
    spread = canary * (1.0 - canary) * (bets.win - bets.lose) ** 2
    scatter = POWER_Z * np.sqrt(phi * (per_canary * bets.scatter + spread))
    wanted = phi * (level - np.log(INVESTED * EFFECT_WEIGHTS))
    wins = mean > 0
    mean = np.where(wins, mean, 1.0)
    root = (scatter + np.sqrt(scatter**2 + 4.0 * mean * wanted)) / (2.0 * mean)
    return float(np.where(wins, root**2, math.inf).min())
