"""What a judgement rests on: what it could have missed, dispersion, pods, shares, looks dropped.

JUDGE, "What the user sees": every finding and every step's end carries it, as data and as one sentence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.judge import words
from analysis.judge.tests import Test

UNKNOWN, HISTORY, RELEASE = 0.0, 1.0, 2.0
"""Where a dispersion comes from: nowhere (1 is taken), stable's history, this release's own looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a judgement rests on.

    Attributes:
        tests: the tests, with their visible canary rate each.
        visible: the smallest canary rate that would have been seen with chance 90 %, per test.
        stable: stable's rate in this step, per test.
        dispersion: the largest that evidence was divided by.
        history: dispersion from stable's history; None where none is known.
        told: where stable's history is from, or why nothing is known of it; empty where nobody asked.
        pods: of stable and canary; 0 where nobody counts them.
        share: percent of what is compared that was asked for; 0 where unknown.
        other: what the arm beside the canary is called.
        requests: of stable and canary in this step.
        attempt: which attempt of this release, each with a falseRollback of its own.
        dropped: looks of this step that were not judged, by reason.
        spent: evidence of harm, as a part of what condemns.
        spreads: per metric whose pods are known, stable's between-pod spread and the false-rollback chance it implies.
    """

    tests: Sequence[Test]
    visible: Sequence[float]
    stable: Sequence[float]
    dispersion: float
    history: float | None
    told: str
    pods: tuple[int, int]
    share: float
    other: str
    requests: tuple[float, float]
    attempt: int
    dropped: Mapping[str, int]
    spent: float
    spreads: Mapping[str, tuple[float, float]]

    @property
    def source(self) -> float:
        """Where the dispersion comes from."""
        if self.dispersion > max(1.0, self.history or 1.0):
            return RELEASE
        return UNKNOWN if self.history is None else HISTORY

    @property
    def seen(self) -> float:
        """The share that the canary had, percent."""
        return 100.0 * self.requests[1] / sum(self.requests) if sum(self.requests) else 0.0

    @property
    def best(self) -> tuple[int | None, int | None]:
        """The tests of counts and of latency by which the least could have been missed, in times of stable's rate."""
        return self._best(latency=False), self._best(latency=True)

    def _best(self, *, latency: bool) -> int | None:
        least, found = math.inf, None
        for row, test in enumerate(self.tests):
            if bool(test.bound) is latency and (times := self.visible[row] / max(self.stable[row], 1e-9)) < least:
                least, found = times, row
        return found

    def numbers(self, best: tuple[int | None, int | None]) -> dict[str, float]:
        """As data; what is not known is left out."""
        errors, latency = best
        found = {
            "dispersion_source": self.source,
            "attempt": float(self.attempt),
            "looks_dropped": float(sum(self.dropped.values())),
            "spent": self.spent,
        }
        found |= {f"dropped_{reason.lower()}": float(number) for reason, number in self.dropped.items()}
        if self.share:
            found |= {"share_asked": self.share / 100.0, "share_seen": self.seen / 100.0}
        if any(self.pods):
            found |= {"pods_stable": float(self.pods[0]), "pods_canary": float(self.pods[1])}
        if errors is not None:
            found["excluded_rate"] = self.visible[errors]
        if latency is not None:
            found |= {"excluded_slow": self.visible[latency], "excluded_slow_over": self.tests[latency].bound}
        return found

    def sentence(self, best: tuple[int | None, int | None]) -> str:
        """As people read it."""
        return "; ".join(
            [*self._missed(*best), self._dispersion(), *self._arms(), f"attempt {self.attempt}", self._looks()]
        )

    def _missed(self, errors: int | None, latency: int | None) -> list[str]:
        found = []
        if errors is not None:
            found.append(f"{words.percent(self.visible[errors])} {self.tests[errors].metric}")
        if latency is not None:
            found.append(f"{words.percent(self.visible[latency])} slower than {words.time(self.tests[latency].bound)}")
        return [f"this step would have shown {' or '.join(found)} in 9 of 10 releases"] if found else []

    def _dispersion(self) -> str:
        why = f": {self.told}" if self.told else ""
        if self.source == RELEASE:
            told = "from this release" + ("" if self.history else f", none known before{why}")
            return f"dispersion {self.dispersion:.2g} ({told})"
        if not self.history:
            return f"dispersion unknown{f' ({self.told})' if self.told else ''}"
        source = self.told or "stable's history"
        return f"dispersion {self.history:.2g} (from {source})"

    def _arms(self) -> list[str]:
        stable, canary = self.pods
        found = [f"{stable} {self.other} and {canary} canary pods"] if any(self.pods) else []
        for metric, (sigma, chance) in self.spreads.items():
            found.append(
                f"pods of stable differ by sigma {sigma:.2f} in {metric}, which alone would roll back "
                f"{words.percent(chance)} of good releases"
            )
        return [*found, f"share {self.share:g} % asked, {self.seen:.3g} % seen"] if self.share else found

    def _looks(self) -> str:
        why = ", ".join(f"{number} {reason.replace('_', ' ').lower()}" for reason, number in self.dropped.items())
        looks = f"looks dropped: {why}" if why else "no look dropped"
        return f"{looks}; {max(0.0, self.spent):.0%} of the evidence that condemns"
