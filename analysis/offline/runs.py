"""One recorded run: what each look counted on both arms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from analysis.model import Arm, Counts, Look

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

ARMS = (Arm.STABLE, Arm.CANARY)
"""Their order in every array here."""


class BadTable(ValueError):
    """A table that cannot be judged.

    Attributes:
        line: which, from 1.
        hint: what would be right.
    """

    def __init__(self, line: int, message: str, hint: str) -> None:
        super().__init__(message)
        self.line = line
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One release's looks; what nobody counted is zero.

    Attributes:
        name: as in the file.
        times: of the looks, seconds, ascending.
        steps: the step of each look, as in the file; None where the file has no steps.
        counts: per metric, (total, bad) of each arm, shape (looks, 2, 2); empty for latency.
        buckets: per latency metric, its upper bounds, ascending and ending with infinity, and the requests at or
            under each, shape (looks, 2, bounds); empty for counts.
    """

    name: str
    times: Array
    steps: tuple[str, ...] | None
    counts: Mapping[str, Array]
    buckets: Mapping[str, tuple[Array, Array]]

    @property
    def begins(self) -> NDArray[np.bool_]:
        """Whether a step begins with each look."""
        found = np.zeros(len(self.times), dtype=bool)
        found[0] = True
        if self.steps is not None:
            found[1:] = [after != before for before, after in pairwise(self.steps)]
        return found

    def looks(self) -> Iterator[Look]:
        """The looks as a live release has them."""
        before = float(self.times[0])
        for i, time in enumerate(self.times.tolist()):
            found = {name: _plain(table[i]) for name, table in self.counts.items()}
            found |= {name: _latency(bounds, table[i]) for name, (bounds, table) in self.buckets.items()}
            yield Look(start=before, end=time, counts=found)
            before = time


def _plain(table: Array) -> dict[Arm, Counts]:
    return {arm: Counts(total=int(row[0]), bad=int(row[1])) for arm, row in zip(ARMS, table, strict=True)}


def _latency(bounds: Array, table: Array) -> dict[Arm, Counts]:
    found = {}
    for arm, row in zip(ARMS, table, strict=True):
        pairs = tuple((bound, int(number)) for bound, number in zip(bounds.tolist(), row, strict=True))
        found[arm] = Counts(total=int(row[-1]), buckets=pairs)
    return found
