"""What a route was before the release: the little that is needed to find the way back.

It stands in the route's annotation and in the journal. It is never written back as it is: the way back is planned on
the route as it is then (invariant 2).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from strategies.route.model import (
    REFS_LIMIT,
    Ambiguous,
    Malformed,
    NoRoom,
    NoSuchRule,
    Object,
    RefId,
    Rule,
    name_of,
    rules_of,
)
from strategies.route.weights import factor_for

RULES_LIMIT = 256
"""Chosen rules at most; the API has room for 16, and what comes as an object need not have been checked."""

TOO_MANY = "the chosen rules are too many or too long to note their weights; choose fewer rules"

ANNOTATION_LIMIT = 64 * 1024
"""Bytes; all annotations of an object together may have 256 KiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The references that a release moves traffic between.

    Attributes:
        stable: has all the traffic before the release.
        canary: the new version.
        baseline: a fresh copy of stable's version, which is compared with the canary; None where there is none.
    """

    stable: RefId
    canary: RefId
    baseline: RefId | None = None

    @property
    def ours(self) -> tuple[RefId, ...]:
        """What a release adds to a rule, in the order in which it does."""
        return (self.canary,) if self.baseline is None else (self.canary, self.baseline)

    @property
    def old(self) -> tuple[RefId, ...]:
        """What serves the old version."""
        return (self.stable,) if self.baseline is None else (self.stable, self.baseline)

    @property
    def parts(self) -> tuple[RefId, ...]:
        """All of them."""
        return (self.stable, *self.ours)


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalRule:
    """One chosen rule before the release.

    Attributes:
        key: its identity.
        factor: what all its weights are multiplied by during the release.
        weights: each reference with its weight; None where none was written (it then counts 1).
    """

    key: str
    factor: int
    weights: tuple[tuple[RefId, int | None], ...]

    def weight(self, ref: RefId) -> int | None:
        """What counted for this reference: its weight, 1 when unwritten; None when it was not there."""
        for known, weight in self.weights:
            if known == ref:
                return 1 if weight is None else weight
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The chosen rules before the release.

    Attributes:
        rules: each of them.
        pool: whose traffic is moved, so that a person can put it back with nothing but the route; None in a note
            that does not say it.
    """

    rules: tuple[OriginalRule, ...]
    pool: Pool | None = None

    def encode(self) -> dict[str, Any]:
        """As JSON-able data."""
        pool = self.pool
        return ({"pool": [_encode_ref(ref) for ref in pool.parts]} if pool else {}) | {
            "rules": [
                {
                    "key": rule.key,
                    "factor": rule.factor,
                    "weights": [[*_encode_ref(ref), weight] for ref, weight in rule.weights],
                }
                for rule in self.rules
            ]
        }

    @classmethod
    def decode(cls, data: Mapping[str, Any]) -> Original:
        """From `encode`'s data.

        Raises:
            Malformed: it is something else.
        """
        try:
            rules = tuple(_decode_rule(rule) for rule in data["rules"])
            return cls(rules=rules, pool=_decode_pool(data["pool"]) if "pool" in data else None)
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed(f"the note about the original weights is damaged: {error!r}") from error

    def text(self) -> str:
        """As the annotation holds it.

        Raises:
            NoRoom: it is too long for an annotation.
        """
        text = json.dumps(self.encode(), separators=(",", ":"))
        if len(text.encode()) > ANNOTATION_LIMIT:
            raise NoRoom(TOO_MANY)
        return text


def _encode_ref(ref: RefId) -> list[Any]:
    return [ref.kind, ref.group, ref.namespace, ref.name, ref.port]


def _decode_pool(data: Any) -> Pool:
    stable, canary, *more = (_decode_ref(entry) for entry in _typed(data, list))
    if len(more) > 1 or (more and len({stable, canary, *more}) < 3):
        raise ValueError("a pool has three parts at most, and no two are the same")
    return Pool(stable=stable, canary=canary, baseline=more[0] if more else None)


def _decode_ref(entry: Any) -> RefId:
    *texts, port = _typed(entry, list)
    kind, group, namespace, name = (_typed(text, str) for text in texts)
    return RefId(kind, group, namespace, name, None if port is None else _number(port, least=0))


def _decode_rule(rule: Any) -> OriginalRule:
    return OriginalRule(
        key=_typed(rule["key"], str),
        factor=_number(rule["factor"], least=1),
        weights=tuple(_decode_weight(entry) for entry in rule["weights"]),
    )


def _decode_weight(entry: Any) -> tuple[RefId, int | None]:
    *ref, weight = entry
    return _decode_ref(ref), None if weight is None else _number(weight, least=0)


def _number(value: Any, *, least: int) -> int:
    number: int = _typed(value, int)
    if isinstance(value, bool) or number < least:
        raise ValueError(f"a number is not a whole one of at least {least}")
    return number


def _typed(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"a {type(value).__name__} stands where a {kind.__name__} should")
    return value


def choose(route: Object, pool: Pool, *, selectors: Iterable[str | int] | None, shares: Iterable[Decimal]) -> Original:
    """The chosen rules with their weights, and the factor that each needs for the plan.

    Args:
        route: the route as it is before the release.
        pool: stable and canary.
        selectors: names or indices of rules; None chooses every rule that sends to stable.
        shares: the plan's shares, percent.

    Raises:
        NoSuchRule: a chosen rule is missing or does not send to stable.
        Ambiguous: a chosen rule cannot be told apart from another, or a rule sends to the canary already.
        NoRoom: a rule has no room for one more reference or for the plan's shares.
        Malformed: the object is not a route.
    """
    rules = rules_of(route)
    chosen = _select(route, rules, pool, selectors)
    if len(chosen) > RULES_LIMIT:
        raise NoRoom(TOO_MANY)
    for rule in rules:
        # In a rule that only sends to the canary it is somebody's own; next to stable it would be taken for ours.
        for part, ref in zip(("canary", "baseline"), pool.ours, strict=False):
            if rule.every(ref) and rule.every(pool.stable):
                instead = "or name another canary Service" if part == "canary" else "or leave out the baseline"
                raise Ambiguous(f"{rule} already sends to {ref}; remove that reference, {instead}")
    plan, alike = tuple(shares), Counter(rule.key for rule in rules)
    return Original(rules=tuple(_original(rule, alike[rule.key], pool, plan) for rule in chosen), pool=pool)


def _select(
    route: Object, rules: tuple[Rule, ...], pool: Pool, selectors: Iterable[str | int] | None
) -> tuple[Rule, ...]:
    if selectors is None:
        chosen = tuple(rule for rule in rules if (ref := rule.find(pool.stable)) is not None and ref.weight > 0)
        if not chosen:
            raise NoSuchRule(
                f"no rule of {name_of(route)} sends to {pool.stable}; it sends to {_targets(rules)}. "
                f"Check the stable Service's name and port."
            )
        return chosen
    found = []
    for selector in selectors:
        rule = _pick(route, rules, selector)
        ref = rule.find(pool.stable)
        if ref is None or ref.weight == 0:
            raise NoSuchRule(f"{rule} of {name_of(route)} does not send to {pool.stable}; choose one that does")
        if rule not in found:
            found.append(rule)
    if not found:
        raise NoSuchRule(f"no rule of {name_of(route)} is chosen; name one, or leave the choice out for every rule")
    return tuple(found)


def _pick(route: Object, rules: tuple[Rule, ...], selector: str | int) -> Rule:
    if isinstance(selector, int):
        if 0 <= selector < len(rules):
            return rules[selector]
        raise NoSuchRule(f"{name_of(route)} has {len(rules)} rules, so there is no rule {selector}; count from 0")
    named = [rule for rule in rules if rule.name and rule.name == selector]
    if len(named) > 1:
        raise Ambiguous(f'{name_of(route)} has {len(named)} rules named "{selector}"; names must be unique')
    if not named:
        names = ", ".join(f'"{rule.name}"' for rule in rules if rule.name) or "none of its rules has a name"
        raise NoSuchRule(f'{name_of(route)} has no rule named "{selector}"; known: {names}')
    return named[0]


def _targets(rules: tuple[Rule, ...]) -> str:
    names = sorted({str(ref.id) for rule in rules for ref in rule.refs})
    return ", ".join(names[:8]) or "nothing"


def _original(rule: Rule, alike: int, pool: Pool, shares: tuple[Decimal, ...]) -> OriginalRule:
    if alike > 1:
        raise Ambiguous(f"{rule} cannot be told apart from another rule with the same {_kind(rule)}; give it a name")
    if len(rule.refs) + len(pool.ours) > REFS_LIMIT:
        more = "canary" if pool.baseline is None else "canary and baseline"
        raise NoRoom(f"{rule} has {len(rule.refs)} references and can hold no {more}; {REFS_LIMIT} is the most")
    if len({ref.id for ref in rule.refs}) < len(rule.refs):
        raise Ambiguous(f"{rule} names a reference twice; merge the two into one")
    (stable,) = rule.every(pool.stable)  # it was chosen for it
    return OriginalRule(
        key=rule.key,
        factor=factor_for(rule, stable.weight, shares, baseline=pool.baseline is not None),
        weights=tuple((ref.id, ref.weight if ref.explicit else None) for ref in rule.refs),
    )


def _kind(rule: Rule) -> str:
    return "name" if rule.name else "matches"
