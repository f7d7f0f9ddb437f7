"""`watch`: `status` again and again, until the release has ended."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from canary.cli.status import look
from canary.cli.target import Context, Kubeconfig, Namespace, RouteName, Which, target_for
from canary.core.outcome import ExitCode

if TYPE_CHECKING:
    from canary.report.status import Status

CLEAR = "\x1b[H\x1b[2J"
"""To the upper left, and everything cleared."""


def watch(
    which: Which,
    *,
    every: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=1.0, max=300.0, help="Between looks; three reads each.")
    ] = 5.0,
    live: Annotated[
        bool | None, typer.Option("--live/--lines", help="A live view, or one line per change; by default by terminal.")
    ] = None,
    namespace: Namespace = None,
    route: RouteName = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Watch what a release does until it has ended, and end with its code.

    Like status, it reads the route, the journal and the lease. Ctrl-C stops watching, never the release.

    Example:  canary watch user-service-route -n shop
    """
    from canary.report import watched
    from canary.report.status import text

    target, api = target_for(which, namespace=namespace, route=route, kubeconfig=kubeconfig, context=context)
    pictures = sys.stdout.isatty() if live is None else live
    before = ""
    try:
        while True:
            seen = look(api, target)
            line = watched.line(seen)
            if pictures:
                typer.echo(CLEAR + text(seen), nl=False)
            elif line != before:
                typer.echo(line)
            before = line
            if (code := _over(seen)) is not None:
                break
            time.sleep(every)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(code)


def _over(seen: Status) -> int | None:
    """What to end with; None while there is something to watch."""
    if seen.release is None:
        # Unread is not absent: a release on the route, or a part that could not be read, is looked at again.
        return None if seen.on_route or seen.unknown else int(ExitCode.PREFLIGHT_FAILED)
    return int(seen.release.outcome.code) if seen.ended and seen.release.outcome else None
