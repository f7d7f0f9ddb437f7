"""What the engine needs from the world, as Protocols; each has a real adapter and an in-memory one.

One contract suite (`tests/adapters`) runs on both. Adapters translate and never decide: an `if` about the
release in an adapter belongs in the machine. Every call is bounded in time by the adapter; every failure is a
`PortError` of one of four kinds, with the server's own words in it and never a credential.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from analysis.model import Judgement
from analysis.sources import Reading
from canary.core.outcome import ExitCode
from canary.core.vigil import Sighting

JsonObject = dict[str, Any]
"""A Kubernetes object as the API server sends it."""

Operations = Sequence[Mapping[str, Any]]
"""A JSON Patch (RFC 6902)."""


class PortError(Exception):
    """The world did not do what was asked. Only its four children are raised."""


class Conflict(PortError):
    """The object moved under us: 409, 412, or a JSON Patch `test` that failed (422). Read again and decide anew."""


class Refused(PortError):
    """The server says no and will say no again: permission, admission, schema (401, 403, 400, other 422)."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class NotFound(PortError):
    """The object is not there (404, 410 on a get)."""


class Unavailable(PortError):
    """No answer in time, a broken connection, 429 or 5xx; whether a write was done is not known."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Clock(Protocol):
    """Time. `now` never jumps with the wall clock: it is the server's time at the start plus monotonic time since."""

    def now(self) -> float:
        """Seconds since the epoch on the API server's clock."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary moment; for durations inside one process."""
        ...


class Routes(Protocol):
    """The one route of the release."""

    def read(self) -> JsonObject:
        """The route as it is now (a consistent read, not a cache)."""
        ...

    def patch(self, operations: Operations, *, dry_run: bool = False) -> JsonObject:
        """Apply a JSON Patch and return the route as acknowledged.

        Raises:
            Conflict: a `test` failed or the object moved.
            Refused, NotFound, Unavailable: as their names say.
        """
        ...

    def merge(self, body: JsonObject, *, dry_run: bool = False) -> JsonObject:
        """Apply a JSON Merge Patch (RFC 7386); a `metadata.resourceVersion` in it makes it conditional."""
        ...

    def watch(self, on_change: Callable[[JsonObject | None], None], stop: threading.Event) -> None:
        """Call back with every version of the route seen from now on, None when it was deleted, until `stop`.

        Blocks; survives broken connections and expired versions by reading anew. The first call back is the
        route as it is when the watch begins.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseView:
    """The lease as the server has it.

    Attributes:
        holder: who holds it; empty when nobody does.
        ours: the caller holds it.
        version: changes with every write by anybody.
        origin: where the holder says that it runs, for witnesses of its death; empty when it says nothing.
        beat: changes with every sign of life, and not with a watchdog's mark; by default the version.
    """

    holder: str
    ours: bool
    version: str
    origin: str = ""
    beat: str = ""

    @property
    def sign(self) -> str:
        """What says that a holder is alive, by changing."""
        return self.beat or self.version


class Leases(Protocol):
    """The lease that says which engine is alive; it promises nothing (the token on the route does)."""

    def acquire(self, holder: str, *, steal: str | None = None) -> LeaseView:
        """Take the lease when nobody holds it, or when it still has the version `steal` (its holder is dead).

        Returns:
            The lease as it is afterwards; look at `ours`.
        """
        ...

    def renew(self, holder: str) -> LeaseView:
        """Confirm that we live. When somebody else holds the lease, nothing is written and `ours` is False."""
        ...

    def mark(self, version: str) -> str:
        """Note on it, whoever holds it, that nothing was heard of its holder; nothing else changes.

        Returns:
            Its version afterwards.

        Raises:
            Conflict: it has another version by now.
        """
        ...

    def release(self, holder: str, *, handover: bool = False) -> None:
        """Give it back if it is ours; with `handover` marked to be taken at once by a replacement."""
        ...


LeaseNews = tuple[Sighting, ...] | Sighting | str
"""What a watch shows: all leases, one that was made or changed, or the key of one that is gone."""


class Fleets(Protocol):
    """All leases of engines that one may see, for a watchdog."""

    def read(self) -> tuple[Sighting, ...]:
        """Every lease as it is now (a consistent read, not a cache)."""
        ...

    def ping(self) -> None:
        """A consistent read that shows nothing, at little cost: it raises where `read` would."""
        ...

    def watch(self, on_news: Callable[[LeaseNews], None], stop: threading.Event) -> None:
        """Call back with what is there and with every change from now on, until `stop`; survives broken connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A journal as stored: its text, and the version to save over it."""

    text: str
    version: str


class Journals(Protocol):
    """The release's journal: one small document, replaced by compare-and-swap."""

    def load(self) -> Stored | None:
        """The journal as it is; None when there is none."""
        ...

    def save(self, text: str, *, version: str | None) -> str:
        """Replace the version given (None: create) and return the new version.

        Raises:
            Conflict: somebody else wrote it since.
        """
        ...


class Gates(Protocol):
    """The one object per route in which people decide; what stands in it means what `canary.core.gates` says."""

    def read(self) -> JsonObject | None:
        """The object as it is now; None when there is none."""
        ...

    def create(self, values: Mapping[str, str]) -> JsonObject:
        """Make it, where nobody installed it.

        Raises:
            Conflict: it is there by now.
        """
        ...

    def patch(self, operations: Operations) -> JsonObject:
        """Apply a JSON Patch and return the object as acknowledged.

        Raises:
            Conflict: a `test` failed or the object moved.
            Refused, NotFound, Unavailable: as their names say.
        """
        ...

    def pinned(self) -> bool:
        """Whether the API server itself makes sure that nobody decides under another's name (an admission policy)."""
        ...

    def watch(self, on_change: Callable[[], None], stop: threading.Event) -> None:
        """Call back at the start and after every change of it, until `stop`; survives broken connections."""
        ...


class Records(Protocol):
    """The release's record: numbered, immutable chunks."""

    def append(self, index: int, chunk: bytes) -> None:
        """Store chunk number `index`; storing the same bytes again under the same number is harmless.

        Raises:
            Conflict: other bytes stand under this number.
        """
        ...

    def read(self) -> list[bytes]:
        """All chunks, in order."""
        ...


class WorkloadFailure(PortError):
    """The workload will not get there; the message is the cluster's own reason (crash loop, image pull, ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Ready endpoints of each arm.

    Attributes:
        stable, canary: how many are ready.
        trouble: why a pod of the canary will not become ready again, such as a crash loop, in the cluster's words.
        missing: why the canary's pods are not ready, where none is.
    """

    stable: int
    canary: int
    trouble: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What of the fence stands on stable's workload.

    Attributes:
        token: `<release uid>/<incarnation>`; empty when none stands there.
        version: of the object that it was read from.
    """

    token: str
    version: str


class Workloads(Protocol):
    """The canary's Deployment and Service, and stable's Deployment at promotion. Calls block; workers make them.

    Only `mark` and `put_mark` are made by the decider itself: the fence is a critical write.
    """

    def ready(self) -> Endpoints:
        """Ready endpoints of both arms now."""
        ...

    def mark(self) -> Mark:
        """The token on stable's workload as it is now.

        Raises:
            NotFound: stable's workload is not there.
        """
        ...

    def put_mark(self, token: str, *, over: Mark) -> None:
        """Put a token onto stable's workload in place of the one that was read.

        Raises:
            Conflict: another one stands there by now; or, where none stood, the object was written since.
        """
        ...

    def provision(self, *, share: Decimal) -> Endpoints:
        """Make or grow the canary's workload and Service until its endpoints are ready and steady.

        Args:
            share: percent of the pool it must be able to carry; 100 means as many replicas as stable.

        Raises:
            WorkloadFailure: it will not become ready, with the reason.
        """
        ...

    def update_stable(self, *, token: str) -> None:
        """Give stable the new image, testing the token and the image it replaces; return when it is ready and steady.

        Where somebody else does it (`promote.by: hook`), nothing is written: return when they did.

        Raises:
            Conflict: the token does not stand there (any more).
        """
        ...

    def revert_stable(self) -> None:
        """Give stable its old template back; return when it is ready and steady.

        Raises:
            Conflict: no token of this release stands there; whoever held it has ended, or it was taken off.
        """
        ...

    def remove(self) -> None:
        """Delete the Service, then the workload that carry this release's label, and take its token off stable.

        What has another uid by the time it is deleted is left alone; already gone is done.
        """
        ...

    def cancel(self) -> None:
        """Make a call that blocks return soon (with WorkloadFailure "cancelled"); later calls are not affected."""
        ...

    def watch(self, on_change: Callable[[Endpoints], None], stop: threading.Event) -> None:
        """Call back with the ready endpoints of both arms, at the start and after every change, until `stop`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that preflight found.

    Attributes:
        what: what is wrong, in one sentence.
        fix: what to do about it.
        code: the exit code it leads to; None for a warning.
    """

    what: str
    fix: str
    code: ExitCode | None = ExitCode.PREFLIGHT_FAILED


class Preflights(Protocol):
    """Everything that can be known before the first touch."""

    def check(self) -> list[Problem]:
        """Look at everything and touch nothing; an empty list means that the release may begin."""
        ...


class Sources(Protocol):
    """Where counters are read."""

    def read(self, *, timeout: float) -> Reading:
        """One reading of every series needed; a source that is down is a Reading with a problem, not an error."""
        ...


class Pasts(Protocol):
    """Where stable's recorded past is read, by sources that keep one."""

    def recent(self, *, seconds: float, timeout: float) -> Reading:
        """Stable's raw samples of the last `seconds`, or as many of the newest as can be read in `timeout` seconds.

        What is down is a Reading with a problem, not an error.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What the release is doing, for people: one of these at every change and every look.

    Attributes:
        at: seconds since the epoch on the server's clock.
        phase, stage: where it stands, DESIGN's words.
        step, steps: index of the step (-1 before the first; `steps` for the bake) and how many there are.
        share_wanted, share_seen: percent of the pool; seen is None before any request was counted in this step.
        entered: when the phase was entered.
        hold_min, hold_max: of the current step, seconds; None outside of one.
        stable_requests, canary_requests: counted since the canary's reference was attached.
        route_bad: bad requests that the route itself counted since then (they include those that reached no arm).
        message: one line about what changed; empty for a mere look.
        reason: CamelCase word for machines; empty for a mere look.
        alarm: a person must act.
        judgement: the newest, if looks count now.
        weights: the route's weights as last acknowledged, as "rule: backend=weight ..." lines.
        waits: for whom it waits, until when and how to answer, while it stands at a gate or is paused; else empty.
        code: the exit code, with the last Progress only.
    """

    at: float
    phase: str
    stage: str
    step: int
    steps: int
    share_wanted: Decimal
    share_seen: Decimal | None
    entered: float
    hold_min: float | None = None
    hold_max: float | None = None
    stable_requests: int = 0
    canary_requests: int = 0
    route_bad: int | None = None
    message: str = ""
    reason: str = ""
    alarm: bool = False
    judgement: Judgement | None = None
    weights: tuple[str, ...] = field(default=())
    waits: str = ""
    code: ExitCode | None = None


class Reporters(Protocol):
    """Whoever wants to know: the terminal, the log, Kubernetes Events. Must not block; may drop mere looks."""

    def tell(self, progress: Progress) -> None:
        """Show or send it."""
        ...
