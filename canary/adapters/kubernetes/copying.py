"""Writes around the canary: copies of what covers stable, and the floor of stable's autoscaler."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial

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
    found = [each for kind in (AUTOSCALER, *served(objects.api, [SCALED_OBJECT])) for each in _listed(objects, kind)]
    return [each for each in found if deployment is None or scalers.scales(each.item, deployment)]


def _listed(objects: Objects, resource: Resource) -> list[Scaler]:
    try:
        items = objects.list(resource)
    except (NotFound, Refused):
        return []
    # A list leaves out what kind its items are.
    head = {"apiVersion": resource.api_version, "kind": resource.kind}
    return [Scaler(resource=resource, item={**head, **item}) for item in items]


def make_copies(objects: Objects, gaps: Iterable[Gap], canary: JsonObject) -> None:
    """Create what is not there yet, each as a dependent of the canary's Deployment.

    Raises:
        WorkloadFailure: somebody else's object has the name.
    """
    for gap in gaps:
        _create(objects, gap.resource, owned_by(gap.copy, canary))


def _create(objects: Objects, resource: Resource, body: JsonObject) -> None:
    name = body["metadata"]["name"]
    try:
        objects.create(resource, body)
    except Conflict as error:
        mine = objects.list(resource, f"{RELEASE_LABEL}={derive.release_of(body)}")
        if any(each["metadata"]["name"] == name for each in mine):
            return
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
        with contextlib.suppress(Refused):
            plan = partial(scalers.hold, release=release, replicas=replicas)
            _write(objects, scaler, plan, doing="holding the minimum of")


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
            _write(objects, scaler, partial(scalers.give_back, release=release), doing="giving back the minimum of")


def _write(objects: Objects, scaler: Scaler, plan: Callable[[JsonObject], list[JsonObject]], *, doing: str) -> None:
    """Carry out what is planned on an autoscaler, planned anew after each conflict; one that is gone is done.

    Raises:
        Conflict: it keeps moving.
    """
    name = scaler.item["metadata"]["name"]
    doing = f"{doing} {objects.what(scaler.resource, name)}"
    for tries in range(TRIES):
        patch = plan(scaler.item)
        if not patch:
            return
        try:
            objects.patch(scaler.resource, name, patch, doing=doing)
        except NotFound:
            return
        except Conflict:
            if tries + 1 == TRIES:
                raise
        else:
            return
        # Listed and not read: the engine has no right to read one by a name that nobody knew before.
        listed = (each for each in _listed(objects, scaler.resource) if each.item["metadata"]["name"] == name)
        if (again := next(listed, None)) is None:
            return
        scaler = again


def scale_canary(
    objects: Objects, deployment: str, canary: JsonObject, *, release: str, replicas: int, copies: Collection[str]
) -> None:
    """Copies of stable's autoscalers for the canary, on request; their minimum grows with the share, never shrinks.

    Raises:
        WorkloadFailure: somebody else's object has the name.
    """
    around, name = scalers_of(objects), canary["metadata"]["name"]
    for scaler in around:
        if scaler.resource.kind not in copies or not scalers.scales(scaler.item, deployment):
            continue
        body = scalers.for_canary(scaler.item, deployment=name, release=release, replicas=replicas)
        mine = [each for each in around if scalers.scales(each.item, name) and derive.release_of(each.item) == release]
        if not mine:
            _create(objects, scaler.resource, owned_by(body, canary))
        for each in mine:
            if patch := scalers.grow(each.item, replicas):
                objects.patch(each.resource, each.item["metadata"]["name"], patch)
