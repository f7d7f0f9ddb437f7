"""A narrow role is enough for preflight, and each right that is missing is named with the rule to add."""

from __future__ import annotations

from typing import Any

import pytest

from canary.adapters.kubernetes import Api
from canary.core.outcome import ExitCode
from tests.adapters.preflighting import Check, one

pytestmark = pytest.mark.real


RULES = {
    "route": ("gateway.networking.k8s.io", "httproutes", ["get", "list", "watch", "patch"], ["shop"]),
    "deployments": ("apps", "deployments", ["get", "patch"], ["shop", "shop-canary"]),
    "canary": ("apps", "deployments", ["delete"], ["shop-canary"]),
    "making": ("apps", "deployments", ["create", "list"], []),
    "services": ("", "services", ["get", "list", "create", "delete"], []),
    "endpoints": ("discovery.k8s.io", "endpointslices", ["list", "watch"], []),
    "pods": ("", "pods", ["list"], []),
    "leases": ("coordination.k8s.io", "leases", ["get", "create", "patch"], []),
    "journal": ("", "configmaps", ["get", "list", "watch", "create", "patch"], []),
    "records": ("", "configmaps", ["delete"], []),
    "events": ("", "events", ["create"], []),
    "policies": ("networking.k8s.io", "networkpolicies", ["list"], []),
    "budgets": ("policy", "poddisruptionbudgets", ["list"], []),
}
LESS = {"records", "events", "policies", "budgets"}
"""Without these a release works, and something is only told less well."""


def permit(shop: Any, rules: dict[str, Any]) -> Api:
    """A Role for the engine's ServiceAccount with these rules; returns the engine's way in."""
    written = [
        {"apiGroups": [group], "resources": [plural], "verbs": verbs, **({"resourceNames": names} if names else {})}
        for group, plural, verbs, names in rules.values()
    ]
    group = "rbac.authorization.k8s.io"
    head = {"apiVersion": f"{group}/v1", "metadata": {"name": "engine", "namespace": shop.namespace}}
    shop.create(shop.path("roles"), {**head, "kind": "Role", "rules": written})
    subject = {"kind": "ServiceAccount", "name": "canary-engine", "namespace": "shop"}
    ref = {"apiGroup": group, "kind": "Role", "name": "engine"}
    shop.create(shop.path("rolebindings"), {**head, "kind": "RoleBinding", "roleRef": ref, "subjects": [subject]})
    api: Api = shop.api("engine")
    return api


def test_a_narrow_role_is_enough(shop: Any, check: Check) -> None:
    assert check(api=permit(shop, RULES)) == []


@pytest.mark.parametrize("missing", [name for name in RULES if name not in LESS])
def test_each_missing_rule_is_named_with_the_rule_to_add(shop: Any, check: Check, missing: str) -> None:
    found = check(api=permit(shop, {name: rule for name, rule in RULES.items() if name != missing}))
    group, plural, verbs, _ = RULES[missing]
    assert found[0].code is ExitCode.NOT_PERMITTED
    for verb in verbs:
        assert f"{verb} {plural}" in found[0].what
    assert f'apiGroups: ["{group}"], resources: [{plural}]' in found[0].fix
    assert [each for each in found[1:] if each.code is ExitCode.NOT_PERMITTED] == []


@pytest.mark.parametrize(("missing", "said"), [("events", "create events"), ("records", "delete configmaps")])
def test_events_and_the_pruning_of_records_are_not_needed(shop: Any, check: Check, missing: str, said: str) -> None:
    found = check(api=permit(shop, {name: rule for name, rule in RULES.items() if name != missing}))
    one(found, said, code=None)


@pytest.mark.parametrize("missing", ["policies", "budgets"])
def test_what_may_not_be_listed_is_told_and_needed_only_for_copies(shop: Any, check: Check, missing: str) -> None:
    api = permit(shop, {name: rule for name, rule in RULES.items() if name != missing})
    _, plural, _, _ = RULES[missing]
    one(check(api=api), f"may not list {plural}", code=None)


@pytest.mark.parametrize(
    ("kind", "plural", "verbs"),
    [
        ("NetworkPolicy", "networkpolicies", ["create"]),
        ("HorizontalPodAutoscaler", "horizontalpodautoscalers", ["list", "create", "patch"]),
    ],
)
def test_copies_need_rights(shop: Any, check: Check, kind: str, plural: str, verbs: list[str]) -> None:
    found = check(api=permit(shop, RULES), copies=(kind,))
    one(found, *(f"{verb} {plural}" for verb in verbs), code=ExitCode.NOT_PERMITTED)
