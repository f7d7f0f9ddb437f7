"""The workload's side: the canary's pods and Service, and stable's Deployment at promotion."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Ready endpoints of each arm.

    Attributes:
        stable, canary: how many are ready.
        trouble: why a pod of the canary will not become ready again, such as a crash loop, in the cluster's words.
        missing: why the canary's pods are not ready, where none is.
        baseline: ready endpoints of the fresh baseline; None where there is none.
    """

    stable: int
    canary: int
    trouble: str = ""
    missing: str = ""
    baseline: int | None = None


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

    Whatever returns when endpoints are ready may let traffic follow at once: where the API server was away in the last
    minute it returns when that minute is over, because a gateway may have missed the endpoints as well.

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
        """Make or grow the canary's workload and Service, and a baseline's, until endpoints are ready and steady.

        Args:
            share: percent of the pool it must be able to carry; 100 means as many replicas as stable.

        Raises:
            BaselineFailure: the baseline will not become ready, with the reason.
            WorkloadFailure: it will not become ready, with the reason.
        """
        ...

    def deploy(self) -> Endpoints:
        """Make stable's workload where there is none, and wait until its endpoints are ready and steady.

        It is this release's, like the canary, until `remove(keep=True)` lets go of it.

        Raises:
            WorkloadFailure: it will not become ready, or somebody else made it, with the reason.
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

    def remove(self, *, keep: bool = False) -> None:
        """Delete the Service, then the workload that carry this release's label, and take its token off stable.

        What has another uid by the time it is deleted is left alone; already gone is done.

        Args:
            keep: let go of what `deploy` made, before anything is deleted.
        """
        ...

    def cancel(self) -> None:
        """Make a call that blocks return soon (with WorkloadFailure "cancelled"); later calls are not affected."""
        ...

    def watch(self, on_change: Callable[[Endpoints], None], stop: threading.Event) -> None:
        """Call back with the ready endpoints of both arms, at the start and after every change, until `stop`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An object that a release made and that carries its label.

    Attributes:
        what: it, for people, such as `Deployment shop/web-canary`.
        namespace: where it is.
        release: the release's uid.
        created: when it was made, seconds since the epoch on the server's clock.
        ref: which object it is, and as it was seen; the adapter's own.
    """

    what: str
    namespace: str
    release: str
    created: float
    ref: tuple[str, ...]


class Leftovers(Protocol):
    """What releases made and have not taken away, wherever a watchdog may look."""

    def made(self) -> tuple[Made, ...]:
        """Everything that an engine made and that carries a release's label now (a consistent read, not a cache)."""
        ...

    def remove(self, made: Made) -> None:
        """Delete it, as long as nobody has written it since it was seen.

        Raises:
            Conflict: somebody has, or another object has its name.
            NotFound: it is gone.
        """
        ...
