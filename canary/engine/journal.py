"""The journal's document: everything a next incarnation needs, in at most 32 KiB, versioned.

The journal is written before the world is touched (invariant 4) and replaced by compare-and-swap.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from canary.core.release import Release
from canary.engine.subject import Subject

VERSION = 1
LIMIT = 32 * 1024
"""Bytes; a ConfigMap could hold 1 MiB, but this is written on every transition."""


class JournalError(Exception):
    """A journal cannot be used; the message says why and what to do. Nothing was touched."""


class JournalTooNew(JournalError):
    """It was written by a newer engine."""


class Journal(BaseModel):
    """One release's journal.

    Attributes:
        version: of this form; a newer one is refused, an older one is read.
        release: where the release stands.
        identity: hash of the normalised release file; a journal of another release is not resumed.
        judge: the judge's sufficient state, as it encodes itself; empty before judging.
        window: the last raw counters, as the window encodes them; empty before the first reading.
        surgery: what the surgery must remember (original weights, rules); empty before the first touch.
        record: number of record chunks written, and the hash of the newest.
        totals: requests counted since the canary was attached: stable, canary, bad on the route.
        subject: what the release is about, for whoever has no release file; None in a journal written before that.
        attempt: which attempt of this release; each has a falseRollback of its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int = VERSION
    release: Release
    identity: str = ""
    judge: dict[str, Any] = {}
    window: dict[str, Any] = {}
    surgery: dict[str, Any] = {}
    record: tuple[int, str] = (0, "")
    totals: tuple[int, int, int] = (0, 0, 0)
    subject: Subject | None = None
    attempt: int = 1


def encode(journal: Journal) -> str:
    """The journal as text.

    Raises:
        JournalError: it would be larger than `LIMIT`.
    """
    text = journal.model_dump_json()
    if len(text.encode()) > LIMIT:
        raise JournalError(
            f"the journal would be {len(text.encode())} bytes, more than {LIMIT}; fewer metrics or rules"
        )
    return text


def decode(text: str) -> Journal:
    """A journal from text.

    Raises:
        JournalTooNew: a newer engine wrote it.
        JournalError: it is torn, foreign or not a journal.
    """
    import json

    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise JournalError(f"the journal is not readable as JSON ({error}); was it edited by hand?") from error
    version = raw.get("version") if isinstance(raw, dict) else None
    if not isinstance(version, int):
        raise JournalError("the journal has no version; it was not written by this engine")
    if version > VERSION:
        raise JournalTooNew(f"the journal has version {version}, this engine knows {VERSION}; use the newer engine")
    try:
        return Journal.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise JournalError(f"the journal is damaged at {where}: {first['msg']}") from error


def same_intent(before: Release, after: Release) -> bool:
    """Whether nothing changed that a next incarnation would have to know before the world is touched."""
    return (
        before.phase is after.phase
        and before.stage is after.stage
        and before.step == after.step
        and before.pending == after.pending
        and before.outcome == after.outcome
        and before.fenced == after.fenced
        and before.share == after.share
        and before.paused == after.paused
        and before.approved == after.approved
        and before.heard == after.heard
        and before.incarnation == after.incarnation
    )
