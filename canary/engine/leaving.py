"""From SIGTERM to the end of the process: ask what becomes of our Job, then roll back or hand over, in 10 s."""

from __future__ import annotations

import threading
from collections.abc import Callable

from canary.core import events as on
from canary.core.leaving import ENDED, JobFate
from canary.core.outcome import ExitCode
from canary.engine.decider import Decider
from canary.ports import Clock, PortError

ASKED_FOR = 3.0
"""Seconds for which the answer is waited for; without one the release is handed over."""

BACK_WITHIN = 9.0
"""Seconds from the signal until what is left of a rollback is handed over: the watchdog goes on with it."""

BY = "the cluster"


def _in_a_thread(body: Callable[[], None]) -> None:
    threading.Thread(target=body, name="own-job-fate", daemon=True).start()


class Leaving:
    """How this process ends before its release does.

    From `begin` on the decider begins nothing that goes forward; it goes on listening, so that a bad verdict, an abort
    or a lost canary is still answered by a rollback while the API server is asked.

    Args:
        ask: what becomes of our Job; may block and raise PortError.
        clock: the clock.
        spawn: runs something aside.
    """

    def __init__(
        self,
        *,
        ask: Callable[[], JobFate],
        clock: Clock,
        spawn: Callable[[Callable[[], None]], None] = _in_a_thread,
    ) -> None:
        self._ask, self._clock, self._spawn = ask, clock, spawn
        self._since: float | None = None
        self._fate: JobFate | None = None
        self._going_back = False

    def begin(self, decider: Decider) -> None:
        """The signal came; for signal handlers. A second one changes nothing."""
        decider.leaving = True
        if self._since is None:
            self._since = self._clock.monotonic()
            self._spawn(self._find_out)

    def now(self, decider: Decider) -> None:
        """End without asking: a person wants to leave the release as it stands; for signal handlers."""
        decider.leaving = True
        self._since, self._fate = self._clock.monotonic(), JobFate.UNKNOWN

    def step(self, decider: Decider) -> ExitCode | None:
        """Do what is due; the exit code where the release was handed over, else None."""
        if self._since is None or decider.over:
            return None
        passed = self._clock.monotonic() - self._since
        if self._going_back:
            return decider.hand_over() if passed >= BACK_WITHIN else None
        if self._fate is None and passed < ASKED_FOR:
            return None
        why = ENDED.get(self._fate or JobFate.UNKNOWN)
        if why is None or decider.standing_by:
            return decider.hand_over()
        self._going_back = True
        reason = f"the engine was told to end and {why}, so none would follow it"
        decider.handle(on.AbortRequested(at=self._clock.now(), by=BY, reason=reason))
        return None

    def _find_out(self) -> None:
        try:
            self._fate = self._ask()
        except PortError:
            self._fate = JobFate.UNKNOWN
