"""Fixtures of the suite that runs against the emulator in `make test` and against a real API server in
`make test-cluster`: the place, a shop in it, and those who are missing there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from canary.adapters.kubernetes import KubernetesWorkloads
from canary.adapters.kubernetes.waiting import Pace
from tests.apiserver.calling import ADMIN
from tests.apiserver.conftest import Emulator
from tests.cluster import play
from tests.cluster.lacking import demand
from tests.cluster.place import Kubeconfig, Place, Proxy, credentials_of, current_context, refusal, until

STABLE_IMAGE = "example.test/shop@sha256:" + "1" * 64
CANARY_IMAGE = "example.test/shop@sha256:" + "2" * 64


def pytest_configure(config: pytest.Config) -> None:
    """Nothing is written into a cluster whose name was not said."""
    given = config.getoption("--cluster", None)
    if given is None:
        return
    why = refusal(given, *current_context(dict(os.environ)))
    if why:
        raise pytest.UsageError(why)


@pytest.fixture(scope="session")
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Where we are; the namespace is deleted at the end, however it ends."""
    folder = tmp_path_factory.mktemp("cluster")
    ends: list[Callable[[], None]] = []

    def reach(config: Kubeconfig) -> Kubeconfig:
        if not config["clusters"][0]["cluster"].get("insecure-skip-tls-verify"):
            return config
        proxy = Proxy(config, folder)
        ends.append(proxy.close)
        return proxy.config

    try:
        if request.config.getoption("--cluster") is None:
            emulator = Emulator()
            ends.append(emulator.close)
            made = Place(_emulated(emulator.url), folder, real=False)
        else:
            made = Place(credentials_of(dict(os.environ)), folder, real=True, reach=reach)
        ends.append(made.close)
        yield made
    finally:
        for end in reversed(ends):
            end()


def _emulated(url: str) -> Kubeconfig:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": url}}],
        "users": [{"name": "it", "user": {"token": ADMIN}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    }


@pytest.fixture(autouse=True)
def _swept(place: Place) -> Iterator[None]:
    """Each test finds the namespace empty, and leaves it so."""
    yield
    place.sweep()


# What is told apart by name ------------------------------------------------------------------------------------------


@pytest.fixture
def uncontrolled(place: Place) -> None:
    """For tests that play controllers."""
    demand(place, "uncontrolled")


@pytest.fixture
def pods(place: Place) -> None:
    """For tests that need running pods."""
    demand(place, "pods")


@pytest.fixture
def gateway_class(place: Place) -> str:
    """For tests that need a gateway."""
    demand(place, "gateway_class")
    return place.gateway_class()


@pytest.fixture
def rbac(place: Place) -> None:
    """For tests of what is forbidden."""
    demand(place, "rbac")


@pytest.fixture
def admission_policies(place: Place) -> None:
    """For tests of what the API server is asked to refuse."""
    demand(place, "admission_policies")


@pytest.fixture
def pod_security(place: Place) -> Iterator[None]:
    """For tests of what is admitted where pod security is restricted: meanwhile it is."""
    with place.restricted():
        demand(place, "pod_security")
        yield


# A shop --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def gateway(place: Place) -> Iterator[play.Gateway]:
    made = play.Gateway(place)
    yield made
    made.close()


@pytest.fixture
def counters(place: Place) -> Iterator[play.Counters]:
    made = play.Counters(place)
    yield made
    made.close()


@pytest.fixture
def deployments(place: Place, uncontrolled: None) -> Iterator[play.Deployments]:
    made = play.Deployments(place)
    yield made
    made.close()


def service(name: str, **spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": play.PORT, "targetPort": play.PORT, "protocol": "TCP"}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports, **spec}}


def a_route(*names: str) -> dict[str, Any]:
    """Rules without names: the standard channel has them only since v1.4."""
    backends = [{"group": "", "kind": "Service", "name": name, "port": play.PORT, "weight": 9} for name in names]
    backends[-1]["weight"] = 1
    everything = [{"path": {"type": "PathPrefix", "value": "/"}}]
    parent = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "shop", "annotations": {"team": "payments"}},
        "spec": {"parentRefs": [parent], "rules": [{"matches": everything, "backendRefs": backends}]},
    }


def deployment(image: str = STABLE_IMAGE, replicas: int = 4) -> dict[str, Any]:
    labels = {"app": "shop", "tier": "front"}
    container = {"name": "app", "image": image, "ports": [{"name": "http", "containerPort": play.PORT}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


@pytest.fixture
def two_services(place: Place, gateway: play.Gateway) -> Place:
    """A shop and its next version behind two Services without selectors, whose endpoints no controller touches."""
    for name in ("shop", "help", "shop-canary"):
        play.put_endpoints(place, place.make(place.path("services"), service(name)), 2)
    place.make(place.path("httproutes"), a_route("shop", "help"))
    until(lambda: (place.get("httproutes", "shop").get("status") or {}).get("parents"))
    return place


@pytest.fixture
def shop(place: Place, gateway: play.Gateway, deployments: play.Deployments) -> Place:
    """A shop that is released: Deployment, Service and an accepted route."""
    place.make(place.path("deployments"), deployment())
    for name in ("shop", "help"):
        place.make(place.path("services"), service(name, selector={"app": name}))
    place.make(place.path("httproutes"), a_route("shop", "help"))
    until(lambda: (place.get("httproutes", "shop").get("status") or {}).get("parents"))
    until(lambda: (place.get("endpointslices", "shop-1") or {}).get("endpoints"))
    return place


PACE = Pace(poll=0.05, steady=0.1, stuck=0.3, progress=30.0, grace=5.0, endpoints=30.0)


def port_on(place: Place, **given: Any) -> KubernetesWorkloads:
    """The port of one release on the shop in a place; what is given is for the port."""
    return KubernetesWorkloads(
        place.api(),
        namespace=place.namespace,
        release="f00d",
        deployment="shop",
        container="app",
        stable_service="shop",
        canary_service="shop-canary",
        port=play.PORT,
        **given,
    )


@pytest.fixture
def incarnation(shop: Place) -> Callable[..., KubernetesWorkloads]:
    """Each call is another incarnation of one release, with the port on the shop; what is given is for the port."""
    return partial(port_on, shop, image=CANARY_IMAGE, pace=PACE)


@pytest.fixture
def workloads(incarnation: Callable[..., KubernetesWorkloads]) -> KubernetesWorkloads:
    """The port on the shop."""
    return incarnation()


# The commands --------------------------------------------------------------------------------------------------------


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def canary(place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Runs a command of the program in this process, as the administrator or as somebody else."""
    from canary.cli.main import main

    monkeypatch.setenv("NO_COLOR", "1")

    def go(*words: str, kubeconfig: Path | None = None) -> Ran:
        capsys.readouterr()  # what others printed before
        code = main([*words, "--kubeconfig", str(kubeconfig or place.kubeconfig)])
        captured = capsys.readouterr()
        return Ran(int(code), captured.out, captured.err)

    return go


@pytest.fixture
def release_file(place: Place, counters: play.Counters, tmp_path: Path) -> Callable[..., Path]:
    """Writes a release file; `arm` says how the canary is there."""

    def write(arm: str = "canary: {service: shop-canary}", step: str = "1s, max: 2s") -> Path:
        path = tmp_path / "release.yaml"
        path.write_text(f"""\
apiVersion: canary/v1
kind: Release
metadata: {{name: shop, namespace: {place.namespace}}}
spec:
  route: {{name: shop}}
  stable: {{service: shop, port: {play.PORT}}}
  {arm}
  image: {CANARY_IMAGE}
  strategy: {{steps: [{{share: 50, hold: {{min: {step}}}}}]}}
  settle: {{timeout: 20s, window: 500ms, noTraffic: rollback}}
  drain: 1s
  bake: {{min: 1s, max: 3s}}
  analysis:
    source: {{scrape: {{urls: ["{counters.url}"]}}}}
    gateway: traefik
    every: 250ms
    warmup: 0s
    metrics: [errors: {{tolerance: {{relative: 0.5, absolute: 0.02}}}}]
  deadline: 5m
""")
        return path

    return write
