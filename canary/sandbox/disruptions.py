"""What happens to pods in a cluster on any day, on demand: killed, evicted, lost with their node, started twice.

For tests and scenarios. Each takes `request`, which makes one call of the API server as its administrator.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from canary.sandbox.jobs import DUPLICATES

Request = Callable[..., tuple[int, Any]]

FAULT = "sandbox.canary-engine.io/fault"
"""Annotation of a pod of a Job by which the sandbox's kubelet is told what to do to it."""

KILL, LOSE = "kill", "lose"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"


def disrupted(reason: str) -> dict[str, str]:
    """The condition that tells a pod's disruption from its failure."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "DisruptionTarget", "status": "True", "reason": reason, "lastTransitionTime": now}


def kill(request: Request, namespace: str, pod: str) -> None:
    """SIGKILL, as when memory ran out: exit code 137."""
    _fault(request, namespace, pod, KILL)


def evict(request: Request, namespace: str, pod: str) -> None:
    """As `kubectl drain` does: SIGTERM, the grace period, SIGKILL; the pod has the condition DisruptionTarget."""
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}"
    status = {"status": {"conditions": [disrupted("EvictionByEvictionAPI")]}}
    request("PATCH", f"{path}/status", status, content=STRATEGIC)
    request("DELETE", path)


def lose(request: Request, namespace: str, pod: str) -> None:
    """Its node dies: the process is gone, and nobody says so. After its toleration it is Terminating, for ever."""
    _fault(request, namespace, pod, LOSE)


def remove_node(request: Request) -> None:
    """The lost node is removed from the cluster: its pods are given up, and the Job may replace them."""
    note = {"metadata": {"name": "sandbox", "annotations": {FAULT: "removed"}}}
    request("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", **note})


def duplicate(request: Request, namespace: str, job: str) -> None:
    """The Job controller acts on old news, and starts a second pod beside the first."""
    note = {"metadata": {"annotations": {DUPLICATES: "1"}}}
    request("PATCH", f"/apis/batch/v1/namespaces/{namespace}/jobs/{job}", note, content=MERGE)


def _fault(request: Request, namespace: str, pod: str, fault: str) -> None:
    note = {"metadata": {"annotations": {FAULT: fault}}}
    request("PATCH", f"/api/v1/namespaces/{namespace}/pods/{pod}", note, content=MERGE)
