"""Taking away what a release made, by its label: whoever cleans up needs nothing but the release's uid."""

from __future__ import annotations

import contextlib

from canary.adapters.kubernetes import marks
from canary.adapters.kubernetes.copying import give_floor_back
from canary.adapters.kubernetes.objects import Objects, understood
from canary.adapters.kubernetes.paths import DEPLOYMENT, RELEASE_LABEL, SERVICE
from canary.ports import Conflict, NotFound


def sweep(objects: Objects, release: str) -> None:
    """Everything of a release off the namespace: what it made, the floor that it held, its token on stable.

    Copies of what covers stable are dependents of the canary's Deployment, and go with it.

    Raises:
        PortError: something could not be done; it may be asked for again.
    """
    remove_made(objects, release)
    give_floor_back(objects, release)
    marks.lift(objects, release)


def let_go(objects: Objects, deployment: str, release: str) -> None:
    """A Deployment that a release made is the user's own from now on: nothing sweeps it any more.

    Raises:
        PortError: its label could not be taken off, or nobody knows.
    """
    with understood("letting go of the first version"):
        for item in objects.list(DEPLOYMENT, f"{RELEASE_LABEL}={release}"):
            if item["metadata"]["name"] != deployment:
                continue
            path = "/metadata/labels/" + RELEASE_LABEL.replace("/", "~1")
            operations = [{"op": "test", "path": path, "value": release}, {"op": "remove", "path": path}]
            with contextlib.suppress(NotFound):
                objects.patch(DEPLOYMENT, deployment, operations)


def remove_made(objects: Objects, release: str) -> None:
    """Delete the Service, then the Deployment that carry a release's label; already gone is done.

    Raises:
        PortError: one of them could not be deleted.
    """
    with understood("removing the canary"):
        for resource in (SERVICE, DEPLOYMENT):
            for item in objects.list(resource, f"{RELEASE_LABEL}={release}"):
                try:
                    objects.delete(resource, item["metadata"]["name"], uid=item["metadata"]["uid"])
                except (NotFound, Conflict):
                    continue  # what has its name now, if anything, is not what we made
