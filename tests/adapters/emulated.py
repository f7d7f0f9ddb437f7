"""One namespace of the emulated API server, and somebody who plays the Deployment controller in it."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from canary.adapters.kubernetes import Api, connect
from canary.adapters.kubernetes.budget import Budget


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
            "replicasets": "/apis/apps/v1",
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


def image_of(deployment: Any) -> str:
    """The image of a Deployment's first container."""
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def uids(shop: Cluster) -> set[str]:
    """Of every Deployment and Service: who was made anew has another one."""
    return {each["metadata"]["uid"] for plural in ("deployments", "services") for each in shop.list(plural)}
