"""From the body of a request to an object of its kind: known fields only, of the right types, named as in the path.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/, validation of fields and server-side validation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from canary.sandbox.apiserver import errors
from canary.sandbox.apiserver.errors import Json
from canary.sandbox.apiserver.kinds import META, of_type, schema_of
from canary.sandbox.apiserver.resources import Resource
from canary.sandbox.apiserver.schema import mistakes, prune, without_nulls


@dataclass(slots=True, kw_only=True)
class Options:
    """What a write asks for beside its body.

    Attributes:
        manager: the field manager.
        dry_run: carry nothing out, but answer as if.
        validation: what becomes of unknown fields: Ignore, Warn or Strict.
        force: take fields from their owners (server-side apply).
        warnings: gets what the client is to be warned of.
    """

    manager: str = "unknown"
    dry_run: bool = False
    validation: str = "Warn"
    force: bool = False
    warnings: list[str] = field(default_factory=list)


class Undecodable(errors.ApiError):
    """400: the body cannot be decoded into the kind's type."""

    def __init__(self, message: str) -> None:
        super().__init__(400, "BadRequest", message)


def an_object(body: Any) -> Json:
    """The body when it is an object.

    Raises:
        ApiError: 400.
    """
    if not isinstance(body, dict):
        raise errors.bad_request("the body of the request is no object")
    return body


def read(resource: Resource, namespace: str, body: Any, name: str, options: Options) -> Json:
    """The body as an object of a resource.

    Args:
        resource: the resource of the path.
        namespace: the namespace of the path.
        body: what was sent.
        name: the name of the path; empty when the body names the object.
        options: says what becomes of unknown fields, and gets warnings of them.

    Raises:
        ApiError: 400 for another kind, name or namespace, for wrong types, and for unknown fields when validation is
            strict. Wrong types in custom resources, outside metadata, are left to their schema.
    """
    item = dict(an_object(body))
    said = (item.get("apiVersion") or resource.api_version, item.get("kind") or resource.kind)
    if said != (resource.api_version, resource.kind):
        text = (
            f"the API version in the data ({said[0]}, {said[1]}) does not match "
            f"the expected API version ({resource.api_version}, {resource.kind})"
        )
        raise Undecodable(text)
    item["apiVersion"], item["kind"] = resource.api_version, resource.kind
    item["metadata"] = {} if item.get("metadata") is None else item["metadata"]
    schema = schema_of(resource)
    item = without_nulls(item, schema, everywhere=not resource.custom)
    _refuse_types(resource, item)
    item["metadata"] = _placed(resource, item["metadata"], namespace, name)
    kept, unknown = prune(item, schema)
    if unknown and options.validation == "Strict":
        listed = ", ".join(f'unknown field "{path}"' for path in unknown)
        raise Undecodable(f"strict decoding error: {listed}")
    if options.validation == "Warn":
        options.warnings += [f'unknown field "{path}"' for path in unknown]
    result: Json = kept
    return result


def read_patched(resource: Resource, namespace: str, patched: Json, name: str, options: Options) -> Json:
    """What a patch has made of an object, as an object of its resource.

    Raises:
        ApiError: as `read`, but 422 where the patch made it another kind, or wrote fields that are unknown (when
            validation is strict) or of a wrong type: the server could read the patch, and not what came of it.
    """
    kind = patched.get("kind")
    if resource.custom and kind is not None and kind != resource.kind:
        cause = errors.Cause(
            reason="FieldValueInvalid", message=f'Invalid value: "{kind}": must be {resource.kind}', field="kind"
        )
        raise errors.invalid(str(kind), resource.group, name, [cause])
    try:
        return read(resource, namespace, patched, name, options)
    except Undecodable as error:
        cause = errors.Cause(reason="FieldValueInvalid", message=f"Invalid value: {error}", field="patch")
        raise errors.invalid("", "", "", [cause]) from None


def _refuse_types(resource: Resource, item: Json) -> None:
    """What cannot even be decoded into the kind's type: a real server stops there, before any default or rule."""
    found = (
        mistakes(item["metadata"], of_type(META), "metadata")
        if resource.custom
        else mistakes(item, schema_of(resource))
    )
    for cause in found:
        if cause.reason == "FieldValueTypeInvalid":
            where = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
            raise Undecodable(f"{where}: json: cannot unmarshal: {cause.message}")


def _placed(resource: Resource, metadata: Json, namespace: str, name: str) -> Json:
    """The metadata with the name and namespace of the path."""
    if name and metadata.get("name", name) != name:
        text = f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
        raise errors.bad_request(text)
    placed = {**metadata, **({"name": name} if name else {})}
    if not resource.namespaced:
        placed.pop("namespace", None)
        return placed
    if metadata.get("namespace", namespace) not in {namespace, ""}:
        text = f"the namespace of the provided object does not match the namespace sent on the request ({namespace})"
        raise errors.bad_request(text)
    return {**placed, "namespace": namespace}
