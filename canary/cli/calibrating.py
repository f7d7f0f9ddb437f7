"""`calibrate`: the judge on stable's recorded past."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from canary.cli.boundary import Failure
from canary.cli.options import Format, Output, ReleaseFile, read_release
from canary.core.outcome import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analysis.calibration import Past, Stage
    from analysis.packs import Target
    from analysis.sources import Reading
    from canary.spec import Release

REQUEST_TIMEOUT = 60.0
"""Seconds for one request to Prometheus; half an hour of one family is asked for at a time."""

MOST_PODS = 8
"""Pods that take their turn as the canary."""


def calibrate(
    release: ReleaseFile,
    *,
    last: Annotated[
        str, typer.Option("--last", metavar="DURATION", help="How much of the past is read from Prometheus.")
    ] = "6h",
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="The past as `canary judge` reads it, in place of Prometheus."),
    ] = None,
    pods: Annotated[
        str | None,
        typer.Option(
            "--pods", metavar="LABEL", help="Split by this label of stable's series, such as pod; else by time."
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Also write one HTML page to look at.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the chance by which requests are left out.")] = 0,
    output: Format = Output.TEXT,
) -> None:
    """Play releases that never happened on stable's recorded past, judged by the very judge.

    Says how often stable would have been rolled back against itself, which worse canary would have been caught and how
    fast, and how much more than independently its errors scatter (phi0). Nothing is written but the page.

    By time, the canary is stable some looks later, thinned to each step's share; with --pods LABEL each pod of stable's
    is the canary in turn. Every step is held as long as it may be at most.

    Example:  canary calibrate release.yaml --last 24h --plot calibration.html

    Ends with 0 when it could be played, with 16 when there is too little of the past, with 2 when it cannot be read.
    """
    from analysis.calibration import Scarce
    from analysis.calibration import calibrate as play
    from canary.cli.question import judge_config
    from canary.report.calibrated import data, page, text

    file = read_release(release, whole=False)
    if plot is not None and not plot.parent.is_dir():
        raise Failure(f"{plot} cannot be written: there is no directory {plot.parent}", code=ExitCode.USAGE)
    with progress_line() as progress:
        try:
            pasts = _of_csv(csv) if csv else _of_prometheus(file, last, pods, progress)
            config = judge_config(file, looks=1)
            found = play(config, pasts, _stages(file), seed=seed, progress=progress)
        except Scarce as error:
            hint = "give more of it: a longer --last, or a longer file"
            raise Failure(str(error), code=ExitCode.NO_EVIDENCE, hint=hint) from error
    name = f"{file.metadata.namespace}/{file.spec.stable.service}"
    if plot is not None:
        _write(plot, page(name, found))
    typer.echo(json.dumps(data(found), indent=2) if output is Output.JSON else text(name, found), nl=False)


def _stages(file: Release) -> list[Stage]:
    from analysis.calibration import Stage
    from canary.spec.plan import steps_of

    steps = steps_of(file.spec.strategy)
    return [Stage(share=float(step.share), seconds=step.hold_max) for step in steps if step.share < 100]


def _of_csv(path: Path) -> list[Past]:
    """The past in a file, one for each of its runs.

    Raises:
        Failure: it cannot be read.
        Scarce: there is too little of it.
    """
    from analysis.calibration import of_run
    from canary.cli.judging import runs_in

    return [of_run(run) for run in runs_in(path)]


def _of_prometheus(file: Release, last: str, pods: str | None, progress: Progress) -> Sequence[Past]:
    from analysis.calibration import of_samples, pods_of
    from canary.spec.quantities import parse_duration

    try:
        seconds = parse_duration(last)
    except ValueError as error:
        raise Failure(f"--last: {error}", code=ExitCode.USAGE) from error
    reading = past_of(file, seconds, progress)
    metrics = kinds_of(file)
    every = file.spec.analysis.interval
    if pods is None:
        return [of_samples(reading.samples, metrics=metrics, every=every)]
    found = pods_of(reading.samples, pods)[:MOST_PODS]
    if len(found) < 2:
        raise Failure(
            f"the series of stable tell no two pods apart by the label {pods!r}",
            code=ExitCode.NO_EVIDENCE,
            hint="leave --pods out to split by time",
        )
    return [of_samples(reading.samples, metrics=metrics, every=every, pod=pod) for pod in found]


def kinds_of(file: Release) -> dict[str, bool]:
    """Names of what is counted, with whether each has latency buckets; errors are always read."""
    from canary.cli.question import judge_config

    return {"errors": False} | {metric.name: metric.kind == "latency" for metric in judge_config(file, looks=1).metrics}


def past_of(file: Release, seconds: float, progress: Progress, *, target: Target | None = None) -> Reading:
    """Raw samples of stable's counters.

    Args:
        file: the release.
        seconds: how far back.
        progress: told how far it is.
        target: whose counters; by default as the file says.

    Raises:
        Failure: Prometheus is not the source, or does not answer as it should.
    """
    from canary.cli.counters import target_of
    from canary.cli.reads import stable_alone

    source = stable_alone(file, target or target_of(file))
    if source is None:
        hint = "give the past as a file: --csv FILE"
        raise Failure("the release file's source keeps no past", code=ExitCode.USAGE, hint=hint)
    reading = source.past(
        seconds=seconds, timeout=REQUEST_TIMEOUT, done=lambda part: progress(part, "reading stable's past")
    )
    if reading.trouble is not None:
        raise Failure(reading.sentence, code=ExitCode.USAGE, hint="check spec.analysis.source, or give --csv FILE")
    return reading


class Progress:
    """Tells how far long work is: one line that changes on a terminal, nothing elsewhere but what begins."""

    def __init__(self, *, terminal: bool) -> None:
        self._terminal, self._before = terminal, ""

    def __call__(self, part: float, what: str) -> None:
        """Tell the part done, 0 to 1, and what is done now."""
        if self._terminal:
            print(f"\r\x1b[K{what}: {part:.0%}", end="", file=sys.stderr, flush=True)
        elif what != self._before:
            print(what, file=sys.stderr)
        self._before = what

    def clear(self) -> None:
        """Leave no half line behind."""
        if self._terminal and self._before:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress_line() -> Iterator[Progress]:
    """A line that tells how far it is, on a terminal, and is gone in the end."""
    progress = Progress(terminal=sys.stderr.isatty())
    try:
        yield progress
    finally:
        progress.clear()


def _write(path: Path, text: str) -> None:
    """Whole or not at all: whoever interrupts finds no half a page."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}", code=ExitCode.USAGE) from error
