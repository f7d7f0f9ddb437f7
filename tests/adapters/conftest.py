"""The scripted server and the emulated API server as fixtures, an `Api` for each, and a shop that is released."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from canary.adapters.kubernetes import Api, KubernetesWorkloads, connect
from canary.adapters.kubernetes.budget import Budget, Pacer
from canary.adapters.kubernetes.paths import TOKEN_LABEL
from canary.adapters.kubernetes.waiting import Pace
from canary.sandbox.processes import Child, module
from tests import planted
from tests.adapters.emulated import Cluster, Controller
from tests.adapters.preflighting import Check, checking
from tests.adapters.scripted import Say, ScriptedServer

TOKEN = "a-token-that-must-not-be-shown"  # noqa: S105 - looked for in everything that is written
planted.plant(TOKEN)
SMALL = Budget(total=0.6, attempt=0.2)


@pytest.fixture
def say() -> type[Say]:
    return Say


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    made = ScriptedServer()
    yield made
    made.close()


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Callable[..., Path]:
    """Writes a kubeconfig for an address."""

    def write(address: str, *, token: str = TOKEN, **cluster: Any) -> Path:
        path = tmp_path / "kubeconfig"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": address, **cluster}}],
            "users": [{"name": "it", "user": {"token": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        }
        path.write_text(json.dumps(config))
        return path

    return write


@pytest.fixture
def make_api(server: ScriptedServer, kubeconfig: Callable[..., Path]) -> Callable[..., Api]:
    """Connects to the scripted server; time is real but short, or the test's own."""

    def make(pacer: Pacer | None = None, budget: Budget = SMALL) -> Api:
        path = kubeconfig(f"http://127.0.0.1:{server.port}")
        return connect(kubeconfig=path, pacer=pacer, critical=budget)

    return make


# The emulated API server ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The API server's emulator as a process of its own."""
    folder = tmp_path_factory.mktemp("emulator")
    words = ("--port", "0", "--state", str(folder / "state"))
    child = Child(module("canary.sandbox.apiserver", *words), log=folder / "api.log", pipe=True)
    try:
        said = child.ready(30.0)
        planted.plant(*said["tokens"].values())
        yield said
    finally:
        child.stop()
    planted.search_stored(folder / "state")
    planted.search_files(folder)


@pytest.fixture
def cluster(emulator: dict[str, Any], tmp_path: Path) -> Iterator[Cluster]:
    """A fresh namespace in it."""
    made = Cluster(emulator["url"], emulator["tokens"], f"t{uuid.uuid4().hex[:8]}", tmp_path)
    yield made
    made.request("DELETE", "/sandbox/faults")


@pytest.fixture
def controller(cluster: Cluster) -> Iterator[Controller]:
    made = Controller(cluster)
    yield made
    made.close()


STABLE_IMAGE = "example.test/shop@sha256:" + "1" * 64
CANARY_IMAGE = "example.test/shop@sha256:" + "2" * 64


@pytest.fixture
def shop(cluster: Cluster, controller: Controller) -> Cluster:
    """A shop that is released: Deployment, Service and an accepted route; the help page shares a rule with it."""
    space = cluster.namespace
    labels = {"app": "shop", "tier": "front"}
    pod = {"containers": [{"name": "app", "image": STABLE_IMAGE, "ports": [{"name": "http", "containerPort": 8080}]}]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop", "namespace": space, "labels": {"app.kubernetes.io/managed-by": "somebody"}},
        "spec": {
            "replicas": 4,
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    cluster.create(cluster.path("deployments"), deployment)
    for name in ("shop", "help"):
        spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 8080, "targetPort": "http"}]}
        metadata = {"name": name, "namespace": space}
        cluster.create(
            cluster.path("services"), {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
        )
    backends = [{"name": "shop", "port": 8080, "weight": 9}, {"name": "help", "port": 8080, "weight": 1}]
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "shop", "namespace": space},
        "spec": {"parentRefs": [parent], "rules": [{"name": "shop", "backendRefs": backends}]},
    }
    cluster.create(cluster.path("httproutes"), route)
    moment = "2026-01-01T00:00:00Z"
    good = {"status": "True", "reason": "Fine", "message": "", "observedGeneration": 1, "lastTransitionTime": moment}
    word = {
        "parentRef": parent,
        "controllerName": "example.test/gateway",
        "conditions": [{"type": kind, **good} for kind in ("Accepted", "ResolvedRefs")],
    }
    cluster.merge("httproutes", "shop", {"status": {"parents": [word]}}, part="status", manager="gateway")
    eventually(lambda: any(each["endpoints"] for each in cluster.list("endpointslices")))
    return cluster


@pytest.fixture
def fenced(shop: Cluster) -> None:
    """The token stands on stable, as it does from PROVISIONING on."""
    shop.merge("deployments", "shop", {"metadata": {"labels": {TOKEN_LABEL: "f00d.i1"}}})


def eventually(condition: Callable[[], Any], within: float = 20.0) -> Any:
    """Wait until something holds, and return it."""
    end = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)
    return found


@pytest.fixture(name="eventually")
def _eventually() -> Callable[..., Any]:
    return eventually


@pytest.fixture
def images() -> tuple[str, str]:
    """Stable's and the canary's image."""
    return STABLE_IMAGE, CANARY_IMAGE


@pytest.fixture
def check(shop: Cluster, controller: Controller) -> Check:
    """Runs preflight on the shop."""
    return checking(shop, controller)


@pytest.fixture
def workloads(shop: Cluster) -> Callable[..., KubernetesWorkloads]:
    """Makes the port; each call is another incarnation of the same release."""

    def make(**changes: Any) -> KubernetesWorkloads:
        given: dict[str, Any] = {
            "namespace": shop.namespace,
            "release": "f00d",
            "deployment": "shop",
            "container": "app",
            "image": CANARY_IMAGE,
            "stable_service": "shop",
            "canary_service": "shop-canary",
            "port": 8080,
            "pace": Pace(poll=0.02, steady=0.1, stuck=0.3, progress=10.0, grace=5.0, endpoints=10.0),
        }
        return KubernetesWorkloads(shop.api(), **{**given, **changes})

    return make
