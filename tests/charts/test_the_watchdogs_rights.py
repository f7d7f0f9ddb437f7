"""The watchdog with the chart's rights, enforced by the API server: enough to finish a release, none too much."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from canary.adapters.kubernetes import Api, KubernetesJournals, KubernetesLeases, KubernetesRoutes, KubernetesWorkloads
from canary.adapters.kubernetes.budget import Budget
from canary.adapters.kubernetes.clock import ServerClock
from canary.adapters.kubernetes.connect import connect
from canary.adapters.kubernetes.fleets import KubernetesFleets
from canary.adapters.kubernetes.leftovers import KubernetesLeftovers
from canary.cli.health import Health
from canary.cli.watchdog import Guard
from canary.core import effects as do
from canary.core.outcome import ExitCode
from canary.core.release import FULL, Phase, Policy, Release, Stage, StepPolicy
from canary.core.vigil import Vigil
from canary.engine.journal import Journal, decode, encode
from canary.engine.subject import Subject, Workload
from canary.engine.surgeon import Surgeon
from canary.ports import Unavailable
from strategies import Pool, RefId
from strategies.route.model import canonical
from tests.charts.test_the_rights import cleaned, install, log_in  # noqa: F401 - a fixture

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

IMAGE = "example.test/shop@sha256:" + "2" * 64
SILENT = 2.0
NEVER_USED = {("list", "pods"), ("list", "endpointslices"), ("list", "scaledobjects"), ("patch", "scaledobjects")}
"""Asked for where stable does not get ready, where it is put back, and where KEDA is installed."""


@pytest.fixture
def installed(shop: Any, cleaned: Any, helm: Any, documents: Callable[[str], list[dict[str, Any]]]) -> Any:  # noqa: F811
    """The shop, with the watchdog's rights in it, and the watchdog logged in."""
    values = {"watchdog.create": "true", "watchdog.image": "registry.test/canary@sha256:" + "a" * 64}
    words = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
    ran = helm("template", "x", "charts/canary", "--namespace", shop.namespace, *words)
    assert ran.code == 0, ran.err
    for each in documents(ran.out):
        if each["kind"] in {"ServiceAccount", "Role", "RoleBinding"}:
            install(shop, each)
    log_in(shop, "dog", f"system:serviceaccount:{shop.namespace}:x-canary-watchdog")
    return shop


class Abandoned:
    """A release in the middle of its way, whose engine is not there."""

    def __init__(self, shop: Any, *, promoting: bool) -> None:
        space = shop.namespace
        self.api, self.shop = shop.api(), shop
        self.before = shop.get("httproutes", "shop")["spec"]
        clock = ServerClock(self.api)
        policy = Policy(
            steps=(StepPolicy(share=Decimal(50), hold_min=60, hold_max=600),),
            bake_min=60, bake_max=600, settle_window=1, settle_least=60, drain=1, deadline=3600, last_call=4200,
        )  # fmt: skip
        release = Release(uid="f00d", incarnation="dead", policy=policy, started=clock.now(), fenced=True)
        self.leases = KubernetesLeases(
            self.api, namespace=space, name="canary-shop", clock=clock, route="HTTPRoute/shop"
        )
        assert self.leases.acquire("dead").ours
        workloads = KubernetesWorkloads(
            self.api, namespace=space, release="f00d", deployment="shop", container="app", image=IMAGE,
            stable_service="shop", canary_service="shop-canary", port=8080,
        )  # fmt: skip
        workloads.provision(share=Decimal(50))
        workloads.put_mark(release.token, over=workloads.mark())
        pool = Pool(
            stable=RefId("Service", "", space, "shop", 8080), canary=RefId("Service", "", space, "shop-canary", 8080)
        )
        routes = KubernetesRoutes(self.api, namespace=space, name="shop")
        surgeon = Surgeon(routes=routes, clock=clock, pool=pool, selectors=None, manager="canary-engine")
        share = FULL if promoting else Decimal(50)
        for effect in (do.TakeFence(id="1"), do.AttachCanary(id="2"), do.RaiseShare(id="3", share=share)):
            surgeon.carry_out(effect, release=release, still_ours=lambda: None)
        release = replace(release, phase=Phase.JUDGING, step=0, share=share)
        if promoting:
            workloads.update_stable(token=release.token)
            pending = do.UpdateStable(id="f00d/9")
            release = replace(release, phase=Phase.PROMOTING, stage=Stage.UPDATING, step=1, pending=pending)
        subject = Subject(
            name="shop", namespace=space, route="shop", stable="shop", canary="shop-canary", stable_port=8080,
            canary_port=8080, workload=Workload(name="shop", container="app", image=IMAGE),
        )  # fmt: skip
        self.journals = KubernetesJournals(self.api, namespace=space, name="canary-shop-journal")
        self.journals.save(
            encode(Journal(release=release, identity="same", surgery=surgeon.encode(), subject=subject)), version=None
        )

    @property
    def release(self) -> Release:
        stored = self.journals.load()
        assert stored is not None
        return decode(stored.text).release

    @property
    def canary_weight(self) -> int:
        refs = self.shop.get("httproutes", "shop")["spec"]["rules"][0]["backendRefs"]
        return sum(ref["weight"] for ref in refs if ref["name"] == "shop-canary")


def guard_of(shop: Any, api: Api | None = None) -> Guard:
    api = api or shop.api("dog")
    fleets = KubernetesFleets(api, namespace=shop.namespace)
    leftovers = KubernetesLeftovers(api, namespace=shop.namespace)
    vigil = Vigil(silent=SILENT)
    return Guard(api, fleets, leftovers=leftovers, clock=ServerClock(api), health=Health(), vigil=vigil)


@pytest.mark.parametrize("promoting", [False, True])
def test_a_release_is_finished_with_the_charts_rights(installed: Any, promoting: bool) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "shop"},
        "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 9},
    }
    installed.create(installed.path("horizontalpodautoscalers"), scaler)
    abandoned = Abandoned(installed, promoting=promoting)
    assert installed.get("horizontalpodautoscalers", "shop")["spec"]["minReplicas"] == 4
    assert guard_of(installed).run(once=True) == 0
    assert installed.get("horizontalpodautoscalers", "shop")["spec"]["minReplicas"] == 2
    assert abandoned.release.phase is Phase.ROLLED_BACK
    assert abandoned.release.outcome is not None
    assert abandoned.release.outcome.code is ExitCode.ENGINE_LOST
    assert canonical(installed.get("httproutes", "shop")["spec"]) == canonical(abandoned.before)
    assert installed.get("deployments", "shop-canary") is None
    assert installed.get("services", "shop-canary") is None
    stable = installed.get("deployments", "shop")
    assert stable["spec"]["template"]["spec"]["containers"][0]["image"] != IMAGE
    assert installed.get("leases", "canary-shop")["spec"]["holderIdentity"] == ""
    asked = [each for each in installed.requests() if each["user"].endswith("x-canary-watchdog")]
    assert [each for each in asked if each["code"] == 403] == []
    used = {(each["verb"], each["resource"].partition(".")[0]) for each in asked}
    rules = installed.get("roles", "x-canary-watchdog")["rules"]
    given = {(verb, resource) for rule in rules for verb in rule["verbs"] for resource in rule["resources"]}
    assert used <= given
    if promoting:
        assert given - used <= NEVER_USED, "a right that nothing asks for"


def test_a_journal_that_is_gone_costs_the_canary_its_traffic_and_nothing_else(installed: Any) -> None:
    abandoned = Abandoned(installed, promoting=False)
    assert abandoned.canary_weight > 0
    installed.request("DELETE", installed.path("configmaps", "canary-shop-journal"))
    assert guard_of(installed).run(once=True) == ExitCode.ROLLBACK_INCOMPLETE
    assert abandoned.canary_weight == 0
    assert installed.get("deployments", "shop-canary") is not None
    assert installed.get("leases", "canary-shop")["spec"]["holderIdentity"] == "dead"
    said = [each["note"] if "note" in each else each["message"] for each in installed.list("events")]
    assert any("nothing was deleted" in each for each in said)


def test_an_outage_of_the_api_server_for_everyone_rolls_nothing_back(installed: Any, controller: Any) -> None:
    abandoned = Abandoned(installed, promoting=False)
    controller.close()  # it takes a fault for the end of the world
    brief = Budget(total=1.0, attempt=1.0)
    api, engines = (
        connect(kubeconfig=installed.folder / f"{installed.namespace}-{user}.kubeconfig", critical=brief)
        for user in ("dog", "admin")
        if installed.api(user)
    )
    guard, stop = guard_of(installed, api), threading.Event()
    leases = KubernetesLeases(engines, namespace=installed.namespace, name="canary-shop", clock=ServerClock(engines))

    def live() -> None:
        """An engine that renews, and tries again where nobody answers."""
        while not stop.wait(SILENT / 6):
            try:
                assert leases.renew("dead").ours
            except Unavailable:
                continue

    engine = threading.Thread(target=live)
    dog = threading.Thread(target=lambda: guard.run(once=False))
    engine.start()
    dog.start()
    try:
        wait(lambda: guard.watchdog.reads >= 2)
        installed.fault({"status": 503})
        wait(lambda: guard.watchdog.misses >= 3)
        began = time.monotonic()
        wait(lambda: time.monotonic() - began > 2 * SILENT)
        installed.request("DELETE", "/sandbox/faults")
        good = guard.watchdog.reads - guard.watchdog.misses
        began = time.monotonic()
        wait(lambda: guard.watchdog.reads - guard.watchdog.misses > good + 1 and time.monotonic() - began > 2 * SILENT)
    finally:
        stop.set()
        engine.join()
        guard.stop.set()
        dog.join()
    assert abandoned.release.phase is Phase.JUDGING
    assert abandoned.canary_weight > 0
    assert installed.get("leases", "canary-shop")["spec"]["holderIdentity"] == "dead"
    writes = [
        each for each in installed.requests()
        if each["user"].endswith("x-canary-watchdog") and each["verb"] in {"patch", "create", "delete"}
    ]  # fmt: skip
    assert writes == []


def wait(condition: Callable[[], Any], *, within: float = 60.0) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
