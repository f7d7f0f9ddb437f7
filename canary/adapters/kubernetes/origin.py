"""Where a lease's holder runs, and whether it is known to be dead: then its lease need not be waited out.

A lease's silence only suggests that its holder is dead, and takes 30 s to do so. Two witnesses know it at once:

* the kernel, for a process of this very machine: nobody has its pid, or somebody born at another time;
* the kubelet, for a pod: every container of it has terminated. (A pod's phase is not enough: the control plane sets it
  for pods of lost nodes, which may still run.)

What neither of them says is unknown, and unknown is waited out. A wrong answer here would be impolite, not dangerous:
the fence on the route makes the raises of a holder that lives after all be refused (DESIGN.md, invariant 5).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from canary.adapters.kubernetes.api import Api
from canary.adapters.kubernetes.paths import POD
from canary.ports import PortError

POD_NAME, POD_UID = "POD_NAME", "POD_UID"
"""Variables in which the Job's template gives the pod its own name and uid (downward API)."""

LONGEST = 1_000
"""Characters of an origin; a longer one is not ours."""

_PROC = Path("/proc")
_GONE = frozenset("ZX")
"""States in which a process runs no more: dead, but not yet collected by its parent."""


def here(environment: Mapping[str, str] | None = None) -> str:
    """This process as a text for the lease; empty where nothing is known that could be witnessed later."""
    env = os.environ if environment is None else environment
    known: dict[str, Any] = {}
    if env.get(POD_NAME) and env.get(POD_UID):
        known |= {"pod": env[POD_NAME], "uid": env[POD_UID]}
    machine, born = _machine(), _born(os.getpid())
    if machine and born:
        known |= {"machine": machine, "pid": os.getpid(), "born": born}
    return json.dumps(known, separators=(",", ":")) if known else ""


def known_dead(origin: str, api: Api, *, namespace: str) -> bool:
    """Whether a witness says that the process of that origin runs no more.

    Args:
        origin: what `here` said there; it comes from outside, and nonsense is unknown.
        api: asked for the pod, if it was one.
        namespace: of the pod.
    """
    try:
        known = json.loads(origin) if len(origin) <= LONGEST else None
    except (ValueError, RecursionError):
        return False
    if not isinstance(known, dict):
        return False
    return _process_is_dead(known) or _pod_is_dead(known, api, namespace)


def _process_is_dead(known: Mapping[str, Any]) -> bool:
    machine, pid, born = known.get("machine"), known.get("pid"), known.get("born")
    if type(pid) is not int or not isinstance(born, str) or not 0 < pid < 2**22 or not born:
        return False
    if not machine or machine != _machine():
        return False
    try:
        os.kill(pid, 0)  # asks, and sends nothing
    except ProcessLookupError:
        return True
    except OSError:
        pass  # another user's: it is there
    seen = _stat(pid)
    # What cannot be read is unknown: /proc may hide the processes of others.
    return seen is not None and (seen[0] in _GONE or seen[1] != born)


def _pod_is_dead(known: Mapping[str, Any], api: Api, namespace: str) -> bool:
    name, uid = known.get("pod"), known.get("uid")
    if not isinstance(name, str) or not isinstance(uid, str) or not name or not uid or uid == os.environ.get(POD_UID):
        return False
    try:
        pod = api.get(POD.path(namespace, name), doing=f"reading Pod {namespace}/{name}, the lease's holder")
        statuses = pod["status"]["containerStatuses"]
        return (
            pod["metadata"]["uid"] == uid and bool(statuses) and all("terminated" in one["state"] for one in statuses)
        )
    except (PortError, ValueError, KeyError, TypeError):
        return False


def _machine() -> str:
    """This boot of this kernel, and within it this space of process ids; empty where the kernel does not say."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except (OSError, ValueError):
        return ""


def _born(pid: int) -> str:
    seen = _stat(pid)
    return seen[1] if seen else ""


def _stat(pid: int) -> tuple[str, str] | None:
    """State and time of birth in the kernel's ticks (proc_pid_stat(5), fields 3 and 22); None when unreadable."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return (fields[0], fields[19]) if len(fields) > 19 else None
