"""What would be written for a release, made from stable and its surroundings as they are now; nothing is written."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from decimal import Decimal

from canary.adapters.kubernetes import derive, neighbours
from canary.adapters.kubernetes.copying import Scaler, scalers_of
from canary.adapters.kubernetes.cover import Arms, Gap, gaps
from canary.adapters.kubernetes.neighbours import Neighbours
from canary.adapters.kubernetes.objects import Objects
from canary.adapters.kubernetes.paths import DEPLOYMENT, SERVICE, Resource, named
from canary.adapters.kubernetes.stable import container_of
from canary.ports import JsonObject, WorkloadFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """What provisioning and promotion would write.

    Attributes:
        stable, service: stable's Deployment and Service as they are.
        deployment, canary_service: what would be created.
        promotion: the JSON Patch that gives stable the new image.
        gaps: what covers stable and would not cover the canary, each with a copy for the canary.
        unread: kinds of which that is not known, because they may not be listed.
        autoscalers: stable's.
    """

    stable: JsonObject
    service: JsonObject
    deployment: JsonObject
    canary_service: JsonObject
    promotion: list[JsonObject]
    gaps: tuple[Gap, ...] = ()
    unread: tuple[Resource, ...] = ()
    autoscalers: tuple[Scaler, ...] = ()


class Drafting:
    """Makes drafts.

    Args:
        objects: the namespace.
        release: the release's uid.
        deployment: stable's.
        container: which container gets the image; None for the only one.
        image: the new version.
        stable_service, canary_service: names of the two Services.
        copies: kinds of what covers stable that are copied for the canary.
    """

    def __init__(
        self,
        objects: Objects,
        *,
        release: str,
        deployment: str,
        container: str | None,
        image: str,
        stable_service: str,
        canary_service: str,
        copies: Collection[str] = (),
    ) -> None:
        self._objects, self._release, self._stable, self._container = objects, release, deployment, container
        self._image, self._stable_service, self._canary_service = image, stable_service, canary_service
        self.copies = frozenset(copies)
        self.canary_name = named(deployment, "canary", limit=derive.DEPLOYMENT_NAME_LIMIT)

    def drafts(self) -> Drafts:
        """All of them.

        Raises:
            WorkloadFailure: no canary can be made from stable.
            PortError: stable cannot be read.
        """
        stable, service = self._objects.get(DEPLOYMENT, self._stable), self._objects.get(SERVICE, self._stable_service)
        around = neighbours.read(self._objects)
        index, container = container_of(stable, self._container)
        deployment = self._deployment(stable, service, Decimal(0), around)
        return Drafts(
            stable=stable,
            service=service,
            deployment=deployment,
            canary_service=self.canary_service(service),
            promotion=derive.replace_image(
                index, container=container["name"], before=container.get("image", ""), after=self._image
            ),
            gaps=self._gaps(stable, service, deployment, around),
            unread=around.unread,
            autoscalers=tuple(scalers_of(self._objects, self._stable)),
        )

    def deployment(self, stable: JsonObject, share: Decimal) -> JsonObject:
        """The canary's Deployment for a share; without pods at first where copies must stand before them."""
        service = self._objects.get(SERVICE, self._stable_service)
        made = self._deployment(stable, service, share, neighbours.read(self._objects))
        if self.copies:
            made["spec"]["replicas"] = 0
        return made

    def canary_service(self, service: JsonObject) -> JsonObject:
        """The canary's Service, from stable's."""
        return derive.canary_service(service, name=self._canary_service, release=self._release)

    def wanted_copies(self, stable: JsonObject, canary: JsonObject) -> list[Gap]:
        """What is to be copied for a canary that is there."""
        service = self._objects.get(SERVICE, self._stable_service)
        found = self._gaps(stable, service, canary, neighbours.read(self._objects))
        return [gap for gap in found if gap.resource.kind in self.copies]

    def _deployment(self, stable: JsonObject, service: JsonObject, share: Decimal, around: Neighbours) -> JsonObject:
        chosen = derive.labels_of(stable)
        listed = around if around.services else replace(around, services=(service,))
        try:
            return derive.canary_deployment(
                stable,
                release=self._release,
                container=self._container,
                image=self._image,
                selectors=listed.forbidden(chosen),
                replicas=derive.replicas_for(share, stable=derive.replicas_of(stable)),
                keep=around.wanted(),
            )
        except derive.Underivable as error:
            what = self._objects.what(DEPLOYMENT, self._stable)
            raise WorkloadFailure(f"no canary can be made of {what}: {error}") from error

    def _gaps(self, stable: JsonObject, service: JsonObject, canary: JsonObject, around: Neighbours) -> tuple[Gap, ...]:
        arms = Arms(
            stable=derive.labels_of(stable),
            canary=derive.labels_of(canary),
            stable_service=self._stable_service,
            canary_service=self._canary_service,
            service_labels=service["metadata"].get("labels") or {},
            release=self._release,
            namespace=self._objects.namespace,
        )
        return tuple(gap for resource, items in around.covers.items() for gap in gaps(resource, items, arms))
