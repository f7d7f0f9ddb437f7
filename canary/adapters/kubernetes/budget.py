"""How long a call may take in all, retries included."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Time that a call of a port may take.

    Attributes:
        total: seconds for everything: connecting, retries, waits, several requests.
        attempt: seconds that one read may wait for its answer before it is tried again.
    """

    total: float
    attempt: float


CRITICAL = Budget(total=5.0, attempt=2.0)
"""Route, journal and fence: each within 5 s in all (DESIGN.md, Layout)."""

PATIENT = Budget(total=20.0, attempt=10.0)
"""Workers' calls: admission webhooks may take 10 s by default."""


def elapsed() -> float:
    """Seconds from an arbitrary moment, by a clock that goes on while the machine sleeps.

    `time.monotonic` stands still then, on Linux (CLOCK_MONOTONIC, clock_getres(2)) and on macOS: an engine on a laptop
    would take an hour-old lease for a fresh one. Where no such clock is known, `time.monotonic` has to do.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":  # there CLOCK_MONOTONIC is the one that goes on (clock_gettime(3))
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacer:
    """Monotonic time and waiting, so that tests need neither."""

    monotonic: Callable[[], float] = field(default=elapsed)
    sleep: Callable[[float], None] = field(default=time.sleep)


class Deadline:
    """A moment that a call must not outlive.

    Args:
        budget: how long from now.
        pacer: the clock.
    """

    __slots__ = ("_end", "_monotonic", "attempt")

    def __init__(self, budget: Budget, pacer: Pacer) -> None:
        self.attempt = budget.attempt
        self._monotonic = pacer.monotonic
        self._end = pacer.monotonic() + budget.total

    def left(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self._end - self._monotonic())
