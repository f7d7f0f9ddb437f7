"""Whole releases by the program's own commands; gateway, counters and controllers are played, nothing else is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from canary.core.outcome import ExitCode
from strategies.route.model import canonical
from tests.cluster import play
from tests.cluster.conftest import CANARY_IMAGE, STABLE_IMAGE, Ran
from tests.cluster.place import Place, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

Canary = Callable[..., Ran]
Release = Callable[..., Path]
WORKLOAD = "workload: {name: shop, container: app}"


def stands(place: Place) -> Any:
    """What of the route is its owner's."""
    route = place.get("httproutes", "shop")
    return canonical(route["spec"]), route["metadata"].get("annotations"), route["metadata"].get("labels")


def leftovers(place: Place) -> list[str]:
    """What a release made and did not take away; journal and record stay on purpose."""
    found = [(plural, each) for plural in ("deployments", "services") for each in place.list(plural)]
    return [
        f"{plural}/{each['metadata']['name']}"
        for plural, each in found
        if any(key.startswith("canary-engine.io/") for key in each["metadata"].get("labels") or {})
    ]


def test_traffic_moves_between_two_services_until_the_new_one_has_it_all(
    two_services: Place, release_file: Release, canary: Canary
) -> None:
    before = stands(two_services)
    ran = canary("run", str(release_file()), "--lines", "-o", "json")
    assert (ran.code, ran.json["code"]) == (0, 0), ran.err
    spec, *notes = stands(two_services)
    assert notes == list(before[1:])
    names = {
        each["name"]: each["weight"]
        for each in two_services.get("httproutes", "shop")["spec"]["rules"][0]["backendRefs"]
    }
    assert (names["shop"], names["help"] * 9) == (0, names["shop-canary"]), spec
    assert leftovers(two_services) == []
    history = canary("history", "shop", "-n", two_services.namespace, "-o", "json")
    assert history.code == 0, history.err
    assert "promoted" in history.out


def test_a_worse_version_is_rolled_back_and_nothing_is_left(
    two_services: Place, release_file: Release, canary: Canary, counters: play.Counters
) -> None:
    before = stands(two_services)
    counters.bad["shop-canary"] = 20
    ran = canary("run", str(release_file(step="5s, max: 30s")), "--lines", "-o", "json")
    assert ran.code == ExitCode.JUDGED_BAD, ran.err
    assert "errors" in ran.out
    assert (stands(two_services), leftovers(two_services)) == (before, [])
    status = canary("status", "shop", "-n", two_services.namespace, "-o", "json")
    assert "ROLLED_BACK" in status.out
    watched = canary("watch", "shop", "-n", two_services.namespace)
    assert watched.code == ExitCode.JUDGED_BAD, watched.err


def test_a_person_stops_it_while_it_runs(two_services: Place, release_file: Release, canary: Canary) -> None:
    from canary.cli.main import main

    before = stands(two_services)
    file, ended = release_file(step="60s, max: 120s"), list[int]()
    words = ["run", str(file), "--lines", "--kubeconfig", str(two_services.kubeconfig)]
    engine = threading.Thread(target=lambda: ended.append(main(words)), daemon=True)
    engine.start()
    until(lambda: len(two_services.get("httproutes", "shop")["spec"]["rules"][0]["backendRefs"]) == 3)
    until(lambda: two_services.get("httproutes", "shop")["spec"]["rules"][0]["backendRefs"][2]["weight"])
    aborted = canary("abort", "shop", "-n", two_services.namespace, "--reason", "checkout is slow")
    assert aborted.code == ExitCode.REJECTED, aborted.err
    engine.join(60)
    assert (ended, stands(two_services)) == ([ExitCode.REJECTED], before)


def test_a_deployment_gets_its_canary_and_the_new_version(shop: Place, release_file: Release, canary: Canary) -> None:
    before = stands(shop)
    ran = canary("run", str(release_file(WORKLOAD)), "--lines", "-o", "json")
    assert ran.code == 0, ran.err
    assert (stands(shop), leftovers(shop)) == (before, [])
    template = shop.get("deployments", "shop")["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == CANARY_IMAGE


FRESH = "workload: {name: shop, container: app, baseline: true}"


def test_a_deployment_is_compared_with_its_fresh_baseline(
    shop: Place, release_file: Release, canary: Canary, counters: play.Counters
) -> None:
    """Both young versions fail alike, and stable never does: nothing of that is the new version's fault.

    In the bake nobody is young any more, and the canary is held against what stable was.
    """
    counters.bad |= {"shop-canary": 10, "shop-baseline": 10}
    counters.warms = True
    before = stands(shop)
    ran = canary("run", str(release_file(FRESH)), "--lines", "-o", "json")
    assert ran.code == 0, ran.err
    assert (stands(shop), leftovers(shop)) == (before, [])
    assert "in each step the canary is compared with a fresh baseline" in ran.err + ran.out
    template = shop.get("deployments", "shop")["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == CANARY_IMAGE


def test_a_person_stops_it_beside_a_fresh_baseline_and_neither_is_left(
    shop: Place, release_file: Release, canary: Canary
) -> None:
    from canary.cli.main import main

    before = stands(shop)
    file, ended = release_file(FRESH, step="60s, max: 120s"), list[int]()
    words = ["run", str(file), "--lines", "--kubeconfig", str(shop.kubeconfig)]
    engine = threading.Thread(target=lambda: ended.append(main(words)), daemon=True)
    engine.start()

    def weights() -> dict[str, int]:
        refs = shop.get("httproutes", "shop")["spec"]["rules"][0]["backendRefs"]
        return {each["name"]: each["weight"] for each in refs}

    until(lambda: weights().get("shop-baseline"), within=60.0)
    assert (weights()["shop"], weights()["shop-baseline"]) == (0, weights()["shop-canary"])  # half and half
    aborted = canary("abort", "shop", "-n", shop.namespace, "--reason", "checkout is slow")
    assert aborted.code == ExitCode.REJECTED, aborted.err
    engine.join(60)
    assert (ended, stands(shop), leftovers(shop)) == ([ExitCode.REJECTED], before, [])


def test_another_tool_promotes_when_it_is_asked_to(shop: Place, release_file: Release, canary: Canary) -> None:
    """`promote.by: hook`: the release ends when stable runs the new version, whoever brought that about."""
    from canary.cli.main import main

    before, ended = stands(shop), list[int]()
    file = release_file(f"{WORKLOAD}\n  promote: {{by: hook, expires: 2m}}")
    words = ["run", str(file), "--lines", "--kubeconfig", str(shop.kubeconfig)]
    engine = threading.Thread(target=lambda: ended.append(main(words)), daemon=True)
    engine.start()
    until(lambda: "PROMOTING" in canary("status", "shop", "-n", shop.namespace, "-o", "json").out, within=120.0)
    bring = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": CANARY_IMAGE}]}}}}
    path = shop.path("deployments", "shop")
    shop.do("PATCH", path, bring, kind="strategic", query="fieldManager=argocd-controller")
    engine.join(120)
    assert (ended, stands(shop), leftovers(shop)) == ([ExitCode.PROMOTED], before, [])


def test_a_canary_that_does_not_start_is_a_verdict(
    shop: Place, release_file: Release, canary: Canary, deployments: play.Deployments
) -> None:
    before = stands(shop)
    deployments.failing.add(CANARY_IMAGE)
    ran = canary("run", str(release_file(WORKLOAD)), "--lines", "-o", "json")
    assert ran.code == ExitCode.JUDGED_BAD, ran.err
    assert "CrashLoopBackOff" in ran.out
    assert (stands(shop), leftovers(shop)) == (before, [])
    template = shop.get("deployments", "shop")["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == STABLE_IMAGE


def test_the_doctor_finds_nothing_and_then_what_is_wrong(shop: Place, release_file: Release, canary: Canary) -> None:
    file = release_file(WORKLOAD)
    before = [shop.get(*each) for each in (("deployments", "shop"), ("services", "shop"), ("httproutes", "shop"))]
    well = canary("doctor", str(file), "-o", "json")
    assert well.code == 0, (well.out, well.err)
    assert [
        shop.get(*each) for each in (("deployments", "shop"), ("services", "shop"), ("httproutes", "shop"))
    ] == before
    shop.do("DELETE", shop.path("services", "shop"))
    ill = canary("doctor", str(file), "-o", "json")
    assert ill.code == ExitCode.PREFLIGHT_FAILED
    assert "shop does not exist" in ill.out or "not found" in ill.out


def test_a_real_gateway_accepts_a_route_under_release(place: Place, gateway_class: str) -> None:
    """Only where a gateway controller runs."""
    from tests.cluster.conftest import a_route, service

    listener = {"name": "web", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "Same"}}}
    body = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "web"},
        "spec": {"gatewayClassName": gateway_class, "listeners": [listener]},
    }
    place.make(place.path("gateways"), body)
    for name in ("shop", "help"):
        place.make(place.path("services"), service(name, selector={"app": name}))
    place.make(place.path("httproutes"), a_route("shop", "help"))

    def accepted() -> bool:
        parents = (place.get("httproutes", "shop").get("status") or {}).get("parents") or ()
        return any(
            one["type"] == "Accepted" and one["status"] == "True" for each in parents for one in each["conditions"]
        )

    until(accepted, within=120.0)


def test_real_pods_carry_a_canary(place: Place, pods: None) -> None:
    """Only where pods run: two versions of an image that does nothing, from a registry that every cluster reaches."""
    from decimal import Decimal

    from tests.cluster.conftest import deployment, port_on, service

    before, after = (f"registry.k8s.io/pause:{version}" for version in ("3.9", "3.10"))
    place.make(place.path("deployments"), deployment(before, replicas=2))
    place.make(place.path("services"), service("shop", selector={"app": "shop"}))
    until(lambda: place.get("deployments", "shop").get("status", {}).get("readyReplicas") == 2, within=120.0)
    port = port_on(place, image=after)
    ready = port.provision(share=Decimal(100))
    assert (ready.stable, ready.canary) == (2, 2)
    port.put_mark("f00d/i1", over=port.mark())
    port.update_stable(token="f00d/i1")  # noqa: S106 - the fence's
    port.remove()
    assert leftovers(place) == []
