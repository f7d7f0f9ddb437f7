"""Slow deaths: a canary that hangs completes nothing, and completed requests are all that counters show. JUDGE, (d).

HUNG is a rule, outside of the promise, and only holds: the canary's requests begin and do not end, stable's do. That
the canary completes less than half of its share is a test: an e-process against "at least half", on top of three looks
in a row, so that a thin share condemns nobody by chance. A gateway that keeps no shares is not asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from analysis.judge.accounts import FACTORS, Wealth
from analysis.judge.evalue import log_odds_of
from analysis.model import Arm, Look

Array = NDArray[np.float64]

HALF = 0.5
"""Of its share, what a canary completes at least while it lives."""

LOOKS = 3
"""Looks in a row that must show it, of either kind."""

UNFINISHED = 0.1
"""Part of a look's started requests that did not end in it and is too much, if stable's end. [judged]"""

TIMES = 3.0
"""Times stable's part that the canary's must be: what is slow by nature is slow on both. [judged]"""

FEWEST = 5
"""Requests that did not end before anybody is woken."""

SPENDS = 0.01
"""Part of falseRollback that the completion test may spend in each step, on top of the metrics'."""

HEADROOM = 3.0
"""What an account may have above its threshold (nats): a canary that answers again must be noticed."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What is remembered of a step; never changed in place.

    Attributes:
        bets: wealth against "the canary completes at least half of its share", one row.
        few: newest looks in a row in which it completed less.
        stuck: newest looks in a row in which too many of its requests did not end.
        unfinished: of those looks, requests that began on the canary and did not end.
        step: requests completed in those looks of few: canary, both arms.
    """

    bets: Wealth = field(default_factory=lambda: Wealth.fresh(1))
    few: int = 0
    stuck: int = 0
    unfinished: int = 0
    step: tuple[int, int] = (0, 0)

    def look(self, look: Look, *, share: float, keeps: bool, part: float, threshold: float) -> Flow:
        """After one look.

        Args:
            look: the look.
            share: percent asked for.
            keeps: the gateway keeps shares, and two arms are there to compare.
            part: of the cash, to be moved before the look.
            threshold: evidence that condemns.
        """
        after = self._stuck(look)
        if not keeps or not look.counted(Arm.CANARY):
            return after
        canary = look.requests(Arm.CANARY)
        every = canary + look.requests(Arm.STABLE)
        least = HALF * share / 100.0
        level = threshold - math.log(SPENDS)
        bad, good = log_odds_of((1.0 - least,), FACTORS)
        factors = (every - canary) * bad + canary * good
        # No cap: that no single look decides is seen to by the looks in a row.
        bets = self.bets.look(factors, part=part, log_cap=level).at_most(level + HEADROOM)
        if not every:
            return replace(after, bets=bets)
        if canary >= least * every:
            return replace(after, bets=bets, few=0, step=(0, 0))
        return replace(after, bets=bets, few=self.few + 1, step=(self.step[0] + canary, self.step[1] + every))

    def _stuck(self, look: Look) -> Flow:
        started, finished = _begun(look, Arm.CANARY)
        if not started:
            return self
        stable_started, stable_finished = _begun(look, Arm.STABLE)
        stable = max(0, stable_started - stable_finished) / stable_started if stable_started else 0.0
        missing = started - finished
        if missing / started <= max(UNFINISHED, TIMES * stable):
            return replace(self, stuck=0, unfinished=0)
        return replace(self, stuck=self.stuck + 1, unfinished=self.unfinished + missing)

    @property
    def hung(self) -> bool:
        """Whether the canary's requests begin and do not end, while stable's do."""
        return self.stuck >= LOOKS and self.unfinished >= FEWEST

    def starved(self, threshold: float) -> bool:
        """Whether the canary completes less than half of its share."""
        return self.few >= LOOKS and float(self.bets.evidence()[0]) >= threshold - math.log(SPENDS)


def _begun(look: Look, arm: Arm) -> tuple[int, int]:
    """Requests begun and ended in a look; zeros where the source does not tell."""
    known = [arms[arm] for arms in look.counts.values() if arm in arms and arms[arm].started is not None]
    if not known:
        return 0, 0
    return max(one.started or 0 for one in known), max(one.total for one in known)
