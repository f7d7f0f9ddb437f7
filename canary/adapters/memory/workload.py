"""Both arms' workloads in memory: what stable runs, whether the canary is there, and how many endpoints are ready."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal

from canary.adapters.memory.world import World
from canary.ports import Endpoints, NotFound


class MemoryWorkloads:
    """See `canary.ports.Workloads`. Nothing takes time; to let something fail or take effect late, plan a fault.

    Args:
        world: the world it stands in.
        replicas: of stable.

    Attributes:
        promoted: stable runs the new version.
        changed_by: who gave stable a version of their own; empty while nobody did.
        exists: the canary's workload is there.
        endpoints: ready endpoints of both arms.
        cancelled: how often a blocking call was asked to return.
    """

    def __init__(self, world: World, *, replicas: int = 4) -> None:
        self.promoted, self.exists, self.cancelled, self.changed_by = False, False, 0, ""
        self.endpoints = Endpoints(stable=replicas, canary=0)
        self._world, self._replicas = world, replicas
        self._watchers: list[tuple[Callable[[Endpoints], None], threading.Event]] = []

    def provision(self, *, share: Decimal) -> Endpoints:
        """See Workloads."""

        def act() -> Endpoints:
            self._check_stable()
            wanted = int((self._replicas * share / 100).to_integral_value(ROUND_CEILING))
            self.exists = True
            self.set_endpoints(canary=max(1, wanted, self.endpoints.canary))
            return self.endpoints

        return self._world.perform("workloads.provision", act)

    def update_stable(self) -> None:
        """See Workloads. What was read is believed until the write, as an adapter does that reads before it patches."""
        self._world.perform("workloads.update_stable.read", self._check_canary)
        self._world.perform("workloads.update_stable", lambda: self._promote(promoted=True))

    def revert_stable(self) -> None:
        """See Workloads."""
        self._world.perform("workloads.revert_stable", lambda: self._promote(promoted=False))

    def remove(self) -> None:
        """See Workloads."""

        def act() -> None:
            self.exists = False
            self.set_endpoints(canary=0)

        self._world.perform("workloads.remove", act)

    def cancel(self) -> None:
        """See Workloads."""
        self.cancelled += 1

    def watch(self, on_change: Callable[[Endpoints], None], stop: threading.Event) -> None:
        """See Workloads; returns at once, and every change from now on calls back before it returns."""
        self._world.perform("workloads.watch", lambda: self._watchers.append((on_change, stop)))
        on_change(self.endpoints)

    def set_endpoints(self, *, stable: int | None = None, canary: int | None = None) -> None:
        """The cluster changes how many endpoints are ready."""
        before = self.endpoints
        self.endpoints = Endpoints(
            stable=before.stable if stable is None else stable, canary=before.canary if canary is None else canary
        )
        if self.endpoints != before:
            self._watchers = [entry for entry in self._watchers if not entry[1].is_set()]
            for on_change, _ in tuple(self._watchers):
                on_change(self.endpoints)

    def change_stable(self, *, by: str) -> None:
        """Somebody else gives stable a version of their own."""
        self.promoted, self.changed_by = False, by

    def _check_canary(self) -> None:
        if not self.exists:
            raise NotFound("the canary's workload was deleted by somebody else")
        self._check_stable()

    def _check_stable(self) -> None:
        if self.changed_by:
            raise NotFound(f"stable was changed during the release by {self.changed_by}")

    def _promote(self, *, promoted: bool) -> None:
        if promoted:
            self._check_stable()
            self.promoted = True
        elif not self.changed_by:
            self.promoted = False
