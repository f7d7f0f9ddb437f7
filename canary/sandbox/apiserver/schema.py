"""Structural schemas: dropping what they do not know, filling in defaults, and finding what breaks them.

Sources: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/ (structural
schemas, pruning, defaulting); the wording of mistakes follows k8s.io/kube-openapi and k8s.io/apiextensions-apiserver.
Rules in CEL (`x-kubernetes-validations`) are not evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from canary.sandbox.apiserver.errors import Cause, Json
from canary.sandbox.apiserver.store import clone

OPEN = "x-kubernetes-preserve-unknown-fields"

DATE_TIME = re.compile(
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])",
    re.IGNORECASE,
)
"""RFC 3339, as Go reads times."""


def prune(value: Any, schema: Json, path: str = "") -> tuple[Any, list[str]]:
    """The value without the fields that its schema does not know, and the paths of those."""
    unknown: list[str] = []
    return _prune(value, schema, path, unknown), unknown


def _prune(value: Any, schema: Json, path: str, unknown: list[str]) -> Any:
    if isinstance(value, dict):
        properties, extra = schema.get("properties"), schema.get("additionalProperties")
        kept: Json = {}
        for key, each in value.items():
            below = f"{path}.{key}" if path else key
            if properties is not None and key in properties:
                kept[key] = _prune(each, properties[key], below, unknown)
            elif isinstance(extra, dict):
                kept[key] = _prune(each, extra, below, unknown)
            elif extra is True or schema.get(OPEN) or (properties is None and schema.get("type") != "object"):
                kept[key] = each
            else:
                unknown.append(below)
        return kept
    if isinstance(value, list):
        items = schema.get("items") or {OPEN: True}
        return [_prune(each, items, f"{path}[{index}]", unknown) for index, each in enumerate(value)]
    return value


def without_nulls(value: Any, schema: Json, *, everywhere: bool) -> Any:
    """The value without the members that are null and may not be: nearly every client writes them, meaning absent.

    Args:
        value: an object.
        schema: its schema.
        everywhere: for built-in kinds, in whose types null always means absent.
    """
    if isinstance(value, list):
        items = schema.get("items") or {}
        return [without_nulls(each, items, everywhere=everywhere) for each in value]
    if not isinstance(value, dict):
        return value
    properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
    kept: Json = {}
    for key, each in value.items():
        known = properties.get(key, extra if isinstance(extra, dict) else {})
        if each is not None or not (everywhere or (known and not known.get("nullable") and not known.get(OPEN))):
            kept[key] = without_nulls(each, known, everywhere=everywhere)
    return kept


def fill(value: Any, schema: Json) -> None:
    """Puts the schema's defaults where nothing stands."""
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        for key, below in properties.items():
            if "default" in below and key not in value:
                value[key] = clone(below["default"])
        extra = schema.get("additionalProperties")
        for key, each in value.items():
            if key in properties:
                fill(each, properties[key])
            elif isinstance(extra, dict):
                fill(each, extra)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for each in value:
            fill(each, schema["items"])


def mistakes(value: Any, schema: Json, path: str = "") -> Iterator[Cause]:
    """Everything about the value that breaks its schema."""
    if value is None and schema.get("nullable"):
        return
    if wrong := _wrong_type(value, schema, path):
        yield wrong
        return
    if "enum" in schema and value not in schema["enum"]:
        choice = ", ".join(json.dumps(each) for each in schema["enum"])
        text = f"Unsupported value: {json.dumps(value)}: supported values: {choice}"
        yield Cause(reason="FieldValueNotSupported", message=text, field=path)
    if isinstance(value, str):
        yield from _of_text(value, schema, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _of_number(value, schema, path)
    elif isinstance(value, list):
        yield from _of_list(value, schema, path)
    elif isinstance(value, dict):
        yield from _of_object(value, schema, path)
    yield from _of_combinations(value, schema, path)


_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: (
        isinstance(value, (int, float)) and not isinstance(value, bool) and float(value).is_integer()
    ),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def kind_of(value: Any) -> str:
    """The JSON type's name of a value."""
    if value is None:
        return "null"
    return next(name for name in ("boolean", "string", "integer", "number", "array", "object") if _TYPES[name](value))


def _wrong_type(value: Any, schema: Json, path: str) -> Cause | None:
    wanted = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            return None
        wanted = "integer,string"
    elif wanted is None or _TYPES[wanted](value):
        return None
    found = kind_of(value)
    return Cause(
        reason="FieldValueTypeInvalid",
        message=f'Invalid value: "{found}": {path} in body must be of type {wanted}: "{found}"',
        field=path,
    )


def _bad(value: Any, path: str, rule: str) -> Cause:
    message = f"Invalid value: {json.dumps(value)}: {path} in body {rule}"
    return Cause(reason="FieldValueInvalid", message=message, field=path)


def _of_text(value: str, schema: Json, path: str) -> Iterator[Cause]:
    if len(value) > schema.get("maxLength", len(value)):
        message = f"Too long: may not be more than {schema['maxLength']} bytes"
        yield Cause(reason="FieldValueTooLong", message=message, field=path)
    if len(value) < schema.get("minLength", 0):
        yield _bad(value, path, f"should be at least {schema['minLength']} chars long")
    if schema.get("format") == "date-time" and not DATE_TIME.fullmatch(value):
        yield _bad(value, path, f"must be of type date-time: {json.dumps(value)}")
    if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        yield _bad(value, path, f"should match '{schema['pattern']}'")


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    # Go's classes of characters, and its `$`, which does not match before a last newline.
    return re.compile(re.sub(r"(?<!\\)\$(?=$|\))", r"\\Z", text.replace("[:alnum:]", "a-zA-Z0-9")))


def _of_number(value: float, schema: Json, path: str) -> Iterator[Cause]:
    if "maximum" in schema and value > schema["maximum"]:
        yield _bad(value, path, f"should be less than or equal to {schema['maximum']}")
    if "minimum" in schema and value < schema["minimum"]:
        yield _bad(value, path, f"should be greater than or equal to {schema['minimum']}")
    bits = {"int32": 31, "int64": 63}.get(schema.get("format", ""), 0)
    if bits and not -(2**bits) <= value < 2**bits:
        yield _bad(value, path, f'must be of type {schema["format"]}: "{value}"')


def _of_list(value: list[Any], schema: Json, path: str) -> Iterator[Cause]:
    if len(value) > schema.get("maxItems", len(value)):
        message = f"Too many: {len(value)}: must have at most {schema['maxItems']} items"
        yield Cause(reason="FieldValueTooMany", message=message, field=path)
    if len(value) < schema.get("minItems", 0):
        yield _bad(len(value), path, f"should have at least {schema['minItems']} items")
    items = schema.get("items") or {}
    for index, each in enumerate(value):
        yield from mistakes(each, items, f"{path}[{index}]")
    yield from _duplicates(value, schema, path)


def _duplicates(value: list[Any], schema: Json, path: str) -> Iterator[Cause]:
    how = schema.get("x-kubernetes-list-type")
    if how not in {"set", "map"}:
        return
    seen: set[str] = set()
    for index, each in enumerate(value):
        if how == "map" and not isinstance(each, dict):  # of the wrong type, which has been said
            continue
        named = {key: each.get(key) for key in schema["x-kubernetes-list-map-keys"]} if how == "map" else each
        name = json.dumps(named, sort_keys=True)
        if name in seen:
            yield Cause(reason="FieldValueDuplicate", message=f"Duplicate value: {name}", field=f"{path}[{index}]")
        seen.add(name)


def _of_object(value: Json, schema: Json, path: str) -> Iterator[Cause]:
    for key in schema.get("required", ()):
        if key not in value:
            field = f"{path}.{key}" if path else key
            yield Cause(reason="FieldValueRequired", message="Required value", field=field)
    if len(value) > schema.get("maxProperties", len(value)):
        message = f"Too many: {len(value)}: must have at most {schema['maxProperties']} items"
        yield Cause(reason="FieldValueTooMany", message=message, field=path)
    properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
    for key, each in value.items():
        below = f"{path}.{key}" if path else key
        if key in properties:
            yield from mistakes(each, properties[key], below)
        elif isinstance(extra, dict):
            yield from mistakes(each, extra, below)


def _of_combinations(value: Any, schema: Json, path: str) -> Iterator[Cause]:
    for word, rule in (
        ("anyOf", "must validate at least one schema (anyOf)"),
        ("oneOf", "must validate one and only one schema (oneOf)"),
    ):
        if word in schema:
            good = sum(next(mistakes(value, each, path), None) is None for each in schema[word])
            if good == 0 or (word == "oneOf" and good > 1):
                message = f'Invalid value: {json.dumps(value)}: "{path}" {rule}'
                yield Cause(reason="FieldValueInvalid", message=message, field=path)
    for each in schema.get("allOf", ()):
        yield from mistakes(value, each, path)
    if "not" in schema and next(mistakes(value, schema["not"], path), None) is None:
        message = f'Invalid value: {json.dumps(value)}: "{path}" must not validate the schema (not)'
        yield Cause(reason="FieldValueInvalid", message=message, field=path)
