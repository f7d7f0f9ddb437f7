"""A release as its record has it, step by step: the values that the reports for pipelines are made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from canary.core.outcome import MEANING

VERSION = 1
"""Of the JSON form (`canary schema report`). Fields may be added; one that is renamed or changes its meaning is a 2."""

NUMBERS = ("canary_rate", "canary_bad", "canary_total", "stable_rate", "stable_bad", "stable_total", "tolerated")
"""What is told of a finding, where it has them; the record has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The last word on one metric in one step.

    Attributes:
        metric: which.
        verdict: HEALTHY, UNHEALTHY, UNDECIDED or NO_DATA.
        code: the reason in one word.
        numbers: what it rests on.
    """

    metric: str
    verdict: str
    code: str
    numbers: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTaken:
    """One step, from its first judged look to the next step or the end.

    Attributes:
        name: as people call it.
        share: of the canary, percent of the pool.
        began, seconds: seconds since the epoch, and how long it was judged.
        looks, requests: how many were judged in it.
        verdict: the last one, over all metrics; empty where none was judged.
        sentence: what was said with it.
        checks: by metric, as the judge lists them.
    """

    name: str
    share: float
    began: float
    seconds: float
    looks: int
    requests: int
    verdict: str
    sentence: str
    checks: tuple[Checked, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateAnswered:
    """A decision of a person, or of the clock.

    Attributes:
        at: seconds since the epoch.
        approved: it was opened.
        by: who; empty when it expired.
        reason: why.
    """

    at: float
    approved: bool
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One thing that people were told."""

    at: float
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """A release.

    Attributes:
        version: of this form.
        namespace, route, release: whose; `release` is the uid.
        image: the new version; empty where it is not known.
        code, meaning, reason: how it ended; None and empty while it has not, or where the record does not say it.
        began, seconds: seconds since the epoch, and from the first entry of the record to the last.
        steps, gates, told: what happened, oldest first.
        damage: what is wrong with the record; empty when nothing is.
    """

    version: int = VERSION
    namespace: str
    route: str
    release: str
    image: str = ""
    code: int | None = None
    meaning: str = ""
    reason: str = ""
    began: float = 0.0
    seconds: float = 0.0
    steps: tuple[StepTaken, ...] = ()
    gates: tuple[GateAnswered, ...] = ()
    told: tuple[Told, ...] = ()
    damage: str = ""


def released(
    rows: Sequence[Mapping[str, Any]], *, namespace: str, route: str, release: str, image: str = "", damage: str = ""
) -> Released:
    """A release from the entries of its record; what an entry does not have is left out, and nothing is guessed.

    Args:
        rows: the record's entries, oldest first.
        namespace, route, release: whose; `release` is the uid.
        image: the new version.
        damage: what is wrong with the record.
    """
    times = [at for row in rows if (at := _number(row.get("at"))) is not None]
    ends = [row for row in rows if row.get("kind") == "end"]
    code = ends[-1].get("code") if ends else None
    code = code if isinstance(code, int) else None
    return Released(
        namespace=namespace,
        route=route,
        release=release,
        image=image,
        code=code,
        meaning=meaning(code),
        reason=str(ends[-1].get("reason") or "") if ends else "",
        began=min(times, default=0.0),
        seconds=max(times, default=0.0) - min(times, default=0.0),
        steps=tuple(_steps(rows)),
        gates=tuple(_gates(rows)),
        told=tuple(
            Told(at=_number(row.get("at")) or 0.0, reason=str(row.get("reason")), message=str(row.get("message")))
            for row in rows
            if row.get("kind") == "told"
        ),
        damage=damage,
    )


def data(found: Released) -> dict[str, Any]:
    """As JSON-able data; its schema is `schema`."""
    return asdict(found)


def schema() -> dict[str, Any]:
    """The JSON Schema of `data`."""
    from pydantic import TypeAdapter

    made = TypeAdapter(Released).json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def meaning(code: int | None) -> str:
    """What an exit code means; empty for none."""
    return {int(each): text for each, text in MEANING.items()}.get(code, "unknown") if code is not None else ""


def _steps(rows: Iterable[Mapping[str, Any]]) -> list[StepTaken]:
    """Steps in order; one that a next life of the engine took up again is one step."""
    groups: list[tuple[tuple[float, bool], list[Mapping[str, Any]]]] = []
    for row in rows:
        if row.get("kind") == "step":
            key = (_number(row.get("share")) or 0.0, bool(row.get("baking")))
            if not groups or groups[-1][0] != key:
                groups.append((key, []))
            groups[-1][1].append(row)
        elif row.get("kind") == "look" and groups and isinstance(row.get("said"), Mapping):
            groups[-1][1].append(row)
    return [_step(number, *group) for number, group in enumerate(groups, start=1)]


def _step(number: int, key: tuple[float, bool], rows: list[Mapping[str, Any]]) -> StepTaken:
    share, baking = key
    times = [at for row in rows if (at := _number(row.get("at"))) is not None] or [0.0]
    said = [row["said"] for row in rows if row.get("kind") == "look"]
    whole = [each for each in said if "sentence" in each]
    last = said[-1] if said else {}
    # Numbers are written when what is said changes, and every so often: the newest ones belong to what was said last.
    known = dict(zip(_names(whole[-1]), whole[-1].get("numbers") or (), strict=False)) if whole else {}
    return StepTaken(
        name="bake" if baking else f"step {number}",
        share=share,
        began=min(times),
        seconds=max(times) - min(times),
        looks=len(said),
        requests=int(_number(last.get("requests")) or 0),
        verdict=str(last.get("verdict") or ""),
        sentence=str(whole[-1].get("sentence") or "") if whole else "",
        checks=tuple(_checks(last, known)),
    )


def _names(said: Mapping[str, Any]) -> list[str]:
    return [str(each[0]) for each in said.get("findings") or () if each]


def _checks(said: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> Iterable[Checked]:
    for finding in said.get("findings") or ():
        metric, verdict, code = (str(each) for each in finding[:3])
        numbers = known.get(metric) or {}
        told = {name: _number(numbers[name]) for name in NUMBERS if name in numbers}
        yield Checked(metric=metric, verdict=verdict, code=code, numbers=told)


def _gates(rows: Iterable[Mapping[str, Any]]) -> Iterable[GateAnswered]:
    for row in rows:
        if row.get("kind") == "event" and row.get("name") == "GateDecided":
            yield GateAnswered(
                at=_number(row.get("at")) or 0.0,
                approved=bool(row.get("approved")),
                by=str(row.get("by") or ""),
                reason=str(row.get("reason") or ""),
            )


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
