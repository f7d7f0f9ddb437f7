"""What the adapters stand on, asked of the API server itself: each line is something that a release relies on."""

from __future__ import annotations

import threading
from decimal import Decimal
from itertools import groupby
from typing import Any

import pytest

from canary.adapters.kubernetes import EventReporter, KubernetesLeases, KubernetesRoutes, ServerClock, watching
from canary.adapters.kubernetes.access import Right, denied
from canary.adapters.kubernetes.managers import writer_of
from canary.adapters.kubernetes.objects import Objects
from canary.adapters.kubernetes.paths import CONFIG_MAP, DEPLOYMENT, LEASE, ROUTE_KINDS
from canary.adapters.kubernetes.people import whoami
from canary.ports import Conflict, NotFound, Progress, Refused
from tests.cluster.conftest import a_route, deployment
from tests.cluster.place import Place, until

pytestmark = pytest.mark.real

ROUTE = ROUTE_KINDS["HTTPRoute"]


def a_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_a_delete_spares_an_object_that_has_the_name_by_now(place: Place) -> None:
    objects = Objects(place.api(), place.namespace)
    first = objects.create(CONFIG_MAP, a_map("one"))["metadata"]["uid"]
    objects.delete(CONFIG_MAP, "one", uid=first)
    objects.create(CONFIG_MAP, a_map("one", second="yes"))
    with pytest.raises(Conflict):
        objects.delete(CONFIG_MAP, "one", uid=first)
    assert place.get("configmaps", "one")["data"] == {"second": "yes"}


def test_a_dry_run_makes_nothing_and_conflicts_with_what_is_there(place: Place) -> None:
    objects = Objects(place.api(), place.namespace)
    for body, resource in ((a_map("one"), CONFIG_MAP), (deployment(), DEPLOYMENT)):
        made = objects.create(resource, body, dry_run=True)
        assert made["metadata"]["uid"]
        with pytest.raises(NotFound):
            objects.get(resource, body["metadata"]["name"])
    place.make(place.path("configmaps"), a_map("one"))
    with pytest.raises(Conflict):
        objects.create(CONFIG_MAP, a_map("one"), dry_run=True)


def test_what_breaks_the_routes_schema_is_refused_and_not_a_conflict(place: Place) -> None:
    place.make(place.path("httproutes"), a_route("shop", "help"))
    routes = KubernetesRoutes(place.api(), namespace=place.namespace, name="shop")
    for value in (1_000_001, -1, "many"):
        wrong = {"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": value}
        with pytest.raises(Refused):
            routes.patch([wrong], dry_run=True)


def test_a_strategic_patch_is_not_for_routes(place: Place) -> None:
    place.make(place.path("httproutes"), a_route("shop", "help"))
    status, _ = place.call("PATCH", place.path("httproutes", "shop"), {"metadata": {}}, kind="strategic")
    assert status == 415


def test_defaults_of_a_route_are_what_surgery_expects(place: Place) -> None:
    route = a_route("shop", "help")
    rule = route["spec"]["rules"][0]
    del rule["matches"]
    rule["backendRefs"] = [{"name": "shop", "port": 8080}, {"name": "help", "port": 8080}]
    (made,) = place.make(place.path("httproutes"), route)["spec"]["rules"]
    assert made["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    assert [each["weight"] for each in made["backendRefs"]] == [1, 1]
    assert {(each["group"], each["kind"]) for each in made["backendRefs"]} == {("", "Service")}


def test_status_is_not_written_with_the_object(place: Place) -> None:
    place.make(place.path("deployments"), deployment())
    place.merge("deployments", "shop", {"status": {"replicas": 9}})
    assert place.get("deployments", "shop").get("status", {}).get("replicas", 0) != 9


def test_whoever_wrote_is_named(place: Place) -> None:
    place.make(place.path("httproutes"), a_route("shop", "help"), manager="the-owner")
    routes = KubernetesRoutes(place.api(), namespace=place.namespace, name="shop")
    routes.patch([{"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 3}])
    assert "canary-engine" in writer_of(routes.read(), "spec", "rules", ours="")
    rules = routes.read()["spec"]["rules"]
    rules[0]["backendRefs"][1]["weight"] = 5
    place.merge("httproutes", "shop", {"spec": {"rules": rules}}, manager="the-reverter")
    assert "the-reverter" in writer_of(routes.read(), "spec", "rules", ours="canary-engine")


def test_a_watch_goes_on_when_the_server_ends_it_again_and_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LASTS", 1)
    place.make(place.path("httproutes"), a_route("shop", "help"))
    api, seen, opened, stop = place.api(), list[int](), list[str](), threading.Event()
    routes, stream = KubernetesRoutes(api, namespace=place.namespace, name="shop"), api.stream

    def counted(path: str, **given: Any) -> Any:
        opened.append(path)
        return stream(path, **given)

    monkeypatch.setattr(api, "stream", counted)

    def note(route: Any) -> None:
        seen.append(0 if route is None else route["spec"]["rules"][0]["backendRefs"][1]["weight"])

    follower = threading.Thread(target=routes.watch, args=(note, stop), daemon=True)
    follower.start()
    until(lambda: seen)
    for weight in (2, 3, 4, 5):
        before = len(opened)
        until(lambda before=before: len(opened) > before)  # type: ignore[misc]  # the server ended one meanwhile
        routes.patch([{"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": weight}])
    until(lambda: 5 in seen)
    place.do("DELETE", place.path("httproutes", "shop"))
    until(lambda: seen[-1] == 0)
    assert [weight for weight, _ in groupby(seen)] == [1, 2, 3, 4, 5, 0]
    stop.set()
    follower.join(30)
    assert not follower.is_alive()


def test_times_of_a_lease_are_read_back_as_they_were_written(place: Place) -> None:
    api = place.api()
    leases = KubernetesLeases(api, namespace=place.namespace, name="canary-shop", clock=ServerClock(api))
    leases.acquire("a/1")
    spec = Objects(api, place.namespace).get(LEASE, "canary-shop")["spec"]
    assert len(spec["renewTime"]) == len("2026-01-01T00:00:00.000000Z")
    assert spec["leaseDurationSeconds"] == 30


def test_what_a_release_tells_becomes_an_event_about_its_route(place: Place) -> None:
    uid = place.make(place.path("httproutes"), a_route("shop", "help"))["metadata"]["uid"]
    reporter = EventReporter(place.api(), namespace=place.namespace, route="shop", instance="pod-1")
    for number, message in enumerate(("canary raised to 5 %", "ü" * 2000)):
        told = Progress(
            at=1_800_000_000.0 + number,
            phase="SHIFTING",
            stage="SHIFTING",
            step=0,
            steps=1,
            share_wanted=Decimal(5),
            share_seen=None,
            entered=1_800_000_000.0,
            message=message,
            reason="Raised",
        )
        reporter.tell(told)

    def about_the_route() -> list[Any]:
        return [each for each in place.list("events") if each["involvedObject"]["kind"] == "HTTPRoute"]

    until(lambda: len(about_the_route()) == 2)
    for event in about_the_route():
        assert event["involvedObject"]["uid"] == uid
        assert (event["type"], event["reason"], event["reportingInstance"]) == ("Normal", "Raised", "pod-1")


def test_the_administrator_is_somebody_and_may_do_everything(place: Place) -> None:
    api = place.api()
    rights = [Right(verb=verb, resource=ROUTE, name="shop") for verb in ("get", "list", "watch", "patch")]
    assert denied(api, place.namespace, rights) == []
    assert whoami(api)
