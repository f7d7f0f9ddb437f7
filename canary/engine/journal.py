"""The journal's document: everything a next incarnation needs, in at most 32 KiB, versioned.

The journal is written before the world is touched (invariant 4) and replaced by compare-and-swap.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from canary.core.release import Release
from canary.engine.subject import Subject

VERSION = 1
LIMIT = 32 * 1024
"""Bytes; a ConfigMap could hold 1 MiB, but this is written on every transition."""


SENTENCE, LEFTOVERS = 300, 20
"""Characters of a sentence, and how many leftovers are kept, where a journal would be too large."""


PACKED, UNPACKED = "packed", 4 * 1024 * 1024
"""The key under which a state stands compressed, and the bytes that it may have when it is not."""


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
    """The journal as text; where it does not fit, one thing after the other is done until it does.

    1. The judge's state and the original weights are compressed.
    2. Long sentences are shortened: people were told them, and the record has them whole.
    3. The window is left out: it begins anew after a restart, and the look that holds the gap is lost.
    4. The judge's state is left out: the step is judged anew after a restart, and nothing is raised before it was.

    Where the release stands, what is pending, the original weights and the subject are never left out.

    Raises:
        JournalError: these alone are larger than `LIMIT`.
    """
    size = 0
    for smaller in (_whole, _packed, _shortened, _without_window, _without_evidence):
        journal = smaller(journal)
        text = journal.model_dump_json()
        size = len(text.encode())
        if size <= LIMIT:
            return text
    raise JournalError(f"the journal would be {size} bytes, more than {LIMIT}; fewer steps or rules")


def _whole(journal: Journal) -> Journal:
    return journal


def _packed(journal: Journal) -> Journal:
    return journal.model_copy(update={"judge": _pack(journal.judge), "surgery": _pack(journal.surgery)})


def _pack(state: dict[str, Any]) -> dict[str, Any]:
    if not state:
        return {}
    text = json.dumps(state, separators=(",", ":"))
    return {PACKED: base64.b64encode(zlib.compress(text.encode(), 9)).decode()}


def _unpack(state: dict[str, Any]) -> dict[str, Any]:
    """Raises ValueError for what is damaged, and for more than `UNPACKED` bytes: it may have been replaced."""
    if PACKED not in state:
        return state
    inflate = zlib.decompressobj()
    body = inflate.decompress(base64.b64decode(str(state[PACKED]), validate=True), UNPACKED)
    if not inflate.eof:
        raise ValueError("torn, or too large")
    return dict(json.loads(body))


def _shortened(journal: Journal) -> Journal:
    release = journal.release
    outcome = release.outcome and replace(release.outcome, reason=_short(release.outcome.reason))
    left = release.leftovers
    if len(left) > LEFTOVERS:
        left = (*left[: LEFTOVERS - 1], f"and {len(left) - LEFTOVERS + 1} more")
    shorter = replace(
        release,
        outcome=outcome,
        leftovers=tuple(_short(one) for one in left),
        sentence=_short(release.sentence),
        basis=_short(release.basis),
        absence=_short(release.absence),
        told=_short(release.told),
        suspect=_short(release.suspect),
    )
    return journal.model_copy(update={"release": shorter})


def _without_window(journal: Journal) -> Journal:
    return journal.model_copy(update={"window": {}})


def _without_evidence(journal: Journal) -> Journal:
    return journal.model_copy(update={"judge": {}})


def _short(text: str) -> str:
    return text if len(text) <= SENTENCE else text[: SENTENCE - 1] + "…"


def decode(text: str) -> Journal:
    """A journal from text.

    Raises:
        JournalTooNew: a newer engine wrote it.
        JournalError: it is torn, foreign or not a journal.
    """
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
        journal = Journal.model_validate_json(text)
        return journal.model_copy(update={"judge": _unpack(journal.judge), "surgery": _unpack(journal.surgery)})
    except (TypeError, ValueError, RecursionError, zlib.error) as error:
        if not isinstance(error, ValidationError):
            raise JournalError(f"the journal is damaged: what it holds compressed cannot be read ({error})") from error
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
