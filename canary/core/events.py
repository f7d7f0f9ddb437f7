"""What can happen to a release. Past tense, frozen, complete when made; nobody subclasses these.

`at` is always the time it happened, in seconds since the epoch on the API server's clock. `effect` is the id
of the effect that an event answers: an answer to an effect that is no longer pending is ignored. What people say
stands in `people`, and is named here like everything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Literal

from analysis.model import Judgement
from canary.core.outcome import ExitCode
from canary.core.people import (
    AbortRequested,
    GateDecided,
    GateTroubled,
    GateUnanswered,
    PauseRequested,
    PromoteRequested,
    ResumeRequested,
    Said,
    SkipRequested,
)

__all__ = [
    "AbortRequested",
    "CanaryAttached",
    "CanaryDetached",
    "CapacityChanged",
    "Direction",
    "EffectFailed",
    "Event",
    "Failure",
    "FenceLost",
    "FenceTaken",
    "GateDecided",
    "GateTroubled",
    "GateUnanswered",
    "LeaseRenewed",
    "LookMissed",
    "Looked",
    "PauseRequested",
    "PreflightFailed",
    "PreflightPassed",
    "PromoteRequested",
    "ResumeRequested",
    "Resumed",
    "RouteAccepted",
    "RouteChanged",
    "ShareWritten",
    "SkipRequested",
    "StableChanged",
    "StableReverted",
    "StableUpdated",
    "Started",
    "Ticked",
    "WorkloadFailed",
    "WorkloadReady",
    "WorkloadRemoved",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The engine began a release that nobody had begun before."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A new incarnation of the engine took the release over from its journal.

    Attributes:
        lost: why nobody goes on with it, where a watchdog took it over: it can only be finished, not judged.
        stable, canary: ready endpoints of each arm, counted just now; None where nobody could.
    """

    at: float
    incarnation: str
    lost: str = ""
    stable: int | None = None
    canary: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Time passed; deadlines, holds and retries are judged by it."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightPassed:
    """Everything that can be known before the first touch is as it should be.

    Attributes:
        warnings: what people should know and what does not stand in the way, one sentence or two each.
        first: there is no stable version, and the release file lets this one be it.
    """

    at: float
    effect: str
    warnings: tuple[str, ...] = ()
    first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightFailed:
    """Something is wrong, and nothing has been touched."""

    at: float
    effect: str
    code: ExitCode
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceTaken:
    """Our token stands on the route; what is read after this may be believed and raised."""

    at: float
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceLost:
    """Another engine's token stands on the route, or another process holds the lease."""

    at: float
    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadReady:
    """The canary's pods, Service and endpoints are there, ready and steady, at the size asked for.

    Attributes:
        baseline: ready endpoints of the fresh baseline; None where there is none.
    """

    at: float
    effect: str
    baseline: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadFailed:
    """The canary's workload will not become ready; the reason is the cluster's own.

    Attributes:
        baseline: it is the fresh baseline that will not, which says nothing of the new version.
    """

    at: float
    effect: str
    reason: str
    baseline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryAttached:
    """The canary's reference stands in each chosen rule with weight 0."""

    at: float
    effect: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareWritten:
    """The API server acknowledged the weights for a share.

    Attributes:
        alarms: where a lowering could not take the canary's traffic off, one sentence each.
    """

    at: float
    effect: str
    share: Decimal
    generation: int
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StableUpdated:
    """Stable's workload runs the new version, ready and steady, before traffic returns to it."""

    at: float
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StableReverted:
    """Stable's workload runs its old template again, ready and steady."""

    at: float
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryDetached:
    """Our reference and annotations are gone from the route.

    Attributes:
        kept: changes by others that survived, one sentence each; empty when the route equals the original.
        alarms: what could not be put back and needs a person, one sentence each.
    """

    at: float
    effect: str
    generation: int
    kept: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadRemoved:
    """The canary's Service and workload are gone."""

    at: float
    effect: str


class Failure(StrEnum):
    """Why an effect did not happen, as far as it matters for what to do next."""

    CONFLICT = "conflict"  # the object moved under us: read again and decide anew
    REFUSED = "refused"  # the server says no and will say no again (admission, permission, schema)
    UNAVAILABLE = "unavailable"  # no answer, or one that says try again later
    GONE = "gone"  # the object is not there any more
    BROKEN = "broken"  # a mistake of ours: it would fail again


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectFailed:
    """An effect did not happen (or nobody can tell), after the adapter's own bounded retries.

    Attributes:
        after: seconds for which the server asked to be left alone; 0 where it did not.
    """

    at: float
    effect: str
    failure: Failure
    message: str
    after: float = 0.0


class Direction(StrEnum):
    """Which way somebody else moved our route."""

    LOWERED = "lowered"
    RAISED = "raised"
    GONE = "gone"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteChanged:
    """Somebody else wrote to the route.

    Attributes:
        direction: which way the canary's share went; FOREIGN when it did not.
        confirmed: the change was seen again by a read of its own, made after the one that first showed it.
        by: the field manager that wrote last, as managedFields names it.
        sentence: what changed, in words.
    """

    at: float
    direction: Direction
    confirmed: bool
    by: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteAccepted:
    """Every parent that was good at preflight is good (or not) for a generation of the route."""

    at: float
    generation: int
    good: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StableChanged:
    """Somebody else changed stable's image, template, Service or size during the release."""

    at: float
    by: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityChanged:
    """Ready endpoints of both arms, as the EndpointSlices say.

    Attributes:
        stable, canary: how many are ready.
        trouble: why a pod of the canary will not become ready again; empty while each may.
        missing: why the canary's pods are not ready, where none is; empty when nobody knows.
        baseline: how many of the fresh baseline are ready; None where there is none.
    """

    at: float
    stable: int
    canary: int
    trouble: str = ""
    missing: str = ""
    baseline: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A look was taken: a reading with a new sample in it.

    Attributes:
        start, end: the sampling times between which the requests were counted.
        stable, canary: requests that finished on each arm during the look.
        judgement: the judge's word, only in phases in which looks count.
        unseen: why nothing of the canary was counted, where the source has no series of it at all.
    """

    at: float
    start: float
    end: float
    stable: int
    canary: int
    judgement: Judgement | None = None
    unseen: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookMissed:
    """A look was due and brought nothing new.

    Attributes:
        at: when, seconds since the epoch on the server's clock.
        reason: in words, whether the source, the scrape or the series failed.
        cause: the same for the policy: no series exist, the samples are old (or nobody looked), the source is down.
    """

    at: float
    reason: str
    cause: Literal["absent", "stale", "down"] = "stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRenewed:
    """The API server confirmed our lease."""

    at: float


Event = (
    Started
    | Resumed
    | Ticked
    | PreflightPassed
    | PreflightFailed
    | FenceTaken
    | FenceLost
    | WorkloadReady
    | WorkloadFailed
    | CanaryAttached
    | ShareWritten
    | StableUpdated
    | StableReverted
    | CanaryDetached
    | WorkloadRemoved
    | EffectFailed
    | RouteChanged
    | RouteAccepted
    | StableChanged
    | CapacityChanged
    | Looked
    | LookMissed
    | LeaseRenewed
    | Said
)
