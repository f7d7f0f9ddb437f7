"""Makes the emulator's schema data anew: built-in kinds from the official client's models, custom ones from CRDs.

Run by hand when either moves on: `python tests/apiserver/schemas_source.py [CRD_DIRECTORY]`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from kubernetes import client  # type: ignore[attr-defined]  # untyped
from ruamel.yaml import YAML

DATA = Path(__file__).parents[2] / "canary" / "sandbox" / "apiserver" / "data"

KINDS = {
    "v1/Namespace": "V1Namespace",
    "v1/Service": "V1Service",
    "v1/Secret": "V1Secret",
    "v1/ConfigMap": "V1ConfigMap",
    "v1/ServiceAccount": "V1ServiceAccount",
    "v1/Pod": "V1Pod",
    "v1/Event": "CoreV1Event",
    "v1/Node": "V1Node",
    "v1/ResourceQuota": "V1ResourceQuota",
    "v1/LimitRange": "V1LimitRange",
    "events.k8s.io/v1/Event": "EventsV1Event",
    "apps/v1/Deployment": "V1Deployment",
    "apps/v1/ReplicaSet": "V1ReplicaSet",
    "batch/v1/Job": "V1Job",
    "coordination.k8s.io/v1/Lease": "V1Lease",
    "discovery.k8s.io/v1/EndpointSlice": "V1EndpointSlice",
    "autoscaling/v2/HorizontalPodAutoscaler": "V2HorizontalPodAutoscaler",
    "autoscaling/v1/Scale": "V1Scale",
    "policy/v1/PodDisruptionBudget": "V1PodDisruptionBudget",
    "networking.k8s.io/v1/NetworkPolicy": "V1NetworkPolicy",
    "rbac.authorization.k8s.io/v1/Role": "V1Role",
    "rbac.authorization.k8s.io/v1/RoleBinding": "V1RoleBinding",
    "rbac.authorization.k8s.io/v1/ClusterRole": "V1ClusterRole",
    "rbac.authorization.k8s.io/v1/ClusterRoleBinding": "V1ClusterRoleBinding",
    "authorization.k8s.io/v1/SelfSubjectAccessReview": "V1SelfSubjectAccessReview",
    "authorization.k8s.io/v1/SelfSubjectRulesReview": "V1SelfSubjectRulesReview",
    "authentication.k8s.io/v1/SelfSubjectReview": "V1SelfSubjectReview",
}

OPEN = {"V1JSONSchemaProps", "V1ManagedFieldsEntry"}
"""Types that are not looked into."""

QUANTITIES = {
    "limits",
    "requests",
    "capacity",
    "allocatable",
    "hard",
    "used",
    "max",
    "min",
    "default",
    "default_request",
}
"""Maps of quantities, which may be written as numbers though the client says they are texts."""

PLAIN = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "bool": "boolean",
    "datetime": "string",
    "bytes": "string",
    "object": "any",
}


def built_in() -> dict[str, Any]:
    """Types of the built-in kinds: {types: {type: {required, fields}}, kinds: {api version/kind: type}}."""
    types: dict[str, Any] = {}
    waiting = list(KINDS.values())
    while waiting:
        name = waiting.pop()
        if name in types:
            continue
        model = getattr(client, name)
        fields = {
            model.attribute_map[python]: "{any}" if python in QUANTITIES and of == "Dict[str, str]" else _type(of)
            for python, of in model.openapi_types.items()
        }
        wanted = [model.attribute_map[python] for python, field in model.model_fields.items() if field.is_required()]
        types[name] = {
            "required": sorted(wanted),
            "fields": dict(sorted(fields.items())),
        }
        waiting += [
            found
            for of in fields.values()
            for found in re.findall(r"\w+", of)
            if found[0].isupper() and found not in OPEN
        ]
    return {"kinds": KINDS, "types": dict(sorted(types.items()))}


def _type(of: str) -> str:
    if match := re.fullmatch(r"List\[(.+)\]", of):
        return f"[{_type(match[1])}]"
    if match := re.fullmatch(r"Dict\[str, (.+)\]", of):
        return f"{{{_type(match[1])}}}"
    return "any" if of in OPEN else PLAIN.get(of, of)


def custom(directory: Path) -> list[Any]:
    """The definitions in a directory, without their prose and rules in CEL, served versions only."""
    found = []
    for path in sorted(directory.glob("*.y*ml")):
        for document in YAML(typ="safe").load_all(path):
            if not document or document.get("kind") != "CustomResourceDefinition":
                continue
            document.pop("status", None)
            spec = document["spec"]
            spec["versions"] = [_bare(version) for version in spec["versions"] if version["served"]]
            found.append(document)
    return found


def _bare(value: Any, *, names: bool = False) -> Any:
    if isinstance(value, list):
        return [_bare(each) for each in value]
    if not isinstance(value, dict):
        return value
    dropped = set() if names else {"description", "x-kubernetes-validations", "example"}
    return {
        key: each if key == "default" and not names else _bare(each, names=key == "properties" and not names)
        for key, each in value.items()
        if key not in dropped
    }


def main() -> None:
    """Writes the data files."""
    _write(DATA / "built-in.json", built_in())
    if len(sys.argv) > 1:
        _write(DATA / "gateway-api.json", custom(Path(sys.argv[1])))


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
