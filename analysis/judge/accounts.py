"""Wealth that bets against the null. JUDGE, "No single look decides" and "Late onset".

Each test keeps its wealth in cash and in one account per effect size. Before each look a part of the cash moves to the
accounts; each account is then multiplied by its capped factor. What is moved is decided before the look, so the sum
is an e-process (a test supermartingale), and by Ville's inequality `P(ever >= 1/alpha) <= alpha`. It equals
restarting at every look: nothing that happened before can disarm it. Where the newest looks speak for an effect, a part
of the cash follows into its account, for the looks to come. The scarcer cash is, the less of it moves and the more it
takes for it to follow, so that a release much longer than its plan does not run out of it. Sources: Shin, Ramdas &
Rinaldo, "E-detectors" (2024); Ramdas, Grunwald, Vovk & Shafer, "Game-theoretic statistics and safe anytime-valid
inference" (2023).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

EFFECTS = np.geomspace(1.3, 30.0, 6)
"""Odds ratios over the bound that are bet on, from just visible to most of the requests failing. Beyond 30 a canary is
found in the same two looks; with six of them each has a third more wealth than with eight, and none between two is
missed: they are less than twice apart."""

EFFECT_WEIGHTS = np.arange(1.0, 7.0) ** -0.75 / (np.arange(1.0, 7.0) ** -0.75).sum()
"""Small effects get more: large ones win fast with little."""

_LOG_WEIGHTS = np.log(EFFECT_WEIGHTS)

FACTORS = tuple(EFFECTS.tolist())
"""The same, to look up what was computed of them."""

INVESTED = 0.6
"""Part of the wealth in the accounts at the start; the rest is cash for what begins later. More finds what begins with
the first look sooner (0.15 nats of seven from 0.6 to 0.7), less what begins later (0.3 nats of thirteen): with 0.63,
trouble after 3,000 looks took up to 2.12 times as long as from the first look on, with 0.6 up to 2.09."""

STEP_SHARE = 0.2
"""Part of the cash that moves at the first look of a step: trouble likes to begin with a new share."""

HOT = 0.76
"""Of log(1/alpha), what an effect must have won since its bets were last worth nothing, for cash to follow: more than
`CAP`, so that no single look moves it, and rare while nothing is wrong. Times the dispersion: where errors come in
bursts that last, chance wins for longer (without that, twice as many good canaries were rolled back in them)."""

PICKY = 0.5
"""Nats more that it takes for each nat of cash that is gone: among thousands of looks chance warms some bet now and
then, and each time that cash follows it in vain, the next time must be rarer."""

FOLLOWS = 0.4
"""Part of the cash that follows. Of 0.7, three vain bets left a fortieth: trouble after 3,000 looks then took up to 2.5
times as long as from the first look on. [by simulation; 0.3 to 0.5 do about as well]"""

SPARING = 4.0
"""Power of the cash left, as a part of that at the start, by which less of it moves before a look. Then it falls as
`(1 + 4 t)**(-1/4)` with t the moved parts' sum, and not as `exp(-t)`: a release five times as long as its plan still
has 0.47 of it instead of 0.007. [by simulation; 2 to 8 do about as well]"""

CAP = 0.67
"""A look's factor is at most `(1/alpha)**CAP`, so that no single look decides (2 * 0.67 > 1: two can)."""


_CASH = math.log(1.0 - INVESTED)
"""Cash at the start."""


def fresh(tests: int) -> tuple[Array, Array]:
    """Log of cash, shape (tests,), and of the accounts, shape (tests, effects), before any look."""
    cash = np.full(tests, _CASH)
    return cash, np.tile(np.log(INVESTED * EFFECT_WEIGHTS), (tests, 1))


def move(cash: Array, accounts: Array, part: float | Array) -> tuple[Array, Array]:
    """Move a part of the cash to the accounts by their weights, before a look; less of it with less cash.

    Args:
        cash, accounts: logs.
        part: between 0 and 1, known before the look: what moves while no cash is gone; one for all tests, or one for
            each.
    """
    if not (part.any() if isinstance(part, np.ndarray) else part):
        return cash, accounts
    # A sum of logs: of a part next to nothing, the product with a weight would be nothing.
    if isinstance(part, float) and len(cash) and (cash == cash[0]).all():
        # The cash of most is alike, and numbers are faster than arrays.
        one = float(cash[0])
        log_moved = math.log(part) + SPARING * min(one - _CASH, 0.0)
        left = np.full(len(cash), one + math.log1p(-math.exp(log_moved)))
        return left, np.logaddexp(accounts, one + log_moved + _LOG_WEIGHTS)
    moved = SPARING * np.minimum(cash - _CASH, 0.0)
    moved += np.log(part) if isinstance(part, np.ndarray) else math.log(part)
    return cash + np.log1p(-np.exp(moved)), np.logaddexp(accounts, (cash + moved)[:, None] + _LOG_WEIGHTS)


def picky(cash: Array) -> Array:
    """Nats more than `HOT` that it takes for cash to follow."""
    more: Array = PICKY * np.maximum(_CASH - cash, 0.0)
    return more


def grow(accounts: Array, log_factors: Array, log_cap: float) -> Array:
    """Multiply each account by its capped factor; a capped e-value is an e-value."""
    return accounts + np.minimum(log_factors, log_cap)


def heated(heat: Array, log_factors: Array, log_cap: float) -> Array:
    """What each account's bet has won since it was last worth nothing, after a look."""
    warmer: Array = np.maximum(heat + np.minimum(log_factors, log_cap), 0.0)
    return warmer


def warmed(before: Array, after: Array, least: Array) -> Mask:
    """Where the warmest bet of a test has come to this much.

    Args:
        before, after: a look, what each bet has won.
        least: that much, one for each test.
    """
    crossed: Mask = (np.maximum.reduce(after, axis=1) >= least) & (np.maximum.reduce(before, axis=1) < least)
    return crossed


def evidence(cash: Array, accounts: Array) -> Array:
    """Log of each test's wealth."""
    # The functions themselves: arrays have the same as methods, which take twice as long on few rows.
    top = np.maximum(cash, np.maximum.reduce(accounts, axis=1))
    summed: Array = top + np.log(np.exp(cash - top) + np.add.reduce(np.exp(accounts - top[:, None]), axis=1))
    return summed


@dataclass(frozen=True, slots=True)
class Wealth:
    """Cash and accounts of several bets, as logs; never changed in place.

    Attributes:
        cash: shape (tests,).
        accounts: shape (tests, effects).
    """

    cash: Array
    accounts: Array

    @classmethod
    def fresh(cls, tests: int) -> Wealth:
        """Before any look."""
        return cls(*fresh(tests))

    def look(self, log_factors: Array, *, part: float | Array, log_cap: float) -> Wealth:
        """After one look: first the cash moves, then the accounts grow."""
        cash, accounts = move(self.cash, self.accounts, part)
        return Wealth(cash, grow(accounts, log_factors, log_cap))

    def following(self, hot: Mask) -> Wealth:
        """After a look, for those to come: cash goes to the accounts that are hot; what all of it is worth stays."""
        number = np.add.reduce(hot, axis=1)
        each = self.cash + math.log(FOLLOWS) - np.log(np.maximum(number, 1))
        return Wealth(
            np.where(number > 0, self.cash + math.log1p(-FOLLOWS), self.cash),
            np.where(hot, np.logaddexp(self.accounts, each[:, None]), self.accounts),
        )

    def evidence(self) -> Array:
        """Log of the wealth of each."""
        return evidence(self.cash, self.accounts)

    def may_reach(self, level: float) -> bool:
        """Whether the wealth of any could be that much (a log); cheaper than to say how much it is."""
        least = level - math.log(1 + len(EFFECTS))
        return bool((self.accounts >= least).any() or (self.cash >= least).any())

    def at_most(self, ceiling: float | Array) -> Wealth:
        """With what each account holds above a ceiling (a log) thrown away, which is always allowed."""
        return Wealth(self.cash, np.minimum(self.accounts, ceiling))

    def joined(self, other: Wealth) -> Wealth:
        """With another's rows appended."""
        return Wealth(np.concatenate([self.cash, other.cash]), np.concatenate([self.accounts, other.accounts]))
