"""Where this suite runs: the emulator with its controllers off, or the cluster of a kubeconfig; one namespace in it.

What is asked here is asked of both in the same words, so nothing may be relied on that only one of them does. A bare
API server has no controllers: no default ServiceAccount, nobody who empties a namespace, no endpoints, no status that
the tests do not write themselves.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from canary.adapters.kubernetes import Api, connect
from canary.adapters.kubernetes.access import REVIEWS
from canary.adapters.kubernetes.budget import Budget, Deadline, Pacer
from canary.adapters.kubernetes.transport import Request

Kubeconfig = dict[str, Any]

GENEROUS = Budget(total=30.0, attempt=15.0)
MINE = {"canary-engine.io/part": "test-cluster"}
OLD = timedelta(hours=1)
"""After which a namespace of ours was left by a run that was killed: a run takes minutes."""

ROOTS = {
    "deployments": "/apis/apps/v1",
    "replicasets": "/apis/apps/v1",
    "jobs": "/apis/batch/v1",
    "pods": "/api/v1",
    "services": "/api/v1",
    "configmaps": "/api/v1",
    "serviceaccounts": "/api/v1",
    "events": "/api/v1",
    "endpointslices": "/apis/discovery.k8s.io/v1",
    "leases": "/apis/coordination.k8s.io/v1",
    "horizontalpodautoscalers": "/apis/autoscaling/v2",
    "roles": "/apis/rbac.authorization.k8s.io/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "httproutes": "/apis/gateway.networking.k8s.io/v1",
    "gateways": "/apis/gateway.networking.k8s.io/v1",
}
"""Every kind that a test makes, or that a controller makes for it; owners before what they own."""

THEIRS = {("serviceaccounts", "default"), ("configmaps", "kube-root-ca.crt")}
"""What controllers put into every namespace, and would put there again."""

CONTENT = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "": "application/json",
}
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
NUMBERS = itertools.count(1)


def until(condition: Callable[[], Any], within: float = 60.0) -> Any:
    """Wait until something holds, and return it."""
    end = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)
    return found


def current_context(environment: dict[str, str]) -> tuple[str, str]:
    """Name and server of the context that kubectl would use; two empty texts where there is none."""
    done = _kubectl(environment, "config", "view", "--minify", "-o", "json")
    if done.returncode:
        return "", ""
    config = json.loads(done.stdout)
    clusters = config.get("clusters") or [{"cluster": {}}]
    return str(config.get("current-context") or ""), str(clusters[0]["cluster"].get("server") or "")


def refusal(given: str, name: str, server: str) -> str:
    """Why nothing is written into the current context's cluster; empty where it was named.

    Args:
        given: the context that somebody said; empty where nobody did.
        name, server: of the current context.
    """
    if not name:
        return "kubectl has no current context here: set KUBECONFIG, or kubectl config use-context"
    if given == name:
        return ""
    said = f"not {given!r}" if given else "and nobody said that it may"
    return (
        f"this would write into the cluster of the current context {name!r} ({server}), {said}. "
        f"If it may make and delete a namespace there: make test-cluster CONTEXT={name}"
    )


def credentials_of(environment: dict[str, str]) -> dict[str, Any]:
    """The current context's kubeconfig, whole and alone."""
    done = _kubectl(environment, "config", "view", "--minify", "--raw", "--flatten", "-o", "json")
    assert done.returncode == 0, "the kubeconfig cannot be read; kubectl config view says why"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _kubectl(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([kubectl(), *words], env=environment, capture_output=True, text=True, timeout=60, check=False)


def kubectl() -> str:
    """The one of the development environment."""
    return str(Path(sys.executable).with_name("kubectl"))


class Place:
    """An API server, and one namespace of it.

    Args:
        config: a kubeconfig with one context, as an object.
        folder: for kubeconfigs.
        real: not the emulator.
        reach: turns a kubeconfig into one that the engine can use.

    Attributes:
        namespace: ours.
        kubeconfig: of the administrator.
        controlled: controllers run here, and act on what the tests make.
    """

    def __init__(
        self, config: Kubeconfig, folder: Path, *, real: bool, reach: Callable[[Kubeconfig], Kubeconfig] = lambda it: it
    ) -> None:
        self.real, self.folder = real, folder
        self._config, self._reach = config, reach
        self.namespace = f"canary-test-{uuid.uuid4().hex[:8]}"
        self.kubeconfig = self.write(reach(config), "admin")
        self._transport = connect(kubeconfig=self.kubeconfig)._transport
        labels = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace, "labels": MINE}}
        self.make("/api/v1/namespaces", labels)
        self.controlled = real and self._has_controllers()
        self._sweep_old()
        self.ensure_account("default")

    # Asking ------------------------------------------------------------------------------------------------------

    def call(
        self, method: str, path: str, body: Any = None, *, kind: str = "", query: str = "", transport: Any = None
    ) -> tuple[int, Any]:
        """One request and what was answered, whatever it was."""
        request = Request(
            method=method,
            target=f"{path}?{query}" if query else path,
            payload=None if body is None else json.dumps(body).encode(),
            content_type=CONTENT[kind],
            doing=f"{method} {path}",
        )
        with (transport or self._transport).send(request, GENEROUS.total) as stream:
            answer = stream.drain(16 * 1024 * 1024, Deadline(GENEROUS, Pacer()))
        try:
            return answer.status, json.loads(answer.body or b"null")
        except ValueError:
            return answer.status, answer.body.decode(errors="replace")

    def do(self, method: str, path: str, body: Any = None, *, kind: str = "", query: str = "") -> Any:
        """One request that must be carried out."""
        status, answer = self.call(method, path, body, kind=kind, query=query)
        assert status < 300, (method, path, status, answer)
        return answer

    def path(self, plural: str, name: str = "", part: str = "") -> str:
        """Where an object of ours lives."""
        return "/".join(each for each in (f"{ROOTS[plural]}/namespaces/{self.namespace}/{plural}", name, part) if each)

    def make(self, path: str, body: Any, *, manager: str = "kubectl-create") -> Any:
        """Create an object; a field that the server does not know is an error, as for kubectl."""
        return self.do("POST", path, body, query=f"fieldManager={manager}&fieldValidation=Strict")

    def get(self, plural: str, name: str) -> Any:
        """An object; None when it is not there."""
        status, found = self.call("GET", self.path(plural, name))
        assert status in {200, 404}, (status, found)
        return found if status == 200 else None

    def list(self, plural: str, selector: str = "") -> list[Any]:
        """All objects of a kind in our namespace."""
        query = f"labelSelector={selector}" if selector else ""
        found: list[Any] = self.do("GET", self.path(plural), query=query)["items"]
        return found

    def merge(self, plural: str, name: str, body: Any, *, part: str = "", manager: str = "kubectl-edit") -> Any:
        """Merge-patch an object, as somebody."""
        return self.do("PATCH", self.path(plural, name, part), body, kind="merge", query=f"fieldManager={manager}")

    # Ways in -----------------------------------------------------------------------------------------------------

    def write(self, config: dict[str, Any], name: str) -> Path:
        """A kubeconfig as a file that nobody else reads."""
        path = self.folder / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        return path

    def api(self, kubeconfig: Path | None = None) -> Api:
        """The adapters' way in; budgets are generous, because a machine may be slow."""
        return connect(kubeconfig=kubeconfig or self.kubeconfig, critical=GENEROUS)

    def log_in(self, account: str) -> Path:
        """The kubeconfig of a ServiceAccount of ours, made if it is not there."""
        self.ensure_account(account)
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        token = self.do("POST", self.path("serviceaccounts", account, "token"), body)["status"]["token"]
        users = [{"name": each["name"], "user": {"token": token}} for each in self._config["users"]]
        # Anew through `reach`: beside an administrator's certificate a token would not count.
        return self.write(self._reach({**self._config, "users": users}), f"{account}-{next(NUMBERS)}")

    def ensure_account(self, name: str) -> None:
        """A ServiceAccount of ours, made if it is not there."""
        body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        status, answer = self.call("POST", self.path("serviceaccounts"), body)
        assert status in {201, 409}, answer

    # What runs here ----------------------------------------------------------------------------------------------

    def _has_controllers(self) -> bool:
        """Whether a controller made the default ServiceAccount, which takes it well under a second."""
        end = time.monotonic() + 5.0
        while time.monotonic() < end:
            if self.get("serviceaccounts", "default") is not None:
                return True
            time.sleep(0.2)
        return False

    def lacks(self, need: str) -> bool:
        """Whether what a test needs is not here; see `lacking`."""
        match need:
            case "uncontrolled":
                return self.controlled
            case "pods":
                return not self.pods_run()
            case "gateway_class":
                return not self.gateway_class()
            case "rbac":
                return self.allows_everybody()
            case "pod_security":
                return not self.refuses_unsafe()
            case "admission_policies":
                return self.call("GET", POLICIES)[0] != 200
        raise KeyError(need)

    def pods_run(self) -> bool:
        """Whether what is scheduled here would run."""
        nodes = self.do("GET", "/api/v1/nodes")["items"] if self.controlled else []
        conditions = [each for node in nodes for each in (node.get("status") or {}).get("conditions") or ()]
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def gateway_class(self) -> str:
        """A class that some controller here has accepted; empty where there is none."""
        status, found = self.call("GET", "/apis/gateway.networking.k8s.io/v1/gatewayclasses")
        for each in found["items"] if status == 200 else ():
            conditions = (each.get("status") or {}).get("conditions") or ()
            if any(one["type"] == "Accepted" and one["status"] == "True" for one in conditions):
                return str(each["metadata"]["name"])
        return ""

    def allows_everybody(self) -> bool:
        """Whether an account without any role may delete Secrets."""
        attributes = {"namespace": self.namespace, "verb": "delete", "resource": "secrets", "version": "v1"}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self.api(self.log_in("nobody")).create(REVIEWS, body, doing="asking what nobody may")
        return bool(answer["status"]["allowed"])

    @contextmanager
    def restricted(self) -> Iterator[None]:
        """The strictest level of pod security in our namespace."""

        def enforce(level: str | None) -> None:
            labels = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}}
            self.do("PATCH", f"/api/v1/namespaces/{self.namespace}", labels, kind="merge")

        enforce("restricted")
        try:
            yield
        finally:
            enforce(None)

    def refuses_unsafe(self) -> bool:
        """Whether pod security is enforced; a real server learns of a namespace's level by a watch.

        The pod asks for nothing: a privileged one may be refused for other reasons, by default even as invalid.
        """
        end = time.monotonic() + (20.0 if self.real else 0.0)
        self.ensure_account("unsafe")
        pod = {"serviceAccountName": "unsafe", "containers": [{"name": "app", "image": "example.test/app:1"}]}
        while "PodSecurity" not in json.dumps(self.admits(pod)[1]):
            if time.monotonic() >= end:
                return False
            time.sleep(0.2)
        return True

    def admits(self, spec: Any, metadata: Any = MappingProxyType({})) -> tuple[int, Any]:
        """What is answered to a pod, which is not made."""
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "name": "one"}, "spec": spec}
        return self.call("POST", self.path("pods"), body, query="dryRun=All")

    # Leaving nothing ---------------------------------------------------------------------------------------------

    def sweep(self, namespace: str = "", *, spared: Collection[tuple[str, str]] = THEIRS) -> None:
        """Delete every object of ours, one by one: nobody else may be there to do it."""
        space = namespace or self.namespace
        for plural, root in ROOTS.items():
            status, found = self.call("GET", f"{root}/namespaces/{space}/{plural}")
            for each in found["items"] if status == 200 else ():
                metadata = each["metadata"]
                if (plural, metadata["name"]) in spared:
                    continue
                path = f"{root}/namespaces/{space}/{plural}/{metadata['name']}"
                if metadata.get("finalizers"):
                    self.call("PATCH", path, {"metadata": {"finalizers": None}}, kind="merge")
                body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
                status, answer = self.call("DELETE", path, {**body, "gracePeriodSeconds": 0})
                assert status < 300 or status == 404, (path, answer)

    def close(self) -> None:
        """Delete the namespace with all that is in it."""
        self.remove(self.namespace, controlled=self.controlled)

    def remove(self, namespace: str, *, controlled: bool) -> None:
        """Empty a namespace and delete it, where nobody else finishes that as well."""
        path = f"/api/v1/namespaces/{namespace}"
        self.sweep(namespace)
        self.call("DELETE", path)
        end = time.monotonic() + (90.0 if controlled else 2.0)
        while time.monotonic() < end:
            if self.call("GET", path)[0] == 404:
                return
            time.sleep(0.2)
        status, found = self.call("GET", path)
        if status == 200:
            # It waits for a namespace controller that is not there; all that it would do is done.
            self.sweep(namespace, spared=())
            self.call("PUT", f"{path}/finalize", {**found, "spec": {"finalizers": []}})
        assert self.call("GET", path)[0] == 404, f"namespace {namespace} is still there; delete it by hand"

    def _sweep_old(self) -> None:
        """What an earlier run left that was killed before it could clean up."""
        label = "%3D".join(next(iter(MINE.items()))).replace("/", "%2F")
        status, found = self.call("GET", "/api/v1/namespaces", query=f"labelSelector={label}")
        for each in found["items"] if status == 200 else ():
            made = datetime.fromisoformat(each["metadata"]["creationTimestamp"])
            if datetime.now(UTC) - made > OLD:
                self.remove(each["metadata"]["name"], controlled=self.controlled)


class Proxy:
    """`kubectl proxy` before a server whose certificate is not to be verified: the engine itself refuses such a one."""

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        path = folder / f"unverified-{next(NUMBERS)}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        environment = {**os.environ, "KUBECONFIG": str(path)}
        command = [kubectl(), "proxy", "--port=0", "--reject-paths=^$"]
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        address = self._process.stdout.readline().strip().rpartition(" ")[2]  # "Starting to serve on 127.0.0.1:NNN"
        name = config["clusters"][0]["name"]
        self.config = {
            **config,
            "clusters": [{"name": name, "cluster": {"server": f"http://{address}"}}],
            "users": [{"name": each["name"], "user": {}} for each in config["users"]],
        }

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
