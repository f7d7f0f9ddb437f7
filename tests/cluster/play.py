"""Who is missing on a bare API server, played by the tests: a gateway and its counters, the controllers of workloads.

Each writes what the real one writes, and no more: validation of a real server refuses what no controller would say
(a Job that is Failed without FailureTarget, an endpoint on loopback).
"""

from __future__ import annotations

import http.server
import threading
from abc import ABC, abstractmethod
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from tests.cluster.place import Place

PORT = 8080
GATEWAY = "example.test/gateway"
ROUTER = "httproute-{space}-shop-gw-{space}-web-ep-web-0-0123456789abcdef0123"
EVERY = 0.1
"""Seconds between looks of those who are played."""
REQUESTS = 300
"""Requests between two scrapes."""


def moment() -> str:
    """Now, as objects have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _Played(ABC):
    """Does something again and again in a thread, until closed; what goes wrong there is told at the end."""

    def __init__(self) -> None:
        self._stop, self._errors = threading.Event(), list[BaseException]()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                self.turn()
            except Exception as error:  # noqa: BLE001 - raised again by close, in the test
                self._errors.append(error)

    @abstractmethod
    def turn(self) -> None:
        """What is done each time."""

    def close(self) -> None:
        self._stop.set()
        self._thread.join(60)
        # One answer that did not come is nothing: the next turn does it.
        if len(self._errors) > 3:
            raise self._errors[-1]


class Gateway(_Played):
    """Accepts whatever a route says, in its status."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.deaf = False
        super().__init__()

    def turn(self) -> None:
        for route in [] if self.deaf else self._place.list("httproutes"):
            accept(self._place, route)


def accept(place: Place, route: Any) -> None:
    """A gateway's word on a route as it is, if it has not been said."""
    generation = route["metadata"]["generation"]
    parents = (route.get("status") or {}).get("parents") or ()
    if any(each["conditions"][0].get("observedGeneration") == generation for each in parents):
        return
    said = {"status": "True", "observedGeneration": generation, "message": "", "lastTransitionTime": moment()}
    conditions = [{**said, "type": kind, "reason": kind} for kind in ("Accepted", "ResolvedRefs")]
    word = {"parentRef": route["spec"]["parentRefs"][0], "controllerName": GATEWAY, "conditions": conditions}
    path = place.path("httproutes", route["metadata"]["name"], "status")
    status, answer = place.call(
        "PATCH", path, {"status": {"parents": [word]}}, kind="merge", query="fieldManager=gateway"
    )
    assert status < 300 or status == 404, answer


class Counters:
    """The gateway's metrics: requests follow the weights that the route has when they are read.

    Attributes:
        bad: of a hundred requests to a Service, so many fail.
        warms: nothing fails any more where stable has no traffic: what was young is warm by then.
        url: where they are served.
    """

    def __init__(self, place: Place) -> None:
        self.bad: dict[str, int] = {}
        self.warms = False
        self._place, self._counts = place, Counter[tuple[str, str]]()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = outer.read().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/metrics"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def read(self) -> str:
        route = self._place.get("httproutes", "shop")
        references = route["spec"]["rules"][0]["backendRefs"] if route else []
        weights = {each["name"]: each.get("weight", 1) for each in references}
        whole = sum(weights.values())
        for name, weight in weights.items():
            served = REQUESTS * weight // whole
            failed = 0 if self.warms and not weights.get("shop") else served * self.bad.get(name, 0) // 100
            self._counts[name, "200"] += served - failed
            self._counts[name, "503"] += failed
        return self._text()

    def _text(self) -> str:
        router = ROUTER.format(space=self._place.namespace)
        lines = ["# TYPE traefik_service_requests_total counter"]
        for (name, code), count in sorted(self._counts.items()):
            service = f"{router}-svc-{self._place.namespace}-{name}-8080@kubernetesgateway"
            labels = f'code="{code}",method="GET",protocol="http",service="{service}"'
            lines.append(f"traefik_service_requests_total{{{labels}}} {count}")
        lines.append("# TYPE traefik_router_requests_total counter")
        for code in ("200", "503"):
            count = sum(count for (_, each), count in self._counts.items() if each == code)
            labels = f'code="{code}",method="GET",protocol="http",router="{router}@kubernetesgateway",service="x"'
            lines.append(f"traefik_router_requests_total{{{labels}}} {count}")
        return "\n".join(lines) + "\n"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)


class Deployments(_Played):
    """The Deployment controller, the kubelets and the endpoint controller at once: everything is ready at once.

    Attributes:
        failing: images whose containers never start.
    """

    def __init__(self, place: Place) -> None:
        self.failing: set[str] = set()
        self._place, self._written = place, dict[str, Any]()
        self._slices = dict[tuple[str, str], int]()
        super().__init__()

    def turn(self) -> None:
        deployments, services = self._place.list("deployments"), self._place.list("services")
        for deployment in deployments:
            self._status(deployment)
        for service in services:
            if service["spec"].get("selector"):
                self._endpoints(service, deployments)
        for name in {name for name, _ in self._slices} - {service["metadata"]["name"] for service in services}:
            self._leave(name)

    def _status(self, deployment: Any) -> None:
        name, template = deployment["metadata"]["name"], deployment["spec"]["template"]
        wanted, image = deployment["spec"]["replicas"], template["spec"]["containers"][0]["image"]
        ready = 0 if image in self.failing else wanted
        status = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": wanted,
            "updatedReplicas": wanted,
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
        if self._written.get(name) == status:
            return
        if image in self.failing and self._place.get("pods", f"{name}-x") is None:
            self._failing_pod(name, template)
        self._place.merge("deployments", name, {"status": status}, part="status", manager="kube-controller-manager")
        self._written[name] = status

    def _failing_pod(self, name: str, template: Any) -> None:
        metadata = {"name": f"{name}-x", "labels": template["metadata"]["labels"]}
        self._place.make(
            self._place.path("pods"),
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]},
        )
        container = template["spec"]["containers"][0]
        waiting = {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}
        one = {"name": container["name"], "image": container["image"], "imageID": "", "ready": False}
        status = {
            "phase": "Pending",
            "containerStatuses": [{**one, "restartCount": 5, "state": {"waiting": waiting}}],
        }
        self._place.merge("pods", f"{name}-x", {"status": status}, part="status", manager="kubelet")

    def _endpoints(self, service: Any, deployments: list[Any]) -> None:
        selector = service["spec"]["selector"]
        ready = sum(
            self._written.get(each["metadata"]["name"], {}).get("readyReplicas", 0)
            for each in deployments
            if selector.items() <= each["spec"]["template"]["metadata"]["labels"].items()
        )
        key = (service["metadata"]["name"], service["metadata"]["uid"])
        if self._slices.get(key) == ready:
            return
        put_endpoints(self._place, service, ready)
        self._slices[key] = ready

    def _leave(self, service: str) -> None:
        """A Service is gone, and nobody may be there to collect what belonged to it."""
        status, answer = self._place.call("DELETE", self._place.path("endpointslices", f"{service}-1"), None)
        assert status < 300 or status == 404, answer
        self._slices = {key: ready for key, ready in self._slices.items() if key[0] != service}


def put_endpoints(place: Place, service: Any, ready: int) -> None:
    """A Service's EndpointSlice with so many ready endpoints."""
    name, uid = service["metadata"]["name"], service["metadata"]["uid"]
    body = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-1",
            "labels": {"kubernetes.io/service-name": name},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": name, "uid": uid}],
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": PORT, "protocol": "TCP"}],
        "endpoints": [{"addresses": [f"10.1.0.{i + 1}"], "conditions": {"ready": True}} for i in range(ready)],
    }
    status, answer = place.call("PATCH", place.path("endpointslices", f"{name}-1"), body, kind="merge")
    if status == 404:
        place.make(place.path("endpointslices"), body)
    else:
        assert status < 300, answer


def run_job(place: Place, name: str) -> None:
    """The Job controller's first word: a pod runs."""
    status = {"startTime": moment(), "active": 1, "ready": 1}
    place.merge("jobs", name, {"status": status}, part="status", manager="kube-controller-manager")


def finish_job(place: Place, name: str, *, failed: bool, reason: str = "PodFailurePolicy") -> None:
    """The Job controller's last word, in the two steps in which it is said."""
    first, last = ("FailureTarget", "Failed") if failed else ("SuccessCriteriaMet", "Complete")
    reason = reason if failed else "CompletionsReached"
    known = {
        "status": "True",
        "reason": reason,
        "message": "",
        "lastTransitionTime": moment(),
        "lastProbeTime": moment(),
    }
    early, late = {"type": first, **known}, {"type": last, **known}
    done = {"active": 0, "ready": 0, "terminating": 0, "uncountedTerminatedPods": {}}
    counted = {"failed": 1} if failed else {"succeeded": 1, "completionTime": moment()}
    for status in ({"conditions": [early]}, {**done, **counted, "conditions": [early, late]}):
        place.merge("jobs", name, {"status": status}, part="status", manager="kube-controller-manager")
