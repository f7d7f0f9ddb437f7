"""Lease, journal, gate and record in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from canary.adapters.memory.patching import PatchFailed, apply, copied
from canary.adapters.memory.world import World
from canary.core.vigil import Sighting
from canary.ports import Conflict, JsonObject, LeaseNews, LeaseView, NotFound, Operations, Refused, Stored

JOURNAL_LIMIT = 32 * 1024
CHUNK_LIMIT = 256 * 1024


class MemoryLeases:
    """See `canary.ports.Leases`.

    Attributes:
        holder: who holds it.
        handover: it was given back to be taken at once.
        renewed: when it was last written, on the world's clock.
        origin: where the holder runs, as whoever took it said.
        version: changes with every write; empty while there is no lease.
        beat: changes with every write but a mark.
        copy: of the journal.
        on_write: called after every write.
    """

    def __init__(self, world: World, *, origin: str = "") -> None:
        self.holder, self.handover, self.renewed, self.origin = "", False, 0.0, origin
        self.version = self.beat = self.copy = ""
        self.on_write: list[Callable[[], None]] = []
        self._world = world

    def acquire(self, holder: str, *, steal: str | None = None) -> LeaseView:
        """See Leases."""

        def act() -> LeaseView:
            if self.holder in {"", holder} or (self.version == steal):
                self._write(holder)
            return self._view(holder)

        return self._world.perform("leases.acquire", act)

    def renew(self, holder: str) -> LeaseView:
        """See Leases."""

        def act() -> LeaseView:
            if not self.version:
                raise NotFound("writing the lease: it is not there (HTTP 404)")
            if self.holder == holder:
                self._write(holder)
            return self._view(holder)

        return self._world.perform("leases.renew", act)

    def keep(self, holder: str, copy: str, *, over: str) -> LeaseView:
        """See Leases."""

        def act() -> LeaseView:
            if not self.version:
                raise NotFound("writing the lease: it is not there (HTTP 404)")
            if self.holder == holder and self.copy == over:
                self.copy = copy
                self._write(holder)
            return self._view(holder)

        return self._world.perform("leases.keep", act)

    def copied(self) -> str:
        """See Leases."""

        def act() -> str:
            if not self.version:
                raise NotFound("reading the lease: it is not there (HTTP 404)")
            return self.copy

        return self._world.perform("leases.copied", act)

    def mark(self, version: str) -> str:
        """See Leases."""

        def act() -> str:
            if self.version != version:
                raise Conflict("marking the lease: it was written since (HTTP 409)")
            self.version = self._world.version()
            for tell in self.on_write:
                tell()
            return self.version

        return self._world.perform("leases.mark", act)

    def release(self, holder: str, *, handover: bool = False) -> None:
        """See Leases."""

        def act() -> None:
            if self.holder == holder and self.version:
                self._write("", handover=handover)

        self._world.perform("leases.release", act)

    def seize(self, holder: str) -> None:
        """Somebody else takes it, whoever holds it."""
        self._write(holder)

    def _write(self, holder: str, *, handover: bool = False) -> None:
        self.holder, self.handover = holder, handover
        self.renewed, self.version = self._world.clock.now(), self._world.version()
        self.beat = self.version
        for tell in self.on_write:
            tell()

    def _view(self, holder: str) -> LeaseView:
        ours = self.holder == holder
        return LeaseView(
            holder=self.holder, ours=ours, version=self.version, origin=self.origin, beat=self.beat, copy=self.copy
        )


class MemoryFleets:
    """See `canary.ports.Fleets`.

    Attributes:
        leases: those that there are, by key.
    """

    def __init__(self, world: World) -> None:
        self.leases: dict[str, MemoryLeases] = {}
        self._world = world
        self._watchers: list[tuple[Callable[[LeaseNews], None], threading.Event]] = []

    def add(self, key: str, leases: MemoryLeases) -> None:
        """One more lease that a watchdog may see."""
        self.leases[key] = leases
        leases.on_write.append(lambda: self._tell(self._sighting(key)))

    def read(self) -> tuple[Sighting, ...]:
        """See Fleets."""
        return self._world.perform("fleets.read", self._all)

    def copies(self) -> dict[str, str]:
        """See Fleets."""
        return self._world.perform(
            "fleets.copies", lambda: {key: one.copy for key, one in self.leases.items() if one.copy}
        )

    def ping(self) -> None:
        """See Fleets."""
        self._world.perform("fleets.ping", lambda: None)

    def watch(self, on_news: Callable[[LeaseNews], None], stop: threading.Event) -> None:
        """See Fleets; returns at once, and every write from now on calls back before it returns."""
        self._world.perform("fleets.watch", lambda: self._watchers.append((on_news, stop)))
        on_news(self._all())

    def _all(self) -> tuple[Sighting, ...]:
        return tuple(self._sighting(key) for key, one in self.leases.items() if one.version)

    def _sighting(self, key: str) -> Sighting:
        one = self.leases[key]
        return Sighting(key=key, version=one.version, holder=one.holder, handover=one.handover, beat=one.beat)

    def _tell(self, sighting: Sighting) -> None:
        self._watchers = [entry for entry in self._watchers if not entry[1].is_set()]
        for on_news, _ in tuple(self._watchers):
            on_news(sighting)


class MemoryJournals:
    """See `canary.ports.Journals`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stored: Stored | None = None

    @property
    def stored(self) -> Stored | None:
        """The journal as it is, without a call being made."""
        return self._stored

    def load(self) -> Stored | None:
        """See Journals."""
        return self._world.perform("journals.load", lambda: self._stored)

    def save(self, text: str, *, version: str | None) -> str:
        """See Journals."""

        def act() -> str:
            if len(text.encode()) > JOURNAL_LIMIT:
                raise Refused(f"the journal would be more than {JOURNAL_LIMIT} bytes; fewer metrics or rules")
            if version is not None and self._stored is None:
                raise NotFound("writing the journal: it is not there (HTTP 404)")
            if version != (self._stored.version if self._stored else None):
                raise Conflict("writing the journal: the object has been modified (HTTP 409)")
            return self.overwrite(text)

        return self._world.perform("journals.save", act)

    def overwrite(self, text: str) -> str:
        """Somebody else writes it; returns the new version."""
        self._stored = Stored(text=text, version=self._world.version())
        return self._stored.version

    def delete(self) -> None:
        """Somebody else deletes it."""
        self._stored = None


class MemoryGates:
    """See `canary.ports.Gates`.

    Attributes:
        pins: the API server makes sure who decides.
    """

    def __init__(self, world: World) -> None:
        self.pins = False
        self._world = world
        self._object: JsonObject | None = None
        self._watchers: list[tuple[Callable[[], None], threading.Event]] = []

    def read(self) -> JsonObject | None:
        """See Gates."""
        return self._world.perform("gates.read", lambda: self.current)

    @property
    def current(self) -> JsonObject | None:
        """The object as it is, without a call being made."""
        found: JsonObject | None = copied(self._object)
        return found

    def create(self, values: Mapping[str, str]) -> JsonObject:
        """See Gates."""

        def act() -> JsonObject:
            if self._object is not None:
                raise Conflict("creating the gate: it is there (HTTP 409)")
            return self.put({"metadata": {"name": "gate"}, "data": dict(values)})

        return self._world.perform("gates.create", act)

    def patch(self, operations: Operations) -> JsonObject:
        """See Gates."""

        def act() -> JsonObject:
            if self._object is None:
                raise NotFound("writing the gate: it is not there (HTTP 404)")
            try:
                return self.put(apply(self._object, operations))
            except PatchFailed as error:
                raise Conflict(f"writing the gate: {error} (HTTP 422)") from error

        return self._world.perform("gates.patch", act)

    def pinned(self) -> bool:
        """See Gates."""

        def act() -> bool:
            if self._object is None:
                raise NotFound("asking who may decide: the gate is not there (HTTP 404)")
            return self.pins

        return self._world.perform("gates.pinned", act)

    def watch(self, on_change: Callable[[], None], stop: threading.Event) -> None:
        """See Gates; returns at once, and every write from now on calls back before it returns."""
        self._world.perform("gates.watch", lambda: self._watchers.append((on_change, stop)))
        on_change()

    def put(self, body: JsonObject) -> JsonObject:
        """Somebody writes it, whatever stands there."""
        metadata = {**body["metadata"], "resourceVersion": self._world.version()}
        self._object = copied({**body, "metadata": metadata})
        found: JsonObject = copied(self._object)
        self._watchers = [entry for entry in self._watchers if not entry[1].is_set()]
        for on_change, _ in tuple(self._watchers):
            on_change()
        return found


class MemoryRecords:
    """See `canary.ports.Records`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chunks: dict[int, bytes] = {}

    def append(self, index: int, chunk: bytes) -> None:
        """See Records."""

        def act() -> None:
            if len(chunk) > CHUNK_LIMIT:
                raise Refused(f"chunk {index} would be more than {CHUNK_LIMIT} bytes")
            if self._chunks.setdefault(index, chunk) != chunk:
                raise Conflict(f"storing chunk {index}: other bytes stand there (HTTP 409)")

        self._world.perform("records.append", act)

    def read(self) -> list[bytes]:
        """See Records."""
        return self._world.perform("records.read", lambda: [self._chunks[index] for index in sorted(self._chunks)])
