"""The desk: where people's decisions come in, and what waits for one is put up.

It works by level, not by event: each turn reads the object, makes it say what waits now, and answers with the next
event that follows from what people wrote. So it makes no difference whether an engine lived when they wrote it, and a
turn that failed is simply taken again. Turns run on a worker; nothing that must happen at once depends on them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from canary.core import events as on
from canary.core import gates as at_gates
from canary.core.gates import Wish
from canary.core.release import Phase, Release
from canary.engine.subject import Subject
from canary.engine.surroundings import Background
from canary.ports import Clock, Conflict, Gates, JsonObject, PortError, Refused

READ_EVERY = 30.0
"""Seconds between turns while a gate waits: the watch is faster, and may have been swallowed on its way."""

AGAIN = 3.0
"""Seconds until the next turn after one that failed."""

WISHES: dict[Wish, Callable[..., on.Event]] = {
    Wish.PAUSE: on.PauseRequested,
    Wish.RESUME: on.ResumeRequested,
    Wish.SKIP: on.SkipRequested,
    Wish.PROMOTE: on.PromoteRequested,
}

SELF_DECLARED = "(identity: self-declared)"
"""Beside a name that the API server did not make sure of; its audit log has the proof."""


class Desk:
    """Takes turns for one release.

    Args:
        gates: the port; None where nobody can be asked, then a gate only expires.
        clock: the clock.
        about: the image that is decided about, and who asked for it; None where nobody knows.
    """

    def __init__(self, gates: Gates | None, clock: Clock, about: Subject | None = None) -> None:
        self._gates, self._clock = gates, clock
        self._image = about.workload.image if about and about.workload else ""
        self._requester = about.requester if about else ""
        self._busy, self._news = threading.Event(), threading.Event()
        self._not_before = self._next_at = 0.0
        self._waited, self._late = False, False
        self._news.set()  # what was written while nobody lived

    def changed(self) -> None:
        """Somebody wrote the object; from any thread."""
        self._news.set()

    def attend(self, release: Release, background: Background) -> None:
        """Have a turn taken where one is due and none is under way; its answer is an event for the machine."""
        if turn := self._due(release):
            background.submit("people", turn)

    def _due(self, release: Release) -> Callable[[], on.Event | None] | None:
        gates, now = self._gates, self._clock.monotonic()
        begun = release.phase not in {Phase.PENDING, Phase.PREFLIGHT}
        if not begun or self._busy.is_set() or now < self._not_before:
            return None
        waits, late = release.gate is not None, _expired(release, self._clock.now())
        same = (waits, late) == (self._waited, self._late)
        if same and not self._news.is_set() and not (waits and now >= self._next_at):
            return None
        self._waited, self._late, self._next_at = waits, late, now + READ_EVERY
        self._news.clear()
        if gates is None:
            return (lambda: on.GateUnanswered(at=self._clock.now(), gate=release.gate)) if late else None
        self._busy.set()
        return lambda: self._turn(gates, release)

    def _turn(self, gates: Gates, release: Release) -> on.Event | None:
        began = self._clock.now()
        try:
            event = self._take(gates, release)
            if event is not None:
                self._news.set()  # there may be more
            elif _expired(release, began):
                return on.GateUnanswered(at=self._clock.now(), gate=release.gate)
        except Conflict:
            self._news.set()  # somebody wrote at the same moment: read again
        except Refused as error:
            self._not_before = self._clock.monotonic() + READ_EVERY
            if release.gate is not None:
                return on.GateTroubled(at=self._clock.now(), sentence=f"nobody can decide: {error}")
        except PortError:
            self._not_before = self._clock.monotonic() + AGAIN
            self._news.set()
        else:
            return event
        finally:
            self._busy.clear()
        return None

    def _take(self, gates: Gates, release: Release) -> on.Event | None:
        found = gates.read()
        record = at_gates.record_of(release, image=self._image, requester=self._requester)
        if found is None:
            if record is not None:
                gates.create(record)
            return None
        for asked in at_gates.requests_of(found, release=release.uid, after=release.heard)[:1]:
            return WISHES[asked.wish](
                at=self._clock.now(), by=_named(asked.by), reason=asked.reason, number=asked.number
            )
        if record is not None:
            return self._decided(gates, found, record, release)
        why = release.outcome.reason if release.outcome else "the release went on"
        if closing := at_gates.closing(found, release.uid, why):
            gates.patch(closing)
        return None

    def _decided(
        self, gates: Gates, found: JsonObject, record: Mapping[str, str], release: Release
    ) -> on.GateDecided | on.GateTroubled | None:
        if opening := at_gates.opening(found, record):
            gates.patch(opening)
            return None
        given = at_gates.answer(found, record)
        if given is None:
            return None
        if given.void:
            gates.patch(at_gates.reopening(found, record, given.void))
            return on.GateTroubled(at=self._clock.now(), sentence=f"a decision does not count: {given.void}")
        by = given.by if gates.pinned() else _named(given.by)
        return on.GateDecided(
            at=self._clock.now(), approved=given.approved, by=by, reason=given.reason, gate=release.gate
        )


def _expired(release: Release, at: float) -> bool:
    """Whether the gate that waits has expired."""
    return release.gate is not None and release.expires is not None and at >= release.expires


def _named(by: str) -> str:
    return f"{by or 'somebody'} {SELF_DECLARED}"
