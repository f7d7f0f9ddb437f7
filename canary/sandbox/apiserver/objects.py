"""What may be done to objects: the way of a write from its body to the store.

Every write takes the same way: read into the schema, defaults, rules, who owns which field, generation, store.
Sources: https://kubernetes.io/docs/reference/using-api/api-concepts/ and .../server-side-apply/.
"""

from __future__ import annotations

import itertools
import secrets
import uuid
from collections.abc import Callable
from typing import Any

from canary.sandbox.apiserver import errors, rules
from canary.sandbox.apiserver.apply import Author, applied, tracked
from canary.sandbox.apiserver.errors import Json
from canary.sandbox.apiserver.kinds import schema_of
from canary.sandbox.apiserver.patch import json_patch, merge_patch
from canary.sandbox.apiserver.reading import Options, an_object, read, read_patched
from canary.sandbox.apiserver.resources import Registry, Resource
from canary.sandbox.apiserver.scale import patched_scale, scale_of, with_scale
from canary.sandbox.apiserver.schema import fill, mistakes
from canary.sandbox.apiserver.store import Key, Store, clone
from canary.sandbox.apiserver.strategic import strategic_merge

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC, APPLY)
"""The kinds of patches."""

_KEPT = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds")
"""Metadata that only the server writes."""


class Objects:
    """The objects of a cluster and everything that may be done to them.

    Args:
        store: where they are kept.
        registry: which kinds there are.
        now: the time, as objects have it.
    """

    def __init__(self, store: Store, registry: Registry, now: Callable[[], str]) -> None:
        self.store, self.registry, self.now = store, registry, now
        self._addresses = itertools.count(1)

    # Reading -------------------------------------------------------------------------------------------------

    def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """The object, not to be changed.

        Raises:
            ApiError: 404.
        """
        found = self.store.get(resource.key, (namespace, name))
        if found is None:
            raise errors.not_found(resource.qualified, name)
        return found

    # Writing -------------------------------------------------------------------------------------------------

    def create(self, resource: Resource, namespace: str, body: Json, options: Options) -> Json:
        """A new object.

        Raises:
            ApiError: 400, 404 (its namespace), 409 or 422.
        """
        item = read(resource, namespace, body, "", options)
        metadata = item["metadata"]
        if not metadata.get("name"):
            prefix = metadata.get("generateName")
            if not prefix:
                raise errors.invalid(resource.kind, resource.group, "", [_required("metadata.name")])
            metadata["name"] = prefix + secrets.token_hex(3)[:5]
        name = metadata["name"]
        if self.store.get(resource.key, (namespace, name)) is not None:
            raise errors.already_exists(resource.qualified, name)
        if metadata.get("resourceVersion"):
            raise errors.bad_request("resourceVersion should not be set on objects to be created")
        if "status" in resource.subresources and resource.kind != "Node":  # a node tells of itself
            item.pop("status", None)
        for given in ("managedFields", "selfLink"):
            metadata.pop(given, None)
        return self._finish(resource, None, item, self._author(resource, options), options)

    def replace(
        self, resource: Resource, namespace: str, name: str, body: Json, options: Options, *, part: str = ""
    ) -> Json:
        """The object, or a part of it such as `status`, as the body has it.

        Raises:
            ApiError: 400, 404, 409 or 422.
        """
        old = self.get(resource, namespace, name)
        item = with_scale(old, body) if part == "scale" else read(resource, namespace, body, name, options)
        if resource.custom and not item["metadata"].get("resourceVersion"):
            message = "Invalid value: 0x0: must be specified for an update"
            cause = errors.Cause(reason="FieldValueInvalid", message=message, field="metadata.resourceVersion")
            raise errors.invalid(resource.kind, resource.group, name, [cause])
        return self._write(resource, old, item, options, part)

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Any,
        *,
        content: str,
        options: Options,
        part: str = "",
    ) -> tuple[Json, bool]:
        """The object after a patch of one of the four kinds.

        Returns:
            The object, and whether it is new (server-side apply creates).

        Raises:
            ApiError: 400, 404, 409, 415 or 422.
        """
        if content == APPLY:
            return self._apply(resource, namespace, read(resource, namespace, body, name, options), options, part)
        old = self.get(resource, namespace, name)
        shown = scale_of(old) if part == "scale" else self.shown(resource, old)
        schema = schema_of(resource)
        if content == JSON_PATCH:
            patched = json_patch(shown, body)
        elif content == MERGE_PATCH:
            patched = merge_patch(shown, an_object(body))
        elif content == STRATEGIC and not resource.custom:
            patched = strategic_merge(shown, an_object(body), schema)
        else:
            accepted = [JSON_PATCH, MERGE_PATCH, APPLY, *([] if resource.custom else [STRATEGIC])]
            raise errors.unsupported_media_type(accepted)
        if part == "scale":
            return self._write(resource, old, patched_scale(old, patched), options, part), False
        item = read_patched(resource, namespace, patched, name, options)
        if item["metadata"].get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
            raise errors.invalid(resource.kind, resource.group, name, [_immutable("uid", item["metadata"]["uid"])])
        return self._write(resource, old, item, options, part), False

    def _apply(
        self, resource: Resource, namespace: str, wanted: Json, options: Options, part: str
    ) -> tuple[Json, bool]:
        schema, name = schema_of(resource), wanted["metadata"]["name"]
        _refuse_unmergeable(resource, wanted, options, schema)
        given = wanted["metadata"].pop("resourceVersion", None)
        old = self.store.get(resource.key, (namespace, name))
        author = self._author(resource, options, operation="Apply", part=part)
        wanted = _only(wanted, part, resource)
        if old is None:
            if part:
                raise errors.not_found(resource.qualified, name)
            made = applied(None, wanted, author, schema, force=options.force)
            return self._finish(resource, None, made, None, options), True
        if given not in {None, "", old["metadata"]["resourceVersion"]}:
            raise errors.conflict(resource.qualified, name)
        merged = applied(self.shown(resource, old), wanted, author, schema, force=options.force)
        return self._finish(resource, old, merged, None, options), False

    def delete(
        self, resource: Resource, namespace: str, name: str, wishes: Json, options: Options
    ) -> tuple[Json, bool]:
        """Deletes the object, or marks it when finalizers stand on it.

        Args:
            wishes: DeleteOptions.

        Returns:
            The object as it was last, and whether it is gone.

        Raises:
            ApiError: 404, or 409 when a precondition does not hold.
        """
        old = self.get(resource, namespace, name)
        preconditions = wishes.get("preconditions") or {}
        for what, label, then in (
            ("uid", "UID", "deleted and then recreated"),
            ("resourceVersion", "ResourceVersion", "modified"),
        ):
            wanted, found = preconditions.get(what), old["metadata"][what]
            if wanted not in {None, found}:
                why = (
                    f"the {label} in the precondition ({wanted}) does not match the {label} in record ({found}). "
                    f"The object might have been {then}"
                )
                raise errors.conflict(resource.kind, name, why)
        if options.dry_run:
            return old, not old["metadata"].get("finalizers")
        if old["metadata"].get("finalizers"):
            if "deletionTimestamp" not in old["metadata"]:
                grace = wishes.get("gracePeriodSeconds")
                if grace is None:  # only pods have time of their own to end
                    grace = (old.get("spec") or {}).get("terminationGracePeriodSeconds", 0)
                marked = {**old["metadata"], "deletionTimestamp": self.now(), "deletionGracePeriodSeconds": grace}
                old = self._put(resource, {**old, "metadata": marked})
            return old, False
        orphan = wishes.get("propagationPolicy") == "Orphan" or wishes.get("orphanDependents") is True
        return self._remove(resource, old, orphan=orphan), True

    # The way of a write ----------------------------------------------------------------------------------------

    def _write(self, resource: Resource, old: Json, item: Json, options: Options, part: str) -> Json:
        """An update of the whole, or of a part."""
        given, found = item["metadata"].get("resourceVersion"), old["metadata"]["resourceVersion"]
        name = old["metadata"]["name"]
        if given not in {None, "", found}:
            raise errors.conflict(resource.qualified, name)
        uid = item["metadata"].get("uid")
        if uid and uid != old["metadata"]["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}"
            raise errors.conflict(resource.qualified, name, why)
        if part == "status":
            item = _with_status({**old, "metadata": {**old["metadata"], **_managed(item)}}, item)
        elif "status" in resource.subresources:
            item = _with_status(item, old)
        return self._finish(resource, old, item, self._author(resource, options, part=part), options)

    def _finish(
        self, resource: Resource, old: Json | None, item: Json, author: Author | None, options: Options
    ) -> Json:
        schema = schema_of(resource)
        item = self._completed(resource, old, item)
        causes = list(mistakes(item, schema)) or list(rules.broken(resource, item, old))
        if causes:
            raise errors.invalid(resource.kind, resource.group, item["metadata"]["name"], causes)
        self._in_a_namespace(resource, old, item)
        metadata = item["metadata"]
        if author is not None:
            entries = tracked(old, item, author, schema)
            metadata.pop("managedFields", None)
            if entries:
                metadata["managedFields"] = entries
        if old is None:
            metadata.update(uid=str(uuid.uuid4()), creationTimestamp=self.now())
            if resource.generation:
                metadata["generation"] = 1
        elif _essence(old) == _essence(item):
            return old
        elif resource.generation and _wanted(old) != _wanted(item):
            metadata["generation"] = old["metadata"].get("generation", 1) + 1
        return item if options.dry_run else self._keep(resource, item)

    def _completed(self, resource: Resource, old: Json | None, item: Json) -> Json:
        """The object with what the server keeps, with defaults, and under the version in which it is kept."""
        stored = self.registry.stored(resource.key) or resource
        kept = (
            {key: old["metadata"][key] for key in (*_KEPT, "resourceVersion") if key in old["metadata"]} if old else {}
        )
        given = {key: value for key, value in item["metadata"].items() if key not in _KEPT and key != "resourceVersion"}
        item = {**clone(item), "apiVersion": stored.api_version, "metadata": {**clone(given), **kept}}
        if resource.custom:
            fill(item, schema_of(resource))
        else:
            rules.default(resource, item)
        self._address(resource, old, item)
        return item

    def _keep(self, resource: Resource, item: Json) -> Json:
        if "deletionTimestamp" in item["metadata"] and not item["metadata"].get("finalizers"):
            return self._remove(resource, item)
        return self._put(resource, item)

    def _put(self, resource: Resource, item: Json) -> Json:
        stored = self.store.put(resource.key, _key(item), item)
        if resource.kind == "CustomResourceDefinition":
            self.registry.define(stored)
        return stored

    def _remove(self, resource: Resource, item: Json, *, orphan: bool = False) -> Json:
        gone = self.store.remove(resource.key, _key(item))
        if resource.kind == "CustomResourceDefinition":
            spec = item["spec"]
            for each in self.store.items(f"{spec['names']['plural']}.{spec['group']}"):
                self.store.remove(f"{spec['names']['plural']}.{spec['group']}", _key(each))
            self.registry.withdraw(item)
        if resource.kind == "Namespace":
            self._sweep(lambda each, _: each["metadata"].get("namespace") == item["metadata"]["name"])
        if not orphan:
            uid = item["metadata"]["uid"]
            self._sweep(lambda each, alive: _only_owner(each, uid, alive))
        return gone

    def _sweep(self, chosen: Callable[[Json, set[str]], bool]) -> None:
        """The garbage collector: deletes what is chosen, by its kind's rules."""
        alive = {each["metadata"]["uid"] for _, _, each in self.store.everything()}
        for key, (namespace, name), each in list(self.store.everything()):
            resource = self.registry.stored(key)
            if resource is not None and chosen(each, alive) and self.store.get(key, (namespace, name)) is not None:
                self.delete(resource, namespace, name, {}, Options())

    def _author(self, resource: Resource, options: Options, *, operation: str = "Update", part: str = "") -> Author:
        return Author(
            manager=options.manager or "unknown",
            operation=operation,
            api_version=resource.api_version,
            subresource=part,
            time=self.now(),
        )

    def _in_a_namespace(self, resource: Resource, old: Json | None, item: Json) -> None:
        namespace = item["metadata"].get("namespace", "")
        if resource.namespaced and old is None and self.store.get("namespaces", ("", namespace)) is None:
            raise errors.not_found("namespaces", namespace)

    def _address(self, resource: Resource, old: Json | None, item: Json) -> None:
        """The Service's address: kept, or the next one."""
        if resource.kind != "Service" or item["spec"].get("type") == "ExternalName":
            return
        known = (old or {}).get("spec", {}).get("clusterIP")
        if not item["spec"].get("clusterIP"):
            number = next(self._addresses) if not known else 0
            item["spec"]["clusterIP"] = known or f"10.96.{number // 250}.{number % 250 + 1}"
        item["spec"]["clusterIPs"] = [item["spec"]["clusterIP"]]

    def shown(self, resource: Resource, item: Json) -> Json:
        """The object as this version of its resource calls it."""
        if item.get("apiVersion") == resource.api_version:
            return item
        return {**item, "apiVersion": resource.api_version}


def _key(item: Json) -> Key:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _required(path: str) -> errors.Cause:
    return errors.Cause(
        reason="FieldValueRequired", message="Required value: name or generateName is required", field=path
    )


def _immutable(field: str, value: Any) -> errors.Cause:
    return errors.Cause(
        reason="FieldValueInvalid", message=f'Invalid value: "{value}": field is immutable', field=f"metadata.{field}"
    )


def _refuse_unmergeable(resource: Resource, wanted: Json, options: Options, schema: Json) -> None:
    """What cannot be merged field by field."""
    if not options.manager:
        needed = "Required value: is required for apply patch"
        raise errors.bad_option("PatchOptions", "fieldManager", needed, "FieldValueRequired")
    if wanted["metadata"].get("managedFields"):
        raise errors.bad_request("metadata.managedFields must be nil")
    for cause in mistakes(wanted, schema):
        if cause.reason in {"FieldValueTypeInvalid", "FieldValueDuplicate"}:
            of = f"{resource.api_version}, Kind={resource.kind}"
            raise errors.bad_request(f"failed to create typed patch object ({of}): .{cause.field}: {cause.message}")


def _managed(item: Json) -> Json:
    return {"managedFields": item["metadata"]["managedFields"]} if "managedFields" in item["metadata"] else {}


def _with_status(item: Json, other: Json) -> Json:
    rest = {key: value for key, value in item.items() if key != "status"}
    return {**rest, "status": other["status"]} if "status" in other else rest


def _only(wanted: Json, part: str, resource: Resource) -> Json:
    """What an apply may say: status under its subresource, all but status elsewhere."""
    frame = {key: wanted[key] for key in ("apiVersion", "kind", "metadata")}
    if part == "status":
        return {**frame, **({"status": wanted["status"]} if "status" in wanted else {})}
    return {key: value for key, value in wanted.items() if key != "status" or "status" not in resource.subresources}


def _essence(item: Json) -> Json:
    """What makes two versions of an object the same: all but the version and the times of writing."""
    metadata = {key: value for key, value in item["metadata"].items() if key != "resourceVersion"}
    entries = [{**entry, "time": ""} for entry in metadata.pop("managedFields", ())]
    return {**item, "metadata": {**metadata, "managedFields": entries}}


def _wanted(item: Json) -> Json:
    return {key: value for key, value in item.items() if key not in {"metadata", "status"}}


def _only_owner(item: Json, uid: str, alive: set[str]) -> bool:
    owners = [owner["uid"] for owner in item["metadata"].get("ownerReferences") or ()]
    return uid in owners and not any(owner in alive for owner in owners)
