"""What a person's command asks the API server: who am I, which namespace, who holds the lease, which route is meant.

Everything here only reads, in little time: a question that is not answered must not keep traffic where it is.
"""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from canary.adapters.kubernetes.api import Api
from canary.adapters.kubernetes.budget import Budget
from canary.adapters.kubernetes.clock import parse_time
from canary.adapters.kubernetes.errors import clean
from canary.adapters.kubernetes.leases import HANDOVER, ORIGIN
from canary.adapters.kubernetes.paths import CONFIG_MAP, LEASE, NAME_LABEL, PART_LABEL, RELEASE_NOTE, ROUTE_KINDS, named
from canary.core.gates import Person
from canary.ports import JsonObject, NotFound, PortError

BRIEF = Budget(total=2.0, attempt=1.0)
"""For questions whose answer is nice to have."""

REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"

_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSeen:
    """The lease as a bystander sees it.

    Attributes:
        holder: who holds it; empty when it was given back.
        renewed: when it was last renewed, seconds since the epoch on the holder's reading of the server's clock; None
            when it does not say.
        origin: where the holder says that it runs.
        handover: it was given back for another process to go on at once.
    """

    holder: str
    renewed: float | None
    origin: str = ""
    handover: bool = False


def whoami(api: Api) -> str:
    """The caller as the API server knows them; where it does not say, this machine's user, marked as such."""
    return person(api).name


def person(api: Api) -> Person:
    """The caller with their groups, as `whoami` has the name."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        answer = api.create(REVIEW, body, doing="asking who we are", deadline=api.deadline(BRIEF))
        info = answer["status"]["userInfo"]
        name, groups = info["username"], info.get("groups")
        if isinstance(name, str) and name:
            listed = groups if isinstance(groups, list) else []
            return Person(name=clean(name), groups=tuple(clean(one) for one in listed if isinstance(one, str)))
    except (PortError, KeyError, TypeError, AttributeError):
        pass
    try:
        return Person(name=f"{getpass.getuser()} (by their own word)")
    except (OSError, KeyError):
        return Person(name="somebody")


def namespace_of(*, kubeconfig: Path | None, context: str | None, in_cluster: bool) -> str:
    """The namespace that kubectl would use."""
    if in_cluster:
        try:
            return _POD_NAMESPACE.read_text(encoding="ascii").strip() or "default"
        except (OSError, ValueError):
            return "default"
    from kubernetes import config

    try:
        # The package has types, but not for its loaders.
        known, active = config.list_kube_config_contexts(  # type: ignore[no-untyped-call]
            None if kubeconfig is None else str(kubeconfig)
        )
        chosen: Any = next((one for one in known if one["name"] == context), None) if context else active
        return str(chosen["context"].get("namespace") or "default")
    except Exception:  # noqa: BLE001 - whatever a broken file leads the loader to; connecting says what is wrong with it
        return "default"


def lease_seen(api: Api, *, namespace: str, route: str) -> LeaseSeen | None:
    """The lease of a route's engine; None when there is none.

    Raises:
        PortError: it cannot be read.
    """
    name = named("canary", route)
    doing = f"reading Lease {namespace}/{name}"
    try:
        lease = api.get(LEASE.path(namespace, name), doing=doing, deadline=api.deadline(BRIEF))
    except NotFound:
        return None
    spec, notes = _mapping(lease.get("spec")), _mapping(_mapping(lease.get("metadata")).get("annotations"))
    return LeaseSeen(
        holder=clean(spec.get("holderIdentity") or ""),
        renewed=parse_time(spec.get("renewTime")),
        origin=str(notes.get(ORIGIN) or ""),
        handover=HANDOVER in notes,
    )


def route_is_there(api: Api, *, namespace: str, name: str) -> bool:
    """Whether there is an HTTPRoute with this name; where nobody can tell, it is assumed.

    Raises:
        ValueError: no object can have this name.
    """
    path, doing = ROUTE_KINDS["HTTPRoute"].path(namespace, name), f"reading HTTPRoute {namespace}/{name}"
    try:
        api.get(path, doing=doing, deadline=api.deadline(BRIEF))
    except NotFound:
        return False
    except PortError:
        return True  # whoever uses the name will meet the same, and can say what it means there
    return True


def routes_of_release(api: Api, *, namespace: str, name: str) -> list[str]:
    """Routes whose newest journal is of a release with this name; none when nobody may tell."""
    selector = f"{PART_LABEL}=journal,{NAME_LABEL}={name}"
    try:
        found = _items(api, CONFIG_MAP.path(namespace), {"labelSelector": selector}, f"listing journals in {namespace}")
    except PortError:
        return []
    names = [str(_mapping(item.get("metadata")).get("name")) for item in found]
    routes = [name.removeprefix("canary-").removesuffix("-journal") for name in names]
    return sorted(route for route, name in zip(routes, names, strict=True) if named("canary", route, "journal") == name)


def routes_in_release(api: Api, *, namespace: str) -> list[str]:
    """Routes of the namespace that carry a release; none when nobody may tell."""
    try:
        found = _items(api, ROUTE_KINDS["HTTPRoute"].path(namespace), {}, f"listing HTTPRoutes in {namespace}")
    except PortError:
        return []
    metadata = [_mapping(item.get("metadata")) for item in found]
    return sorted(str(one.get("name")) for one in metadata if RELEASE_NOTE in _mapping(one.get("annotations")))


def _items(api: Api, path: str, query: dict[str, str], doing: str) -> list[JsonObject]:
    answer = api.get(path, query=query, doing=doing, deadline=api.deadline(BRIEF)).get("items")
    return [item for item in answer if isinstance(item, dict)] if isinstance(answer, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
