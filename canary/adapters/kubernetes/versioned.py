"""Copies of ConfigMaps and Secrets under names with their content's hash, so that config is released with the image.

A copy is immutable and made once; who finds it by its name has its content. The canary is made with the copies' names
in its template, and promotion gives stable the same, so that whoever edits the original changes no running pod. What
neither a Deployment nor a ReplicaSet that is kept for going back names any more is deleted when a release ends.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes import references as refs
from canary.adapters.kubernetes.objects import Objects, understood
from canary.adapters.kubernetes.paths import (
    CONFIG_MAP,
    DEPLOYMENT,
    LABEL_LIMIT,
    MANAGED,
    PREFIX,
    RELEASE_LABEL,
    REPLICA_SET,
    SECRET,
    Resource,
    named,
)
from canary.ports import Conflict, JsonObject, NotFound, Refused, WorkloadFailure

VERSIONED_LABEL = PREFIX + "versioned"
"""On a copy; its value is the Deployment's name, or what of it fits into a label."""
ORIGINAL = PREFIX + "original"
"""Annotation of a copy: the name of what it was made from."""

RESOURCES: dict[str, Resource] = {refs.CONFIG_MAP: CONFIG_MAP, refs.SECRET: SECRET}

_CONTENT = ("data", "binaryData", "type")
_HASH = 10
_NAME_LIMIT = 253 - _HASH - 1


@dataclass(frozen=True, slots=True)
class Copies:
    """What a template needs.

    Attributes:
        names: `Kind/name` of what the template names, to the copy's name.
        bodies: the copies.
    """

    names: dict[str, str] = field(default_factory=dict)
    bodies: tuple[tuple[Resource, JsonObject], ...] = field(default=(), repr=False)


class Versioned:
    """Copies of what one Deployment's template names.

    Args:
        objects: the namespace.
        deployment: stable's name.
        kinds: of which there are copies; none of the others.
    """

    def __init__(self, objects: Objects, deployment: str, kinds: Collection[str]) -> None:
        self._objects, self._kinds = objects, frozenset(kinds)
        self._label = named(deployment, limit=LABEL_LIMIT)

    def copies(self, template: JsonObject) -> Copies:
        """What would be made for a template. A name of a copy is left as it is: going back names the old ones.

        Raises:
            WorkloadFailure: it names something that is not there.
            PortError: something cannot be read.
        """
        names: dict[str, str] = {}
        bodies: list[tuple[Resource, JsonObject]] = []
        for each in refs.references(template):
            if each.kind not in self._kinds:
                continue
            resource = RESOURCES[each.kind]
            try:
                original = self._objects.get(resource, each.name)
            except NotFound:
                if each.optional:
                    continue
                what = self._objects.what(resource, each.name)
                raise WorkloadFailure(f"{what}, which the template names, does not exist; create it first") from None
            with understood(f"copying {self._objects.what(resource, each.name)}"):
                if VERSIONED_LABEL in (original["metadata"].get("labels") or {}):
                    continue
                body = self._copy(resource, original)
                names[f"{each.kind}/{each.name}"] = body["metadata"]["name"]
                bodies.append((resource, body))
        return Copies(names, tuple(bodies))

    def make(self, copies: Copies) -> None:
        """Make what is not there yet.

        Raises:
            WorkloadFailure: somebody else's object has the name.
        """
        for resource, body in copies.bodies:
            try:
                self._objects.create(resource, body)
            except Conflict:
                found = self._objects.get(resource, body["metadata"]["name"])
                if VERSIONED_LABEL not in (found["metadata"].get("labels") or {}):
                    what = self._objects.what(resource, body["metadata"]["name"])
                    raise WorkloadFailure(f"{what} exists already and is no copy of ours; rename it") from None

    def sweep(self, release: str) -> None:
        """Delete the copies that nobody names any more; where that is not permitted they stay.

        Args:
            release: the release that ends: what is left of its canary does not count.
        """
        if not self._kinds:
            return
        with contextlib.suppress(Refused, NotFound), understood("deleting old copies of ConfigMaps and Secrets"):
            used = self._used(release)
            for resource in (RESOURCES[kind] for kind in sorted(self._kinds)):
                for item in self._objects.list(resource, f"{VERSIONED_LABEL}={self._label}"):
                    name, uid = item["metadata"]["name"], item["metadata"]["uid"]
                    if (resource.kind, name) not in used:
                        with contextlib.suppress(Conflict, NotFound):
                            self._objects.delete(resource, name, uid=uid)

    def _used(self, release: str) -> set[tuple[str, str]]:
        items = [*self._objects.list(DEPLOYMENT), *self._objects.list(REPLICA_SET)]
        return {
            (each.kind, each.name)
            for item in items
            if (item["metadata"].get("labels") or {}).get(RELEASE_LABEL) != release
            for each in _named_by(item)
        }

    def _copy(self, resource: Resource, original: JsonObject) -> JsonObject:
        content = {key: original[key] for key in _CONTENT if original.get(key)}
        digest = hashlib.sha256(derive.compact(content).encode()).hexdigest()[:_HASH]
        name = original["metadata"]["name"]
        return {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {
                "name": f"{named(name, limit=_NAME_LIMIT)}-{digest}",
                "namespace": self._objects.namespace,
                "labels": {**MANAGED, VERSIONED_LABEL: self._label},
                "annotations": {ORIGINAL: name},
            },
            "immutable": True,
            **content,
        }


def _named_by(item: JsonObject) -> Iterable[refs.Reference]:
    return refs.references(item["spec"]["template"])
