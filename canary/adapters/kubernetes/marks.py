"""The fence's token on stable's Deployment, as a label.

A label and not an annotation: the deployment controller copies annotations to ReplicaSets (kubernetes/kubernetes,
pkg/controller/deployment/util/deployment_util.go, SetNewReplicaSetAnnotations), and `kubectl rollout undo` copies them
back (kubectl, pkg/polymorphichelpers/rollback.go), so that an old token would return long after its release. A label
in the Deployment's own metadata goes nowhere: ReplicaSets and pods get those of the template, which selectors match.
Whoever applies a manifest that does not name it leaves it there; whoever replaces the object takes it off, and it is
stamped anew before stable is written. It must not be the label by which leftovers are swept: that deletes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.adapters.kubernetes.objects import Objects, understood
from canary.adapters.kubernetes.paths import DEPLOYMENT, TOKEN_LABEL
from canary.ports import Conflict, JsonObject, Mark, NotFound

PATH = "/metadata/labels/" + TOKEN_LABEL.replace("/", "~1")


def mark_of(deployment: Mapping[str, Any]) -> Mark:
    """What stands on a Deployment."""
    metadata = deployment["metadata"]
    value = (metadata.get("labels") or {}).get(TOKEN_LABEL)
    token = value.replace(".", "/", 1) if isinstance(value, str) else ""
    return Mark(token=token, version=str(metadata.get("resourceVersion") or ""))


def label_of(token: str) -> str:
    """A token as a label's value, which may hold no slash."""
    return token.replace("/", ".", 1)


def must_carry(token: str) -> JsonObject:
    """A test that a Deployment carries a token."""
    return {"op": "test", "path": PATH, "value": label_of(token)}


def first_mark(token: str, *, over: Mark) -> JsonObject:
    """A merge patch that holds only for the version that was read without a token."""
    return {"metadata": {"labels": {TOKEN_LABEL: label_of(token)}, "resourceVersion": over.version}}


def swapped(token: str, *, over: Mark) -> list[JsonObject]:
    """A JSON Patch that puts a token in place of another."""
    return [must_carry(over.token), {"op": "replace", "path": PATH, "value": label_of(token)}]


def lift(objects: Objects, release: str) -> None:
    """Take a release's token off whichever Deployment carries it; already gone is done.

    Raises:
        PortError: one of them could not be written.
    """
    with understood("taking the token off stable"):
        for item in objects.list(DEPLOYMENT, TOKEN_LABEL):
            mark, name = mark_of(item), item["metadata"]["name"]
            if mark.token.partition("/")[0] != release:
                continue
            try:
                objects.patch(DEPLOYMENT, name, [must_carry(mark.token), {"op": "remove", "path": PATH}])
            except (NotFound, Conflict):
                continue  # gone, or another's by now
