"""How far a Deployment and its endpoints are, read from their status: pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from canary.adapters.kubernetes.derive import replicas_of
from canary.adapters.kubernetes.errors import clean

CRASHES = 3
"""Restarts after which a container that waits in CrashLoopBackOff is not expected to recover."""

DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"

_STUCK = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
"""Reasons of the kubelet that seldom pass by themselves, but may: a registry can be away for a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How something that is waited for stands.

    Attributes:
        ready: it is there.
        reason: why not, in the cluster's words.
        stuck: what stands against it seldom passes by itself.
        hopeless: it will not get there.
    """

    ready: bool = False
    reason: str = ""
    stuck: bool = False
    hopeless: bool = False


def rollout(deployment: Mapping[str, Any]) -> Standing:
    """Whether every replica runs the newest template and is available, and no other is left.

    The Deployment controller's word counts only for the generation that it has observed.
    """
    status, wanted = deployment.get("status") or {}, replicas_of(deployment)
    generation = deployment["metadata"].get("generation") or 0
    if (status.get("observedGeneration") or 0) < generation:
        return Standing(reason="the Deployment controller has not seen it yet")
    if deployment["spec"].get("paused"):
        return Standing(reason="the Deployment is paused; resume it with kubectl rollout resume", stuck=True)
    updated, available = status.get("updatedReplicas") or 0, status.get("availableReplicas") or 0
    left = (status.get("replicas") or 0) - updated
    if updated >= wanted and available >= wanted and left <= 0:
        return Standing(ready=True)
    said = _of_controller(status)
    if said is not None:
        return said
    if left > 0 and updated >= wanted:
        return Standing(reason=f"{left} old pods are still there")
    return Standing(reason=f"{min(available, updated)} of {wanted} pods are available")


def trouble(pods: Iterable[Mapping[str, Any]]) -> Standing | None:
    """The worst that the kubelet or the scheduler says about pods; None when nothing keeps one from starting."""
    found: list[Standing] = []
    for pod in pods:
        if not pod["metadata"].get("deletionTimestamp"):
            found += _of_containers(pod)
            found += _of_scheduling(pod)
    return max(found, key=lambda each: (each.hopeless, each.stuck), default=None)


def ready_endpoints(slices: Iterable[Mapping[str, Any]], *, service_uid: str | None = None) -> int:
    """How many endpoints are ready; one that several slices name (two address families) counts once.

    Args:
        slices: EndpointSlices of one Service.
        service_uid: leave out slices that belong to an earlier Service of this name.
    """
    seen: set[str] = set()
    for each in slices:
        owners = [
            one for one in (each.get("metadata") or {}).get("ownerReferences") or () if one.get("kind") == "Service"
        ]
        if service_uid and owners and all(one.get("uid") != service_uid for one in owners):
            continue
        for endpoint in each.get("endpoints") or ():
            # Nil counts as ready (discovery.k8s.io/v1, EndpointConditions).
            if (endpoint.get("conditions") or {}).get("ready", True) is not False:
                target, addresses = endpoint.get("targetRef") or {}, endpoint.get("addresses") or ()
                seen.add(str(target.get("uid") or target.get("name") or ",".join(map(str, addresses))))
    return len(seen)


def _of_controller(status: Mapping[str, Any]) -> Standing | None:
    conditions = {each.get("type"): each for each in status.get("conditions") or ()}
    progressing, failing = conditions.get("Progressing") or {}, conditions.get("ReplicaFailure") or {}
    if progressing.get("status") == "False" and progressing.get("reason") == DEADLINE_EXCEEDED:
        return Standing(reason=clean(f"{DEADLINE_EXCEEDED}: {progressing.get('message', '')}"), hopeless=True)
    if failing.get("status") == "True":
        # Quotas and admission refuse pods here: seldom passes by itself.
        return Standing(reason=clean(f"{failing.get('reason', '')}: {failing.get('message', '')}"), stuck=True)
    return None


def _of_containers(pod: Mapping[str, Any]) -> list[Standing]:
    status, found = pod.get("status") or {}, []
    apps = status.get("containerStatuses") or ()
    for each in [*(status.get("initContainerStatuses") or ()), *apps]:
        waiting = (each.get("state") or {}).get("waiting") or {}
        reason = waiting.get("reason") or ""
        words = f"pod {pod['metadata']['name']}, container {each.get('name')}: {reason}: {waiting.get('message', '')}"
        if reason == "CrashLoopBackOff":
            restarts = each.get("restartCount") or 0
            text = clean(f"{words} ({restarts} restarts{_last_end(each)})")
            found.append(Standing(reason=text, stuck=True, hopeless=restarts >= CRASHES))
        elif reason in _STUCK:
            found.append(Standing(reason=clean(words), stuck=True))
        elif not reason and each in apps:  # one that prepares the pod may try until it succeeds
            found += _of_started(pod, each)
    return found


def _of_started(pod: Mapping[str, Any], container: Mapping[str, Any]) -> list[Standing]:
    """A container that runs now: again and again, or without becoming ready."""
    who = f"pod {pod['metadata']['name']}, container {container.get('name')}"
    restarts, ended = container.get("restartCount") or 0, _last_end(container)
    if restarts >= CRASHES and ended:
        return [Standing(reason=clean(f"{who}: restarted {restarts} times{ended}"), stuck=True, hopeless=True)]
    if "running" in (container.get("state") or {}) and container.get("ready") is False:
        return [Standing(reason=clean(f"{who}: runs and is not ready; see its readiness probe"))]
    return []


def _last_end(container: Mapping[str, Any]) -> str:
    ended = (container.get("lastState") or {}).get("terminated") or {}
    if not ended:
        return ""
    return f", last ended with {ended.get('exitCode')} {ended.get('reason', '')}".rstrip()


def _of_scheduling(pod: Mapping[str, Any]) -> list[Standing]:
    # A cluster autoscaler may need minutes for a node, so this is told and waited for.
    return [
        Standing(reason=clean(f"pod {pod['metadata']['name']}: {each.get('reason')}: {each.get('message', '')}"))
        for each in (pod.get("status") or {}).get("conditions") or ()
        if each.get("type") == "PodScheduled" and each.get("status") == "False"
    ]
