"""One line per change, for logs and pipes: what a person greps for at 3 a.m."""

from __future__ import annotations

from typing import TextIO

from canary.core.outcome import MEANING
from canary.ports import Progress
from canary.report import words


class LineReporter:
    """Writes one line per change.

    Args:
        stream: where to; a stream that is closed or full of errors silences the reporter, never the engine.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream

    def tell(self, progress: Progress) -> None:
        """Write the line, if the progress has one."""
        text = line(progress)
        if text is None or self._stream is None:
            return
        try:
            print(text, file=self._stream, flush=True)
        except (OSError, ValueError):
            self._stream = None


def line(progress: Progress) -> str | None:
    """The line for one progress; None for a mere look, which changed nothing.

    Time first, then the phase, the step, the share wanted and seen, and what happened. A line that asks for a
    person begins with ALARM after the time.
    """
    if not progress.message and progress.code is None:
        return None
    parts = [words.clock(progress.at)]
    if progress.alarm:
        parts.append("ALARM")
    parts.append(progress.phase)
    if place := where(progress):
        parts.append(place)
    if progress.share_wanted or progress.canary_requests:
        parts.append(f"share {words.share(progress.share_wanted)}")
        if progress.share_seen is not None:
            parts.append(f"seen {words.seen(progress.share_seen)}")
    head = "  ".join(parts)
    end = f" (exit {int(progress.code)}: {MEANING[progress.code]})" if progress.code is not None else ""
    return f"{head}  {plain(progress.message)}{end}"


def where(progress: Progress) -> str:
    """The step in words; empty before the first."""
    if progress.step < 0:
        return ""
    return "bake" if progress.step >= progress.steps else f"step {progress.step + 1} of {progress.steps}"


def plain(text: str) -> str:
    """Text from outside in one line, with nothing that moves a terminal's cursor or hides what is said."""
    return "".join(char if char.isprintable() else " " for char in text)
