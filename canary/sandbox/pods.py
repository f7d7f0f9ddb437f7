"""What a kubelet and a Deployment controller would do next: pure functions from what is wanted and what runs.

The sandbox keeps no ReplicaSets: a pod carries the hash of the template it was made from. A rolling update starts all
new pods, waits until they are ready, and then ends the old ones; an old pod leaves its Services before it is stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]

BACKOFF = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before a container that ended is started again; the last repeats (a real kubelet waits 10 s to 5 min)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod as the kubelet knows it.

    Attributes:
        name, uid: the pod's.
        template: hash of the template it was made from.
        ready: its readiness probe passes.
        leaving: it has left its Services and will be stopped.
        restarts: times its container was started again.
        waiting: why its container does not run, as Kubernetes says it; empty while it runs.
    """

    name: str
    uid: str
    template: str
    ready: bool = False
    leaving: bool = False
    restarts: int = 0
    waiting: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moves:
    """What to do for one Deployment.

    Attributes:
        start: how many pods of the newest template to start.
        leave: names of pods to take out of their Services and then stop.
    """

    start: int = 0
    leave: tuple[str, ...] = ()


def template_hash(deployment: Object) -> str:
    """Ten hex digits that change with the pod template."""
    template = deployment.get("spec", {}).get("template", {})
    text = json.dumps(template, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def moves(*, replicas: int, newest: str, pods: Iterable[Pod]) -> Moves:
    """What a Deployment needs now.

    Args:
        replicas: how many are wanted; 0 when the Deployment is being deleted.
        newest: hash of its template.
        pods: its pods.
    """
    staying = [pod for pod in pods if not pod.leaving]
    new = [pod for pod in staying if pod.template == newest]
    old = [pod for pod in staying if pod.template != newest]
    surplus = sorted(new, key=lambda pod: (pod.ready, pod.name))[: max(0, len(new) - replicas)]
    ready = sum(pod.ready for pod in new)
    # Old pods serve until enough new ones do.
    dispensable = old if ready >= replicas else old[: max(0, ready + len(old) - replicas)]
    return Moves(
        start=max(0, replicas - len(new)),
        leave=tuple(pod.name for pod in (*surplus, *dispensable)),
    )


def status(deployment: Object, pods: Iterable[Pod], *, now: str) -> dict[str, Any]:
    """The Deployment's status, as the Deployment controller writes it."""
    newest = template_hash(deployment)
    staying = [pod for pod in pods if not pod.leaving]
    wanted = deployment.get("spec", {}).get("replicas", 1)
    updated = sum(pod.template == newest for pod in staying)
    ready = sum(pod.ready for pod in staying)
    done = updated == wanted and ready >= wanted and len(staying) == wanted
    return {
        "observedGeneration": deployment.get("metadata", {}).get("generation", 0),
        "replicas": len(staying),
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": max(0, wanted - ready),
        "conditions": [
            _condition("Available", ready >= wanted, "MinimumReplicasAvailable", "MinimumReplicasUnavailable", now),
            _condition("Progressing", True, "NewReplicaSetAvailable" if done else "ReplicaSetUpdated", "", now),
        ],
    }


def pod_status(pod: Pod, *, ip: str, container: str, image: str, started: str) -> dict[str, Any]:
    """The pod's status, as a kubelet writes it."""
    if pod.waiting:
        state: dict[str, Any] = {"waiting": {"reason": pod.waiting, "message": _waiting(pod, image)}}
    else:
        state = {"running": {"startedAt": started}}
    return {
        "phase": "Pending" if pod.waiting == "ImagePullBackOff" else "Running",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "hostIP": "127.0.0.1",
        "startTime": started,
        "conditions": [
            _condition("PodScheduled", True, "", "", started),
            _condition("Initialized", True, "", "", started),
            _condition("ContainersReady", pod.ready, "", "ContainersNotReady", started),
            _condition("Ready", pod.ready, "", "ContainersNotReady", started),
        ],
        "containerStatuses": [
            {
                "name": container,
                "image": image,
                "imageID": image,
                "ready": pod.ready,
                "started": not pod.waiting,
                "restartCount": pod.restarts,
                "state": state,
            }
        ],
    }


def _waiting(pod: Pod, image: str) -> str:
    if pod.waiting == "ImagePullBackOff":
        return f'Back-off pulling image "{image}"'
    return f"back-off restarting failed container in pod {pod.name}"


def _condition(kind: str, true: bool, reason: str, otherwise: str, now: str) -> dict[str, Any]:
    condition = {"type": kind, "status": "True" if true else "False", "lastTransitionTime": now}
    word = reason if true else otherwise
    return {**condition, "reason": word} if word else condition


def selects(selector: Mapping[str, str] | None, labels: Mapping[str, str]) -> bool:
    """Whether a Service's selector takes a pod; an empty selector takes none."""
    return bool(selector) and all(labels.get(key) == value for key, value in (selector or {}).items())


def target_port(service_port: Object) -> int:
    """The port of the pods behind one port of a Service."""
    target = service_port.get("targetPort", service_port.get("port"))
    return target if isinstance(target, int) else int(service_port["port"])


def slice_of(service: Object, endpoints: Iterable[tuple[str, str, bool]]) -> dict[str, Any]:
    """The EndpointSlice of a Service.

    Args:
        service: the Service.
        endpoints: (address, pod name, ready) of each pod behind it.
    """
    metadata = service["metadata"]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{metadata['name']}-sandbox",
            "namespace": metadata["namespace"],
            "labels": {
                "kubernetes.io/service-name": metadata["name"],
                "endpointslice.kubernetes.io/managed-by": "sandbox.canary-engine.io",
            },
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": metadata["name"],
                    "uid": metadata.get("uid", ""),
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "addressType": "IPv4",
        "ports": [
            {"name": port.get("name", ""), "port": target_port(port), "protocol": "TCP"}
            for port in service.get("spec", {}).get("ports", ())
        ],
        "endpoints": [
            {
                "addresses": [address],
                "conditions": {"ready": ready, "serving": ready, "terminating": False},
                "targetRef": {"kind": "Pod", "name": name, "namespace": metadata["namespace"]},
            }
            for address, name, ready in sorted(endpoints)
        ],
    }
