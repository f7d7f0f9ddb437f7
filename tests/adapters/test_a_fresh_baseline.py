"""The fresh baseline on the emulated API server: stable's version beside the canary, grown, waited for and swept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from canary.adapters.kubernetes import KubernetesWorkloads
from canary.adapters.kubernetes.labels import selector_of, takes
from canary.adapters.kubernetes.paths import PART_LABEL, RELEASE_LABEL
from canary.adapters.kubernetes.waiting import Pace
from canary.core.outcome import ExitCode
from canary.ports import BaselineFailure, Endpoints, WorkloadFailure
from strategies import RefId
from tests.adapters.emulated import image_of, uids
from tests.adapters.preflighting import Check, pool_of

pytestmark = pytest.mark.real

Make = Callable[..., KubernetesWorkloads]
FIVE, FULL = Decimal(5), Decimal(100)


@pytest.fixture
def fresh(workloads: Make) -> Make:
    """Makes the port of a release with a baseline."""
    return lambda **changes: workloads(**{"baseline_service": "shop-baseline", **changes})


def test_stables_own_version_stands_beside_the_canary_and_nobody_takes_its_pods(
    shop: Any, fresh: Make, images: tuple[str, str]
) -> None:
    before = shop.get("deployments", "shop"), shop.get("services", "shop")
    assert fresh().provision(share=FIVE) == Endpoints(stable=4, canary=2, baseline=2)
    assert (shop.get("deployments", "shop"), shop.get("services", "shop")) == before
    stable, canary, made = (shop.get("deployments", name) for name in ("shop", "shop-canary", "shop-baseline"))
    assert (image_of(canary), image_of(made)) == (images[1], image_of(stable))
    assert made["spec"]["replicas"] == canary["spec"]["replicas"] == 2
    assert "annotations" not in made["metadata"]
    own = made["spec"]["template"]["metadata"]["labels"]
    assert (own[RELEASE_LABEL], own[PART_LABEL]) == ("f00d", "baseline")
    for other in (stable, canary):
        theirs = other["spec"]["template"]["metadata"]["labels"]
        assert not takes(other["spec"]["selector"], own)
        assert not takes(made["spec"]["selector"], theirs)
    for name in ("shop", "shop-canary"):
        assert not takes(selector_of(shop.get("services", name)) or {}, own)
    service = shop.get("services", "shop-baseline")
    assert takes(selector_of(service) or {}, own)
    assert service["spec"]["ports"][0]["targetPort"] == "http"


def test_it_runs_what_stable_runs_also_where_a_whole_template_is_released(shop: Any, fresh: Make) -> None:
    stable = shop.get("deployments", "shop")
    template = {"metadata": stable["spec"]["template"]["metadata"], "spec": {**stable["spec"]["template"]["spec"]}}
    template["spec"] = {**template["spec"], "containers": [dict(template["spec"]["containers"][0])]}
    template["spec"]["containers"][0]["env"] = [{"name": "NEW", "value": "1"}]
    fresh(template=template).provision(share=FIVE)
    containers = [
        shop.get("deployments", name)["spec"]["template"]["spec"]["containers"][0]
        for name in ("shop", "shop-canary", "shop-baseline")
    ]
    assert ["env" in each and each["env"] for each in containers] == [
        stable["spec"]["template"]["spec"]["containers"][0].get("env", False),
        [{"name": "NEW", "value": "1"}],
        stable["spec"]["template"]["spec"]["containers"][0].get("env", False),
    ]


def test_it_grows_with_what_it_gets_and_never_shrinks(shop: Any, fresh: Make) -> None:
    port = fresh()
    seen = []
    for share in (FIVE, Decimal(50), Decimal(80), FULL):
        port.provision(share=share)
        seen.append(
            tuple(shop.get("deployments", f"shop-{part}")["spec"]["replicas"] for part in ("canary", "baseline"))
        )
    assert seen == [(2, 2), (3, 3), (4, 3), (4, 3)]


def test_another_incarnation_makes_nothing_twice(shop: Any, fresh: Make) -> None:
    fresh().provision(share=FIVE)
    before = uids(shop)
    fresh().provision(share=FIVE)
    assert uids(shop) == before


def test_its_service_is_made_once_its_pods_are_ready_and_the_canarys_after_it(
    shop: Any, controller: Any, fresh: Make, eventually: Callable[..., Any]
) -> None:
    controller.deaf.add("shop-baseline")
    port = fresh()
    worker = threading.Thread(target=lambda: port.provision(share=FIVE))
    worker.start()
    eventually(lambda: shop.get("deployments", "shop-baseline"))
    looks = len(shop.requests())
    eventually(lambda: len(shop.requests()) > looks + 30)
    assert shop.get("services", "shop-baseline") is None
    assert shop.get("services", "shop-canary") is None
    controller.deaf.clear()
    worker.join(20)
    assert not worker.is_alive()
    assert shop.get("services", "shop-baseline") is not None


@pytest.mark.parametrize("plural", ["deployments", "services"])
def test_somebody_elses_object_is_left_alone_and_the_failure_is_the_baselines(
    shop: Any, fresh: Make, plural: str
) -> None:
    body = shop.get(plural, "shop")
    body["metadata"] = {"name": "shop-baseline", "namespace": shop.namespace, "labels": {RELEASE_LABEL: "0ther"}}
    body["spec"].pop("clusterIP", None)
    body["spec"].pop("clusterIPs", None)
    shop.create(shop.path(plural), body)
    with pytest.raises(BaselineFailure, match="shop-baseline was made by release 0ther"):
        fresh().provision(share=FIVE)
    fresh().remove()
    assert shop.get(plural, "shop-baseline") is not None


def test_a_canary_that_fails_is_still_the_canarys_failure(shop: Any, controller: Any, fresh: Make) -> None:
    controller.deaf.add("shop-canary")
    shop.merge("deployments", "shop", {"spec": {"progressDeadlineSeconds": 1}})
    pace = Pace(poll=0.02, steady=0.1, stuck=0.1, progress=0.2, grace=0.1, endpoints=5.0)
    with pytest.raises(WorkloadFailure) as caught:
        fresh(pace=pace).provision(share=FIVE)
    assert not isinstance(caught.value, BaselineFailure)


def test_it_is_swept_with_the_canary_by_the_label_alone(shop: Any, fresh: Make, workloads: Make) -> None:
    fresh().provision(share=FIVE)
    workloads().remove()  # whoever cleans up need not know that there was a baseline
    left = {each["metadata"]["name"] for plural in ("deployments", "services") for each in shop.list(plural)}
    assert not {"shop-canary", "shop-baseline"} & left


def test_its_endpoints_are_followed(shop: Any, fresh: Make, eventually: Callable[..., Any]) -> None:
    port, seen, stop = fresh(), list[Endpoints](), threading.Event()
    watcher = threading.Thread(target=lambda: port.watch(seen.append, stop))
    watcher.start()
    eventually(lambda: seen)
    assert seen[0] == Endpoints(stable=4, canary=0, baseline=0)
    port.provision(share=Decimal(50))
    eventually(lambda: seen[-1] == Endpoints(stable=4, canary=3, baseline=3))
    assert port.ready() == seen[-1]
    stop.set()
    watcher.join(20)
    assert not watcher.is_alive()


# What covers stable, and preflight -----------------------------------------------------------------------------------


def test_one_copy_of_what_covers_stable_covers_both(shop: Any, fresh: Make) -> None:
    labels = shop.get("deployments", "shop")["spec"]["template"]["metadata"]["labels"]
    policy = {"podSelector": {"matchLabels": dict(labels)}, "policyTypes": ["Ingress"], "ingress": []}
    shop.create(shop.path("networkpolicies"), {"metadata": {"name": "shop"}, "spec": policy})
    fresh(copies=("NetworkPolicy",)).provision(share=FIVE)
    (copy,) = [each for each in shop.list("networkpolicies") if each["metadata"]["name"] != "shop"]
    for name in ("shop-canary", "shop-baseline"):
        pods = shop.get("deployments", name)["spec"]["template"]["metadata"]["labels"]
        assert takes(copy["spec"]["podSelector"], pods)
    assert not takes(copy["spec"]["podSelector"], labels)


def fresh_pool(shop: Any) -> Any:
    return replace(pool_of(shop.namespace), baseline=RefId("Service", "", shop.namespace, "shop-baseline", 8080))


def test_preflight_rehearses_both(shop: Any, check: Check) -> None:
    assert check(pool=fresh_pool(shop), baseline_service="shop-baseline") == []
    tried = [each["resource"] for each in shop.requests() if (each["verb"], each["dryRun"]) == ("create", "All")]
    for plural in ("deployments", "services"):
        assert sum(plural in each for each in tried) == 2, tried
    assert shop.get("deployments", "shop-baseline") is None


@pytest.mark.parametrize("plural", ["deployments", "services"])
def test_preflight_names_what_has_the_baselines_name(shop: Any, check: Check, plural: str) -> None:
    body = shop.get(plural, "shop")
    body["metadata"] = {"name": "shop-baseline", "namespace": shop.namespace}
    body["spec"].pop("clusterIP", None)
    body["spec"].pop("clusterIPs", None)
    if plural == "deployments":
        own = {"matchLabels": {"who": "else"}}
        body["spec"] |= {"selector": own, "replicas": 0}
        body["spec"]["template"]["metadata"]["labels"] = {"who": "else"}
    shop.create(shop.path(plural), body)
    found = [
        each
        for each in check(pool=fresh_pool(shop), baseline_service="shop-baseline")
        if "shop-baseline exists already" in each.what
    ]
    assert [each.code for each in found] == [ExitCode.PREFLIGHT_FAILED]
