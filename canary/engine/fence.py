"""The fence on stable's workload: the same token that stands on the route, so that a stale engine cannot promote.

An engine that slept between reading stable and patching it must find, when it wakes, that its patch does not hold any
more. The promotion tests the token; whoever takes the release over swaps it first, on stable and then on the route,
and believes nothing that was read before.
"""

from __future__ import annotations

from collections.abc import Callable

from canary.core.moves import PROMOTED
from canary.core.release import Release
from canary.ports import Mark, NotFound, Workloads

StillOurs = Callable[[], str | None]
"""Who holds the lease instead of us; None when it is ours, confirmed now."""


def take(workloads: Workloads, release: Release, *, still_ours: StillOurs) -> str | None:
    """Put our token onto stable, by compare-and-swap, in place of an earlier incarnation's.

    Args:
        workloads: the port.
        release: where the release stands.
        still_ours: asked after the read that the write is conditional on, so that nobody who took over since is undone.

    Returns:
        Who holds it instead; None when it is ours now, or when there is nothing to fence any more.

    Raises:
        PortError: it could not be done; nothing may be raised.
    """
    try:
        mark = workloads.mark()
    except NotFound:
        if not _leaving(release) and not release.first:
            raise
        return None  # nothing to promote, nothing to put back: the way back and a first version do not need it
    if not mark.token and _leaving(release):
        return None  # it was taken off already: nobody can promote without one, and a new one would only be left there
    return _put(workloads, release, mark, still_ours)


def confirm(workloads: Workloads, release: Release, *, still_ours: StillOurs) -> str | None:
    """Our token before stable is written: one that somebody took off is put there anew, while the lease is ours.

    Returns:
        Who holds it instead; None when it is ours.

    Raises:
        PortError: nobody can tell.
    """
    mark = workloads.mark()
    theirs = mark.token != release.token and _owner(mark) == release.uid
    if theirs and release.fenced:
        return mark.token
    if theirs and release.outcome is not None:
        return None  # on the way back the fence is worth a try, never a wait
    return _put(workloads, release, mark, still_ours)


def outrun(workloads: Workloads, release: Release, *, still_ours: StillOurs) -> str | None:
    """Our token onto stable where none stands, only to be taken off by the removal that follows.

    An engine before us may sleep between its read and its write: what it would put there holds for the version that it
    read, and fails after this.

    Returns:
        Who holds it instead; None when it is ours, or when there is nothing to outrun.

    Raises:
        PortError: nobody can tell.
    """
    if not release.resumed or release.first:
        return None
    try:
        mark = workloads.mark()
    except NotFound:
        return None
    return None if mark.token else _put(workloads, release, mark, still_ours)


def _put(workloads: Workloads, release: Release, mark: Mark, still_ours: StillOurs) -> str | None:
    if mark.token == release.token:
        return None
    if mark.token and _owner(mark) != release.uid:
        return mark.token
    other = still_ours()
    if other is None:
        workloads.put_mark(release.token, over=mark)
    return other


def _owner(mark: Mark) -> str:
    return mark.token.partition("/")[0]


def _leaving(release: Release) -> bool:
    return release.outcome is not None or (release.phase, release.stage) in PROMOTED
