"""The engine's own Job: what it says of the release there, for `canary submit`, `kubectl describe` and the next pod.

Like Events it is told, not relied on: a Job that cannot be written changes nothing in the release. The last word is
waited for a little longer, because whoever follows ends by it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from canary.adapters.kubernetes.api import JSON_PATCH, Api
from canary.adapters.kubernetes.budget import Budget
from canary.adapters.kubernetes.clock import parse_time
from canary.adapters.kubernetes.paths import JOB
from canary.core.leaving import JobFate, fate_of
from canary.core.outcome import ExitCode
from canary.ports import Conflict, JsonObject, NotFound, PortError, Progress, Refused
from canary.submitting.changes import KEPT, LONGEST, REQUESTER, Change, changes_of, code_of, noted
from canary.submitting.job import JOB_NAME, MESSAGE_FILE

PATIENCE = Budget(total=5.0, attempt=2.0)

QUICK = Budget(total=3.0, attempt=1.4)
"""For a process that was told to end."""

LAST_WORD = 8.0
"""Seconds that the end of the process waits for the last change to stand in the Job."""

HANDED_OVER_WORD = 1.0
"""Seconds where the release goes on: the lease is still to be handed over, and 10 s are all there is."""

TRIES = 5
"""How often a change is written anew when the Job moved in between: its controller writes its status."""

AGAIN = 2.0
"""Seconds until a write that failed is tried again."""

SILENCE = 60.0
"""Seconds without writing after the server refused."""

MESSAGE_LIMIT = 4096
"""Bytes of a termination message that a kubelet reads."""

Line = Callable[[Progress], str | None]


def own_job(environment: Mapping[str, str]) -> str:
    """Name of the Job whose pod we are; empty when we are none."""
    return environment.get(JOB_NAME, "")


def recorded_end(api: Api, *, namespace: str, job: str) -> ExitCode | None:
    """How this very Job's release ended already, as an engine before us wrote it; None while it has not.

    A Job's pod can be started once more after it succeeded: its node was lost before it could say so, or the Job
    controller acted on old news. It must not release the same version again.
    """
    path = JOB.path(namespace, job)
    try:
        found = api.get(path, doing=f"reading our Job {namespace}/{job}", deadline=api.deadline(PATIENCE))
    except PortError:
        return None
    code = code_of(found)
    return ExitCode(code) if code in {int(known) for known in ExitCode} else None


def asked_of(api: Api, *, namespace: str, job: str) -> tuple[float, str]:
    """When our Job was made, seconds since the epoch, and who asked for it; 0 and empty where nobody can tell."""
    if not job:
        return 0.0, ""
    try:
        found = api.get(JOB.path(namespace, job), doing="reading our Job", deadline=api.deadline(PATIENCE))
    except PortError:
        return 0.0, ""
    metadata = found.get("metadata") or {}
    notes = metadata.get("annotations")
    requester = notes.get(REQUESTER) if isinstance(notes, dict) else None
    return parse_time(metadata.get("creationTimestamp")) or 0.0, requester if isinstance(requester, str) else ""


def own_fate(api: Api, *, namespace: str, job: str, now: Callable[[], float]) -> JobFate:
    """What becomes of our Job, within 3 s.

    Raises:
        PortError: nobody could say: the server does not answer, or we may not ask.
    """
    if not job:
        return JobFate.UNKNOWN
    deadline = api.deadline(QUICK)
    try:
        found = api.get(JOB.path(namespace, job), doing="asking what becomes of our Job", deadline=deadline)
    except NotFound:
        return JobFate.GONE
    return fate_of(found, now=now())


class JobReporter:
    """See `canary.ports.Reporters`: writes changes, not looks, into our own Job and the termination message.

    Args:
        api: the API server.
        namespace, job: our Job; with an empty name only the message is written.
        line: how a progress is put in words; None for one that has none.
        message: file of the termination message; None without one.
    """

    def __init__(self, api: Api, *, namespace: str, job: str, line: Line, message: Path | None = None) -> None:
        self._api, self._line, self._message = api, line, message
        self._job, self._path = job, JOB.path(namespace, job) if job else ""
        self._waiting: list[tuple[Progress, str]] = []
        self._changed = threading.Condition()
        self._sender: threading.Thread | None = None
        self._silent_until = 0.0

    @classmethod
    def of_this_pod(cls, api: Api, *, namespace: str, line: Line, environment: Mapping[str, str]) -> JobReporter:
        """As the environment says which Job it is, and where the last word goes."""
        place = environment.get(MESSAGE_FILE)
        return cls(
            api, namespace=namespace, job=own_job(environment), line=line, message=Path(place) if place else None
        )

    def tell(self, progress: Progress) -> None:
        """See Reporters. Never raises, and blocks for the last word alone."""
        text = self._line(progress)
        if text is None:
            return
        self._leave(text)
        if not self._job:
            return
        with self._changed, contextlib.suppress(RuntimeError):  # no thread can be started any more
            self._waiting = [*self._waiting, (progress, text)][-KEPT:]
            if self._sender is None:
                self._sender = threading.Thread(target=self._send_all, daemon=True, name="own-job")
                self._sender.start()
            self._changed.notify_all()
            if progress.code is not None:
                patience = HANDED_OVER_WORD if progress.code is ExitCode.HANDED_OVER else LAST_WORD
                self._changed.wait_for(lambda: not self._waiting, patience)

    def _leave(self, text: str) -> None:
        """For the kubelet: what `kubectl describe pod` shows when we have ended."""
        if self._message is not None:
            with contextlib.suppress(OSError):
                self._message.write_text(text.encode()[:MESSAGE_LIMIT].decode(errors="ignore"), encoding="utf-8")

    def _send_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                batch = tuple(self._waiting)
            pause = self._send(batch)
            with self._changed:
                if not pause:
                    self._waiting = [one for one in self._waiting if one not in batch]
                    self._changed.notify_all()
            if pause:
                self._api.pacer.sleep(pause)

    def _send(self, batch: tuple[tuple[Progress, str], ...]) -> float:
        """Seconds after which it must be tried again; 0 when it stands, or never will."""
        if self._api.pacer.monotonic() < self._silent_until:
            return 0.0
        try:
            for _ in range(TRIES):
                with contextlib.suppress(Conflict):
                    self._write(batch)
                    return 0.0
        except (Refused, NotFound):
            self._silent_until = self._api.pacer.monotonic() + SILENCE
            return 0.0
        except PortError:
            pass
        return AGAIN

    def _write(self, batch: tuple[tuple[Progress, str], ...]) -> None:
        doing = "telling our Job"
        job = self._api.get(self._path, doing=doing, deadline=self._api.deadline(PATIENCE))
        known = changes_of(job)
        last = known[-1].number if known else 0
        # What stands already was written by us, and the answer was lost.
        stands = {(one.at, one.line) for one in known}
        batch = tuple((one, text) for one, text in batch if (round(one.at, 3), text[:LONGEST]) not in stands)
        if not batch:
            return
        fresh = tuple(
            Change(number=last + place, at=one.at, phase=one.phase, line=text, code=_code(one))
            for place, (one, text) in enumerate(batch, start=1)
        )
        operations = _operations(job, noted((*known, *fresh)))
        deadline = self._api.deadline(PATIENCE)
        self._api.patch(self._path, operations, content_type=JSON_PATCH, doing=doing, deadline=deadline)


def _code(progress: Progress) -> int | None:
    # Handed over is no end of the release: the Job's next pod goes on.
    return None if progress.code in {None, ExitCode.HANDED_OVER} else int(progress.code or 0)


def _operations(job: JsonObject, notes: Mapping[str, str]) -> list[JsonObject]:
    metadata = job.get("metadata") or {}
    tests = [{"op": "test", "path": "/metadata/resourceVersion", "value": metadata.get("resourceVersion")}]
    if not isinstance(metadata.get("annotations"), dict):
        return [*tests, {"op": "add", "path": "/metadata/annotations", "value": dict(notes)}]
    place = "/metadata/annotations/"
    return [
        *tests,
        *({"op": "add", "path": place + key.replace("/", "~1"), "value": value} for key, value in notes.items()),
    ]
