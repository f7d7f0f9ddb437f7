"""Stable's autoscaler during a release: its floor held where stable began, and put back at the end. Pure.

As traffic leaves stable an autoscaler takes its pods away, and all of it must be able to come back at once. So its
minimum is raised to the pods that stable had, and what it was is noted on the autoscaler itself: whoever ends the
release, be it the engine, a watchdog or a person's abort, needs nothing else to put it back. A minimum that somebody
else wrote meanwhile is theirs and stays.

KEDA makes an autoscaler of its own from a ScaledObject and puts that back to what the ScaledObject says, so there the
ScaledObject's `minReplicaCount` is what is held: https://keda.sh/docs/latest/reference/scaledobject-spec/.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes.paths import AUTOSCALER, COPY_NAME_LIMIT, PREFIX, SCALED_OBJECT, named
from canary.ports import JsonObject

FLOOR = PREFIX + "floor"
"""Annotation of an autoscaler whose minimum a release holds: whose it is, what it was and what it was set to."""

_NOTE = "/metadata/annotations/" + FLOOR.replace("/", "~1")
_LEAST = {AUTOSCALER.kind: "minReplicas", SCALED_OBJECT.kind: "minReplicaCount"}
_MOST = {AUTOSCALER.kind: "maxReplicas", SCALED_OBJECT.kind: "maxReplicaCount"}
_LEAST_UNWRITTEN = {AUTOSCALER.kind: 1, SCALED_OBJECT.kind: 0}
_MOST_UNWRITTEN = {AUTOSCALER.kind: 1, SCALED_OBJECT.kind: 100}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the note on an autoscaler says.

    Attributes:
        release: whose it is.
        was: the minimum before; None where none was written.
        now: the minimum that the release wrote.
    """

    release: str
    was: int | None
    now: int


def path_of(scaler: Mapping[str, Any]) -> str:
    """Where its minimum stands, as a JSON Pointer."""
    return f"/spec/{_LEAST[scaler['kind']]}"


def scales(scaler: Mapping[str, Any], deployment: str) -> bool:
    """Whether it scales this Deployment; the autoscaler that KEDA made does not, its ScaledObject does."""
    target = (scaler.get("spec") or {}).get("scaleTargetRef") or {}
    owners = (scaler.get("metadata") or {}).get("ownerReferences") or ()
    if any(each.get("kind") == SCALED_OBJECT.kind for each in owners):
        return False
    return target.get("kind", "Deployment") == "Deployment" and target.get("name") == deployment


def least(scaler: Mapping[str, Any]) -> int:
    """The fewest replicas that it leaves."""
    written = (scaler.get("spec") or {}).get(_LEAST[scaler["kind"]])
    return _LEAST_UNWRITTEN[scaler["kind"]] if written is None else int(written)


def most(scaler: Mapping[str, Any]) -> int:
    """The most replicas that it makes."""
    written = (scaler.get("spec") or {}).get(_MOST[scaler["kind"]])
    return _MOST_UNWRITTEN[scaler["kind"]] if written is None else int(written)


def held(scaler: Mapping[str, Any]) -> Held | None:
    """What stands on it; None without a note, or with one that nobody can read."""
    try:
        note = json.loads(((scaler.get("metadata") or {}).get("annotations") or {})[FLOOR])
        was = note["was"]
        return Held(release=str(note["release"]), was=None if was is None else int(was), now=int(note["now"]))
    except (KeyError, TypeError, ValueError):
        return None


def changed(scaler: Mapping[str, Any], release: str) -> bool:
    """Whether somebody wrote a minimum of their own over the one that this release holds.

    Back to what it was is a tool that knows no other (preflight names it): nobody is fought, and the release goes on
    without the floor, as it does where the floor may not be written.
    """
    note = held(scaler)
    if note is None or note.release != release:
        return False
    was = _LEAST_UNWRITTEN[scaler["kind"]] if note.was is None else note.was
    return least(scaler) not in {note.now, was}


def hold(scaler: Mapping[str, Any], *, release: str, replicas: int) -> list[JsonObject]:
    """A JSON Patch that raises the minimum to what stable has; empty where nothing is to be done.

    Never above the autoscaler's own maximum, and not while another release's note stands there.
    """
    wanted, before = min(replicas, most(scaler)), (scaler.get("spec") or {}).get(_LEAST[scaler["kind"]])
    if least(scaler) >= wanted or held(scaler) is not None:
        return []
    note = json.dumps({"release": release, "was": before, "now": wanted}, separators=(",", ":"))
    tests: list[JsonObject] = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": scaler["metadata"]["resourceVersion"]}
    ]
    notes = (scaler.get("metadata") or {}).get("annotations")
    head: JsonObject = {"op": "add", "path": _NOTE, "value": note}
    if notes is None:
        head = {"op": "add", "path": "/metadata/annotations", "value": {FLOOR: note}}
    return [*tests, head, {"op": "add", "path": path_of(scaler), "value": wanted}]


def give_back(scaler: Mapping[str, Any], release: str) -> list[JsonObject]:
    """A JSON Patch that puts the minimum back and takes the note off; empty where this release holds nothing.

    It tests what it replaces. A minimum that somebody else wrote stays, and only the note goes.
    """
    note = held(scaler)
    if note is None or note.release != release:
        return []
    text, path = scaler["metadata"]["annotations"][FLOOR], path_of(scaler)
    patch: list[JsonObject] = [{"op": "test", "path": _NOTE, "value": text}, {"op": "remove", "path": _NOTE}]
    if least(scaler) != note.now:
        return patch
    back: JsonObject = {"op": "replace", "path": path, "value": note.was}
    if note.was is None:
        back = {"op": "remove", "path": path}
    return [*patch, {"op": "test", "path": path, "value": note.now}, back]


def grow(scaler: Mapping[str, Any], replicas: int) -> list[JsonObject]:
    """A JSON Patch that lets the canary's autoscaler have as many as its share needs; its minimum never shrinks."""
    kind = scaler["kind"]
    bounds = ((_LEAST[kind], least(scaler)), (_MOST[kind], most(scaler)))
    return [{"op": "add", "path": f"/spec/{field}", "value": replicas} for field, now in bounds if now < replicas]


def copy_name(scaler: Mapping[str, Any]) -> str:
    """What the canary's is called."""
    return named(scaler["metadata"]["name"], "canary", limit=COPY_NAME_LIMIT)


def for_canary(scaler: Mapping[str, Any], *, deployment: str, release: str, replicas: int) -> JsonObject:
    """A copy that scales the canary: never below what its share needs, up to what stable's may have.

    Args:
        scaler: stable's.
        deployment: the canary's.
        release: the release's uid.
        replicas: what the canary's next share needs.
    """
    metadata, kind = scaler["metadata"], scaler["kind"]
    spec: JsonObject = json.loads(json.dumps(scaler["spec"]))
    spec["scaleTargetRef"]["name"] = deployment
    spec |= {_LEAST[kind]: replicas, _MOST[kind]: max(most(scaler), replicas)}
    spec.pop("idleReplicaCount", None)  # must stay below the minimum, and an idle canary shows nothing
    ((spec.get("advanced") or {}).get("horizontalPodAutoscalerConfig") or {}).pop("name", None)
    return {
        "apiVersion": scaler["apiVersion"],
        "kind": kind,
        "metadata": {
            "name": copy_name(scaler),
            "namespace": metadata["namespace"],
            "labels": derive.object_labels(release),
        },
        "spec": spec,
    }
