"""How fast a bad canary is seen, in units of T*. JUDGE, "Yardstick" and "Late onset"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from judging.ours import judged
from judging.streams import Array, Stream, draw
from judging.yardstick import shortest

from analysis.offline import Question

ALPHA = 0.01
RELATIVE, ABSOLUTE = 0.5, 0.002

PLAN = 600
"""Looks that the plan was expected to take: an hour of 6 s."""

RATES = (0.001, 0.01, 0.05)
BEYOND = (1.5, 2.0, 5.0, 20.0)
"""The canary's odds of failing over those at the bound."""

SHARES = (1.0, 5.0, 20.0, 50.0)
TIMES = (5.0, 10.0, 30.0, 100.0)
"""T* in looks: how much traffic there is."""

PATIENCE = 12.0
"""Times T* after which a run is given up: it counts as that long, and as not detected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A canary that fails too often.

    Attributes:
        rate: of stable.
        beyond: the canary's odds over those at the bound.
        share: of the canary, percent.
        time: T* in looks, reached by as many requests as that takes.
    """

    rate: float
    beyond: float
    share: float
    time: float

    @property
    def canary(self) -> float:
        """Its rate."""
        bound = self.rate * (1.0 + RELATIVE) + ABSOLUTE
        odds = bound / (1.0 - bound) * self.beyond
        return odds / (1.0 + odds)

    @property
    def requests(self) -> float:
        """Of both arms, in one look."""
        one = shortest(
            self.rate,
            self.canary,
            requests=1.0,
            share=self.share,
            relative=RELATIVE,
            absolute=ABSOLUTE,
            alpha=ALPHA,
        )
        return one / self.time

    def stream(self, chance: np.random.Generator, runs: int, *, before: Array | None = None, onset: int = 0) -> Stream:
        """Releases with this trouble.

        Args:
            chance: the only source of it.
            runs: how many.
            before: rates of both arms before it begins, shape (onset,); stable's own where None.
            onset: the look at which it begins.
        """
        looks = onset + int(np.ceil(PATIENCE * self.time))
        stable = np.full(looks, self.rate)
        if before is not None:
            stable[:onset] = before
        canary = np.where(np.arange(looks) < onset, stable, self.canary)
        return draw(
            chance, runs, rps=self.requests, share=self.share, stable=stable, canary=canary, every=1.0, looks=looks
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How one trouble was seen.

    Attributes:
        trouble: which.
        mean: looks until the verdict from its onset on, over T*.
        by4, by6: share of runs detected by 4 and 6 T*.
        early: share of runs condemned before its onset.
    """

    trouble: Trouble
    mean: float
    by4: float
    by6: float
    early: float


def everything() -> list[Trouble]:
    """All that is measured."""
    return [Trouble(rate=r, beyond=b, share=s, time=t) for r, b, s, t in product(RATES, BEYOND, SHARES, TIMES)]


def seen(trouble: Trouble, *, runs: int, seed: Sequence[int], onset: int = 0, before: Array | None = None) -> Seen:
    """Play one trouble.

    Args:
        trouble: which.
        runs: how many releases.
        seed: of its chance.
        onset, before: as in `Trouble.stream`.
    """
    stream = trouble.stream(np.random.default_rng(list(seed)), runs, before=before, onset=onset)
    question = Question(relative=RELATIVE, absolute=ABSOLUTE, false_rollback=ALPHA, looks=PLAN)
    condemned = judged(stream, question).condemned
    early = condemned < onset
    took = (condemned[~early] - onset + 1.0) / trouble.time
    return Seen(
        trouble=trouble,
        mean=float(np.minimum(took, PATIENCE).mean()),
        by4=float((took <= 4.0).mean()),
        by6=float((took <= 6.0).mean()),
        early=float(early.mean()),
    )
