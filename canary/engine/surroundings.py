"""What the decider stands in: the ports it is given, what workers see, and who runs what may wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from analysis.judge import Past
from analysis.sources import Reading
from canary.core import events as on
from canary.ports import (
    Clock,
    Endpoints,
    Gates,
    Journals,
    JsonObject,
    Leases,
    Pasts,
    Preflights,
    Records,
    Reporters,
    Routes,
    Sources,
    Workloads,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything the engine needs from the world.

    Without `gates` people decide by `abort` alone; `pasts` is None where the source keeps no past.
    """

    clock: Clock
    routes: Routes
    leases: Leases
    journals: Journals
    records: Records
    preflights: Preflights
    sources: Sources
    workloads: Workloads | None
    gates: Gates | None = None
    reporters: tuple[Reporters, ...] = ()
    pasts: Pasts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteObserved:
    """The route as a watch or a read showed it; None when it is gone."""

    at: float
    route: JsonObject | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointsObserved:
    """Ready endpoints as a watch showed them."""

    at: float
    endpoints: Endpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingTaken:
    """A reading of the counters came in."""

    at: float
    reading: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRead:
    """Stable's recorded past was read, or could not be."""

    at: float
    past: Past


Observation = RouteObserved | EndpointsObserved | ReadingTaken | PastRead
"""What workers see, before the decider's thread has made events of it."""


class Background(Protocol):
    """Runs what may wait. Lanes are serial: one task at a time per lane, in order."""

    def submit(self, lane: str, task: Callable[[], on.Event | Observation | None]) -> None:
        """Run the task soon; what it returns, if anything, goes to the decider."""
        ...
