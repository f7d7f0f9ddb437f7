"""The lease that says which engine is alive (coordination.k8s.io/v1).

Every write is a JSON Patch that tests what it replaces, so that a renewal is one request and needs no other verb
than `patch`; `get` and `create` are needed to begin.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from canary.adapters.kubernetes.api import JSON_PATCH, MERGE_PATCH, Api
from canary.adapters.kubernetes.budget import Deadline
from canary.adapters.kubernetes.clock import micro_time
from canary.adapters.kubernetes.paths import LEASE, MANAGED, PREFIX
from canary.ports import Clock, Conflict, JsonObject, LeaseView, NotFound

DURATION = 30
"""Seconds that a lease lasts without renewal (DESIGN.md, Numbers)."""

KEPT_AGAIN = 3
"""How often a copy is put onto a lease that our own renewals move meanwhile."""

HANDOVER = PREFIX + "handover"
"""Annotation: when the holder gave it back to be taken at once."""

SUSPECTED = PREFIX + "suspected"
"""Annotation: when a watchdog last noted that nothing was heard of the holder."""

ORIGIN = PREFIX + "origin"
"""Annotation: where the holder runs (see `origin`); it says nothing when the holder knows nothing."""

COPY = PREFIX + "journal"
"""Annotation: a copy of what the journal decides, for whoever finds that one deleted."""

ROUTE = PREFIX + "route"
"""Annotation: kind and name of the route that the lease is about, for watchdogs."""


class KubernetesLeases:
    """One lease; see `canary.ports.Leases`.

    Args:
        api: the API server.
        namespace, name: of the Lease, `canary-<route>`.
        clock: the server's clock, for renewTime.
        origin: where we run, written beside our name.
        route: kind and name of the route, e.g. `HTTPRoute/web`, written as well.
    """

    def __init__(self, api: Api, *, namespace: str, name: str, clock: Clock, origin: str = "", route: str = "") -> None:
        self._notes = {ORIGIN: origin, **({ROUTE: route} if route else {})}
        self._api, self._clock, self._name, self._namespace = api, clock, name, namespace
        self._collection, self._path = LEASE.path(namespace), LEASE.path(namespace, name)
        self._what = f"Lease {namespace}/{name}"

    def acquire(self, holder: str, *, steal: str | None = None) -> LeaseView:
        """See Leases."""
        deadline = self._api.deadline()
        try:
            lease = self._read(deadline)
        except NotFound:
            try:
                return _view(self._create(holder, deadline), holder)
            except Conflict:
                lease = self._read(deadline)
        seen = _view(lease, holder)
        if seen.holder not in {"", holder} and seen.version != steal:
            return seen
        try:
            return _view(self._take(lease, holder, deadline), holder)
        except Conflict:
            return _view(self._read(deadline), holder)

    def renew(self, holder: str) -> LeaseView:
        """See Leases."""
        deadline = self._api.deadline()
        operations = [
            {"op": "test", "path": "/spec/holderIdentity", "value": holder},
            {"op": "add", "path": "/spec/renewTime", "value": self._now()},
        ]
        try:
            return _view(self._patch(operations, deadline), holder)
        except Conflict:
            return _view(self._read(deadline), holder)

    def keep(self, holder: str, copy: str, *, over: str) -> LeaseView:
        """See Leases."""
        deadline = self._api.deadline()
        if over:
            path = "/metadata/annotations/" + COPY.replace("/", "~1")
            operations: list[JsonObject] = [
                {"op": "test", "path": "/spec/holderIdentity", "value": holder},
                {"op": "test", "path": path, "value": over},
                {"op": "add", "path": "/spec/renewTime", "value": self._now()},
                {"op": "replace", "path": path, "value": copy},
            ]
            with suppress(Conflict):
                return _view(self._patch(operations, deadline), holder)
        for _ in range(KEPT_AGAIN):
            lease = self._read(deadline)
            seen = _view(lease, holder)
            if not seen.ours or seen.copy != over:
                return seen
            notes = {**_notes(lease), COPY: copy}
            operations = [
                _unmoved(lease),
                {"op": "add", "path": "/spec/renewTime", "value": self._now()},
                {"op": "add", "path": "/metadata/annotations", "value": notes},
            ]
            with suppress(Conflict):  # our own renewal came in between
                return _view(self._patch(operations, deadline), holder)
        raise Conflict(f"writing {self._what}: it moves again and again")

    def copied(self) -> str:
        """See Leases."""
        return _view(self._read(self._api.deadline()), "").copy

    def mark(self, version: str) -> str:
        """See Leases."""
        # The time makes each a change: the API server does not store what changes nothing, and would prove nothing.
        body = {"metadata": {"resourceVersion": version, "annotations": {SUSPECTED: self._now()}}}
        doing = f"marking {self._what}"
        return _view(self._api.patch(self._path, body, content_type=MERGE_PATCH, doing=doing), "").version

    def release(self, holder: str, *, handover: bool = False) -> None:
        """See Leases."""
        deadline = self._api.deadline()
        try:
            lease = self._read(deadline)
            if _view(lease, holder).ours:
                self._give(lease, holder, deadline, handover=handover)
        except (NotFound, Conflict):
            return  # it is not ours any more

    def _read(self, deadline: Deadline) -> JsonObject:
        return self._api.get(self._path, doing=f"reading {self._what}", deadline=deadline)

    def _create(self, holder: str, deadline: Deadline) -> JsonObject:
        now = self._now()
        body = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {
                "name": self._name,
                "namespace": self._namespace,
                "labels": dict(MANAGED),
                "annotations": dict(self._notes),
            },
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": DURATION,
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": 0,
            },
        }
        return self._api.create(self._collection, body, doing=f"creating {self._what}", deadline=deadline)

    def _take(self, lease: JsonObject, holder: str, deadline: Deadline) -> JsonObject:
        now, spec = self._now(), lease.get("spec")
        base = spec if isinstance(spec, dict) else {}
        transitions = base.get("leaseTransitions")
        count = transitions if isinstance(transitions, int) else 0
        taken = {
            **base,
            "holderIdentity": holder,
            "leaseDurationSeconds": DURATION,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": count + (base.get("holderIdentity") != holder),
        }
        notes = {key: value for key, value in _notes(lease).items() if key not in {HANDOVER, SUSPECTED}}
        operations: list[JsonObject] = [
            _unmoved(lease),
            {"op": "add", "path": "/spec", "value": taken},
            {"op": "add", "path": "/metadata/annotations", "value": {**notes, **self._notes}},
        ]
        return self._patch(operations, deadline)

    def _give(self, lease: JsonObject, holder: str, deadline: Deadline, *, handover: bool) -> None:
        operations: list[JsonObject] = [
            {"op": "test", "path": "/spec/holderIdentity", "value": holder},
            {"op": "replace", "path": "/spec/holderIdentity", "value": ""},
        ]
        if handover:
            if not _notes(lease):
                operations.append({"op": "add", "path": "/metadata/annotations", "value": {}})
            path = "/metadata/annotations/" + HANDOVER.replace("/", "~1")
            operations.append({"op": "add", "path": path, "value": self._now()})
        self._patch(operations, deadline)

    def _patch(self, operations: list[JsonObject], deadline: Deadline) -> JsonObject:
        return self._api.patch(
            self._path, operations, content_type=JSON_PATCH, doing=f"writing {self._what}", deadline=deadline
        )

    def _now(self) -> str:
        return micro_time(self._clock.now())


def _unmoved(lease: JsonObject) -> JsonObject:
    return {
        "op": "test",
        "path": "/metadata/resourceVersion",
        "value": lease.get("metadata", {}).get("resourceVersion"),
    }


def _notes(lease: JsonObject) -> JsonObject:
    noted = lease.get("metadata", {}).get("annotations")
    return noted if isinstance(noted, dict) else {}


def _view(lease: JsonObject, holder: str) -> LeaseView:
    given, notes = lease.get("spec"), _notes(lease)
    spec = given if isinstance(given, dict) else {}
    held, version = str(spec.get("holderIdentity") or ""), lease.get("metadata", {}).get("resourceVersion")
    return LeaseView(
        holder=held,
        ours=held == holder,
        version=str(version or ""),
        origin=str(notes.get(ORIGIN) or ""),
        beat=beat_of(spec, notes),
        copy=str(notes.get(COPY) or ""),
    )


def beat_of(spec: Mapping[str, Any], notes: Mapping[str, Any]) -> str:
    """What changes with every sign of life in a lease, and not with a mark."""
    signs = (spec.get(each) for each in ("holderIdentity", "renewTime", "leaseTransitions"))
    return "/".join(str(each) for each in (*signs, notes.get(HANDOVER)))
