"""The names in the rights are those of the objects that the engine will touch, however long they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes.gates import gate_name
from canary.adapters.kubernetes.paths import named
from canary.spec import parse

Objects = Callable[..., dict[tuple[str, str], dict[str, Any]]]


def granted(role: dict[str, Any], resource: str, verb: str) -> set[str]:
    """Names for which a role gives a verb."""
    return {
        name
        for rule in role["rules"]
        if resource in rule["resources"] and verb in rule["verbs"]
        for name in rule.get("resourceNames", ())
    }


@pytest.mark.parametrize(
    "names",
    [
        ("shop", "shop", "shop", None),
        ("a.route.with.dots", "shop", "other", "blue"),
        ("r" * 253, "s" * 63, "w" * 253, "c"),
        ("r" * 246, "s" * 56, "w" * 233, None),
        ("r" * 247, "s" * 57, "w" * 234, "c" * 63),
        (("r" * 243) + "." + ("r" * 9), "s" * 62, ("w" * 230) + "-" + ("w" * 20), "c"),
    ],
)
def test_names_are_spelled_as_the_engine_spells_them(
    objects: Objects, minimal: str, names: tuple[str, str, str, str | None]
) -> None:
    route, service, workload, canary = names
    text = minimal.replace("name: user-service-route", f"name: {route}")
    text = text.replace("service: user-service,", f"service: {service},")
    text = text.replace("workload: {name: user-service}", f"workload: {{name: {workload}}}")
    text = text.replace("  workload:", f"  canary: {{service: {canary}}}\n  workload:") if canary else text
    file, rendered = parse(text.encode(), file="release.yaml"), objects(text)
    account = next(name for kind, name in rendered if kind == "ServiceAccount")
    role = rendered["Role", account]
    stable_workload = file.spec.workload.name if file.spec.workload else ""
    other = named(stable_workload, "canary", limit=derive.DEPLOYMENT_NAME_LIMIT)
    assert granted(role, "httproutes", "patch") == {file.spec.route.name}
    assert granted(role, "leases", "patch") == {named("canary", file.spec.route.name)}
    gate = gate_name(file.spec.route.name)
    assert granted(role, "configmaps", "patch") == {named("canary", file.spec.route.name, "journal"), gate}
    assert granted(role, "configmaps", "watch") == {gate}
    assert granted(role, "services", "get") == {file.spec.stable.service, file.canary_service}
    assert granted(role, "services", "delete") == {file.canary_service}
    assert granted(role, "deployments", "patch") == {stable_workload, other}
    assert granted(role, "deployments", "delete") == {other}


def test_names_of_made_objects_are_short_enough_and_differ(objects: Objects, minimal: str) -> None:
    made = set()
    for service in ("s" * 63, "s" * 62 + "t", "s" * 56, "s" * 57):
        text = minimal.replace("service: user-service,", f"service: {service},")
        names = {name for kind, name in objects(text) if kind == "ServiceAccount"}
        assert all(len(name) <= 63 for name in names)
        made |= names
    assert len(made) == 4
