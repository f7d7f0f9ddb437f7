"""`plan`: what a release would do, without a cluster."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from canary.cli.boundary import Failure
from canary.cli.options import Format, Image, Output, ReleaseFile, read_release
from canary.core.outcome import ExitCode

if TYPE_CHECKING:
    from analysis.judge import JudgeConfig
    from analysis.planning import Traffic
    from canary.spec import Release

MOST_RATE = 1e9
"""Requests a second; beyond it the number is a mistake."""

LARGEST_ROUTE = 1024 * 1024
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
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate", metavar="N", help="Requests a second that stable gets now: adds what each step can see."
        ),
    ] = None,
    errors: Annotated[
        str, typer.Option("--errors", metavar="RATE", help="The share of them that fails, such as 0.1% or 0.001.")
    ] = "0.1%",
) -> None:
    """Show every step of a release without a cluster: shares, holds, and with --route each weight and JSON Patch.

    With --rate and --errors each step says how many requests either arm will get, the smallest error rate and the
    smallest shift in latency that it condemns in 9 of 10 releases, how long it would have to hold to see a canary
    twice as bad as tolerated, and whether it sees nothing at all.

    Example:  kubectl get httproute user-service-route -o yaml > route.yaml; canary plan release.yaml
    --route route.yaml --rate 50 --errors 0.2%
    """
    from canary.adapters.memory.patching import apply
    from canary.cli.question import judge_config
    from canary.report.planned import planned, text
    from strategies.route.model import SurgeryError

    file = read_release(release, image)
    sight = None if rate is None else _sight(file, rate, errors)
    found = None if route is None else _route(route, file.metadata.namespace, file.spec.route.name)
    try:
        result = planned(file, found, apply=apply, sight=sight, config=judge_config(file, looks=1))
    except SurgeryError as error:
        hint = "the engine's preflight would refuse the release for this; nothing was touched"
        raise Failure(str(error), code=ExitCode.PREFLIGHT_FAILED, hint=hint) from error
    if output is Output.JSON:
        typer.echo(json.dumps(dataclasses.asdict(result), default=str, indent=2))
    else:
        typer.echo(text(result), nl=False)


def _sight(file: Release, rate: float, errors: str) -> tuple[JudgeConfig, Traffic]:
    """The judge's config and the traffic that the command line tells of."""
    from analysis.planning import Traffic
    from canary.cli.question import judge_config
    from canary.spec.quantities import parse_fraction

    if not 0 < rate <= MOST_RATE:
        message = f"--rate must be more than 0 and at most {MOST_RATE:,.0f}, got {rate:g}"
        raise Failure(message, code=ExitCode.USAGE, hint="give the requests a second that stable gets now")
    try:
        failing = parse_fraction(errors if errors.endswith("%") else float(errors))
    except ValueError as error:
        message = f"--errors is not a share of requests: {errors!r}"
        raise Failure(message, code=ExitCode.USAGE, hint="write 0.1% or 0.001") from error
    return judge_config(file, looks=1), Traffic(rate=rate, errors=failing, every=file.spec.analysis.interval)


def _route(path: Path, namespace: str, name: str) -> dict[str, Any]:
    """The route in a file; it must be the one that the release names."""
    from canary.spec import ReleaseFileError, document

    try:
        with path.open("rb") as stream:
            raw = stream.read(LARGEST_ROUTE + 1)
        value = _lists(document.read(raw[:LARGEST_ROUTE].decode(), file=str(path)).root.value)
    except (OSError, UnicodeDecodeError, ReleaseFileError) as error:
        words = error.strerror if isinstance(error, OSError) else str(error)
        raise Failure(f"{path} cannot be read: {words}", code=ExitCode.USAGE, hint=_HINT) from error
    found = value if isinstance(value, dict) else {}
    metadata = found.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    here = (found.get("kind"), metadata.get("namespace", namespace), metadata.get("name"))
    if here != ("HTTPRoute", namespace, name):
        raise Failure(
            f"{path} does not hold the HTTPRoute {namespace}/{name} that the release names",
            code=ExitCode.USAGE,
            hint=_HINT,
        )
    metadata["namespace"] = namespace
    return found


_HINT = "Get it with: kubectl get httproute NAME -n NAMESPACE -o yaml"


def _lists(value: Any) -> Any:
    """The same with lists in place of tuples, as Kubernetes objects have them."""
    if isinstance(value, dict):
        return {key: _lists(inner) for key, inner in value.items()}
    return [_lists(inner) for inner in value] if isinstance(value, tuple) else value
