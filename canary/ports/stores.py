"""What outlives a process: the lease, the journal, the record, and the object in which people decide."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from canary.core.vigil import Sighting
from canary.ports.route import JsonObject, Operations


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseView:
    """The lease as the server has it.

    Attributes:
        holder: who holds it; empty when nobody does.
        ours: the caller holds it.
        version: changes with every write by anybody.
        origin: where the holder says that it runs, for witnesses of its death; empty when it says nothing.
        beat: changes with every sign of life, and not with a watchdog's mark; by default the version.
        copy: of the journal, as `keep` put it there; empty when none was.
    """

    holder: str
    ours: bool
    version: str
    origin: str = ""
    beat: str = ""
    copy: str = ""

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

    def keep(self, holder: str, copy: str, *, over: str) -> LeaseView:
        """Renew it, and put a copy of the journal there in place of the one that is known; it stays, whoever holds it.

        Returns:
            The lease as it is afterwards. Where somebody else holds it, or another copy stands there (one that was
            sent and not answered), nothing is written: look at `ours` and `copy`.

        Raises:
            NotFound: there is no lease.
        """
        ...

    def copied(self) -> str:
        """The copy of the journal that stands there, whoever holds the lease; empty when there is none.

        Raises:
            NotFound: there is no lease.
        """
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

    def copies(self) -> Mapping[str, str]:
        """The copy of its journal that each lease carries, by the lease's key `namespace/name` (a consistent read)."""
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
