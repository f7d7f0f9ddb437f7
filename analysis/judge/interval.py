"""The interval that people see: which differences between the arms are still possible. JUDGE, "The interval".

Two e-processes per difference on a fixed grid: one against "canary - stable is at most g", one against "at least g".
The lower end is the largest g up to which every "at most" is refuted, the upper end mirrors it. To miss a difference
that stayed constant, one particular process of each side (that of its next grid point) must pass 40: with chance at
most 1/40 each, at every look together. The interval is not intersected over time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_POSITIVE = np.geomspace(0.0003, 0.9, 15)
GRID = np.concatenate([-_POSITIVE[::-1], [0.0], _POSITIVE])
"""Differences of shares of bad requests: each about 1.8 times the one before it."""

_ENDS = np.concatenate([[-1.0], GRID, [1.0]])

REFUTED = math.log(40.0)
"""Evidence that refutes: 2.5 % on each side."""

PRIOR = 20.0
"""What "no difference" counts for at the start, in requests."""

EDGES = 0.25
"""Of the way from stable's rate to 0 or to 1, what a bet on the canary's keeps from the end: a bet on certainty is
lost at once."""

LARGEST = 2.0 * REFUTED
"""More evidence than this is not kept: an interval must be able to widen again."""


@dataclass(frozen=True, slots=True)
class Interval:
    """One row per test; never changed in place.

    Attributes:
        above: log evidence against "at most g", shape (tests, grid).
        below: log evidence against "at least g".
        mean: weighted sum of the looks' differences, and of their weights, shape (tests, 2).
    """

    above: Array
    below: Array
    mean: Array

    @classmethod
    def fresh(cls, tests: int) -> Interval:
        """Before any look."""
        return cls(np.zeros((tests, len(GRID))), np.zeros((tests, len(GRID))), np.zeros((tests, 2)))

    def canary(self, a: Array) -> Array:
        """The canary's rate that is bet on: stable's, plus the difference seen so far; strictly inside (0, 1)."""
        guess = a + self.mean[:, 0] / (self.mean[:, 1] + PRIOR)
        return np.minimum(np.maximum(guess, EDGES * a), 1.0 - EDGES * (1.0 - a))

    def look(self, log_factors: Array, *, a: Array, c: Array, counts: tuple[Array, Array, Array, Array]) -> Interval:
        """After one look.

        Args:
            log_factors: of `c` against each grid point, shape (tests, grid).
            a: stable's rate from past looks.
            c: `canary(a)`.
            counts: x_s, n_s, x_c, n_c.
        """
        up = (c - a)[:, None] > GRID
        x_s, n_s, x_c, n_c = counts
        weight = n_s * n_c / np.maximum(n_s + n_c, 1.0)
        gap = x_c / np.maximum(n_c, 1.0) - x_s / np.maximum(n_s, 1.0)
        return Interval(
            np.minimum(self.above + log_factors * up, LARGEST),
            np.minimum(self.below + log_factors * ~up, LARGEST),
            self.mean + np.array((weight * gap, weight)).T,
        )

    def ends(self) -> tuple[Array, Array]:
        """Lower and upper end of each row's interval, between -1 and 1."""
        lower, upper = _leading(self.above >= REFUTED), _leading(self.below[:, ::-1] >= REFUTED)
        return _ENDS[lower], _ENDS[len(GRID) + 1 - upper]

    def rows(self) -> list[Array]:
        """The arrays, for encoding."""
        return [self.above, self.below, self.mean]

    def joined(self, other: Interval) -> Interval:
        """With another's rows appended."""
        return Interval(*(np.concatenate(pair) for pair in zip(self.rows(), other.rows(), strict=True)))


def _leading(refuted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many of each row are refuted before the first that is not."""
    if not refuted.size:
        return np.zeros(len(refuted), dtype=np.int64)
    kept = ~refuted
    first: NDArray[np.int64] = np.where(refuted.all(axis=1), refuted.shape[1], kept.argmax(axis=1))
    return first
