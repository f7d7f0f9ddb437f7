"""The reporters behind the screen and the lines: they keep a value and show it; the engine never waits for them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console, RenderableType
from rich.live import Live

from canary.ports import Progress
from canary.report.lines import line
from canary.report.screen import render
from canary.report.view import View, advance

REFRESHES = 4
"""Pictures a second: what moves is read by people."""


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


class LiveReporter:
    """Keeps a picture of the release on a terminal; a context manager.

    Args:
        console: the terminal.
        view: what is known before the first progress.
        now: the time to show, seconds since the epoch on the server's clock.
        hint: what a person at this terminal can do while the release runs.
    """

    def __init__(self, console: Console, view: View, *, now: Callable[[], float], hint: str = "") -> None:
        self._view = view
        self._hint = hint
        self._now = now
        self._lock = threading.Lock()
        self._live = Live(
            get_renderable=self._picture, console=console, refresh_per_second=REFRESHES, redirect_stdout=False
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def tell(self, progress: Progress) -> None:
        """Keep it for the next picture."""
        with self._lock:
            self._view = advance(self._view, progress)

    def _picture(self) -> RenderableType:
        with self._lock:
            view = self._view
        over = view.progress is not None and view.progress.code is not None
        return render(view, at=self._now(), hint="" if over else self._hint)
