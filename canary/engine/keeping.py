"""Keeping the journal: written before the world is touched, by compare-and-swap against any other engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from canary.core.release import Release
from canary.engine.copying import Copier
from canary.engine.journal import Journal, JournalError, decode, encode, same_intent
from canary.engine.leasekeeper import holder_instead
from canary.engine.subject import Subject
from canary.engine.surroundings import Ports
from canary.ports import Conflict, NotFound, PortError

JOURNAL_EVERY = 30.0
"""Seconds between journal writes while nothing changes, so that the judge's state is not old after a crash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unwritten:
    """Why the journal was not written.

    Attributes:
        why: a sentence.
        holder: the engine that writes it instead of us; empty when nobody does.
    """

    why: str
    holder: str = ""


class JournalKeeper:
    """Writes the journal of one release.

    Args:
        ports: the world.
        identity, subject: hash of the normalised release file, and what it is about (None: as the journal says).
        release: as this process begins.
        stored: version of the journal read, None when there is none yet.
        journal: the journal read, None when the release is new.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        identity: str,
        subject: Subject | None,
        release: Release,
        stored: str | None,
        journal: Journal | None,
    ) -> None:
        self._journals, self._leases, self._clock = ports.journals, ports.leases, ports.clock
        self._identity, self._stored, self._copier = identity, stored, Copier(ports.leases)
        self._subject = subject or (journal.subject if journal else None)
        self._intended = journal.release if journal else release
        self._written_at = ports.clock.now()

    def intends(self, release: Release) -> bool:
        """Whether the journal says already what a next incarnation would have to know of this release."""
        return same_intent(self._intended, release)

    def due(self, now: float) -> bool:
        """Whether the judge's state in the journal has become old."""
        return now - self._written_at >= JOURNAL_EVERY

    def write(
        self, release: Release, *, record: tuple[int, str], surgery: dict[str, Any], observed: dict[str, Any]
    ) -> Unwritten | None:
        """Write the journal.

        Args:
            release: where it stands.
            record: number of chunks stored, and the hash of the newest.
            surgery, observed: what the surgeon and the observer must remember.

        Returns:
            Why it could not be written; None when it was.
        """
        now = self._clock.now()
        journal = Journal(
            release=release,
            identity=self._identity,
            subject=self._subject,
            surgery=surgery,
            record=record,
            **observed,
        )
        try:
            text = encode(journal)
            holder = self._copier.keep(journal)
        except (PortError, JournalError) as error:
            return Unwritten(why=str(error))
        if holder is not None:
            return Unwritten(why="another engine drives this release", holder=holder)
        try:
            self._stored = self._journals.save(text, version=self._stored)
        except Conflict:
            return self._conflict(release)
        except NotFound as error:
            return self._deleted(release, str(error))
        except PortError as error:
            return Unwritten(why=str(error))
        self._written_at, self._intended = now, release
        return None

    def _deleted(self, release: Release, why: str) -> Unwritten:
        """Deleted by somebody: made anew by the next write, but only by whoever holds the lease.

        Another engine that holds it makes it anew. Where it was given back, the release was ended or handed over
        meanwhile, and nobody may write over an end that he did not see.
        """
        try:
            other = holder_instead(self._leases, release.incarnation)
        except PortError as error:
            return Unwritten(why=str(error))
        if other is None:
            self._stored = None
        return Unwritten(why=why, holder=other or "")

    def _conflict(self, release: Release) -> Unwritten:
        """Either our own write whose answer was lost, or another engine's."""
        try:
            stored = self._journals.load()
            found = decode(stored.text) if stored else None
        except (PortError, JournalError) as error:
            return Unwritten(why=str(error))
        if stored is None or found is None:
            return self._deleted(release, "the journal was deleted at the same time")
        if found.release.incarnation == release.incarnation:
            self._stored = stored.version
            return Unwritten(why="the journal was written at the same time")
        return Unwritten(why="another engine drives this release", holder=found.release.token)
