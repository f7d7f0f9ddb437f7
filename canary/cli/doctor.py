"""`doctor`: the preflight of a release against the cluster, each finding with its fix. Touches nothing."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from canary.cli.boundary import Failure
from canary.cli.options import Format, Image, Output, ReleaseFile, Template, read_release
from canary.cli.target import Context, Kubeconfig, Target, reach
from canary.core.outcome import ExitCode

if TYPE_CHECKING:
    from canary.adapters.kubernetes import Api
    from canary.report.checked import Check
    from canary.spec import Release


def doctor(
    release: ReleaseFile,
    *,
    image: Image = None,
    template: Template = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Format = Output.TEXT,
) -> None:
    """Check everything that a release needs, against the cluster, and say how to fix what is missing.

    The same checks as at a release's start: permissions, the route and its gateways, Services and pods, who else
    writes these objects, the metrics; and every write that a release would make is asked for as a dry run, so that
    quotas, policies and webhooks refuse now. Run it with the engine's own rights (in its pod, or with
    --kubeconfig) to see what the engine will see.

    Example:  canary doctor release.yaml --image ghcr.io/acme/user-service@sha256:...

    Ends with 0 when a release may begin, else with the code that it would end with (13, 21 or 22).
    """
    from canary.ports import PortError
    from canary.report.checked import code_of, data, lines, summary

    file = read_release(release, image, template=template)
    if file.spec.workload is not None and file.spec.image is None:
        raise Failure("no image is given", code=ExitCode.USAGE, hint="pass --image REF@sha256:...")
    api, _ = reach(kubeconfig, context)
    name, namespace, checks = file.metadata.name, file.metadata.namespace, []
    try:
        for check in _checks(file, api):
            checks.append(check)
            if output is Output.TEXT:
                typer.echo(lines(check), nl=False)
        running = _running(file, api)
    except PortError as error:
        hint = "check the kubeconfig, its context, and that the API server answers"
        raise Failure(str(error), code=ExitCode.PREFLIGHT_FAILED, hint=hint) from error
    if output is Output.JSON:
        typer.echo(json.dumps(data(checks, release=name, namespace=namespace, running=running), indent=2))
    else:
        typer.echo(summary(checks, running=running), nl=False)
    raise typer.Exit(code_of(checks))


def _checks(file: Release, api: Api) -> Iterator[Check]:
    from canary.adapters.kubernetes import KubernetesRoutes, ServerClock
    from canary.cli.checking import preflights_of, target_on, workloads_of
    from canary.cli.reads import source_of
    from canary.report.checked import Check

    uid, routes = (
        uuid.uuid4().hex[:12],
        KubernetesRoutes(api, namespace=file.metadata.namespace, name=file.spec.route.name),
    )
    workloads = workloads_of(file, api, release=uid)
    sources = source_of(file, target_on(file, routes).alone, now=ServerClock(api).now)
    checks = preflights_of(file, api, release=uid, routes=routes, workloads=workloads, sources=sources)
    for name, found in checks.sections():
        yield Check(name=name, found=tuple(dict.fromkeys(found)))


def _running(file: Release, api: Api) -> str:
    """Whose release is on the route, and where it stands; empty when none is."""
    from canary.cli.status import look
    from canary.report.status import headline

    seen = look(api, Target(namespace=file.metadata.namespace, route=file.spec.route.name))
    if seen.ended or not (seen.on_route or seen.release):
        return ""
    return headline(seen)
