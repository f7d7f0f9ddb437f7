"""Which release stands on a route: read from the route itself, and from the journal where that can be read."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass

import strategies as cut
from canary.core.moves import PROMOTED
from canary.core.release import FINAL, Phase, Release, Stage
from canary.engine.journal import JournalError, decode
from canary.ports import Journals, JsonObject, PortError
from canary.report import words


class Nothing(Exception):
    """There is nothing to abort; the message says why."""


class NotYet(Nothing):
    """A release is about to begin and has touched nothing."""


class Unknown(Exception):
    """A release is on the route, and nothing says which backend is its canary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The release that stands on a route.

    Attributes:
        uid: which.
        original, pool: the route before it, and whose traffic it moves.
        journal: where it stands; None when nothing can be read.
    """

    uid: str
    original: cut.Original
    pool: cut.Pool
    journal: Release | None

    def share_left(self, route: JsonObject) -> bool:
        """Whether any rule still sends to the canary, or to its fresh baseline."""
        refs = (ref for rule in cut.rules_of(route) for ref in rule.refs)
        return any(ref.weight > 0 for ref in refs if ref.id in self.pool.ours)

    @property
    def updating(self) -> bool:
        """Whether stable is just being updated or put back, at 0 % of the traffic."""
        release = self.journal
        return (
            release is not None
            and release.phase is Phase.PROMOTING
            and release.stage in {Stage.UPDATING, Stage.REVERTING}
        )


def case_of(route: JsonObject, journal: tuple[Release, cut.Original | None] | None, pool: cut.Pool | None) -> Case:
    """The release on a route.

    Args:
        route: as just read.
        journal: the journal's release and what it knows of the route before; None when it cannot be read.
        pool: as the caller's release file says it.

    Raises:
        Nothing: there is none, or it is too late to stop it.
        Unknown: nothing says which backend is the canary.
    """
    notes = cut.annotations_of(route)
    uid = notes.get(cut.RELEASE)
    known = journal if journal and (uid is None or journal[0].uid == uid) else None
    release, original = known or (None, None)
    if uid is None:
        if release is None or release.phase in FINAL:
            raise Nothing(f"the route carries no release{_last(release)}")
        if original is None:
            raise NotYet(f"the release is in {release.phase} and has touched nothing")
        uid = release.uid
    original = noted(route) or original or cut.Original(rules=())
    whose = original.pool or pool
    if whose is None:
        raise Unknown("the note about the original weights is damaged or does not say which backend is the canary")
    case = Case(uid=uid, original=original, pool=whose, journal=release)
    if release is not None and release.outcome is None and (release.phase, release.stage) in PROMOTED:
        raise Nothing("too late: stable already runs the new version; to go back, release the old image")
    if cut.RELEASE not in notes and not case.share_left(route):
        raise Nothing(f"the canary carries no traffic; the release is in {release.phase if release else 'no phase'}")
    return case


def _last(release: Release | None) -> str:
    if release is None or release.outcome is None:
        return ""
    when = words.clock(release.outcome.decided)
    return f"; the last one ended {release.phase} at {when} with {int(release.outcome.code)}: {release.outcome.reason}"


def noted(route: JsonObject) -> cut.Original | None:
    """What the route says about itself before the release; None when it says nothing that can be read."""
    with suppress(cut.SurgeryError, ValueError, RecursionError):
        text = cut.annotations_of(route).get(cut.ORIGINAL)
        return None if text is None else cut.Original.decode(json.loads(text))
    return None


def journal_of(journals: Journals) -> tuple[Release, cut.Original | None] | None:
    """Where the newest release stands and what the route was before it; None when that cannot be read."""
    try:
        stored = journals.load()
        journal = decode(stored.text) if stored else None
    except (PortError, JournalError):
        return None
    if journal is None:
        return None
    try:
        return journal.release, cut.Original.decode(journal.surgery["original"])
    except (cut.Malformed, KeyError, TypeError):
        return journal.release, None
