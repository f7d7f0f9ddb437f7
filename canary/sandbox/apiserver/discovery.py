"""What a server says of itself: versions, groups, resources, and as much OpenAPI as kubectl asks for.

Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#discovery-api (unaggregated form).
"""

from __future__ import annotations

from canary.sandbox.apiserver.errors import Json
from canary.sandbox.apiserver.kinds import schema_of
from canary.sandbox.apiserver.resources import Registry, Resource

VERSION: Json = {
    "major": "1",
    "minor": "34",
    "gitVersion": "v1.34.0-sandbox.emulator",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "emulator",
}
"""A version whose words say that this is no real server."""


def answer(registry: Registry, path: str) -> Json | None:
    """What is said under a path of discovery; None when the path is another."""
    match path.strip("/").split("/"):
        case ["api"]:
            return core_versions("127.0.0.1")
        case ["apis", *names] if len(names) < 2:
            return group(registry, names[0]) if names else groups(registry)
        case ["api", version]:
            return resources(registry, "", version)
        case ["apis", name, version]:
            return resources(registry, name, version)
        case ["openapi", "v3", *where]:
            return _openapi(registry, where)
    return None


def _openapi(registry: Registry, where: list[str]) -> Json | None:
    match where:
        case []:
            return openapi_paths(registry)
        case ["api", version]:
            return openapi(registry, "", version)
        case ["apis", name, version]:
            return openapi(registry, name, version)
    return None


def core_versions(address: str) -> Json:
    """What /api answers."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def _versions(registry: Registry) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for resource in registry:
        versions = found.setdefault(resource.group, [])
        if resource.version not in versions:
            versions.append(resource.version)
    # Stable before beta, as every server prefers.
    return {group: sorted(versions, key=lambda text: ("beta" in text, text)) for group, versions in found.items()}


def group(registry: Registry, name: str) -> Json | None:
    """What /apis/NAME answers; None when there is no such group."""
    versions = _versions(registry).get(name) if name else None
    if not versions:
        return None
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"kind": "APIGroup", "apiVersion": "v1", "name": name, "versions": listed, "preferredVersion": listed[0]}


def groups(registry: Registry) -> Json:
    """What /apis answers."""
    found = [group(registry, name) for name in _versions(registry) if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def resources(registry: Registry, group_name: str, version: str) -> Json | None:
    """What /api/v1 and /apis/GROUP/VERSION answer; None when nothing is served there."""
    served = [each for each in registry if (each.group, each.version) == (group_name, version)]
    if not served:
        return None
    listed: list[Json] = []
    for each in served:
        listed.append(_entry(each))
        listed += [_part(each, part) for part in each.subresources]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group_name}/{version}" if group_name else version,
        "resources": listed,
    }


def _entry(resource: Resource) -> Json:
    entry: Json = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short:
        entry["shortNames"] = list(resource.short)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return entry


def _part(resource: Resource, part: str) -> Json:
    kind, group, version = _KINDS.get(part, (resource.kind, "", ""))
    entry: Json = {
        "name": f"{resource.plural}/{part}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind,
        "verbs": _VERBS.get(part, ["get", "patch", "update"]),
    }
    return {**entry, "group": group, "version": version} if group else entry


_KINDS = {"scale": ("Scale", "autoscaling", "v1"), "token": ("TokenRequest", "authentication.k8s.io", "v1")}
_VERBS = {"log": ["get"], "token": ["create"]}


def openapi_paths(registry: Registry) -> Json:
    """What /openapi/v3 answers: where each group's document is."""
    served = {(each.group, each.version) for each in registry}
    paths = sorted(f"apis/{name}/{version}" if name else f"api/{version}" for name, version in served)
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in paths}}


def openapi(registry: Registry, group_name: str, version: str) -> Json | None:
    """One group's OpenAPI v3 document: the schemas, and that writes take fieldValidation and dryRun.

    kubectl reads it for `explain`, and to know that the server validates fields itself. None for an unknown group.
    """
    schemas, paths = {}, {}
    root = f"/apis/{group_name}/{version}" if group_name else f"/api/{version}"
    for each in registry:
        if (each.group, each.version) != (group_name, version):
            continue
        kind = {"group": each.group, "version": each.version, "kind": each.kind}
        schema = {**schema_of(each), "x-kubernetes-group-version-kind": [kind]}
        schemas[f"{each.group or 'core'}.{each.version}.{each.kind}"] = schema
        where = f"{root}/namespaces/{{namespace}}/{each.plural}" if each.namespaced else f"{root}/{each.plural}"
        parameters = [
            {"name": name, "in": "query", "schema": {"type": "string"}} for name in ("dryRun", "fieldValidation")
        ]
        operation = {"parameters": parameters, "x-kubernetes-group-version-kind": kind, "responses": {}}
        paths[where + "/{name}"] = {"patch": operation, "put": operation}
        paths[where] = {"post": operation}
    if not schemas:
        return None
    info = {"title": "Kubernetes API emulator", "version": VERSION["gitVersion"]}
    return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}
