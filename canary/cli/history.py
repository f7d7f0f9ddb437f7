"""`history`: the releases of a route, from their records."""

from __future__ import annotations

import json

import typer

from canary.cli.boundary import Failure
from canary.cli.options import Format, Output
from canary.cli.target import Context, Kubeconfig, Namespace, RouteName, Which, target_for
from canary.core.outcome import ExitCode


def history(
    which: Which,
    *,
    namespace: Namespace = None,
    route: RouteName = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Format = Output.TEXT,
) -> None:
    """List the releases of a route: when, how each ended and why, the newest first.

    Reads the records that releases leave in ConfigMaps, which outlive their Jobs.

    Example:  canary history user-service-route -n shop
    """
    from canary.adapters.kubernetes.histories import records_of
    from canary.cli.status import look
    from canary.core.release import FINAL
    from canary.engine.recordfile import Stored
    from canary.ports import PortError, Refused
    from canary.report.history import data, past, text

    target, api = target_for(which, namespace=namespace, route=route, kubeconfig=kubeconfig, context=context)
    try:
        records = records_of(api, namespace=target.namespace, route=target.route)
    except PortError as error:
        code = ExitCode.NOT_PERMITTED if isinstance(error, Refused) else ExitCode.PREFLIGHT_FAILED
        raise Failure(
            str(error), code=code, hint="listing ConfigMaps in the namespace is all that is needed"
        ) from error
    newest = look(api, target).release
    running = newest.uid if newest is not None and newest.phase not in FINAL else ""
    found = []
    for uid, chunks in records.items():
        pieces, damage = Stored(release=uid, chunks=chunks).read()
        found.append(past(uid, [row for piece in pieces for row in piece.rows], damage=damage))
    if output is Output.JSON:
        typer.echo(json.dumps(data(found, running=running), indent=2))
    else:
        typer.echo(text(str(target), found, running=running), nl=False)
