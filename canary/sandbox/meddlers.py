"""Others who act during a release: a GitOps controller that resets weights, an outage that hits both versions."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from canary.sandbox.cluster import Sandbox
from canary.sandbox.manifests import HELP_WEIGHT, NAMESPACE, SHOP_WEIGHT

ROUTE = f"/apis/gateway.networking.k8s.io/v1/namespaces/{NAMESPACE}/httproutes/shop"
LET_RUN = 3.0
"""Seconds of canary traffic before the meddler acts."""

OUTAGE = 5.0
"""Seconds that the outage lasts."""


class Meddler:
    """Runs a meddler on a thread of its own.

    Args:
        kind: `reverter` or `outage`.
        sandbox: where it acts.
    """

    def __init__(self, kind: str, sandbox: Sandbox) -> None:
        self._sandbox, self._stop = sandbox, threading.Event()
        body = {"reverter": self._revert, "outage": self._break}[kind]
        self._thread = threading.Thread(target=body, name=kind, daemon=True)

    def start(self) -> None:
        """Begin to watch for its moment."""
        self._thread.start()

    def stop(self) -> None:
        """End; what it broke is mended."""
        self._stop.set()
        self._thread.join(2.0)

    def _canary_weight(self) -> int:
        with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
            _, route = self._sandbox.request("GET", ROUTE)
            return max((ref["weight"] for ref in _refs(route) if ref["name"].endswith("-canary")), default=0)
        return 0

    def _wait_for_traffic(self) -> bool:
        while not self._stop.wait(0.3):
            if self._canary_weight() > 0:
                return not self._stop.wait(LET_RUN)
        return False

    def _revert(self) -> None:
        """Puts the weights back to what Git says, as a self-healing GitOps controller does: once, and again."""
        if not self._wait_for_traffic():
            return
        weights = {"shop": SHOP_WEIGHT, "help": HELP_WEIGHT, "shop-canary": 0}
        for _ in range(3):
            _, route = self._sandbox.request("GET", ROUTE)
            patch = [
                {"op": "replace", "path": f"/spec/rules/0/backendRefs/{index}/weight", "value": weights[ref["name"]]}
                for index, ref in enumerate(_refs(route))
                if ref["name"] in weights and ref["weight"] != weights[ref["name"]]
            ]
            if patch:
                path = f"{ROUTE}?fieldManager=argocd-controller"
                self._sandbox.request("PATCH", path, patch, content="application/json-patch+json")
            if self._stop.wait(2.0):
                return

    def _break(self) -> None:
        """Breaks what both versions need for a few seconds."""
        places = self._sandbox.places
        if places is None or not self._wait_for_traffic():
            return
        places.outage.touch()
        self._stop.wait(OUTAGE)
        places.outage.unlink(missing_ok=True)


def _refs(route: Any) -> list[Any]:
    refs: list[Any] = route["spec"]["rules"][0]["backendRefs"]
    return refs
