"""Whole releases on the Kubernetes adapters: the simulator's engines, and the emulator's server in this process.

Routes, workloads, lease, journal and record are the real adapters; every request of theirs goes to the emulated API
server by a call, in virtual time, and may meet a fault. Deployments, endpoints and the gateway are played.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from canary.adapters.kubernetes import (
    Api,
    KubernetesLeases,
    KubernetesRecords,
)
from canary.adapters.kubernetes.budget import Pacer
from canary.adapters.kubernetes.paths import RELEASE_LABEL
from canary.adapters.kubernetes.transport import NotSent, Request
from canary.adapters.kubernetes.waiting import Pace
from canary.ports import Unavailable
from canary.sandbox.apiserver import errors
from canary.sandbox.apiserver.reading import Options
from canary.sandbox.apiserver.store import clone
from simulated.emulated import (
    DEPLOYMENTS,
    NEW,
    OLD,
    ROUTES,
    SLICES,
    Calls,
    Kept,
    Routes,
    Shops,
    Whole,
    a_deployment,
    a_server,
    endpoints,
    image_of,
)
from simulated.oracles import check_end, played
from simulated.process import Killed
from simulated.scenario import CallFault, Scenario, scenario
from simulated.simulation import Simulation
from simulated.world import NAMESPACE, Object, a_route

if TYPE_CHECKING:
    import threading

    from canary.sandbox.apiserver.store import Change

TAKES = 0.02
"""Seconds that a request takes."""

REFUSED = {409: "Conflict", 422: "Invalid", 403: "Forbidden", 429: "TooManyRequests", 500: "InternalError", 503: ""}
KINDS = (*REFUSED, "drop-before", "drop-after", "slow", "kill-before", "kill-after", "pause")
HAPPENINGS = (
    "kill", "terminate", "second-engine", "stop", "abort", "outage-all", "outage-engine", "metrics-outage",
    "edit:hostnames", "edit:label", "edit:note", "edit:timeouts", "edit:other-rule", "edit:canary-to-zero",
    "edit:canary-less", "edit:drop-token", "edit:delete-journal",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Met:
    """What a request meets: one of `KINDS`; seconds that are slept, or after which the server wants to be asked."""

    kind: int | str
    seconds: float


def served(seed: int) -> Scenario:
    """The scenario of a seed, with what these histories can play."""
    plain = scenario(seed)
    script = tuple(each for each in plain.script if each.kind in HAPPENINGS)
    quality = {"murky": "good", "fickle": "bad"}.get(plain.quality, plain.quality)
    policy = replace(
        plain.policy, has_workload=True, steps=tuple(replace(one, gate=None) for one in plain.policy.steps)
    )
    # What is met is drawn beside the scenario, which only says that something is.
    calls = (CallFault(number=0, kind="met"),) if meetings(seed) else ()
    return replace(
        plain, script=script, quality=quality, policy=policy, real_judge=False, calls=calls, noise=0.0, reverter=0.0
    )


def meetings(seed: int) -> dict[int, Met]:
    """Which request of a history meets what, by its number."""
    chance, found = Random(f"served/{seed}"), {}
    for _ in range(chance.choice([0, 1, 2, 4, 8])):
        first, kind = int(chance.triangular(3, 160, 40)), chance.choice(KINDS)
        seconds = chance.choice([1.0, 4.0, 30.0]) if kind == 429 else chance.choice([3.0, 12.0, 45.0, 150.0])
        for number in range(first, first + (chance.choice([1, 1, 3, 12]) if kind in REFUSED else 1)):
            found[number] = Met(kind, seconds)
    return found


class Served(Simulation):
    """One history on the Kubernetes adapters.

    Args:
        seed: of `served` and `meetings`.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(served(seed))
        self.world.faults.hook = None
        self.meets, self.requests, self._dirty = meetings(seed), 0, True
        self._watches: list[tuple[str, str, Callable[[], None], threading.Event]] = []
        self.server = a_server()
        api = Api(Calls(self), pacer=Pacer(monotonic=self.clock.monotonic, sleep=self.clock.advance))
        self._furnish()
        self.shadow = clone(self.server.store.get(ROUTES, (NAMESPACE, "shop")))
        self.routes: Any = Routes(api, namespace=NAMESPACE, name="shop")
        self.leases: Any = KubernetesLeases(
            api, namespace=NAMESPACE, name="canary-shop", clock=self.clock, route="HTTPRoute/shop"
        )
        self.journals: Any = Kept(api, namespace=NAMESPACE, name="canary-shop-journal")
        self.records: Any = KubernetesRecords(
            api, namespace=NAMESPACE, name="canary-shop-r1", labels={RELEASE_LABEL: "r1"}
        )
        self.workloads: Any = Shops(
            api, namespace=NAMESPACE, release="r1", deployment="shop", container="app", image=NEW,
            stable_service="shop", canary_service="shop-canary", port=8080,
            pace=Pace(poll=0.0, steady=0.0, behind=0.0),
        )  # fmt: skip
        for each in (self.routes, self.journals, self.workloads):
            each.sim = self
        self.gateway._routes = self.routes
        self.gateway.answer_in_status()
        for key in (ROUTES, DEPLOYMENTS, "services", "configmaps", SLICES):
            self.server.store.listen(key, lambda change, key=key: self._changed(key, change))  # type: ignore[misc]

    # The API server ------------------------------------------------------------------------------------------

    def asked(self, request: Request, patience: float, carry_out: Callable[[], Whole]) -> Whole:
        """A request of an engine's: what it meets, and what becomes of it."""
        self.clock.advance(TAKES)
        self._controllers()
        who = self.current
        assert who is not None
        if self.cut_off(who):
            raise NotSent("no connection")
        self.requests += 1
        met = self.meets.pop(self.requests, None)
        if met is None:
            return carry_out()
        self.log(f"{who.name} {request.doing}: {met.kind} {met.seconds:g}")
        if met.kind in REFUSED:
            code = int(met.kind)
            error = errors.ApiError(code, REFUSED[code] or "ServiceUnavailable", "a fault was asked for")
            said = {
                "content-type": "application/json",
                **({"retry-after": f"{met.seconds:.0f}"} if code == 429 else {}),
            }
            return Whole(code, said, errors_body(error))
        match met.kind:
            case "kill-before":
                raise Killed(f"before {request.doing}")
            case "drop-before":
                raise Unavailable("the connection broke")
            case "pause":
                self.stand_still(who, met.seconds)
                if self.cut_off(who):
                    raise NotSent("no connection")
                return carry_out()
        carry_out()
        if met.kind == "kill-after":
            raise Killed(f"after {request.doing}")
        if met.kind == "slow":
            self.clock.advance(patience)
        raise Unavailable(f"{met.kind}: no answer came")

    def by_hand(self, key: str, item: Object, *, part: str = "", manager: str) -> None:
        """Somebody writes an object."""
        resource, metadata = self.server.registry.stored(key), item["metadata"]
        options, before = Options(manager=manager), self.current
        assert resource is not None
        self.current = None
        try:
            body = {
                **item,
                "metadata": {
                    **metadata,
                    "resourceVersion": self.server.store.get(key, (NAMESPACE, metadata["name"]))["metadata"][
                        "resourceVersion"
                    ],
                },
            }
            self.server.objects.replace(resource, NAMESPACE, metadata["name"], body, options, part=part)
        finally:
            self.current = before

    def watched(self, key: str, name: str, show: Callable[[], None], stop: threading.Event) -> None:
        """A watch: what is there, and every change of it."""
        self._watches.append((key, name, show, stop))
        show()

    def _changed(self, key: str, change: Change) -> None:
        name, after = change.item["metadata"]["name"], None if change.kind == "DELETED" else change.item
        self._dirty = self._dirty or key in {DEPLOYMENTS, "services"}
        ours = self.current is not None
        if key == ROUTES and after is not None and change.before is not None:
            self._audit(change.before, after, ours)
        if key == "configmaps" and name == "canary-shop-journal" and after is not None:
            self.ledger.journalled(after["data"]["journal"])
        promoted = (key, name) == (DEPLOYMENTS, "shop") and ours and change.before is not None
        if promoted and image_of(change.before or {}) == OLD and image_of(change.item) == NEW:
            self._promoting()
        for watched, whose, show, stop in tuple(self._watches):
            if (watched, whose) == (key, name) and not stop.is_set():
                show()

    # What others play ----------------------------------------------------------------------------------------

    @property
    def stable(self) -> Object:
        """Stable's Deployment."""
        found = self.server.store.get(DEPLOYMENTS, (NAMESPACE, "shop"))
        assert found is not None
        return found

    def second(self) -> None:
        """See Simulation."""
        self._controllers()
        super().second()

    def _controllers(self) -> None:
        """Deployments get ready at once, or never; Services get the endpoints of the pods that they select."""
        if not self._dirty:
            return
        self._dirty, store = False, self.server.store
        before, self.current = self.current, None
        ready: list[tuple[dict[str, str], int]] = []
        for each in store.items(DEPLOYMENTS, NAMESPACE):
            wanted, bad = each["spec"].get("replicas", 1), self.scenario.quality == "never-ready"
            there = 0 if bad and image_of(each) == NEW else wanted
            ready.append((each["spec"]["template"]["metadata"]["labels"], there))
            late = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
            status = {
                "observedGeneration": each["metadata"]["generation"], "replicas": wanted, "updatedReplicas": wanted,
                "readyReplicas": there, "availableReplicas": there, "conditions": late if there < wanted else [],
            }  # fmt: skip
            if each.get("status") != status:
                store.put(DEPLOYMENTS, (NAMESPACE, each["metadata"]["name"]), {**each, "status": status})
        names = set()
        for service in store.items("services", NAMESPACE):
            name, selector = service["metadata"]["name"], service["spec"].get("selector") or {}
            names.add(f"{name}-1")
            many = sum(there for labels, there in ready if selector.items() <= labels.items())
            known = store.get(SLICES, (NAMESPACE, f"{name}-1"))
            if known is None or len(known["endpoints"]) != many:
                store.put(SLICES, (NAMESPACE, f"{name}-1"), endpoints(name, many))
        for left in store.items(SLICES, NAMESPACE):
            if left["metadata"]["name"] not in names:
                store.remove(SLICES, (NAMESPACE, left["metadata"]["name"]))
        self._dirty, self.current = False, before

    def _furnish(self) -> None:
        """The shop as it was before the release."""
        make = {
            "namespaces": [{"metadata": {"name": NAMESPACE}}],
            "services": [
                {
                    "metadata": {"name": name},
                    "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": 8080}]},
                }
                for name in ("shop", "help")
            ],
            DEPLOYMENTS: [a_deployment()],
            ROUTES: [a_route(self.scenario)],
        }
        for key, bodies in make.items():
            resource = self.server.registry.stored(key)
            assert resource is not None
            for body in bodies:
                space = NAMESPACE if resource.namespaced else ""
                self.server.objects.create(resource, space, body, Options(manager="kubectl-create"))
        self._controllers()


def errors_body(error: errors.ApiError) -> bytes:
    """A Status as bytes."""
    return json.dumps(error.status()).encode()


def play_served(seed: int) -> Served:
    """The history of a seed, with every violation during it and at its end."""
    return played(Served(seed), check_end)
