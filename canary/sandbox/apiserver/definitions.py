"""CustomResourceDefinitions: which are well formed, and those that the sandbox starts with.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from canary.sandbox.apiserver.errors import Cause, Json
from canary.sandbox.apiserver.resources import BUILT_IN
from canary.sandbox.apiserver.schema import mistakes

KIND = "CustomResourceDefinition"
TEXT: Json = {"type": "string", "minLength": 1}
SHAPE: Json = {
    "type": "object",
    "required": ["group", "names", "scope", "versions"],
    "properties": {
        "group": {**TEXT, "pattern": r"^[a-z0-9-]+(\.[a-z0-9-]+)+$"},
        "scope": {"type": "string", "enum": ["Cluster", "Namespaced"]},
        "names": {
            "type": "object",
            "required": ["kind", "plural"],
            "properties": {
                "kind": TEXT,
                "plural": {**TEXT, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"},
                "singular": {"type": "string"},
                "listKind": {"type": "string"},
                "shortNames": {"type": "array", "items": TEXT},
                "categories": {"type": "array", "items": TEXT},
            },
        },
        "versions": {
            "type": "array",
            "minItems": 1,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "required": ["name", "served", "storage", "schema"],
                "properties": {
                    "name": {**TEXT, "pattern": "^[a-z][a-z0-9]*$"},
                    "served": {"type": "boolean"},
                    "storage": {"type": "boolean"},
                    "subresources": {"type": "object", "properties": {"status": {"type": "object"}}},
                    "schema": {
                        "type": "object",
                        "required": ["openAPIV3Schema"],
                        "properties": {"openAPIV3Schema": {"type": "object"}},
                    },
                    "additionalPrinterColumns": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["jsonPath", "name", "type"],
                            "properties": {
                                "jsonPath": TEXT,
                                "name": TEXT,
                                "type": TEXT,
                                "priority": {"type": "integer"},
                            },
                        },
                    },
                },
            },
        },
    },
}
"""What this server reads of a definition's spec."""

_TYPES = ["array", "boolean", "integer", "number", "object", "string"]
_SIZES = ("maxItems", "maxLength", "maxProperties", "minItems", "minLength")
_NODE: Json = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": _TYPES},
        "format": {"type": "string"},
        "pattern": {"type": "string"},
        "nullable": {"type": "boolean"},
        "enum": {"type": "array"},
        "required": {"type": "array", "items": TEXT},
        "properties": {"type": "object", "additionalProperties": {"type": "object"}},
        "items": {"type": "object"},
        "maximum": {"type": "number"},
        "minimum": {"type": "number"},
        **{size: {"type": "integer"} for size in _SIZES},
        **{word: {"type": "array", "items": {"type": "object"}} for word in ("allOf", "anyOf", "oneOf")},
        "not": {"type": "object"},
        "x-kubernetes-list-type": {"type": "string", "enum": ["atomic", "map", "set"]},
        "x-kubernetes-list-map-keys": {"type": "array", "items": TEXT},
        "x-kubernetes-map-type": {"type": "string", "enum": ["atomic", "granular"]},
    },
}
"""What this server reads of one node of a structural schema."""

DEEPEST = 64
"""Levels of a schema."""


def broken_definition(item: Json) -> list[Cause]:
    """Everything about a definition for which it cannot be served."""
    spec = item.get("spec")
    found = list(mistakes(spec, SHAPE, "spec"))
    if found or not isinstance(spec, dict):
        return found
    name = f"{spec['names']['plural']}.{spec['group']}"
    if item["metadata"]["name"] != name:
        message = f'Invalid value: "{item["metadata"]["name"]}": must be spec.names.plural+"."+spec.group'
        found.append(Cause(reason="FieldValueInvalid", message=message, field="metadata.name"))
    if any(each.qualified == name for each in BUILT_IN):
        message = f'Invalid value: "{name}": is served by the API server itself'
        found.append(Cause(reason="FieldValueInvalid", message=message, field="metadata.name"))
    if sum(version["storage"] for version in spec["versions"]) != 1:
        message = "Invalid value: must have exactly one version marked as storage version"
        found.append(Cause(reason="FieldValueInvalid", message=message, field="spec.versions"))
    for index, version in enumerate(spec["versions"]):
        path = f"spec.versions[{index}].schema.openAPIV3Schema"
        found += _structural(version["schema"]["openAPIV3Schema"], path)
    return found


def _structural(node: Json, path: str, depth: int = 0) -> Iterator[Cause]:
    wrong = list(mistakes(node, _NODE, path))
    yield from wrong
    if wrong:
        return
    if depth == DEEPEST:
        yield _invalid(path, f"schemas may be {DEEPEST} levels deep")
        return
    if "pattern" in node:
        try:
            re.compile(node["pattern"])
        except re.error as error:
            yield _invalid(path + ".pattern", f"must be a valid regular expression, but isn't: {error}")
    if node.get("x-kubernetes-list-type") == "map" and not node.get("x-kubernetes-list-map-keys"):
        yield Cause(reason="FieldValueRequired", message="Required value", field=path + ".x-kubernetes-list-map-keys")
    for below, each in _below(node, path):
        yield from _structural(each, below, depth + 1)


def _below(node: Json, path: str) -> Iterator[tuple[str, Json]]:
    for name, each in node.get("properties", {}).items():
        yield f"{path}.properties[{name}]", each
    for word in ("items", "additionalProperties", "not"):
        if isinstance(node.get(word), dict):
            yield f"{path}.{word}", node[word]
    for word in ("allOf", "anyOf", "oneOf"):
        for index, each in enumerate(node.get(word, ())):
            yield f"{path}.{word}[{index}]", each


def _invalid(path: str, rule: str) -> Cause:
    return Cause(reason="FieldValueInvalid", message=f"Invalid value: {rule}", field=path)


def definitions(directory: Path | None = None) -> list[Json]:
    """The CustomResourceDefinitions in a directory's YAML files; the packaged Gateway API's when none is named.

    Raises:
        ValueError: the directory is none, holds none, or a file is no YAML.
    """
    if directory is None:
        packaged: list[Any] = json.loads((Path(__file__).parent / "data" / "gateway-api.json").read_text("utf-8"))
        return packaged
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if not directory.is_dir():
        raise ValueError(f"{directory} is no directory: name one with CustomResourceDefinitions in YAML files")
    found = []
    for path in sorted(directory.glob("*.y*ml")):
        try:
            documents = list(YAML(typ="safe", pure=True).load_all(path))
        except (YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no YAML: {error}") from None
        found += [each for each in documents if isinstance(each, dict) and each.get("kind") == KIND]
    if not found:
        raise ValueError(f"{directory} holds no {KIND}: put at least one there, in a file that ends in .yaml or .yml")
    return found
