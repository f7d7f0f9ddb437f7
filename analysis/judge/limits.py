"""Absolute limits, each tested on each arm alone. JUDGE, "Latency" (limits) and "Many metrics, one alpha".

A limit that both arms break is not the canary's fault: then what the canary's bets have won is thrown away (which an
e-process always may), so that the end of a shared outage cannot leave the canary alone with the evidence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.judge.accounts import CAP, EFFECTS, Wealth
from analysis.judge.evalue import log_evalue_one_arm, odds_above
from analysis.judge.tests import Limit
from analysis.model import Arm, Look

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

BOTH = np.log(5.0)
"""Evidence against stable at which a limit says nothing about the canary."""

HEADROOM = 3.0
"""What stable's accounts may have above `BOTH` (nats): the end of an outage must be noticed."""


@dataclass(frozen=True, slots=True)
class Limits:
    """One row per limit; never changed in place.

    Attributes:
        bets: wealth against "within the limit": of the canary, one row per limit, then of stable.
        step: (over the bound above the limit, over the bound below it, requests) of the canary in this step.
    """

    bets: Wealth
    step: Array

    @classmethod
    def fresh(cls, limits: int) -> Limits:
        """Before any look."""
        return cls(Wealth.fresh(2 * limits), np.zeros((limits, 3)))

    def begin_step(self) -> Limits:
        """A step begins: the canary's evidence goes on; stable's starts anew, since a bake will not renew it."""
        k, start = len(self), Wealth.fresh(len(self))
        bets = Wealth(
            np.concatenate([self.bets.cash[:k], start.cash]), np.concatenate([self.bets.accounts[:k], start.accounts])
        )
        return Limits(bets, np.zeros_like(self.step))

    def joined(self, other: Limits) -> Limits:
        """With another's rows appended."""
        bets = [
            np.concatenate([mine[: len(self)], theirs[: len(other)], mine[len(self) :], theirs[len(other) :]])
            for mine, theirs in (
                (self.bets.cash, other.bets.cash),
                (self.bets.accounts, other.bets.accounts),
            )
        ]
        return Limits(Wealth(*bets), np.concatenate([self.step, other.step]))

    def __len__(self) -> int:
        """Limits."""
        return len(self.step)

    def evidence(self) -> tuple[Array, Mask]:
        """Log evidence that the canary is over each limit, and whether stable is, as far as is known."""
        found = self.bets.evidence()
        return found[: len(self)], found[len(self) :] >= BOTH

    def look(self, limits: tuple[Limit, ...], look: Look, *, part: float, threshold: float, phi: float = 1.0) -> Limits:
        """After one look.

        Args:
            limits: what the rows are.
            look: the look.
            part: of the cash, to be moved before the look.
            threshold: evidence that condemns.
            phi: dispersion from stable's own history. What this release has shown is left out: one outage of both
                arms would blunt the limit for all that follows.
        """
        if not limits:
            return self
        m, rate = len(limits), np.array([one.rate for one in limits] * 2)
        rows = [one.counts(look, arm) for arm in (Arm.CANARY, Arm.STABLE) for one in limits]
        x, n = np.array(rows, dtype=float).T
        factors = log_evalue_one_arm(x=x[:, None], n=n[:, None], limit=rate[:, None], c=odds_above(rate, EFFECTS))
        factors = factors / phi
        bets = self.bets.look(factors, part=part, log_cap=CAP * threshold)
        ceiling = np.full((2 * m, 1), np.inf)
        ceiling[m:] = BOTH + HEADROOM
        bets = bets.at_most(ceiling)
        both = bets.evidence()[m:] >= BOTH
        if both.any():
            start = np.full((2 * m, len(EFFECTS)), np.inf)
            start[:m][both] = Wealth.fresh(1).accounts
            bets = bets.at_most(start)
        below = np.array([one.counts_below(look, Arm.CANARY)[0] for one in limits], dtype=float)
        return Limits(bets, self.step + np.stack([x[:m], below, n[:m]], axis=1))
