"""`plan`: what a release would do, without a cluster."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

from canary.cli.boundary import Failure
from canary.cli.options import Format, Image, Output, ReleaseFile, Template, read_release
from canary.core.outcome import ExitCode

LARGEST_OBJECT = 1024 * 1024
"""Bytes; etcd holds no larger object."""


def plan(
    release: ReleaseFile,
    route: Annotated[
        Path | None,
        typer.Option("--route", metavar="FILE", help="The route as YAML or JSON: adds every weight and patch."),
    ] = None,
    image: Image = None,
    output: Format = Output.TEXT,
    *,
    template: Template = None,
    workload: Annotated[
        Path | None,
        typer.Option(
            "--workload",
            metavar="FILE",
            help="Stable's Deployment as YAML or JSON: adds what a pod template from a file changes.",
        ),
    ] = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="Read stable's traffic where the release reads: adds what each step can see."),
    ] = False,
    last: Annotated[
        str, typer.Option("--last", metavar="DURATION", help="With --live, how much of a Prometheus' past.")
    ] = "1h",
    rate: Annotated[
        float | None,
        typer.Option("--rate", metavar="N", help="Offline: requests a second that stable gets now."),
    ] = None,
    errors: Annotated[
        str, typer.Option("--errors", metavar="RATE", help="The share of them that fails, such as 0.1% or 0.001.")
    ] = "0.1%",
    latency: Annotated[
        str | None,
        typer.Option(
            "--latency",
            metavar="BUCKETS",
            help="Stable's share of requests at or under each bucket: 100ms=91%,250ms=99%,1s=100%.",
        ),
    ] = None,
    scrape: Annotated[
        str | None,
        typer.Option("--scrape", metavar="DURATION", help="How often Prometheus scrapes; by default as seen, or 15s."),
    ] = None,
    see: Annotated[
        str | None,
        typer.Option("--see", metavar="RATE", help="The canary's error rate to be seen: says which hold that takes."),
    ] = None,
) -> None:
    """Show every step of a release without a cluster: shares, holds, and with --route each weight and JSON Patch.

    With --live, or offline with --rate and --errors, each step says how many requests either arm will get, the smallest
    error rate and the smallest shift in latency that it condemns in 9 of 10 releases, how long it would have to hold to
    see what you ask for, and whether it sees nothing at all; and how long it takes until traffic is back, part by part.

    Where the pod template comes from a file, --workload shows what it changes in the running one.

    Example:  kubectl get httproute user-service-route -o yaml > route.yaml; canary plan release.yaml
    --route route.yaml --live

    Example:  kubectl get deployment user-service -o yaml > live.yaml; canary plan release.yaml --workload live.yaml

    Example:  canary plan release.yaml --rate 50 --errors 0.2% --latency 100ms=91%,250ms=99%,1s=100% --see 1%

    Ends with 0 when it could be planned, with 22 when the route has no room for it, with 16 when --live finds no
    traffic of stable's, with 2 when something cannot be read.
    """
    from canary.adapters.memory.patching import apply
    from canary.cli.question import judge_config
    from canary.cli.traffic import observed, told
    from canary.report.planned import planned, text
    from strategies.route.model import SurgeryError

    file = read_release(release, image, template=template)
    space = file.metadata.namespace
    found = None if route is None else _read(route, "HTTPRoute", space, file.spec.route.name)
    stable = file.spec.workload.name if file.spec.workload else ""
    deployment = None if workload is None else _read(workload, "Deployment", space, stable)
    if live and rate is not None:
        raise Failure("--live and --rate both tell the traffic", code=ExitCode.USAGE, hint="give one of them")
    config = judge_config(file, looks=1)
    try:
        traffic = None
        if live:
            traffic = observed(file, last=last, scrape=scrape, see=see, route=found)
        elif rate is not None:
            traffic = told(file, rate=rate, errors=errors, scrape=scrape, latency=latency, see=see)
        sight = (config, traffic) if traffic else None
        result = planned(file, found, apply=apply, sight=sight, config=config, workload=deployment)
    except SurgeryError as error:
        hint = "the engine's preflight would refuse the release for this; nothing was touched"
        raise Failure(str(error), code=ExitCode.PREFLIGHT_FAILED, hint=hint) from error
    if output is Output.JSON:
        data = {key: value for key, value in dataclasses.asdict(result).items() if key != "fresh" or value}
        typer.echo(json.dumps(_finite(data), default=str, indent=2))
    else:
        typer.echo(text(result), nl=False)


def _finite(value: Any) -> Any:
    """The same for JSON, which has no infinity and only texts as keys."""
    if isinstance(value, dict):
        return {("+Inf" if key == math.inf else str(key)): _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def _read(path: Path, kind: str, namespace: str, name: str) -> dict[str, Any]:
    """The object in a file; it must be the one that the release names."""
    from canary.spec import ReleaseFileError, document

    hint = f"Get it with: kubectl get {kind.lower()} {name or 'NAME'} -n {namespace} -o yaml"
    try:
        with path.open("rb") as stream:
            raw = stream.read(LARGEST_OBJECT + 1)
        value = _lists(document.read(raw[:LARGEST_OBJECT].decode(), file=str(path), manifest=True).root.value)
    except (OSError, UnicodeDecodeError, ReleaseFileError) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        raise Failure(f"{path} cannot be read: {words}", code=ExitCode.USAGE, hint=hint) from error
    found = value if isinstance(value, dict) else {}
    metadata = found.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    here = (found.get("kind"), metadata.get("namespace", namespace), metadata.get("name"))
    if here != (kind, namespace, name):
        raise Failure(
            f"{path} does not hold the {kind} {namespace}/{name} that the release names",
            code=ExitCode.USAGE,
            hint=hint,
        )
    metadata["namespace"] = namespace
    return found


def _lists(value: Any) -> Any:
    """The same with lists in place of tuples, as Kubernetes objects have them."""
    if isinstance(value, dict):
        return {key: _lists(inner) for key, inner in value.items()}
    return [_lists(inner) for inner in value] if isinstance(value, tuple) else value
