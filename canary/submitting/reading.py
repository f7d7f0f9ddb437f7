"""From a Job as the API server has it to what it means for a release. What comes from outside may be anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from canary.core.outcome import ExitCode
from canary.submitting import changes
from canary.submitting.deciding import Attempt, Standing

Object = Mapping[str, Any]

UNSAID = frozenset({int(ExitCode.BUG), int(ExitCode.HANDED_OVER), 137})
"""Codes of a pod that say nothing about how the release ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a Job ended.

    Attributes:
        complete: its pod ended with 0.
        reason: the Job controller's word, such as BackoffLimitExceeded; empty when it said none.
        message: its sentence.
    """

    complete: bool
    reason: str = ""
    message: str = ""


def end_of(job: Object) -> End | None:
    """How it ended; None while it has not."""
    for condition in _dicts(_dict(job.get("status")).get("conditions")):
        if str(condition.get("type")) in {"Complete", "Failed"} and condition.get("status") == "True":
            return End(
                complete=condition["type"] == "Complete",
                reason=str(condition.get("reason") or ""),
                message=str(condition.get("message") or ""),
            )
    return None


def attempt_of(job: Object) -> Attempt:
    """A Job as an attempt at a release."""
    metadata, spec = _dict(job.get("metadata")), _dict(job.get("spec"))
    notes = _dict(metadata.get("annotations"))
    number = str(notes.get(changes.ATTEMPT) or "")
    end = end_of(job)
    standing = Standing.RUNNING
    if end is not None:
        standing = Standing.ENDED
    elif metadata.get("deletionTimestamp") or spec.get("suspend") is True:
        standing = Standing.LEAVING
    code = changes.code_of(job)
    if code is None and end is not None and end.complete:
        code = int(ExitCode.PROMOTED)
    return Attempt(
        name=str(metadata.get("name") or ""),
        number=int(number) if number.isdecimal() and len(number) < 7 else 0,
        identity=str(notes.get(changes.IDENTITY) or ""),
        nonce=str(notes.get(changes.NONCE) or ""),
        standing=standing,
        code=code,
        reason=str(notes.get(changes.STATUS) or (end.message if end else "")),
        created=_seconds(metadata.get("creationTimestamp")),
    )


def verdict(job: Object, *, journal: int | None, begun: bool, pods: Iterable[Object] = ()) -> tuple[ExitCode, str]:
    """What a Job that has ended means for its release.

    The engine's own word first: its annotation, then the journal. A Job that ended without either was ended from
    outside; what its last pod said counts only when the release had touched nothing.

    Args:
        job: it has ended, or is gone.
        journal: the outcome in the journal, where that is this release's; None without one.
        begun: the journal is this release's, and has not ended.
        pods: the Job's.

    Returns:
        The exit code, and what else should be said; empty when the engine said it.
    """
    said = changes.code_of(job)
    for code in (said, journal):
        if code in {int(known) for known in ExitCode}:
            return ExitCode(code), ""
    end = end_of(job)
    if end is not None and end.complete:
        return ExitCode.PROMOTED, ""
    why = f"the Job ended before the release did: {end.reason} {end.message}".strip() if end else "the Job was deleted"
    if begun:
        return ExitCode.ROLLBACK_INCOMPLETE, why
    last = [code for code in map(_exit_code, pods) if code is not None and code not in UNSAID]
    if last and last[-1] in {int(known) for known in ExitCode}:
        return ExitCode(last[-1]), why
    return ExitCode.BUG, why


def _exit_code(pod: Object) -> int | None:
    for status in _dicts(_dict(pod.get("status")).get("containerStatuses")):
        code = _dict(_dict(status.get("state")).get("terminated")).get("exitCode")
        if type(code) is int:
            return code
    return None


def _seconds(text: object) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
