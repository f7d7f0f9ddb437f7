"""Whole demos as a user runs them: one at a time on a machine, whatever runs in parallel."""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PATIENCE = 240.0
"""Seconds until a demo that hangs is ended; none takes half of it."""


class Played(NamedTuple):
    """What a demo printed and how it ended."""

    code: int
    told: dict[str, Any]
    lines: str


@pytest.fixture
def alone() -> Iterator[None]:
    """Holds the machine's one place for a sandbox with load: two at a time would disturb each other's timing."""
    with (Path(tempfile.gettempdir()) / f"canary-tests-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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
