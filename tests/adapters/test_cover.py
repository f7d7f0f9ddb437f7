"""What covers stable and not the canary is found, and its copy covers the canary and nobody else."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes.cover import Arms, Gap, gaps, owned_by
from canary.adapters.kubernetes.labels import takes
from canary.adapters.kubernetes.paths import (
    AUTHORIZATION_POLICY,
    BUDGET,
    NETWORK_POLICY,
    POD_MONITOR,
    SERVICE_MONITOR,
    Resource,
)

OWN = derive.own_labels("f00d")
STABLE, CANARY = {"app": "shop", "tier": "front"}, {"app": "shop-canary", "tier": "front", **OWN}
ARMS = Arms(
    stable=STABLE,
    canary=CANARY,
    stable_service="shop",
    canary_service="shop-canary",
    service_labels={"app": "shop", "monitored": "yes"},
    release="f00d",
    namespace="space",
)
MINE = {"matchLabels": OWN}


def equal(**labels: str) -> dict[str, Any]:
    return {"matchLabels": labels}


def found(resource: Resource, spec: dict[str, Any], **labels: str) -> list[Gap]:
    item = {
        "metadata": {
            "name": "it",
            "namespace": "space",
            "labels": labels,
            "annotations": {"meta.helm.sh/release-name": "x"},
            "uid": "u",
            "resourceVersion": "7",
        },
        "spec": spec,
    }
    before = copy.deepcopy(item)
    listed = gaps(resource, [item], ARMS)
    assert item == before
    return listed


def copied(resource: Resource, spec: dict[str, Any]) -> Any:
    (gap,) = found(resource, spec)
    assert (gap.name, gap.copy["kind"], gap.copy["apiVersion"]) == ("it", resource.kind, resource.api_version)
    return gap.copy["spec"]


SELECTING = {"selector": equal(app="shop")}
OF_POD = [
    (NETWORK_POLICY, "podSelector"),
    (BUDGET, "selector"),
    (POD_MONITOR, "selector"),
    (AUTHORIZATION_POLICY, "selector"),
]


@pytest.mark.parametrize(("resource", "field"), OF_POD)
def test_by_a_label_that_was_changed_the_canary_is_lost_and_by_a_kept_one_it_is_not(
    resource: Resource, field: str
) -> None:
    made = copied(resource, {field: equal(app="shop")})[field]
    assert takes(made, CANARY)
    assert not takes(made, STABLE)
    for other in ({field: equal(tier="front")}, {field: {}}, {field: equal(app="cache")}, {}):
        assert found(resource, other) == []


def test_a_copy_is_ours_and_carries_nothing_by_which_a_tool_knows_its_own() -> None:
    labels = {"release": "prometheus", "app.kubernetes.io/instance": "shop", "argocd.argoproj.io/instance": "shop"}
    (monitor,) = found(POD_MONITOR, SELECTING, **labels)
    # An operator takes up monitors by a label of its own.
    assert monitor.copy["metadata"] == {
        "name": "it-canary",
        "namespace": "space",
        "labels": {"release": "prometheus", **derive.object_labels("f00d")},
    }
    (budget,) = found(BUDGET, SELECTING, **labels)
    assert budget.copy["metadata"]["labels"] == derive.object_labels("f00d")
    deployment = {"metadata": {"name": "shop-canary", "uid": "d"}}
    (owner,) = owned_by(budget.copy, deployment)["metadata"]["ownerReferences"]
    assert owner == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop-canary", "uid": "d"}


# NetworkPolicy ------------------------------------------------------------------------------------------------------


def test_the_canary_may_reach_what_stable_may_reach() -> None:
    rules = {
        "ingress": [{"from": [{"podSelector": equal(app="gateway")}], "ports": [{"port": 8080}]}],
        "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
        "policyTypes": ["Ingress", "Egress"],
    }
    assert copied(NETWORK_POLICY, {"podSelector": equal(app="shop"), **rules}) == {"podSelector": MINE, **rules}


def test_pods_that_talk_among_themselves_talk_to_the_canary_as_well() -> None:
    rules = {"ingress": [{"from": [{"podSelector": equal(app="shop")}]}]}
    made = copied(NETWORK_POLICY, {"podSelector": equal(app="shop"), **rules})
    assert made["ingress"] == [{"from": [{"podSelector": equal(app="shop")}, {"podSelector": MINE}]}]


def test_the_database_that_lets_only_the_shop_in_lets_the_canary_in() -> None:
    spec = {
        "podSelector": equal(app="db"),
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {"from": [{"podSelector": equal(app="shop")}, {"podSelector": equal(app="admin")}], "ports": [{"port": 1}]},
            {"from": [{"podSelector": equal(app="backup")}]},
        ],
        "egress": [],
    }
    (gap,) = found(NETWORK_POLICY, spec)
    assert "through" in gap.does
    # Egress is left out: a policy of ours without a rule for it would add nothing, and one of its own would shut it.
    assert gap.copy["spec"] == {
        "podSelector": equal(app="db"),
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": MINE}], "ports": [{"port": 1}]}],
    }


def test_a_rule_that_admits_the_canary_already_is_no_gap() -> None:
    for peers in (
        [],
        [{"podSelector": equal(app="shop")}, {"podSelector": equal(tier="front")}],
        [{"podSelector": {}}],
    ):
        assert found(NETWORK_POLICY, {"podSelector": equal(app="db"), "ingress": [{"from": peers}]}) == []


def test_a_peer_in_another_namespace_lets_nobody_of_ours_in() -> None:
    """As in `from the shop, and from everything in monitoring`."""
    elsewhere = {"namespaceSelector": equal(**{"kubernetes.io/metadata.name": "monitoring"}), "podSelector": {}}
    peers = [{"podSelector": equal(app="shop")}, elsewhere]
    made = copied(NETWORK_POLICY, {"podSelector": equal(app="db"), "ingress": [{"from": peers}]})
    assert made["ingress"] == [{"from": [{"podSelector": MINE}]}]
    for here in ({}, equal(**{"kubernetes.io/metadata.name": "space"})):
        both = [{"podSelector": equal(app="shop")}, {"namespaceSelector": here, "podSelector": {}}]
        assert found(NETWORK_POLICY, {"podSelector": equal(app="db"), "ingress": [{"from": both}]}) == []


# The others ---------------------------------------------------------------------------------------------------------


def test_a_budget_in_numbers_was_written_for_stables_size() -> None:
    assert copied(BUDGET, {**SELECTING, "minAvailable": 3}) == {"selector": MINE, "maxUnavailable": 1}
    for kept in ({"minAvailable": "50%"}, {"maxUnavailable": 1}):
        assert copied(BUDGET, {**SELECTING, **kept}) == {"selector": MINE, **kept}


def test_a_monitor_that_finds_stable_by_its_services_labels_gets_a_copy() -> None:
    assert copied(SERVICE_MONITOR, {"selector": equal(monitored="yes"), "endpoints": [{"port": "http"}]}) == {
        "selector": MINE,
        "endpoints": [{"port": "http"}],
    }
    assert found(SERVICE_MONITOR, {"selector": equal(monitored="no")}) == []
    assert found(SERVICE_MONITOR, {"selector": {}}) == []


def test_a_policy_that_names_stables_service_names_the_canarys() -> None:
    mine = {"group": "", "kind": "Service", "name": "shop"}
    made = copied(AUTHORIZATION_POLICY, {"targetRefs": [mine, {**mine, "name": "other"}], "action": "ALLOW"})
    assert made == {"targetRefs": [{**mine, "name": "shop-canary"}], "action": "ALLOW"}
    assert found(AUTHORIZATION_POLICY, {"targetRefs": [{**mine, "name": "other"}]}) == []
