"""One HTTP exchange with the API server: bounded in time and size, retried where that is safe.

What is safe: a read may be repeated after any failure that can pass; a write only when the server cannot have done
it (no connection was made, or 429, which is answered before anything happens). Everything else is `Unavailable`,
and whoever asked reads the object again and decides by comparison (DESIGN.md, invariant 6).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import tenacity

from canary.adapters.kubernetes.budget import CRITICAL, Budget, Deadline, Pacer
from canary.adapters.kubernetes.errors import Answer, clean, document, failure
from canary.adapters.kubernetes.transport import NotSent, Request, Stream, Transport
from canary.ports import JsonObject, Refused, Unavailable

FIELD_MANAGER = "canary-engine"
"""Our name in managedFields."""

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"

BODY_LIMIT = 16 * 1024 * 1024
"""Bytes of an answer that are read: the largest list we ask for is well below, and memory is bounded."""

FIRST_WAIT, LAST_WAIT = 0.05, 1.0
"""Seconds between tries, doubled in between, when the server does not say how long."""


class _Throttled(Unavailable):
    """429: the server turned the request away before doing anything."""


class Api:
    """The API server.

    Args:
        transport: makes the exchanges.
        pacer: time; tests pass their own.
        manager: our name in managedFields.
        critical: the budget of calls that name none.

    Attributes:
        date: what the server's first answer gave as its date, and when that came.
        missed_at: when a call of ours last found no API server; None while none did.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        pacer: Pacer | None = None,
        manager: str = FIELD_MANAGER,
        critical: Budget = CRITICAL,
    ) -> None:
        self.pacer = pacer or Pacer()
        self.date: tuple[str, float] | None = None
        self.missed_at: float | None = None
        self._transport, self._manager, self._critical = transport, manager, critical

    def deadline(self, budget: Budget | None = None) -> Deadline:
        """A deadline from now; the critical budget when none is given."""
        return Deadline(budget or self._critical, self.pacer)

    def get(
        self, path: str, *, doing: str, query: Mapping[str, str] | None = None, deadline: Deadline | None = None
    ) -> JsonObject:
        """Read an object or a list; a read without a resourceVersion in the query is consistent.

        Raises:
            NotFound, Refused, Unavailable: as their names say.
        """
        return self._call(_request("GET", path, query or {}, doing=doing), deadline)

    def create(
        self,
        path: str,
        body: JsonObject,
        *,
        doing: str,
        dry_run: bool = False,
        strict: bool = False,
        deadline: Deadline | None = None,
    ) -> JsonObject:
        """Create an object.

        Raises:
            Conflict: it exists already.
        """
        query = self._writing(dry_run, strict=strict)
        return self._call(_request("POST", path, query, doing=doing, body=body), deadline)

    def patch(
        self,
        path: str,
        body: Any,
        *,
        content_type: str,
        doing: str,
        dry_run: bool = False,
        strict: bool = False,
        deadline: Deadline | None = None,
    ) -> JsonObject:
        """Patch an object and return it as acknowledged.

        Args:
            path, body, content_type, doing, dry_run, deadline: as elsewhere.
            strict: a field that the server does not know is refused, and not dropped.

        Raises:
            Conflict: it moved, or a JSON Patch did not apply to it.
        """
        query = self._writing(dry_run, strict=strict)
        return self._call(_request("PATCH", path, query, doing=doing, body=body, content_type=content_type), deadline)

    def delete(
        self,
        path: str,
        *,
        doing: str,
        uid: str | None = None,
        version: str | None = None,
        propagation: str = "Background",
        dry_run: bool = False,
        deadline: Deadline | None = None,
    ) -> JsonObject:
        """Delete an object, only while it has this uid, and this version, when one is given.

        Raises:
            Conflict: another object has its name now, or it was written since.
        """
        body: JsonObject = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        wanted = {"uid": uid, "resourceVersion": version}
        if uid or version:
            body["preconditions"] = {what: value for what, value in wanted.items() if value}
        query = {"dryRun": "All"} if dry_run else {}
        return self._call(_request("DELETE", path, query, doing=doing, body=body), deadline)

    def stream(self, path: str, *, doing: str, query: Mapping[str, str], quiet: float) -> Stream:
        """Open a watch.

        Args:
            path: of the collection.
            doing: for messages.
            query: its parameters.
            quiet: seconds of silence after which the connection counts as broken.

        Raises:
            PortError: it was not opened.
        """
        try:
            request = _request("GET", path, query, doing=doing)
            stream = self._transport.open(request, head=self._critical.total, quiet=quiet)
        except Unavailable:
            self.missed_at = self.pacer.monotonic()
            raise
        if stream.status >= 300:
            try:
                raise failure(stream.drain(BODY_LIMIT, self.deadline()), doing=doing)
            finally:
                stream.close()
        return stream

    def _writing(self, dry_run: bool, *, strict: bool = False) -> dict[str, str]:
        checked = {"fieldValidation": "Strict"} if strict else {}
        return {"fieldManager": self._manager, **({"dryRun": "All"} if dry_run else {}), **checked}

    def _call(self, request: Request, deadline: Deadline | None) -> JsonObject:
        within = deadline or self.deadline()
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((Unavailable,) if request.reads else (_Throttled, NotSent)),
            wait=_wait,
            # A try with next to no time left would only hide the reason of the one before it.
            stop=lambda state: state.upcoming_sleep >= within.left() - within.attempt / 4,
            sleep=self.pacer.sleep,
            reraise=True,
        )
        result: JsonObject = attempts(self._once, request, within)
        return result

    def _once(self, request: Request, deadline: Deadline) -> JsonObject:
        left, doing = deadline.left(), request.doing
        if left <= 0:
            raise Unavailable(f"{doing}: no time left")
        try:
            answer = self._exchange(request, min(left, deadline.attempt) if request.reads else left)
        except Unavailable as error:
            self.missed_at = self.pacer.monotonic()
            raise type(error)(f"{doing}: {error}") from error
        except Refused as error:
            raise Refused(f"{doing}: {error}", status=error.status) from error
        if answer.status >= 502:  # said by whoever stands before it
            self.missed_at = self.pacer.monotonic()
        if answer.status >= 300:
            failed = failure(answer, doing=doing, json_patch=request.content_type == JSON_PATCH)
            if answer.status == 429 and isinstance(failed, Unavailable):
                raise _Throttled(str(failed), retry_after=failed.retry_after)
            raise failed
        body = document(answer)
        if body is None:
            kind = clean(answer.headers.get("content-type") or "no content type")
            raise Unavailable(f"{doing}: the answer is not JSON but {kind}; is there a proxy before the API server?")
        return body

    def _exchange(self, request: Request, patience: float) -> Answer:
        deadline = Deadline(Budget(total=patience, attempt=patience), self.pacer)
        with self._transport.send(request, patience) as stream:
            answer = stream.drain(BODY_LIMIT, deadline)
        if self.date is None and "date" in answer.headers:
            self.date = (answer.headers["date"], self.pacer.monotonic())
        return answer


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    wanted = getattr(error, "retry_after", None)
    if wanted is not None:
        return float(wanted)
    return min(LAST_WAIT, FIRST_WAIT * 2.0 ** min(state.attempt_number - 1, 10))


def _request(
    method: str, path: str, query: Mapping[str, str], *, doing: str, body: Any = None, content_type: str = JSON
) -> Request:
    return Request(
        method=method,
        target=f"{path}?{urlencode(query)}" if query else path,
        payload=None if body is None else json.dumps(body, separators=(",", ":")).encode(),
        content_type=content_type,
        doing=doing,
    )
