"""The release's route on the API server."""

from __future__ import annotations

import threading
from collections.abc import Callable

from canary.adapters.kubernetes.api import JSON_PATCH, MERGE_PATCH, Api
from canary.adapters.kubernetes.paths import ROUTE_KINDS
from canary.adapters.kubernetes.watching import Changed, Deleted, Follower, Listed, News
from canary.ports import JsonObject, Operations


class KubernetesRoutes:
    """One route; see `canary.ports.Routes`.

    Args:
        api: the API server.
        namespace, name: of the route.
        kind: HTTPRoute or GRPCRoute.

    Attributes:
        name, kind: of the route.
    """

    def __init__(self, api: Api, *, namespace: str, name: str, kind: str = "HTTPRoute") -> None:
        self.name, self.kind = name, kind
        self._api = api
        self._collection = ROUTE_KINDS[kind].path(namespace)
        self._path = ROUTE_KINDS[kind].path(namespace, name)
        self._what = f"{kind} {namespace}/{name}"

    def read(self) -> JsonObject:
        """See Routes."""
        return self._api.get(self._path, doing=f"reading {self._what}")

    def patch(self, operations: Operations, *, dry_run: bool = False) -> JsonObject:
        """See Routes."""
        body = [dict(operation) for operation in operations]
        return self._api.patch(
            self._path, body, content_type=JSON_PATCH, doing=f"patching {self._what}", dry_run=dry_run
        )

    def merge(self, body: JsonObject, *, dry_run: bool = False) -> JsonObject:
        """See Routes."""
        return self._api.patch(
            self._path, body, content_type=MERGE_PATCH, doing=f"patching {self._what}", dry_run=dry_run
        )

    def watch(self, on_change: Callable[[JsonObject | None], None], stop: threading.Event) -> None:
        """See Routes."""
        follower = Follower(
            self._api,
            self._collection,
            selector={"fieldSelector": f"metadata.name={self.name}"},
            doing=f"watching {self._what}",
            on_news=_Once(on_change),
        )
        follower.follow(stop)


class _Once:
    """Calls back with each version once: a list that is read anew repeats what was seen."""

    def __init__(self, on_change: Callable[[JsonObject | None], None]) -> None:
        self._on_change = on_change
        self._seen: object = None

    def __call__(self, news: News) -> None:
        match news:
            case Listed(items=items):
                route = items[0] if items else None
            case Changed(item=item):
                route = item
            case Deleted():
                route = None
        version = (route or {}).get("metadata", {}).get("resourceVersion") if route else "gone"
        if version is None or version != self._seen:
            self._seen = version
            self._on_change(route)
