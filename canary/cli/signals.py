"""What an engine answers to signals: SIGTERM in a pod, Ctrl-C on a terminal or without one, a terminal that closes."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

from canary.core.outcome import ExitCode

if TYPE_CHECKING:
    from canary.cli.assemble import Prepared

WITHIN = 9.7
"""Seconds from SIGTERM until the process ends whatever it still waits for: 10 s are promised, of a grace of 60."""

LEFT = 130
"""Exit code of a process that a second Ctrl-C ended."""

GO_ON = "to go on, run it again with the same file; to end it, canary abort"
QUESTION = """
canary: Ctrl-C: what about the release?
  r  roll it back, and end
  l  leave it where it stands, and end (a watchdog, where one runs, rolls it back soon)
  c  carry on
r, l or c (Ctrl-C again leaves at once): """

Handler = Callable[[int, FrameType | None], None]


@contextlib.contextmanager
def answered(prepared: Prepared, *, in_pod: bool) -> Iterator[None]:
    """Answer signals while the engine runs.

    Args:
        prepared: the engine.
        in_pod: SIGTERM comes from a kubelet: another pod may follow. Elsewhere it is a person's wish to end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    answers = _Answers(prepared)
    wanted: dict[signal.Signals, Handler] = {
        signal.SIGINT: answers.interrupted,
        signal.SIGHUP: answers.roll_back,
        signal.SIGTERM: answers.terminated if in_pod else answers.roll_back,
    }
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        answers.done()


class _Answers:
    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._limit: threading.Timer | None = None
        self._interrupts = 0

    def terminated(self, _number: int, _frame: FrameType | None) -> None:
        self._prepared.terminate()
        if self._limit is None:
            self._limit = threading.Timer(WITHIN, os._exit, (int(ExitCode.HANDED_OVER),))
            self._limit.daemon = True
            self._limit.start()

    def interrupted(self, number: int, frame: FrameType | None) -> None:
        self._interrupts += 1
        if self._interrupts > 1:
            _say(f"\ncanary: left; {GO_ON}\n")
            os._exit(LEFT)
        if person_there():
            threading.Thread(target=self._ask, args=(number,), daemon=True, name="question").start()
        else:
            self.roll_back(number, frame)

    def roll_back(self, number: int, _frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        _say(f"canary: {name}: rolling back; Ctrl-C again leaves without waiting for it\n")
        if number == signal.SIGINT:
            self._interrupts = max(self._interrupts, 1)
        self._prepared.abort(os.environ.get("USER") or "the operator", name)

    def done(self) -> None:
        if self._limit is not None:
            self._limit.cancel()

    def _ask(self, number: int) -> None:
        """In a thread of its own: the release goes on, and is judged, while somebody thinks."""
        while True:
            _say(QUESTION)
            match _line():
                case None:
                    return  # the terminal has closed: SIGHUP says the rest
                case "r":
                    self.roll_back(number, None)
                    return
                case "l":
                    _say(f"canary: leaving the release where it stands; {GO_ON}\n")
                    self._prepared.leave()
                    return
                case "c":
                    self._interrupts = 0
                    _say("canary: the release goes on\n")
                    return


def person_there() -> bool:
    """Whether somebody can be asked: there is a terminal to read from and to write to."""
    try:
        return os.isatty(sys.stdin.fileno()) and os.isatty(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False


def _line() -> str | None:
    """The next line typed. Not by sys.stdin: its lock would be held for ever when the process ends first."""
    try:
        typed = os.read(sys.stdin.fileno(), 1024)
    except (OSError, ValueError):
        return None
    return typed.decode(errors="replace").strip().lower()[:1] if typed else None


def _say(text: str) -> None:
    """Past the buffers: a handler may interrupt a print. Not said where the terminal is gone, or stuck."""
    with contextlib.suppress(OSError, ValueError):
        if select.select([], [2], [], 0)[1]:  # a handler interrupts the thread that moves the traffic
            os.write(2, text.encode())
