"""The fresh baseline: stable's version beside the canary, with its age and its size, behind a Service of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes.drafting import Drafting
from canary.adapters.kubernetes.lookout import Lookout
from canary.adapters.kubernetes.objects import Objects
from canary.adapters.kubernetes.owned import Owned
from canary.adapters.kubernetes.paths import DEPLOYMENT, SERVICE
from canary.adapters.kubernetes.scaling import grow
from canary.adapters.kubernetes.waiting import Waiting
from canary.ports import BaselineFailure, JsonObject, WorkloadFailure


class FreshBaseline:
    """Makes it and waits for it. Its objects carry the release's label, by which they are swept with the canary's.

    Args:
        objects: the namespace.
        owned: what the release made.
        drafting: knows what it is made from.
        waiting, lookout: how it is waited for.
        stable_service: name of stable's Service.
    """

    def __init__(
        self,
        objects: Objects,
        *,
        owned: Owned,
        drafting: Drafting,
        waiting: Waiting,
        lookout: Lookout,
        stable_service: str,
    ) -> None:
        self._objects, self._owned, self._drafting = objects, owned, drafting
        self._waiting, self._lookout, self._stable_service = waiting, lookout, stable_service
        self.name, self.service = drafting.baseline_name, drafting.baseline_service
        self._steady = 0  # so many replicas were seen to be steady by this process

    def grow(self, stable: JsonObject, *, share: Decimal, full: int) -> JsonObject:
        """Its Deployment, made or grown for what it gets beside a share of the canary; never made smaller.

        Args:
            stable: stable's Deployment, which is what it was when the canary was made from it.
            share: the canary's, percent of the pool.
            full: stable's replicas before the release.

        Raises:
            BaselineFailure: none can be made, or somebody else's object has its name.
        """
        replicas = derive.replicas_for(min(share, 100 - share), stable=full)
        with _not_the_canary():
            found = self._owned.get(DEPLOYMENT, self.name)
            if found is None:
                return self._owned.create(DEPLOYMENT, self._drafting.baseline(stable, replicas))
            return grow(self._objects, found, replicas, release=self._owned.release)

    def await_ready(self, cancelled: threading.Event, deployment: JsonObject) -> int:
        """Wait until its pods are ready and steady, and its Service has their endpoints; how many there are.

        Raises:
            BaselineFailure: it does not get there, with the reason.
        """
        size = derive.replicas_of(deployment)
        look = partial(self._lookout.look, self.name, derive.own_labels(self._owned.release, "baseline"))
        steady = 0.0 if self._steady == size else None
        with _not_the_canary():
            self._waiting.until_ready(cancelled, look, within=self._lookout.within(deployment), steady=steady)
            self._steady = size
            return self._lookout.await_endpoints(cancelled, self._made_service(), size)

    def _made_service(self) -> JsonObject:
        found = self._owned.get(SERVICE, self.service)
        if found is not None:
            return found
        stable = self._objects.get(SERVICE, self._stable_service)
        return self._owned.create(SERVICE, self._drafting.service_of_baseline(stable))


@contextmanager
def _not_the_canary() -> Iterator[None]:
    try:
        yield
    except WorkloadFailure as error:
        raise BaselineFailure(str(error)) from error
