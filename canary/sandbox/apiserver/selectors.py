"""Label and field selectors: from the text of a query to a test of objects.

Sources: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ and .../field-selectors/.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from canary.sandbox.apiserver.errors import Json, bad_request

Selector = Callable[[Json], bool]
Test = Callable[[dict[str, str]], bool]

_SET = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s+(?P<how>in|notin)\s*\((?P<values>[^()]*)\)\s*$")
_EQUAL = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s*(?P<how>==|=|!=)\s*(?P<value>[^\s!=,()]*)\s*$")
_EXISTS = re.compile(r"^\s*(?P<not>!?)\s*(?P<key>[^\s!=,()]+)\s*$")
_COMMA = re.compile(r",(?![^()]*\))")

FIELDS: dict[str, frozenset[str]] = {
    "pods": frozenset(
        {"spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "status.phase", "status.podIP"}
    ),
    "events": frozenset(
        {
            f"involvedObject.{part}"
            for part in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
        }
        | {"reason", "type", "source", "reportingComponent", "reportingController"}
    ),
    "secrets": frozenset({"type"}),
    "namespaces": frozenset({"status.phase"}),
    "services": frozenset({"spec.clusterIP", "spec.type"}),
    "replicasets.apps": frozenset({"status.replicas"}),
    "jobs.batch": frozenset({"status.successful"}),
}
"""Fields beside metadata.name and metadata.namespace by which a resource can be selected."""


def label_selector(text: str) -> Selector | None:
    """Reads a labelSelector such as `app=web,tier in (a,b),!old,owner!=helm`.

    Returns:
        The test of an object, or None when everything is selected.

    Raises:
        ApiError: 400 for text that is no selector.
    """
    tests = [_label_test(part, text) for part in _COMMA.split(text) if text.strip()]
    if not tests:
        return None

    def selected(item: Json) -> bool:
        labels = item.get("metadata", {}).get("labels") or {}
        return all(test(labels) for test in tests)

    return selected


def _label_test(part: str, text: str) -> Test:
    if match := _SET.match(part):
        key, values = match["key"], frozenset(value.strip() for value in match["values"].split(","))
        if match["how"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _EQUAL.match(part):
        key, value = match["key"], match["value"]
        if match["how"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _EXISTS.match(part):
        key, wanted = match["key"], not match["not"]
        return lambda labels: (key in labels) is wanted
    raise bad_request(f'unable to parse requirement: "{text}" is no label selector')


def matches(selector: Json | None, labels: dict[str, str]) -> bool:
    """Whether labels satisfy a LabelSelector object (matchLabels and matchExpressions)."""
    selector = selector or {}
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for requirement in selector.get("matchExpressions") or ():
        key, values = requirement["key"], requirement.get("values") or ()
        holds = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not holds.get(requirement["operator"], False):
            return False
    return True


def field_selector(text: str, resource: str) -> Selector | None:
    """Reads a fieldSelector such as `metadata.name=web,status.phase!=Running`.

    Raises:
        ApiError: 400 for a field by which this resource cannot be selected.
    """
    tests: list[tuple[tuple[str, ...], bool, str]] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _EQUAL.match(part)
        if match is None:
            raise bad_request(f'invalid selector: "{text}"; can\'t understand "{part}"')
        field = match["key"]
        if field not in {"metadata.name", "metadata.namespace"} and field not in FIELDS.get(resource, ()):
            raise bad_request(f'field label not supported: "{field}"')
        tests.append((_place(field), match["how"] == "!=", match["value"]))
    if not tests:
        return None
    return lambda item: all((_at(item, path) == value) is not negated for path, negated, value in tests)


def _place(field: str) -> tuple[str, ...]:
    path = tuple(field.split("."))
    if path == ("source",):
        return ("source", "component")
    return ("reportingComponent",) if path == ("reportingController",) else path


def _at(item: Any, path: tuple[str, ...]) -> str:
    for part in path:
        item = item.get(part) if isinstance(item, dict) else None
    return "" if item is None else str(item)
