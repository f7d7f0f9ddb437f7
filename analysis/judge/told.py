"""The findings of a look's tests: verdicts at once, sentences and most numbers when somebody reads them.

There are a dozen rows in a look and most are never read: writing all of them takes longer than judging the look. What
is made later is made of values that nothing changes any more, so that it is the same whenever it is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from analysis.judge import words
from analysis.judge.book import Array, Book
from analysis.judge.evalue import Mask
from analysis.judge.explain import Bars, Numbers, name_of, sentence_of, verdict_of
from analysis.judge.resting import of_pods
from analysis.judge.tests import Test
from analysis.model import Finding, Verdict


class LaterNumbers(Mapping[str, float]):
    """Numbers of which some are known at once; all are made when another one is asked for, or which there are."""

    __slots__ = ("_known", "_row", "_rows", "_whole", "made_of")

    def __init__(self, rows: Rows, row: int, made_of: Numbers, known: Mapping[str, float]) -> None:
        """With the numbers known at once, and what all of them are made of."""
        self._rows, self._row, self.made_of, self._known = rows, row, made_of, known
        self._whole: Mapping[str, float] | None = None

    def __getitem__(self, name: str) -> float:
        """One number; a `KeyError` where there is none of that name."""
        return self._known[name] if name in self._known else self._all()[name]

    def get(self, name: str, default: Any = None) -> Any:
        """One number; the default where there is none of that name."""
        return self._known[name] if name in self._known else self._all().get(name, default)

    def __iter__(self) -> Iterator[str]:
        """All names."""
        return iter(self._all())

    def __len__(self) -> int:
        """How many there are."""
        return len(self._all())

    def _all(self) -> Mapping[str, float]:
        if self._whole is None:
            self._whole = self._rows.data(self._row, self.made_of, self._known)
        return self._whole


class LaterFinding(Finding):
    """A finding whose name and sentence are made when somebody reads them."""

    __slots__ = ("_row", "_rows")
    _rows: Rows
    _row: int
    numbers: LaterNumbers

    def __init__(self, rows: Rows, row: int, verdict: Verdict, code: str, numbers: LaterNumbers) -> None:
        """Like a `Finding`, with what makes the rest."""
        put = object.__setattr__
        put(self, "_rows", rows)
        put(self, "_row", row)
        put(self, "verdict", verdict)
        put(self, "code", code)
        put(self, "numbers", numbers)

    def __getattr__(self, name: str) -> str:
        """The metric's name or the sentence, while nobody has asked for it."""
        if name == "sentence":
            made = self._rows.sentence(self._row, self.numbers.made_of, self.code)
        elif name == "metric":
            made = name_of(self._rows.tests[self._row])
        else:
            raise AttributeError(name)
        object.__setattr__(self, name, made)
        return made


@dataclass(kw_only=True)
class Rows:
    """What is known of the tests after a look, one entry for each.

    Attributes:
        tests: which.
        book: after the look.
        bars: what verdicts take.
        tolerated: the canary's tolerated rate.
        excludes: what an undecided step must have excluded to go on: looser where few are exposed.
        evidence: log evidence of harm since the release began.
        weights: the test's part of alpha.
        phi: dispersion that evidence was divided by.
        visible: the smallest canary rate that this step's requests would have shown with chance 90 %.
        no_room: stable fails so often, or so little is known of it, that nothing can be worse.
        baking: stable's numbers are from before the bake.
        other: what the arm beside the canary is called.
        requests: of the canary in this step, by whichever test counted most.
        left_out: metrics that this look said nothing of, because it is too early for them.
        absent: metrics of which there is no series of the canary.
        shared: numbers of what all findings rest on.
        spreads: of stable's pods, per metric.
    """

    tests: Sequence[Test]
    book: Book
    bars: Bars
    tolerated: Array
    excludes: Array
    evidence: Array
    weights: Array
    phi: Array
    visible: Sequence[float]
    no_room: Mask
    baking: bool
    other: str
    requests: float
    left_out: Collection[str]
    absent: Collection[str]
    shared: Mapping[str, float]
    spreads: Mapping[str, tuple[float, float]]

    def findings(self) -> list[Finding]:
        """One for each test, in their order."""
        columns = zip(
            self.tests,
            self.book.step.tolist(),
            self.tolerated.tolist(),
            self.excludes.tolist(),
            self.evidence.tolist(),
            self.weights.tolist(),
            self.book.agreed.tolist(),
            self.book.quiet.tolist(),
            self.no_room.tolist(),
            self.book.rise[:, 1:].tolist(),
            self.visible,
            strict=True,
        )
        found: list[Finding] = []
        for row, one in enumerate(columns):
            test, counts, tolerated, excludes, evidence, weight, agreed, quiet, no_room, rise, visible = one
            # By place: names would take as long as all the rest of it.
            numbers = Numbers(
                counts,
                tolerated,
                evidence,
                agreed,
                int(quiet),
                no_room,
                self.baking,
                self.other,
                rise,
                self.requests,
                test.metric in self.left_out,
                test.metric in self.absent,
            )
            share = evidence + words.log(weight)
            verdict, code = verdict_of(numbers, self.bars, share)
            # What every look needs of every row: its record, the order of the findings, what could have been missed.
            known = {
                "tolerated": tolerated,
                "step_excludes": excludes,
                "visible": visible,
                "evidence": evidence,
                "share_of_evidence": share,
            }
            found.append(LaterFinding(self, row, verdict, code, LaterNumbers(self, row, numbers, known)))
        return found

    def sentence(self, row: int, numbers: Numbers, code: str) -> str:
        """One finding's sentence."""
        return sentence_of(self.tests[row], numbers, code)

    def data(self, row: int, numbers: Numbers, known: Mapping[str, float]) -> Mapping[str, float]:
        """All numbers of one finding."""
        x_s, n_s, x_c, n_c = numbers.counts
        low, high = self._ends
        return {
            **self.shared,
            **of_pods(self.spreads, self.tests[row].metric),
            "stable_bad": x_s,
            "stable_total": n_s,
            "canary_bad": x_c,
            "canary_total": n_c,
            "stable_rate": x_s / n_s if n_s else 0.0,
            "canary_rate": x_c / n_c if n_c else 0.0,
            "difference_low": float(low[row]),
            "difference_high": float(high[row]),
            "tolerated": numbers.tolerated,
            "step_excludes": known["step_excludes"],
            "visible": known["visible"],
            "evidence": numbers.evidence,
            "threshold": self.bars.harm,
            "weight": float(self.weights[row]),
            "share_of_evidence": known["share_of_evidence"],
            "health": float(self.book.health[row]),
            "health_threshold": self.bars.health,
            "dispersion": float(self.phi[row]),
            **numbers.risen,
        }

    @cached_property
    def _ends(self) -> tuple[Array, Array]:
        return self.book.interval.ends()
