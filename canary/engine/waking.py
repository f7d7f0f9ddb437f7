"""After a pause of the whole process or machine: first of all, whether the release is still ours.

A laptop that slept, a virtual machine that stood still, a process that was stopped: meanwhile a watchdog may have
finished the release. Nothing can be raised on what was believed before (the lease was confirmed too long ago, and the
token is tested by the server); this says it at once, instead of when a watch notices that its connection is dead.
"""

from __future__ import annotations

import contextlib

from canary.core import events as on
from canary.engine.decider import Decider
from canary.engine.leasekeeper import holder_instead
from canary.engine.surroundings import RouteObserved
from canary.ports import Clock, Leases, PortError, Routes

ASLEEP = 20.0
"""Seconds between two turns of the decider that are more than a slow API server: as long as nothing may be raised."""


class Waking:
    """Notices pauses.

    Args:
        leases, routes, clock: the ports. The clock must go on while the machine sleeps.
        holder: our name on the lease.
    """

    def __init__(self, *, leases: Leases, routes: Routes, clock: Clock, holder: str) -> None:
        self._leases, self._routes, self._clock, self._holder = leases, routes, clock, holder
        self._turned = clock.monotonic()

    def turn(self, decider: Decider) -> None:
        """A turn of the decider begins, before it takes anything from its queue."""
        now = self._clock.monotonic()
        paused, self._turned = now - self._turned >= ASLEEP, now
        if paused and _drives(decider):
            self._woken(decider)
            self._turned = self._clock.monotonic()

    def _woken(self, decider: Decider) -> None:
        asked = self._clock.now()
        with contextlib.suppress(PortError):  # then nothing is raised until the lease is confirmed
            other = holder_instead(self._leases, self._holder)
            at = self._clock.now()
            decider.handle(on.LeaseRenewed(at=asked) if other is None else on.FenceLost(at=at, holder=other))
        if _drives(decider):
            with contextlib.suppress(PortError):
                route = self._routes.read()
                decider.handle(RouteObserved(at=self._clock.now(), route=route))


def _drives(decider: Decider) -> bool:
    return not (decider.standing_by or decider.over)
