"""More replicas of what a release made."""

from __future__ import annotations

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes.objects import Objects
from canary.adapters.kubernetes.paths import DEPLOYMENT, RELEASE_LABEL
from canary.ports import JsonObject


def grow(objects: Objects, deployment: JsonObject, replicas: int, *, release: str) -> JsonObject:
    """More replicas if needed; never fewer, for the share that it carries now.

    Args:
        objects: the namespace.
        deployment: as it was just read.
        replicas: how many are wanted.
        release: whose it must be.

    Raises:
        Conflict: it is another release's by now.
    """
    if derive.replicas_of(deployment) >= replicas:
        return deployment
    name, label = deployment["metadata"]["name"], RELEASE_LABEL.replace("/", "~1")
    operations: list[JsonObject] = [
        {"op": "test", "path": f"/metadata/labels/{label}", "value": release},
        {"op": "add", "path": "/spec/replicas", "value": replicas},
    ]
    doing = f"scaling {objects.what(DEPLOYMENT, name)} to {replicas}"
    return objects.patch(DEPLOYMENT, name, operations, doing=doing)
