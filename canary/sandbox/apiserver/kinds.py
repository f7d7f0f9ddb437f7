"""Schemas of the built-in kinds, made from the compact table in `data/built-in.json` when first asked for."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from canary.sandbox.apiserver.errors import Json
from canary.sandbox.apiserver.resources import Resource
from canary.sandbox.apiserver.schema import OPEN

DATA = Path(__file__).parent / "data"

KEYS: dict[tuple[str, str], tuple[str, ...]] = {
    ("V1PodSpec", "containers"): ("name",),
    ("V1PodSpec", "initContainers"): ("name",),
    ("V1PodSpec", "ephemeralContainers"): ("name",),
    ("V1PodSpec", "volumes"): ("name",),
    ("V1PodSpec", "imagePullSecrets"): ("name",),
    ("V1PodSpec", "hostAliases"): ("ip",),
    ("V1PodSpec", "topologySpreadConstraints"): ("topologyKey", "whenUnsatisfiable"),
    ("V1Container", "ports"): ("containerPort", "protocol"),
    ("V1Container", "env"): ("name",),
    ("V1Container", "volumeMounts"): ("mountPath",),
    ("V1Container", "volumeDevices"): ("devicePath",),
    ("V1PodStatus", "podIPs"): ("ip",),
    ("V1ServiceSpec", "ports"): ("port", "protocol"),
    ("V1ServiceAccount", "secrets"): ("name",),
    ("V1ObjectMeta", "ownerReferences"): ("uid",),
}
"""Lists that are merged by key (`+listMapKey` in the API's types). The first key is strategic merge's."""

SETS = {("V1ObjectMeta", "finalizers"), ("V1ServiceSpec", "externalIPs")}
ATOMIC = {
    "V1LabelSelector",
    "V1ObjectReference",
    "V1LocalObjectReference",
    "V1SecretKeySelector",
    "V1ConfigMapKeySelector",
}

ENUMS: dict[tuple[str, str], tuple[str, ...]] = {
    ("V1ServicePort", "protocol"): ("SCTP", "TCP", "UDP"),
    ("V1ContainerPort", "protocol"): ("SCTP", "TCP", "UDP"),
    ("V1ServiceSpec", "type"): ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"),
    ("V1Container", "imagePullPolicy"): ("Always", "IfNotPresent", "Never"),
    ("V1PodSpec", "restartPolicy"): ("Always", "Never", "OnFailure"),
    ("V1DeploymentStrategy", "type"): ("Recreate", "RollingUpdate"),
    ("V1EndpointSlice", "addressType"): ("FQDN", "IPv4", "IPv6"),
    ("V1PodFailurePolicyRule", "action"): ("Count", "FailIndex", "FailJob", "Ignore"),
}
"""The closed choices that people get wrong most."""

META = "V1ObjectMeta"


@cache
def _table() -> Json:
    table: Json = json.loads((DATA / "built-in.json").read_text(encoding="utf-8"))
    return table


@cache
def of_type(name: str) -> Json:
    """The schema of a type of the API, such as V1ObjectMeta."""
    entry = _table()["types"][name]
    schema: Json = {"type": "object", "properties": {}}
    if not name.endswith("Status") and entry["required"]:  # a status's zeros may be left out
        schema["required"] = [field for field in entry["required"] if field != "metadata"]
    for field, of in entry["fields"].items():
        schema["properties"][field] = _field(name, field, of)
    if name in ATOMIC:
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def _field(owner: str, field: str, of: str) -> Json:
    schema = _expand(of)
    keys = KEYS.get((owner, field)) or (("type",) if field == "conditions" else None)
    if keys:
        return {**schema, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
    if (owner, field) in SETS:
        return {**schema, "x-kubernetes-list-type": "set"}
    if (owner, field) in ENUMS:
        return {**schema, "enum": list(ENUMS[owner, field])}
    return schema


def _expand(of: str) -> Json:
    if of.startswith("["):
        return {"type": "array", "items": _expand(of[1:-1])}
    if of.startswith("{"):
        return {"type": "object", "additionalProperties": _expand(of[1:-1])}
    if of == "any":
        return {OPEN: True}
    return of_type(of) if of[0].isupper() else {"type": of}


_OPEN_KIND: Json = {"type": "object", OPEN: True, "properties": {}}


@cache
def built_in(api_version: str, kind: str) -> Json:
    """The schema of a built-in kind; one that allows everything for a kind that is not in the table."""
    name = _table()["kinds"].get(f"{api_version}/{kind}")
    if name:
        return of_type(name)
    return {**_OPEN_KIND, "properties": {"metadata": of_type(META)}}


def _with_metadata(resource: Resource) -> Json:
    schema: Json = dict(resource.schema or {"type": "object"})
    properties: dict[str, Any] = dict(schema.get("properties") or {})
    properties.setdefault("apiVersion", {"type": "string"})
    properties.setdefault("kind", {"type": "string"})
    properties["metadata"] = of_type(META)
    return {**schema, "properties": properties}


_CUSTOM: dict[int, tuple[Resource, Json]] = {}


def schema_of(resource: Resource) -> Json:
    """The structural schema of a resource's objects, metadata included."""
    if not resource.custom:
        return built_in(resource.api_version, resource.kind)
    known = _CUSTOM.get(id(resource))  # by identity: a schema is not hashable, and a definition makes a new resource
    if known is None or known[0] is not resource:
        known = _CUSTOM[id(resource)] = (resource, _with_metadata(resource))
    return known[1]
