"""Time as one process has it: anchored once to the API server's clock, then by its own, which may run fast or slow."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.sources import Reading
from simulated.world import Counters

if TYPE_CHECKING:
    from canary.ports import Clock
    from simulated.simulation import Simulation


class OwnClock:
    """See `canary.ports.Clock`.

    Args:
        world: true time.
        ahead: seconds by which the API server's clock was ahead of it when this process began.
        drift: by how much more this process's own clock counts, e.g. 0.02 for 2 %.
    """

    def __init__(self, world: Clock, *, ahead: float, drift: float) -> None:
        self._world, self._pace = world, 1.0 + drift
        self._began, self._anchor = world.now(), world.now() + ahead

    def now(self) -> float:
        """Seconds since the epoch, as this process believes."""
        return self._anchor + self.monotonic()

    def monotonic(self) -> float:
        """Seconds since it began, by its own clock."""
        return (self._world.now() - self._began) * self._pace


def clock_of(sim: Simulation) -> Clock:
    """The clock of a process that begins now."""
    if not sim.ahead and not sim.scenario.drift:
        return sim.clock
    return OwnClock(sim.clock, ahead=sim.ahead, drift=sim.scenario.drift)


def as_read(reading: Reading | Counters, clock: Clock, *, scraped: bool) -> Reading | Counters:
    """A reading as a process has it: scraped, its times are the process's own; else a source's whose clock is true."""
    now = clock.now()
    off = now - reading.at
    if not off:
        return reading
    if not scraped:
        return replace(reading, at=now, skew=-off) if isinstance(reading, Reading) else replace(reading, skew=-off)
    if isinstance(reading, Counters):
        return replace(reading, at=now)
    return replace(reading, at=now, samples=tuple(replace(one, time=one.time + off) for one in reading.samples))
