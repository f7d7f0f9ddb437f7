"""The single operations that patches are made of, and the tests that make them strict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strategies.route.model import Ref, Rule

Operation = Mapping[str, Any]
Patch = tuple[Operation, ...]


def strict(rule: Rule) -> list[Operation]:
    """Tests that the rule is the one it was when read, and its list of references unchanged.

    The absence of matches cannot be tested, so a rule with neither name nor matches is tested as a whole.
    """
    path = f"/spec/rules/{rule.index}"
    if not rule.name and rule.matches is None:
        return [must_be(path, dict(rule.whole))]
    identity = must_be(f"{path}/name", rule.name) if rule.name else must_be(f"{path}/matches", rule.matches)
    return [identity, must_be(f"{path}/backendRefs", rule.raw)]


def still_there(rule: Rule, ref: Ref) -> list[Operation]:
    """Tests that the reference is still at its place; not its weight."""
    raw, path = rule.raw[ref.index], f"/spec/rules/{rule.index}/backendRefs/{ref.index}"
    return [must_be(f"{path}/{key}", raw[key]) for key in ("name", "port", "namespace", "kind") if key in raw]


def weigh(rule: Rule, ref: Ref, weight: int) -> Operation:
    """`add` on a member replaces it when it is there (RFC 6902 section 4.1), so an unwritten weight is no problem."""
    return {"op": "add", "path": f"/spec/rules/{rule.index}/backendRefs/{ref.index}/weight", "value": weight}


def must_be(path: str, value: Any) -> Operation:
    """A test; the whole patch fails where it does not hold."""
    return {"op": "test", "path": path, "value": value}


def note(name: str) -> str:
    """JSON Pointer to an annotation (RFC 6901 section 3: / is written ~1)."""
    return "/metadata/annotations/" + name.replace("~", "~0").replace("/", "~1")
