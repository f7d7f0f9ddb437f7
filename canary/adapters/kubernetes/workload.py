"""The canary's Deployment and Service, and stable's Deployment at promotion.

How the canary is made from stable is in `derive`; how far the cluster is, in `rollout`. Here: requests in the right
order, and waiting with an end. Everything may be repeated by a next incarnation: what it must know about stable's past
stands in annotations of the canary's Deployment.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection
from decimal import Decimal
from functools import partial

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes.api import Api
from canary.adapters.kubernetes.copying import check_floor, hold_floor, make_copies, scale_canary
from canary.adapters.kubernetes.drafting import Drafting, Drafts
from canary.adapters.kubernetes.endpoints import SERVICE_NAME, Counting
from canary.adapters.kubernetes.lookout import Lookout
from canary.adapters.kubernetes.managers import writer_of
from canary.adapters.kubernetes.objects import Objects, understood
from canary.adapters.kubernetes.paths import (
    AUTOSCALER,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    RELEASE_LABEL,
    SCALED_OBJECT,
    SERVICE,
    Resource,
)
from canary.adapters.kubernetes.removal import sweep
from canary.adapters.kubernetes.rollout import Standing
from canary.adapters.kubernetes.stable import StableWrites, Untouched
from canary.adapters.kubernetes.versions import (
    Before,
    ImageOnly,
    Version,
    before_of,
    found_on,
    given,
    image_changed,
    image_of,
    same_image,
    template_changed,
)
from canary.adapters.kubernetes.waiting import Pace, Waiting
from canary.adapters.kubernetes.watching import Follower, Listed
from canary.ports import (
    Conflict,
    Endpoints,
    JsonObject,
    Mark,
    NotFound,
    Refused,
    Unavailable,
    WorkloadFailure,
)

SCALERS = frozenset({AUTOSCALER.kind, SCALED_OBJECT.kind})
"""Kinds that are copied in another way than what covers stable: they must follow the canary's size."""


class KubernetesWorkloads:
    """See `canary.ports.Workloads`.

    Args:
        api: the API server.
        namespace: of everything.
        release: the release's uid; the label of everything made here.
        deployment: stable's Deployment.
        container: which container gets the image; None for the only one.
        image: the new version.
        stable_service, canary_service: names of the two Services.
        port: of stable's Service that the route names.
        copies: kinds of what covers stable that are copied for the canary, autoscalers included.
        floor: hold the minimum of stable's autoscaler while the release lasts.
        hook: somebody else gives stable the new version; nothing is written to its Deployment.
        template: the new version's pod template; None for stable's own, and for who only finishes a release.
        pace: the rhythm of waiting.
    """

    def __init__(
        self,
        api: Api,
        *,
        namespace: str,
        release: str,
        deployment: str,
        container: str | None,
        image: str,
        stable_service: str,
        canary_service: str,
        port: int,
        copies: Collection[str] = (),
        floor: bool = True,
        hook: bool = False,
        template: JsonObject | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.namespace, self.release, self.image, self.port = namespace, release, image, port
        self.stable_name, self.stable_service, self.canary_service = deployment, stable_service, canary_service
        self.copies, self.floor, self.hook = frozenset(copies), floor, hook
        self._api, self._container = api, container
        self._objects = Objects(api, namespace)
        self._drafting = Drafting(
            self._objects,
            release=release,
            deployment=deployment,
            container=container,
            image=image,
            stable_service=stable_service,
            canary_service=canary_service,
            copies=self.copies - SCALERS,
            template=template,
        )
        self.canary_name = self._drafting.canary_name
        writes = StableWrites(self._objects, name=deployment, release=release)
        self._stable_writes, self._fence = writes, Untouched(writes) if hook else writes
        self._waiting = Waiting(api.pacer, pace or Pace())
        self._lookout = Lookout(self._objects, self._waiting)
        self._before: Before | None = None
        self._steady = 0  # so many replicas were seen to be steady by this process; they need no second proof

    # The port ----------------------------------------------------------------------------------------------

    def provision(self, *, share: Decimal) -> Endpoints:
        """See Workloads.

        Raises:
            NotFound: stable is no longer what the canary was made from.
        """
        with self._waiting.call() as cancelled:
            stable = self._objects.get(DEPLOYMENT, self.stable_name)
            canary = self._canary(stable, share)
            self._check_stable(stable, canary)
            if self.floor:
                check_floor(self._objects, self.stable_name, release=self.release)
            self._surround(stable, canary)
            full = max(derive.replicas_before(canary), derive.replicas_of(stable))
            canary = self._grow(canary, derive.replicas_for(share, stable=full))
            size = derive.replicas_of(canary)
            self._scale(canary, size)
            look = partial(self._lookout.look, self.canary_name, derive.own_labels(self.release))
            steady = 0.0 if self._steady == size else None
            self._waiting.until_ready(cancelled, look, within=self._lookout.within(canary), steady=steady)
            self._steady = size
            ready = self._lookout.await_endpoints(cancelled, self._service(), size)
            return Endpoints(stable=self._lookout.endpoints(self.stable_service), canary=ready)

    def ready(self) -> Endpoints:
        """See Workloads."""
        services, seen = f"{self.stable_service},{self.canary_service}", list[Endpoints]()
        found = self._objects.list(ENDPOINT_SLICE, f"{SERVICE_NAME} in ({services})")
        Counting(self.stable_service, self.canary_service, seen.append)(Listed(items=tuple(found)))
        return seen[0]

    def mark(self) -> Mark:
        """See Workloads."""
        return self._fence.mark()

    def put_mark(self, token: str, *, over: Mark) -> None:
        """See Workloads."""
        self._fence.put_mark(token, over=over)

    def update_stable(self, *, token: str) -> None:
        """See Workloads.

        Raises:
            NotFound: stable no longer runs the image that it had when the canary was made from it.
        """
        with self._waiting.call() as cancelled:
            canary = self._ours(DEPLOYMENT, self.canary_name)
            if canary is None:
                raise NotFound(f"{self._canary_what} was deleted by somebody else")
            self._before = before = before_of(canary, self._container)
            if self.hook:
                self._await_hook(cancelled)
                return
            stable = self._objects.get(DEPLOYMENT, self.stable_name)
            new = self._new(before, stable)
            if not new.on(stable):
                self._check_stable(stable, canary)
            self._stable_writes.replace(self._known(before), new, token=token)
            self._await_stable(cancelled, new)

    def revert_stable(self) -> None:
        """See Workloads. A version that somebody else gave stable meanwhile stays; it must be ready all the same."""
        with self._waiting.call() as cancelled:
            stable = self._objects.get(DEPLOYMENT, self.stable_name)
            before = self._noted()
            now = found_on(stable, self._container, before)
            if not self.hook and given(stable, before, self.image, self._container):
                old = self._known(before)
                self._stable_writes.replace(now, old)
                now = old
            self._await_stable(cancelled, now)

    def remove(self) -> None:
        """See Workloads."""
        sweep(self._objects, self.release)

    def cancel(self) -> None:
        """See Workloads."""
        self._waiting.cancel()

    def watch(self, on_change: Callable[[Endpoints], None], stop: threading.Event) -> None:
        """See Workloads. The first call back is what the first list shows."""
        services = f"{self.stable_service},{self.canary_service}"
        told = self._lookout.explained(on_change, derive.own_labels(self.release))
        follower = Follower(
            self._api,
            ENDPOINT_SLICE.path(self.namespace),
            selector={"labelSelector": f"{SERVICE_NAME} in ({services})"},
            doing=f"watching the endpoints of {self.stable_service} and {self.canary_service}",
            on_news=Counting(self.stable_service, self.canary_service, told),
        )
        follower.follow(stop)

    # For preflight -----------------------------------------------------------------------------------------

    def drafts(self) -> Drafts:
        """See `Drafting.drafts`."""
        return self._drafting.drafts()

    def stable_image(self) -> str:
        """The image that stable runs now.

        Raises:
            PortError: it cannot be read.
        """
        with understood("reading stable's image"):
            return image_of(self._objects.get(DEPLOYMENT, self.stable_name), self._container)

    def stable_template(self) -> str:
        """The fingerprint of stable's pod template as it is now.

        Raises:
            PortError: it cannot be read.
        """
        with understood("reading stable's template"):
            return derive.fingerprint(self._objects.get(DEPLOYMENT, self.stable_name))

    # Making the canary -------------------------------------------------------------------------------------

    def _canary(self, stable: JsonObject, share: Decimal) -> JsonObject:
        """The canary's Deployment, made if it is not there."""
        found = self._ours(DEPLOYMENT, self.canary_name)
        if found is not None:
            return found
        self._hold_floor(stable)
        return self._create(DEPLOYMENT, self._drafting.deployment(stable, share))

    def _hold_floor(self, stable: JsonObject) -> None:
        """Before the first pod of the canary: what stable has is what must be able to take everything back."""
        if self.floor:
            ready = (stable.get("status") or {}).get("readyReplicas") or derive.replicas_of(stable)
            hold_floor(self._objects, self.stable_name, release=self.release, replicas=ready)

    def _surround(self, stable: JsonObject, canary: JsonObject) -> None:
        """Copies of what covers stable, before the canary has pods that need them."""
        if self.copies and derive.replicas_of(canary) == 0:
            make_copies(self._objects, self._drafting.wanted_copies(stable, canary), canary)

    def _service(self) -> JsonObject:
        """The canary's Service, made if it is not there."""
        found = self._ours(SERVICE, self.canary_service)
        if found is not None:
            return found
        stable = self._objects.get(SERVICE, self.stable_service)
        return self._create(SERVICE, self._drafting.canary_service(stable))

    def _ours(self, resource: Resource, name: str) -> JsonObject | None:
        """The object if this release made it; None when there is none.

        Raises:
            WorkloadFailure: somebody else's object has the name.
            Unavailable: it is just being deleted.
        """
        try:
            found = self._objects.get(resource, name)
        except NotFound:
            return None
        if found["metadata"].get("deletionTimestamp"):
            raise Unavailable(f"{self._objects.what(resource, name)} is still being deleted")
        self._check_owner(resource, found)
        return found

    def _check_owner(self, resource: Resource, found: JsonObject) -> None:
        owner, name = derive.release_of(found), found["metadata"]["name"]
        if owner == self.release:
            return
        who = f"release {owner}" if owner else writer_of(found, ours="")
        raise WorkloadFailure(
            f"{self._objects.what(resource, name)} was made by {who}, not by this release; if nobody needs it, "
            f"kubectl -n {self.namespace} delete {resource.kind.lower()} {name}"
        )

    def _create(self, resource: Resource, body: JsonObject) -> JsonObject:
        try:
            return self._objects.create(resource, body)
        except Conflict:
            found = self._ours(resource, body["metadata"]["name"])
            if found is None:
                raise
            return found

    def _grow(self, canary: JsonObject, replicas: int) -> JsonObject:
        """More replicas if needed; never fewer, for the share that it carries now."""
        if derive.replicas_of(canary) >= replicas:
            return canary
        label = RELEASE_LABEL.replace("/", "~1")
        operations: list[JsonObject] = [
            {"op": "test", "path": f"/metadata/labels/{label}", "value": self.release},
            {"op": "add", "path": "/spec/replicas", "value": replicas},
        ]
        doing = f"scaling {self._canary_what} to {replicas}"
        return self._objects.patch(DEPLOYMENT, self.canary_name, operations, doing=doing)

    def _scale(self, canary: JsonObject, replicas: int) -> None:
        if self.copies & SCALERS:
            release, copies = self.release, self.copies
            scale_canary(self._objects, self.stable_name, canary, release=release, replicas=replicas, copies=copies)

    # Stable ------------------------------------------------------------------------------------------------

    def _check_stable(self, stable: JsonObject, canary: JsonObject) -> None:
        """Invariant 8: stable's template is what the canary was made from, or the release stops."""
        known = derive.note_of(canary, derive.STABLE_TEMPLATE)
        if known is not None and known != derive.fingerprint(stable):
            raise template_changed(self._stable, stable)

    def _noted(self) -> Before | None:
        """What the canary's notes say of stable; as this process last saw them where the canary is gone."""
        try:
            canary = self._objects.get(DEPLOYMENT, self.canary_name)
        except NotFound:
            return self._before
        return before_of(canary, self._container) if derive.release_of(canary) == self.release else self._before

    def _known(self, before: Before | None) -> Version:
        """What stable had when the canary was made from it.

        Raises:
            Refused: nothing says it.
            WorkloadFailure: somebody else's object has the canary's name.
        """
        if before is not None and before.version is not None:
            return before.version
        self._ours(DEPLOYMENT, self.canary_name)
        raise Refused(f"the image that {self._stable} had is not known: {self._canary_what} does not say it")

    def _new(self, before: Before, stable: JsonObject) -> Version:
        """The new version, as the canary's notes say that stable will have it."""
        if before.promised is None:
            return ImageOnly(image=self.image, container=self._container)
        return self._drafting.version(stable, promised=before.promised)

    def _await_stable(self, cancelled: threading.Event, version: Version) -> None:
        stable = self._objects.get(DEPLOYMENT, self.stable_name)
        selector = stable["spec"]["selector"].get("matchLabels") or {}
        look = partial(self._lookout.look, self.stable_name, selector, version=version)
        self._waiting.until_ready(cancelled, look, within=self._lookout.within(stable))
        service = self._objects.get(SERVICE, self.stable_service)
        wanted = derive.replicas_of(self._objects.get(DEPLOYMENT, self.stable_name))
        self._lookout.await_endpoints(cancelled, service, wanted)

    def _await_hook(self, cancelled: threading.Event) -> None:
        """Until somebody gave stable the new version; nothing is written, and a third version is somebody's change."""
        before, new = self._known(self._before).image, ImageOnly(image=self.image, container=self._container)
        selector: dict[str, str] = {}

        def look() -> Standing:
            stable = self._objects.get(DEPLOYMENT, self.stable_name)
            selector.update(stable["spec"]["selector"].get("matchLabels") or {})
            now = image_of(stable, self._container)
            if same_image(now, self.image):
                return self._lookout.look(self.stable_name, selector, version=new)
            if not same_image(now, before):
                raise image_changed(self._stable, stable, self._container)
            return Standing(reason=f"{self._stable} runs {now}, and nobody has given it {self.image}")

        # The machine knows how long that may take.
        self._waiting.until_ready(cancelled, look, within=math.inf, every=self._waiting.pace.hook)
        self._await_stable(cancelled, new)

    @property
    def _stable(self) -> str:
        return self._objects.what(DEPLOYMENT, self.stable_name)

    @property
    def _canary_what(self) -> str:
        return self._objects.what(DEPLOYMENT, self.canary_name)
