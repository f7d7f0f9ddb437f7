"""The ports on the Kubernetes API: raw objects in and out, so that fields we do not know survive.

`connect` gives an `Api`, and each port is a class on it. What belongs here: paths, content types, bounded time,
and the translation of every failure into a `PortError`. Each port is imported when it is first used: preflight leads
to the judge and numpy, and a command that only asks for a Job must not pay for that. The `kubernetes`
package is imported when a connection is made.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from canary.adapters.kubernetes.api import Api

# Not lazily: once its module is imported, the name would be the module's.
from canary.adapters.kubernetes.connect import ConnectError, connect

if TYPE_CHECKING:
    from canary.adapters.kubernetes.clock import ServerClock
    from canary.adapters.kubernetes.events import EventReporter
    from canary.adapters.kubernetes.gates import KubernetesGates
    from canary.adapters.kubernetes.journal import KubernetesJournals
    from canary.adapters.kubernetes.leases import KubernetesLeases
    from canary.adapters.kubernetes.preflight import KubernetesPreflights
    from canary.adapters.kubernetes.record import KubernetesRecords
    from canary.adapters.kubernetes.routes import KubernetesRoutes
    from canary.adapters.kubernetes.workload import KubernetesWorkloads

__all__ = [
    "Api",
    "ConnectError",
    "EventReporter",
    "KubernetesGates",
    "KubernetesJournals",
    "KubernetesLeases",
    "KubernetesPreflights",
    "KubernetesRecords",
    "KubernetesRoutes",
    "KubernetesWorkloads",
    "ServerClock",
    "connect",
]

_MODULES = {
    "EventReporter": "events",
    "KubernetesGates": "gates",
    "KubernetesJournals": "journal",
    "KubernetesLeases": "leases",
    "KubernetesPreflights": "preflight",
    "KubernetesRecords": "record",
    "KubernetesRoutes": "routes",
    "KubernetesWorkloads": "workload",
    "ServerClock": "clock",
}


def __getattr__(name: str) -> Any:
    """A public name, from the module that holds it (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
