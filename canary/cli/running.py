"""`run`: the engine in this process. What the Job runs, and what a person may run from a laptop."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from canary.cli.boundary import Failure
from canary.cli.options import Format, Image, Output, ReleaseFile, Template, read_release
from canary.cli.signals import answered, person_there
from canary.cli.target import IN_CLUSTER, Context, Kubeconfig
from canary.core.outcome import ExitCode

if TYPE_CHECKING:
    from canary.cli.assemble import Prepared
    from canary.ports import Progress, Reporters
    from canary.spec import Release

KEPT_PROGRESS = 2_000
"""Changes kept for the account; a release has some tens, and looks are kept only while they carry a judgement."""

READ_WITHIN = 60.0
"""Seconds within which a pod's log must have taken the account; the process ends then with its code all the same."""

RETRY = 10.0
"""Seconds until a pod asks an API server again that did not answer."""


class Memory:
    """Keeps what the account at the end needs: every change, and of mere looks the newest judged one."""

    def __init__(self) -> None:
        self.told: list[Progress] = []
        self._judged: Progress | None = None

    def tell(self, progress: Progress) -> None:
        """Keep it, or not."""
        if progress.judgement is not None and not progress.message:
            self._judged = progress
            return
        if self._judged is not None:
            self.told.append(self._judged)
            self._judged = None
        if len(self.told) < KEPT_PROGRESS or progress.code is not None:
            self.told.append(progress)


def run(
    release: ReleaseFile,
    *,
    image: Image = None,
    template: Template = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    live: Annotated[
        bool | None, typer.Option("--live/--lines", help="A live view, or one line per change; by default by terminal.")
    ] = None,
    metrics_port: Annotated[
        int,
        typer.Option(
            "--metrics-port",
            metavar="PORT",
            min=0,
            max=65535,
            help="Serve /metrics of this release at this port; 0 serves none.",
        ),
    ] = 0,
    metrics_listen: Annotated[
        str, typer.Option("--metrics-listen", metavar="ADDRESS", help="Where --metrics-port listens.")
    ] = "127.0.0.1",
    output: Format = Output.TEXT,
) -> None:
    """Release: shift traffic step by step, judge, and promote or roll back.

    Progress goes to standard error, the account at the end to standard output. Ctrl-C asks whether to roll back or to
    leave it; without a terminal it rolls back. Started again with the same file, it goes on where it was.

    Example:  canary run release.yaml --image ghcr.io/acme/user-service@sha256:...
    """
    from canary.cli.gauges import served
    from canary.report.account import data, from_progress, text

    _end_like_any_process()
    _refuse_another_version()
    file = read_release(release, image, template=template)
    memory = Memory()
    with served(file, metrics_listen, metrics_port) as gauges, _screen(file, live) as screen:
        prepared = _prepared(file, kubeconfig, context, (memory, screen, *gauges))
        with answered(prepared, in_pod=IN_CLUSTER in os.environ):
            code = prepared.run()
    name, namespace = file.metadata.name, file.metadata.namespace
    account = from_progress(memory.told, release=name, namespace=namespace, image=file.spec.image, code=code)
    with _ended_even_if_nobody_reads(code):
        if output is Output.JSON:
            import json

            typer.echo(json.dumps(data(account), indent=2))
        else:
            typer.echo(text(account), nl=False)
    raise typer.Exit(code)


def _prepared(
    file: Release, kubeconfig: Path | None, context: str | None, reporters: tuple[Reporters, ...]
) -> Prepared:
    from canary.cli.assemble import prepare
    from canary.ports import NotFound, PortError, Refused, Unavailable

    in_cluster = kubeconfig is None and context is None and IN_CLUSTER in os.environ
    while True:
        try:
            return prepare(
                file,
                kubeconfig=kubeconfig,
                context=context,
                in_cluster=in_cluster,
                reporters=reporters,
                say=_say,
            )
        except Refused as error:
            hint = "this process touched nothing; the Role must allow the engine's lease and journal"
            raise Failure(str(error), code=ExitCode.NOT_PERMITTED, hint=hint) from error
        except NotFound as error:
            raise Failure(str(error), code=ExitCode.PREFLIGHT_FAILED, hint="this process touched nothing") from error
        except PortError as error:
            # The release may be half done, by a pod before this one: ending now would end the Job, and nobody would
            # go on with it. The Job's deadline bounds the wait.
            if in_cluster and isinstance(error, Unavailable):
                _say(f"{error}; asked again in {RETRY:.0f} s")
                time.sleep(RETRY)
                continue
            hint = "this process touched nothing; try again when the API server answers: a release under way goes on"
            raise Failure(str(error), code=ExitCode.PREFLIGHT_FAILED, hint=hint) from error


def _refuse_another_version() -> None:
    """A Job is made for one version of the engine: another one might read its file or its journal differently.

    Raises:
        Failure: the image holds another.
    """
    from canary import __version__
    from canary.submitting.job import MADE_FOR

    wanted = os.environ.get(MADE_FOR, "")
    if wanted and wanted != __version__:
        raise Failure(
            f"this image holds canary {__version__}, and the Job was made by canary {wanted}",
            code=ExitCode.USAGE,
            hint="give job.image (or --engine-image) and the program that submits the same version",
        )


@contextlib.contextmanager
def _ended_even_if_nobody_reads(code: ExitCode) -> Iterator[None]:
    """A pod's log that nobody takes must not keep the Job from its exit code; a person's pager may take its time."""
    limit = threading.Timer(READ_WITHIN, os._exit, (int(code),))
    limit.daemon = True
    if IN_CLUSTER in os.environ:
        limit.start()
    try:
        yield
    finally:
        limit.cancel()


def _say(line: str) -> None:
    print(line, file=sys.stderr)


@contextlib.contextmanager
def _screen(file: Release, live: bool | None) -> Iterator[Reporters]:
    """The live view on a terminal, else lines; both on standard error."""
    from canary.report.lines import LineReporter
    from canary.report.outbox import Aside, unbuffered

    if not (sys.stderr.isatty() if live is None else live):
        yield Aside(LineReporter(unbuffered(sys.stderr)))
        return
    from rich.console import Console

    from canary.core.policy import policy_of
    from canary.report.live import LiveReporter
    from canary.report.view import View

    view = View(
        release=file.metadata.name,
        namespace=file.metadata.namespace,
        route=file.spec.route.name,
        plan=tuple(step.share for step in policy_of(file, exact_split=False).steps),
    )
    hint = "Ctrl-C asks whether to roll back or to leave it" if person_there() else "Ctrl-C rolls back"
    with LiveReporter(Console(stderr=True), view, now=time.time, hint=hint) as reporter:
        yield Aside(reporter)


def _end_like_any_process() -> None:
    """End on SIGTERM until the engine listens: the kernel lets PID 1, which we are in a container, ignore it else."""
    if os.getpid() == 1:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: os._exit(128 + number))
