"""The route's side: the one object whose weights move traffic."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

JsonObject = dict[str, Any]
"""A Kubernetes object as the API server sends it."""

Operations = Sequence[Mapping[str, Any]]
"""A JSON Patch (RFC 6902)."""


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
