"""Both arms' workloads in memory: what stable runs, whether the canary is there, and how many endpoints are ready."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal

from canary.adapters.memory.world import World
from canary.ports import Conflict, Endpoints, Made, Mark, NotFound, WorkloadFailure


class MemoryWorkloads:
    """See `canary.ports.Workloads`. Nothing takes time; to let something fail or take effect late, plan a fault.

    Args:
        world: the world it stands in.
        replicas: of stable.
        absent: there is no stable version yet.
        fresh: a baseline is made beside the canary.

    Attributes:
        absent: stable's workload is not there.
        deployed: it was made by this release, which has not let go of it.
        promoted: stable runs the new version.
        token: what of the fence stands on stable.
        changed_by: who gave stable a version of their own; empty while nobody did.
        exists: the canary's workload is there.
        endpoints: ready endpoints of both arms.
        created: when the canary, or stable's first workload, was made last, on the world's clock.
        cancelled: how often a blocking call was asked to return.
    """

    def __init__(self, world: World, *, replicas: int = 4, absent: bool = False, fresh: bool = False) -> None:
        self.absent, self.deployed = absent, False
        self.promoted, self.exists, self.cancelled, self.changed_by = False, False, 0, ""
        self.endpoints = Endpoints(stable=0 if absent else replicas, canary=0, baseline=0 if fresh else None)
        self.token, self._version = "", world.version()
        self.created = 0.0
        self._world, self._replicas = world, replicas
        self._watchers: list[tuple[Callable[[Endpoints], None], threading.Event]] = []

    def provision(self, *, share: Decimal) -> Endpoints:
        """See Workloads."""

        def act() -> Endpoints:
            self._check_stable()
            wanted = int((self._replicas * share / 100).to_integral_value(ROUND_CEILING))
            self.created = self.created if self.exists else self._world.clock.now()
            self.exists = True
            baseline = self.endpoints.baseline
            if baseline is not None:
                left = int((self._replicas * min(share, 100 - share) / 100).to_integral_value(ROUND_CEILING))
                baseline = max(1, left, baseline)
            self.set_endpoints(canary=max(1, wanted, self.endpoints.canary), baseline=baseline)
            return self.endpoints

        return self._world.perform("workloads.provision", act)

    def deploy(self) -> Endpoints:
        """See Workloads."""

        def act() -> Endpoints:
            if not self.absent and not self.deployed:
                raise WorkloadFailure("stable was made by somebody else, not by this release")
            self.created = self._world.clock.now() if self.absent else self.created
            self.absent, self.deployed = False, True
            self.set_endpoints(stable=self._replicas)
            return self.endpoints

        return self._world.perform("workloads.deploy", act)

    def ready(self) -> Endpoints:
        """See Workloads."""
        return self._world.perform("workloads.ready", lambda: self.endpoints)

    def mark(self) -> Mark:
        """See Workloads."""

        def act() -> Mark:
            if self.absent:
                raise NotFound("stable's workload is not there")
            return Mark(token=self.token, version=self._version)

        return self._world.perform("workloads.mark", act)

    def put_mark(self, token: str, *, over: Mark) -> None:
        """See Workloads."""

        def act() -> None:
            if self.token != over.token or (not over.token and self._version != over.version):
                raise Conflict("patching stable: the object has been modified (HTTP 409)")
            self._mark(token)

        self._world.perform("workloads.put_mark", act)

    def update_stable(self, *, token: str) -> None:
        """See Workloads. What was read is believed until the write, as an adapter does that reads before it patches."""

        def act() -> None:
            self._check_mark(token)
            self._promote(promoted=True)

        self._world.perform("workloads.update_stable.read", self._check_canary)
        self._world.perform("workloads.update_stable", act)

    def revert_stable(self) -> None:
        """See Workloads."""
        token = self._world.perform("workloads.revert_stable.read", lambda: self.token)

        def act() -> None:
            if not token:
                raise Conflict("stable carries no token of this release")
            self._check_mark(token)
            self._promote(promoted=False)

        self._world.perform("workloads.revert_stable", act)

    def remove(self, *, keep: bool = False) -> None:
        """See Workloads."""
        self._world.perform("workloads.remove", lambda: self.take_away(keep=keep))

    def take_away(self, *, keep: bool = False) -> None:
        """What `remove` does, without a call being made."""
        if self.deployed and not keep:
            self.absent = True
            self.set_endpoints(stable=0)
        self.deployed, self.exists = False, False
        self.set_endpoints(canary=0, baseline=None if self.endpoints.baseline is None else 0)
        if self.token:
            self._mark("")

    def cancel(self) -> None:
        """See Workloads."""
        self.cancelled += 1

    def watch(self, on_change: Callable[[Endpoints], None], stop: threading.Event) -> None:
        """See Workloads; returns at once, and every change from now on calls back before it returns."""
        self._world.perform("workloads.watch", lambda: self._watchers.append((on_change, stop)))
        on_change(self.endpoints)

    def set_endpoints(
        self,
        *,
        stable: int | None = None,
        canary: int | None = None,
        baseline: int | None = None,
        trouble: str = "",
    ) -> None:
        """The cluster changes how many endpoints are ready, and may say why a pod fails."""
        before = self.endpoints
        self.endpoints = Endpoints(
            stable=before.stable if stable is None else stable,
            canary=before.canary if canary is None else canary,
            trouble=trouble,
            baseline=before.baseline if baseline is None else baseline,
        )
        if self.endpoints != before:
            self._watchers = [entry for entry in self._watchers if not entry[1].is_set()]
            for on_change, _ in tuple(self._watchers):
                on_change(self.endpoints)

    def change_stable(self, *, by: str) -> None:
        """Somebody else gives stable a version of their own."""
        self.promoted, self.changed_by = False, by
        self._version = self._world.version()

    def strip_mark(self) -> None:
        """Somebody else replaces stable by what their file says, without our token."""
        self._mark("")

    def _mark(self, token: str) -> None:
        self.token, self._version = token, self._world.version()

    def _check_mark(self, token: str) -> None:
        if self.token != token:
            raise Conflict(f"patching stable: testing the token failed: {self.token!r} stands there (HTTP 422)")

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


class MemoryLeftovers:
    """See `canary.ports.Leftovers`: of one release's workload.

    Args:
        world: the world it stands in.
        workloads: what the release makes.
        release: its uid.
        namespace: where it is.
    """

    def __init__(self, world: World, workloads: MemoryWorkloads, *, release: str, namespace: str) -> None:
        self._world, self._workloads, self._release, self._namespace = world, workloads, release, namespace

    def made(self) -> tuple[Made, ...]:
        """See Leftovers."""
        return self._world.perform("leftovers.made", self._made)

    def remove(self, made: Made) -> None:
        """See Leftovers."""

        def act() -> None:
            if made not in self._made():
                raise Conflict("deleting what a release left: the object has been modified (HTTP 409)")
            self._workloads.take_away()

        self._world.perform("leftovers.remove", act)

    def _made(self) -> tuple[Made, ...]:
        there = self._workloads
        if not there.exists and not there.deployed:
            return ()
        ref = (str(there.exists), str(there.deployed), str(there.created))
        return (
            Made(
                what="the workload",
                namespace=self._namespace,
                release=self._release,
                created=there.created,
                ref=ref,
            ),
        )
