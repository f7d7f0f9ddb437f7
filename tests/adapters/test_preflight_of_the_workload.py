"""What preflight finds in stable's workload, its Services, and in what stands around them."""

from __future__ import annotations

from typing import Any

import pytest

from canary.adapters.kubernetes.derive import own_labels
from canary.adapters.kubernetes.paths import RELEASE_LABEL
from canary.core.outcome import ExitCode
from tests.adapters.preflighting import Check, one, pool_of, refusing

pytestmark = pytest.mark.real


def test_a_deployment_that_is_not_there(check: Check) -> None:
    one(check(deployment="shoop"), "shoop", "release file")


def test_a_container_that_is_not_there(check: Check) -> None:
    one(check(container="web"), "no container web", "app")


def test_a_service_that_is_not_there(shop: Any, check: Check) -> None:
    found = check(pool=pool_of(shop.namespace, stable="shoop"))
    assert any("Service" in each.what and "shoop does not exist" in each.what for each in found)
    assert all(each.code is ExitCode.PREFLIGHT_FAILED for each in found)


def test_a_port_that_the_service_does_not_have(shop: Any, check: Check) -> None:
    found = check(pool=pool_of(shop.namespace, port=9090))
    assert any("no port 9090; it has 8080" in each.what for each in found)


def test_a_service_without_ready_endpoints(shop: Any, controller: Any, check: Check) -> None:
    controller.close()
    shop.merge("endpointslices", "shop-1", {"endpoints": []})
    one(check(), "no ready endpoints", "kubectl")


def test_a_service_that_selects_other_pods(shop: Any, check: Check) -> None:
    shop.merge("services", "shop", {"spec": {"selector": {"app": "help"}}})
    found = check()
    assert any("does not select the pods of Deployment" in each.what for each in found)


def test_a_stable_that_is_not_steady(shop: Any, controller: Any, check: Check) -> None:
    controller.close()
    shop.merge("deployments", "shop", {"spec": {"replicas": 5}})
    one(check(), "not steady", "rollout status")


def test_no_stable_version(shop: Any, controller: Any, check: Check) -> None:
    controller.close()
    shop.merge("deployments", "shop", {"spec": {"replicas": 0}})
    one(check(), "0 replicas")


@pytest.mark.parametrize("plural", ["deployments", "services"])
@pytest.mark.parametrize(("owner", "words"), [("0ther", "left by release 0ther"), (None, "belongs to kubectl-create")])
def test_names_of_the_canary_that_are_taken(
    shop: Any, check: Check, plural: str, owner: str | None, words: str
) -> None:
    body = shop.get(plural, "shop")
    labels = {RELEASE_LABEL: owner} if owner else {}
    body["metadata"] = {"name": "shop-canary", "namespace": shop.namespace, "labels": labels}
    for key in ("clusterIP", "clusterIPs"):
        body["spec"].pop(key, None)
    if plural == "services":
        body["spec"]["selector"] = {"app": "nothing"}
    shop.create(shop.path(plural), body)
    one(check(), words, "kubectl", "delete")


def test_a_canary_of_an_earlier_release_that_is_still_being_deleted(shop: Any, check: Check) -> None:
    spec = {"selector": own_labels("0ther"), "ports": [{"port": 8080}]}
    metadata = {"name": "shop-canary", "namespace": shop.namespace, "labels": own_labels("0ther")}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {**metadata, "finalizers": ["x.test/y"]}, "spec": spec}
    shop.create(shop.path("services"), body)
    shop.request("DELETE", shop.path("services", "shop-canary"))
    one(check(), "still being deleted", "x.test/y")
    shop.merge("services", "shop-canary", {"metadata": {"finalizers": None}})


def test_what_we_made_ourselves_is_no_obstacle_after_a_restart(shop: Any, check: Check) -> None:
    spec = {"selector": own_labels("f00d"), "ports": [{"port": 8080}]}
    metadata = {"name": "shop-canary", "namespace": shop.namespace, "labels": own_labels("f00d")}
    shop.create(shop.path("services"), {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    assert check() == []


def test_the_same_image_is_told_and_allowed(check: Check, images: tuple[str, str]) -> None:
    one(check(image=images[0]), "already runs", code=None)


def autoscaler(shop: Any, **metadata: Any) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment"}
    body = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "shop", "namespace": shop.namespace, **metadata},
        "spec": {
            "scaleTargetRef": {**target, "name": metadata.get("name", "shop")},
            "minReplicas": 2,
            "maxReplicas": 9,
        },
    }
    shop.create(shop.path("horizontalpodautoscalers"), body)


def test_an_autoscaler_that_would_take_stables_pods_away_is_told_unless_its_minimum_is_held(
    shop: Any, check: Check
) -> None:
    autoscaler(shop)
    assert check() == []
    one(check(floor=False), "from 4 down to 2", "minReplicas to 4", code=None)
    refused = {"status": 403, "reason": "Forbidden", "message": "no"}
    shop.fault(refused, verb="patch", resource="horizontalpodautoscalers.autoscaling")
    one(check(), "from 4 down to 2", "cannot be held", "minReplicas to 4", code=None)


def test_a_copy_of_the_autoscaler_is_rehearsed_and_its_name_must_be_free(shop: Any, check: Check) -> None:
    autoscaler(shop)
    kind = "HorizontalPodAutoscaler"
    assert check(copies=(kind,)) == []
    rehearsed = {(e["verb"], e["resource"]) for e in shop.requests() if e["dryRun"] == "All"}
    assert ("create", "horizontalpodautoscalers.autoscaling") in rehearsed
    autoscaler(shop, name="shop-canary")
    found = refusing(check(copies=(kind,)))
    assert ["shop-canary exists already" in each.what and "kubectl" in each.fix for each in found] == [True]


def test_a_tool_that_would_put_the_minimum_back_is_named(shop: Any, check: Check) -> None:
    autoscaler(shop, labels={"kustomize.toolkit.fluxcd.io/name": "apps"})
    one(check(), "Flux", "/spec/minReplicas", code=None)


def test_a_minimum_that_another_release_left_held_is_told(shop: Any, check: Check) -> None:
    note = '{"release":"0ther","was":1,"now":2}'
    autoscaler(shop, annotations={"canary-engine.io/floor": note})
    one(check(), "held at 2 by release 0ther; it was 1", "annotate", code=None)


def cover(shop: Any, plural: str, api_version: str, kind: str, name: str = "shop") -> None:
    selecting = "podSelector" if kind == "NetworkPolicy" else "selector"
    spec = {selecting: {"matchLabels": {"app": "shop"}}}
    body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}
    shop.create(shop.path(plural), body)


def test_a_network_policy_that_would_not_cover_the_canary_is_refused_unless_it_is_copied(
    shop: Any, check: Check
) -> None:
    cover(shop, "networkpolicies", "networking.k8s.io/v1", "NetworkPolicy")
    one(check(), "NetworkPolicy", "would not cover the canary's", "Add NetworkPolicy to spec.workload.copy")
    assert check(copies=("NetworkPolicy",)) == []
    rehearsed = {(e["verb"], e["resource"]) for e in shop.requests() if e["dryRun"] == "All"}
    assert ("create", "networkpolicies.networking.k8s.io") in rehearsed
    cover(shop, "networkpolicies", "networking.k8s.io/v1", "NetworkPolicy", "shop-canary")
    found = refusing(check(copies=("NetworkPolicy",)))
    assert any("shop-canary exists already" in each.what and "kubectl" in each.fix for each in found)


def test_a_budget_that_would_not_cover_the_canary_is_told(shop: Any, check: Check) -> None:
    cover(shop, "poddisruptionbudgets", "policy/v1", "PodDisruptionBudget")
    one(check(), "PodDisruptionBudget", "would not cover", "can do without", code=None)
    assert check(copies=("PodDisruptionBudget",)) == []


def test_without_a_workload_the_canarys_service_must_be_there(shop: Any, check: Check) -> None:
    one(check(workload=False), "shop-canary does not exist")
