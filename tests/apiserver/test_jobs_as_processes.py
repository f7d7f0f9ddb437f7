"""Pods of Jobs as processes: what a container would have, these have; what happens to pods, happens to these."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from canary.sandbox.caches import Cache
from canary.sandbox.disruptions import evict, kill, lose, remove_node
from canary.sandbox.jobcontroller import OF_JOBS, PODS, JobController
from canary.sandbox.jobpods import JobPods
from tests.apiserver.calling import ADMIN
from tests.apiserver.conftest import Emulator

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

NUMBERS = itertools.count(1)
WITHIN = 60.0

PROGRAM = """\
import os, signal, sys, time
from pathlib import Path
def end(*_):
    Path(os.environ["TERMINATION_MESSAGE_PATH"]).write_text("ended in good order")
    sys.exit(143)
signal.signal(signal.SIGTERM, signal.SIG_IGN if os.environ["STUBBORN"] else end)
print(Path(sys.argv[2]).read_text(), os.environ["POD_NAME"], "KUBERNETES_SERVICE_HOST" in os.environ, flush=True)
time.sleep(100)
"""


class Cluster:
    """The emulator with the controllers in a thread of this process."""

    def __init__(self, emulator: Emulator, space: str, run: Path) -> None:
        self.emulator, self.space, self._run = emulator, space, run
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._play(),), daemon=True)
        self._thread.start()

    async def _play(self) -> None:
        headers = {"Authorization": f"Bearer {ADMIN}"}
        async with aiohttp.ClientSession(self.emulator.url, headers=headers) as api:
            pods = Cache(api, PODS, labels=OF_JOBS)
            program = (sys.executable, "-c", PROGRAM)
            ours = JobPods(api=api, server=self.emulator.url, pods=pods, run=self._run, program=program)
            parts = (pods.follow(), JobController(api, pods, backoff=0.1).run(), ours.run())
            tasks = [asyncio.create_task(one) for one in parts]
            await self._stop.wait()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def request(
        self, method: str, path: str, body: Any = None, *, content: str = "application/json"
    ) -> tuple[int, Any]:
        answer = self.emulator.call(method, path, body, headers={"Content-Type": content})
        return answer.status_code, answer.json()

    def submit(self, *, stubborn: str = "", grace: int = 30) -> str:
        name = f"j{next(NUMBERS)}"
        file = {"path": "words", "fieldRef": {"fieldPath": "metadata.annotations['say']"}}
        container = {
            "name": "canary",
            "image": "x",
            "args": ["run", "/etc/say/words"],
            "env": [
                {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "TERMINATION_MESSAGE_PATH", "value": "/dev/termination-log"},
                {"name": "STUBBORN", "value": stubborn},
            ],
            "volumeMounts": [{"name": "say", "mountPath": "/etc/say"}],
        }
        lost = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 0}
        spec = {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": grace,
            "tolerations": [lost],
            "containers": [container],
            "volumes": [{"name": "say", "downwardAPI": {"items": [file]}}],
        }
        rules = [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
        job = {
            "metadata": {"name": name},
            "spec": {
                "podReplacementPolicy": "Failed",
                "podFailurePolicy": {"rules": rules},
                "backoffLimit": 1,
                "template": {"metadata": {"annotations": {"say": "a word"}}, "spec": spec},
            },
        }
        self.emulator.create(f"/apis/batch/v1/namespaces/{self.space}/jobs", job)
        return name

    def pods(self, job: str) -> list[Any]:
        path = f"/api/v1/namespaces/{self.space}/pods"
        found = self.emulator.get(path, labelSelector=f"{OF_JOBS}={job}")["items"]
        return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def failed(self, job: str) -> int:
        return int(self.emulator.get(f"/apis/batch/v1/namespaces/{self.space}/jobs/{job}")["status"]["failed"])

    def running(self, job: str, *, but: str = "") -> str:
        """Name of the pod that has said its words."""

        def said() -> str:
            for pod in self.pods(job):
                name = str(pod["metadata"]["name"])
                log = self._run / f"pod-{self.space}-{name}.log"
                if name != but and (pod["status"]["phase"], log.is_file() and log.read_text()) == (
                    "Running",
                    f"a word {name} True\n",
                ):
                    return name
            return ""

        return eventually(said)

    def ended(self, job: str, name: str) -> dict[str, Any]:
        def terminated() -> Any:
            (pod,) = [pod for pod in self.pods(job) if pod["metadata"]["name"] == name]
            states = pod["status"].get("containerStatuses") or [{}]
            return (states[0].get("state") or {}).get("terminated")

        return dict(eventually(terminated))


def eventually(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + WITHIN
    while not (found := condition()):
        assert time.monotonic() < end, condition
        time.sleep(0.05)
    return found


@pytest.fixture
def cluster(api: Emulator, ns: str, tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(api, ns, tmp_path)
    yield made
    made.close()


def test_a_pod_is_a_process_with_its_files_its_words_and_its_grace(cluster: Cluster) -> None:
    polite, stubborn = cluster.submit(), cluster.submit(stubborn="yes", grace=1)
    keep = '{"metadata": {"finalizers": ["batch.kubernetes.io/job-tracking", "test.example/keep"]}}'
    for job, code, message in ((polite, 143, "ended in good order"), (stubborn, 137, None)):
        name = cluster.running(job)
        path = f"/api/v1/namespaces/{cluster.space}/pods/{name}"
        cluster.request("PATCH", path, json.loads(keep), content="application/merge-patch+json")
        cluster.request("DELETE", path)
        ended = cluster.ended(job, name)
        assert (ended["exitCode"], ended.get("message")) == (code, message)
        assert cluster.running(job, but=name) != name
        eventually(lambda job=job: cluster.failed(job) == 1)


def test_a_pod_is_killed_evicted_and_lost_with_its_node(cluster: Cluster) -> None:
    job = cluster.submit()
    first = cluster.running(job)
    kill(cluster.request, cluster.space, first)
    assert cluster.ended(job, first)["exitCode"] == 137
    second = cluster.running(job, but=first)
    evict(cluster.request, cluster.space, second)
    third = cluster.running(job, but=second)
    lose(cluster.request, cluster.space, third)
    path = f"/api/v1/namespaces/{cluster.space}/pods/{third}"
    eventually(lambda: "deletionTimestamp" in cluster.emulator.get(path)["metadata"])
    assert cluster.emulator.get(path)["status"]["phase"] == "Running"  # nobody says otherwise
    assert {pod["metadata"]["name"] for pod in cluster.pods(job)} == {first, third}
    remove_node(cluster.request)
    fourth = cluster.running(job, but=third)
    assert fourth not in {first, second, third}
    assert cluster.failed(job) == 1  # the kill alone: who is evicted or lost has not failed
