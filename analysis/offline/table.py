"""CSV of counts, read into runs. Fast while it is right; where it is wrong, read again slowly to say where and why."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, islice

import numpy as np
from numpy.typing import NDArray

from analysis.offline.runs import ARMS, Array, BadTable, Integers, Run

PLAIN = ("run", "t", "metric", "arm", "total", "bad")
LATENCY = ("run", "t", "metric", "arm", "le", "count")
STEP = "step"

HEADERS = f"write {','.join(PLAIN)} or, for latency, {','.join(LATENCY)}; a column step may be added"

CHUNK = 500
"""Rows read at once: so few that they stay in the processor's cache, which is three times as fast as 50,000."""

LARGEST = 1e15
"""Requests in one look; beyond it a count is a mistake, and no longer exact."""


def read(lines: Iterable[str]) -> Iterator[Run]:
    """The runs of a table, in the order in which each first appears; its rows may be in any order.

    Args:
        lines: CSV with its header.

    Raises:
        BadTable: it cannot be judged; raised before the first run is given.
    """
    reader = csv.reader(lines, skipinitialspace=True, strict=True)
    try:
        header = [name.strip().removeprefix("\ufeff") for name in next(reader, [])]
        _check_header(header)
        rows = _Rows(latency="le" in header, stepped=STEP in header)
        while chunk := list(islice(reader, CHUNK)):
            rows.add(chunk, header)
    except csv.Error as error:
        raise BadTable(reader.line_num, f"this is not CSV: {error}", HEADERS) from error
    if not rows.columns[0]:
        raise BadTable(2, "there are no counts", "write one row per look, metric and arm")
    return iter(list(rows.runs()))


def _check_header(header: Sequence[str]) -> None:
    if not header:
        raise BadTable(1, "the table is empty", HEADERS)
    names = sorted(name for name in header if name != STEP)
    if names not in (sorted(PLAIN), sorted(LATENCY)) or len(set(header)) < len(header):
        raise BadTable(1, f"the header is {shown(','.join(header))}", HEADERS)


def shown(text: str) -> str:
    """Somebody's text in a message: short, and without control characters."""
    return repr(text if len(text) <= 60 else text[:57] + "...")


class _Codes(defaultdict[str, int]):
    """Names numbered by first appearance."""

    def __init__(self) -> None:
        super().__init__(count().__next__)


@dataclass(slots=True)
class _Rows:
    """What was read: each column in pieces, in the order of `_arrays`, and last the line of each row."""

    latency: bool
    stepped: bool
    lines: int = 0
    run_codes: _Codes = field(default_factory=_Codes)
    metric_codes: _Codes = field(default_factory=_Codes)
    step_codes: _Codes = field(default_factory=_Codes)
    columns: list[list[NDArray[np.generic]]] = field(default_factory=lambda: [[] for _ in range(8)])

    def add(self, chunk: list[list[str]], header: Sequence[str]) -> None:
        """Take some rows.

        Raises:
            BadTable: one of them is wrong.
        """
        numbers = np.arange(len(chunk)) + self.lines + 2
        self.lines += len(chunk)
        if not all(chunk):  # blank lines are read as nothing
            numbers = numbers[[bool(row) for row in chunk]]
            chunk = [row for row in chunk if row]
        if not chunk:
            return
        try:
            columns = dict(zip(header, zip(*chunk, strict=True), strict=True))
            arrays = (*self._arrays(columns), numbers.astype(np.int32))
        except (ValueError, KeyError, TypeError):
            for number, row in zip(numbers.tolist(), chunk, strict=True):
                _check_row(number, row, header)
            raise
        for column, array in zip(self.columns, arrays, strict=True):
            column.append(array)

    def _arrays(self, columns: Mapping[str, Sequence[str]]) -> tuple[NDArray[np.generic], ...]:
        """Codes and numbers of the columns.

        Raises:
            ValueError, KeyError, TypeError: a value is wrong.
        """
        size = len(columns["run"])

        def codes(name: str, known: _Codes) -> NDArray[np.int32]:
            return np.fromiter(map(known.__getitem__, columns[name]), dtype=np.int32, count=size)

        def numbers(name: str) -> Array:
            return np.fromiter(map(float, columns[name]), dtype=float, count=size)

        arms = {arm.value: i for i, arm in enumerate(ARMS)}
        found = (
            codes("run", self.run_codes),
            numbers("t"),
            codes("metric", self.metric_codes),
            np.fromiter(map(arms.__getitem__, columns["arm"]), dtype=np.int8, count=size),
            numbers("le" if self.latency else "total"),
            numbers("count" if self.latency else "bad"),
            codes(STEP, self.step_codes) if self.stepped else np.zeros(size, dtype=np.int32),
        )
        _, t, _, _, first, second, _ = found
        whole = (second >= 0) & (second == np.floor(second)) & (second <= LARGEST)
        if self.latency:
            right = (first > 0) & whole
        else:
            right = whole & (first >= second) & (first == np.floor(first)) & (first <= LARGEST)
        if not (right & np.isfinite(t)).all() or "" in self.run_codes or "" in self.metric_codes:
            raise ValueError("a value is wrong")
        return found

    def runs(self) -> Iterator[Run]:
        """The runs.

        Raises:
            BadTable: a run's rows do not fit together.
        """
        joined = []
        for column in self.columns:
            joined.append(np.concatenate(column))
            column.clear()  # a long table would not fit in memory twice
        run, *others = joined
        if (np.diff(run) < 0).any():
            order = np.argsort(run, kind="stable")
            run, others = run[order], [column[order] for column in others]
        ends = np.append(np.flatnonzero(np.diff(run)) + 1, len(run)).tolist()
        metrics, steps = list(self.metric_codes), list(self.step_codes)
        start = 0
        for name, end in zip(self.run_codes, ends, strict=True):
            part = _Part(name, metrics, steps, *(column[start:end] for column in others))
            yield part.run(latency=self.latency, stepped=self.stepped)
            start = end


@dataclass(frozen=True, slots=True)
class _Part:
    """The rows of one run."""

    name: str
    metrics: list[str]
    steps: list[str]
    t: Array
    metric: Integers
    arm: Integers
    first: Array
    second: Array
    step: Integers
    lines: Integers

    def run(self, *, latency: bool, stepped: bool) -> Run:
        times, look = np.unique(self.t, return_inverse=True)
        counts: dict[str, Array] = {}
        buckets: dict[str, tuple[Array, Array]] = {}
        codes = np.unique(self.metric).tolist()
        for code in codes:
            chosen = np.arange(len(self.t)) if len(codes) == 1 else np.flatnonzero(self.metric == code)
            if latency:
                buckets[self.metrics[code]] = self._buckets(chosen, look, len(times))
            else:
                counts[self.metrics[code]] = self._counts(chosen, look, len(times))
        return Run(
            name=self.name,
            times=times,
            steps=self._steps(look, len(times)) if stepped else None,
            counts=counts,
            buckets=buckets,
        )

    def _counts(self, rows: Integers, look: Integers, looks: int) -> Array:
        place = look[rows] * 2 + self.arm[rows]
        self._refuse_twice(rows, place)
        table = np.zeros((looks * 2, 2))
        table[place, 0], table[place, 1] = self.first[rows], self.second[rows]
        return table.reshape(looks, 2, 2)

    def _buckets(self, rows: Integers, look: Integers, looks: int) -> tuple[Array, Array]:
        bounds, bound = np.unique(self.first[rows], return_inverse=True)
        if bounds[-1] != math.inf:
            hint = "add a row with le +Inf, whose count is all requests"
            raise self._wrong(rows[0], "the largest le is not +Inf", hint)
        size = len(bounds)
        arm = look[rows] * 2 + self.arm[rows]
        self._refuse_twice(rows, arm * size + bound)
        rows_of = np.bincount(arm, minlength=looks * 2)[arm]
        if (rows_of < size).any():
            hint = f"give every look and arm the same {size} bounds: {', '.join(f'{one:g}' for one in bounds)}"
            raise self._wrong(rows[int(np.argmax(rows_of < size))], "this look lacks some of the run's bounds", hint)
        table = np.zeros((looks * 2, size))
        table[arm, bound] = self.second[rows]
        falling = np.diff(table, axis=1).min(axis=1, initial=0.0)[arm] < 0
        if falling.any():
            hint = "a count is of all requests at or under le, so it never falls as le grows"
            raise self._wrong(rows[int(np.argmax(falling))], "the counts of this look fall as le grows", hint)
        return bounds, table.reshape(looks, 2, size)

    def _steps(self, look: Integers, looks: int) -> tuple[str, ...]:
        step = np.zeros(looks, dtype=np.int64)
        step[look[::-1]] = self.step[::-1]  # where they differ, the first row is taken for right
        if (step[look] != self.step).any():
            row = int(np.argmax(step[look] != self.step))
            raise self._wrong(row, "this look is in two steps", "give all rows of one run and t the same step")
        return tuple(self.steps[code] for code in step.tolist())

    def _refuse_twice(self, rows: Integers, place: Integers) -> None:
        if len(np.unique(place)) == len(place):
            return
        _, first = np.unique(place, return_index=True)
        again = np.setdiff1d(np.arange(len(place)), first)[0]
        hint = "give each run, t, metric, arm (and le) one row; several pods are added up"
        raise self._wrong(rows[int(again)], "this was counted before", hint)

    def _wrong(self, row: int, what: str, hint: str) -> BadTable:
        where = f"run {shown(self.name)}, t {self.t[row]:g}, {shown(self.metrics[self.metric[row]])}"
        return BadTable(int(self.lines[row]), f"{what} ({where})", hint)


def _check_row(line: int, row: Sequence[str], header: Sequence[str]) -> None:
    """Say what is wrong with a row, if anything is."""
    if len(row) != len(header):
        raise BadTable(line, f"there are {len(row)} values", f"write {len(header)}: {','.join(header)}")
    values = dict(zip(header, row, strict=True))
    for name in ("run", "metric"):
        if not values[name]:
            raise BadTable(line, f"{name} is empty", f"give the {name} a name")
    _number(line, "t", values["t"], math.isfinite, "write seconds, such as 0 or 12.5")
    if values["arm"] not in {arm.value for arm in ARMS}:
        raise BadTable(line, f"arm is {shown(values['arm'])}", "write stable or canary")
    if "le" in values:
        _number(line, "le", values["le"], lambda le: le > 0, "write seconds, such as 0.25, or +Inf")
        _number(line, "count", values["count"], _whole, "write how many requests, a whole number")
        return
    hint = "write how many requests since the previous t, a whole number; a counter that began again counts from 0"
    total = _number(line, "total", values["total"], _whole, hint)
    hint = f"write how many of the {total:g} were bad, a whole number"
    _number(line, "bad", values["bad"], lambda bad: _whole(bad) and bad <= total, hint)


def _whole(value: float) -> bool:
    return 0 <= value <= LARGEST and value == math.floor(value)


def _number(line: int, name: str, text: str, right: Callable[[float], bool], hint: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not right(value):
        raise BadTable(line, f"{name} is {shown(text)}", hint)
    return value
