"""A cluster in which nothing moves, an engine that holds a release there, and people who type commands."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from canary.cli.main import main
from canary.sandbox import manifests
from canary.sandbox.processes import Child, module
from tests import planted
from tests.running.conftest import NAMESPACE, ROUTE, Ran, Source, World, file

__all__ = ["file"]

HERE = f"namespaces/{NAMESPACE}"
JOURNAL = f"/api/v1/{HERE}/configmaps/canary-shop-journal"
LEASE = f"/apis/coordination.k8s.io/v1/{HERE}/leases/canary-shop"
RBAC = f"/apis/rbac.authorization.k8s.io/v1/{HERE}"
HOLDING = {"noTraffic: rollback": "noTraffic: hold", "drain: 1s": "drain: 500ms"}
"""What makes the release wait for traffic that never comes, at half of it."""

WITHIN = 40.0
"""Seconds for anything that is waited for; nothing takes a quarter of it."""


def until(holds: Callable[[], Any], what: str, within: float = WITHIN) -> Any:
    """Wait for a condition, and what it gives."""
    end = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < end, what
        time.sleep(0.02)
    return found


class Stage:
    """The world, its engine, and what is in it."""

    def __init__(self, world: World, path: Path) -> None:
        self.world, self.path = world, path
        self.engine: Child | None = None
        self._count = 0

    def get(self, path: str) -> Any:
        """An object; None when it is not there."""
        try:
            return self.world.ask("GET", path)
        except OSError:
            return None

    def journal(self) -> dict[str, Any]:
        found = self.get(JOURNAL)
        return json.loads(found["data"]["journal"])["release"] if found else {}

    def notes(self) -> dict[str, str]:
        return self.world.ask("GET", ROUTE)["metadata"].get("annotations") or {}

    def canary(self) -> int:
        """The canary's weight."""
        refs = self.world.ask("GET", ROUTE)["spec"]["rules"][0]["backendRefs"]
        return sum(ref["weight"] for ref in refs if ref["name"] == "shop-canary")

    def as_before(self) -> bool:
        """Whether the route is what it was, annotations included."""
        now, before = self.world.ask("GET", ROUTE), self.world.before
        same = now["spec"] == before["spec"]
        return same and now["metadata"].get("annotations") == before["metadata"].get("annotations")

    def kubeconfig(self, token: str) -> Path:
        """A kubeconfig of its own for each user, so that none is changed under a process that reads it."""
        self._count += 1
        folder = self.path.parent / f"user-{self._count}"
        folder.mkdir()
        made = self.world.kubeconfig(token)
        return made.rename(folder / "kubeconfig")

    def user(self, name: str, *rules: dict[str, Any]) -> Path:
        """Somebody who may do what these rules of a Role say."""
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": name, "namespace": NAMESPACE}}
        self.world.ask("POST", f"{RBAC}/roles", {**role, "kind": "Role", "rules": list(rules)})
        binding = {
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"}],
        }
        self.world.ask("POST", f"{RBAC}/rolebindings", {**role, "kind": "RoleBinding", **binding})
        token = self.world.ask("POST", "/sandbox/users", {"name": name})["token"]
        planted.plant(token)
        return self.kubeconfig(token)

    def start(self) -> Child:
        """`canary run`, in a process of its own."""
        self.close()
        self._count += 1
        log = self.path.parent / f"engine-{self._count}.log"
        words = ("run", str(self.path), "--kubeconfig", str(self.kubeconfig("")), "--lines", "-o", "json")
        self.engine = Child(module("canary", *words), log=log)
        return self.engine

    def holding(self) -> Child:
        """An engine that has given the canary half of the traffic and waits for requests to follow."""
        engine = self.start()
        until(lambda: self.journal().get("phase") == "SETTLING", engine.last_words(20))
        assert self.canary() > 0
        return engine

    def kill(self) -> None:
        assert self.engine is not None
        os.kill(self.engine.pid, signal.SIGKILL)
        self.engine.process.wait()

    def dead(self) -> None:
        """A release that holds half of the traffic, and whose engine was killed."""
        self.holding()
        self.kill()

    def ended(self) -> int:
        """The engine's exit code."""
        assert self.engine is not None
        return int(self.engine.process.wait(timeout=WITHIN))

    def close(self) -> None:
        if self.engine is not None:
            self.engine.stop(0.5)


def may(group: str, resource: str, verbs: str, names: str = "") -> dict[str, Any]:
    return manifests._may(group, resource, verbs, names)


def reset(world: World) -> None:
    """The world as it was: nothing of a release in it."""
    world.ask("DELETE", "/sandbox/faults")
    for path in (JOURNAL, LEASE):
        with contextlib.suppress(OSError):
            world.ask("DELETE", path)
    spec, annotations = world.before["spec"], world.before["metadata"].get("annotations")

    def put_back() -> bool:
        now = world.ask("GET", ROUTE)
        with contextlib.suppress(OSError):  # the gateway has written its status meanwhile
            world.ask("PUT", ROUTE, {**now, "spec": spec, "metadata": {**now["metadata"], "annotations": annotations}})
            return True
        return False

    until(put_back, "the route cannot be put back")


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    made = Source()
    yield made
    made.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("world"))
    yield made
    made.close()


@pytest.fixture
def stage(world: World, file: Callable[..., Path]) -> Iterator[Stage]:
    made = Stage(world, file(**HOLDING))
    yield made
    made.close()
    reset(world)


@pytest.fixture
def canary(stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Runs a command in this process as the administrator, or as whoever a kubeconfig is of."""
    monkeypatch.setenv("NO_COLOR", "1")

    def go(*words: str, by: Path | None = None) -> Ran:
        kubeconfig = by or stage.kubeconfig(stage.world.tokens["admin"])
        code = main([*words, "--kubeconfig", str(kubeconfig)])
        captured = capsys.readouterr()
        return Ran(int(code), captured.out, captured.err)

    return go
