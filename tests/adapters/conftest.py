"""A server that says what a test tells it to, byte by byte; the emulated API server; and an `Api` for each."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from canary.adapters.kubernetes import Api, KubernetesWorkloads, connect
from canary.adapters.kubernetes.budget import Budget, Pacer
from canary.adapters.kubernetes.waiting import Pace
from canary.sandbox.processes import Child, module
from tests import planted

Handler = Callable[[str, bytes, socket.socket], bytes | None]

TOKEN = "a-token-that-must-not-be-shown"  # noqa: S105 - looked for in everything that is written
planted.plant(TOKEN)
SMALL = Budget(total=0.6, attempt=0.2)


class ScriptedServer:
    """Answers each request with the next handler; the last one is repeated. None as an answer closes the connection."""

    def __init__(self) -> None:
        self.script: list[Handler | bytes] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0
        self.released = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self.released.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: socket.socket) -> None:
        try:
            stream = peer.makefile("rb")
            while (line := stream.readline()) and self._answer(line.decode().strip(), stream, peer):
                pass
        except (OSError, ValueError):
            pass
        finally:
            peer.close()

    def _answer(self, line: str, stream: Any, peer: socket.socket) -> bool:
        headers = {}
        while (header := stream.readline().decode().strip()) != "":
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))
        self.requests.append((line, headers, body))
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        reply = step(line, body, peer) if callable(step) else step
        if reply is None:
            peer.shutdown(socket.SHUT_RDWR)
            return False
        peer.sendall(reply)
        return True


def reply(status: int, body: Any, *, kind: str = "application/json", **headers: str) -> bytes:
    """An HTTP answer; header names are written with underscores."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"HTTP/1.1 {status} X", f"content-type: {kind}", f"content-length: {len(data)}"]
    head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(head) + "\r\n\r\n").encode() + data


def status(code: int, message: str, reason: str = "", **details: Any) -> bytes:
    """A Kubernetes Status, with its HTTP status."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}
    return reply(code, {**body, "reason": reason, "details": details})


class Say:
    """What a scripted server can say."""

    reply = staticmethod(reply)
    status = staticmethod(status)


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


# The emulated API server, and somebody who plays the Deployment controller in it ----------------------------


class Cluster:
    """One namespace of the emulator, with an administrator's and an engine's way to it."""

    def __init__(self, url: str, tokens: dict[str, str], namespace: str, folder: Path) -> None:
        self.url, self.tokens, self.namespace, self.folder = url, tokens, namespace, folder
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})

    def api(self, user: str = "admin") -> Api:
        """A way in; the emulator is slow only when the machine is, so the budgets are generous."""
        path = self.folder / f"{self.namespace}-{user}.kubeconfig"
        named = [{"name": "it", "cluster": {"server": self.url}}]
        users = [{"name": "it", "user": {"token": self.tokens[user]}}]
        contexts = [{"name": "it", "context": {"cluster": "it", "user": "it"}}]
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "it"}
        path.write_text(json.dumps({**config, "clusters": named, "users": users, "contexts": contexts}))
        return connect(kubeconfig=path, critical=Budget(total=20.0, attempt=10.0))

    def request(
        self, method: str, path: str, body: Any = None, *, content: str = "application/json"
    ) -> tuple[int, Any]:
        """One call as the administrator."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.tokens['admin']}", "Content-Type": content}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)  # noqa: S310 - loopback
        try:
            with self._opener.open(request, timeout=20.0) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read() or b"null")

    def path(self, plural: str, name: str = "", part: str = "") -> str:
        """Where an object of a kind lives."""
        root = {
            "deployments": "/apis/apps/v1",
            "httproutes": "/apis/gateway.networking.k8s.io/v1",
            "endpointslices": "/apis/discovery.k8s.io/v1",
            "leases": "/apis/coordination.k8s.io/v1",
            "horizontalpodautoscalers": "/apis/autoscaling/v2",
            "networkpolicies": "/apis/networking.k8s.io/v1",
            "poddisruptionbudgets": "/apis/policy/v1",
            "podmonitors": "/apis/monitoring.coreos.com/v1",
            "scaledobjects": "/apis/keda.sh/v1alpha1",
            "roles": "/apis/rbac.authorization.k8s.io/v1",
            "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
        }.get(plural, "/api/v1")
        return "/".join(each for each in (f"{root}/namespaces/{self.namespace}/{plural}", name, part) if each)

    def create(self, path: str, body: Any, *, manager: str = "kubectl-create") -> Any:
        """Create an object, as somebody."""
        status, made = self.request("POST", f"{path}?fieldManager={manager}", body)
        assert status < 300, made
        return made

    def merge(self, plural: str, name: str, body: Any, *, part: str = "", manager: str = "kubectl-edit") -> Any:
        """Merge-patch an object, as somebody."""
        path = f"{self.path(plural, name, part)}?fieldManager={manager}"
        status, made = self.request("PATCH", path, body, content="application/merge-patch+json")
        assert status < 300, made
        return made

    def get(self, plural: str, name: str) -> Any:
        """An object; None when it is not there."""
        status, found = self.request("GET", self.path(plural, name))
        return found if status == 200 else None

    def list(self, plural: str) -> Any:
        """All objects of a kind in the namespace."""
        return self.request("GET", self.path(plural))[1]["items"]

    def fault(self, then: Any, *, times: int = -1, skip: int = 0, **match: str) -> None:
        """Let requests in this namespace fail."""
        body = {"match": {"namespace": self.namespace, **match}, "then": then, "times": times, "skip": skip}
        status, answer = self.request("POST", "/sandbox/faults", body)
        assert status < 300, answer

    def requests(self) -> Any:
        """The log of requests in this namespace."""
        entries = self.request("GET", "/sandbox/requests")[1]["requests"]
        return [entry for entry in entries if entry["namespace"] == self.namespace]


class Controller:
    """Plays the Deployment controller, the kubelet and the endpoint controller, many times a second, until closed.

    Attributes:
        failing: image -> reason for which its containers never start (CrashLoopBackOff, ImagePullBackOff).
        deaf: names of Deployments that it does not look at; of Services as "service NAME".
        deadline: images whose Deployments exceed their progress deadline.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.failing: dict[str, str] = {}
        self.deaf: set[str] = set()
        self.deadline: set[str] = set()
        self._cluster, self._stop = cluster, threading.Event()
        self._written: dict[str, Any] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.03):
            deployments = self._cluster.list("deployments")
            for deployment in deployments:
                if deployment["metadata"]["name"] not in self.deaf:
                    self._status(deployment)
            for service in self._cluster.list("services"):
                if f"service {service['metadata']['name']}" not in self.deaf:
                    self._slice(service, deployments)

    def _status(self, deployment: Any) -> None:
        name, wanted = deployment["metadata"]["name"], deployment["spec"].get("replicas", 1)
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        reason, late = self.failing.get(image), image in self.deadline
        status = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": wanted,
            "updatedReplicas": wanted,
            "readyReplicas": 0 if reason or late else wanted,
            "availableReplicas": 0 if reason or late else wanted,
            "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
            if late
            else [],
        }
        key = deployment["metadata"]["uid"]
        if self._written.get(key) == status:
            return
        if reason:
            self._failing_pod(deployment, reason)
        path = f"{self._cluster.path('deployments', name, 'status')}?fieldManager=kube-controller-manager"
        code, _ = self._cluster.request("PATCH", path, {"status": status}, content="application/merge-patch+json")
        if code < 300:
            self._written[key] = status

    def _failing_pod(self, deployment: Any, reason: str) -> None:
        template, name = deployment["spec"]["template"], f"{deployment['metadata']['name']}-x"
        metadata = {"name": name, "namespace": self._cluster.namespace, "labels": template["metadata"]["labels"]}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        code, _ = self._cluster.request("POST", self._cluster.path("pods"), body)
        if code < 300:
            container = template["spec"]["containers"][0]
            state = {"waiting": {"reason": reason, "message": "the kubelet's words"}}
            one = {"name": container["name"], "image": container["image"], "imageID": "", "ready": False}
            status = {"phase": "Pending", "containerStatuses": [{**one, "restartCount": 3, "state": state}]}
            self._cluster.merge("pods", name, {"status": status}, part="status")

    def _slice(self, service: Any, deployments: Any) -> None:
        selector, name = service["spec"].get("selector") or {}, service["metadata"]["name"]
        ready = sum(
            self._written.get(each["metadata"]["uid"], {}).get("readyReplicas", 0)
            for each in deployments
            if selector.items() <= each["spec"]["template"]["metadata"]["labels"].items()
        )
        body = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"{name}-1",
                "namespace": self._cluster.namespace,
                "labels": {"kubernetes.io/service-name": name},
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Service", "name": name, "uid": service["metadata"]["uid"]}
                ],
            },
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": [{"addresses": [f"10.0.0.{i + 1}"], "conditions": {"ready": True}} for i in range(ready)],
        }
        key = f"slice {name}"
        if self._written.get(key) == body:
            return
        path = self._cluster.path("endpointslices", f"{name}-1")
        code, _ = self._cluster.request("PATCH", path, body, content="application/merge-patch+json")
        if code == 404:
            code, _ = self._cluster.request("POST", self._cluster.path("endpointslices"), body)
        if code < 300:
            self._written[key] = body


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
