"""What a release itself made, told by its label from what somebody else did under the same name."""

from __future__ import annotations

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes.managers import writer_of
from canary.adapters.kubernetes.objects import Objects
from canary.adapters.kubernetes.paths import Resource
from canary.ports import Conflict, JsonObject, NotFound, Unavailable, WorkloadFailure


class Owned:
    """Objects that carry a release's label.

    Args:
        objects: the namespace.
        release: the release's uid.
    """

    def __init__(self, objects: Objects, release: str) -> None:
        self._objects, self.release = objects, release

    def get(self, resource: Resource, name: str) -> JsonObject | None:
        """The object if this release made it; None when there is none.

        Raises:
            WorkloadFailure: somebody else's object has the name.
            Unavailable: it is just being deleted.
        """
        try:
            found = self._objects.get(resource, name)
        except NotFound:
            return None
        if found["metadata"].get("deletionTimestamp"):
            raise Unavailable(f"{self._objects.what(resource, name)} is still being deleted")
        self._check_owner(resource, found)
        return found

    def create(self, resource: Resource, body: JsonObject) -> JsonObject:
        """Make an object; one that is there already, and ours, will do.

        Raises:
            WorkloadFailure: somebody else's object has the name.
        """
        try:
            return self._objects.create(resource, body)
        except Conflict:
            found = self.get(resource, body["metadata"]["name"])
            if found is None:
                raise
            return found

    def _check_owner(self, resource: Resource, found: JsonObject) -> None:
        owner, name = derive.release_of(found), found["metadata"]["name"]
        if owner == self.release:
            return
        who = f"release {owner}" if owner else writer_of(found, ours="")
        raise WorkloadFailure(
            f"{self._objects.what(resource, name)} was made by {who}, not by this release; if nobody needs it, "
            f"kubectl -n {self._objects.namespace} delete {resource.kind.lower()} {name}"
        )
