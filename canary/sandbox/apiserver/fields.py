"""Sets of fields, in the form in which managedFields has them (FieldsV1), and their algebra.

A set is a tree: `f:name` is a member, `k:{...}` an item of a list with keys, `v:...` an item of a set, `.` the thing
itself beside what is in it; a leaf, `{}`, is the thing itself alone. The empty set is `{}` at the top.

Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/ (merge strategy) and
sigs.k8s.io/structured-merge-diff.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from canary.sandbox.apiserver.errors import Json

_UNOWNED = frozenset(
    {
        *("name", "namespace", "generateName", "uid", "resourceVersion", "generation", "managedFields", "selfLink"),
        *("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"),
    }
)


def bare(item: Json) -> Json:
    """The object without what nobody owns: its identity and what the server keeps."""
    metadata = {key: value for key, value in item.get("metadata", {}).items() if key not in _UNOWNED}
    rest = {key: value for key, value in item.items() if key not in {"apiVersion", "kind", "metadata"}}
    return {"metadata": metadata, **rest} if metadata else rest


def member(schema: Json, key: str) -> Json:
    """The schema of an object's member."""
    properties = schema.get("properties")
    if properties and key in properties:
        found: Json = properties[key]
        return found
    extra = schema.get("additionalProperties")
    return extra if isinstance(extra, dict) else {}


def is_atomic(value: Any, schema: Json) -> bool:
    """Whether the value is owned, compared and replaced as a whole."""
    if isinstance(value, dict):
        return not value or schema.get("x-kubernetes-map-type") == "atomic"
    if isinstance(value, list):
        return not value or schema.get("x-kubernetes-list-type") not in {"map", "set"}
    return True


def item_key(each: Any, schema: Json) -> str:
    """The name of an item of a list with keys, or of a set, in FieldsV1."""
    if schema["x-kubernetes-list-type"] == "set":
        return "v:" + json.dumps(each, separators=(",", ":"))
    items = schema.get("items") or {}
    named: Json = {}
    for key in schema["x-kubernetes-list-map-keys"]:
        if key in each:
            named[key] = each[key]
        elif "default" in member(items, key):
            named[key] = member(items, key)["default"]
        elif key == "protocol":  # the one key of a built-in list that has a default
            named[key] = "TCP"
    return "k:" + json.dumps(named, separators=(",", ":"), sort_keys=True)


def owned(value: Any, schema: Json) -> Json:
    """The set of every field in a value."""
    if is_atomic(value, schema):
        return {}
    if isinstance(value, dict):
        fields: Json = {} if schema.get("properties") else {".": {}}
        for key, each in value.items():
            fields["f:" + key] = owned(each, member(schema, key))
        return fields
    items = schema.get("items") or {}
    return {item_key(each, schema): {".": {}, **owned(each, items)} if isinstance(each, dict) else {} for each in value}


def named(fields: Json, *, item: bool = False) -> Json:
    """What an apply owns of a set: what it named in maps, not the maps themselves; items of lists with both."""
    return {key: named(each, item=key.startswith("k:")) for key, each in fields.items() if key != "." or item}


def changed(old: Any, new: Any, schema: Json) -> Json | None:
    """The set of fields that are new or different in `new`; None when nothing is."""
    if old == new and type(old) is type(new):
        return None
    if is_atomic(new, schema) or type(old) is not type(new) or is_atomic(old, schema):
        return owned(new, schema)
    if isinstance(new, dict):
        found = {
            "f:" + key: (
                changed(old[key], each, member(schema, key)) if key in old else owned(each, member(schema, key))
            )
            for key, each in new.items()
        }
    else:
        before = {item_key(each, schema): each for each in old}
        items = schema.get("items") or {}
        found = {}
        for each in new:
            name = item_key(each, schema)
            if name in before:
                found[name] = changed(before[name], each, items)
            else:
                found[name] = {".": {}, **owned(each, items)} if isinstance(each, dict) else {}
    kept = {key: each for key, each in found.items() if each is not None}
    return kept or None


def _parts(node: Json) -> tuple[bool, Json]:
    """Whether a member of a set is in it itself, and what is in it below."""
    below = {key: each for key, each in node.items() if key != "."}
    return not below or "." in node, below


def _node(own: bool, below: Json) -> Json | None:
    if below:
        return {".": {}, **below} if own else below
    return {} if own else None


def union(one: Json, other: Json) -> Json:
    """Every field of either set."""
    merged = dict(one)
    for key, each in other.items():
        if key in merged:
            own, below = _parts(merged[key])
            also, more = _parts(each)
            each = _node(own or also, union(below, more)) or {}  # noqa: PLW2901 - the same field, of both
        merged[key] = each
    return merged


def minus(one: Json, other: Json) -> Json | None:
    """The fields of one set that are not in the other; None when there are none."""
    kept: Json = {}
    for key, each in one.items():
        rest: Json | None = each
        if key in other:
            own, below = _parts(each)
            also, more = _parts(other[key])
            rest = _node(own and not also, minus(below, more) or {})
        if rest is not None:
            kept[key] = rest
    return kept or None


def common(one: Json, other: Json) -> Json | None:
    """The fields that are in both sets; None when there are none."""
    kept: Json = {}
    for key in one.keys() & other.keys():
        own, below = _parts(one[key])
        also, more = _parts(other[key])
        both = _node(own and also, common(below, more) or {})
        if both is not None:
            kept[key] = both
    return kept or None


def paths(fields: Json, path: str = "") -> Iterator[str]:
    """The leaves of a set as people write them: `.spec.replicas`, `.spec.containers[name="app"].image`."""
    if not fields:
        yield path
    for key, each in fields.items():
        if key == ".":
            if len(fields) == 1:
                yield path
        elif key.startswith("f:"):
            yield from paths(each, f"{path}.{key[2:]}")
        elif key.startswith("k:"):
            named = ",".join(f"{name}={json.dumps(value)}" for name, value in json.loads(key[2:]).items())
            yield from paths(each, f"{path}[{named}]")
        else:
            yield from paths(each, f"{path}[={key[2:]}]")
