"""Which release a person means: by the route's name, by the release's own, or by its file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from canary.cli.boundary import Failure
from canary.core.outcome import ExitCode

if TYPE_CHECKING:
    from canary.adapters.kubernetes import Api
    from canary.spec import Release
    from strategies import Pool

ENDINGS = (".yaml", ".yml", ".json")
"""By these a file is told from a name."""

IN_CLUSTER = "KUBERNETES_SERVICE_HOST"
"""The variable by which a process knows that it runs in a pod."""

Which = Annotated[
    str,
    typer.Argument(
        metavar="NAME|RELEASE", help="The route's or the release's name; or the release file, ending in .yaml."
    ),
]
Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", metavar="NAMESPACE", help="By default the kubeconfig's.")
]
RouteName = Annotated[
    str | None, typer.Option("--route", metavar="NAME", help="The route, where the name alone does not say it.")
]
Kubeconfig = Annotated[
    Path | None,
    typer.Option("--kubeconfig", metavar="FILE", help="How to reach the cluster; by default as kubectl does."),
]
Context = Annotated[str | None, typer.Option("--context", metavar="NAME", help="Context of the kubeconfig.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a person means.

    Attributes:
        namespace, route: of the route.
        pool: stable and canary, where a release file says them.
        file: the release file's name; empty when none was given.
    """

    namespace: str
    route: str
    pool: Pool | None = None
    file: str = ""

    def __str__(self) -> str:
        return f"{self.namespace}/{self.route}"


def reach(kubeconfig: Path | None, context: str | None) -> tuple[Api, bool]:
    """The API server, and whether we are in a pod.

    Raises:
        Failure: there is no usable way to it.
    """
    from canary.adapters.kubernetes import ConnectError, connect

    in_cluster = kubeconfig is None and context is None and IN_CLUSTER in os.environ
    try:
        return connect(kubeconfig=kubeconfig, context=context, in_cluster=in_cluster), in_cluster
    except ConnectError as error:
        raise Failure(str(error), code=ExitCode.USAGE) from error


def target_for(
    which: str,
    *,
    namespace: str | None,
    route: str | None,
    kubeconfig: Path | None,
    context: str | None,
) -> tuple[Target, Api]:
    """What is meant, and the API server that knows it.

    Raises:
        Failure: nothing is, or more than one thing.
        ReleaseFileError: the file is no release.
    """
    file = _file(which)
    api, in_cluster = reach(kubeconfig, context)
    if file is not None:
        return _of_file(which, file, namespace, route), api
    if namespace is None:
        from canary.adapters.kubernetes.people import namespace_of

        namespace = namespace_of(kubeconfig=kubeconfig, context=context, in_cluster=in_cluster)
    return Target(namespace=namespace, route=route or _route_named(api, namespace, which)), api


def _file(which: str) -> Release | None:
    from canary.cli.options import read_release

    if which == "-" or which.endswith(ENDINGS) or "/" in which:
        return read_release(Path(which), whole=False)
    return None


def _of_file(which: str, file: Release, namespace: str | None, route: str | None) -> Target:
    from canary.spec.pool import pool_of

    if namespace not in {None, file.metadata.namespace}:
        raise Failure(
            f"{which} is a release in namespace {file.metadata.namespace}, not in {namespace}",
            code=ExitCode.USAGE,
            hint="leave -n out, or name the route instead of the file",
        )
    named = route or file.spec.route.name
    return Target(namespace=file.metadata.namespace, route=named, pool=pool_of(file), file=which)


def _route_named(api: Api, namespace: str, name: str) -> str:
    """The route with this name, or the one that a release with this name is on."""
    from canary.adapters.kubernetes.people import route_is_there, routes_in_release, routes_of_release

    try:
        if route_is_there(api, namespace=namespace, name=name):
            return name
    except ValueError as error:
        raise Failure(f"{name!r} is not a name", code=ExitCode.USAGE) from error
    found = routes_of_release(api, namespace=namespace, name=name)
    if len(found) == 1:
        return found[0]
    others = found or routes_in_release(api, namespace=namespace)
    raise Failure(
        f"there is no HTTPRoute and no release {name} in namespace {namespace}",
        code=ExitCode.PREFLIGHT_FAILED,
        hint=f"a release is on: {', '.join(others)}" if others else "check the name and -n NAMESPACE, or pass --route",
    )
