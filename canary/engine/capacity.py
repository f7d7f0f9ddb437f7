"""Who could take the traffic now, asked once: before a process that takes a release over decides anything."""

from __future__ import annotations

from canary.ports import Endpoints, PortError, Unavailable, Workloads


def ready_now(workloads: Workloads | None) -> Endpoints | None:
    """Ready endpoints of both arms; None where nobody can tell now.

    Who is not allowed to count them assumes that stable is there: waiting for ever would be worse.
    """
    if workloads is None:
        return None
    try:
        return workloads.ready()
    except Unavailable:
        return None
    except PortError:
        return Endpoints(stable=1, canary=1)
