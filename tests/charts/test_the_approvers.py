"""What the chart gives people who decide: one object, a role that can write nothing else, and a policy if asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from canary.adapters.kubernetes import gates

Objects = Callable[..., dict[tuple[str, str], dict[str, Any]]]
ONCALL = 'rbac.approvers=[{"kind": "Group", "name": "oncall", "apiGroup": "rbac.authorization.k8s.io"}]'


def test_whoever_may_approve_may_write_the_gate_and_nothing_else(objects: Objects, minimal: str) -> None:
    rendered = objects(minimal, "--set-json", ONCALL)
    gate = "canary-user-service-route-gate"
    rules = rendered["Role", "canary-user-service-approver"]["rules"]
    writes = [rule for rule in rules if set(rule["verbs"]) - {"get"}]
    assert writes == [
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [gate], "verbs": ["get", "patch"]}
    ]
    assert all(rule["resourceNames"] for rule in rules)
    assert rendered["RoleBinding", "canary-user-service-approver"]["subjects"][0]["name"] == "oncall"
    assert ("RoleBinding", "canary-user-service-approver") not in objects(minimal)


def test_an_upgrade_leaves_what_waits_and_what_was_decided_alone(objects: Objects, minimal: str) -> None:
    """Helm writes the entries that it names: the engine and the approvers use none of them."""
    from canary.core.gates import DECIDED

    named = set(objects(minimal)["ConfigMap", "canary-user-service-route-gate"]["data"])
    assert named == {"about"}
    written = {"state", "nonce", "release", "step", "before", "image", "opened", "expires", "requests", *DECIDED}
    assert not named & written


def test_the_policy_is_off_unless_asked_for_and_guards_every_entry_of_the_record(
    objects: Objects, minimal: str
) -> None:
    assert not [kind for kind, _ in objects(minimal) if kind.startswith("Validating")]
    rendered = objects(minimal, **{"admissionPolicy.create": "true"})
    name = "shop-canary-user-service-gate"
    spec = rendered["ValidatingAdmissionPolicy", name]["spec"]
    (rule,) = spec["matchConstraints"]["resourceRules"]
    assert rule["resourceNames"] == ["canary-user-service-route-gate"]
    said = " ".join(each["expression"] for each in spec["validations"])
    for key in ("nonce", "release", "step", "image", "expires", "approvers", "requester", "decidedBy", "state"):
        assert f"'{key}'" in said or key == "decidedBy"
    assert "request.userInfo.username" in said
    # By this word in the refusal the engine knows that names are pinned.
    assert gates.DECIDER in spec["validations"][0]["message"]
    binding = rendered["ValidatingAdmissionPolicyBinding", name]["spec"]
    assert binding["validationActions"] == ["Deny"]
    assert binding["matchResources"]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "shop"}
