"""A cluster in which nothing moves: the emulated API server with a route, Services and endpoints, and fixed counters.

No gateway, no pods: what is tested is the engine's whole process against what an API server and a source can say.
"""

import http.server
import json
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from canary.sandbox import manifests
from canary.sandbox.apiserver.__main__ import USERS
from tests import planted
from tests.apiserver.conftest import Emulator

ENGINE = "system:serviceaccount:shop:canary-engine"
NAMESPACE, GATEWAY_API = manifests.NAMESPACE, "/apis/gateway.networking.k8s.io/v1"
ROUTE = f"{GATEWAY_API}/namespaces/{NAMESPACE}/httproutes/shop"

_ROUTER = "httproute-shop-shop-gw-shop-web-ep-web-0-0123456789abcdef0123"

EXPOSITION = f"""\
# TYPE traefik_service_requests_total counter
traefik_service_requests_total{{code="200",method="GET",protocol="http",service="{_ROUTER}-svc-shop-shop-8080@kubernetesgateway"}} COUNT
# TYPE traefik_router_requests_total counter
traefik_router_requests_total{{code="200",method="GET",protocol="http",router="{_ROUTER}@kubernetesgateway",service="x"}} COUNT
"""  # noqa: E501 - one series a line


class Ran(NamedTuple):
    code: int
    out: str
    err: str


class Source:
    """Serves whatever a test wants as the gateway's metrics, or as Prometheus."""

    def __init__(self) -> None:
        self.count = 1000
        self.answer: Callable[[http.server.BaseHTTPRequestHandler], None] = self.metrics
        self.released = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            do_POST = do_GET  # noqa: N815 - http.server's name

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def metrics(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """Stable's counters, growing by ten at every reading."""
        self.count += 10
        self.say(handler, 200, EXPOSITION.replace("COUNT", str(self.count)), "text/plain; version=0.0.4")

    def say(self, handler: http.server.BaseHTTPRequestHandler, status: int, text: str, kind: str) -> None:
        body = text.encode()
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def hang(self, _: http.server.BaseHTTPRequestHandler) -> None:
        """Never answers, until the test is over."""
        self.released.wait(60)

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class World:
    """The emulated server, what stands in it, and how to ask it."""

    def __init__(self, folder: Path) -> None:
        self.tokens = {name: secrets.token_hex(24) for name in USERS}
        self.server = Emulator({self.tokens[name]: user for name, user in USERS.items()})
        self.written = planted.written_to(self.server.server.store)
        self.url, self.folder = self.server.url, folder
        here = f"namespaces/{NAMESPACE}"
        rbac = f"/apis/rbac.authorization.k8s.io/v1/{here}"
        for path, body in (
            ("/api/v1/namespaces", manifests.namespace()),
            (f"{rbac}/roles", manifests.role()),
            (f"{rbac}/rolebindings", manifests.role_binding()),
            (f"{GATEWAY_API}/gatewayclasses", manifests.gateway_class()),
            (f"{GATEWAY_API}/{here}/gateways", manifests.gateway(8000)),
            *((f"/api/v1/{here}/services", manifests.service(name)) for name in ("shop", "help", "shop-canary")),
            *(
                (f"/apis/discovery.k8s.io/v1/{here}/endpointslices", endpoints(name))
                for name in ("shop", "help", "shop-canary")
            ),
            (f"{GATEWAY_API}/{here}/httproutes", manifests.route()),
        ):
            self.ask("POST", f"{path}?fieldManager=kubectl", body)
        self.accept()
        self.before = self.ask("GET", ROUTE)
        planted.plant(*self.tokens.values())
        self._done = threading.Event()
        self._gateway = threading.Thread(target=self._follow, daemon=True)
        self._gateway.start()

    def _follow(self) -> None:
        """A gateway that accepts whatever the route says."""
        while not self._done.wait(0.1):
            route = self.ask("GET", ROUTE)
            seen = [one["conditions"][0]["observedGeneration"] for one in route.get("status", {}).get("parents", [])]
            if seen and seen[0] != route["metadata"]["generation"]:
                self.accept(route["metadata"]["generation"])

    def close(self) -> None:
        self._done.set()
        self._gateway.join()
        self.server.close()
        assert planted.search_written(self.written) > 0

    def ask(self, method: str, path: str, body: Any = None, *, content: str = "application/json") -> Any:
        """One call as the administrator; its answer."""
        headers = {"Authorization": f"Bearer {self.tokens['admin']}", "Content-Type": content}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)  # noqa: S310 - ours
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - ours
            return json.loads(answer.read())

    def accept(self, generation: int = 1) -> None:
        """What a gateway would write into the route's status."""
        said = {"status": "True", "observedGeneration": generation, "message": ""}
        said["lastTransitionTime"] = "2026-01-01T00:00:00Z"
        conditions = [{**said, "type": kind, "reason": kind} for kind in ("Accepted", "ResolvedRefs")]
        controller = "traefik.io/gateway-controller"
        parent = {"parentRef": {"name": "web"}, "controllerName": controller, "conditions": conditions}
        body = {"status": {"parents": [parent]}}
        self.ask("PATCH", f"{ROUTE}/status?fieldManager=traefik", body, content="application/merge-patch+json")

    def fault(self, match: dict[str, str], then: dict[str, Any], **more: int) -> None:
        """Make the server misbehave towards the engine."""
        body = {"match": {"user": ENGINE, **match}, "then": then, **more}
        self.ask("POST", "/sandbox/faults", body)

    def route(self) -> Any:
        """The route, without its status and what the server writes."""
        self.ask("DELETE", "/sandbox/faults")
        return bare(self.ask("GET", ROUTE))

    def kubeconfig(self, token: str = "") -> Path:
        path = self.folder / "kubeconfig"
        server = f"{self.url}/as/{token or self.tokens['engine']}"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": server}}],
            "users": [{"name": "it", "user": {}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        }
        path.write_text(json.dumps(config))
        return path


def endpoints(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": manifests.PORT, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
    }


def bare(route: Any) -> Any:
    kept = {key: route["metadata"].get(key) for key in ("name", "annotations", "labels", "uid")}
    return {"spec": route["spec"], "metadata": kept}


@pytest.fixture
def source() -> Iterator[Source]:
    made = Source()
    yield made
    made.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def file(tmp_path: Path, source: Source) -> Callable[..., Path]:
    """Writes a release file; words in it can be replaced."""

    def write(**replaced: str) -> Path:
        text = f"""\
apiVersion: canary/v1
kind: Release
metadata: {{name: shop, namespace: {NAMESPACE}}}
spec:
  route: {{name: shop}}
  stable: {{service: shop, port: {manifests.PORT}}}
  canary: {{service: shop-canary}}
  strategy: {{steps: [{{share: 50, hold: {{min: 2s, max: 4s}}}}]}}
  settle: {{timeout: 1s, window: 500ms, noTraffic: rollback}}
  drain: 1s
  bake: {{min: 2s, max: 3s}}
  analysis:
    source: {{scrape: {{urls: ["{source.url}/metrics"]}}}}
    gateway: traefik
    every: 500ms
    warmup: 0s
  deadline: 2m
"""
        for old, new in replaced.items():
            assert old in text, old
            text = text.replace(old, new)
        path = tmp_path / "release.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def run(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Runs `canary run` in this process against the world."""
    from canary.cli.main import main

    monkeypatch.setenv("NO_COLOR", "1")

    def go(path: Path, *words: str, token: str = "") -> Ran:
        code = main(["run", str(path), "--kubeconfig", str(world.kubeconfig(token)), "--lines", *words])
        captured = capsys.readouterr()
        return Ran(int(code), captured.out, captured.err)

    return go
