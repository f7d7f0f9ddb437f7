"""`plan`: what a release would do, without a cluster."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from canary.cli.boundary import Failure
from canary.cli.options import Format, Image, Output, ReleaseFile, Template, read_release
from canary.core.outcome import ExitCode

LAST, ERRORS = "1h", "0.1%"
"""How much of the past is read, and stable's share of errors, unless told."""

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
        str | None,
        typer.Option("--last", metavar="DURATION", help="With --live, how much of a Prometheus' past; default 1h."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", metavar="N", help="Offline: requests a second that stable gets now."),
    ] = None,
    errors: Annotated[
        str | None,
        typer.Option("--errors", metavar="RATE", help="The share of them that fails, such as 0.1% (default) or 0.001."),
    ] = None,
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
    _refuse_idle(
        live=live,
        rate=rate,
        told={"--errors": errors, "--latency": latency},
        asked={"--scrape": scrape, "--see": see},
        last=last,
    )
    config = judge_config(file, looks=1)
    try:
        traffic = None
        if live:
            traffic = observed(file, last=last or LAST, scrape=scrape, see=see, route=found)
        elif rate is not None:
            traffic = told(file, rate=rate, errors=errors or ERRORS, scrape=scrape, latency=latency, see=see)
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


def _refuse_idle(
    *,
    live: bool,
    rate: float | None,
    told: Mapping[str, str | None],
    asked: Mapping[str, str | None],
    last: str | None,
) -> None:
    """Refuse what would change nothing: it was written for something.

    Args:
        live, rate, last: as on the command line.
        told: options that say what traffic is like, beside its rate.
        asked: options that say what of it is wanted, wherever it is from.

    Raises:
        Failure: an option stands there without the one that it belongs to, or beside one that tells the same.
    """
    if live and rate is not None:
        raise Failure("--live and --rate both tell the traffic", code=ExitCode.USAGE, hint="give one of them")
    given = [name for name, value in told.items() if value is not None]
    if given and rate is None:
        hint = "leave it out: --live reads it" if live else "add --rate REQUESTS_PER_SECOND, or have all read: --live"
        raise Failure(f"{given[0]} says nothing without --rate", code=ExitCode.USAGE, hint=hint)
    given = [name for name, value in asked.items() if value is not None]
    if given and rate is None and not live:
        hint = "add --rate REQUESTS_PER_SECOND, or have the traffic read: --live"
        raise Failure(f"{given[0]} says nothing without traffic", code=ExitCode.USAGE, hint=hint)
    if last is not None and not live:
        raise Failure("--last says nothing without --live", code=ExitCode.USAGE, hint="add --live, or leave it out")


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
