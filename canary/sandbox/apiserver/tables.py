"""What `kubectl get` shows: columns by kind, as the server prints them.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from canary.sandbox.apiserver.errors import Json
from canary.sandbox.apiserver.resources import Resource

Cell = Callable[[Json], Any]

AS_TABLE = re.compile(r"as=Table;.*g=meta\.k8s\.io")


def wants_table(accept: str) -> bool:
    """Whether a client asks for a table before anything else."""
    return bool(AS_TABLE.search(accept.split(",", maxsplit=1)[0]))


def _at(item: Any, *path: str) -> Any:
    for part in path:
        item = item.get(part) if isinstance(item, dict) else None
    return item


def _ready(item: Json) -> str:
    return f"{_at(item, 'status', 'readyReplicas') or 0}/{_at(item, 'spec', 'replicas') or 0}"


def _pod_ready(item: Json) -> str:
    states = _at(item, "status", "containerStatuses") or []
    return f"{sum(bool(state.get('ready')) for state in states)}/{len(_at(item, 'spec', 'containers') or [])}"


def _phase(item: Json) -> str:
    return "Terminating" if "deletionTimestamp" in item["metadata"] else str(_at(item, "status", "phase") or "")


def _restarts(item: Json) -> int:
    return sum(state.get("restartCount", 0) for state in _at(item, "status", "containerStatuses") or [])


def _ports(item: Json) -> str:
    return ",".join(f"{port['port']}/{port['protocol']}" for port in _at(item, "spec", "ports") or [])


def _endpoints(item: Json) -> str:
    return ",".join(address for point in item.get("endpoints") or [] for address in point.get("addresses") or [])


def _message(item: Json) -> str:
    return str(item.get("message") or "").strip()


def _about(item: Json) -> str:
    of = item.get("involvedObject") or {}
    return f"{str(of.get('kind', '')).lower()}/{of.get('name', '')}"


def _last_seen(item: Json) -> str:
    return age(item.get("lastTimestamp") or item.get("eventTime") or item["metadata"].get("creationTimestamp"))


def _containers(field: str) -> Cell:
    def cell(item: Json) -> str:
        containers = _at(item, "spec", "template", "spec", "containers") or []
        return ",".join(str(container.get(field, "")) for container in containers)

    return cell


def _pairs(*path: str) -> Cell:
    def cell(item: Json) -> str:
        return ",".join(f"{key}={value}" for key, value in sorted((_at(item, *path) or {}).items())) or "<none>"

    return cell


COLUMNS: dict[str, tuple[tuple[str, Cell], ...]] = {
    "namespaces": (("Status", _phase),),
    "services": (
        ("Type", lambda item: _at(item, "spec", "type")),
        ("Cluster-IP", lambda item: _at(item, "spec", "clusterIP") or "<none>"),
        ("Port(s)", _ports),
    ),
    "configmaps": (("Data", lambda item: len(item.get("data") or {})),),
    "secrets": (("Type", lambda item: item.get("type")), ("Data", lambda item: len(item.get("data") or {}))),
    "pods": (("Ready", _pod_ready), ("Status", _phase), ("Restarts", _restarts)),
    "deployments.apps": (
        ("Ready", _ready),
        ("Up-to-date", lambda item: _at(item, "status", "updatedReplicas") or 0),
        ("Available", lambda item: _at(item, "status", "availableReplicas") or 0),
    ),
    "leases.coordination.k8s.io": (("Holder", lambda item: _at(item, "spec", "holderIdentity") or ""),),
    "endpointslices.discovery.k8s.io": (
        ("AddressType", lambda item: item.get("addressType")),
        ("Endpoints", _endpoints),
    ),
    "events": (
        ("Last Seen", _last_seen),
        ("Type", lambda item: item.get("type")),
        ("Reason", lambda item: item.get("reason")),
        ("Object", _about),
        ("Message", _message),
    ),
}
"""Columns between Name and Age of the built-in kinds that people look at most."""


WIDE: dict[str, tuple[tuple[str, Cell], ...]] = {
    "services": (("Selector", _pairs("spec", "selector")),),
    "pods": (
        ("IP", lambda item: _at(item, "status", "podIP") or "<none>"),
        ("Node", lambda item: _at(item, "spec", "nodeName") or "<none>"),
    ),
    "deployments.apps": (
        ("Containers", _containers("name")),
        ("Images", _containers("image")),
        ("Selector", _pairs("spec", "selector", "matchLabels")),
    ),
}
"""Columns after Age, for `-o wide`."""

Column = tuple[str, Cell, int]
"""Name, cell, and priority: 0 is always shown, 1 with `-o wide`."""


def table(resource: Resource, items: list[Json], version: str, *, head: bool = True, include: str = "Metadata") -> Json:
    """The objects as a Table.

    Args:
        resource: their resource.
        items: the objects.
        version: resourceVersion of the list.
        head: with column definitions; a watch sends them once.
        include: how much of each object goes with its row: None, Metadata or Object.
    """
    columns = _columns(resource)
    definitions = [{"name": "Name", "type": "string", "format": "name", "priority": 0, "description": ""}] + [
        {"name": name, "type": "string", "format": "", "priority": priority, "description": ""}
        for name, _, priority in columns
    ]
    rows = []
    for item in items:
        cells = [item["metadata"].get("name", ""), *(_shown(cell(item)) for _, cell, _ in columns)]
        row: Json = {"cells": cells}
        if include == "Object":
            row["object"] = item
        elif include != "None":
            metadata = item["metadata"]
            row["object"] = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": definitions if head else None,
        "rows": rows,
    }


def _columns(resource: Resource) -> list[Column]:
    if resource.custom and resource.columns:
        return [
            (column["name"], _path(column["jsonPath"], date=column.get("type") == "date"), column.get("priority", 0))
            for column in resource.columns
        ]
    own: list[Column] = [(name, cell, 0) for name, cell in COLUMNS.get(resource.qualified, ())]
    if resource.qualified != "events":
        own.append(("Age", _age, 0))
    return own + [(name, cell, 1) for name, cell in WIDE.get(resource.qualified, ())]


def _age(item: Json) -> str:
    return age(item["metadata"].get("creationTimestamp"))


def age(text: str | None) -> str:
    """How long ago a time was, as kubectl writes it."""
    if not text:
        return "<unknown>"
    try:
        seconds = int((datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds())
    except (ValueError, TypeError):
        return "<invalid>"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size or (unit == "d" and seconds >= size):
            return f"{seconds // size}{unit}"
    return f"{max(seconds, 0)}s"


_STEP = re.compile(r"\.([\w-]+)|\[(\d+|\*)\]|\[\?\(@\.(\w+)==\"([^\"]*)\"\)\]")


def _path(text: str, *, date: bool) -> Cell:
    """A cell by the JSONPath of a printer column: members, indices, and conditions by type."""
    steps = list(_STEP.finditer(text))

    def cell(item: Json) -> Any:
        found: list[Any] = [item]
        for step in steps:
            found = [after for value in found for after in _next(value, step)]
        if date:
            return age(found[0] if found else None)
        return found[0] if len(found) == 1 else ",".join(map(str, found))

    return cell


def _next(value: Any, step: re.Match[str]) -> list[Any]:
    name, index, key, wanted = step.groups()
    if name is not None:
        return [value[name]] if isinstance(value, dict) and name in value else []
    if not isinstance(value, list):
        return []
    if key is not None:
        return [each for each in value if isinstance(each, dict) and each.get(key) == wanted]
    if index == "*":
        return value
    return value[int(index) : int(index) + 1]


def _shown(value: Any) -> Any:
    return json.dumps(value, separators=(",", ":")) if isinstance(value, (dict, list)) else value
