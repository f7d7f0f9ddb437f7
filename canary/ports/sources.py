"""What is only asked: the time, what preflight can know, and the counters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from analysis.sources import Reading
from canary.core.outcome import ExitCode


class Clock(Protocol):
    """Time. `now` never jumps with the wall clock: it is the server's time at the start plus monotonic time since."""

    def now(self) -> float:
        """Seconds since the epoch on the API server's clock."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary moment; for durations inside one process."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that preflight found.

    Attributes:
        what: what is wrong, in one sentence.
        fix: what to do about it.
        code: the exit code it leads to; None for a warning.
        first: it says that there is no stable version, and that this release may make the first one.
    """

    what: str
    fix: str
    code: ExitCode | None = ExitCode.PREFLIGHT_FAILED
    first: bool = False


class Preflights(Protocol):
    """Everything that can be known before the first touch."""

    def check(self) -> list[Problem]:
        """Look at everything and touch nothing; an empty list means that the release may begin."""
        ...


class Sources(Protocol):
    """Where counters are read."""

    def read(self, *, timeout: float) -> Reading:
        """One reading of every series needed; a source that is down is a Reading with a problem, not an error."""
        ...


class Pasts(Protocol):
    """Where stable's recorded past is read, by sources that keep one."""

    def recent(self, *, seconds: float, timeout: float) -> Reading:
        """Stable's raw samples of the last `seconds`, or as many of the newest as can be read in `timeout` seconds.

        What is down is a Reading with a problem, not an error.
        """
        ...
