"""The watchdog's sweep: what an engine made after its release had ended is taken away, whoever lives.

A create cannot be fenced. An engine that sleeps in one past the end of its release, and is killed when it wakes, leaves
what it made; whoever stands by would sweep it up, and a next release would, but where the Job is gone nobody comes. So
the watchdog looks at what is there, again and again, not at what happened.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from canary.core.release import FINAL
from canary.engine.journal import JournalError, decode
from canary.ports import Clock, Conflict, Fleets, Leftovers, Made, NotFound, PortError

SWEEP_EVERY = 60.0
"""Seconds between looks at what releases made: two lists, which are empty while no release is under way."""


class Sweeper:
    """Takes away what was made late.

    Args:
        leftovers, fleets, clock: the ports.
        tell: gets a sentence for what was taken away, and where that could not be done.
    """

    def __init__(self, *, leftovers: Leftovers, fleets: Fleets, clock: Clock, tell: Callable[[str], None]) -> None:
        self._leftovers, self._fleets, self._clock, self._tell = leftovers, fleets, clock, tell
        self._looked_at = float("-inf")

    def turn(self) -> None:
        """Look, when it is time."""
        now = self._clock.monotonic()
        if now - self._looked_at < SWEEP_EVERY:
            return
        self._looked_at = now
        try:
            for made in self._late():
                self._remove(made)
        except PortError as error:
            self._tell(f"what releases left cannot be looked for: {error}")

    def _late(self) -> list[Made]:
        """What was made after its release had ended.

        The leases are read after the objects. A release whose copy says its end then had ended, or ends without making
        anything more; what was made before that end and is still there belongs to its user.
        """
        made = self._leftovers.made()
        ends: dict[tuple[str, str], float] = {}
        for key, copy in self._fleets.copies().items() if made else ():
            with suppress(JournalError):
                release = decode(copy).release
                if release.phase in FINAL:
                    ends[key.partition("/")[0], release.uid] = release.since
        return [one for one in made if one.created > ends.get((one.namespace, one.release), float("inf"))]

    def _remove(self, made: Made) -> None:
        with suppress(Conflict, NotFound):  # looked at again in a minute
            self._leftovers.remove(made)
            self._tell(f"{made.what} was made after release {made.release} had ended, and is deleted")
