"""The ports on the Kubernetes API: raw objects in and out, so that fields we do not know survive.

`connect` gives an `Api`, and each port is a class on it. What belongs here: paths, content types, bounded time,
and the translation of every failure into a `PortError`. The `kubernetes` package is imported when a connection is
made, not when this package is: commands that need no cluster do not pay for it.
"""

from canary.adapters.kubernetes.api import Api
from canary.adapters.kubernetes.clock import ServerClock
from canary.adapters.kubernetes.connect import ConnectError, connect
from canary.adapters.kubernetes.events import EventReporter
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
    "KubernetesJournals",
    "KubernetesLeases",
    "KubernetesPreflights",
    "KubernetesRecords",
    "KubernetesRoutes",
    "KubernetesWorkloads",
    "ServerClock",
    "connect",
]
