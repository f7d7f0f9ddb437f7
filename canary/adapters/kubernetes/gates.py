"""The object in which people decide, a ConfigMap with a fixed name: RBAC on that name is the list of approvers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from canary.adapters.kubernetes.api import JSON_PATCH, Api
from canary.adapters.kubernetes.paths import CONFIG_MAP, MANAGED, PART_LABEL, named
from canary.adapters.kubernetes.watching import Follower
from canary.ports import JsonObject, NotFound, Operations, Refused

SOMEBODY_ELSE = "canary-engine.io/somebody-else"
"""A user name that nobody has."""

DECIDER = "decidedBy"
"""The entry with the name; the chart's admission policy has it in its message."""


def gate_name(route: str) -> str:
    """Name of the ConfigMap of a route."""
    return named("canary", route, "gate")


class KubernetesGates:
    """One route's; see `canary.ports.Gates`.

    Args:
        api: the API server.
        namespace, route: of the route.
    """

    def __init__(self, api: Api, *, namespace: str, route: str) -> None:
        self._api, self._name = api, gate_name(route)
        self._collection, self._path = CONFIG_MAP.path(namespace), CONFIG_MAP.path(namespace, self._name)
        self._metadata = {"name": self._name, "namespace": namespace, "labels": {**MANAGED, PART_LABEL: "gate"}}
        self._what = f"the gate (ConfigMap {namespace}/{self._name})"

    def read(self) -> JsonObject | None:
        """See Gates."""
        try:
            return self._api.get(self._path, doing=f"reading {self._what}")
        except NotFound:
            return None

    def create(self, values: Mapping[str, str]) -> JsonObject:
        """See Gates."""
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": self._metadata, "data": dict(values)}
        return self._api.create(self._collection, body, doing=f"creating {self._what}")

    def patch(self, operations: Operations) -> JsonObject:
        """See Gates."""
        body = [dict(operation) for operation in operations]
        return self._api.patch(self._path, body, content_type=JSON_PATCH, doing=f"writing {self._what}")

    def pinned(self) -> bool:
        """See Gates: a rehearsed decision under a name that is not ours is refused because of that name."""
        rehearsed = [{"op": "add", "path": f"/data/{DECIDER}", "value": SOMEBODY_ELSE}]
        doing = f"asking who may decide in {self._what}"
        try:
            self._api.patch(self._path, rehearsed, content_type=JSON_PATCH, doing=doing, dry_run=True)
        except Refused as error:
            return DECIDER in str(error)  # else it is refused for another reason, and proves nothing
        return False

    def watch(self, on_change: Callable[[], None], stop: threading.Event) -> None:
        """See Gates."""
        follower = Follower(
            self._api,
            self._collection,
            selector={"fieldSelector": f"metadata.name={self._name}"},
            doing=f"watching {self._what}",
            on_news=lambda _: on_change(),
        )
        follower.follow(stop)
