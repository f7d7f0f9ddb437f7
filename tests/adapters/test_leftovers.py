"""What releases left: seen by its label and by who made it, and deleted as it was seen or not at all. Both adapters."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from canary.adapters.kubernetes import KubernetesLeases
from canary.adapters.kubernetes.clock import ServerClock
from canary.adapters.kubernetes.fleets import KubernetesFleets
from canary.adapters.kubernetes.leftovers import KubernetesLeftovers
from canary.adapters.kubernetes.objects import Objects
from canary.adapters.kubernetes.paths import DEPLOYMENT, SERVICE
from canary.adapters.memory import MemoryFleets, MemoryLeases, MemoryLeftovers, MemoryWorkloads, World
from canary.core.outcome import ExitCode, Outcome
from canary.core.release import Phase, Policy, Release
from canary.engine.journal import Journal, encode
from canary.engine.sweeper import SWEEP_EVERY, Sweeper
from canary.ports import Conflict, NotFound, Unavailable

POLICY = Policy(
    steps=(), bake_min=1, bake_max=2, settle_window=2, settle_least=20, drain=10, deadline=600, last_call=900
)
LABELS = {"canary-engine.io/release": "r1"}


def copy_of(*, phase: Phase, since: float, uid: str = "r1") -> str:
    outcome = Outcome(code=ExitCode.JUDGED_BAD, reason="bad", decided=since) if phase is Phase.ROLLED_BACK else None
    return encode(
        Journal(release=Release(uid=uid, incarnation="i1", policy=POLICY, phase=phase, since=since, outcome=outcome))
    )


# In memory: what is swept, and what is not ---------------------------------------------------------------------------


class There:
    """One release that has made its canary, a lease, and a sweeper."""

    def __init__(self) -> None:
        self.world = World()
        self.workloads, self.leases = MemoryWorkloads(self.world), MemoryLeases(self.world)
        self.fleets, self.said = MemoryFleets(self.world), list[str]()
        self.fleets.add("shop/canary-shop", self.leases)
        self.leases.acquire("i1")
        self.leftovers = MemoryLeftovers(self.world, self.workloads, release="r1", namespace="shop")
        self.sweeper = Sweeper(
            leftovers=self.leftovers, fleets=self.fleets, clock=self.world.clock, tell=self.said.append
        )
        self.workloads.provision(share=Decimal(50))
        self.world.clock.advance(5.0)

    def says(self, **how: Any) -> None:
        self.leases.keep("i1", copy_of(**how), over=self.leases.copy)


def test_what_was_made_after_its_releases_end_is_taken_away() -> None:
    there = There()
    there.says(phase=Phase.ROLLED_BACK, since=there.world.clock.now() - 10.0)
    there.sweeper.turn()
    assert not there.workloads.exists
    assert there.said == ["the workload was made after release r1 had ended, and is deleted"]


@pytest.mark.parametrize(
    "how",
    [
        {"phase": Phase.JUDGING, "since": 0.0},  # it is under way
        {"phase": Phase.ROLLING_BACK, "since": 0.0},
        {"phase": Phase.ROLLED_BACK, "since": 0.0, "uid": "r2"},  # another one's end
        None,  # nobody knows
    ],
)
def test_what_may_be_wanted_is_left_alone(how: dict[str, Any] | None) -> None:
    there = There()
    if how is not None:
        there.says(**how)
    there.sweeper.turn()
    assert there.workloads.exists
    assert there.said == []


def test_what_was_made_before_the_end_and_is_still_there_is_its_users() -> None:
    there = There()
    there.says(phase=Phase.SUCCEEDED, since=there.world.clock.now())
    there.sweeper.turn()
    assert there.workloads.exists


def test_another_namespaces_release_of_the_same_name_is_nobodys_proof() -> None:
    there = There()
    there.says(phase=Phase.ROLLED_BACK, since=0.0)
    there.fleets.leases = {"elsewhere/canary-shop": there.leases}
    there.sweeper.turn()
    assert there.workloads.exists


def test_a_copy_that_cannot_be_read_is_passed_over() -> None:
    there = There()
    there.leases.keep("i1", "torn", over="")
    there.sweeper.turn()
    assert there.workloads.exists


def test_what_was_let_go_of_between_the_looks_stays() -> None:
    there = There()
    there.says(phase=Phase.ROLLED_BACK, since=0.0)
    (seen,) = there.leftovers.made()
    there.workloads.remove()
    with pytest.raises(Conflict):
        there.leftovers.remove(seen)


def test_it_is_looked_at_once_a_minute_and_an_outage_is_said() -> None:
    there = There()
    there.world.faults.plan("leftovers.made", Unavailable("no answer"))
    there.sweeper.turn()
    assert there.said == ["what releases left cannot be looked for: no answer"]
    there.says(phase=Phase.ROLLED_BACK, since=0.0)
    there.sweeper.turn()
    assert there.workloads.exists
    there.world.clock.advance(SWEEP_EVERY)
    there.sweeper.turn()
    assert not there.workloads.exists


def test_where_nothing_was_made_the_leases_are_not_read() -> None:
    there = There()
    there.workloads.remove()
    before = there.world.calls.count("fleets.copies")
    there.sweeper.turn()
    assert there.world.calls.count("fleets.copies") == before


# On the API server ---------------------------------------------------------------------------------------------------


def a_service(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": LABELS},
            "spec": {"ports": [{"port": 80}]}}  # fmt: skip


def a_deployment(name: str) -> dict[str, Any]:
    pod = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "app", "image": "x"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": LABELS}, "spec": spec}


@pytest.mark.real
@pytest.mark.parametrize("everywhere", [False, True])
def test_of_a_cluster_what_we_made_is_seen_and_what_somebody_applied_with_our_label_is_not(
    cluster: Any, everywhere: bool
) -> None:
    api = cluster.api()
    objects = Objects(api, cluster.namespace)
    objects.create(SERVICE, a_service("web-canary"))
    objects.create(DEPLOYMENT, a_deployment("web-canary"))
    cluster.create(f"{cluster.path('deployments')}?fieldManager=kubectl", a_deployment("copied"))
    leftovers = KubernetesLeftovers(api, namespace=None if everywhere else cluster.namespace)
    made = [one for one in leftovers.made() if one.namespace == cluster.namespace]
    assert [one.what.split()[0] for one in made] == ["Service", "Deployment"]
    assert {(one.release, one.what.rpartition("/")[2]) for one in made} == {("r1", "web-canary")}
    assert all(abs(one.created - ServerClock(api).now()) < 60.0 for one in made)


@pytest.mark.real
def test_of_a_cluster_an_object_is_deleted_as_it_was_seen_or_not_at_all(cluster: Any) -> None:
    api = cluster.api()
    objects = Objects(api, cluster.namespace)
    objects.create(SERVICE, a_service("web-canary"))
    leftovers = KubernetesLeftovers(api, namespace=cluster.namespace)
    (seen,) = leftovers.made()
    objects.patch(SERVICE, "web-canary", [{"op": "add", "path": "/metadata/labels/by", "value": "ann"}])
    with pytest.raises(Conflict):
        leftovers.remove(seen)
    (seen,) = leftovers.made()
    leftovers.remove(seen)
    assert leftovers.made() == ()
    with pytest.raises(NotFound):
        leftovers.remove(seen)


@pytest.mark.real
def test_of_a_cluster_the_whole_sweep(cluster: Any) -> None:
    api = cluster.api()
    clock = ServerClock(api)
    leases = KubernetesLeases(api, namespace=cluster.namespace, name="canary-web", clock=clock, route="HTTPRoute/web")
    leases.acquire("i1")
    leases.keep("i1", copy_of(phase=Phase.ROLLED_BACK, since=clock.now() - 60.0), over="")
    leases.release("i1")
    Objects(api, cluster.namespace).create(DEPLOYMENT, a_deployment("web-canary"))
    fleets = KubernetesFleets(api, namespace=cluster.namespace)
    assert set(fleets.copies()) == {f"{cluster.namespace}/canary-web"}
    leftovers, said = KubernetesLeftovers(api, namespace=cluster.namespace), list[str]()
    Sweeper(leftovers=leftovers, fleets=fleets, clock=clock, tell=said.append).turn()
    assert leftovers.made() == ()
    assert len(said) == 1
