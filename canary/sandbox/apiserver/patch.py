"""JSON Patch and JSON merge patch, with the small ways in which a real API server departs from the texts.

Sources: RFC 6902, RFC 7386, and gopkg.in/evanphx/json-patch.v4, which the API server uses: there a `test` for null
holds where the member is absent, a member that is absent is replaced all the same, -1 in a path counts from the end of
a list and 01 is 1, and a move into what is moved is tried: it takes away first, and then mostly finds no place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from canary.sandbox.apiserver.errors import Json, bad_request, patch_refused, too_large
from canary.sandbox.apiserver.store import clone

_INDEX = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)

LARGEST = 10_000
"""Operations in one JSON Patch; a real server refuses more with 413."""


def json_patch(item: Json, operations: Any) -> Json:
    """The object after the operations; the one given is left alone.

    Raises:
        ApiError: 400 when the patch is none; 413 when it is too long; 422 when a test fails or a path is not there.
    """
    if not isinstance(operations, list) or not all(isinstance(each, dict) for each in operations):
        raise bad_request("error decoding patch: json: cannot unmarshal the body into a list of operations")
    for operation in operations:
        for field in ("op", "path", "from"):
            if not isinstance(operation.get(field), str | None):
                raise bad_request(f"error decoding patch: json: cannot unmarshal {field} into a string")
    if len(operations) > LARGEST:
        raise too_large(f"The allowed maximum operations in a JSON patch is {LARGEST}, got {len(operations)}")
    patched: Any = clone(item)
    for operation in operations:
        patched = _carry_out(patched, operation)
    if not isinstance(patched, dict):
        raise patch_refused()
    return patched


def _carry_out(document: Any, operation: Json) -> Any:
    how, path = str(operation.get("op")), _pointer(operation.get("path"))
    if how == "test":
        if not same(_get(document, path, absent_is_null=True), operation.get("value")):
            raise patch_refused()
        return document
    if how == "remove":
        return _remove(document, path)
    if how in {"add", "replace"} and "value" in operation:
        value = clone(operation["value"])
        if how == "replace":
            _get(document, path, absent_is_null=True)
            return _set(document, path, value)
        return _add(document, path, value)
    if how in {"move", "copy"}:
        source = _pointer(operation.get("from"))
        value = clone(_get(document, source))
        return _add(_remove(document, source) if how == "move" else document, path, value)
    raise patch_refused()


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values, in which true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _pointer(text: Any) -> list[str]:
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise patch_refused()
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _index(items: list[Any], part: str, *, end: bool = False) -> int:
    limit = len(items) + (1 if end else 0)
    if not _INDEX.fullmatch(part):
        raise patch_refused()
    index = int(part)
    if index < 0:
        index += limit
    if not 0 <= index < limit:
        raise patch_refused()
    return index


def _get(document: Any, path: Sequence[str], *, absent_is_null: bool = False) -> Any:
    for depth, part in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(document, list):
            document = document[_index(document, part)]
        elif isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, dict) and last and absent_is_null:
            return None
        else:
            raise patch_refused()
    return document


def _set(document: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    parent = _get(document, path[:-1])
    parent[_index(parent, path[-1]) if isinstance(parent, list) else path[-1]] = value
    return document


def _add(document: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    parent, part = _get(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if part == "-" else _index(parent, part, end=True), value)
    elif isinstance(parent, dict):
        parent[part] = value
    else:
        raise patch_refused()
    return document


def _remove(document: Any, path: Sequence[str]) -> Any:
    if not path:
        raise patch_refused()
    parent, part = _get(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        del parent[_index(parent, part)]
    elif isinstance(parent, dict) and part in parent:
        del parent[part]
    else:
        raise patch_refused()
    return document


def merge_patch(target: Any, patch: Any) -> Any:
    """The value after a JSON merge patch (RFC 7386); the one given is left alone."""
    if not isinstance(patch, dict):
        return clone(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result
