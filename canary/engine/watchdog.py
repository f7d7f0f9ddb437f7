"""The watchdog: reads, hands what it saw to the pure `vigil`, and begins the rescues that this decides.

One thread owns it. It holds no thread, no timer and no clock of its own, so that the same code runs in a pod and in a
simulation in virtual time.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass

from canary.core import vigil as core
from canary.core.vigil import Ended, Rescue, Sighting, Vigil
from canary.ports import Clock, Fleets, LeaseNews, PortError

READ_EVERY = 4.0
"""Seconds between reads. With the 5 s that one may take, two that succeed are never `vigil.GAP` apart."""

READ_AGAIN = 1.0
"""Seconds until a read that would let a lease count as abandoned, or one that failed, is made again."""


@dataclass(frozen=True, slots=True)
class _Finished:
    key: str
    how: Ended


class Watchdog:
    """Looks over all leases that it may see.

    Args:
        fleets: the leases.
        clock: the clock.
        start: begins a rescue; how it ends is told to `finished`.
        vigil: what is known at the beginning: salt, limit and window.
        tell: gets a sentence when reading fails, and when it succeeds again.

    Attributes:
        vigil: what is known.
        reads, misses: how many reads were made, and how many of them failed.
    """

    def __init__(
        self,
        *,
        fleets: Fleets,
        clock: Clock,
        start: Callable[[Rescue], None],
        vigil: Vigil | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.vigil = vigil or Vigil()
        self.reads = self.misses = 0
        self._fleets, self._clock, self._start, self._tell = fleets, clock, start, tell
        self._news: queue.SimpleQueue[LeaseNews | _Finished] = queue.SimpleQueue()
        self._asked: float | None = None

    def heard(self, news: LeaseNews) -> None:
        """What the watch shows; from any thread."""
        self._news.put(news)

    def finished(self, key: str, how: Ended) -> None:
        """A rescue has ended; from any thread."""
        self._news.put(_Finished(key, how))

    def turn(self) -> None:
        """Take what came in, read when it is time, and begin what is due."""
        while not self._news.empty():
            self._take(self._news.get(), self._clock.monotonic())
        if self._asked is None or self._clock.monotonic() - self._asked >= self._pause():
            self._read()
        self.vigil, rescues = core.decide(self.vigil, self._clock.monotonic())
        for rescue in rescues:
            self._start(rescue)

    def _take(self, news: LeaseNews | _Finished, now: float) -> None:
        match news:
            case Sighting():
                self.vigil = core.seen(self.vigil, news, now)
            case str():
                self.vigil = core.gone(self.vigil, news)
            case _Finished():
                self.vigil = core.ended(self.vigil, news.key, news.how, now)
            case _:
                for one in news:
                    self.vigil = core.seen(self.vigil, one, now)

    def _pause(self) -> float:
        pressing = self.vigil.failing or core.pressing(self.vigil, self._clock.monotonic())
        return READ_AGAIN if pressing else READ_EVERY

    def _read(self) -> None:
        self._asked = self._clock.monotonic()
        self.reads += 1
        was = self.vigil.failing
        try:
            if core.suspicious(self.vigil, self._asked):
                self.vigil = core.listed(self.vigil, self._fleets.read(), self._clock.monotonic())
            else:
                self._fleets.ping()
                self.vigil = core.confirmed(self.vigil, self._clock.monotonic())
        except PortError as error:
            self.misses += 1
            self.vigil = core.missed(self.vigil)
            if not was:
                self._tell(f"the leases cannot be read; no release is touched meanwhile: {error}")
            return
        if was:
            self._tell("the leases can be read again; every one is given its time anew")
