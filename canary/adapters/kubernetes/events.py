"""What the release does, as Kubernetes Events about its route: for `kubectl describe` and event exporters.

Best effort: nothing waits for them, they may be dropped, and they are never the record.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import threading
from dataclasses import dataclass

from canary.adapters.kubernetes.api import FIELD_MANAGER, Api
from canary.adapters.kubernetes.budget import Budget
from canary.adapters.kubernetes.clock import micro_time
from canary.adapters.kubernetes.errors import clean
from canary.adapters.kubernetes.paths import EVENT, MANAGED, ROUTE_KINDS, named
from canary.ports import JsonObject, PortError, Progress, Unavailable

WAITING = 100
"""Events that wait to be sent at most; the rest is dropped."""

PATIENCE = Budget(total=5.0, attempt=2.0)

SILENCE = 60.0
"""Seconds without sending after the server refused: a missing permission is not asked for again every second."""

TRIES, AGAIN = 60, 5.0
"""How often a warning is sent while the API server does not answer, and seconds in between; the rest is sent once."""

NOTE_LIMIT = 1024
"""Bytes of an Event's message that the API admits (NoteLengthLimit)."""

IDLE = 30.0
"""Seconds after which a sender with nothing to do ends; the next event starts another."""

_WARNINGS = ("RolledBack", "RollingBack", "RouteBroken", "RouteGone", "NotSettled", "NoData", "LoweredAgain")


@dataclass(frozen=True, slots=True)
class _Note:
    at: float
    reason: str
    message: str
    warning: bool


class EventReporter:
    """See `canary.ports.Reporters`: tells changes, not looks.

    Args:
        api: the API server.
        namespace, route: the route that the Events are about.
        kind: of the route.
        instance: who reports; the pod's name by default.
    """

    def __init__(
        self, api: Api, *, namespace: str, route: str, kind: str = "HTTPRoute", instance: str | None = None
    ) -> None:
        self._api, self._namespace, self._route, self._resource = api, namespace, route, ROUTE_KINDS[kind]
        self._instance = instance or os.environ.get("POD_NAME") or FIELD_MANAGER
        self._queue: queue.Queue[_Note] = queue.Queue(WAITING)
        self._lock = threading.Lock()
        self._sender: threading.Thread | None = None
        self._numbers, self._silent_until, self._uid = 0, 0.0, ""

    def tell(self, progress: Progress) -> None:
        """See Reporters. Never blocks and never raises."""
        if not progress.reason or not progress.message:
            return
        bad = progress.alarm or progress.reason in _WARNINGS or bool(progress.code)
        note = _Note(at=progress.at, reason=progress.reason, message=progress.message, warning=bad)
        with contextlib.suppress(queue.Full, RuntimeError):  # RuntimeError: no thread can be started any more
            with self._lock:
                self._queue.put_nowait(note)
                if self._sender is None:
                    self._sender = threading.Thread(target=self._send_all, daemon=True, name="events")
                    self._sender.start()
            if progress.code is not None:
                self.flush()

    def flush(self, within: float = 1.0) -> None:
        """Wait a moment until what was told is sent: the process is about to end."""
        sender = self._sender
        if sender is not None:
            with self._queue.all_tasks_done:
                self._queue.all_tasks_done.wait_for(lambda: not self._queue.unfinished_tasks, within)

    def _send_all(self) -> None:
        while True:
            try:
                note = self._queue.get(timeout=IDLE)
            except queue.Empty:
                with self._lock:
                    if self._queue.empty():
                        self._sender = None
                        return
                continue
            try:
                for _ in range(TRIES if note.warning else 1):
                    if self._send(note):
                        break
                    self._api.pacer.sleep(AGAIN)
            finally:
                self._queue.task_done()

    def _send(self, note: _Note) -> bool:
        """Whether it was sent, or is not to be sent again."""
        monotonic = self._api.pacer.monotonic
        if monotonic() < self._silent_until:
            return True
        try:
            self._api.create(
                EVENT.path(self._namespace),
                self._event(note),
                doing="sending an Event",
                deadline=self._api.deadline(PATIENCE),
            )
        except Unavailable:
            return False
        except PortError:
            self._silent_until = monotonic() + SILENCE
        return True

    def _event(self, note: _Note) -> JsonObject:
        self._numbers += 1
        moment = micro_time(note.at)
        text = f"{self._instance}/{self._numbers}/{note.at:.6f}/{note.reason}/{note.message}"
        tail = hashlib.sha256(text.encode()).hexdigest()[:16]
        message = clean(note.message)
        return {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {
                "name": named(self._route, tail),
                "namespace": self._namespace,
                "labels": dict(MANAGED),
            },
            "involvedObject": {
                "apiVersion": self._resource.api_version,
                "kind": self._resource.kind,
                "namespace": self._namespace,
                "name": self._route,
                **({"uid": self._route_uid()} if self._route_uid() else {}),
            },
            "type": "Warning" if note.warning else "Normal",
            "reason": note.reason[:128],
            "message": message.encode()[:NOTE_LIMIT].decode(errors="ignore"),
            "action": "Release",
            "eventTime": moment,
            "firstTimestamp": f"{moment[:19]}Z",
            "lastTimestamp": f"{moment[:19]}Z",
            "count": 1,
            "reportingComponent": FIELD_MANAGER,
            "reportingInstance": self._instance[:128],
            "source": {"component": FIELD_MANAGER},
        }

    def _route_uid(self) -> str:
        """The route's uid: kubectl describe looks Events up by it. Read once, on the sender's thread."""
        if not self._uid:
            path = self._resource.path(self._namespace, self._route)
            with contextlib.suppress(PortError):
                route = self._api.get(path, doing="reading the route", deadline=self._api.deadline(PATIENCE))
                self._uid = str((route.get("metadata") or {}).get("uid") or "")
        return self._uid
