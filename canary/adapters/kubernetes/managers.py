"""Who writes an object: its managedFields, read as words for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canary.adapters.kubernetes.api import FIELD_MANAGER

SOMEBODY = "somebody else"


def managers_of(item: Mapping[str, Any], *path: str) -> list[str]:
    """Names of the field managers that own something at or below a field, the newest first; status writers left out.

    Args:
        item: the object.
        path: names of fields, such as `spec`, `template`, and items of lists as managedFields names them
            (`k:{"name":"app"}`); none for anything.
    """
    found: list[tuple[str, str]] = []
    for entry in (item.get("metadata") or {}).get("managedFields") or ():
        if not isinstance(entry, Mapping) or entry.get("subresource") == "status":
            continue
        if _owns(entry.get("fieldsV1"), path):
            found.append((str(entry.get("time") or ""), str(entry.get("manager") or "")))
    return list(dict.fromkeys(manager for _, manager in sorted(found, reverse=True) if manager))


def writer_of(item: Mapping[str, Any], *path: str, ours: str = FIELD_MANAGER) -> str:
    """The manager that last wrote a field, we ourselves left out.

    The Deployment controller writes annotations only: asking for `spec` finds the person or tool behind a change.
    """
    return next((each for each in managers_of(item, *path) if each != ours), SOMEBODY)


def _owns(fields: Any, path: tuple[str, ...]) -> bool:
    for name in path:
        member = name if name.startswith("k:") else f"f:{name}"
        if not isinstance(fields, Mapping) or member not in fields:
            return False
        fields = fields[member]
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverter:
    """A tool that puts an object back to what a repository says.

    Attributes:
        name: as people call it.
        manager: part of its name in managedFields.
        marks: labels or annotations that it puts on what it manages.
        off: the annotation and value by which it leaves an object alone; empty when there is none.
        hint: how to make it leave a field alone; {kind}, {name}, {group} and {path} are filled in.
    """

    name: str
    manager: str
    marks: tuple[str, ...]
    hint: str
    off: tuple[str, str] = ("", "")


_FLUX = "kustomize.toolkit.fluxcd.io/"
_HELM = "helm.toolkit.fluxcd.io/"

REVERTERS = (
    Reverter(
        name="Argo CD",
        manager="argocd",
        marks=("argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance"),
        hint="in its Application: ignoreDifferences: [{{group: {group}, kind: {kind}, name: {name}, jsonPointers: "
        "[{path}]}}] and syncPolicy.syncOptions: [RespectIgnoreDifferences=true]",
    ),
    Reverter(
        name="Flux (kustomize-controller)",
        manager="kustomize-controller",
        marks=(f"{_FLUX}name",),
        off=(f"{_FLUX}reconcile", "disabled"),
        hint="in its Kustomization (1.9 or newer): ignore: "
        "[{{target: {{kind: {kind}, name: {name}}}, paths: [{path}]}}]; "
        f"or annotate the object with {_FLUX}reconcile: disabled for the release",
    ),
    Reverter(
        name="Flux (helm-controller)",
        manager="helm-controller",
        marks=(f"{_HELM}name",),
        off=(f"{_HELM}driftDetection", "disabled"),
        hint="in its HelmRelease: driftDetection.ignore: [{{paths: [{path}], target: {{kind: {kind}, name: {name}}}}}]",
    ),
    Reverter(
        name="Rancher Fleet",
        manager="fleetagent",
        marks=("objectset.rio.cattle.io/id",),
        hint="in its fleet.yaml: diff.comparePatches for {kind} {name} with a remove of {path}",
    ),
    Reverter(
        name="Config Sync",
        manager="configsync",
        marks=("configsync.gke.io/resource-id",),
        hint="annotate {kind} {name} in the repository with client.lifecycle.config.k8s.io/mutation: ignore",
    ),
    Reverter(
        name="OpenChoreo",
        manager="renderedrelease",
        marks=("openchoreo.dev/rendered-release-uid",),
        hint="it writes whole objects every few minutes; move the weights by a Trait's environmentConfigs instead",
    ),
)
"""Tools that are known to revert, by what reference/integration.md section 2.4 found out about each."""


def reverters_of(item: Mapping[str, Any]) -> list[tuple[Reverter, str]]:
    """The tools that would put an object back, each with what gives it away: a field manager or a mark."""
    metadata = item.get("metadata") or {}
    notes = {**(metadata.get("labels") or {}), **(metadata.get("annotations") or {})}
    managers = managers_of(item)
    found = []
    for tool in REVERTERS:
        if tool.off[0] and notes.get(tool.off[0]) == tool.off[1]:
            continue
        signs = [name for name in managers if tool.manager in name.lower()] + [
            name for name in tool.marks if name in notes
        ]
        if signs:
            found.append((tool, signs[0]))
    return found
