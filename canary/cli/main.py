"""`canary`: the commands, and the one place where errors become exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from canary.cli import (
    abort,
    calibrating,
    deciding,
    demo,
    doctor,
    files,
    history,
    judging,
    planning,
    replaying,
    reporting,
    running,
    sandbox,
    status,
    submit,
    undo,
    watchdog,
    watching,
)
from canary.core.outcome import MEANING

INTERRUPTED = 130
"""Ctrl-C in a command that is not a release: the shell's convention, 128 + SIGINT."""


def _exit_codes() -> str:
    """One paragraph for `--help`, from the same table that the process ends by."""
    codes = {int(code): meaning for code, meaning in MEANING.items()} | {INTERRUPTED: "interrupted"}
    return "Exit codes: " + ", ".join(f"{code} {meaning}" for code, meaning in sorted(codes.items())) + "."


app = typer.Typer(
    name="canary",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=_exit_codes(),
)


def _version(wanted: bool) -> None:
    if wanted:
        from canary import __version__

        typer.echo(f"canary {__version__}")
        raise typer.Exit


@app.callback()
def _canary(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="On an error, print the whole traceback.")] = False,
) -> None:
    """Ship a release safely behind a Kubernetes Gateway API route.

    Traffic moves to the new version a little at a time; at each step it is judged against the old one with
    statistics that stay right at every look, and traffic goes back by itself when the new version is worse.

    Start here:  canary demo carries a real release through on this machine, no cluster needed.
    """
    del version, debug  # the callback above and `main` below act on them


app.command(name="validate")(files.validate)
app.command(name="schema")(files.print_schema)
app.command(name="plan")(planning.plan)
app.command(name="judge")(judging.judge)
app.command(name="calibrate")(calibrating.calibrate)
app.command(name="replay")(replaying.replay)
app.command(name="report")(reporting.report)
app.command(name="doctor")(doctor.doctor)
app.command(name="run")(running.run)
app.command(name="submit")(submit.submit)
app.command(name="undo")(undo.undo)
app.command(name="approve")(deciding.approve)
app.command(name="reject")(deciding.reject)
app.command(name="pause")(deciding.pause)
app.command(name="resume")(deciding.resume)
app.command(name="skip")(deciding.skip)
app.command(name="promote")(deciding.promote)
app.command(name="abort")(abort.abort)
app.command(name="status")(status.status)
app.command(name="watch")(watching.watch)
app.command(name="history")(history.history)
app.command(name="watchdog")(watchdog.watchdog)
app.command(name="demo")(demo.demo)
app.add_typer(sandbox.app, name="sandbox")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit code.

    Args:
        arguments: words after `canary`; by default those of this process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(args=words, prog_name="canary")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 2
    except Exception as error:  # noqa: BLE001 - the one boundary: whatever was not foreseen ends here, told shortly
        from canary.cli.boundary import exit_code_for

        return exit_code_for(error, debug="--debug" in words)
    return 0
