"""The journal's copy on the lease: what must not be lost with a journal that somebody deletes.

It holds what was decided, how far the promotion got and what the route was, and is written before the journal says
so: whatever a journal ever said of these stands in the copy as well. Whoever takes the lease and finds no journal puts
it back from the copy. What was judged meanwhile is not in there, so that a release that had not decided goes back.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from canary.core import events as on
from canary.core.machine import TOUCHED, advance
from canary.core.moves import PROMOTED
from canary.core.release import FINAL, Phase, Release
from canary.engine.journal import Journal, JournalError, decode, encode
from canary.engine.leasekeeper import GONE
from canary.ports import Clock, Conflict, Journals, Leases, NotFound, Stored, Unavailable

LOST = "its journal was deleted by somebody, and its engine was gone: what was judged is not known any more"
"""Why a release goes back that had not decided."""

UNTOUCHED = frozenset({Phase.PENDING, Phase.PREFLIGHT})
"""Phases in which there is nothing to lose: the release may as well begin anew."""


@dataclass(frozen=True, slots=True)
class _Gist:
    """What a copy is renewed for: what was decided, and of where the release stands what the way back depends on."""

    phase: Phase | None
    stage: str
    outcome: Any
    first: bool
    surgery: bool


class Copier:
    """Keeps the copy of one release's journal.

    Args:
        leases: the port.
    """

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._gist: _Gist | None = None
        self._there = ""

    def keep(self, journal: Journal) -> str | None:
        """Put it onto the lease where it says anything new; the journal may be written afterwards.

        Returns:
            Who holds the lease instead of us; None when it is ours, or when somebody deleted it.

        Raises:
            PortError: it could not be done.
            JournalError: it would be too large.
        """
        gist, holder = _gist_of(journal), journal.release.incarnation
        if gist is None or gist == self._gist:
            return None
        copy = encode(journal.model_copy(update={"judge": {}, "window": {}}))
        for _ in range(2):
            try:
                view = self._leases.keep(holder, copy, over=self._there)
            except NotFound:
                return None
            if not view.ours:
                return view.holder or GONE
            self._there = view.copy
            if view.copy == copy:
                self._gist = gist
                return None
        raise Conflict("the lease is written by others again and again")


def _gist_of(journal: Journal) -> _Gist | None:
    release = journal.release
    if release.phase in UNTOUCHED:
        return None
    forward, promoting = release.phase in TOUCHED, release.phase is Phase.PROMOTING
    return _Gist(
        phase=None if forward else release.phase,
        stage=release.stage if promoting else "",
        outcome=release.outcome,
        first=release.first,
        surgery=bool(journal.surgery),
    )


def recorded(journals: Journals, leases: Leases) -> Stored | None:
    """The journal; its copy, without a version, where somebody deleted it; None where there is neither.

    Args:
        journals, leases: the ports.

    Raises:
        PortError: nobody can tell.
    """
    stored = journals.load()
    if stored is not None:
        return stored
    with suppress(NotFound):
        copy = leases.copied()
        return Stored(text=copy, version="") if copy else None
    return None


def restored(journals: Journals, leases: Leases, *, holder: str, clock: Clock) -> Stored | None:
    """The journal as whoever has taken the lease goes on with it: one that somebody deleted is put back from its copy.

    Args:
        journals, leases, clock: the ports; the lease is ours.
        holder: our name on it: the engine that wrote the copy may sleep, and must not take the journal for its own.

    Returns:
        What stands there now; None where a release begins. A copy that cannot be read is given as it is, and not put
        back: whoever decodes it says what is wrong with it.

    Raises:
        PortError: nobody can tell.
    """
    found = recorded(journals, leases)
    if found is None or found.version:
        return found
    try:
        journal = decode(found.text)
    except JournalError:
        return found
    back = journal.model_copy(update={"release": going_back(journal.release, holder=holder, at=clock.now())})
    text = encode(back)
    try:
        return Stored(text=text, version=journals.save(text, version=None))
    except Conflict as error:
        if (stored := journals.load()) is not None:
            return stored
        raise Unavailable(f"the journal is not there, and could not be put back: {error}") from error


def going_back(release: Release, *, holder: str, at: float) -> Release:
    """A release as it is gone on with where only its copy is left.

    Args:
        release: as the copy has it.
        holder: who puts it back; an end stays its own engine's.
        at: seconds since the epoch on the server's clock.
    """
    if release.phase in FINAL:
        return release
    if release.outcome is not None or (release.phase, release.stage) in PROMOTED:
        return replace(release, incarnation=holder)
    lost = on.Resumed(at=at, incarnation=holder, lost=LOST)
    return replace(advance(release, lost)[0], lives=release.lives)


def finished(journals: Journals, leases: Leases, *, holder: str) -> None:
    """A person finished the release: the copy says what the journal says, or nothing where there is none.

    Args:
        journals, leases: the ports.
        holder: our name on the lease, which is ours.

    Raises:
        PortError: it may not have been done.
    """
    stored = journals.load()
    leases.keep(holder, stored.text if stored else "", over=leases.copied())
