"""Many runs together: all that are still going take their next look at once, by the judge's own arithmetic.

The rows of a `Book` do not know each other, so those of many runs can lie in one. What is decided from them here is
what `analysis.judge.verdict` decides for one release; a property test holds the two together. Where a run ends, its
rows are cut out and judged by `verdict` itself: that is where its sentence comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.judge.accounts import STEP_SHARE
from analysis.judge.asked import Asked, Counted
from analysis.judge.book import UNKNOWN, Book
from analysis.judge.evalue import comparable
from analysis.judge.explain import HARM_HINT
from analysis.judge.holds import IDLE_LOOKS
from analysis.judge.interval import Interval
from analysis.judge.limits import Limits
from analysis.judge.state import JudgeState
from analysis.judge.verdict import judgement_of
from analysis.model import Judgement, Look, of_requests
from analysis.offline.cut import chosen, taken
from analysis.offline.question import Question
from analysis.offline.result import Result, result_of
from analysis.offline.rows import Row, rows_of
from analysis.offline.runs import Array, Integers, Run

Mask = NDArray[np.bool_]

BARE = Look(start=0.0, end=0.0, counts={})
"""A file of counts does not say what was unusual, nor which series there were."""

MOST_RUNS = 1_000
"""Judged together: beyond it the arrays of one look outgrow the processor's cache."""

MOST_CELLS = 2_000_000
"""Looks times tests in memory at once, 32 bytes each."""


def judge(runs: Iterable[Run], question: Question) -> Iterator[Result]:
    """The result of each run, in order, as blocks of them are done."""
    for block in _blocks(runs):
        yield from Block(block, question).results()


def _blocks(runs: Iterable[Run]) -> Iterator[list[Run]]:
    block: list[Run] = []
    longest = tests = 0
    for run in runs:
        size = len(run.counts) + 8 * len(run.buckets)
        longest, tests = max(longest, len(run.times)), tests + size
        if block and (len(block) >= MOST_RUNS or longest * tests > MOST_CELLS):
            yield block
            block, longest, tests = [], len(run.times), size
        block.append(run)
    if block:
        yield block


class Said(NamedTuple):
    """What one look says of each run: combined evidence, and the verdicts that matter to what comes next."""

    evidence: Array
    unhealthy: Mask
    healthy: Mask


class Block:
    """Some runs, look by look; `looks` counts those done."""

    def __init__(self, runs: Sequence[Run], question: Question) -> None:
        """Before the first look.

        Args:
            runs: with at least one look each.
            question: the same for all.
        """
        self._runs = runs
        self._configs = [question.config(run) for run in runs]
        rows = [rows_of(run, config) for run, config in zip(runs, self._configs, strict=True)]
        self._phi0 = np.array([config.phi0 or 1.0 for config in self._configs])
        self._lengths = np.array([len(run.times) for run in runs])
        self._lay_out(rows)
        longest, size = int(self._lengths.max()), len(runs)
        self._begins = np.zeros((longest, size), dtype=bool)
        self._requests = np.zeros((longest, 2, size))
        for i, run in enumerate(runs):
            self._begins[: len(run.times), i] = run.begins
            totals = {name: table[:, :, 0] for name, table in run.counts.items()}
            totals |= {name: table[:, :, -1] for name, (_, table) in run.buckets.items()}
            self._requests[: len(run.times), :, i] = np.max([totals[name] for name in of_requests(totals)], axis=0)
        self._pace = np.array([1.0 / max(config.planned_looks, 2) for config in self._configs])
        self._metrics = np.array([len(config.metrics) for config in self._configs])
        self._alive = np.ones(size, dtype=bool)
        self._exposed = np.zeros(size, dtype=bool)
        self._idle = np.zeros((2, size), dtype=np.int64)
        self._in_step = np.zeros(size, dtype=np.int64)
        self._healthy = np.zeros((longest, size), dtype=bool)
        self.looks = 0
        self._book = _bare(Book.fresh(0))
        self._pick(np.zeros(0, dtype=np.int64))

    def _lay_out(self, rows: list[list[Row]]) -> None:
        """Everything about every row that will ever be judged, in one array each."""
        every = [row for of_run in rows for row in of_run]
        self._tests = [row.test for row in every]
        known = [of_requests(row.test.metric for row in of_run) for of_run in rows]
        of_each = zip(rows, known, strict=True)
        self._of_requests = np.array([row.test.metric in names for of_run, names in of_each for row in of_run])
        self._owners = np.repeat(np.arange(len(rows)), [len(of_run) for of_run in rows])
        self._joins = np.array([row.joins for row in every], dtype=np.int64)
        self._memory = np.array([row.memory for row in every], dtype=float).reshape(-1, 4)
        self._weights = np.array([row.weight for row in every])
        self._counts = np.zeros((int(self._lengths.max()), 4, len(every)))
        for i, row in enumerate(every):
            self._counts[: row.counts.shape[1], :, i] = row.counts.T

    def _pick(self, rows: Integers) -> None:
        """Judge these rows from now on; the book has them already."""
        self._rows, self._owner = rows, self._owners[rows]
        tests = [self._tests[row] for row in rows.tolist()]
        self._asked = Asked.of(
            self._configs[0],
            relative=np.array([test.relative for test in tests]),
            absolute=np.array([test.absolute for test in tests]),
            phi0=self._phi0[self._owner],
        )
        self._confirm = np.array([test.confirm for test in tests], dtype=bool)
        self._deciding = np.bincount(self._owner, self._confirm, len(self._runs))
        weight = self._weights[rows]
        self._weight, self._log_weight = weight, np.log(weight)
        self._rest = np.maximum(1.0 - np.bincount(self._owner, weight, len(self._runs)), 0.0)
        self._compared = np.zeros(len(self._runs), dtype=np.int64)
        for run, _ in {(run, test.metric) for run, test in zip(self._owner.tolist(), tests, strict=True)}:
            self._compared[run] += 1

    def results(self) -> Iterator[Result]:
        """The result of each run, in order."""
        found: list[Result | None] = [None] * len(self._runs)
        while self._alive.any():
            before, said = self.look()
            done = self._alive & (said.unhealthy | (self._lengths == self.looks))
            for run in np.flatnonzero(done).tolist():
                healthy = self._healthy[: self.looks, run]
                found[run] = result_of(self._runs[run], healthy, self.judgement(run, before))
            if done.any():
                self._alive &= ~done
                kept = np.flatnonzero(self._alive[self._owner])
                self._book = taken(self._book, kept)
                self._pick(self._rows[kept])
        return (result for result in found if result is not None)

    def look(self) -> tuple[Book, Said]:
        """One more look of every run that goes on.

        Returns:
            The book as the look was judged with, and what is said after it.
        """
        index = self.looks
        self._join(index)
        self._begin_steps(self._begins[index] & self._alive)
        requests = self._requests[index]
        self._expose(~self._exposed & (requests[1] > 0))
        part = np.where(self._in_step == 0, STEP_SHARE, self._pace)[self._owner]
        before = self._book
        counts = Counted(*self._counts[index][:, self._rows])
        self._book = before.compare(counts, self._asked, part=part, interval=False)
        harm = self._book.harm.evidence()
        self._book = self._book.risen(counts, harm)
        self._idle = np.where(requests > 0, 0, self._idle + 1)
        self._in_step += 1
        self.looks += 1
        said = self._said(before, harm)
        self._healthy[index] = said.healthy
        return before, said

    def _join(self, index: int) -> None:
        """Begin with the tests that are known from this look on."""
        new = np.flatnonzero((self._joins == index) & self._alive[self._owners])
        if not len(new):
            return
        book = Book.fresh(len(new))
        if index:
            book = replace(book, memory=self._memory[new]).known()
        rows = np.concatenate([self._rows, new])
        order = np.argsort(rows)
        self._book = taken(self._book.joined(_bare(book)), order)
        self._pick(rows[order])

    def _begin_steps(self, begun: Mask) -> None:
        if not begun.any():
            return
        self._in_step = np.where(begun, 0, self._in_step)
        self._idle = np.where(begun, 0, self._idle)
        self._book = chosen(begun[self._owner], self._book.begin_step(bakes=False), self._book)

    def _expose(self, begun: Mask) -> None:
        """The canary's first traffic."""
        if begun.any():
            self._exposed |= begun
            self._book = chosen(begun[self._owner], self._book.known(), self._book)

    def _said(self, before: Book, harm: Array) -> Said:
        """The verdicts after a look: `analysis.judge.verdict.judgement_of` for many."""
        config, size = self._configs[0], len(self._runs)
        top = np.zeros(size)
        np.maximum.at(top, self._owner, harm)
        wealth = np.bincount(self._owner, self._weight * np.exp(harm - top[self._owner]), size)
        with np.errstate(divide="ignore"):
            evidence = top + np.log(wealth + self._rest * np.exp(-top))
        unhealthy = evidence >= config.threshold
        may = self._alive & ~unhealthy & (self._in_step >= config.min_looks) & (evidence < HARM_HINT)
        may &= (self._deciding > 0) & (self._compared == self._metrics)
        healthy = np.zeros(size, dtype=bool)
        if (self._book.agreed >= config.health_threshold).any() and may.any():
            healthy = may & ~self._idles() & ~self._unconfirmed(harm, before)
        return Said(evidence, unhealthy, healthy)

    def _idles(self) -> Mask:
        """Where there is no data."""
        requests = self._book.step[:, 3] * self._of_requests[self._rows]
        unseen = np.bincount(self._owner, requests, len(self._runs)) == 0
        stable, canary = self._idle
        found: Mask = (canary >= IDLE_LOOKS) | (unseen & (canary > 0)) | (stable >= IDLE_LOOKS)
        return found

    def _unconfirmed(self, harm: Array, before: Book) -> Mask:
        """Where a test that must be confirmed is not, or stable is worse than it was."""
        config, book = self._configs[0], self._book
        least = max(1, config.metrics[0].min_requests)  # the same for every metric of every run
        confirmed = (
            (harm + self._log_weight < config.threshold)
            & (book.step[:, 3] >= least)
            & (book.quiet < IDLE_LOOKS)
            & comparable(before.rates(self._asked), self._asked.relative, self._asked.absolute)
            & (book.agreed >= config.health_threshold)
            & (harm < HARM_HINT)
        )
        if (book.baseline < UNKNOWN).any():
            confirmed &= ~((book.step[:, 1] > 0) & (book.worse.evidence() >= config.threshold))
        found: Mask = np.bincount(self._owner, self._confirm & ~confirmed, len(self._runs)) > 0
        return found

    def judgement(self, run: int, before: Book) -> Judgement:
        """One run's judgement after the newest look, with its sentence.

        Args:
            run: which.
            before: the book as that look was judged with.
        """
        mine = np.flatnonzero(self._owner == run)
        config, book, known = self._configs[run], taken(self._book, mine), taken(before, mine)
        asked = Asked.of(config, relative=self._asked.relative[mine], absolute=self._asked.absolute[mine])
        stable, canary = self._idle[:, run].tolist()
        state = JudgeState(
            tests=tuple(self._tests[row] for row in self._rows[mine].tolist()),
            limits=(),
            book=replace(book, interval=Interval.fresh(len(mine))),
            over=Limits.fresh(0),
            looks=int(self._in_step[run]),
            idle=(stable, canary),
            first=False,
            exposed=bool(self._exposed[run]),
        )
        a, phi, harm = known.rates(asked), known.phi(asked), book.harm.evidence()
        return judgement_of(config, state, asked, a=a, phi=phi, harm=harm, look=BARE)


def _bare(book: Book) -> Book:
    """Without the interval, which decides nothing."""
    empty = np.zeros((len(book), 0))
    return replace(book, interval=Interval(empty, empty, np.zeros((len(book), 2))))
