"""Tables of counts: what is written is read, in any order; what cannot be judged is refused with its line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.offline import BadTable, Question, Run, judge, read
from analysis.offline.runs import ARMS

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=5)
COUNT = st.integers(0, 10**15)


@st.composite
def plain(draw: Any) -> list[tuple[str, float, str, str, int, int]]:
    """Rows of counts, each once, some missing, in any order."""
    found = {}
    for run in draw(st.lists(NAMES, min_size=1, max_size=3, unique=True)):
        for metric in draw(st.lists(NAMES, min_size=1, max_size=2, unique=True)):
            for t in draw(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=4, unique=True)):
                for arm in draw(st.sets(st.sampled_from([arm.value for arm in ARMS]), min_size=1)):
                    total = draw(COUNT)
                    found[run, t + 0.0, metric, arm] = (total, draw(st.integers(0, total)))
    return draw(st.permutations([(*key, *counts) for key, counts in found.items()]))


def cell(value: object) -> str:
    return '"' + str(value).replace('"', '""') + '"'


def written(header: str, rows: list[tuple[Any, ...]]) -> list[str]:
    return [header + "\n", *(",".join(map(cell, row)) + "\n" for row in rows)]


@settings(derandomize=True, deadline=None)
@given(plain())
def test_what_was_written_is_read_and_what_was_not_is_zero(rows: list[tuple[str, float, str, str, int, int]]) -> None:
    runs = list(read(written("run,t,metric,arm,total,bad", rows)))
    assert [run.name for run in runs] == list(dict.fromkeys(row[0] for row in rows))
    rest = {row[:4]: row[4:] for row in rows}
    for run in runs:
        assert (np.diff(run.times) > 0).all()
        assert (run.buckets, run.steps) == ({}, None)
        for metric, table in run.counts.items():
            for (look, arm), _ in np.ndenumerate(table[:, :, 0]):
                key = (run.name, float(run.times[look]), metric, ARMS[arm].value)
                assert tuple(table[look, arm]) == rest.pop(key, (0, 0))
    assert not rest


@settings(derandomize=True, deadline=None, max_examples=50)
@given(
    bounds=st.lists(st.floats(1e-6, 1e6), max_size=4, unique=True),
    looks=st.integers(1, 4),
    chance=st.integers(0, 2**32).map(np.random.default_rng),
)
def test_buckets_are_read_with_their_bounds(bounds: list[float], looks: int, chance: np.random.Generator) -> None:
    ascending = [*sorted(bounds), math.inf]
    table = np.cumsum(chance.integers(0, 100, (looks, 2, len(ascending))), axis=2)
    rows = [
        ("r", t, "latency", ARMS[arm].value, "+Inf" if math.isinf(le) else le, int(table[t, arm, i]))
        for t in range(looks)
        for arm in range(2)
        for i, le in enumerate(ascending)
    ]
    chance.shuffle(rows)
    (run,) = read(written("run,t,metric,arm,le,count", rows))
    found, counts = run.buckets["latency"]
    assert found.tolist() == ascending
    assert (counts == table).all()
    for look, seen in zip(run.looks(), table, strict=True):
        assert [look.counts["latency"][arm].total for arm in ARMS] == seen[:, -1].tolist()


HEADERS = ("run,t,metric,arm,total,bad", "run,t,metric,arm,le,count", "run,t,metric,arm,total,bad,step")
ROWS = ("r,1,e,stable,5,1", "r,1,e,canary,5,1", "r,2,e,stable,0,0", "r,1,e,stable,+Inf,5", "r,1,e,stable,0.1,5")
CRUMBS = ("", ",", '"', "\n", "\r\n", "\x00", "nan", "-1", "1e400", "stable", "\ufeff")


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.lists(st.sampled_from([*HEADERS, *ROWS, *CRUMBS]) | st.text(max_size=5), max_size=12),
    st.sampled_from(["\n", ","]),
)
def test_whatever_is_given_is_judged_or_refused_with_a_line_and_what_would_be_right(
    parts: list[str], glue: str
) -> None:
    lines = glue.join(parts).splitlines(keepends=True)
    runs, refused = tried(lines)
    if refused is None:
        assert len(list(judge(runs, Question()))) == len(runs)
    else:
        assert 1 <= refused.line <= len(lines) + 2
        assert str(refused)
        assert refused.hint


def tried(lines: list[str]) -> tuple[list[Run], BadTable | None]:
    try:
        return list(read(lines)), None
    except BadTable as refused:
        return [], refused


def test_rows_are_told_apart_across_the_pieces_in_which_they_are_read() -> None:
    rows = [("r", t, "errors", arm.value, 10 + t, 1) for t in range(2_000) for arm in ARMS]
    (run,) = read(written("run,t,metric,arm,total,bad", rows))
    assert (run.counts["errors"][:, :, 0] == np.arange(2_000)[:, None] + 10).all()
    with pytest.raises(BadTable, match="counted before") as refused:
        read(written("run,t,metric,arm,total,bad", [*rows, rows[7]]))
    assert refused.value.line == 4_002
