"""The reporter behind the screen: it keeps a value and shows it; the engine never waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live

from canary.ports import Progress
from canary.report.screen import render
from canary.report.view import View, advance

REFRESHES = 4
"""Pictures a second: what moves is read by people."""


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
