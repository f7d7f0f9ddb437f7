"""`sandbox up` and `down`: the demo's world, left running, with a kubeconfig for kubectl."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from canary.cli.boundary import Failure
from canary.cli.options import Format, Output
from canary.core.outcome import ExitCode
from canary.sandbox.processes import born

if TYPE_CHECKING:
    from canary.sandbox.scenarios import Scenario

app = typer.Typer(
    no_args_is_help=True,
    help="A real gateway, two versions of an app and an emulated API server on this machine, left running for kubectl.",
)

DOWN_WITHIN = 30.0
"""Seconds until everything must be gone after it was asked to end."""


@app.command()
def up(
    *,
    scenario: Annotated[
        str, typer.Option("--scenario", metavar="NAME", help="What is wrong with the new version.")
    ] = "good",
    rate: Annotated[
        float, typer.Option("--rate", min=0, max=2000, help="Users' requests a second; 0 for none.")
    ] = 50.0,
    hours: Annotated[float, typer.Option("--hours", min=0.01, max=24, help="It ends by itself after this long.")] = 2.0,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay in this process; Ctrl-C ends it.")] = False,
    output: Format = Output.TEXT,
) -> None:
    """Start the sandbox and leave it running.

    Example:  canary sandbox up, then  kubectl --kubeconfig FILE get httproute -w  with the
    file that it prints.
    """
    from canary.sandbox.scenarios import SCENARIOS

    if scenario not in SCENARIOS:
        raise Failure(f"there is no scenario {scenario!r}", code=ExitCode.USAGE, hint=f"Known: {', '.join(SCENARIOS)}")
    if foreground:
        _hold(SCENARIOS[scenario], rate=rate, seconds=hours * 3600)
        return
    if _running() is not None:
        raise Failure("a sandbox is up already", code=ExitCode.USAGE, hint="End it with: canary sandbox down")
    note = _detach(["--scenario", scenario, "--rate", str(rate), "--hours", str(hours)])
    _write(note)
    typer.echo(json.dumps(note["places"], indent=2) if output is Output.JSON else _told(note["places"]))


@app.command()
def down() -> None:
    """End the sandbox that `up` left running, and remove what it wrote."""
    note = _running()
    if note is None:
        _state_file().unlink(missing_ok=True)
        typer.echo("no sandbox is up", err=True)
        return
    pid = note["pid"]
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + DOWN_WITHIN
    while born(pid) == note["born"]:
        if time.monotonic() > end:
            raise Failure(f"the sandbox (process {pid}) does not end", code=ExitCode.BUG, hint=f"kill -9 {pid}")
        time.sleep(0.05)
    _state_file().unlink(missing_ok=True)
    typer.echo("the sandbox is down", err=True)


def _hold(scenario: Scenario, *, rate: float, seconds: float) -> None:
    """The sandbox in this process: says where everything is in one line of JSON, and stays until told to end."""
    from canary.cli.children import end_like_interrupted
    from canary.sandbox.cluster import Sandbox

    end_like_interrupted()
    with Sandbox(scenario, tell=lambda line: typer.echo(line, err=True)) as sandbox:
        if rate > 0:
            sandbox.start_load(rate=rate, streams=scenario.streams, seconds=seconds)
        places = sandbox.places
        if places is None:
            raise Failure("the sandbox did not start", code=ExitCode.BUG)
        where = {
            "kubeconfig": str(places.admin),
            "engineKubeconfig": str(places.engine),
            "release": str(sandbox.write_release()),
            "url": places.url,
            "metrics": places.metrics,
            "api": places.api,
        }
        typer.echo(json.dumps(where))
        sys.stdout.flush()
        time.sleep(seconds)


def _detach(words: list[str]) -> dict[str, Any]:
    """Start the holder in a session of its own, and wait for its line."""
    from canary.sandbox.processes import environment, module

    command = module("canary", "sandbox", "up", "--foreground", *words)
    # A file, not our own stderr: whoever waits for that to close would wait for as long as the sandbox lives.
    with tempfile.TemporaryFile() as log:
        holder = subprocess.Popen(  # noqa: S603 - our own command, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            env=environment(),
        )
        try:
            line = holder.stdout.readline() if holder.stdout else b""
        except BaseException:
            holder.terminate()
            raise
        if not line:
            code = holder.wait()
            log.seek(0)
            typer.echo(log.read().decode(errors="replace"), err=True, nl=False)
            raise Failure(f"the sandbox did not start (exit {code})", code=ExitCode.BUG)
    return {"pid": holder.pid, "born": born(holder.pid), "places": json.loads(line)}


def _told(places: Mapping[str, str]) -> str:
    return "\n".join(
        (
            "The sandbox is up: a real Traefik in front of two pods of a shop, and an emulated API server.",
            f"  kubectl --kubeconfig {places['kubeconfig']} get httproute shop -o yaml",
            f"  curl {places['url']}",
            f"  canary run {places['release']} --kubeconfig {places['engineKubeconfig']}",
            "  canary sandbox down",
        )
    )


def _state_file() -> Path:
    from canary.sandbox.cluster import state_file

    return state_file()


def _write(note: Mapping[str, Any]) -> None:
    """Note who holds the sandbox, in a file that only this user can have made."""
    path = _state_file()
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(note, stream)


def _running() -> dict[str, Any] | None:
    """The note of the sandbox that is up; None when there is none, or its process is another one by now."""
    path = _state_file()
    try:
        if path.lstat().st_uid != os.getuid():
            raise Failure(f"{path} belongs to another user", code=ExitCode.USAGE, hint="Remove it, or ask them to.")
        note = json.loads(path.read_text(encoding="utf-8"))
        return note if note["born"] and note["born"] == born(note["pid"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
