"""Past releases of a route, from their records: when, how each ended and why. Values, and their text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from canary.core.outcome import MEANING
from canary.report import words
from canary.report.lines import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One release.

    Attributes:
        uid: which.
        began, ended: seconds since the epoch; 0 where the record does not say it.
        code: how it ended; None where the record has no end.
        reason: why.
        told: what people were told, newest last.
        damage: what is wrong with the record; empty when nothing is.
    """

    uid: str
    began: float
    ended: float = 0.0
    code: int | None = None
    reason: str = ""
    told: int = 0
    damage: str = ""


def past(uid: str, rows: Sequence[Mapping[str, Any]], *, damage: str = "") -> Past:
    """A release as the entries of its record have it."""
    times = [float(row["at"]) for row in rows if isinstance(row.get("at"), int | float)]
    ends = [row for row in rows if row.get("kind") == "end"]
    end: Mapping[str, Any] = ends[-1] if ends else {}
    code = end.get("code")
    return Past(
        uid=uid,
        began=min(times, default=0.0),
        ended=float(end.get("at") or 0.0),
        code=code if isinstance(code, int) else None,
        reason=str(end.get("reason") or ""),
        told=sum(row.get("kind") == "told" for row in rows),
        damage=damage,
    )


def text(where: str, releases: Sequence[Past], *, running: str = "") -> str:
    """The newest first, one paragraph each.

    Args:
        where: namespace and route.
        releases: in any order.
        running: uid of the one that has not ended; empty when none runs.
    """
    if not releases:
        return f"{where}: no release has left a record\n"
    lines = [f"{where}: {len(releases)} release{'s' if len(releases) > 1 else ''}, newest first"]
    for one in _sorted(releases):
        lines.append(f"  {_moment(one.began)}  {one.uid}  {_end(one, running)}")
        lines += [f"      {plain(sentence)}" for sentence in (one.reason, one.damage) if sentence]
    return "\n".join(lines) + "\n"


def data(releases: Sequence[Past], *, running: str = "") -> list[dict[str, Any]]:
    """The same as JSON-able data."""
    return [asdict(one) | {"meaning": _meaning(one.code), "running": one.uid == running} for one in _sorted(releases)]


def _sorted(releases: Sequence[Past]) -> list[Past]:
    return sorted(releases, key=lambda one: one.began, reverse=True)


def _end(one: Past, running: str) -> str:
    if one.uid == running:
        return "under way"
    if one.code is None:
        return "its record has no end"
    return f"{_meaning(one.code)} (exit {one.code}) after {words.span(max(0.0, one.ended - one.began))}"


def _meaning(code: int | None) -> str:
    known = {int(each): meaning for each, meaning in MEANING.items()}
    return "" if code is None else known.get(code, "unknown")


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
