"""All leases of engines, in one namespace or in the whole cluster: what a watchdog looks over."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from canary.adapters.kubernetes.api import Api
from canary.adapters.kubernetes.leases import COPY, HANDOVER, ROUTE, beat_of
from canary.adapters.kubernetes.paths import LEASE, MANAGED, named
from canary.adapters.kubernetes.watching import Changed, Follower, Listed, News
from canary.core.vigil import Sighting
from canary.ports import JsonObject, LeaseNews

SELECTOR = ",".join(f"{key}={value}" for key, value in MANAGED.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose lease it is.

    Attributes:
        namespace: of everything.
        kind, route: of the route; the route is empty where nothing says it.
        lease: the lease's name.
    """

    namespace: str
    kind: str
    route: str
    lease: str


class KubernetesFleets:
    """See `canary.ports.Fleets`. A key is `namespace/name` of a lease.

    Args:
        api: the API server.
        namespace: where to look; None for all namespaces.
    """

    def __init__(self, api: Api, *, namespace: str | None) -> None:
        self._api = api
        self._path = LEASE.everywhere() if namespace is None else LEASE.path(namespace)
        self._where = "all namespaces" if namespace is None else namespace
        self._places: dict[str, Place] = {}

    def read(self) -> tuple[Sighting, ...]:
        """See Fleets."""
        return self._all(self._list())

    def copies(self) -> dict[str, str]:
        """See Fleets."""
        notes = {_key(item): _mapping(_mapping(item.get("metadata")).get("annotations")) for item in self._list()}
        return {key: str(noted[COPY]) for key, noted in notes.items() if noted.get(COPY)}

    def _list(self) -> tuple[JsonObject, ...]:
        body = self._api.get(self._path, query={"labelSelector": SELECTOR}, doing=f"listing leases in {self._where}")
        items = body.get("items")
        return tuple(item for item in items if isinstance(item, dict)) if isinstance(items, list) else ()

    def ping(self) -> None:
        """See Fleets."""
        # No resourceVersion: the answer comes from etcd, as what renewals are written to, and not from a cache.
        query = {"labelSelector": SELECTOR, "limit": "1"}
        self._api.get(self._path, query=query, doing=f"reading leases in {self._where}")

    def watch(self, on_news: Callable[[LeaseNews], None], stop: threading.Event) -> None:
        """See Fleets."""

        def tell(news: News) -> None:
            match news:
                case Listed():
                    on_news(self._all(news.items))
                case Changed():
                    for one in self._all((news.item,)):
                        on_news(one)
                case _:
                    on_news(_key(news.item))

        doing = f"watching leases in {self._where}"
        Follower(self._api, self._path, selector={"labelSelector": SELECTOR}, doing=doing, on_news=tell).follow(stop)

    def place(self, key: str) -> Place:
        """Whose lease it is.

        Raises:
            KeyError: it was never seen.
        """
        return self._places[key]

    def _all(self, items: tuple[JsonObject, ...]) -> tuple[Sighting, ...]:
        found = []
        for item in items:
            metadata = _mapping(item.get("metadata"))
            notes, key = _mapping(metadata.get("annotations")), _key(item)
            spec = _mapping(item.get("spec"))
            sighting = Sighting(
                key=key,
                version=str(metadata.get("resourceVersion") or ""),
                holder=str(spec.get("holderIdentity") or ""),
                handover=HANDOVER in notes,
                beat=beat_of(spec, notes),
            )
            self._places[key] = _place(metadata, str(notes.get(ROUTE) or ""))
            found.append(sighting)
        return tuple(found)


def _place(metadata: JsonObject, noted: str) -> Place:
    """The lease says whose it is; one of an older engine is named after its route, unless that name was too long."""
    lease, namespace = str(metadata.get("name") or ""), str(metadata.get("namespace") or "")
    kind, _, route = noted.partition("/")
    if not route:
        kind, route = "HTTPRoute", lease.removeprefix("canary-")
    # A hashed name, or a note that somebody wrote: nothing is touched by it.
    return Place(namespace=namespace, kind=kind, route=route if named("canary", route) == lease else "", lease=lease)


def _key(item: JsonObject) -> str:
    metadata = _mapping(item.get("metadata"))
    return f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}"


def _mapping(value: object) -> JsonObject:
    return value if isinstance(value, dict) else {}
