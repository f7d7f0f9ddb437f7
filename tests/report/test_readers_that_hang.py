"""Whoever shows what the release does may hang: nothing waits for it, and what was dropped is counted."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from decimal import Decimal
from typing import Any

from canary.core.outcome import ExitCode
from canary.ports import Progress
from canary.report.outbox import Aside, Outbox


class Stuck:
    """A reporter that hangs until it is let go."""

    def __init__(self) -> None:
        self.go, self.hangs = threading.Event(), threading.Event()
        self.told: list[Progress] = []

    def tell(self, progress: Progress) -> None:
        self.hangs.set()
        self.go.wait(60)
        self.told.append(progress)


def said(message: str = "", **more: Any) -> Progress:
    nothing = Decimal(0)
    return Progress(
        at=1.0, phase="JUDGING", stage="", step=0, steps=1, share_wanted=nothing, share_seen=None, entered=0.0,
        message=message, **more,
    )  # fmt: skip


def test_nobody_waits_for_a_reporter_that_hangs_and_alarms_are_dropped_last() -> None:
    stuck = Stuck()
    aside = Aside(stuck, room=5, last_word=0.0)
    aside.tell(said("first"))
    assert stuck.hangs.wait(20)
    for number in range(50):
        aside.tell(said())
        aside.tell(said(f"change {number}"))
    for number in range(3):
        aside.tell(said(f"alarm {number}", alarm=True))
    aside.tell(said("the end", code=ExitCode.JUDGED_BAD))
    assert aside.outbox.dropped == 99
    stuck.go.set()
    assert aside.outbox.flush(20)
    words = [one.message for one in stuck.told]
    assert words[0] == "first"
    assert "99 reports" in words[1]
    assert words[2:] == ["change 49", "alarm 0", "alarm 1", "alarm 2", "the end"]
    assert [one.code for one in stuck.told if one.code is not None] == [ExitCode.JUDGED_BAD]


def test_what_a_reporter_raises_harms_nobody_and_the_next_is_told() -> None:
    told: list[int] = []

    def send(number: int) -> None:
        if number == 1:
            raise RuntimeError("no")
        told.append(number)

    outbox = Outbox(send)
    for number in range(3):
        outbox.put(number)
    assert outbox.flush(20)
    assert told == [0, 2]


PROGRAM = """
import sys
sys.path[:0] = {path!r}
from canary.report.outbox import Aside, unbuffered
from canary.report.lines import LineReporter
from tests.report.test_readers_that_hang import said
aside = Aside(LineReporter(unbuffered(sys.stderr)), last_word=0.1)
for number in range(40):
    aside.tell(said("x" * 8192))
from canary.core.outcome import ExitCode
aside.tell(said("the end", code=ExitCode.JUDGED_BAD))
sys.exit(10)
"""


def test_a_pipe_that_nobody_reads_holds_neither_the_release_nor_its_exit_code_up() -> None:
    """With Python's own stream the interpreter aborts at its end: the worker holds the lock that it needs."""
    read, write = os.pipe()
    try:
        program = PROGRAM.format(path=sys.path)
        ran = subprocess.run([sys.executable, "-c", program], stderr=write, timeout=60, check=False)
        assert ran.returncode == 10
    finally:
        os.close(read)
        os.close(write)
