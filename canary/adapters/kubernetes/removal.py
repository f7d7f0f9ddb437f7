"""Taking away what a release made, by its label: whoever cleans up needs nothing but the release's uid."""

from __future__ import annotations

from canary.adapters.kubernetes.objects import Objects, understood
from canary.adapters.kubernetes.paths import DEPLOYMENT, RELEASE_LABEL, SERVICE
from canary.ports import Conflict, NotFound


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
