"""A route in memory that behaves like one on an API server."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime

from canary.adapters.memory.patching import PatchFailed, apply, copied, merge
from canary.adapters.memory.world import World
from canary.ports import Conflict, JsonObject, NotFound, Operations, Refused

MANAGER = "canary-engine"


class MemoryRoutes:
    """See `canary.ports.Routes`.

    Versions move with every change and never without one, the generation with the spec only, and managedFields name
    who wrote last.

    Args:
        world: the world it stands in.
        route: the route at the beginning; None when there is none.

    Attributes:
        admission: looks at the object that a write would leave; a text refuses it, as a webhook would.
        on_write: called after every write of the engine, e.g. to play a gateway that answers in the status.
    """

    def __init__(self, world: World, route: JsonObject | None) -> None:
        self.admission: Callable[[JsonObject], str | None] = lambda _: None
        self.on_write: Callable[[], None] = lambda: None
        self._world = world
        self._route: JsonObject | None = None
        self._watchers: list[tuple[Callable[[JsonObject | None], None], threading.Event]] = []
        if route is not None:
            self.put(route, manager="owner")

    # The port ----------------------------------------------------------------------------------------------

    def read(self) -> JsonObject:
        """See Routes."""
        return self._world.perform("routes.read", self._copy)

    def patch(self, operations: Operations, *, dry_run: bool = False) -> JsonObject:
        """See Routes."""
        return self._write("routes.patch", lambda route: _patched(route, operations), dry_run=dry_run)

    def merge(self, body: JsonObject, *, dry_run: bool = False) -> JsonObject:
        """See Routes."""
        return self._write("routes.merge", lambda route: _merged(route, body), dry_run=dry_run)

    def watch(self, on_change: Callable[[JsonObject | None], None], stop: threading.Event) -> None:
        """See Routes; returns at once, and every write from now on calls back before it returns."""
        self._world.perform("routes.watch", lambda: self._watchers.append((on_change, stop)))
        on_change(copied(self._route))

    # Everybody else ----------------------------------------------------------------------------------------

    @property
    def current(self) -> JsonObject | None:
        """The route as it is, without a call being made."""
        return None if self._route is None else self._copy()

    def put(self, route: JsonObject, *, manager: str) -> None:
        """Somebody else replaces the whole route, or makes it."""
        self._store(copied(route), manager)

    def edit(self, change: Callable[[JsonObject], None], *, manager: str) -> None:
        """Somebody else changes the route in place.

        Raises:
            NotFound: it is not there.
        """
        route = self._copy()
        change(route)
        self._store(route, manager)

    def delete(self) -> None:
        """Somebody else deletes the route."""
        self._route = None
        self._tell()

    # -------------------------------------------------------------------------------------------------------

    def _copy(self) -> JsonObject:
        if self._route is None:
            raise NotFound("reading the route: it is not there (HTTP 404)")
        result: JsonObject = copied(self._route)
        return result

    def _write(self, call: str, change: Callable[[JsonObject], JsonObject], *, dry_run: bool) -> JsonObject:
        def act() -> JsonObject:
            before = self._copy()
            after = change(copied(before))
            refusal = self.admission(copied(after))
            if refusal:
                raise Refused(f"patching the route: {refusal} (HTTP 403)", status=403)
            if dry_run:
                return _advanced(after, before)
            self._store(after, MANAGER)
            result = self._copy()
            self.on_write()
            return result

        return self._world.perform(call + ".dry" if dry_run else call, act)

    def _store(self, route: JsonObject, manager: str) -> None:
        if self._route is not None and _same(route, self._route):
            return
        route = _advanced(route, self._route)
        metadata = route["metadata"]
        metadata.setdefault("uid", f"uid-{self._world.version()}")
        metadata["resourceVersion"] = self._world.version()
        part = _part(route, self._route)
        others = [entry for entry in metadata.get("managedFields", []) if _author(entry) != (manager, part)]
        time = datetime.fromtimestamp(self._world.clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        entry = {"manager": manager, "operation": "Update", "time": time}
        metadata["managedFields"] = [*others, {**entry, "subresource": part} if part else entry]
        self._route = route
        self._tell()

    def _tell(self) -> None:
        self._watchers = [entry for entry in self._watchers if not entry[1].is_set()]
        for on_change, _ in tuple(self._watchers):
            on_change(copied(self._route))


def _patched(route: JsonObject, operations: Operations) -> JsonObject:
    try:
        result: JsonObject = apply(route, operations)
    except PatchFailed as error:
        raise Conflict(f"patching the route: {error} (HTTP 422)") from error
    return result


def _merged(route: JsonObject, body: JsonObject) -> JsonObject:
    wanted = body.get("metadata", {}).get("resourceVersion")
    if wanted is not None and wanted != route["metadata"]["resourceVersion"]:
        raise Conflict("patching the route: the object has been modified (HTTP 409)")
    result: JsonObject = merge(route, body)
    return result


def _same(one: JsonObject, other: JsonObject) -> bool:
    return _bare(one) == _bare(other)


def _part(route: JsonObject, before: JsonObject | None) -> str:
    """The subresource that a write went to: status when nothing else changed."""
    if before is None:
        return ""
    one, other = _bare(route), _bare(before)
    return "status" if {**one, "status": None} == {**other, "status": None} else ""


def _author(entry: JsonObject) -> tuple[str, str]:
    return entry.get("manager", ""), entry.get("subresource", "")


def _bare(route: JsonObject) -> JsonObject:
    """Without what the server itself writes."""
    metadata = {
        key: value
        for key, value in route.get("metadata", {}).items()
        if key not in {"resourceVersion", "generation", "managedFields", "uid"}
    }
    return {**route, "metadata": metadata}


def _advanced(route: JsonObject, before: JsonObject | None) -> JsonObject:
    """With the generation that it gets."""
    metadata = {**route.get("metadata", {})}
    if before is None:
        metadata["generation"] = 1
    else:
        old = before["metadata"]
        metadata["generation"] = old["generation"] + (route.get("spec") != before.get("spec"))
        metadata["uid"], metadata["resourceVersion"] = old["uid"], old["resourceVersion"]
        metadata["managedFields"] = old["managedFields"]
    return {**route, "metadata": metadata}
