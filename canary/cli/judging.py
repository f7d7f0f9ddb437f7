"""`judge`: the judge on counts in a file."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from canary.cli.boundary import Failure
from canary.core.outcome import ExitCode

LONGEST_LINE = 65_536
"""Characters of a line of a table; its seven columns need a hundred."""

if TYPE_CHECKING:
    from analysis.offline import Run


def judge(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV of counts; - reads it from standard input.")],
    *,
    relative: Annotated[
        float | None,
        typer.Option("--relative", help="Tolerated, as a multiple of stable's rate. Default: 0.5, for latency 0.2."),
    ] = None,
    absolute: Annotated[
        float | None, typer.Option("--absolute", help="Tolerated on top, as a share of requests. Default: 0.002.")
    ] = None,
    false_rollback: Annotated[
        float, typer.Option("--false-rollback", help="Chance that a run within the tolerance is ever UNHEALTHY.")
    ] = 0.01,
    false_healthy: Annotated[
        float, typer.Option("--false-healthy", help="Chance per step that a run beyond it is called HEALTHY.")
    ] = 0.05,
    looks: Annotated[
        int | None, typer.Option("--looks", help="Looks that the plan was to take. Default: as many as the run has.")
    ] = None,
) -> None:
    """Judge counts in a file as a live release would be, and print one JSON line per run.

    The file is CSV with the header run,t,metric,arm,total,bad: in each row, how many requests one arm (stable or
    canary) had since the run's previous t (seconds), and how many of them were bad. Several runs and metrics may be in
    one file; every t of a run is one look. An optional column step begins HEALTHY anew where it changes. Latency is
    judged from run,t,metric,arm,le,count: per look, requests at or under le seconds, up to +Inf.

    The canary may be as bad as stable * (1 + relative) + absolute. verdict is UNHEALTHY if it was ever reached, else
    HEALTHY if it holds at the end, else UNDECIDED or NO_DATA; t is when it was reached (of HEALTHY: since when it has
    held), unhealthy_t and healthy_t when each was said first; evidence and threshold are logarithms.

    Example:  canary judge counts.csv --absolute 0.01
    """
    from analysis.offline import Question
    from analysis.offline import judge as judge_runs

    try:
        question = Question(
            relative=relative,
            absolute=absolute,
            false_rollback=false_rollback,
            false_healthy=false_healthy,
            looks=looks,
        )
    except ValueError as error:
        raise Failure(str(error), code=ExitCode.USAGE) from error
    runs = runs_in(file)
    for result in judge_runs(runs, question):
        typer.echo(json.dumps(result.line(), ensure_ascii=False))


def runs_in(file: Path) -> Iterator[Run]:
    """The runs in a CSV file, or on standard input when the path is `-`.

    Raises:
        Failure: it cannot be read.
    """
    from analysis.offline import BadTable, read

    name = "<stdin>" if str(file) == "-" else str(file)
    try:
        with _opened(file) as lines:
            return read(lines)
    except BadTable as error:
        raise Failure(f"{name}:{error.line}: {error}", code=ExitCode.USAGE, hint=error.hint) from error
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Failure(f"{name} cannot be read: {words}", code=ExitCode.USAGE, hint="check the path") from error


@contextmanager
def _opened(file: Path) -> Iterator[Iterator[str]]:
    if str(file) != "-":
        with file.open(encoding="utf-8", newline="") as stream:
            yield _lines(stream)
        return
    stream = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", newline="")
    yield _lines(stream)
    stream.detach()


def _lines(stream: TextIO) -> Iterator[str]:
    """Line by line; a file that is no table may be gigabytes without an end of a line."""
    from analysis.offline import BadTable

    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise BadTable(number, f"this line is longer than {LONGEST_LINE} characters", "is it a table of counts?")
        yield line
