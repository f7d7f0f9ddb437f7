"""The sandbox's kubelet and its controllers: Deployments and Jobs become processes, pods, endpoints and status.

A process of its own that talks to the API server over HTTP as any controller does: it lists, watches and writes, and
can be killed and started again. `python -m canary.sandbox.kubelet --server URL --token T --registry FILE --run DIR`
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from canary.sandbox import pods as plan
from canary.sandbox.apiserver.logs import LOG_FILE
from canary.sandbox.caches import Cache
from canary.sandbox.jobcontroller import OF_JOBS, PODS, JobController
from canary.sandbox.jobpods import JobPods
from canary.sandbox.processes import Child, end_with_input, free_network, module

PERIOD = 0.1
"""Seconds between rounds: probes, starts, stops, status."""

GRACE = 0.5
"""Seconds between leaving the Services and the end of the process: gateways must hear of it first."""

DEPLOYMENTS = "/apis/apps/v1/deployments"
SERVICES = "/api/v1/services"


@dataclass(slots=True)
class Running:
    """One pod's process and what it takes to write about it."""

    pod: plan.Pod
    deployment: tuple[str, str]
    labels: dict[str, str]
    image: str
    container: str
    port: int
    ip: str
    log: Path
    started: str
    number: int
    child: Child | None = None
    leaving_at: float | None = None
    start_at: float = 0.0
    written: dict[str, Any] = field(default_factory=dict)


class Kubelet:
    """Runs every Deployment of every namespace.

    Args:
        api: the session to the API server; its base is the server.
        registry: JSON file from image to `{"version": ..., "faults": {...}}`.
        run: directory for logs.
    """

    def __init__(self, *, api: aiohttp.ClientSession, registry: Path, run: Path) -> None:
        self._api, self._registry, self._run = api, registry, run
        self._objects: dict[str, dict[tuple[str, str], Any]] = {DEPLOYMENTS: {}, SERVICES: {}}
        self._pods: dict[str, Running] = {}
        self._slices: dict[tuple[str, str], Any] = {}
        self._statuses: dict[tuple[str, str], Any] = {}
        self._next = 0
        self._network, self._guard = free_network()
        self._probes: aiohttp.ClientSession | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped; every process ends with us."""
        timeout = aiohttp.ClientTimeout(total=1.0)
        self._probes = aiohttp.ClientSession(timeout=timeout)
        watches = [asyncio.create_task(self._watch(path)) for path in self._objects]
        try:
            while not stop.is_set():
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    await self._round()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), PERIOD)
        finally:
            for task in watches:
                task.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
            self._guard.close()
            await self._probes.close()
            for running in self._pods.values():
                if running.child is not None:
                    running.child.stop(0.5)

    # What the API server says ------------------------------------------------------------------------------

    async def _watch(self, path: str) -> None:
        """Keep a cache of one resource; begin anew whenever the watch breaks."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError, KeyError):
                async with self._api.get(path) as answer:
                    listed = await answer.json()
                self._objects[path] = {_id(item): item for item in listed["items"]}
                version = listed["metadata"]["resourceVersion"]
                timeout = aiohttp.ClientTimeout(total=None)
                query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "300"}
                async with self._api.get(path, params=query, timeout=timeout) as stream:
                    async for line in stream.content:
                        self._seen(path, json.loads(line))
            await asyncio.sleep(0.2)

    def _seen(self, path: str, event: Any) -> None:
        if event["type"] == "DELETED":
            self._objects[path].pop(_id(event["object"]), None)
        elif event["type"] in {"ADDED", "MODIFIED"}:
            self._objects[path][_id(event["object"])] = event["object"]
        elif event["type"] == "ERROR":
            raise KeyError("the watch is too old")

    # One round ---------------------------------------------------------------------------------------------

    async def _round(self) -> None:
        deployments = dict(self._objects[DEPLOYMENTS])
        for key, deployment in deployments.items():
            self._reconcile(key, deployment)
        for running in list(self._pods.values()):
            if running.deployment not in deployments:
                self._leave(running)
        await asyncio.gather(*(self._tend(running) for running in list(self._pods.values())))
        await self._write_slices()
        await self._write_statuses(deployments)

    def _reconcile(self, key: tuple[str, str], deployment: Any) -> None:
        mine = [running.pod for running in self._pods.values() if running.deployment == key]
        deleting = "deletionTimestamp" in deployment["metadata"]
        newest = plan.template_hash(deployment)
        wanted = 0 if deleting else deployment["spec"].get("replicas", 1)
        moves = plan.moves(replicas=wanted, newest=newest, pods=mine)
        for _ in range(moves.start):
            self._make(key, deployment, newest)
        for name in moves.leave:
            self._leave(self._pods[name])

    def _make(self, key: tuple[str, str], deployment: Any, newest: str) -> None:
        self._next += 1
        namespace, owner = key
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        name = f"{owner}-{newest[:6]}-{self._next:05d}"
        ports = container.get("ports") or [{"containerPort": 8080}]
        labels = {**deployment["spec"]["template"].get("metadata", {}).get("labels", {}), "pod-template-hash": newest}
        self._pods[name] = Running(
            pod=plan.Pod(name=name, uid="", template=newest),
            deployment=key,
            labels=labels,
            image=container.get("image", ""),
            container=container["name"],
            port=int(ports[0]["containerPort"]),
            ip=self._address(),
            log=self._run / f"pod-{namespace}-{name}.log",
            started=_now(),
            number=self._next,
        )

    def _address(self) -> str:
        """One that no pod has; leaving pods still have theirs."""
        used = {running.ip for running in self._pods.values()}
        return next(f"{self._network}{last}" for last in range(2, 255) if f"{self._network}{last}" not in used)

    def _leave(self, running: Running) -> None:
        if running.leaving_at is None:
            running.leaving_at = time.monotonic()
            running.pod = replace(running.pod, leaving=True, ready=False)

    async def _tend(self, running: Running) -> None:
        """Start, probe, restart or stop one pod, and write what changed."""
        if running.leaving_at is not None:
            if time.monotonic() - running.leaving_at >= GRACE:
                await self._end(running)
            return
        self._start_if_due(running)
        ready = running.child is not None and running.child.code is None and await self._probe(running)
        running.pod = replace(running.pod, ready=ready)
        await self._write_pod(running)

    def _start_if_due(self, running: Running) -> None:
        now = time.monotonic()
        if running.child is not None and running.child.code is None:
            return
        if running.child is not None:
            self._ended(running, now)
        if now < running.start_at:
            return
        version = self._version(running.image)
        if version is None:
            running.pod = replace(running.pod, waiting="ImagePullBackOff")
            running.start_at = now + 1.0
            return
        running.pod = replace(running.pod, waiting="")
        command = module(
            "canary.sandbox.app", "--host", running.ip, "--port", str(running.port), "--version", version["version"]
        )
        faults = json.dumps(version.get("faults", {}))
        seed = str(version.get("seed", 0) + running.number)
        running.child = Child([*command, "--faults", faults, "--seed", seed], log=running.log)

    def _ended(self, running: Running, now: float) -> None:
        restarts = running.pod.restarts
        wait = plan.BACKOFF[min(restarts, len(plan.BACKOFF) - 1)]
        running.pod = replace(running.pod, restarts=restarts + 1, waiting="CrashLoopBackOff", ready=False)
        running.child, running.start_at = None, now + wait

    def _version(self, image: str) -> dict[str, Any] | None:
        with contextlib.suppress(OSError, ValueError):
            known: dict[str, Any] = json.loads(self._registry.read_text(encoding="utf-8"))
            found = known.get(image)
            return found if isinstance(found, dict) else None
        return None

    async def _probe(self, running: Running) -> bool:
        if self._probes is None:
            return False
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self._probes.get(f"http://{running.ip}:{running.port}/readyz") as answer:
                return answer.status == 200
        return False

    async def _end(self, running: Running) -> None:
        if running.child is not None:
            await asyncio.to_thread(running.child.stop, 1.0)
        path = f"/api/v1/namespaces/{running.deployment[0]}/pods/{running.pod.name}"
        async with self._api.delete(path, params={"gracePeriodSeconds": "0"}):
            pass
        self._pods.pop(running.pod.name, None)

    # Writing -----------------------------------------------------------------------------------------------

    async def _write_pod(self, running: Running) -> None:
        status = plan.pod_status(
            running.pod, ip=running.ip, container=running.container, image=running.image, started=running.started
        )
        if status == running.written:
            return
        namespace = running.deployment[0]
        base = f"/api/v1/namespaces/{namespace}/pods"
        if not running.written:
            async with self._api.post(base, json=self._pod_object(running)) as answer:
                if answer.status >= 400 and answer.status != 409:
                    return
        merge = {"Content-Type": "application/merge-patch+json"}
        text = json.dumps({"status": status})
        async with self._api.patch(f"{base}/{running.pod.name}/status", data=text, headers=merge) as answer:
            if answer.status < 400:
                running.written = status

    def _pod_object(self, running: Running) -> dict[str, Any]:
        namespace, owner = running.deployment
        deployment = self._objects[DEPLOYMENTS].get(running.deployment, {})
        uid = deployment.get("metadata", {}).get("uid", "")
        template = deployment.get("spec", {}).get("template", {})
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": running.pod.name,
                "namespace": namespace,
                "labels": running.labels,
                "annotations": {
                    **(template.get("metadata", {}).get("annotations") or {}),
                    LOG_FILE: str(running.log),
                },
                "ownerReferences": [
                    {"apiVersion": "apps/v1", "kind": "Deployment", "name": owner, "uid": uid, "controller": True}
                ],
            },
            "spec": {**template.get("spec", {}), "nodeName": "sandbox"},
        }

    async def _write_slices(self) -> None:
        for key, service in list(self._objects[SERVICES].items()):
            selector = service.get("spec", {}).get("selector")
            behind = [
                (running.ip, running.pod.name, running.pod.ready)
                for running in self._pods.values()
                if running.deployment[0] == key[0]
                and running.leaving_at is None
                and plan.selects(selector, running.labels)
            ]
            if not selector:
                continue
            wanted = plan.slice_of(service, behind)
            if self._slices.get(key) != wanted and await self._apply_slice(key[0], wanted):
                self._slices[key] = wanted
        for key in [key for key in self._slices if key not in self._objects[SERVICES]]:
            del self._slices[key]

    async def _apply_slice(self, namespace: str, wanted: dict[str, Any]) -> bool:
        base = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"
        merge = {"Content-Type": "application/merge-patch+json"}
        name = wanted["metadata"]["name"]
        async with self._api.patch(f"{base}/{name}", data=json.dumps(wanted), headers=merge) as answer:
            if answer.status != 404:
                return answer.status < 400
        async with self._api.post(base, json=wanted) as answer:
            return answer.status < 400

    async def _write_statuses(self, deployments: dict[tuple[str, str], Any]) -> None:
        merge = {"Content-Type": "application/merge-patch+json"}
        for key, deployment in deployments.items():
            mine = [running.pod for running in self._pods.values() if running.deployment == key]
            status = plan.status(deployment, mine, now="")
            if self._statuses.get(key) == status:
                continue
            stamped = json.dumps({"status": plan.status(deployment, mine, now=_now())})
            path = f"/apis/apps/v1/namespaces/{key[0]}/deployments/{key[1]}/status"
            async with self._api.patch(path, data=stamped, headers=merge) as answer:
                if answer.status < 400:
                    self._statuses[key] = status


def _id(item: Any) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _main(given: argparse.Namespace) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    end_with_input(lambda: loop.call_soon_threadsafe(stop.set))
    headers = {"Authorization": f"Bearer {given.token}", "User-Agent": "sandbox-kubelet"}
    timeout = aiohttp.ClientTimeout(total=5.0)
    async with aiohttp.ClientSession(given.server, headers=headers, timeout=timeout) as api:
        print(json.dumps({"ready": True}), flush=True)
        pods = Cache(api, PODS, labels=OF_JOBS)
        jobs = JobPods(api=api, server=given.server, pods=pods, run=given.run)
        others = [asyncio.create_task(one) for one in (pods.follow(), JobController(api, pods).run(), jobs.run())]
        await Kubelet(api=api, registry=given.registry, run=given.run).run(stop)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def main(words: list[str] | None = None) -> int:
    """Run the kubelet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--registry", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    asyncio.run(_main(parser.parse_args(words)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
