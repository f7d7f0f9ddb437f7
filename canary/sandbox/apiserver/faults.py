"""Faults on demand: how this server misbehaves when it is told to.

A fault says which requests it meets and what happens to them; it is set with `POST /sandbox/faults` by an
administrator. Requests are counted in the order in which they come, so a test can say "the second patch of the route".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from canary.sandbox.apiserver.errors import Json, bad_request
from canary.sandbox.apiserver.schema import mistakes

_TEXT: Json = {"type": "string"}
_MATCH: Json = dict.fromkeys(("verb", "resource", "subresource", "namespace", "name", "user", "dryRun"), _TEXT)
_THEN: Json = {
    **dict.fromkeys(("reason", "message", "body"), _TEXT),
    "status": {"type": "integer", "minimum": 200, "maximum": 599},
    "retryAfter": {"type": "integer", "minimum": 0},
    "delay": {"type": "number", "minimum": 0},
    "drop": {"type": "string", "enum": ["before", "after"]},
}
_FAULT: Json = {
    "type": "object",
    "properties": {
        "match": {"type": "object", "properties": _MATCH},
        "then": {"type": "object", "properties": _THEN},
        "times": {"type": "integer", "minimum": -1},
        "skip": {"type": "integer", "minimum": 0},
    },
}


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
        for cause in mistakes(body, _FAULT):
            raise bad_request(f"a fault's {cause.field}: {cause.message}")
        known = set(_FAULT["properties"])
        unknown = sorted((set(match) - set(_MATCH)) | (set(then) - set(_THEN)) | (set(body) - known))
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
