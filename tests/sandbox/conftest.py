"""Whole demos as a user runs them: one at a time on a machine, whatever runs in parallel."""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NamedTuple

import pytest

PLACES = 2
"""Sandboxes at a time, on two cores."""

PATIENCE = 240.0
"""Seconds until a demo that hangs is ended; none takes half of it."""


class Played(NamedTuple):
    """What a demo printed and how it ended."""

    code: int
    told: dict[str, Any]
    lines: str


@pytest.fixture
def alone() -> Iterator[None]:
    """Holds one of the machine's places for a sandbox with load: more at a time would disturb each other's timing."""
    folder = Path(tempfile.gettempdir())
    with ExitStack() as stack:
        locks = [
            stack.enter_context((folder / f"canary-tests-{os.getuid()}-{place}.lock").open("w"))
            for place in range(PLACES)
        ]
        while not any(map(_taken, locks)):
            time.sleep(0.2)
        yield


def _taken(lock: IO[str]) -> bool:
    """Whether a lock could be had, which is then held until its file closes."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@pytest.fixture
def demo(alone: None) -> Callable[..., Played]:
    """Runs `canary demo` to its end."""

    def play(*words: str, env: dict[str, str] | None = None) -> Played:
        ran = subprocess.run(
            [sys.executable, "-m", "canary", "demo", *words, "-o", "json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env={**os.environ, **(env or {})},
            check=False,
        )
        assert ran.stdout, ran.stderr
        return Played(ran.returncode, json.loads(ran.stdout), ran.stderr)

    return play


def left_over(folder: str) -> list[str]:
    """Command lines of the processes that have something to do with a sandbox's directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
            except OSError:
                continue
            if folder in words:
                found.append(words)
    return found
