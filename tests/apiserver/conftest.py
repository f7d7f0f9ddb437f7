"""The emulator in a thread of this process, and three ways to talk to it: raw HTTP, the official client, kubectl.

With `--cluster` the same tests ask a real API server, one that may be thrown away: they leave namespaces and roles.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from canary.sandbox.apiserver import rbac
from canary.sandbox.apiserver.server import Server, load_definitions
from tests.apiserver.calling import ADMIN, NOBODY, Caller, RealServer
from tests.cluster.place import credentials_of, current_context, refusal

ROUTES = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes"
NUMBERS = itertools.count(1)
RUN = f"{time.time_ns() // 1_000_000:x}-{os.getpid()}-"
"""Keeps the names of one run apart from those of another on the same API server."""


USERS = {
    ADMIN: rbac.User("admin", (rbac.MASTERS, "system:authenticated")),
    NOBODY: rbac.User("someone", ("system:authenticated",)),
}


class Emulator(Caller):
    """A running emulator.

    Args:
        users: by their tokens.
    """

    def __init__(self, users: Mapping[str, rbac.User] = USERS) -> None:
        super().__init__()
        self.server = Server(dict(users))
        load_definitions(self.server, None)
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
        super().close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()


def pytest_configure(config: pytest.Config) -> None:
    """As for tests/cluster: a real API server is named, or nothing is written into it."""
    given = config.getoption("--cluster", None)
    if given is not None and (why := refusal(given, *current_context(dict(os.environ)))):
        raise pytest.UsageError(why)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A real server is not asked for what only the emulator does, or the controllers that a bare one lacks."""
    if config.getoption("--cluster", None) is None:
        return
    left = [item for item in items if item.get_closest_marker("emulated")]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="module")
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    if request.config.getoption("--cluster", None) is None:
        made: Caller = Emulator()
    else:
        made = RealServer(credentials_of(dict(os.environ)), tmp_path_factory.mktemp("real"))
    yield made
    made.close()


@pytest.fixture
def ns(api: Caller) -> Iterator[str]:
    """A namespace of the test's own."""
    name = f"test-{RUN}{next(NUMBERS)}"
    api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    if isinstance(api, Emulator):
        yield name
        api.call("DELETE", "/sandbox/faults")
        return
    # A controller's work, where there is one; pods are refused without it.
    api.call("POST", f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "default"}})
    yield name
    api.call("DELETE", f"/api/v1/namespaces/{name}")


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
def restrict(api: Caller, ns: str) -> Callable[..., str]:
    """Gives rules to a new user in the test's namespace; its token."""

    def give(*rules: Any, name: str = "") -> str:
        name = name or f"user-{RUN}{next(NUMBERS)}"
        token = api.new_user(name)
        base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}"
        api.create(f"{base}/roles", {"metadata": {"name": name}, "rules": list(rules)})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subject = {"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
        api.create(f"{base}/rolebindings", {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]})
        return token

    return give


Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def kubectl_environment(api: Caller, ns: str, tmp_path: Path) -> Callable[[str], dict[str, str]]:
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
