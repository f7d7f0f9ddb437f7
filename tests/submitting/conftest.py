"""The emulator with a shop in it, and CI that submits; the Job's engine is played by hand."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from canary.cli.main import main
from canary.cli.resuming import subject_of
from canary.core.outcome import ExitCode, Outcome
from canary.core.policy import policy_of
from canary.core.release import Phase, Release
from canary.engine.journal import Journal, encode
from canary.spec import parse
from canary.submitting import identity_of
from canary.submitting.changes import Change, changes_of, noted
from tests.apiserver.calling import ADMIN
from tests.apiserver.conftest import Emulator

DIGEST = "sha256:" + "a" * 64
ENGINE = f"registry.test/canary@{DIGEST}"
NUMBERS = itertools.count(1)
RELEASE = """\
apiVersion: canary/v1
kind: Release
metadata: {{name: shop, namespace: {namespace}}}
spec:
  route: {{name: shop}}
  stable: {{service: shop, port: 8080}}
  workload: {{name: shop, container: app}}
  analysis:
    source: {{scrape: {{urls: ["http://127.0.0.1:1/metrics"]}}}}
    gateway: traefik
"""
WITHIN = 60.0


def image(letter: str) -> str:
    return f"registry.test/shop@sha256:{letter * 64}"


def until(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + WITHIN
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


class Following:
    """A `canary submit` in a thread."""

    def __init__(self, words: list[str]) -> None:
        self.code: int | None = None
        self._thread = threading.Thread(target=self._run, args=(words,), daemon=True)
        self._thread.start()

    def _run(self, words: list[str]) -> None:
        self.code = int(main(words))

    def ended(self) -> int:
        self._thread.join(WITHIN)
        assert self.code is not None
        return self.code


class Ci:
    """A namespace with a shop, the chart's settings, and a kubeconfig."""

    def __init__(self, server: Emulator, folder: Path) -> None:
        self.server, self.namespace = server, f"submit-{next(NUMBERS)}"
        self.folder = folder
        server.create("/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        self.jobs_path = f"/apis/batch/v1/namespaces/{self.namespace}/jobs"
        self.maps = f"/api/v1/namespaces/{self.namespace}/configmaps"
        self.release = folder / "release.yaml"
        self.release.write_text(RELEASE.format(namespace=self.namespace))
        self.kubeconfig = folder / "kubeconfig"
        self.log_in(ADMIN)
        settings = {"account": "engine", "version": "0.1.0", "values.json": json.dumps({"image": ENGINE})}
        server.create(self.maps, {"metadata": {"name": "canary-shop-job"}, "data": settings})
        container = {"name": "app", "image": image("0")}
        labels = {"app": "shop"}
        spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}
        spec["template"]["spec"] = {"containers": [container]}
        self.deployments = f"/apis/apps/v1/namespaces/{self.namespace}/deployments"
        server.create(self.deployments, {"metadata": {"name": "shop"}, "spec": spec})

    def log_in(self, token: str) -> None:
        """The kubeconfig with this token, as a credential helper would rewrite it: whole, at once."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "x", "cluster": {"server": f"{self.server.url}/as/{token}"}}],
            "users": [{"name": "x", "user": {}}],
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x", "namespace": self.namespace}}],
            "current-context": "x",
        }
        fresh = self.folder / "kubeconfig.new"
        fresh.write_text(json.dumps(config))
        fresh.replace(self.kubeconfig)

    def words(self, letter: str, *more: str) -> list[str]:
        given = ["submit", str(self.release), "--kubeconfig", str(self.kubeconfig), "-o", "json", *more]
        return [*given, "--image", image(letter)]

    def start(self, letter: str, *more: str) -> int:
        """Submit without following."""
        return int(main(self.words(letter, "--no-wait", *more)))

    def follow(self, letter: str, *more: str) -> Following:
        return Following(self.words(letter, *more))

    def jobs(self) -> list[Any]:
        found: list[Any] = self.server.get(self.jobs_path)["items"]
        return sorted(found, key=lambda job: str(job["metadata"]["name"]))

    def tell(self, job: str, phase: str, line: str, code: int | None = None) -> None:
        """The engine's next change."""
        found = self.server.get(f"{self.jobs_path}/{job}")
        told = changes_of(found)
        change = Change(number=len(told) + 1, at=1.0, phase=phase, line=line, code=code)
        self.server.patch(f"{self.jobs_path}/{job}", {"metadata": {"annotations": noted((*told, change))}})

    def finish(self, job: str, kind: str, reason: str = "PodFailurePolicy") -> None:
        """The Job controller's last word."""
        condition = {"type": kind, "status": "True", "reason": reason, "message": ""}
        self.server.patch(f"{self.jobs_path}/{job}/status", {"status": {"conditions": [condition]}})

    def journal(self, letter: str, phase: Phase, code: ExitCode | None, *, since: float = 4e9, **replaced: str) -> None:
        """The route's journal, as a release of this image left it; replaced: what it knows of stable before."""
        file = parse(self.release.read_bytes(), file="x", image=image(letter))
        outcome = None if code is None else Outcome(code=code, reason=f"because of {letter}", decided=since)
        release = Release(
            uid=letter * 12,
            incarnation="i",
            policy=policy_of(file, exact_split=False),
            phase=phase,
            outcome=outcome,
            fenced=True,
            since=since,
        )
        text = encode(
            Journal(
                release=release, identity=identity_of(file), subject=subject_of(file, replaces=image("0"), **replaced)
            )
        )
        path = f"{self.maps}/canary-shop-journal"
        if self.server.call("GET", path).status_code == 404:
            self.server.create(self.maps, {"metadata": {"name": "canary-shop-journal"}, "data": {"journal": text}})
        else:
            self.server.patch(path, {"data": {"journal": text}})

    def keep(self, template: Any, *, revision: int) -> None:
        """The Deployment controller's ReplicaSet for a template of the shop."""
        uid = self.server.get(f"{self.deployments}/shop")["metadata"]["uid"]
        labels = {**template["metadata"]["labels"], "pod-template-hash": str(revision)}
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop", "uid": uid, "controller": True}
        metadata = {
            "name": f"shop-{revision}",
            "labels": labels,
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [owner],
        }
        kept = {**template, "metadata": {**template["metadata"], "labels": labels}}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": kept}
        path = self.deployments.replace("deployments", "replicasets")
        self.server.create(path, {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec})

    def promote(self, job: str, letter: str, *, template_before: str = "") -> None:
        """A release goes well: stable runs it, the journal says so, its Job is complete."""
        container = {"name": "app", "image": image(letter)}
        body = {"spec": {"template": {"spec": {"containers": [container]}}}}
        self.server.patch(f"{self.deployments}/shop", body)
        self.journal(letter, Phase.SUCCEEDED, ExitCode.PROMOTED, template=template_before)
        self.tell(job, "SUCCEEDED", "promoted", code=0)
        self.finish(job, "Complete", "CompletionsReached")


@pytest.fixture(scope="module")
def server() -> Iterator[Emulator]:
    made = Emulator()
    yield made
    made.close()


@pytest.fixture
def ci(server: Emulator, tmp_path: Path) -> Iterator[Ci]:
    yield Ci(server, tmp_path)
    server.call("DELETE", "/sandbox/faults")
