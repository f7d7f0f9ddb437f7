"""What a watchdog makes of the leases that it sees: a function of what was seen, when on its own monotonic clock.

A lease that stands unchanged suggests that its engine is dead only as long as the watchdog itself can read: in an
outage for everybody nobody renews, and nobody is dead. So silence is counted in successful reads: a read that failed,
or that came so late that nobody can tell what lay between, begins the count of every lease anew; after an outage
longer than the time between two renewals the engines get more time than the count, each a different one, so that what
was held back does not break loose in one second. Nothing here reads a clock or draws a lot.

Two watchdogs need no leader: a lease is taken by compare-and-swap on the version that stood unchanged, so one of them
gets it, the other sees it move. A leader would have to be elected through the same API server by a lease of its own,
and for as long as that one runs out nobody would look at all, on the very day on which a node died.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

SILENT = 30.0
"""Seconds that a lease must have stood unchanged until it is taken; engines renew every 10."""

SUSPECTED = 20.0
"""Seconds that it must have been read unchanged until its holder is suspected; then it is marked for the rest."""

GAP = 10.0
"""Reads that are further apart, in seconds, say nothing about the time between: a paused process, a slow network."""

MORE = 15.0
"""Seconds that the engines get beyond `SUSPECTED` after an outage, and as much again spread over them."""

SUSPECT = 15.0
"""Seconds of silence after which the watch's word is not enough and the leases are listed: one renewal has not come."""

RATE = 5
"""Rollbacks begun in a second at most, by all watchdogs together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """A lease as it was read or as a watch showed it.

    Attributes:
        key: which lease.
        version: changes with every write by anybody.
        holder: who holds it; empty when it was given back.
        handover: it was given back before the release's end, for another process to go on.
        beat: changes with every sign of life, and not with a watchdog's mark; by default the version.
    """

    key: str
    version: str
    holder: str
    handover: bool = False
    beat: str = ""

    @property
    def matters(self) -> bool:
        """Whether somebody has to renew it or to take it; given back without a handover, a release is over."""
        return bool(self.holder) or self.handover


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A lease on the list.

    Attributes:
        version, holder: as last seen.
        beat: the last sign of life.
        since: when this was first seen, or reads began to succeed again; monotonic seconds.
        more: seconds that it gets beyond the time of every lease.
        busy: its release is being finished by us.
        settled: nothing is to be done about it until there is another sign of life.
    """

    version: str
    holder: str
    beat: str
    since: float
    more: float = 0.0
    busy: bool = False
    settled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Vigil:
    """What a watchdog knows. Times are its own monotonic seconds.

    Attributes:
        salt: makes the spread after an outage differ between watchdogs.
        limit, window: at most so many rescues are begun in any `window` seconds.
        silent: seconds that a lease must have been read unchanged until a rescue begins (by marking it).
        leases: those that matter, by key.
        read: when a read last succeeded; None before the first.
        failing: a read has failed since.
        begun: when the rescues of the last window began.
    """

    salt: str = ""
    limit: int = RATE
    window: float = 1.0
    silent: float = SUSPECTED
    leases: Mapping[str, Watched] = field(default_factory=dict)
    read: float | None = None
    failing: bool = False
    begun: tuple[float, ...] = ()


class Ended(StrEnum):
    """How an attempt to finish a release ended."""

    DONE = "done"  # the lease moved: what follows is seen there
    SETTLED = "settled"  # nothing more is to be done about this version of the lease
    REFUSED = "refused"  # not for us; tried again after as long a silence
    UNAVAILABLE = "unavailable"  # no answer: an outage like a failed read


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescue:
    """Finish this release.

    Attributes:
        key, version, holder: the lease as it stood unchanged.
        silent: for how many seconds it was read so.
    """

    key: str
    version: str
    holder: str
    silent: float


# What is seen ----------------------------------------------------------------------------------------------------


def confirmed(vigil: Vigil, at: float) -> Vigil:
    """A consistent read succeeded, whatever it showed."""
    last = vigil.read
    outage = last is not None and at - last > GAP
    if last is not None and not (vigil.failing or outage):
        return replace(vigil, read=at, failing=False)
    leases = {key: _again(vigil, key, lease, at, outage=outage) for key, lease in vigil.leases.items()}
    return replace(vigil, leases=leases, read=at, failing=False)


def listed(vigil: Vigil, sightings: Iterable[Sighting], at: float) -> Vigil:
    """A consistent read of all leases succeeded."""
    vigil = confirmed(vigil, at)
    found = {one.key: _seen(vigil.leases.get(one.key), one, at) for one in sightings if one.matters}
    kept = {key: lease for key, lease in vigil.leases.items() if lease.busy and key not in found}
    return replace(vigil, leases={**kept, **found})


def seen(vigil: Vigil, sighting: Sighting, at: float) -> Vigil:
    """A watch showed a lease; that reads succeed is not proved by it."""
    leases = dict(vigil.leases)
    known = leases.get(sighting.key)
    if sighting.matters or (known is not None and known.busy):
        leases[sighting.key] = _seen(known, sighting, at)
    else:
        leases.pop(sighting.key, None)
    return replace(vigil, leases=leases)


def gone(vigil: Vigil, key: str) -> Vigil:
    """A lease was deleted."""
    return replace(vigil, leases={other: lease for other, lease in vigil.leases.items() if other != key})


def missed(vigil: Vigil) -> Vigil:
    """A read failed."""
    return replace(vigil, failing=True)


def ended(vigil: Vigil, key: str, how: Ended, at: float) -> Vigil:
    """An attempt to finish a release has ended."""
    lease = vigil.leases.get(key)
    if how is Ended.UNAVAILABLE:
        vigil = missed(vigil)
    if lease is None:
        return vigil
    lease = replace(lease, busy=False, since=at, settled=how is Ended.SETTLED)
    return replace(vigil, leases={**vigil.leases, key: lease})


def _seen(known: Watched | None, sighting: Sighting, at: float) -> Watched:
    beat = sighting.beat or sighting.version
    if known is not None and known.beat == beat:
        return known if known.version == sighting.version else replace(known, version=sighting.version)
    busy = known is not None and known.busy
    # The first read after an outage may show what was written before it: that engine gets its time too.
    more = known.more if known is not None and known.since == at else 0.0
    return Watched(version=sighting.version, holder=sighting.holder, beat=beat, since=at, more=more, busy=busy)


def _again(vigil: Vigil, key: str, lease: Watched, at: float, *, outage: bool) -> Watched:
    more = MORE * (1 + _spread(vigil.salt, key)) if outage else 0.0
    return replace(lease, since=at, more=max(lease.more, more))


def _spread(salt: str, key: str) -> float:
    """A number in [0, 1) that is the same for the same lease and watchdog, and else any."""
    return zlib.crc32(f"{salt}/{key}".encode()) / 2**32


# What follows ----------------------------------------------------------------------------------------------------


def suspicious(vigil: Vigil, at: float) -> bool:
    """Whether a lease is silent for longer than between two renewals: a watch's silence proves nothing."""
    if vigil.read is None:
        return True
    return vigil.failing or any(at - lease.since >= SUSPECT for lease in vigil.leases.values() if _waits(lease))


def pressing(vigil: Vigil, at: float) -> bool:
    """Whether a read now would let a lease count as abandoned."""
    return any(_due(vigil, lease, at) for lease in vigil.leases.values())


def decide(vigil: Vigil, at: float) -> tuple[Vigil, tuple[Rescue, ...]]:
    """The releases to finish now, the longest silent first."""
    if vigil.read is None or vigil.failing or at - vigil.read > GAP:
        return vigil, ()
    begun = tuple(one for one in vigil.begun if at - one < vigil.window)
    due = sorted(
        (key for key, lease in vigil.leases.items() if _due(vigil, lease, vigil.read)),
        key=lambda key: (vigil.leases[key].since, key),
    )[: max(0, vigil.limit - len(begun))]
    if not due:
        return replace(vigil, begun=begun), ()
    rescues = tuple(
        Rescue(key=key, version=lease.version, holder=lease.holder, silent=vigil.read - lease.since)
        for key in due
        for lease in (vigil.leases[key],)
    )
    leases = {**vigil.leases, **{key: replace(vigil.leases[key], busy=True) for key in due}}
    return replace(vigil, leases=leases, begun=(*begun, *(at for _ in due))), rescues


def _due(vigil: Vigil, lease: Watched, read: float) -> bool:
    """Whether a read at that time sees it unchanged for long enough."""
    return _waits(lease) and read - lease.since >= vigil.silent + lease.more


def _waits(lease: Watched) -> bool:
    return not (lease.busy or lease.settled)
