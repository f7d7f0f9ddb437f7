"""`status`: what is it doing, why, and how do I stop it. Reads three objects and writes none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from canary.cli.boundary import Failure
from canary.cli.options import Format, Output
from canary.cli.target import Context, Kubeconfig, Namespace, RouteName, Target, Which, target_for
from canary.core.outcome import ExitCode

if TYPE_CHECKING:
    from canary.adapters.kubernetes import Api
    from canary.engine.journal import Journal
    from canary.report.status import Status


def status(
    which: Which,
    *,
    namespace: Namespace = None,
    route: RouteName = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Format = Output.TEXT,
) -> None:
    """Say what a release is doing, why, what it waits for, and how to stop it.

    Reads the route, the journal and the lease; what may not be read is named, and the rest is told.

    Example:  canary status user-service-route -n shop

    Ends with 0 when there is a release to tell about, running or ended, else with 22.
    """
    from canary.report.status import data, text

    target, api = target_for(which, namespace=namespace, route=route, kubeconfig=kubeconfig, context=context)
    seen = look(api, target)
    if output is Output.JSON:
        typer.echo(json.dumps(data(seen), indent=2))
    else:
        typer.echo(text(seen), nl=False)
    if seen.release is None and not seen.on_route:
        raise typer.Exit(ExitCode.PREFLIGHT_FAILED)


def look(api: Api, target: Target) -> Status:
    """Everything that can be read about a route's newest release.

    Raises:
        Failure: nothing at all can be read.
    """
    from canary.adapters.kubernetes import ServerClock
    from canary.adapters.kubernetes.origin import known_dead
    from canary.adapters.kubernetes.people import lease_seen
    from canary.cli.aborting import silent
    from canary.ports import PortError
    from canary.report.status import Status

    unknown: list[str] = []
    route, journal = _route(api, target, unknown), _journal(api, target, unknown)
    known, now = True, ServerClock(api).now()
    try:
        lease = lease_seen(api, namespace=target.namespace, route=target.route)
    except PortError as error:
        lease, known = None, False
        unknown.append(str(error))
    if len(unknown) == 3:
        raise Failure("nothing can be read", code=ExitCode.NOT_PERMITTED, hint="; ".join(unknown))
    alive: bool | None = None
    if known:
        held = lease is not None and bool(lease.holder) and not silent(lease, now)
        alive = held and lease is not None and not known_dead(lease.origin, api, namespace=target.namespace)
    return Status(
        namespace=target.namespace,
        route=target.route,
        now=now,
        release=journal.release if journal else None,
        totals=journal.totals if journal else (0, 0, 0),
        holder=lease.holder if lease else "",
        renewed=None if lease is None or lease.renewed is None else now - lease.renewed,
        alive=alive,
        unknown=tuple(unknown),
        **route,
    )


def _route(api: Api, target: Target, unknown: list[str]) -> dict[str, Any]:
    import strategies as cut
    from canary.adapters.kubernetes import KubernetesRoutes
    from canary.cli.case import noted
    from canary.ports import PortError

    try:
        route = KubernetesRoutes(api, namespace=target.namespace, name=target.route).read()
        uid = cut.annotations_of(route).get(cut.RELEASE, "")
        said = cut.abort_of(route, release=uid)
        original = noted(route)
        pool = (original.pool if original else None) or target.pool
        keys = {rule.key for rule in original.rules} if original else set()
        chosen = [rule for rule in cut.rules_of(route) if rule.key in keys]
        shares = tuple(100.0 * float(cut.share_of(rule, pool)) for rule in chosen) if pool else ()
        weights = cut.weights_shown(route, original=original) if original else ()
    except (PortError, cut.SurgeryError) as error:
        unknown.append(str(error))
        return {}
    return {
        "on_route": uid,
        "shares": shares,
        "weights": weights,
        "stopped_by": said.by if said else "",
        "stopped_why": said.reason if said else "",
    }


def _journal(api: Api, target: Target, unknown: list[str]) -> Journal | None:
    from canary.adapters.kubernetes import KubernetesJournals
    from canary.adapters.kubernetes.paths import named
    from canary.engine.journal import JournalError, decode
    from canary.ports import PortError

    name = named("canary", target.route, "journal")
    try:
        stored = KubernetesJournals(api, namespace=target.namespace, name=name).load()
        return decode(stored.text) if stored else None
    except (PortError, JournalError) as error:
        unknown.append(str(error))
        return None
