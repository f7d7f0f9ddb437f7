"""The sandbox's kubelet for the pods of Jobs: `canary run` as a process, as a pod would run it.

A process sees no container, so what a container would find under a mount path lies in a directory of the pod, and
every mount path in its arguments and variables is put in its place. Its credentials are a token of its ServiceAccount,
in the address (see the emulator's README). What else a pod has is there: the downward API, the termination message,
the log, SIGTERM, the grace period and SIGKILL after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from canary.sandbox.apiserver.logs import LOG_FILE
from canary.sandbox.caches import Cache, Key, key_of
from canary.sandbox.disruptions import FAULT, KILL, LOSE, disrupted
from canary.sandbox.processes import Child

STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
MERGE = {"Content-Type": "application/merge-patch+json"}
PERIOD = 0.1
MESSAGE_LIMIT, MESSAGE_LINES = 2048, 80
"""Of a termination message that is taken from the log, as a kubelet takes it."""


@dataclass(slots=True)
class Running:
    """One pod's process.

    Attributes:
        pod: as it was when it was started.
        folder: what a container would mount.
        child: the process.
        ending: when SIGTERM was sent, monotonic seconds; None before.
        lost: its node does not answer: nothing is told of it any more.
        lost_at: since when, monotonic seconds.
    """

    pod: Any
    folder: Path
    child: Child
    ending: float | None = None
    lost_at: float | None = None
    hit: set[str] = field(default_factory=set)


class JobPods:
    """Runs the pods of Jobs.

    Args:
        api: the session to the API server, as administrator.
        server: its address.
        pods: the pods of all Jobs; somebody follows it.
        run: directory for logs and mounts.
        program: what every image is taken to hold; the container's arguments follow it.
    """

    def __init__(
        self,
        *,
        api: aiohttp.ClientSession,
        server: str,
        pods: Cache,
        run: Path,
        program: Sequence[str] = (sys.executable, "-m", "canary"),
    ) -> None:
        self._api, self._server, self._pods, self._run, self._program = api, server, pods, run, tuple(program)
        self._running: dict[str, Running] = {}
        self._tokens: dict[str, str] = {}

    async def run(self) -> None:
        """Until cancelled; every process ends with us."""
        try:
            while True:
                for key, pod in list(self._pods.items.items()):
                    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                        await self._tend(key, pod)
                self._forget()
                await asyncio.sleep(PERIOD)
        finally:
            for one in self._running.values():
                one.child.stop(0.5)

    async def _tend(self, key: Key, pod: Any) -> None:
        if (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}:
            return
        uid = pod["metadata"]["uid"]
        running = self._running.get(uid)
        if running is None:
            if "deletionTimestamp" in pod["metadata"] or pod["spec"].get("nodeName"):
                # It ended before it began; or it ran under a kubelet before this one, and died with it.
                await self._tell_end(pod, 137, "")
                return
            await self._start(key, pod)
            return
        await self._meet(running, pod)
        if running.lost_at is not None:
            await self._node_is_lost(running, pod)
        elif running.child.code is None:
            self._end_if_asked(running, pod)
        else:
            await self._tell_end(pod, running.child.code, self._message(running))
            self._running.pop(uid).child.stop(0.1)

    # Starting ------------------------------------------------------------------------------------------------

    async def _start(self, key: Key, pod: Any) -> None:
        namespace, name = key
        folder = self._run / f"pod-{namespace}-{name}"
        folder.mkdir(exist_ok=True)
        log = self._run / f"pod-{namespace}-{name}.log"
        container = pod["spec"]["containers"][0]
        places = await self._mount(folder, pod, container)
        places[container.get("terminationMessagePath", "/dev/termination-log")] = folder / "termination-log"
        token = await self._token(namespace, pod["spec"].get("serviceAccountName") or "default")
        config = folder / "kubeconfig"
        config.touch(mode=0o600)
        config.write_text(_kubeconfig(self._server, token, namespace), encoding="utf-8")
        words = [_placed(word, places) for word in container.get("args") or ()]
        env = {one["name"]: _placed(_value(one, pod), places) for one in container.get("env") or ()}
        env |= {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": self._server.rpartition(":")[2]}
        merge = json.dumps({"metadata": {"annotations": {LOG_FILE: str(log)}}, "spec": {"nodeName": "sandbox"}})
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        async with self._api.patch(path, data=merge, headers=MERGE) as answer:
            if answer.status >= 300:
                return
            self._pods.took(await answer.json())
        command = [*self._program, *words, "--kubeconfig", str(config)]
        child = Child(command, log=log, env=env)
        self._running[pod["metadata"]["uid"]] = Running(pod=pod, folder=folder, child=child)
        await self._write(pod, _status(pod, {"running": {"startedAt": _now()}}, phase="Running", ready=True))

    async def _mount(self, folder: Path, pod: Any, container: Any) -> dict[str, Path]:
        volumes = {one["name"]: one for one in pod["spec"].get("volumes") or ()}
        places = {}
        for mount in container.get("volumeMounts") or ():
            place = folder / mount["name"]
            place.mkdir(exist_ok=True)
            places[mount["mountPath"]] = place
            volume = volumes[mount["name"]]
            for item in (volume.get("downwardAPI") or {}).get("items") or ():
                (place / item["path"]).write_text(_field(pod, item["fieldRef"]["fieldPath"]), encoding="utf-8")
            if "configMap" in volume:
                path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/configmaps/{volume['configMap']['name']}"
                async with self._api.get(path) as answer:
                    answer.raise_for_status()
                    for name, text in ((await answer.json()).get("data") or {}).items():
                        (place / name).write_text(text, encoding="utf-8")
        return places

    async def _token(self, namespace: str, account: str) -> str:
        name = f"system:serviceaccount:{namespace}:{account}"
        if name not in self._tokens:
            body = {"name": name, "groups": ["system:serviceaccounts", "system:authenticated"]}
            async with self._api.post("/sandbox/users", json=body) as answer:
                answer.raise_for_status()
                self._tokens[name] = (await answer.json())["token"]
        return self._tokens[name]

    # Ending --------------------------------------------------------------------------------------------------

    def _end_if_asked(self, running: Running, pod: Any) -> None:
        if "deletionTimestamp" not in pod["metadata"]:
            return
        now = time.monotonic()
        if running.ending is None:
            running.ending = now
            running.child.process.send_signal(signal.SIGTERM)
        grace = pod["metadata"].get("deletionGracePeriodSeconds", pod["spec"].get("terminationGracePeriodSeconds", 30))
        if now - running.ending >= grace:
            running.child.process.kill()

    def _forget(self) -> None:
        """A pod that was taken away by force takes its process along."""
        there = {pod["metadata"]["uid"] for pod in self._pods.items.values()}
        for uid in [uid for uid in self._running if uid not in there]:
            running = self._running.pop(uid)
            running.child.process.kill()
            running.child.stop(0.1)

    def _message(self, running: Running) -> str:
        with contextlib.suppress(OSError):
            said = (running.folder / "termination-log").read_bytes()[:4096].decode(errors="replace")
            if said:
                return said
        policy = running.pod["spec"]["containers"][0].get("terminationMessagePolicy")
        if policy == "FallbackToLogsOnError" and running.child.code:
            return running.child.last_words(MESSAGE_LINES)[-MESSAGE_LIMIT:]
        return ""

    async def _tell_end(self, pod: Any, code: int, message: str) -> None:
        code = 128 - code if code < 0 else code
        ended = {"exitCode": code, "reason": "Completed" if not code else "Error", "finishedAt": _now()}
        state = {"terminated": {**ended, **({"message": message} if message else {})}}
        await self._write(pod, _status(pod, state, phase="Failed" if code else "Succeeded", ready=False))

    async def _write(self, pod: Any, status: Any) -> None:
        namespace, name = key_of(pod)
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/status"
        async with self._api.patch(path, data=json.dumps({"status": status}), headers=STRATEGIC) as answer:
            if answer.status < 300:
                self._pods.took(await answer.json())

    # Faults --------------------------------------------------------------------------------------------------

    async def _meet(self, running: Running, pod: Any) -> None:
        """What the pod's annotation asks for, once."""
        fault = (pod["metadata"].get("annotations") or {}).get(FAULT, "")
        if not fault or fault in running.hit:
            return
        running.hit.add(fault)
        if fault in {KILL, LOSE}:
            running.child.process.kill()
        if fault == LOSE:
            running.lost_at = time.monotonic()

    async def _node_is_lost(self, running: Running, pod: Any) -> None:
        """The control plane's part: the taint ends the pod, which stays Terminating until its node is removed."""
        seconds = [
            one["tolerationSeconds"] for one in pod["spec"].get("tolerations") or () if "tolerationSeconds" in one
        ]
        waited = time.monotonic() - (running.lost_at or 0.0)
        if waited < min(seconds, default=300):
            return
        namespace, name = key_of(pod)
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        if "deletionTimestamp" not in pod["metadata"]:
            await self._write(pod, {"conditions": [disrupted("DeletionByTaintManager")]})
            async with self._api.delete(path) as answer:
                if answer.status < 300:
                    self._pods.took(await answer.json())
        async with self._api.get("/api/v1/nodes/sandbox") as answer:
            node = await answer.json() if answer.status == 200 else {}
        if FAULT in (node.get("metadata", {}).get("annotations") or {}):
            await self._write(pod, {"phase": "Failed", "conditions": [disrupted("DeletionByPodGC")]})


def _status(pod: Any, state: dict[str, Any], *, phase: str, ready: bool) -> dict[str, Any]:
    container = pod["spec"]["containers"][0]
    kinds = {"PodScheduled": True, "Initialized": True, "ContainersReady": ready, "Ready": ready}
    told = {
        "name": container["name"],
        "image": container.get("image", ""),
        "imageID": container.get("image", ""),
        "ready": ready,
        "started": ready,
        "restartCount": 0,
        "state": state,
    }
    return {
        "phase": phase,
        "hostIP": "127.0.0.1",
        "startTime": (pod.get("status") or {}).get("startTime") or _now(),
        "conditions": [
            {"type": kind, "status": "True" if true else "False", "lastTransitionTime": _now()}
            for kind, true in kinds.items()
        ],
        "containerStatuses": [told],
    }


def _value(variable: Any, pod: Any) -> str:
    if "valueFrom" in variable:
        return _field(pod, ((variable["valueFrom"] or {}).get("fieldRef") or {}).get("fieldPath", ""))
    return str(variable.get("value") or "")


def _field(pod: Any, path: str) -> str:
    """A field of the pod as the downward API gives it."""
    metadata = pod["metadata"]
    for kind in ("annotations", "labels"):
        if path.startswith(f"metadata.{kind}['"):
            return str((metadata.get(kind) or {}).get(path.split("'")[1], ""))
    known = {"metadata.name": "name", "metadata.uid": "uid", "metadata.namespace": "namespace"}
    return str(metadata.get(known.get(path, ""), ""))


def _placed(word: str, places: dict[str, Path]) -> str:
    for path, place in places.items():
        if word == path or word.startswith(f"{path}/"):
            return str(place) + word[len(path) :]
    return word


def _kubeconfig(server: str, token: str, namespace: str) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "sandbox", "cluster": {"server": f"{server}/as/{token}"}}],
            "users": [{"name": "pod", "user": {}}],
            "contexts": [{"name": "pod", "context": {"cluster": "sandbox", "user": "pod", "namespace": namespace}}],
            "current-context": "pod",
        }
    )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
