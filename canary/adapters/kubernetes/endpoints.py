"""Ready endpoints of both arms, followed through their EndpointSlices."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from canary.adapters.kubernetes.objects import understood
from canary.adapters.kubernetes.rollout import ready_endpoints
from canary.adapters.kubernetes.watching import Changed, Deleted, Listed, News
from canary.ports import Endpoints, JsonObject, Refused

SERVICE_NAME = "kubernetes.io/service-name"
"""Label of an EndpointSlice: whose endpoints it holds."""


class Counting:
    """Keeps the EndpointSlices of both arms and tells how many endpoints are ready, whenever that changes.

    A slice that does not have its shape counts for nothing; the watch goes on. Services are given by their names; the
    baseline's is empty where there is none.
    """

    def __init__(self, stable: str, canary: str, on_change: Callable[[Endpoints], None], *, baseline: str = "") -> None:
        self._stable, self._canary, self._baseline, self._on_change = stable, canary, baseline, on_change
        self._slices: dict[str, tuple[str, JsonObject]] = {}
        self._told: Endpoints | None = None

    def __call__(self, news: News) -> None:
        """Take what the watch shows."""
        match news:
            case Listed(items=items):
                self._slices = _known(items)
            case Changed(item=item):
                self._slices |= _known((item,))
            case Deleted(item=item):
                for name in _known((item,)):
                    self._slices.pop(name, None)
        fresh = self._ready(self._baseline) if self._baseline else None
        seen = Endpoints(stable=self._ready(self._stable), canary=self._ready(self._canary), baseline=fresh)
        if seen != self._told:
            self._told = seen
            self._on_change(seen)

    def _ready(self, service: str) -> int:
        return ready_endpoints(item for owner, item in self._slices.values() if owner == service)


def _known(items: Iterable[JsonObject]) -> dict[str, tuple[str, JsonObject]]:
    """Slices by name, each with the Service that it belongs to."""
    found = {}
    for item in items:
        try:
            with understood("an EndpointSlice"):
                ready_endpoints([item])
                found[item["metadata"]["name"]] = item["metadata"]["labels"][SERVICE_NAME], item
        except Refused:
            continue
    return found
