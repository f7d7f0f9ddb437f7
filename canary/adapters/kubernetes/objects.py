"""Objects of one namespace by kind and name: the requests that workers make, each within a patient deadline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from canary.adapters.kubernetes.api import JSON_PATCH, MERGE_PATCH, Api
from canary.adapters.kubernetes.budget import PATIENT, Deadline
from canary.adapters.kubernetes.errors import clean
from canary.adapters.kubernetes.paths import Resource
from canary.ports import JsonObject, Operations, Refused


@contextmanager
def understood(doing: str) -> Iterator[None]:
    """What the API server sends is not trusted: an object without its shape is a refusal, not a crash.

    Raises:
        Refused: something that ought to be there was not, or was something else.
    """
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        what = clean(f"{type(error).__name__}: {error}")
        raise Refused(f"{doing}: the API server sent an object that does not have its shape ({what})") from error


class Objects:
    """Requests about one namespace; `patient=False` keeps one within the bound of critical writes.

    Args:
        api: the API server.
        namespace: the namespace.
    """

    def __init__(self, api: Api, namespace: str) -> None:
        self.api, self.namespace = api, namespace

    def what(self, resource: Resource, name: str) -> str:
        """An object for sentences, e.g. `Deployment shop/web`."""
        return f"{resource.kind} {self.namespace}/{name}"

    def _deadline(self, *, patient: bool) -> Deadline:
        return self.api.deadline(PATIENT) if patient else self.api.deadline()

    def get(self, resource: Resource, name: str, *, patient: bool = True) -> JsonObject:
        """One object.

        Raises:
            NotFound, Refused, Unavailable: as their names say.
        """
        path, deadline = resource.path(self.namespace, name), self._deadline(patient=patient)
        return self.api.get(path, doing=f"reading {self.what(resource, name)}", deadline=deadline)

    def list(self, resource: Resource, selector: str = "") -> list[JsonObject]:
        """All objects of a kind that carry these labels."""
        query = {"labelSelector": selector} if selector else {}
        doing = f"listing {resource.plural} in {self.namespace}"
        path, deadline = resource.path(self.namespace), self.api.deadline(PATIENT)
        items = self.api.get(path, query=query, doing=doing, deadline=deadline).get("items")
        return [item for item in items or () if isinstance(item, dict)]

    def create(
        self, resource: Resource, body: JsonObject, *, dry_run: bool = False, strict: bool = False
    ) -> JsonObject:
        """Make an object; a strict request is refused where it has a field that the server does not know.

        Raises:
            Conflict: it exists already.
        """
        doing = f"creating {self.what(resource, body['metadata']['name'])}"
        path, deadline = resource.path(self.namespace), self.api.deadline(PATIENT)
        return self.api.create(path, body, doing=doing, dry_run=dry_run, strict=strict, deadline=deadline)

    def patch(
        self,
        resource: Resource,
        name: str,
        operations: Operations,
        *,
        doing: str = "",
        dry_run: bool = False,
        strict: bool = False,
        patient: bool = True,
    ) -> JsonObject:
        """Apply a JSON Patch; a strict one is refused where it has a field that the server does not know.

        Raises:
            Conflict: a `test` failed or the object moved.
        """
        body = [dict(operation) for operation in operations]
        path, deadline = resource.path(self.namespace, name), self._deadline(patient=patient)
        doing = doing or f"patching {self.what(resource, name)}"
        return self.api.patch(
            path, body, content_type=JSON_PATCH, doing=doing, dry_run=dry_run, strict=strict, deadline=deadline
        )

    def merge(
        self, resource: Resource, name: str, body: JsonObject, *, dry_run: bool = False, patient: bool = True
    ) -> JsonObject:
        """Apply a JSON Merge Patch."""
        path, deadline = resource.path(self.namespace, name), self._deadline(patient=patient)
        doing = f"patching {self.what(resource, name)}"
        return self.api.patch(path, body, content_type=MERGE_PATCH, doing=doing, dry_run=dry_run, deadline=deadline)

    def delete(self, resource: Resource, name: str, *, uid: str | None, dry_run: bool = False) -> None:
        """Delete an object while it has this uid.

        Raises:
            Conflict: another object has its name now.
        """
        path, deadline = resource.path(self.namespace, name), self.api.deadline(PATIENT)
        doing = f"deleting {self.what(resource, name)}"
        self.api.delete(path, doing=doing, uid=uid, dry_run=dry_run, deadline=deadline)
