"""Following a release through its Job: what is new since the last look, in lines. Pure: time comes in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from canary.submitting.changes import changes_of

GATED = "GATED"

HEARTBEAT = 30.0
"""Seconds without a line after which one says that it still goes on: CI ends jobs that are silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What has been told.

    Attributes:
        number: of the newest change told; 0 for none.
        phase: of it.
        line: it.
        spoke: when the last line was told, monotonic seconds.
        asked: when the API server last answered, monotonic seconds.
    """

    number: int = 0
    phase: str = ""
    line: str = ""
    spoke: float = 0.0
    asked: float = 0.0


def news(seen: Seen, job: Mapping[str, Any], *, now: float) -> tuple[Seen, tuple[str, ...]]:
    """The lines of all changes that have not been told, oldest first.

    Changes that the Job no longer carries are counted, never passed over in silence.
    """
    fresh = [change for change in changes_of(job) if change.number > seen.number]
    seen = replace(seen, asked=now)
    if not fresh:
        return seen, ()
    missed = fresh[0].number - seen.number - 1
    lines = [f"({missed} earlier changes are not shown; the record has them)"] if missed > 0 and seen.number else []
    lines += [change.line for change in fresh]
    last = fresh[-1]
    return replace(seen, number=last.number, phase=last.phase, line=last.line, spoke=now), tuple(lines)


def heartbeat(seen: Seen, *, now: float, moment: str) -> tuple[Seen, str]:
    """A line when nothing was said for long; else an empty text.

    Args:
        seen: what has been told.
        now: monotonic seconds.
        moment: the time of day, for the line.
    """
    if now - seen.spoke < HEARTBEAT:
        return seen, ""
    silent = now - seen.asked
    if silent >= HEARTBEAT:
        text = f"the API server has not answered for {silent:.0f} s; the release goes on without us"
    elif seen.phase:
        text = f"still {seen.phase}" + (f": {seen.line}" if seen.phase == GATED else "")
    else:
        text = "the engine has not spoken yet: its pod is being scheduled, pulled or started"
    return replace(seen, spoke=now), f"{moment}  ...  {text}"
