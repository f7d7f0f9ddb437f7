"""How much more than binomially the comparison scatters. JUDGE, "Dispersion".

Errors come in bursts. What matters is the dispersion of the comparison: given `m` errors on both arms, the canary's
expectation is `q m` with `q = omega n_c / (omega n_c + n_s)`; omega follows the current ratio of the rates, so that a
real effect does not inflate the residual. Residuals are summed over blocks of several lengths, because bursts last
longer than a look. log e-values are divided by the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.judge.evalue import Mask
from analysis.judge.rates import KEPT_AFTER_FALL

Array = NDArray[np.float64]

BLOCKS = np.array([1.0, 3.0, 10.0, 30.0])
"""Looks in a block at least: bursts that last a look, a few, and tens of looks each show in the blocks about as long
as they are, and longer ones would leave too few blocks in a step."""

LEAST_VARIANCE = 2.0
"""A block also waits for this much variance: below it the squared residual is mostly its own discreteness."""

HALF_LIFE = 60.0
"""Looks; memory of the odds ratio: twice the longest block, so that a block is held against what was before it."""

KEEP = 2.0 ** (-1.0 / HALF_LIFE)
"""Of the odds' memory, per look."""

WINSOR = 25.0
"""A block's squared residual counts at most this many times the running mean: five standard deviations are a burst,
and more are what is looked for."""

WINSOR_WORSE = 4.0
"""The same where the canary was worse than remembered: a regression that begins must not pass for a burst, and bursts
show themselves on stable too, where they make the canary look better."""

PRIOR_BLOCKS = 10.0
"""What the value from history counts for, in blocks: an hour knows more than the first minutes of a release."""

FEWEST = 4.0
"""Blocks before the release's own value is used: of fewer, the noise below is larger than what is looked for."""

NOISE = 1.65
"""Standard deviations of chance that are taken off: the one-sided 95 % of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Dispersion:
    """Running sums, one row per test; never changed in place.

    Attributes:
        odds: remembered (x_c, n_c, x_s, n_s), of which the ratio is made, shape (tests, 4).
        open: the open block of each length: residual, variance, looks, shape (tests, 3, 4).
        closed: sums over closed blocks: squared residuals, 1/V, and their number, shape (tests, 3, 4).
    """

    odds: Array
    open: Array
    closed: Array

    @classmethod
    def fresh(cls, tests: int) -> Dispersion:
        """Before any look."""
        return cls(np.zeros((tests, 4)), np.zeros((tests, 3, 4)), np.zeros((tests, 3, 4)))

    @classmethod
    def of(cls, rows: Sequence[Array]) -> Dispersion:
        """From what `rows` gave."""
        return cls(*rows)

    def rows(self) -> list[Array]:
        """The three arrays, for encoding."""
        return [self.odds, self.open, self.closed]

    @property
    def blocks(self) -> Array:
        """Closed blocks of each length, shape (tests, 4)."""
        return self.closed[:, 2]

    def phi(self, phi0: Array) -> Array:
        """The factor by which log e-values are divided, from looks so far; at least 1.

        Args:
            phi0: the value from stable's own history, 1 where none is known.
        """
        total, inverse, blocks = self.closed[:, 0], self.closed[:, 1], self.closed[:, 2]
        some = np.maximum(blocks, 1.0)
        mean = (PRIOR_BLOCKS * phi0[:, None] + total) / (PRIOR_BLOCKS + blocks)
        # Chance alone would lift the largest of four estimates above 1: its 95 % noise is taken off.
        noise = 1.0 + NOISE * np.sqrt((2.0 + inverse / some) / some)
        inside = np.where(blocks >= FEWEST, mean / noise, 0.0).max(axis=1)
        largest: Array = np.maximum(np.maximum(1.0, phi0), inside)
        return largest

    def observed(self) -> Array:
        """What was seen, without any prior and without allowing for noise: of stable's history, this is phi0."""
        mean = self.closed[:, 0] / np.maximum(self.blocks, 1.0)
        largest: Array = np.maximum(1.0, np.where(self.blocks >= FEWEST, mean, 0.0).max(axis=1))
        return largest

    def look(
        self,
        *,
        x_s: Array,
        n_s: Array,
        x_c: Array,
        n_c: Array,
        a: Array,
        worse: float | Array = WINSOR_WORSE,
        anew: Mask | None = None,
    ) -> Dispersion:
        """After one look; looks without requests on both arms say nothing.

        Args:
            x_s, n_s, x_c, n_c: bad and all requests on stable and canary.
            a: stable's rate from past looks.
            worse: `WINSOR_WORSE`, or `WINSOR` where only one arm can burst; one for all rows, or one for each, shape
                (tests, 1).
            anew: where the ratio is learned anew, most of it forgotten: an outage of both arms is over, whose errors
                would be most of what it is made of for many minutes, or an effect has begun to show. A real effect
                that is not in the ratio yet would pass for a burst.
        """
        # A number: an array of numbers is not multiplied by one of truths without being converted.
        usable, m = ((n_s > 0) & (n_c > 0)).astype(float), x_s + x_c
        weight = self._omega(n_s, n_c) * n_c
        q = weight / np.maximum(weight + n_s, 1e-300)
        expected = q * m
        block = self.open.copy()
        block[:, 0] += ((x_c - expected) * usable)[:, None]
        block[:, 1] += (expected * (1.0 - q) * (1.0 - a) * usable)[:, None]
        block[:, 2] += usable[:, None]
        keep = KEEP if anew is None else np.where(anew, KEPT_AFTER_FALL, KEEP)[:, None]
        odds = self.odds * keep + np.array((x_c, n_c, x_s, n_s)).T * usable[:, None]
        z, v = block[:, 0], block[:, 1]
        full = (block[:, 2] >= BLOCKS) & (v >= LEAST_VARIANCE)
        if not full.any():
            return Dispersion(odds, block, self.closed)
        inverse = np.where(full, 1.0 / np.maximum(v, LEAST_VARIANCE), 0.0)
        running = (PRIOR_BLOCKS + self.closed[:, 0]) / (PRIOR_BLOCKS + self.blocks)
        square = np.minimum(z * z * inverse, np.where(z > 0, worse, WINSOR) * running)
        grown = np.empty_like(block)
        grown[:, 0], grown[:, 1], grown[:, 2] = square, inverse, full
        grown += self.closed
        block *= ~full[:, None]
        return Dispersion(odds, block, grown)

    def _omega(self, n_s: Array, n_c: Array) -> Array:
        """How many times as often the canary fails now; 1 before anything is remembered.

        One pseudo-error is spread over the arms by their requests, with the requests that one error takes, so that
        neither a first look nor a raise moves the ratio by itself.
        """
        x_c, old_c, x_s, old_s = self.odds.T
        mine, theirs, errors = old_c + n_c, old_s + n_s, x_c + x_s + 1.0
        part = mine / np.maximum(mine + theirs, 1.0)
        canary = (x_c + part) / np.maximum(old_c + mine / errors, 1e-300)
        stable = (x_s + 1.0 - part) / np.maximum(old_s + theirs / errors, 1e-300)
        ratio: Array = np.minimum(np.maximum(canary / np.maximum(stable, 1e-300), 1e-6), 1e6)
        return ratio

    def split(self, rows: int) -> tuple[Dispersion, Dispersion]:
        """The first rows, and the others."""
        return Dispersion.of([one[:rows] for one in self.rows()]), Dispersion.of([one[rows:] for one in self.rows()])

    def joined(self, other: Dispersion) -> Dispersion:
        """With another's rows appended."""
        return Dispersion.of([np.concatenate(pair) for pair in zip(self.rows(), other.rows(), strict=True)])
