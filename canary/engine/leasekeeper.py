"""Keeps the lease: a thread of its own on the monotonic clock, which renews only while the decider lives.

A lease promises nothing by itself (the token on the route does); it tells watchdogs and replacements whether an
engine is alive, and a decider that hangs must look dead.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from canary.core import events as on
from canary.ports import Clock, Leases, NotFound, PortError, Unavailable

PERIOD = 10.0
"""Seconds between renewals; the lease lasts 30."""

RETRY = 2.0
"""Seconds until the next try after a renewal that nobody confirmed."""

FRESH = 10.0
"""The decider's heartbeat may be this old, seconds; an older one means that it hangs."""

GONE = "one that has given the lease back"
"""Stands for the holder of a lease that nobody holds any more."""


class LeaseKeeper:
    """Renews the lease for as long as the decider's heart beats.

    Args:
        leases: the port.
        holder: our name on the lease.
        clock: the clock.
        beat: the monotonic time of the decider's last heartbeat.
        tell: where events go.
    """

    def __init__(
        self, *, leases: Leases, holder: str, clock: Clock, beat: Callable[[], float], tell: Callable[[on.Event], None]
    ) -> None:
        self._leases, self._holder, self._clock, self._beat, self._tell = leases, holder, clock, beat, tell

    def once(self) -> float:
        """Renew now if the decider lives, and say what came of it.

        Returns:
            Seconds until the next try.
        """
        if self._clock.monotonic() - self._beat() > FRESH:
            return RETRY
        asked = self._clock.now()
        try:
            view = self._leases.renew(self._holder)
        except PortError:
            return RETRY
        if not view.ours:
            self._tell(on.FenceLost(at=self._clock.now(), holder=view.holder or GONE))
            return PERIOD
        # What counts is when it was asked: the server may have confirmed any time since.
        self._tell(on.LeaseRenewed(at=asked))
        return PERIOD

    def run(self, stop: threading.Event) -> None:
        """Renew until stopped; the thread's body."""
        while not stop.wait(self.once()):
            pass


def holder_instead(leases: Leases, holder: str) -> str | None:
    """Who holds the lease instead of us; None when it is ours, confirmed now.

    Raises:
        PortError: nobody can tell.
    """
    try:
        view = leases.renew(holder)
    except NotFound as error:
        raise Unavailable(f"the lease is gone: {error}") from error
    return None if view.ours else view.holder or GONE
