"""Who could take the traffic now, asked once: before a process that takes a release over decides anything."""

from __future__ import annotations

from canary.ports import PortError, Unavailable, Workloads


def ready_now(workloads: Workloads | None) -> tuple[int | None, int | None]:
    """Ready endpoints of stable and of the canary; None for both where nobody can tell now.

    Who is not allowed to count them assumes that stable is there: waiting for ever would be worse.
    """
    if workloads is None:
        return None, None
    try:
        ready = workloads.ready()
    except Unavailable:
        return None, None
    except PortError:
        return 1, 1
    return ready.stable, ready.canary
