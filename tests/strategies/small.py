"""A release on a small route, cut by cut."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

from strategies import Pool, RefId, attach, choose, detach, lower, set_share, stamp

POOL = Pool(stable=RefId("Service", "", "shop", "app", 80), canary=RefId("Service", "", "shop", "app-canary", 80))
Route = dict[str, Any]


class Release:
    """A release on a small route, write by write."""

    def __init__(self, kit: Any, *rules: Route, shares: tuple[int, ...] = (10, 100)) -> None:
        self.kit = kit
        self.before: Route = {
            "metadata": {"name": "front", "namespace": "shop", "resourceVersion": "41"},
            "spec": {"rules": list(rules)},
        }
        self.route = copy.deepcopy(self.before)
        self.shares = [Decimal(share) for share in shares]
        self.original = choose(self.route, POOL, selectors=None, shares=self.shares)
        note = stamp(self.route, token=kit.token, release=kit.release, original=self.original)
        self.stamped = note["metadata"]
        self.route["metadata"]["annotations"] = dict(self.stamped["annotations"])

    def attach(self) -> Any:
        return self._write(attach(self.route, pool=POOL, original=self.original, token=self.kit.token))

    def give(self, share: int) -> Any:
        return self._write(self.raise_to(share))

    def raise_to(self, share: int) -> Any:
        return set_share(self.route, pool=POOL, original=self.original, share=Decimal(share), token=self.kit.token)

    def lower(self) -> Any:
        return lower(self.route, pool=POOL, original=self.original, release=self.kit.release)

    def detach(self, **more: Any) -> Any:
        return detach(self.route, pool=POOL, original=self.original, **{"release": self.kit.release, **more})

    def roll_back(self) -> Any:
        self._write(self.lower().patch)
        restore = self.detach()
        self._write(restore.patch)
        return restore

    def _write(self, patch: Any) -> Any:
        self.route = self.kit.apply(self.route, patch)
        return patch

    def refs(self, index: int = 0) -> list[Route]:
        found: list[Route] = self.route["spec"]["rules"][index]["backendRefs"]
        return found

    def weights(self, index: int = 0) -> dict[str, int]:
        return {ref["name"]: ref.get("weight", 1) for ref in self.refs(index)}


def ref(name: str, weight: int | None = None, **more: Any) -> Route:
    return {"name": name, "port": 80, **more} | ({} if weight is None else {"weight": weight})


def matching(path: str) -> list[Any]:
    return [{"path": {"type": "Exact", "value": path}}]


NAMED: Route = {"name": "main", "matches": matching("/a"), "backendRefs": [ref("app", 9), ref("help", 1)]}
UNNAMED: Route = {"matches": matching("/b"), "backendRefs": [ref("app", 9), ref("help", 1)]}
BARE: Route = {"backendRefs": [ref("app", 9), ref("help", 1)]}
