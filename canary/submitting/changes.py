"""What a Job says of its release: the newest changes, numbered, in its annotations. Written by the engine, read by all.

Numbers go on over the engine's lives, so that whoever follows sees each change once, whatever happened to the
connection, the pod or the follower in between.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "canary-engine.io/"
STATUS = PREFIX + "status"
"""The newest change as one line for people: `kubectl describe job` shows it."""
CHANGES = PREFIX + "changes"
"""The newest changes as JSON."""
CODE = PREFIX + "exit-code"
"""How the release ended; only then."""
IDENTITY, ATTEMPT, NONCE = PREFIX + "identity", PREFIX + "attempt", PREFIX + "nonce"
REQUESTER = PREFIX + "requested-by"
"""Who submitted it, where a gate needs to know."""

KEPT = 32
"""Changes in a Job: a release has some tens, and whoever follows reads them within seconds."""

LONGEST = 400
"""Characters of one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change.

    Attributes:
        number: from 1, rising by one within a Job.
        at: when, seconds since the epoch on the server's clock.
        phase: DESIGN's word.
        line: one line for people.
        code: how the release ended, with the last change only.
    """

    number: int
    at: float
    phase: str
    line: str
    code: int | None = None


def changes_of(job: Mapping[str, Any]) -> tuple[Change, ...]:
    """The changes that a Job carries, oldest first; none where there are none that can be read."""
    notes = _notes(job)
    try:
        rows = json.loads(str(notes.get(CHANGES) or "[]"))
        found = [
            Change(
                number=int(row["n"]),
                at=float(row["at"]),
                phase=str(row["phase"]),
                line=str(row["line"]),
                code=None if row.get("code") is None else int(row["code"]),
            )
            for row in rows
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()
    return tuple(sorted(found, key=lambda one: one.number))


def noted(changes: tuple[Change, ...]) -> dict[str, str]:
    """The annotations that carry these changes; at least one."""
    kept = changes[-KEPT:]
    rows = [
        {"n": one.number, "at": round(one.at, 3), "phase": one.phase, "line": one.line[:LONGEST]}
        | ({} if one.code is None else {"code": one.code})
        for one in kept
    ]
    notes = {STATUS: kept[-1].line[:LONGEST], CHANGES: json.dumps(rows, separators=(",", ":"))}
    code = kept[-1].code
    return notes if code is None else notes | {CODE: str(code)}


def code_of(job: Mapping[str, Any]) -> int | None:
    """What the release ended with, as its engine wrote it; None before."""
    text = str(_notes(job).get(CODE) or "")
    return int(text) if text.isdecimal() and len(text) < 4 else None


def _notes(job: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = job.get("metadata")
    notes = metadata.get("annotations") if isinstance(metadata, dict) else None
    return notes if isinstance(notes, dict) else {}
