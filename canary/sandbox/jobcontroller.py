"""The sandbox's Job controller: carries out what `jobs.plan` says, over HTTP as any controller does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from typing import Any

import aiohttp

from canary.sandbox.caches import Cache, key_of
from canary.sandbox.jobs import BACKOFF, DUPLICATE, TRACKING, Plan, plan

JOBS = "/apis/batch/v1/jobs"
PODS = "/api/v1/pods"
OF_JOBS = "batch.kubernetes.io/job-name"
"""Label of every pod of a Job."""

PERIOD = 0.1
MERGE = {"Content-Type": "application/merge-patch+json"}


class JobController:
    """Runs the Jobs of every namespace.

    Args:
        api: the session to the API server.
        pods: the pods of all Jobs; somebody follows it.
        backoff: seconds before the pod after a failed one.
    """

    def __init__(self, api: aiohttp.ClientSession, pods: Cache, *, backoff: float = BACKOFF) -> None:
        self._api, self._pods, self._backoff = api, pods, backoff
        self._jobs = Cache(api, JOBS)

    async def run(self) -> None:
        """Until cancelled."""
        watch = asyncio.create_task(self._jobs.follow())
        try:
            while True:
                if self._jobs.known and self._pods.known:
                    for job in list(self._jobs.items.values()):
                        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                            await self._sync(job)
                    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                        await self._free_orphans()
                await asyncio.sleep(PERIOD)
        finally:
            watch.cancel()

    async def _sync(self, job: Any) -> None:
        uid = job["metadata"]["uid"]
        mine = [pod for pod in self._pods.items.values() if _owner(pod) == uid]
        todo: Plan = plan(job, mine, now=time.time(), backoff=self._backoff)
        namespace, name = key_of(job)
        if todo.status != (job.get("status") or {}):
            path = f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}/status"
            # A Job that moved is planned anew; nothing is done before the status stands.
            status = {**dict.fromkeys(job.get("status") or {}), **todo.status}
            body = {"metadata": {"resourceVersion": job["metadata"]["resourceVersion"]}, "status": status}
            async with self._api.patch(path, data=json.dumps(body), headers=MERGE) as answer:
                if answer.status >= 300:
                    return
                self._jobs.took(await answer.json())
        for gone in todo.release:
            await self._free(namespace, gone)
        for gone in todo.delete:
            async with self._api.delete(f"/api/v1/namespaces/{namespace}/pods/{gone}"):
                pass
        for number in range(todo.create + todo.duplicates):
            await self._start(job, duplicate=number >= todo.create)
        if todo.remove:
            async with self._api.delete(f"/apis/batch/v1/namespaces/{namespace}/jobs/{name}"):
                pass

    async def _start(self, job: Any, *, duplicate: bool) -> None:
        namespace, name = key_of(job)
        template = job["spec"]["template"]
        metadata = template.get("metadata") or {}
        labels = {
            **(metadata.get("labels") or {}),
            OF_JOBS: name,
            "job-name": name,
            "batch.kubernetes.io/controller-uid": job["metadata"]["uid"],
            **({DUPLICATE: "true"} if duplicate else {}),
        }
        owner = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": name,
            "uid": job["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{name}-{secrets.token_hex(3)[:5]}",
                "namespace": namespace,
                "labels": labels,
                "annotations": metadata.get("annotations") or {},
                "finalizers": [TRACKING],
                "ownerReferences": [owner],
            },
            "spec": template["spec"],
        }
        async with self._api.post(f"/api/v1/namespaces/{namespace}/pods", json=pod) as answer:
            if answer.status < 300:
                self._pods.took(await answer.json())

    async def _free(self, namespace: str, name: str) -> None:
        known = self._pods.items.get((namespace, name), {"metadata": {}})["metadata"]
        kept = [one for one in known.get("finalizers") or () if one != TRACKING]
        body = json.dumps({"metadata": {"finalizers": kept or None}})
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        async with self._api.patch(path, data=body, headers=MERGE) as answer:
            if answer.status < 300:
                freed = await answer.json()
                if "deletionTimestamp" in freed["metadata"] and not kept:
                    self._pods.items.pop(key_of(freed), None)
                else:
                    self._pods.took(freed)

    async def _free_orphans(self) -> None:
        """Pods whose Job is gone are counted by nobody; they go when their process has ended."""
        alive = {job["metadata"]["uid"] for job in self._jobs.items.values()}
        for key, pod in list(self._pods.items.items()):
            ended = (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
            if _owner(pod) not in alive and ended and TRACKING in (pod["metadata"].get("finalizers") or ()):
                await self._free(*key)


def _owner(pod: Any) -> str:
    references = pod["metadata"].get("ownerReferences") or [{}]
    return str(references[0].get("uid", ""))
