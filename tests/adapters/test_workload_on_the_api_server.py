"""The canary's workload on the emulated API server: made once, by whichever incarnation, and taken away again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from canary.adapters.kubernetes import KubernetesWorkloads
from canary.adapters.kubernetes.paths import RELEASE_LABEL
from canary.adapters.kubernetes.waiting import Pace, Waiting
from canary.ports import Endpoints, NotFound, Unavailable, WorkloadFailure
from tests.adapters.emulated import image_of, uids

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("fenced")]

Make = Callable[..., KubernetesWorkloads]
TOKEN = "f00d/i1"  # noqa: S105 - the fence's
FIVE, FULL = Decimal(5), Decimal(100)


def writes(shop: Any) -> list[tuple[str, str]]:
    """Creates and deletes in the namespace, in order."""
    return [(each["verb"], each["resource"]) for each in shop.requests() if each["verb"] in {"create", "delete"}]


# Provisioning ---------------------------------------------------------------------------------------------------


def test_the_canary_is_ready_beside_a_stable_that_did_not_change(
    shop: Any, workloads: Make, images: tuple[str, str]
) -> None:
    before = shop.get("deployments", "shop"), shop.get("services", "shop")
    assert workloads().provision(share=FIVE) == Endpoints(stable=4, canary=2)
    assert (shop.get("deployments", "shop"), shop.get("services", "shop")) == before
    canary = shop.get("deployments", "shop-canary")
    assert (image_of(canary), canary["spec"]["replicas"]) == (images[1], 2)
    assert shop.get("services", "shop-canary")["spec"]["ports"][0]["targetPort"] == "http"
    assert len(shop.get("endpointslices", "shop-1")["endpoints"]) == 4


def test_another_incarnation_finds_what_is_there_and_makes_nothing_twice(shop: Any, workloads: Make) -> None:
    workloads().provision(share=FIVE)
    before = uids(shop), shop.get("deployments", "shop-canary")["metadata"]["generation"]
    workloads().provision(share=FIVE)
    assert (uids(shop), shop.get("deployments", "shop-canary")["metadata"]["generation"]) == before


def test_the_service_is_made_only_once_the_pods_are_ready(
    shop: Any, controller: Any, workloads: Make, eventually: Callable[..., Any]
) -> None:
    controller.deaf.add("shop-canary")
    port = workloads()
    worker = threading.Thread(target=lambda: port.provision(share=FIVE))
    worker.start()
    eventually(lambda: shop.get("deployments", "shop-canary"))
    looks = len(shop.requests())
    eventually(lambda: len(shop.requests()) > looks + 30)  # it went on looking, and made no Service
    assert shop.get("services", "shop-canary") is None
    controller.deaf.clear()
    worker.join(20)
    assert not worker.is_alive()
    assert shop.get("services", "shop-canary") is not None


def test_it_grows_with_the_share_and_never_shrinks(shop: Any, workloads: Make) -> None:
    port = workloads()
    seen = []
    for share in (Decimal(5), Decimal(50), Decimal(60), FULL, FIVE):
        port.provision(share=share)
        seen.append(shop.get("deployments", "shop-canary")["spec"]["replicas"])
    assert seen == [2, 3, 3, 4, 4]


def test_a_stable_that_was_scaled_down_meanwhile_does_not_make_the_canary_too_small(shop: Any, workloads: Make) -> None:
    workloads().provision(share=FIVE)
    shop.merge("deployments", "shop", {"spec": {"replicas": 1}}, manager="horizontal-pod-autoscaler")
    assert workloads().provision(share=FULL).canary == 4


@pytest.mark.parametrize("plural", ["deployments", "services"])
def test_somebody_elses_object_is_left_alone_and_named(shop: Any, workloads: Make, plural: str) -> None:
    body = shop.get(plural, "shop")
    body["metadata"] = {"name": "shop-canary", "namespace": shop.namespace, "labels": {RELEASE_LABEL: "0ther"}}
    body["spec"].pop("clusterIP", None)
    body["spec"].pop("clusterIPs", None)
    shop.create(shop.path(plural), body)
    before = shop.get(plural, "shop-canary")
    with pytest.raises(WorkloadFailure, match=r"shop-canary was made by release 0ther.*kubectl -n \S+ delete"):
        workloads().provision(share=FIVE)
    now = shop.get(plural, "shop-canary")
    assert (now["spec"], now["metadata"]["uid"]) == (before["spec"], before["metadata"]["uid"])
    workloads().remove()
    assert shop.get(plural, "shop-canary") is not None


def test_another_services_selector_does_not_take_the_canary(shop: Any, workloads: Make) -> None:
    spec = {"selector": {"tier": "front"}, "ports": [{"port": 80}]}
    metadata = {"name": "internal", "namespace": shop.namespace}
    shop.create(shop.path("services"), {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    workloads().provision(share=FIVE)
    assert len(shop.get("endpointslices", "internal-1")["endpoints"]) == 4


def test_endpoints_of_an_earlier_service_of_the_same_name_do_not_count(
    shop: Any, controller: Any, workloads: Make
) -> None:
    slice_ = shop.get("endpointslices", "shop-1")
    owner = [{"apiVersion": "v1", "kind": "Service", "name": "shop-canary", "uid": "an-earlier-one"}]
    labels = {"kubernetes.io/service-name": "shop-canary"}
    slice_["metadata"] = {"name": "old", "namespace": shop.namespace, "labels": labels, "ownerReferences": owner}
    shop.create(shop.path("endpointslices"), slice_)
    controller.deaf.add("service shop-canary")
    with pytest.raises(WorkloadFailure, match="shop-canary has 0 ready endpoints, 2 are wanted"):
        workloads(pace=Pace(poll=0.02, steady=0.1, endpoints=0.3)).provision(share=FIVE)
    controller.deaf.clear()
    assert workloads().provision(share=FIVE) == Endpoints(stable=4, canary=2)


@pytest.mark.parametrize(("reason", "stuck"), [("CrashLoopBackOff", 60.0), ("ImagePullBackOff", 0.2)])
def test_a_canary_that_does_not_start_fails_with_the_clusters_reason(
    controller: Any, workloads: Make, images: tuple[str, str], reason: str, stuck: float
) -> None:
    controller.failing[images[1]] = reason
    with pytest.raises(WorkloadFailure, match=f"container app: {reason}: the kubelet's words"):
        workloads(pace=Pace(poll=0.02, steady=0.1, stuck=stuck, progress=30.0)).provision(share=FIVE)


def test_the_deployments_own_deadline_is_believed(controller: Any, workloads: Make, images: tuple[str, str]) -> None:
    controller.deadline.add(images[1])
    with pytest.raises(WorkloadFailure, match="ProgressDeadlineExceeded"):
        workloads().provision(share=FIVE)


def test_waiting_has_an_end_of_its_own(shop: Any, controller: Any, workloads: Make) -> None:
    shop.merge("deployments", "shop", {"spec": {"progressDeadlineSeconds": 1}})
    controller.deaf.add("shop-canary")
    with pytest.raises(WorkloadFailure, match="not ready within 1 s: the Deployment controller has not seen it"):
        workloads(pace=Pace(poll=0.02, steady=0.1, grace=0.0)).provision(share=FIVE)


@pytest.mark.parametrize("call", ["provision", "update_stable", "revert_stable"])
def test_after_an_outage_nobody_is_sent_to_new_pods_before_gateways_may_know_them(
    workloads: Make, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float | None] = []
    port = workloads()
    port.provision(share=FIVE)
    if call == "revert_stable":
        port.update_stable(token=TOKEN)
    monkeypatch.setattr(Waiting, "until_caught_up", lambda _, __, missed_at: waited.append(missed_at()))
    port._api.missed_at = 7.0  # the port's own way to the server: what it missed is what counts
    calls: dict[str, Callable[[], object]] = {
        "provision": lambda: port.provision(share=FULL),
        "update_stable": lambda: port.update_stable(token=TOKEN),
        "revert_stable": port.revert_stable,
    }
    calls[call]()
    assert waited == [7.0]


def test_cancel_ends_the_call_that_blocks_and_no_later_one(
    shop: Any, controller: Any, workloads: Make, eventually: Callable[..., Any]
) -> None:
    controller.deaf.add("shop-canary")
    port, failed = workloads(), []

    def work() -> None:
        with pytest.raises(WorkloadFailure) as caught:
            port.provision(share=FIVE)
        failed.append(str(caught.value))

    port.cancel()  # before anything blocks: no effect on what comes
    worker = threading.Thread(target=work)
    worker.start()
    eventually(lambda: shop.get("deployments", "shop-canary"))
    port.cancel()
    worker.join(20)
    assert failed == ["cancelled"]
    controller.deaf.clear()
    assert port.provision(share=FIVE).canary == 2


def test_an_api_server_that_is_away_for_a_while_is_waited_for(shop: Any, workloads: Make) -> None:
    shop.fault({"status": 503}, times=3, skip=2, verb="list", resource="endpointslices.discovery.k8s.io")
    assert workloads().provision(share=FIVE).canary == 2


@pytest.mark.parametrize("resource", ["deployments.apps", "services"])
def test_a_create_whose_answer_was_lost_is_found_again(shop: Any, workloads: Make, resource: str) -> None:
    shop.fault({"drop": "after"}, times=1, verb="create", resource=resource)
    with pytest.raises(Unavailable):
        workloads().provision(share=FIVE)
    before = uids(shop)
    workloads().provision(share=FIVE)
    assert before <= uids(shop)
    assert len(shop.list("deployments")) == 2


def test_a_stable_that_somebody_changed_stops_the_next_raise_with_the_name(shop: Any, workloads: Make) -> None:
    workloads().provision(share=FIVE)
    change = {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}
    shop.merge("deployments", "shop", change, manager="kubectl-rollout")
    with pytest.raises(NotFound, match=r"Deployment \S+/shop was changed during the release by kubectl-rollout"):
        workloads().provision(share=Decimal(25))
    with pytest.raises(NotFound, match="kubectl-rollout"):
        workloads().update_stable(token=TOKEN)


def test_a_canary_that_somebody_deleted_while_it_was_waited_for_is_told(
    shop: Any, controller: Any, workloads: Make, eventually: Callable[..., Any]
) -> None:
    controller.deaf.add("shop-canary")
    caught: list[BaseException] = []

    def work() -> None:
        try:
            workloads().provision(share=FIVE)
        except NotFound as error:
            caught.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    eventually(lambda: shop.get("deployments", "shop-canary"))
    shop.request("DELETE", shop.path("deployments", "shop-canary"))
    worker.join(20)
    assert "deleted by somebody else" in str(caught[0])


# Removal and watching -------------------------------------------------------------------------------------------


def test_the_service_goes_before_the_pods_and_only_ours_go(shop: Any, workloads: Make) -> None:
    before = uids(shop)
    workloads().provision(share=FIVE)
    for _ in range(2):
        workloads().remove()
        assert uids(shop) == before
    assert [each for each in writes(shop) if each[0] == "delete"] == [
        ("delete", "services"),
        ("delete", "deployments.apps"),
    ]


def test_what_took_the_name_of_ours_meanwhile_is_not_deleted(shop: Any, workloads: Make) -> None:
    port = workloads()
    port.provision(share=FIVE)
    stale = shop.list("deployments"), shop.list("services")

    def again(resource: Any, selector: str = "") -> Any:
        items = stale[0] if resource.plural == "deployments" else stale[1]
        return [item for item in items if item["metadata"].get("labels", {}).get(RELEASE_LABEL) == "f00d"]

    workloads().remove()
    other = workloads(release="0ther")
    other.provision(share=FIVE)
    before = uids(shop)
    port._objects.list = again  # type: ignore[method-assign]  # as if the list had been read before the others came
    port.remove()
    assert uids(shop) == before


def test_the_watch_tells_both_arms_at_the_start_and_after_each_change(
    shop: Any, workloads: Make, eventually: Callable[..., Any]
) -> None:
    port, stop = workloads(), threading.Event()
    seen: list[Endpoints] = []
    watcher = threading.Thread(target=lambda: port.watch(seen.append, stop))
    watcher.start()
    eventually(lambda: seen == [Endpoints(stable=4, canary=0)])
    port.provision(share=FIVE)
    eventually(lambda: seen[-1] == Endpoints(stable=4, canary=2))
    shop.merge("deployments", "shop", {"spec": {"replicas": 3}})
    eventually(lambda: seen[-1] == Endpoints(stable=3, canary=2))
    stop.set()
    watcher.join(20)
    assert not watcher.is_alive()
    assert all(one != other for one, other in pairwise(seen))
