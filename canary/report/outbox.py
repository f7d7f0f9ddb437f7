"""Telling people without waiting for them: a bounded queue, a worker, and a count of what was dropped.

A terminal that was stopped (Ctrl-S), a log collector whose disk is full, a chat that hangs: whoever writes there stands
still, and must not be the thread that takes traffic off a bad version.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, TextIO, TypeVar

from canary.ports import Progress, Reporters

T = TypeVar("T")

ROOM = 200
"""Things waiting to be told at most: a release has some tens of changes."""

LAST_WORD = 2.0
"""Seconds for which the end of a release is waited for; a person who reads has read it by then."""


class Outbox(Generic[T]):
    """Hands things to a worker of its own, in order. When it is full the least important of the oldest is dropped.

    Args:
        send: tells one thing; may block for ever, and what it raises is ignored.
        weight: how important a thing is; 0 for the least.
        lost: what is told instead of what was dropped, before the next thing: their number, and that next thing.
        room: how many wait at most.
    """

    def __init__(
        self,
        send: Callable[[T], None],
        *,
        weight: Callable[[T], int] = lambda _: 0,
        lost: Callable[[int, T], T] | None = None,
        room: int = ROOM,
    ) -> None:
        self.dropped = 0
        self._send, self._weight, self._lost, self._room = send, weight, lost, room
        self._waiting: list[T] = []
        self._untold, self._busy = 0, False
        self._changed = threading.Condition()
        self._worker: threading.Thread | None = None

    def put(self, thing: T) -> None:
        """Have it told soon; never blocks and never raises."""
        with self._changed:
            self._waiting.append(thing)
            if len(self._waiting) > self._room:
                least = min(range(len(self._waiting)), key=lambda place: (self._weight(self._waiting[place]), place))
                del self._waiting[least]
                self.dropped, self._untold = self.dropped + 1, self._untold + 1
            if self._worker is None:
                worker = threading.Thread(target=self._work, daemon=True, name="outbox")
                try:
                    worker.start()
                except RuntimeError:  # no thread can be started (any more); the next one may be
                    return
                self._worker = worker
            self._changed.notify_all()

    def flush(self, within: float) -> bool:
        """Wait until everything was told, for so many seconds at most; whether it was."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, within)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._waiting))
                thing, untold = self._waiting.pop(0), self._untold
                self._untold, self._busy = 0, True
            if untold and self._lost is not None:
                self._try(self._lost(untold, thing))
            self._try(thing)

    def _try(self, thing: T) -> None:
        try:
            self._send(thing)
        except Exception:  # noqa: BLE001 - whoever cannot be told is not told; the release goes on
            return


class Aside:
    """A reporter that nobody waits for; see `canary.ports.Reporters`.

    Args:
        reporter: whoever is told, by a worker.
        room: changes that wait for it at most; mere looks are dropped first, alarms last.
        last_word: seconds for which the end of the release is waited for.
    """

    def __init__(self, reporter: Reporters, *, room: int = ROOM, last_word: float = LAST_WORD) -> None:
        self.outbox = Outbox(reporter.tell, weight=_weight, lost=_lost, room=room)
        self._last_word = last_word

    def tell(self, progress: Progress) -> None:
        """Have it told soon; with the release's end wait a moment until it is."""
        self.outbox.put(progress)
        if progress.code is not None:
            self.outbox.flush(self._last_word)


def _weight(progress: Progress) -> int:
    if progress.code is not None or progress.alarm:
        return 2
    return 1 if progress.message else 0


def _lost(number: int, following: Progress) -> Progress:
    message = f"{number} reports before this one were dropped: whoever shows them was too slow"
    return replace(following, message=message, reason="Dropped", alarm=False, judgement=None, code=None)


def unbuffered(stream: TextIO) -> TextIO:
    """The same place to write to, without Python's lock on it.

    A worker that hangs in a write holds that lock, and the interpreter aborts at its end when it cannot get it.
    """
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return stream  # not a file of the system's
    raw: Any = io.FileIO(os.dup(number), "w")
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
