"""The canary's Deployment and Service, and stable's Deployment at promotion.

How the canary is made from stable is in `derive`; how far the cluster is, in `rollout`. Here: requests in the right
order, and waiting with an end. Everything may be repeated by a next incarnation: what it must know about stable's past
stands in annotations of the canary's Deployment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from decimal import Decimal
from functools import partial

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes.api import Api
from canary.adapters.kubernetes.copying import check_floor, hold_floor, make_copies, scale_canary
from canary.adapters.kubernetes.drafting import Drafting, Drafts
from canary.adapters.kubernetes.endpoints import SERVICE_NAME, Counting
from canary.adapters.kubernetes.fresh import FreshBaseline
from canary.adapters.kubernetes.lookout import Lookout
from canary.adapters.kubernetes.objects import Objects, understood
from canary.adapters.kubernetes.owned import Owned
from canary.adapters.kubernetes.paths import (
    AUTOSCALER,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    SCALED_OBJECT,
    SERVICE,
)
from canary.adapters.kubernetes.promotion import Promotion
from canary.adapters.kubernetes.removal import let_go, sweep
from canary.adapters.kubernetes.scaling import grow
from canary.adapters.kubernetes.stable import StableWrites, Untouched
from canary.adapters.kubernetes.versioned import Copies, Versioned
from canary.adapters.kubernetes.versions import (
    WholeTemplate,
    image_of,
)
from canary.adapters.kubernetes.waiting import Pace, Waiting
from canary.adapters.kubernetes.watching import Follower, Listed
from canary.ports import (
    Endpoints,
    JsonObject,
    Mark,
)

ALL = Decimal(100)
"""All of the pool, of which a baseline gets nothing."""

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
        baseline_service: name of the fresh baseline's; empty where there is none.
        port: of stable's Service that the route names.
        copies: kinds of what covers stable that are copied for the canary, autoscalers included.
        floor: hold the minimum of stable's autoscaler while the release lasts.
        hook: somebody else gives stable the new version; nothing is written to its Deployment.
        template: the new version's pod template; None for stable's own, and for who only finishes a release.
        first: stable's Deployment, metadata and spec, to be made where there is none; None where none may be made.
        versioned: kinds of what the template names (ConfigMap, Secret) of which there are copies by content.
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
        baseline_service: str = "",
        port: int,
        copies: Collection[str] = (),
        floor: bool = True,
        hook: bool = False,
        template: JsonObject | None = None,
        first: JsonObject | None = None,
        versioned: Collection[str] = (),
        pace: Pace | None = None,
    ) -> None:
        self.namespace, self.release, self.image, self.port = namespace, release, image, port
        self.stable_name, self.stable_service, self.canary_service = deployment, stable_service, canary_service
        self.copies, self.floor, self.hook = frozenset(copies), floor, hook
        self._api, self._container = api, container
        self._objects = Objects(api, namespace)
        self._owned = Owned(self._objects, release)
        self.versioned = frozenset(versioned)
        self._versioned = Versioned(self._objects, deployment, self.versioned)
        self._drafting = Drafting(
            self._objects,
            release=release,
            deployment=deployment,
            container=container,
            image=image,
            stable_service=stable_service,
            canary_service=canary_service,
            baseline_service=baseline_service,
            copies=self.copies - SCALERS,
            template=template,
            first=first,
            versioned=self._versioned,
        )
        self.direct = first is not None
        self.canary_name = self._drafting.canary_name
        writes = StableWrites(self._objects, name=deployment, release=release)
        self._stable_writes, self._fence = writes, Untouched(writes) if hook else writes
        self._waiting = Waiting(api.pacer, pace or Pace())
        self._lookout = Lookout(self._objects, self._waiting)
        self._promotion = Promotion(
            self._objects,
            name=deployment,
            service=stable_service,
            container=container,
            image=image,
            hook=hook,
            drafting=self._drafting,
            owned=self._owned,
            writes=writes,
            waiting=self._waiting,
            lookout=self._lookout,
        )
        self.fresh = (
            FreshBaseline(
                self._objects,
                owned=self._owned,
                drafting=self._drafting,
                waiting=self._waiting,
                lookout=self._lookout,
                stable_service=stable_service,
            )
            if baseline_service
            else None
        )
        self._services = [name for name in (stable_service, canary_service, baseline_service) if name]
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
            self._promotion.check_stable(stable, canary)
            if self.floor:
                check_floor(self._objects, self.stable_name, release=self.release)
            self._surround(stable, canary)
            full = max(derive.replicas_before(canary), derive.replicas_of(stable))
            canary = grow(self._objects, canary, derive.replicas_for(share, stable=full), release=self.release)
            fresh = self.fresh.grow(stable, share=share, full=full) if self.fresh else None
            size = derive.replicas_of(canary)
            self._scale(canary, size)
            look = partial(self._lookout.look, self.canary_name, derive.own_labels(self.release))
            steady = 0.0 if self._steady == size else None
            self._waiting.until_ready(cancelled, look, within=self._lookout.within(canary), steady=steady)
            self._steady = size
            baseline = self._baseline_ready(cancelled, fresh, share)
            ready = self._lookout.await_endpoints(cancelled, self._service(), size)
            self._caught_up(cancelled)
            return Endpoints(stable=self._lookout.endpoints(self.stable_service), canary=ready, baseline=baseline)

    def _baseline_ready(self, cancelled: threading.Event, fresh: JsonObject | None, share: Decimal) -> int | None:
        """Ready endpoints of the baseline; one that is to get nothing is not waited for."""
        if self.fresh is None or fresh is None:
            return None
        return self.fresh.await_ready(cancelled, fresh) if share < ALL else self._lookout.endpoints(self.fresh.service)

    def deploy(self) -> Endpoints:
        """See Workloads."""
        with self._waiting.call() as cancelled:
            stable = self._owned.get(DEPLOYMENT, self.stable_name) or self._first()
            selector = stable["spec"]["selector"].get("matchLabels") or {}
            look = partial(self._lookout.look, self.stable_name, selector)
            self._waiting.until_ready(cancelled, look, within=self._lookout.within(stable))
            service = self._objects.get(SERVICE, self.stable_service)
            ready = self._lookout.await_endpoints(cancelled, service, derive.replicas_of(stable))
            return Endpoints(stable=ready, canary=0)

    def ready(self) -> Endpoints:
        """See Workloads."""
        seen = list[Endpoints]()
        found = self._objects.list(ENDPOINT_SLICE, f"{SERVICE_NAME} in ({','.join(self._services)})")
        self._counting(seen.append)(Listed(items=tuple(found)))
        return seen[0]

    def _counting(self, on_change: Callable[[Endpoints], None]) -> Counting:
        baseline = self.fresh.service if self.fresh else ""
        return Counting(self.stable_service, self.canary_service, on_change, baseline=baseline)

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
            self._promotion.update(cancelled, token=token)
            self._caught_up(cancelled)

    def revert_stable(self) -> None:
        """See Workloads. A version that somebody else gave stable meanwhile stays; it must be ready all the same."""
        with self._waiting.call() as cancelled:
            self._promotion.revert(cancelled)
            self._caught_up(cancelled)

    def remove(self, *, keep: bool = False) -> None:
        """See Workloads."""
        if keep:
            let_go(self._objects, self.stable_name, self.release)
        sweep(self._objects, self.release)
        self._versioned.sweep(self.release)

    def cancel(self) -> None:
        """See Workloads."""
        self._waiting.cancel()

    def watch(self, on_change: Callable[[Endpoints], None], stop: threading.Event) -> None:
        """See Workloads. The first call back is what the first list shows."""
        told = self._lookout.explained(on_change, derive.own_labels(self.release))
        follower = Follower(
            self._api,
            ENDPOINT_SLICE.path(self.namespace),
            selector={"labelSelector": f"{SERVICE_NAME} in ({','.join(self._services)})"},
            doing=f"watching the endpoints of {' and '.join(self._services)}",
            on_news=self._counting(told),
        )
        follower.follow(stop)

    # For preflight -----------------------------------------------------------------------------------------

    def first(self) -> tuple[JsonObject, Copies]:
        """See `Drafting.first`."""
        return self._drafting.first()

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

    def _caught_up(self, cancelled: threading.Event) -> None:
        """Before anybody is sent to pods that are new: see `Waiting.until_caught_up`."""
        self._waiting.until_caught_up(cancelled, lambda: self._api.missed_at)

    # Making the canary -------------------------------------------------------------------------------------

    def _canary(self, stable: JsonObject, share: Decimal) -> JsonObject:
        """The canary's Deployment, made if it is not there."""
        found = self._owned.get(DEPLOYMENT, self.canary_name)
        if found is not None:
            return found
        self._hold_floor(stable)
        new = self._drafting.version(stable)
        if isinstance(new, WholeTemplate):
            self._versioned.make(new.copies)
        return self._owned.create(DEPLOYMENT, self._drafting.deployment(stable, share, new))

    def _first(self) -> JsonObject:
        """Stable's Deployment, where there is none."""
        body, copies = self._drafting.first()
        self._versioned.make(copies)
        return self._owned.create(DEPLOYMENT, body)

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
        found = self._owned.get(SERVICE, self.canary_service)
        if found is not None:
            return found
        stable = self._objects.get(SERVICE, self.stable_service)
        return self._owned.create(SERVICE, self._drafting.canary_service(stable))

    def _scale(self, canary: JsonObject, replicas: int) -> None:
        if self.copies & SCALERS:
            release, copies = self.release, self.copies
            scale_canary(self._objects, self.stable_name, canary, release=release, replicas=replicas, copies=copies)
