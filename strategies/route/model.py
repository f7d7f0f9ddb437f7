"""A route as values: rules and references with their identities, read from an object that is not trusted.

Defaults follow the Gateway API CRDs (v1.6): weight 1, group "", kind Service, namespace of the route; a rule without
matches matches the path prefix "/".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "canary-engine.io/"
TOKEN = PREFIX + "token"
RELEASE = PREFIX + "release"
ORIGINAL = PREFIX + "original"
ABORT = PREFIX + "abort"
STAMP = (TOKEN, RELEASE, ORIGINAL)
"""The annotations that a release puts on its route."""
OURS = (*STAMP, ABORT)
"""The annotations that a release takes off again: its own, and the word of a person who stopped it."""

WEIGHT_LIMIT = 1_000_000
"""Largest weight that the CRD admits."""

REFS_LIMIT = 16
"""Most backendRefs in a rule that the CRD admits."""

DEFAULT_MATCHES = [{"path": {"type": "PathPrefix", "value": "/"}}]

Object = Mapping[str, Any]


class SurgeryError(Exception):
    """The route cannot be worked on; the message says why and what to do. Nothing was planned."""


class NoSuchRule(SurgeryError):
    """A chosen rule is not there, or no rule sends to stable."""


class Ambiguous(SurgeryError):
    """Two rules, or two references in a rule, cannot be told apart."""


class NoRoom(SurgeryError):
    """The rule or its weights have no room for what is asked."""


class Malformed(SurgeryError):
    """The object does not have a route's shape."""


@dataclass(frozen=True, slots=True, order=True)
class RefId:
    """What a reference is, whatever its weight and position."""

    kind: str
    group: str
    namespace: str
    name: str
    port: int | None

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"{self.name}{port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """One entry of backendRefs.

    Attributes:
        id: its identity.
        weight: its weight, 1 when absent.
        explicit: the weight is written out in the object.
        index: its position in the list.
        filters: its own filters, as they are.
    """

    id: RefId
    weight: int
    explicit: bool
    index: int
    filters: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        key: its identity: `name:<name>`, or `matches:<canonical JSON>`.
        name: its name; empty when it has none.
        index: its position now.
        refs: its references in order.
        whole: the rule as it is in the object.
    """

    key: str
    name: str
    index: int
    refs: tuple[Ref, ...]
    whole: Mapping[str, Any]

    @property
    def raw(self) -> list[Any]:
        """Its backendRefs as they are in the object."""
        return list(self.whole.get("backendRefs") or ())

    @property
    def matches(self) -> Any:
        """Its matches as they are; None when absent."""
        return self.whole.get("matches")

    def every(self, wanted: RefId) -> tuple[Ref, ...]:
        """Every reference with this identity: one at most, unless somebody wrote it twice."""
        return tuple(ref for ref in self.refs if ref.id == wanted)

    def find(self, wanted: RefId) -> Ref | None:
        """The reference with this identity; None when it is not here.

        Raises:
            Ambiguous: it is here twice.
        """
        found = self.every(wanted)
        if len(found) > 1:
            raise Ambiguous(f"{self} names {wanted} twice; merge the two references into one")
        return found[0] if found else None

    @property
    def total(self) -> int:
        """Sum of all weights."""
        return sum(ref.weight for ref in self.refs)

    def __str__(self) -> str:
        return f'rule "{self.name}"' if self.name else f"rule {self.index}"


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces, for comparing.

    Raises:
        Malformed: it cannot be JSON: keys that are not texts, or nested in itself or too deeply.
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise Malformed(f"a part of the route cannot be written as JSON: {error}") from error


def name_of(route: Object) -> str:
    """`namespace/name`, for sentences."""
    return f"{namespace_of(route)}/{_text(_metadata(route), 'name', 'metadata')}"


def namespace_of(route: Object) -> str:
    """The route's namespace."""
    return _text(_metadata(route), "namespace", "metadata")


def annotations_of(route: Object) -> Mapping[str, str]:
    """The route's annotations; empty when there are none."""
    notes = mapping(_metadata(route).get("annotations") or {}, "metadata.annotations")
    if not all(isinstance(text, str) for entry in notes.items() for text in entry):
        raise Malformed("metadata.annotations holds something that is not a text")
    return notes


def generation_of(route: Object) -> int:
    """metadata.generation; 0 when absent."""
    value = _metadata(route).get("generation", 0)
    return value if isinstance(value, int) else 0


def version_of(route: Object) -> str:
    """metadata.resourceVersion; empty when absent."""
    return _text(_metadata(route), "resourceVersion", "metadata")


def uid_of(route: Object) -> str:
    """metadata.uid; empty when absent."""
    return _text(_metadata(route), "uid", "metadata")


def rules_of(route: Object) -> tuple[Rule, ...]:
    """Every rule of the route.

    Raises:
        Malformed: the object does not have a route's shape.
    """
    spec = mapping(mapping(route, "the route").get("spec", {}), "spec")
    rules = _list(spec.get("rules", []), "spec.rules")
    namespace = namespace_of(route)
    return tuple(_rule(rule, index, namespace) for index, rule in enumerate(rules))


def _rule(value: Any, index: int, namespace: str) -> Rule:
    where = f"spec.rules[{index}]"
    rule = mapping(value, where)
    name = _text(rule, "name", where)
    refs = _list(rule.get("backendRefs") or [], f"{where}.backendRefs")
    matches = rule.get("matches")
    key = f"name:{name}" if name else "matches:" + canonical(_defaulted(matches or DEFAULT_MATCHES))
    return Rule(
        key=key,
        name=name,
        index=index,
        refs=tuple(_ref(ref, position, namespace, where) for position, ref in enumerate(refs)),
        whole=rule,
    )


def _ref(value: Any, index: int, namespace: str, where: str) -> Ref:
    here = f"{where}.backendRefs[{index}]"
    ref = mapping(value, here)
    weight, port = ref.get("weight"), ref.get("port")
    if weight is not None and (not isinstance(weight, int) or isinstance(weight, bool) or weight < 0):
        raise Malformed(f"{here}.weight is not a whole number of at least 0; write one, or leave it out for 1")
    if port is not None and (not isinstance(port, int) or isinstance(port, bool)):
        raise Malformed(f"{here}.port is not a whole number")
    identity = RefId(
        kind=_text(ref, "kind", here) or "Service",
        group=_text(ref, "group", here),
        namespace=_text(ref, "namespace", here) or namespace,
        name=_text(ref, "name", here),
        port=port,
    )
    filters = tuple(_list(ref.get("filters") or [], f"{here}.filters"))
    return Ref(
        id=identity, weight=1 if weight is None else weight, explicit=weight is not None, index=index, filters=filters
    )


def _defaulted(matches: Any) -> Any:
    """Matches with the CRD's defaults, so that a rule is itself before and after the API server defaulted it."""
    if not isinstance(matches, list):
        raise Malformed("a rule's matches are not a list")
    return [_default_match(match) for match in matches]


def _default_match(match: Any) -> Any:
    match = dict(mapping(match, "a match"))
    path = dict(mapping(match.get("path") or {}, "a match's path"))
    match["path"] = {"type": path.get("type", "PathPrefix"), "value": path.get("value", "/"), **path}
    if isinstance(match.get("method"), Mapping):  # a GRPCRoute's; an HTTPRoute's is a text
        match["method"] = {"type": "Exact", **match["method"]}
    for key in ("headers", "queryParams"):
        if match.get(key) is not None:
            entries = _list(match[key], f"a match's {key}")
            match[key] = [{"type": "Exact", **mapping(entry, key)} for entry in entries]
    return match


def _metadata(route: Object) -> Mapping[str, Any]:
    return mapping(mapping(route, "the route").get("metadata", {}), "metadata")


def _text(holder: Mapping[str, Any], key: str, where: str) -> str:
    """A text; empty when it is absent or null, which the API server takes as the same."""
    value = holder.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Malformed(f"{where}.{key} is not a text")
    return value


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """The value, which is a mapping.

    Raises:
        Malformed: it is something else; the message names the place.
    """
    if not isinstance(value, Mapping):
        raise Malformed(f"{where} is not a mapping")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise Malformed(f"{where} is not a list")
    return value
