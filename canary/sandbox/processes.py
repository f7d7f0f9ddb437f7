"""Child processes that never outlive us.

Every child dies with its parent twice over: the kernel sends it SIGKILL when the parent's thread ends
(PR_SET_PDEATHSIG), and our own programs end when their standard input closes. Nothing of the caller's environment that
could point at a real cluster reaches them.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

STOP_AFTER = 5.0
"""Seconds between SIGTERM and SIGKILL."""

_PR_SET_PDEATHSIG = 1
_GUARD_PORT = 47077
_SCRUBBED = ("KUBE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "POD_", "JOB_")
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class StartError(Exception):
    """A child did not start; the message ends with the last lines of its log."""


def environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for children: without anything that names a cluster or a proxy."""
    given = os.environ if base is None else base
    return {key: value for key, value in given.items() if not key.upper().startswith(_SCRUBBED)}


def free_port(host: str = "127.0.0.1") -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def free_network() -> tuple[str, socket.socket]:
    """A /24 of loopback addresses that no other sandbox uses, as "127.64.3.", and the socket that holds it.

    Pods of several sandboxes on one machine must not meet: their ports are the same, as in a cluster.

    Raises:
        StartError: none could be had.
    """
    for _ in range(50):
        prefix = f"127.{64 + secrets.randbelow(64)}.{secrets.randbelow(256)}."
        guard = socket.socket()
        try:
            guard.bind((f"{prefix}1", _GUARD_PORT))
        except OSError:
            guard.close()
            continue
        return prefix, guard
    raise StartError("no free loopback network was found for the sandbox's pods")


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs one of our own modules."""
    return [sys.executable, "-m", name, *arguments]


class Child:
    """One child process.

    Args:
        command: program and arguments.
        log: file that its standard error (and output, unless `ready` is read) goes to.
        pipe: keep its standard output as a pipe, for `ready`.
    """

    def __init__(
        self, command: Sequence[str], *, log: Path, pipe: bool = False, env: Mapping[str, str] | None = None
    ) -> None:
        self.log = log
        self.name = log.stem
        with log.open("ab") as sink:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 - our own command, no shell
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if pipe else sink,
                stderr=sink,
                env={**environment(), **(env or {})},
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one prctl call, and no threads hold locks we need
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self.process.poll()

    def ready(self, timeout: float) -> dict[str, Any]:
        """The JSON object of its first line of output.

        Raises:
            StartError: it ended, or said nothing sensible in time.
        """
        line = _first_line(self.process.stdout, timeout)
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            self.stop()
            raise StartError(f"{self.name} did not start within {timeout:.0f} s. Its last words:\n{self.last_words()}")
        _drain(self.process.stdout)
        return said

    def last_words(self, lines: int = 15) -> str:
        """The end of its log."""
        with contextlib.suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def stop(self, patience: float = STOP_AFTER) -> None:
        """End it: its input closes, SIGTERM to its group, then SIGKILL."""
        with contextlib.suppress(OSError):
            if self.process.stdin is not None:
                self.process.stdin.close()
        for word, wait in ((signal.SIGTERM, patience), (signal.SIGKILL, STOP_AFTER)):
            if self.process.poll() is not None:
                break
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, word)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(wait)
        if self.process.stdout is not None:
            with contextlib.suppress(OSError):
                self.process.stdout.close()


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _first_line(stream: IO[bytes] | None, timeout: float) -> str:
    if stream is None:
        return ""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        if not selector.select(timeout):
            return ""
    return stream.readline().decode(errors="replace")


def _drain(stream: IO[bytes] | None) -> None:
    """Keep reading, so that the child never blocks on a full pipe."""
    if stream is None:
        return

    def read() -> None:
        with contextlib.suppress(OSError, ValueError):
            while stream.read(65536):
                pass

    threading.Thread(target=read, daemon=True).start()


def born(pid: int) -> str:
    """When a process started, in the kernel's ticks; empty when there is none. A pid alone may be another's by now."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def end_with_input(stop: Any) -> None:
    """Call `stop` when our standard input closes: the parent is gone. For our own child programs."""

    def wait() -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.read(0, 4096):  # not sys.stdin: its lock would be held when the interpreter ends
                pass
        stop()

    threading.Thread(target=wait, daemon=True).start()
