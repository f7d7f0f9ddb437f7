"""Taking the route's lease: from a dead holder, or beside a living one that drives this very release."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from canary.cli.boundary import Failure
from canary.core.outcome import ExitCode
from canary.core.release import FINAL

if TYPE_CHECKING:
    from canary.adapters.kubernetes.objects import Objects
    from canary.engine.journal import Journal
    from canary.ports import Journals, Leases, Stored

LEASE_DURATION = 30.0
"""Seconds for which a lease must stand unchanged before its holder counts as dead."""

LEASE_POLL = 2.0
"""Seconds between looks at somebody else's lease."""


def take_lease(
    leases: Leases,
    holder: str,
    *,
    dead: Callable[[str], bool],
    say: Callable[[str], None],
    monotonic: Callable[[], float],
    same: Callable[[], bool] = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[str, ...]:
    """Take the lease: at once from a holder that a witness calls dead, else after its silence for a whole duration.

    Not waiting is safe, because the lease promises nothing: raises are fenced by the token on the route, and what is
    taken is the very version that named the dead holder, so a holder that came in between keeps it. A replacement
    thus acts within a second or two of its start wherever its predecessor's death can be seen: a process of the same
    machine, or a pod whose containers have all terminated. A paused process and a lost node cannot be told from a slow
    one, and are waited out.

    Beside a living holder that drives this very release we stand by: it is ours when that one dies or gives it back,
    and the journal then says how the release ended.

    Args:
        leases: the port.
        holder: our name on it.
        dead: whether the process of an origin is known to be dead.
        say: gets a line while somebody else's lease is waited for.
        monotonic, sleep: time, in seconds.
        same: whether a living holder drives the very release that we are to run, as far as can be told.

    Returns:
        The holders that were waited for or taken over from, in order; empty when nobody held it.

    Raises:
        Failure: its holder is alive and drives another release.
    """
    view = leases.acquire(holder)
    began, first, seen = monotonic(), view, dict[str, None]()
    standing_by = ""
    while not view.ours:
        seen[view.holder] = None
        if view.sign != first.sign:
            if not same():
                raise Failure(
                    f"another engine ({view.holder}) drives a release on this route",
                    code=ExitCode.HELD_BY_ANOTHER,
                    hint="wait for it to end, or abort it",
                )
            if view.holder != standing_by:
                standing_by = view.holder
                say(f"another engine ({standing_by}) drives this very release: standing by until it ends")
            began, first = monotonic(), view
        first = view  # a watchdog that suspects the holder as well has moved the version
        silent = monotonic() - began
        if silent >= LEASE_DURATION or dead(view.origin):
            view = leases.acquire(holder, steal=first.version)
            continue
        if view.holder != standing_by:
            say(f"the lease is held by {view.holder}; taken over in {LEASE_DURATION - silent:.0f} s if it stays silent")
        sleep(LEASE_POLL)
        view = leases.acquire(holder)
    return tuple(seen)


def same_release(journals: Journals, identity: str) -> bool:
    """Whether the journal does not say that another release is under way: one that just begins has none yet."""
    from canary.engine.journal import JournalError, decode
    from canary.ports import PortError

    try:
        stored = journals.load()
        journal = decode(stored.text) if stored else None
    except PortError:
        return True  # asked again at the next look
    except JournalError:
        return False
    return journal is None or journal.release.phase in FINAL or journal.identity == identity


@contextlib.contextmanager
def given_back(leases: Leases, holder: str) -> Iterator[None]:
    """A lease that was taken for nothing is given back: the watchdog must not wait for us.

    Unless our release is over it is handed over: the one that was found may not have ended, and nobody else drives it.
    """
    from canary.cli.queueing import Over
    from canary.ports import PortError

    try:
        yield
    except Failure as failure:
        with contextlib.suppress(PortError):
            leases.release(holder, handover=not isinstance(failure, Over))
        raise


def sweep_before(stored: Stored | None, journal: Journal | None, objects: Objects) -> None:
    """Take away what a dead process of the release before made after its end: nothing could fence its creates.

    What cannot be taken away is found by preflight, which says how.

    Args:
        stored: the route's journal as it stands.
        journal: the one that is gone on with: its own end sweeps; None where a release begins.
        objects: the namespace.
    """
    from canary.adapters.kubernetes.removal import sweep
    from canary.engine.journal import decode
    from canary.ports import PortError

    if journal is not None or stored is None:
        return
    release = decode(stored.text).release
    if release.phase not in FINAL or not release.policy.has_workload:
        return
    with contextlib.suppress(PortError):
        sweep(objects, release.uid)
