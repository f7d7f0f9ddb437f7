"""Waiting for something in the cluster, with an end, and with somebody who may call it off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from canary.adapters.kubernetes.budget import Pacer
from canary.adapters.kubernetes.objects import understood
from canary.adapters.kubernetes.rollout import Standing
from canary.ports import Unavailable, WorkloadFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The rhythm of waiting, in seconds.

    Attributes:
        poll: between looks at first.
        soon: after which looks become rarer by the factor `slower`: what takes long is not watched by the second.
        steady: how long everything must stay ready. A longer proof is the Deployment's own minReadySeconds.
        stuck: after which trouble that seldom passes by itself counts as a failure.
        progress: the longest wait where the Deployment has no progressDeadlineSeconds; Kubernetes' default.
        grace: on top of the Deployment's own deadline, which tells the reason better than we can.
        endpoints: the longest wait for endpoints of pods that are available.
        behind: the longest that a gateway may need after an outage of the API server to know all endpoints again.
        hook: between looks at a Deployment that somebody else is to update.
    """

    poll: float = 0.5
    soon: float = 30.0
    slower: float = 4.0
    steady: float = 2.0
    stuck: float = 30.0
    progress: float = 600.0
    grace: float = 30.0
    endpoints: float = 60.0
    behind: float = 60.0
    hook: float = 10.0


class Waiting:
    """Waits that can be called off.

    Args:
        pacer: the clock.
        pace: the rhythm.
    """

    def __init__(self, pacer: Pacer, pace: Pace) -> None:
        self.pace = pace
        self._pacer = pacer
        self._calls: set[threading.Event] = set()
        self._lock = threading.Lock()

    @contextmanager
    def call(self) -> Iterator[threading.Event]:
        """One call that `cancel` can end; it does not touch calls that begin later."""
        event = threading.Event()
        with self._lock:
            self._calls.add(event)
        try:
            with understood("the workload"):
                yield event
        finally:
            with self._lock:
                self._calls.discard(event)

    def cancel(self) -> None:
        """End every call that is under way."""
        with self._lock:
            for call in self._calls:
                call.set()

    def until_ready(
        self,
        cancelled: threading.Event,
        look: Callable[[], Standing],
        *,
        within: float,
        steady: float | None = None,
        every: float | None = None,
    ) -> None:
        """Look until it is ready and steady. While the API server cannot be asked, nothing is ready and nothing lost.

        Args:
            cancelled: the call's event.
            look: how it stands now.
            within: seconds until it must be ready.
            steady: seconds for which it must stay ready; the pace's by default.
            every: seconds between looks; the pace's by default.

        Raises:
            WorkloadFailure: it does not get there, or somebody called `cancel`.
        """
        pace, monotonic = self.pace, self._pacer.monotonic
        steady = pace.steady if steady is None else steady
        began = monotonic()
        ready_since: float | None = None
        stuck_since: float | None = None
        while True:
            try:
                standing = look()
            except Unavailable as error:
                standing = Standing(reason=str(error))
            now = monotonic()
            ready_since = (now if ready_since is None else ready_since) if standing.ready else None
            stuck_since = (now if stuck_since is None else stuck_since) if standing.stuck else None
            if ready_since is not None and now - ready_since >= steady:
                return
            stuck = stuck_since is not None and now - stuck_since >= pace.stuck
            if standing.hopeless or stuck:
                raise WorkloadFailure(standing.reason)
            if not standing.ready and now - began >= within:
                raise WorkloadFailure(f"not ready within {within:.0f} s: {standing.reason}")
            usual = pace.poll if now - began < pace.soon else pace.poll * pace.slower
            if cancelled.wait(usual if every is None else every):
                raise WorkloadFailure("cancelled")

    def until_caught_up(self, cancelled: threading.Event, missed_at: Callable[[], float | None]) -> None:
        """Wait until whoever routes to the endpoints of today knows them, where the API server was away just now.

        A gateway asks a server that was gone again, after twice as long each time (client-go's reflector: half a minute
        at most, and up to as much again by chance), and for each kind of object on its own: it may have taken the new
        weights and still send to pods that are no more.

        Args:
            cancelled: the call's event.
            missed_at: when the server was last found gone; None while it was not.

        Raises:
            WorkloadFailure: somebody called `cancel`.
        """
        monotonic, behind = self._pacer.monotonic, self.pace.behind
        latest = monotonic() + 2 * behind  # a server that comes and goes holds nobody up for ever
        while (seen := missed_at()) is not None:
            left = min(latest, seen + behind) - monotonic()
            if left <= 0:
                return
            if cancelled.wait(min(left, self.pace.poll)):
                raise WorkloadFailure("cancelled")
