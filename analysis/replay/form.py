"""The judge's part of a record as JSON-able rows, and back.

Numbers are written with all their digits, so that what is judged again is judged from the very same values. JSON knows
no infinity: as a bound it is text, as a finding's number it is null.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from analysis.judge import VERSION, JudgeConfig, Past
from analysis.judge.past import decode, encode
from analysis.model import Arm, Counts, Gauge, Judgement, Look, Note, Pod

Treated = Literal["judged", "learned", "counted", "again"]
"""What became of a look: judged; learned from, before a step was settled; only counted, because a change of the share
lies in it; or judged later, when the look that showed that traffic follows turned out to be the step's first."""

FULL_EVERY = 60
"""Looks; at least so often every number of every finding is written, else only when what is said changes."""


def begun(config: JudgeConfig, *, last_share: float, state: Mapping[str, Any] | None) -> dict[str, Any]:
    """How a life of the engine begins to judge.

    Args:
        config: what the judge is asked.
        last_share: percent of the plan's last step.
        state: the judge's state from the journal, as `analysis.judge.encode` gave it; None for a fresh one.
    """
    asked = {name: value for name, value in asdict(config).items() if name != "baseline" or value}
    return {"version": VERSION, "config": asked, "last_share": last_share, "state": state or None}


def question_of(row: Mapping[str, Any]) -> JudgeConfig:
    """The question of a life.

    Raises:
        ValueError: it is damaged.
    """
    from pydantic import TypeAdapter

    return TypeAdapter(JudgeConfig).validate_python(row["config"])


def past_row(past: Past) -> dict[str, Any]:
    """What stable's recorded past shows, as the record keeps it."""
    return {"past": encode(past)}


def past_of(row: Mapping[str, Any]) -> Past:
    """The past as the judge was told of it.

    Raises:
        KeyError, ValueError: the row is damaged.
    """
    return decode(row["past"])


def look_row(
    look: Look, *, treated: Treated, left_out: frozenset[str] = frozenset(), early: bool = False
) -> dict[str, Any]:
    """A look as the record keeps it.

    Args:
        look: as the window made it.
        treated: what became of it.
        left_out: metrics that were not judged in it, because it was too early for them.
        early: so soon after a change of the share that it did not speak for the canary.
    """
    row: dict[str, Any] = {
        "start": look.start,
        "end": look.end,
        "counts": {
            metric: {arm.value: _counts(one) for arm, one in arms.items()} for metric, arms in look.counts.items()
        },
        "as": treated,
    }
    if look.gauges:
        row["gauges"] = {
            metric: {arm.value: list(asdict(one).values()) for arm, one in arms.items()}
            for metric, arms in look.gauges.items()
        }
    if look.route is not None:
        row["route"] = _counts(look.route)
    if look.notes:
        row["notes"] = [list(note) for note in look.notes]
    if look.absent:
        row["absent"] = {metric: [arm.value for arm in arms] for metric, arms in look.absent.items()}
    if look.pods:
        row["pods"] = {arm.value: number for arm, number in look.pods.items()}
    if look.missed:
        row["missed"] = dict(look.missed)
    if left_out:
        row["left_out"] = sorted(left_out)
    if early:
        row["early"] = True
    return row


def look_of(row: Mapping[str, Any]) -> Look:
    """The look as the window made it.

    Raises:
        KeyError, TypeError, ValueError: the row is damaged.
    """
    counts = {
        metric: {Arm(arm): _read_counts(one) for arm, one in arms.items()} for metric, arms in row["counts"].items()
    }
    return Look(
        start=float(row["start"]),
        end=float(row["end"]),
        counts=counts,
        route=_read_counts(row["route"]) if "route" in row else None,
        gauges={
            metric: {Arm(arm): _read_gauge(one) for arm, one in arms.items()}
            for metric, arms in row.get("gauges", {}).items()
        },
        spans_change=row["as"] == "counted",
        notes=notes_of(row),
        absent={metric: tuple(map(Arm, arms)) for metric, arms in row.get("absent", {}).items()},
        pods={Arm(arm): int(number) for arm, number in row.get("pods", {}).items()},
        missed={str(code): int(number) for code, number in row.get("missed", {}).items()},
    )


def notes_of(row: Mapping[str, Any]) -> tuple[Note, ...]:
    """What was unusual about a look.

    Raises:
        TypeError, ValueError: the row is damaged.
    """
    return tuple(
        Note(str(name), float(value), str(said), bool(steady)) for name, value, said, steady in row.get("notes", ())
    )


def _counts(values: Counts) -> list[Any]:
    row = [values.total, values.bad, [[_bound(bound), count] for bound, count in values.buckets]]
    if values.started is not None or values.pods:
        return [*row, values.started, [list(pod) for pod in values.pods]]
    return row if values.buckets else row[:2]


def _bound(bound: float) -> float | str:
    return bound if math.isfinite(bound) else str(bound)


def _read_counts(values: Any) -> Counts:
    total, bad, *more = values
    buckets = tuple((float(bound), int(count)) for bound, count in (more[0] if more else ()))
    started, pods = more[1:] if len(more) > 1 else (None, ())
    return Counts(
        total=int(total),
        bad=int(bad),
        buckets=buckets,
        started=None if started is None else int(started),
        pods=tuple(Pod(str(name), str(node), int(n), int(x)) for name, node, n, x in pods),
    )


def _read_gauge(values: Any) -> Gauge:
    points, dropped, code, sentence = values
    return Gauge(points=tuple(map(float, points)), dropped=int(dropped), code=str(code), sentence=str(sentence))


@dataclass(slots=True)
class Said:
    """Writes judgements; remembers what was said last, so that all numbers are written only when that changes."""

    before: tuple[Any, ...] = ()
    since: int = 0

    def row(self, judgement: Judgement) -> dict[str, Any]:
        """The next judgement as the record keeps it."""
        now = (judgement.verdict, *((one.metric, one.code) for one in judgement.findings))
        self.since += 1
        whole = now != self.before or self.since >= FULL_EVERY
        if whole:
            self.before, self.since = now, 0
        return said_row(judgement, whole=whole)


def said_row(judgement: Judgement, *, whole: bool) -> dict[str, Any]:
    """A judgement as the record keeps it.

    Args:
        judgement: what was said.
        whole: with the sentence, and every number of every finding.
    """
    row: dict[str, Any] = {
        "verdict": judgement.verdict.value,
        "evidence": _number(judgement.evidence),
        "looks": judgement.looks,
        "requests": judgement.requests,
        "may_proceed": judgement.may_proceed,
        "findings": [
            [one.metric, one.verdict.value, one.code, _number(one.numbers.get("evidence"))]
            for one in judgement.findings
        ],
    }
    if whole:
        row["sentence"] = judgement.sentence
        row["numbers"] = [{name: _number(value) for name, value in one.numbers.items()} for one in judgement.findings]
    return row


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
