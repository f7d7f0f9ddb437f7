"""What would be written for a release, made from stable and its surroundings as they are now; nothing is written."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal

from canary.adapters.kubernetes import derive, neighbours, versions
from canary.adapters.kubernetes.copying import Scaler, scalers_of
from canary.adapters.kubernetes.cover import Arms, Gap, gaps
from canary.adapters.kubernetes.first import first_deployment
from canary.adapters.kubernetes.neighbours import Neighbours
from canary.adapters.kubernetes.objects import Objects
from canary.adapters.kubernetes.paths import DEPLOYMENT, SERVICE, Resource, named
from canary.adapters.kubernetes.references import renamed
from canary.adapters.kubernetes.versioned import Copies, Versioned
from canary.adapters.kubernetes.versions import Before, ImageOnly, Version, WholeTemplate
from canary.ports import JsonObject, WorkloadFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """What provisioning and promotion would write.

    Attributes:
        stable, service: stable's Deployment and Service as they are.
        deployment, canary_service: what would be created.
        baseline, baseline_service: likewise of the fresh baseline; None where there is none.
        promotion: the JSON Patch that gives stable the new version.
        already: stable runs the new version as it is.
        pods: the labels that stable's pods will have.
        config: copies of ConfigMaps and Secrets that the new template names.
        gaps: what covers stable and would not cover the canary, each with a copy for the canary.
        unread: kinds of which that is not known, because they may not be listed.
        autoscalers: stable's.
    """

    stable: JsonObject
    service: JsonObject
    deployment: JsonObject
    canary_service: JsonObject
    promotion: list[JsonObject]
    baseline: JsonObject | None = None
    baseline_service: JsonObject | None = None
    already: bool = False
    pods: Mapping[str, str] = field(default_factory=dict)
    config: Copies = field(default_factory=Copies)
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
        baseline_service: name of the fresh baseline's; empty where there is none.
        copies: kinds of what covers stable that are copied for the canary.
        template: the pod template of the new version; None for stable's own.
        first: stable's Deployment as it is made where there is none; None where none is made.
        versioned: makes copies of the ConfigMaps and Secrets that the template names.
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
        baseline_service: str = "",
        copies: Collection[str] = (),
        template: JsonObject | None = None,
        first: JsonObject | None = None,
        versioned: Versioned,
    ) -> None:
        self._objects, self._release, self._stable, self._container = objects, release, deployment, container
        self._image, self._stable_service, self._canary_service = image, stable_service, canary_service
        self.copies, self._template, self._first = frozenset(copies), template, first
        self._versioned, self.baseline_service = versioned, baseline_service
        self.baseline_name = named(deployment, "baseline", limit=derive.DEPLOYMENT_NAME_LIMIT)
        self.canary_name = named(deployment, "canary", limit=derive.DEPLOYMENT_NAME_LIMIT)

    def drafts(self) -> Drafts:
        """All of them.

        Raises:
            WorkloadFailure: no canary can be made from stable.
            PortError: stable cannot be read.
        """
        stable, service = self._objects.get(DEPLOYMENT, self._stable), self._objects.get(SERVICE, self._stable_service)
        around = neighbours.read(self._objects)
        new = self.version(stable)
        deployment = self._deployment(stable, service, Decimal(0), around, new)
        fresh = self._baseline(stable, service, 0, around) if self.baseline_service else None
        return Drafts(
            stable=stable,
            service=service,
            deployment=deployment,
            canary_service=self.canary_service(service),
            promotion=new.over(stable),
            baseline=fresh,
            baseline_service=self.service_of_baseline(service) if fresh else None,
            already=new.on(stable),
            config=new.copies if isinstance(new, WholeTemplate) else Copies(),
            pods=derive.labels_of_template(self._template or stable["spec"]["template"]),
            gaps=self._gaps(stable, service, deployment, around, fresh),
            unread=around.unread,
            autoscalers=tuple(scalers_of(self._objects, self._stable)),
        )

    def deployment(self, stable: JsonObject, share: Decimal, new: Version) -> JsonObject:
        """The canary's Deployment for a share; without pods at first where copies must stand before them."""
        service = self._objects.get(SERVICE, self._stable_service)
        made = self._deployment(stable, service, share, neighbours.read(self._objects), new)
        if self.copies:
            made["spec"]["replicas"] = 0
        return made

    def version(self, stable: JsonObject, *, known: Before | None = None) -> Version:
        """The new version, as stable will have it.

        Args:
            stable: as it was just read.
            known: what the canary's notes say of it; else the API server is asked, and config is read as it is now.

        Raises:
            WorkloadFailure: it has no such container, or names config that is not there.
            Refused: the API server would not take this template.
        """
        if self._template is None:
            return ImageOnly(image=self._image, container=self._container)
        if known is not None and known.promised is not None:
            template = self._made(self._template, known.names)
            return WholeTemplate(image=self._image, fingerprint=known.promised, template=template)
        copies = self._versioned.copies(self._template)
        template = self._made(self._template, copies.names)
        with self._derived():
            derive.check_fits(stable, template)
        mark = versions.promised(self._objects, stable, template)
        return WholeTemplate(image=self._image, fingerprint=mark, template=template, copies=copies)

    def _made(self, template: JsonObject, names: Mapping[str, str]) -> JsonObject:
        with self._derived():
            return derive.with_image(renamed(template, names), self._container, self._image, name=self._stable)

    def first(self) -> tuple[JsonObject, Copies]:
        """Stable's Deployment, to be made where there is none, and the config that must be there before it.

        Raises:
            WorkloadFailure: the release file does not say what it is, or names config that is not there.
        """
        if self._first is None:
            raise WorkloadFailure("the release file names no Deployment to make the first version from")
        copies = self._versioned.copies(self._first["spec"]["template"])
        spec = {**self._first["spec"], "template": renamed(self._first["spec"]["template"], copies.names)}
        with self._derived():
            made = first_deployment(
                {**self._first, "spec": spec},
                name=self._stable,
                namespace=self._objects.namespace,
                release=self._release,
                container=self._container,
                image=self._image,
            )
        return made, copies

    def canary_service(self, service: JsonObject) -> JsonObject:
        """The canary's Service, from stable's."""
        return derive.canary_service(service, name=self._canary_service, release=self._release)

    def baseline(self, stable: JsonObject, replicas: int) -> JsonObject:
        """The fresh baseline's Deployment.

        Raises:
            WorkloadFailure: none can be made from stable.
        """
        service = self._objects.get(SERVICE, self._stable_service)
        return self._baseline(stable, service, replicas, neighbours.read(self._objects))

    def service_of_baseline(self, service: JsonObject) -> JsonObject:
        """The fresh baseline's Service, from stable's."""
        return derive.canary_service(service, name=self.baseline_service, release=self._release, part="baseline")

    def wanted_copies(self, stable: JsonObject, canary: JsonObject) -> list[Gap]:
        """What is to be copied for a canary that is there."""
        service = self._objects.get(SERVICE, self._stable_service)
        around = neighbours.read(self._objects)
        fresh = self._baseline(stable, service, 0, around) if self.baseline_service else None
        found = self._gaps(stable, service, canary, around, fresh)
        return [gap for gap in found if gap.resource.kind in self.copies]

    def _deployment(
        self, stable: JsonObject, service: JsonObject, share: Decimal, around: Neighbours, new: Version
    ) -> JsonObject:
        whole = new if isinstance(new, WholeTemplate) else None
        listed = _with(service, around)
        with self._derived():
            return derive.canary_deployment(
                stable,
                release=self._release,
                container=self._container,
                image=self._image,
                selectors=listed.forbidden(
                    derive.labels_of_template(whole.template if whole else stable["spec"]["template"])
                ),
                replicas=derive.replicas_for(share, stable=derive.replicas_of(stable)),
                keep=around.wanted(),
                template=whole.template if whole else None,
                promised=whole.fingerprint if whole else "",
                names=whole.copies.names if whole else None,
            )

    def _baseline(self, stable: JsonObject, service: JsonObject, replicas: int, around: Neighbours) -> JsonObject:
        """Stable's own version as it runs, whatever is released."""
        template: JsonObject = json.loads(json.dumps(stable["spec"]["template"]))
        before = derive.labels_of(stable)
        selectors = [stable["spec"]["selector"], *_with(service, around).forbidden(before)]
        with self._derived():
            derive.tell_apart(template, selectors, release=self._release, part="baseline", keep=around.wanted())
        return derive.beside(stable, template, release=self._release, replicas=replicas, part="baseline")

    @contextmanager
    def _derived(self) -> Iterator[None]:
        try:
            yield
        except derive.Underivable as error:
            what = self._objects.what(DEPLOYMENT, self._stable)
            raise WorkloadFailure(f"no canary can be made of {what}: {error}") from error

    def _gaps(
        self, stable: JsonObject, service: JsonObject, canary: JsonObject, around: Neighbours, fresh: JsonObject | None
    ) -> tuple[Gap, ...]:
        arms = Arms(
            stable=derive.labels_of(stable),
            canary=derive.labels_of(canary),
            stable_service=self._stable_service,
            canary_service=self._canary_service,
            service_labels=service["metadata"].get("labels") or {},
            release=self._release,
            namespace=self._objects.namespace,
            baseline=derive.labels_of(fresh) if fresh else None,
            baseline_service=self.baseline_service,
        )
        return tuple(gap for resource, items in around.covers.items() for gap in gaps(resource, items, arms))


def _with(service: JsonObject, around: Neighbours) -> Neighbours:
    """What was listed; stable's Service, which was read by its name, where Services may not be listed."""
    return around if around.services else replace(around, services=(service,))
