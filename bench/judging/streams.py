"""Requests of many releases at once, counted look by look on both arms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

STABLE, CANARY = 0, 1
TOTAL, BAD = 0, 1

CHUNK = 500
"""Runs drawn at once: an hour of looks each second of them fits into memory many times."""

BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, float("inf"))
"""Of latency histograms, seconds; as most client libraries have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What was counted.

    Attributes:
        every: seconds between looks.
        counts: (total, bad) of each arm, shape (runs, looks, 2, 2).
        buckets: requests at or under each of `BOUNDS`, shape (runs, looks, 2, bounds); None without latency.
        steps: the looks at which a step begins, from 0.
    """

    every: float
    counts: Array
    buckets: Array | None = None
    steps: tuple[int, ...] = (0,)

    @property
    def runs(self) -> int:
        """How many releases."""
        return self.counts.shape[0]

    @property
    def looks(self) -> int:
        """How many looks each."""
        return self.counts.shape[1]

    def total(self, arm: int) -> Array:
        """Requests of an arm, shape (runs, looks)."""
        return self.counts[:, :, arm, TOTAL]

    def bad(self, arm: int) -> Array:
        """Failed requests of an arm, shape (runs, looks)."""
        return self.counts[:, :, arm, BAD]


def draw(
    chance: np.random.Generator,
    runs: int,
    *,
    rps: ArrayLike,
    share: ArrayLike,
    stable: ArrayLike,
    canary: ArrayLike,
    every: float = 5.0,
    looks: int = 720,
    slow: tuple[Array, Array] | None = None,
    steps: tuple[int, ...] = (0,),
) -> Stream:
    """Poisson requests, each failing on its own with its arm's rate of that look.

    Args:
        chance: the only source of it.
        runs, looks: how many.
        rps: requests a second of both arms; may differ by look, as everything that follows may, and by run.
        share: of the canary, percent.
        stable, canary: rates of bad requests.
        every: seconds between looks.
        slow: chance that a request of stable and of the canary takes at most each of `BOUNDS`; each of shape
            (bounds,) or (looks, bounds).
        steps: the looks at which a step begins.
    """
    shape = (runs, looks)
    part = np.asarray(share, dtype=float) / 100.0
    wanted = np.asarray(rps, dtype=float) * every
    counts = np.empty((runs, looks, 2, 2))
    for arm, rate, exposed in ((STABLE, stable, 1.0 - part), (CANARY, canary, part)):
        total = chance.poisson(np.broadcast_to(wanted * exposed, shape))
        counts[:, :, arm, TOTAL] = total
        counts[:, :, arm, BAD] = chance.binomial(total, np.broadcast_to(np.asarray(rate, dtype=float), shape))
    buckets = None
    if slow is not None:
        totals = counts[:, :, :, TOTAL].astype(np.int64)
        arms = [_within(chance, totals[:, :, arm], slow[arm]) for arm in (STABLE, CANARY)]
        buckets = np.stack(arms, axis=2)
    return Stream(every=every, counts=counts, buckets=buckets, steps=steps)


def _within(chance: np.random.Generator, totals: NDArray[np.int64], cumulative: Array) -> Array:
    """Requests at or under each bound."""
    found = chance.multinomial(totals, np.diff(cumulative, axis=-1, prepend=0.0))
    within: Array = np.cumsum(found, axis=-1).astype(float)
    return within


def chunks(runs: int, seed: int, made: Callable[[np.random.Generator, int], Stream]) -> Iterator[Stream]:
    """As many runs as wanted, some at a time; the same whatever else is drawn.

    Args:
        runs: in all.
        seed: of this kind of release.
        made: draws some runs.
    """
    for number, begun in enumerate(range(0, runs, CHUNK)):
        yield made(np.random.default_rng([seed, number]), min(CHUNK, runs - begun))


def skewed(rates: Array, part: float) -> Array:
    """The rates of an arm that is scraped later than the other, by a part of a look; shape (..., looks).

    Args:
        rates: of each look.
        part: from -1 (a look early) to 1 (a look late).
    """
    other = np.roll(rates, 1 if part > 0 else -1, axis=-1)
    edge = 0 if part > 0 else -1
    other[..., edge] = rates[..., edge]
    mixed: Array = (1.0 - abs(part)) * rates + abs(part) * other
    return mixed


def gamma_bursts(chance: np.random.Generator, runs: int, looks: int, *, cv: float) -> Array:
    """Factors of mean 1 that differ from look to look, shape (runs, looks)."""
    shape = 1.0 / (cv * cv)
    return chance.gamma(shape, 1.0 / shape, (runs, looks))


def waves(chance: np.random.Generator, runs: int, looks: int, *, cv: float, memory: float) -> Array:
    """Lognormal factors of mean 1 whose logarithm is autoregressive: what it was counts for `memory` of what it is."""
    sigma = np.sqrt(np.log1p(cv * cv))
    found = np.empty((runs, looks))
    now = chance.normal(0.0, sigma, runs)
    for look in range(looks):
        found[:, look] = now
        now = memory * now + chance.normal(0.0, sigma * np.sqrt(1.0 - memory * memory), runs)
    factors: Array = np.exp(found - 0.5 * sigma * sigma)
    return factors
