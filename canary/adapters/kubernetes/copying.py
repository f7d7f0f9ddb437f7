"""Writes around the canary: copies of what covers stable, and the floor of stable's autoscaler."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from canary.adapters.kubernetes import derive, scalers
from canary.adapters.kubernetes.cover import Gap, owned_by
from canary.adapters.kubernetes.managers import writer_of
from canary.adapters.kubernetes.objects import Objects, understood
from canary.adapters.kubernetes.paths import AUTOSCALER, RELEASE_LABEL, SCALED_OBJECT, Resource
from canary.adapters.kubernetes.served import served
from canary.ports import Conflict, JsonObject, NotFound, Refused, WorkloadFailure

TRIES = 4
"""How often a write to an autoscaler is decided anew after a conflict: its controller writes it often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaler:
    """An autoscaler of the namespace with its kind as it is served."""

    resource: Resource
    item: JsonObject


def scalers_of(objects: Objects, deployment: str | None = None) -> list[Scaler]:
    """Autoscalers that scale a Deployment, or all; none of a kind that is not served or may not be listed.

    Raises:
        Unavailable: the API server could not be asked.
    """
    found = []
    for resource in (AUTOSCALER, *served(objects.api, [SCALED_OBJECT])):
        try:
            items = objects.list(resource)
        except (NotFound, Refused):
            continue
        for item in items:
            whole = {"apiVersion": resource.api_version, "kind": resource.kind, **item}  # a list leaves them out
            if deployment is None or scalers.scales(whole, deployment):
                found.append(Scaler(resource=resource, item=whole))
    return found


def make_copies(objects: Objects, gaps: Iterable[Gap], canary: JsonObject, *, release: str) -> None:
    """Create what is not there yet, each as a dependent of the canary's Deployment.

    Raises:
        WorkloadFailure: somebody else's object has the name.
    """
    for gap in gaps:
        body = owned_by(gap.copy, canary)
        name = body["metadata"]["name"]
        mine = objects.list(gap.resource, f"{RELEASE_LABEL}={release}")
        if any(each["metadata"]["name"] == name for each in mine):
            continue
        _create(objects, gap.resource, body)


def _create(objects: Objects, resource: Resource, body: JsonObject) -> None:
    name = body["metadata"]["name"]
    try:
        objects.create(resource, body)
    except Conflict as error:
        raise WorkloadFailure(
            f"{objects.what(resource, name)} exists already and was not made by this release; if nobody needs "
            f"it, kubectl -n {objects.namespace} delete {resource.plural} {name}"
        ) from error


def hold_floor(objects: Objects, deployment: str, *, release: str, replicas: int) -> None:
    """Raise the minimum of stable's autoscalers to what stable has; preflight has told where that is not permitted.

    Raises:
        Conflict: one keeps moving.
    """
    for scaler in scalers_of(objects, deployment):
        for tries in range(TRIES):
            item = scaler.item if not tries else _again(objects, scaler)
            patch = scalers.hold(item, release=release, replicas=replicas) if item else []
            if not patch:
                break
            name = item["metadata"]["name"]
            try:
                doing = f"holding the minimum of {objects.what(scaler.resource, name)}"
                objects.patch(scaler.resource, name, patch, doing=doing)
            except Conflict:
                if tries + 1 == TRIES:
                    raise
            except Refused:
                break
            else:
                break


def check_floor(objects: Objects, deployment: str, *, release: str) -> None:
    """Invariant 8: somebody who writes the minimum that the release holds stops the release.

    Raises:
        NotFound: somebody did, with the name.
    """
    for scaler in scalers_of(objects, deployment):
        if scalers.changed(scaler.item, release):
            field = scalers.path_of(scaler.item).rpartition("/")[2]
            who = writer_of(scaler.item, "spec", field)
            what = objects.what(scaler.resource, scaler.item["metadata"]["name"])
            raise NotFound(f"{field} of {what} was changed during the release by {who}")


def give_floor_back(objects: Objects, release: str) -> None:
    """Put back the minimum of whichever autoscaler carries this release's note; what somebody else wrote stays.

    Raises:
        PortError: one of them could not be written.
    """
    with understood("giving the autoscaler its minimum back"):
        for scaler in scalers_of(objects):
            for tries in range(TRIES):
                item = scaler.item if not tries else _again(objects, scaler)
                patch = scalers.give_back(item, release) if item else []
                if not patch:
                    break
                name = item["metadata"]["name"]
                try:
                    doing = f"giving {objects.what(scaler.resource, name)} its minimum back"
                    objects.patch(scaler.resource, name, patch, doing=doing)
                except NotFound:
                    break
                except Conflict:
                    if tries + 1 == TRIES:
                        raise
                else:
                    break


def scale_canary(
    objects: Objects, deployment: str, canary: JsonObject, *, release: str, replicas: int, copies: Collection[str]
) -> None:
    """Copies of stable's autoscalers for the canary, on request; their minimum grows with the share, never shrinks.

    Raises:
        WorkloadFailure: somebody else's object has the name.
    """
    for scaler in scalers_of(objects, deployment):
        if scaler.resource.kind not in copies:
            continue
        name = canary["metadata"]["name"]
        body = scalers.for_canary(scaler.item, deployment=name, release=release, replicas=replicas)
        mine = [each for each in scalers_of(objects, name) if derive.release_of(each.item) == release]
        if not mine:
            _create(objects, scaler.resource, owned_by(body, canary))
            continue
        for each in mine:
            if scalers.least(each.item) < replicas:
                path = scalers.path_of(each.item)
                grown = [{"op": "add", "path": path, "value": replicas}]
                if scalers.most(each.item) < replicas:
                    grown.append({"op": "add", "path": path.replace("min", "max"), "value": replicas})
                objects.patch(each.resource, each.item["metadata"]["name"], grown)


def _again(objects: Objects, scaler: Scaler) -> JsonObject:
    """The autoscaler as it is listed now; empty when it is gone."""
    name = scaler.item["metadata"]["name"]
    return next((each.item for each in scalers_of(objects) if each.item["metadata"]["name"] == name), {})
