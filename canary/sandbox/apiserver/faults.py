"""Faults on demand: how this server misbehaves when it is told to.

A fault says which requests it meets and what happens to them; it is set with `POST /sandbox/faults` by an
administrator. Requests are counted in the order in which they come, so a test can say "the second patch of the route".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from canary.sandbox.apiserver.errors import Json, bad_request

_MATCH = frozenset({"verb", "resource", "subresource", "namespace", "name", "user"})
_THEN = frozenset({"status", "reason", "message", "retryAfter", "delay", "drop", "body"})


@dataclass(slots=True)
class Fault:
    """One fault.

    Attributes:
        match: what a request must be, by the names of its log entry; `resource` is plural.group.
        then: `delay` seconds of silence first; then `drop` the connection `before` or `after` the request is carried
            out, or answer `status` with `reason`, `message` and `retryAfter`, or answer the text `body`.
        times: requests that it still meets; -1 for all.
        skip: requests that it still lets pass.
    """

    match: Json
    then: Json
    times: int = -1
    skip: int = 0


@dataclass(slots=True)
class Faults:
    """The faults that are set."""

    active: list[Fault] = field(default_factory=list)

    def add(self, body: Any) -> None:
        """Sets a fault.

        Raises:
            ApiError: 400 for one that cannot be understood.
        """
        if not isinstance(body, dict):
            raise bad_request("a fault is an object with match, then, times and skip")
        match, then = body.get("match") or {}, body.get("then") or {}
        unknown = sorted((set(match) - _MATCH) | (set(then) - _THEN) | (set(body) - {"match", "then", "times", "skip"}))
        if unknown:
            raise bad_request(f"a fault does not know {', '.join(unknown)}")
        if not then:
            raise bad_request("a fault must say what happens then")
        self.active.append(Fault(match, then, times=body.get("times", -1), skip=body.get("skip", 0)))

    def clear(self) -> None:
        """Removes all of them."""
        self.active.clear()

    def meeting(self, entry: Json) -> Json | None:
        """What happens to a request; None when nothing does.

        Args:
            entry: the request's entry in the log.
        """
        for fault in self.active:
            if fault.times == 0 or any(entry.get(key, "") != value for key, value in fault.match.items()):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.times -= 1 if fault.times > 0 else 0
            return fault.then
        return None
