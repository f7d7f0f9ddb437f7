"""The emulator in a thread of this process, and three ways to talk to it: raw HTTP, the official client, kubectl."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from aiohttp import web

from canary.sandbox.apiserver import rbac
from canary.sandbox.apiserver.server import Server, load_definitions

ADMIN, NOBODY = "the-administrators-token", "a-users-token"
ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes"
KINDS = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
NUMBERS = itertools.count(1)


USERS = {
    ADMIN: rbac.User("admin", (rbac.MASTERS, "system:authenticated")),
    NOBODY: rbac.User("someone", ("system:authenticated",)),
}


class Emulator:
    """A running emulator.

    Args:
        users: by their tokens.
    """

    def __init__(self, users: Mapping[str, rbac.User] = USERS) -> None:
        self.server = Server(dict(users))
        load_definitions(self.server, None)
        self.session = requests.Session()
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10)

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self.loop)
        runner = self.server.runner()

        async def start() -> None:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()

        self.loop.run_until_complete(start())
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        started.set()
        self.loop.run_forever()
        self.loop.run_until_complete(runner.cleanup())
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.close()

    def close(self) -> None:
        self.session.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    def call(self, method: str, path: str, body: Any = None, **given: Any) -> requests.Response:
        """One request; `kind` is a patch's kind, `token` says who, `headers` are sent, all else is the query."""
        kind, token = given.pop("kind", ""), given.pop("token", ADMIN)
        headers = {"Authorization": f"Bearer {token}", **given.pop("headers", {})}
        raw = given.pop("raw", None)
        headers.setdefault("Content-Type", KINDS.get(kind, "application/json"))
        data = raw if raw is not None else None if body is None else json.dumps(body)
        return self.session.request(method, self.url + path, data=data, headers=headers, params=given, timeout=20)

    def do(self, method: str, path: str, body: Any = None, **given: Any) -> Any:
        """One request that must be carried out."""
        answer = self.call(method, path, body, **given)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def refuse(self, code: int, method: str, path: str, body: Any = None, **given: Any) -> Any:
        """One request that must be refused so; its Status."""
        answer = self.call(method, path, body, **given)
        assert answer.status_code == code, (answer.status_code, answer.text)
        status = answer.json()
        assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", code)
        assert status["message"]
        return status

    def get(self, path: str, **given: Any) -> Any:
        return self.do("GET", path, **given)

    def create(self, path: str, body: Any, **given: Any) -> Any:
        return self.do("POST", path, body, **given)

    def patch(self, path: str, body: Any, kind: str = "merge", **given: Any) -> Any:
        return self.do("PATCH", path, body, kind=kind, **given)

    @contextlib.contextmanager
    def watch(self, path: str, **query: Any) -> Iterator[Iterator[Any]]:
        """The events of a watch, as they come."""
        headers = {"Authorization": f"Bearer {ADMIN}"}
        asked = {"watch": "true", "timeoutSeconds": "20", **query}
        with requests.get(self.url + path, params=asked, headers=headers, stream=True, timeout=20) as answer:
            assert answer.status_code == 200, answer.text
            yield (json.loads(line) for line in answer.iter_lines(chunk_size=1))

    def version(self) -> str:
        """The resourceVersion of now."""
        found: str = self.get("/api/v1/configmaps")["metadata"]["resourceVersion"]
        return found

    def kubeconfig(self, path: Path, token: str, namespace: str) -> Path:
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": f"{self.url}/as/{token}"}}],
            "users": [{"name": "it", "user": {}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": namespace}}],
        }
        path.write_text(json.dumps(config))
        return path


@pytest.fixture(scope="module")
def api() -> Iterator[Emulator]:
    made = Emulator()
    yield made
    made.close()


@pytest.fixture
def ns(api: Emulator) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"test-{next(NUMBERS)}"
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    api.call("DELETE", "/sandbox/faults")


@pytest.fixture
def maps(ns: str) -> str:
    """Where the test's ConfigMaps are."""
    return f"/api/v1/namespaces/{ns}/configmaps"


@pytest.fixture
def routes(ns: str) -> str:
    """Where the test's HTTPRoutes are."""
    return ROUTES.format(ns)


@pytest.fixture
def deployments(ns: str) -> str:
    """Where the test's Deployments are."""
    return f"/apis/apps/v1/namespaces/{ns}/deployments"


class Make:
    """Bodies of objects."""

    @staticmethod
    def config_map(name: str = "settings", **data: str) -> Any:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}

    @staticmethod
    def route(name: str = "shop", *, weights: tuple[int, ...] = (90, 10), **spec: Any) -> Any:
        names = ("stable", "canary", "third")
        refs = [
            {"name": backend, "port": 80, "weight": weight} for backend, weight in zip(names, weights, strict=False)
        ]
        return {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": name},
            "spec": {"parentRefs": [{"name": "web"}], "rules": [{"name": "main", "backendRefs": refs}], **spec},
        }

    @staticmethod
    def deployment(name: str = "shop", image: str = "shop:1") -> Any:
        labels = {"app": name}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "app", "image": image, "ports": [{"containerPort": 8080}]}]},
                },
            },
        }

    @staticmethod
    def pod(name: str = "one", **metadata: Any) -> Any:
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, **metadata},
            "spec": {"containers": [{"name": "app", "image": "shop:1"}]},
        }

    @staticmethod
    def definition(plural: str = "widgets", group: str = "test.example.com", **schema: Any) -> Any:
        kind = plural.rstrip("s").capitalize()
        spec = schema or {"type": "object", "properties": {"size": {"type": "integer", "default": 3}}}
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}"},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
                    }
                ],
            },
        }


@pytest.fixture(scope="session")
def make() -> type[Make]:
    return Make


@pytest.fixture
def restrict(api: Emulator, ns: str) -> Callable[..., str]:
    """Gives rules to a new user in the test's namespace; its token."""

    def give(*rules: Any, name: str = "") -> str:
        name = name or f"user-{next(NUMBERS)}"
        token: str = api.do("POST", "/sandbox/users", {"name": name})["token"]
        base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}"
        api.create(f"{base}/roles", {"metadata": {"name": name}, "rules": list(rules)})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subject = {"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
        api.create(f"{base}/rolebindings", {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]})
        return token

    return give


Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def kubectl_environment(api: Emulator, ns: str, tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """The environment in which kubectl is a user."""
    cache = tmp_path / "cache"

    def environment(token: str = ADMIN) -> dict[str, str]:
        config = api.kubeconfig(tmp_path / f"kubeconfig-{token[:8]}", token, ns)
        scrubbed = {name: value for name, value in os.environ.items() if not name.upper().startswith(("KUBE", "HTTP"))}
        return {**scrubbed, "KUBECONFIG": str(config), "HOME": str(tmp_path), "KUBECACHEDIR": str(cache)}

    return environment


@pytest.fixture(scope="session")
def kubectl_program() -> str:
    return str(Path(sys.executable).with_name("kubectl"))


@pytest.fixture
def kubectl(kubectl_environment: Callable[..., dict[str, str]], kubectl_program: str) -> Kubectl:
    """Runs kubectl in the test's namespace."""

    def run(
        *words: str, stdin: str | None = None, token: str = ADMIN, code: int | None = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [kubectl_program, *words],
            input=stdin,
            env={**kubectl_environment(token), **environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert code is None or done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    return run
