"""What the engine needs from the world, as Protocols; each has a real adapter and an in-memory one.

One contract suite (`tests/adapters`) runs on both. Adapters translate and never decide: an `if` about the
release in an adapter belongs in the machine. Every call is bounded in time by the adapter; every failure is a
`PortError` of one of the kinds in `errors`, with the server's own words in it and never a credential.

    errors      how a call fails
    route       the one object whose weights move traffic
    workload    the canary's pods and Service, and stable's Deployment
    stores      what outlives a process: lease, journal, record, and what people decide
    sources     what is only asked: time, preflight, counters
    reporting   what people are told
"""

from canary.ports.errors import BaselineFailure, Conflict, NotFound, PortError, Refused, Unavailable, WorkloadFailure
from canary.ports.reporting import Progress, Reporters
from canary.ports.route import JsonObject, Operations, Routes
from canary.ports.sources import Clock, Pasts, Preflights, Problem, Sources
from canary.ports.stores import Fleets, Gates, Journals, LeaseNews, Leases, LeaseView, Records, Stored
from canary.ports.workload import Endpoints, Leftovers, Made, Mark, Workloads

__all__ = [
    "BaselineFailure",
    "Clock",
    "Conflict",
    "Endpoints",
    "Fleets",
    "Gates",
    "Journals",
    "JsonObject",
    "LeaseNews",
    "LeaseView",
    "Leases",
    "Leftovers",
    "Made",
    "Mark",
    "NotFound",
    "Operations",
    "Pasts",
    "PortError",
    "Preflights",
    "Problem",
    "Progress",
    "Records",
    "Refused",
    "Reporters",
    "Routes",
    "Sources",
    "Stored",
    "Unavailable",
    "WorkloadFailure",
    "Workloads",
]
