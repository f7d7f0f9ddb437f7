"""What stands around stable, on the emulated API server: copies made and gone, the floor held and given back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from canary.adapters.kubernetes import KubernetesWorkloads, derive
from canary.adapters.kubernetes.labels import takes
from canary.adapters.kubernetes.objects import Objects
from canary.adapters.kubernetes.paths import AUTOSCALER, BUDGET, NETWORK_POLICY, POD_MONITOR, SCALED_OBJECT, Resource
from canary.adapters.kubernetes.removal import sweep
from canary.adapters.kubernetes.scalers import FLOOR
from canary.adapters.kubernetes.served import served
from canary.ports import NotFound, WorkloadFailure

pytestmark = pytest.mark.real

Make = Callable[..., KubernetesWorkloads]
FIVE, FULL = Decimal(5), Decimal(100)
APP = {"matchLabels": {"app": "shop"}}
KINDS = {"NetworkPolicy": "networkpolicies", "PodDisruptionBudget": "poddisruptionbudgets", "PodMonitor": "podmonitors"}


def definition(resource: Resource) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": resource.version, "served": True, "storage": True, "schema": schema}
    names = {"kind": resource.kind, "plural": resource.plural}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{resource.group}"},
        "spec": {"group": resource.group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


@pytest.fixture
def operators(cluster: Any) -> Iterator[None]:
    """Prometheus' operator and KEDA are installed meanwhile."""
    root = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for resource in (POD_MONITOR, SCALED_OBJECT):
        cluster.create(root, definition(resource))
    yield
    for resource in (POD_MONITOR, SCALED_OBJECT):
        cluster.request("DELETE", f"{root}/{resource.plural}.{resource.group}")


def put(shop: Any, resource: Resource, spec: Any, name: str = "shop") -> Any:
    body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {"name": name}, "spec": spec}
    return shop.create(shop.path(resource.plural), body)


@pytest.fixture
def covered(shop: Any, operators: None) -> Any:
    """The shop with a policy, a budget and a monitor of its own."""
    put(shop, NETWORK_POLICY, {"podSelector": APP, "policyTypes": []})
    put(shop, BUDGET, {"selector": APP, "minAvailable": 3})
    put(shop, POD_MONITOR, {"selector": APP, "podMetricsEndpoints": []})
    return shop


def target(name: str = "shop") -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}


def autoscaler(shop: Any, least: int | None = 2) -> Any:
    spec = {"scaleTargetRef": target(), "maxReplicas": 9, **({"minReplicas": least} if least else {})}
    return put(shop, AUTOSCALER, spec)


def spec_of(shop: Any, plural: str, name: str = "shop") -> Any:
    return shop.get(plural, name)["spec"]


# Copies -------------------------------------------------------------------------------------------------------------


def test_copies_stand_before_the_first_pod_and_go_with_the_canary(
    covered: Any, workloads: Make, eventually: Callable[..., Any]
) -> None:
    began = covered.requests()[-1]["number"]
    workloads(copies=tuple(KINDS)).provision(share=FIVE)
    labels = derive.labels_of(covered.get("deployments", "shop-canary"))
    for plural in KINDS.values():
        spec = spec_of(covered, plural, "shop-canary")
        assert takes(spec.get("podSelector") or spec.get("selector"), labels)
    made = [e for e in covered.requests() if e["number"] > began and not e["subresource"]]
    made = [(e["resource"].partition(".")[0], e["verb"]) for e in made if e["verb"] in {"create", "patch"}]
    order = [each for each in made if each[0] != "endpointslices"]
    # The Deployment without pods, the copies, then the pods, then the Service.
    assert order == [
        ("deployments", "create"),
        *((plural, "create") for plural in KINDS.values()),
        ("deployments", "patch"),
        ("services", "create"),
    ]
    workloads(copies=tuple(KINDS)).provision(share=FULL)  # by another incarnation: nothing is made twice
    workloads().remove()  # by one that knows nothing of copies, such as a watchdog
    for plural in KINDS.values():
        eventually(lambda plural=plural: covered.get(plural, "shop-canary") is None)
        assert covered.get(plural, "shop") is not None


def test_a_copy_whose_create_went_unanswered_is_found_again(covered: Any, workloads: Make) -> None:
    covered.fault({"drop": "after"}, times=1, verb="create", resource="networkpolicies.networking.k8s.io")
    with pytest.raises(Exception, match="NetworkPolicy"):
        workloads(copies=("NetworkPolicy",)).provision(share=FIVE)
    assert workloads(copies=("NetworkPolicy",)).provision(share=FIVE).canary == 2


def test_somebody_elses_object_with_a_copys_name_is_left_alone(covered: Any, workloads: Make) -> None:
    theirs = put(covered, NETWORK_POLICY, {"podSelector": {}}, "shop-canary")
    with pytest.raises(WorkloadFailure, match=r"shop-canary exists already.*kubectl"):
        workloads(copies=("NetworkPolicy",)).provision(share=FIVE)
    workloads().remove()
    assert covered.get("networkpolicies", "shop-canary")["metadata"]["uid"] == theirs["metadata"]["uid"]


def test_a_budgets_pods_are_not_the_canarys(covered: Any, workloads: Make) -> None:
    put(covered, BUDGET, {"selector": {}}, "everybody")
    covered.merge(
        "poddisruptionbudgets", "shop", {"spec": {"selector": {"matchLabels": {"app": None, "tier": "front"}}}}
    )
    workloads().provision(share=FIVE)
    labels = derive.labels_of(covered.get("deployments", "shop-canary"))
    assert (labels["app"], labels["tier"]) == ("shop-canary", "front-canary")


def test_kinds_that_nobody_installed_are_not_asked_for(shop: Any) -> None:
    assert served(shop.api(), [POD_MONITOR, SCALED_OBJECT]) == []
    # A real server answers 404 without a Status there, which says nothing about the object.
    assert all("monitors" not in each["resource"] for each in shop.requests())


# Autoscalers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("least", [2, None])
def test_the_floor_is_held_from_the_first_pod_and_given_back(shop: Any, workloads: Make, least: int | None) -> None:
    before = autoscaler(shop, least)["spec"]
    workloads().provision(share=FIVE)
    assert spec_of(shop, "horizontalpodautoscalers")["minReplicas"] == 4
    workloads().provision(share=FULL)
    sweep(Objects(shop.api(), shop.namespace), "f00d")  # an abort, a watchdog: they know nothing but the uid
    after = shop.get("horizontalpodautoscalers", "shop")
    assert after["spec"] == {"minReplicas": 1, **before}
    assert FLOOR not in (after["metadata"].get("annotations") or {})


def test_a_minimum_that_somebody_wrote_stops_the_release_and_stays(shop: Any, workloads: Make) -> None:
    autoscaler(shop)
    workloads().provision(share=FIVE)
    shop.merge("horizontalpodautoscalers", "shop", {"spec": {"minReplicas": 3}}, manager="kubectl-scale")
    with pytest.raises(NotFound, match=r"minReplicas of HorizontalPodAutoscaler \S+/shop was changed .* kubectl-scale"):
        workloads().provision(share=FULL)
    workloads().remove()
    after = shop.get("horizontalpodautoscalers", "shop")
    assert (after["spec"]["minReplicas"], FLOOR in after["metadata"].get("annotations", {})) == (3, False)


def test_the_floor_is_left_where_the_release_says_so_or_nobody_may_write_it(shop: Any, workloads: Make) -> None:
    autoscaler(shop)
    workloads(floor=False).provision(share=FIVE)
    assert spec_of(shop, "horizontalpodautoscalers")["minReplicas"] == 2
    workloads().remove()
    shop.fault({"status": 403, "message": "no"}, verb="patch", resource="horizontalpodautoscalers.autoscaling")
    workloads().provision(share=FIVE)
    assert spec_of(shop, "horizontalpodautoscalers")["minReplicas"] == 2


def test_under_keda_the_scaled_object_is_held_and_not_the_autoscaler_that_it_made(
    shop: Any, operators: None, workloads: Make
) -> None:
    spec = {"scaleTargetRef": {"name": "shop"}, "triggers": []}
    owner = put(shop, SCALED_OBJECT, spec)
    autoscaler(shop)
    reference = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "shop"}
    owners = [{**reference, "uid": owner["metadata"]["uid"]}]
    shop.merge("horizontalpodautoscalers", "shop", {"metadata": {"ownerReferences": owners}})
    workloads().provision(share=FIVE)
    assert spec_of(shop, "scaledobjects")["minReplicaCount"] == 4
    assert spec_of(shop, "horizontalpodautoscalers")["minReplicas"] == 2
    workloads().remove()
    assert spec_of(shop, "scaledobjects") == spec


def test_a_minimum_is_put_back_after_a_conflict_though_another_kind_has_the_same_name(
    shop: Any, operators: None, workloads: Make
) -> None:
    spec = {"scaleTargetRef": {"name": "shop"}, "triggers": []}
    put(shop, SCALED_OBJECT, spec)
    put(shop, AUTOSCALER, {"scaleTargetRef": target("help"), "maxReplicas": 9})
    workloads().provision(share=FIVE)
    moved = {"status": 409, "reason": "Conflict", "message": "moved"}
    shop.fault(moved, times=1, verb="patch", resource="scaledobjects.keda.sh")
    workloads().remove()
    assert spec_of(shop, "scaledobjects") == spec


def test_an_autoscaler_that_is_gone_meanwhile_needs_no_floor(shop: Any, workloads: Make) -> None:
    autoscaler(shop)
    gone = {"status": 404, "reason": "NotFound", "message": "gone"}
    shop.fault(gone, times=1, verb="patch", resource="horizontalpodautoscalers.autoscaling")
    assert workloads().provision(share=FIVE).canary == 2


def test_a_copy_of_the_autoscaler_follows_the_canarys_size(
    shop: Any, workloads: Make, eventually: Callable[..., Any]
) -> None:
    autoscaler(shop)
    port = workloads(copies=("HorizontalPodAutoscaler",))
    for share, size in ((FIVE, 2), (FULL, 4), (FIVE, 4)):
        port.provision(share=share)
        made = spec_of(shop, "horizontalpodautoscalers", "shop-canary")
        assert (made["scaleTargetRef"]["name"], made["minReplicas"]) == ("shop-canary", size)
    workloads().remove()
    eventually(lambda: shop.get("horizontalpodautoscalers", "shop-canary") is None)
