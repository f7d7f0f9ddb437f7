"""The engine as a child process, as a user would run it; and signals that must not leave anything behind."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING, Any

from canary.cli.boundary import Failure
from canary.core.outcome import ExitCode

# Not where they are used: Python dies of a Ctrl-C that meets the making of a dataclass, even if it was handled.
from canary.report.account import Account, read
from canary.sandbox.processes import _die_with_parent, environment, module

if TYPE_CHECKING:
    from canary.sandbox.cluster import Sandbox

ROLL_BACK_WITHIN = 20.0
"""Seconds that an interrupted engine has to put the traffic back before it is ended."""


def run_engine(sandbox: Sandbox) -> Account:
    """Release in the sandbox with `canary run`, in a process of its own, on this terminal.

    Raises:
        Failure: it ended without an account.
        KeyboardInterrupt: the user interrupted, and the engine, which got the same signal, left no account.
    """
    places = sandbox.places
    if places is None:
        raise Failure("the sandbox is not up", code=ExitCode.BUG)
    words = ("run", str(sandbox.write_release()), "--kubeconfig", str(places.engine), "--output", "json")
    # Not one of the sandbox's own children: it shows its live view on this terminal, and gets its Ctrl-C.
    with subprocess.Popen(  # noqa: S603 - our own command, no shell
        module("canary", *words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=environment(),
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - one prctl call, and no threads hold locks we need
    ) as engine:
        interrupted = False
        try:
            out, _ = engine.communicate()
        except KeyboardInterrupt:
            # It rolls back; its account is worth most to whoever wanted to see what Ctrl-C does.
            interrupted, out = True, _ended(engine)
        except BaseException:
            _ended(engine)
            raise
    try:
        return read(out)
    except ValueError as error:
        if interrupted:
            raise KeyboardInterrupt from None
        message = f"the engine ended with {engine.returncode} and left no account"
        code = ExitCode(engine.returncode) if engine.returncode in set(ExitCode) else ExitCode.BUG
        raise Failure(message, code=code, hint="Its own words are above.") from error


def _ended(engine: subprocess.Popen[bytes]) -> bytes:
    """What it printed, when it has ended by itself; nothing when it had to be ended, by us or a second Ctrl-C."""
    try:
        return engine.communicate(timeout=ROLL_BACK_WITHIN)[0]
    except subprocess.TimeoutExpired:
        return b""
    finally:
        engine.kill()


def listen_to_ctrl_c() -> None:
    """As Python does by itself, but not where it was started by a process that ignores it, as a shell's `&` does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def end_like_interrupted() -> None:
    """Make SIGTERM and a closed terminal unwind this process as Ctrl-C does, so that every `with` cleans up."""

    def unwind(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, unwind)
