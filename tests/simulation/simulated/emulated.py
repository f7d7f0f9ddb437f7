"""The Kubernetes adapters on the emulator's server in this process: a transport whose requests are calls, and what of
them is played: watches, and other people's hands.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlsplit

from multidict import CIMultiDict

from canary.adapters.kubernetes import KubernetesJournals, KubernetesRoutes, KubernetesWorkloads
from canary.adapters.kubernetes.budget import Deadline
from canary.adapters.kubernetes.errors import Answer
from canary.adapters.kubernetes.paths import TOKEN_LABEL
from canary.adapters.kubernetes.transport import Request
from canary.ports import Endpoints, JsonObject, Stored
from canary.sandbox.apiserver import rbac
from canary.sandbox.apiserver.server import Server, load_definitions
from canary.sandbox.apiserver.store import Store, clone
from simulated.world import NAMESPACE, Object

if TYPE_CHECKING:
    import threading

    from simulated.served import Served

ROUTES, DEPLOYMENTS = "httproutes.gateway.networking.k8s.io", "deployments.apps"
SLICES = "endpointslices.discovery.k8s.io"
OLD, NEW = (f"example.test/shop@sha256:{digit * 64}" for digit in "12")
TOKEN = "of-the-engines"  # noqa: S105 - of an emulator that nobody else can reach


class Whole:
    """An answer that is there; see `canary.adapters.kubernetes.transport.Stream`."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self._answer = status, Answer(status=status, headers=headers, body=body)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def drain(self, limit: int, deadline: Deadline) -> Answer:
        """See Stream."""
        del deadline
        assert len(self._answer.body) <= limit
        return self._answer


class Asked:
    """What the server sees of a request, without a connection."""

    transport = None

    def __init__(self, request: Request) -> None:
        parts = urlsplit(request.target)
        self.method, self.path, self.query = request.method, parts.path, dict(parse_qsl(parts.query))
        self.content_type, self._payload = request.content_type, request.payload or b""
        self.headers = CIMultiDict({"Authorization": f"Bearer {TOKEN}", "Content-Type": request.content_type})

    async def read(self) -> bytes:
        """The body."""
        return self._payload


class Calls:
    """A transport whose requests are calls of the server in this process; a watch is not played by requests."""

    def __init__(self, sim: Served) -> None:
        self._sim = sim

    def send(self, request: Request, patience: float) -> Whole:
        """See Transport."""
        return self._sim.asked(request, patience, lambda: self._carried_out(request))

    def open(self, request: Request, *, head: float, quiet: float) -> Whole:
        """See Transport."""
        raise AssertionError(f"{request.doing} follows by a request, for {head} s and {quiet} s")

    def _carried_out(self, request: Request) -> Whole:
        asked: Any = Asked(request)
        coroutine = self._sim.server.handle(asked)
        try:
            coroutine.send(None)
        except StopIteration as done:
            said = {name.lower(): value for name, value in done.value.headers.items()}
            return Whole(done.value.status, said, bytes(done.value.body or b""))
        raise AssertionError(f"{request.doing} waits for something")


class Routes(KubernetesRoutes):
    """The adapter; its watch, and everybody else's hands, are played."""

    sim: Served

    @property
    def bare(self) -> Object | None:
        """The route itself; not to be changed."""
        return self.sim.server.store.get(ROUTES, (NAMESPACE, "shop"))

    def watch(self, on_change: Callable[[JsonObject | None], None], stop: threading.Event) -> None:
        """See Routes."""
        self.sim.watched(ROUTES, "shop", lambda: on_change(self.bare), stop)

    def edit(self, change: Callable[[Object], object], *, manager: str) -> None:
        """Somebody else changes it."""
        made, before = clone(self.bare), self.bare
        change(made)
        part = "status" if made.get("status") != (before or {}).get("status") else ""
        for parent in (made.get("status") or {}).get("parents") or ():
            parent["controllerName"] = "example.test/gateway"
            for condition in parent["conditions"]:
                condition["lastTransitionTime"] = "2027-01-01T00:00:00Z"
        self.sim.by_hand(ROUTES, made, part=part, manager=manager)


class Shops(KubernetesWorkloads):
    """The adapter, and how both arms stand."""

    sim: Served
    changed_by = ""

    def watch(self, on_change: Callable[[Endpoints], None], stop: threading.Event) -> None:
        """See Workloads."""
        for name in ("shop", "shop-canary"):
            self.sim.watched(SLICES, f"{name}-1", lambda: on_change(self.endpoints), stop)

    @property
    def endpoints(self) -> Endpoints:
        """Ready endpoints of both arms."""
        found = [self.sim.server.store.get(SLICES, (NAMESPACE, f"{name}-1")) for name in ("shop", "shop-canary")]
        stable, canary = (len(each["endpoints"]) if each else 0 for each in found)
        return Endpoints(stable=stable, canary=canary)

    @property
    def exists(self) -> bool:
        """Whether anything of the canary's stands."""
        store, key = self.sim.server.store, (NAMESPACE, "shop-canary")
        return store.get(DEPLOYMENTS, key) is not None or store.get("services", key) is not None

    @property
    def token(self) -> str:
        """The fence's on stable."""
        return str((self.sim.stable["metadata"].get("labels") or {}).get(TOKEN_LABEL, "")).replace(".", "/", 1)

    @property
    def promoted(self) -> bool:
        """Whether stable's Deployment has the new version."""
        return image_of(self.sim.stable) == NEW


class Kept(KubernetesJournals):
    """The adapter, and the journal as it stands."""

    sim: Served

    @property
    def stored(self) -> Stored | None:
        """The journal, without a request."""
        found = self.sim.server.store.get("configmaps", (NAMESPACE, "canary-shop-journal"))
        return Stored(text=found["data"]["journal"], version=found["metadata"]["resourceVersion"]) if found else None

    def delete(self) -> None:
        """Somebody deletes it."""
        if self.stored is not None:
            self.sim.server.store.remove("configmaps", (NAMESPACE, "canary-shop-journal"))


def image_of(deployment: Object) -> str:
    """The image of a Deployment's first container."""
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


@lru_cache(maxsize=1)
def _definitions() -> Server:
    made = Server({})
    load_definitions(made, None)
    return made


def a_server() -> Server:
    """The emulator with nothing in it but what it knows of kinds."""
    known = _definitions()
    made = Server({TOKEN: rbac.User("engine", (rbac.MASTERS, "system:authenticated"))}, Store.load(known.store.dump()))
    made.registry = made.objects.registry = known.registry
    return made


def a_deployment() -> Object:
    pod = {"containers": [{"name": "app", "image": OLD, "ports": [{"name": "http", "containerPort": 8080}]}]}
    template = {"metadata": {"labels": {"app": "shop"}}, "spec": pod}
    spec = {"replicas": 4, "selector": {"matchLabels": {"app": "shop"}}, "template": template}
    return {"metadata": {"name": "shop"}, "spec": spec}


def endpoints(name: str, ready: int) -> Object:
    """An EndpointSlice."""
    addresses = [{"addresses": [f"10.0.0.{place + 1}"], "conditions": {"ready": True}} for place in range(ready)]
    labels = {"kubernetes.io/service-name": name}
    return {
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": f"{name}-1", "namespace": NAMESPACE, "labels": labels, "uid": name},
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}], "endpoints": addresses,
    }  # fmt: skip
