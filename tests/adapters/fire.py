"""A release in the middle of its way, on the real adapters and the emulated API server, in virtual time.

The traffic is at 50 %; what is played is the way back. Time passes only when a test lets it, or when an adapter waits:
no second is slept. The gateway and the metrics are left out, because going back needs neither.
"""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from canary.adapters.kubernetes import (
    Api,
    KubernetesJournals,
    KubernetesLeases,
    KubernetesRecords,
    KubernetesRoutes,
    KubernetesWorkloads,
    ServerClock,
    connect,
)
from canary.adapters.kubernetes.budget import Budget, Pacer
from canary.adapters.kubernetes.events import EventReporter
from canary.adapters.kubernetes.fleets import KubernetesFleets
from canary.adapters.kubernetes.paths import RELEASE_LABEL, named
from canary.cli.rescuing import scene_of
from canary.core import effects as do
from canary.core import events as on
from canary.core.outcome import ExitCode
from canary.core.release import Phase, Policy, Release, StepPolicy
from canary.core.vigil import Ended, Sighting
from canary.core.vigil import Rescue as Wanted
from canary.engine.decider import Decider
from canary.engine.journal import Journal
from canary.engine.rescue import Rescue
from canary.engine.subject import Subject, Workload
from canary.engine.surgeon import Surgeon
from canary.engine.surroundings import EndpointsObserved, Ports, RouteObserved
from canary.engine.unobserved import Unobserved
from canary.ports import NotFound, PortError, Progress
from strategies import Pool, RefId

ENGINE = "system:serviceaccount:shop:canary-engine"
UID, HOLDER = "f00d", "i1"
DEADLINE, LAST_CALL = 600.0, 700.0
POLICY = Policy(
    steps=(StepPolicy(share=Decimal(50), hold_min=60, hold_max=120),),
    bake_min=10, bake_max=20, settle_window=2, settle_least=20, drain=3, deadline=DEADLINE, last_call=LAST_CALL,
)  # fmt: skip


class Fire:
    """One engine in a namespace of the emulator.

    Attributes:
        meanwhile: what somebody else does while an adapter waits between two tries.
    """

    def __init__(self, cluster: Any, folder: Path, *, budget: Budget) -> None:
        self.cluster, self.space = cluster, cluster.namespace
        self.passed, self.told, self.tasks = 0.0, list[Progress](), deque[Callable[[], on.Event | None]]()
        self.meanwhile: Callable[[], None] = lambda: None
        self._folder, self._budget = folder, budget
        made_canary(cluster)
        self.api = self._connect(self._sleep)
        self.clock = ServerClock(self.api)
        self.events = EventReporter(self._connect(lambda _: None), namespace=self.space, route="shop")
        self._fleets = KubernetesFleets(self.api, namespace=self.space)
        self.ports = self._ports()
        self.ports.leases.acquire(HOLDER)
        here = self.space
        pool = Pool(
            stable=RefId("Service", "", here, "shop", 8080), canary=RefId("Service", "", here, "shop-canary", 8080)
        )
        surgeon = Surgeon(
            routes=self.ports.routes, clock=self.clock, pool=pool, selectors=None, manager="canary-engine"
        )
        now = self.clock.now()
        given = Release(uid=UID, incarnation=HOLDER, policy=POLICY, phase=Phase.JUDGING, step=0, stable_ready=4)
        given = replace(given, started=now, since=now, renewed=now, fenced=True, share=Decimal(50), numbered=9)
        first: tuple[Any, ...] = (
            do.TakeFence(id="a"), do.AttachCanary(id="b"), do.RaiseShare(id="c", share=Decimal(50))
        )  # fmt: skip
        for effect in first:
            surgeon.carry_out(effect, release=given, still_ours=lambda: None)
        assert self.ports.workloads is not None
        self.ports.workloads.put_mark(given.token, over=self.ports.workloads.mark())
        image = "example.test/shop@sha256:" + "2" * 64
        subject = Subject(
            name="shop", namespace=here, route="shop", stable="shop", canary="shop-canary", stable_port=8080,
            canary_port=8080, workload=Workload(name="shop", container="app", image=image),
        )  # fmt: skip
        self.decider = Decider(
            release=given, ports=self.ports, surgeon=surgeon, observer=Unobserved(Journal(release=given)),
            background=self, identity="same", subject=subject,
        )  # fmt: skip
        self.decider._write_journal()
        self.before = self.weights()

    # The engine's surroundings -----------------------------------------------------------------------------

    def _connect(self, sleep: Callable[[float], None]) -> Api:
        token = self.cluster.tokens["engine"]
        path = self._folder / f"{self.space}-fire.kubeconfig"
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": self.cluster.url}}],
            "users": [{"name": "it", "user": {"token": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        }  # fmt: skip
        path.write_text(json.dumps(config))
        return connect(kubeconfig=path, pacer=Pacer(monotonic=lambda: self.passed, sleep=sleep), critical=self._budget)

    def _sleep(self, seconds: float) -> None:
        self.passed += seconds
        self.meanwhile()

    def _ports(self) -> Ports:
        api, here, labels = self.api, self.space, {RELEASE_LABEL: UID}
        nothing: Any = None
        return Ports(
            clock=self.clock,
            routes=KubernetesRoutes(api, namespace=here, name="shop"),
            leases=KubernetesLeases(
                api, namespace=here, name="canary-shop", clock=self.clock, route="HTTPRoute/shop"
            ),
            journals=KubernetesJournals(api, namespace=here, name=named("canary", "shop", "journal")),
            records=KubernetesRecords(api, namespace=here, name=named("canary", "shop", UID), labels=labels),
            preflights=nothing,
            sources=nothing,
            workloads=KubernetesWorkloads(
                api, namespace=here, release=UID, deployment="shop", container="app",
                image="example.test/shop@sha256:" + "2" * 64, stable_service="shop", canary_service="shop-canary",
                port=8080,
            ),
            reporters=(self, self.events),
        )  # fmt: skip

    def tell(self, progress: Progress) -> None:
        """See Reporters."""
        if progress.message:
            self.told.append(progress)

    def submit(self, lane: str, task: Callable[[], on.Event | None]) -> None:
        """See Background."""
        del lane
        self.tasks.append(task)

    # What happens ------------------------------------------------------------------------------------------

    def fault(self, then: Any, *, times: int = -1, skip: int = 0, **match: str) -> None:
        """Let the engine's requests fail; nobody else's."""
        self.cluster.fault(then, times=times, skip=skip, user=ENGINE, **match)

    def calm(self) -> None:
        self.cluster.request("DELETE", "/sandbox/faults")

    def condemned(self) -> None:
        """A person has decided; the way back is the same for every reason."""
        self.decider.handle(on.AbortRequested(at=self.clock.now(), by="ann", reason="it is bad"))

    def second(self, seconds: float = 1.0) -> None:
        """Time passes: background work, then a tick."""
        self.passed += seconds
        while self.tasks and not self.decider.over:
            event = self.tasks.popleft()()
            if event is not None:
                self.decider.handle(event)
        if not self.decider.over:
            self.decider.tick()

    def sees(self) -> None:
        """What the watches would show by now."""
        route: Any = None
        workloads = self.ports.workloads
        assert workloads is not None
        try:
            with contextlib.suppress(NotFound):
                route = self.ports.routes.read()
            ready = workloads.ready()
        except PortError:
            return
        for seen in (
            EndpointsObserved(at=self.clock.now(), endpoints=ready), RouteObserved(at=self.clock.now(), route=route)
        ):  # fmt: skip
            if not self.decider.over:
                self.decider.handle(seen)

    def to_the_end(self, *, every: float = 1.0, seconds: float = 1_000.0) -> ExitCode:
        end = self.passed + seconds
        while not self.decider.over:
            assert self.passed < end, [one.message for one in self.told]
            self.second(every)
        assert self.decider.code is not None
        return self.decider.code

    def lease(self) -> Sighting:
        """The lease as a watchdog sees it."""
        (lease,) = self._fleets.read()
        return lease

    def rescued(
        self, *, lease: Sighting | None = None, each: Callable[[], None] = lambda: None
    ) -> tuple[Ended, ExitCode | None]:
        """A watchdog finishes what a lease is about; `each` is what else happens in a second."""
        lease = lease or self.lease()
        self.said: list[str] = []
        scene = scene_of(self.api, self._fleets.place(lease.key), clock=self.clock, say=self.said.append)
        wanted = Wanted(key=lease.key, version=lease.version, holder=lease.holder, silent=30.0)
        self.tasks.clear()
        attempt = Rescue(wanted, scene, holder="dog", background=self)
        for _ in range(200):
            while self.tasks:
                event = self.tasks.popleft()()
                if event is not None:
                    attempt.answer(event)
            if (how := attempt.turn()) is not None:
                return how, attempt.code
            self.passed += 1.0
            each()
        raise AssertionError(self.said)

    # What is there -----------------------------------------------------------------------------------------

    def weights(self) -> dict[str, int]:
        """Service -> weight in the route; empty when there is no route."""
        route = self.cluster.get("httproutes", "shop")
        refs = route["spec"]["rules"][0]["backendRefs"] if route else []
        return {ref["name"]: ref["weight"] for ref in refs}

    @property
    def canary(self) -> int:
        return self.weights().get("shop-canary", 0)

    def as_before(self) -> bool:
        """Nothing of ours is left: not in the route, not on stable, no canary."""
        notes = self.cluster.get("httproutes", "shop")["metadata"].get("annotations") or {}
        labels = self.cluster.get("deployments", "shop")["metadata"].get("labels") or {}
        ours = [key for key in (*notes, *labels) if key.startswith("canary-engine.io/")]
        left = self.cluster.get("deployments", "shop-canary"), self.cluster.get("services", "shop-canary")
        return not ours and left == (None, None) and self.weights() == {"shop": 9, "help": 1}

    def words(self, *, alarm: bool = False) -> str:
        """Everything that people were told."""
        return "\n".join(one.message for one in self.told if one.alarm or not alarm)

    def event_words(self) -> str:
        """Everything that stands in Events by now."""
        self.events.flush(20.0)
        return "\n".join(event["message"] for event in self.cluster.list("events"))


def endpoints(name: str, ready: int) -> dict[str, Any]:
    """An EndpointSlice."""
    addresses = [{"addresses": [f"10.0.0.{place + 1}"], "conditions": {"ready": True}} for place in range(ready)]
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}], "endpoints": addresses,
    }  # fmt: skip


def made_canary(cluster: Any) -> None:
    """A shop with a canary that was made before the play begins."""
    labels = {RELEASE_LABEL: UID}
    everything = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "metadata": {"name": "engine"}}
    cluster.create(cluster.path("roles"), {**role, "kind": "Role", "rules": everything})
    _, _, space, name = ENGINE.split(":")
    subject = {"kind": "ServiceAccount", "namespace": space, "name": name}
    bound = {"roleRef": {"apiGroup": group, "kind": "Role", "name": "engine"}, "subjects": [subject]}
    cluster.create(cluster.path("rolebindings"), {**role, "kind": "RoleBinding", **bound})
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}
    backends = [{"name": "shop", "port": 8080, "weight": 9}, {"name": "help", "port": 8080, "weight": 1}]
    spec = {"parentRefs": [parent], "rules": [{"name": "shop", "backendRefs": backends}]}
    route = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "shop"}}
    cluster.create(cluster.path("httproutes"), {**route, "spec": spec})
    for name, marked, image in (("shop", {}, "1"), ("shop-canary", labels, "2")):
        pod = {"containers": [{"name": "app", "image": "example.test/shop@sha256:" + image * 64}]}
        template = {"metadata": {"labels": {"app": name}}, "spec": pod}
        deployment = {"replicas": 4, "selector": {"matchLabels": {"app": name}}, "template": template}
        service = {"selector": {"app": name}, "ports": [{"name": "http", "port": 8080}]}
        metadata = {"name": name, "labels": marked}
        for plural, kind, version, body in (
            ("deployments", "Deployment", "apps/v1", deployment),
            ("services", "Service", "v1", service),
        ):
            made = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": body}
            cluster.create(cluster.path(plural), made)
        cluster.create(cluster.path("endpointslices"), endpoints(name, 4))
