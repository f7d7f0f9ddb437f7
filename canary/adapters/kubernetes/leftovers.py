"""What releases made and left, by its label, in one namespace or in the whole cluster: what a watchdog sweeps."""

from __future__ import annotations

from collections.abc import Iterator

from canary.adapters.kubernetes.api import FIELD_MANAGER, Api
from canary.adapters.kubernetes.clock import parse_time
from canary.adapters.kubernetes.managers import managers_of
from canary.adapters.kubernetes.objects import understood
from canary.adapters.kubernetes.paths import DEPLOYMENT, RELEASE_LABEL, SERVICE, Resource
from canary.ports import JsonObject, Made

KINDS = {resource.kind: resource for resource in (SERVICE, DEPLOYMENT)}
"""In this order they are taken away: nobody is sent to pods that are gone. The rest goes with the Deployment."""


class KubernetesLeftovers:
    """See `canary.ports.Leftovers`.

    Args:
        api: the API server.
        namespace: where to look; None for all namespaces.
    """

    def __init__(self, api: Api, *, namespace: str | None) -> None:
        self._api, self._namespace = api, namespace

    def made(self) -> tuple[Made, ...]:
        """See Leftovers. What somebody applied who had copied the label is not ours: its managers say so."""
        with understood("listing what releases made"):
            return tuple(made for resource in KINDS.values() for made in self._made(resource))

    def remove(self, made: Made) -> None:
        """See Leftovers."""
        kind, name, uid, version = made.ref
        path = KINDS[kind].path(made.namespace, name)
        self._api.delete(path, doing=f"deleting {made.what}", uid=uid, version=version)

    def _made(self, resource: Resource) -> Iterator[Made]:
        path = resource.everywhere() if self._namespace is None else resource.path(self._namespace)
        where = "all namespaces" if self._namespace is None else self._namespace
        doing = f"listing {resource.plural} in {where}"
        for item in self._api.get(path, query={"labelSelector": RELEASE_LABEL}, doing=doing).get("items") or ():
            if FIELD_MANAGER in managers_of(item, "metadata", "labels", RELEASE_LABEL):
                yield _of(item, resource)


def _of(item: JsonObject, resource: Resource) -> Made:
    metadata = item["metadata"]
    namespace, name = str(metadata["namespace"]), str(metadata["name"])
    return Made(
        what=f"{resource.kind} {namespace}/{name}",
        namespace=namespace,
        release=str(metadata["labels"][RELEASE_LABEL]),
        created=parse_time(metadata.get("creationTimestamp")) or 0.0,
        ref=(resource.kind, name, str(metadata["uid"]), str(metadata["resourceVersion"])),
    )
