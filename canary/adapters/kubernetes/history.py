"""What a Deployment's own history keeps: the pod templates of its ReplicaSets, for whoever wants an old one back."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes.objects import Objects, understood
from canary.adapters.kubernetes.paths import DEPLOYMENT, REPLICA_SET
from canary.ports import JsonObject

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
"""The label that the Deployment controller adds to the template of each ReplicaSet."""


class NotKept(Exception):
    """A template cannot be gone back to; the message says why."""


def deployment_before(objects: Objects, deployment: str, fingerprint: str) -> JsonObject:
    """A Deployment as it is, with the pod template that it had just before the one that it has now.

    Args:
        objects: the namespace.
        deployment: its name.
        fingerprint: of the template that is wanted; empty for the one that it has now.

    Raises:
        NotKept: it is not in the history, or another one stood there since.
        PortError: the API server does not tell.
    """
    what = objects.what(DEPLOYMENT, deployment)
    with understood(f"reading the history of {what}"):
        now = objects.get(DEPLOYMENT, deployment)
        if not fingerprint:
            return _whole(now, now["spec"]["template"])
        newest = _revision(now)
        labels = now["spec"]["selector"].get("matchLabels") or {}
        selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        for each in objects.list(REPLICA_SET, selector):
            owners = each["metadata"].get("ownerReferences") or ()
            if all(owner.get("uid") != now["metadata"]["uid"] for owner in owners):
                continue
            template = _without_hash(each["spec"]["template"])
            if derive.fingerprint({"spec": {"template": template}}) != fingerprint:
                continue
            if _revision(each) != newest - 1:
                raise NotKept(f"{what} was changed since the newest release: somebody deployed")
            return _whole(now, template)
    raise NotKept(
        f"{what} does not keep the template that it had before: its history ends earlier (revisionHistoryLimit)"
    )


def _whole(now: JsonObject, template: JsonObject) -> JsonObject:
    """What a person would write in a file."""
    spec = {key: now["spec"][key] for key in ("replicas", "selector") if key in now["spec"]}
    head = {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.kind}
    return {**head, "metadata": {"name": now["metadata"]["name"]}, "spec": {**spec, "template": template}}


def _revision(item: Mapping[str, Any]) -> int:
    return int((item["metadata"].get("annotations") or {}).get(REVISION, "0"))


def _without_hash(template: JsonObject) -> JsonObject:
    made = copy.deepcopy(template)
    (made["metadata"].get("labels") or {}).pop(HASH, None)
    return made
