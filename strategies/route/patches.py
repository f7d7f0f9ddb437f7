"""The writes of a release as JSON Patches (RFC 6902), planned on the route as it was just read.

A raise tests the token, each rule's identity and its whole list of references. A lower tests only the release and the
references that it touches (invariant 6): whatever else somebody changed meanwhile, it must succeed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from strategies.route.model import (
    ORIGINAL,
    OURS,
    RELEASE,
    TOKEN,
    NoSuchRule,
    Object,
    Ref,
    RefId,
    Rule,
    annotations_of,
    name_of,
    namespace_of,
    rules_of,
    version_of,
)
from strategies.route.original import Original, OriginalRule, Pool
from strategies.route.weights import canary_weight

Operation = Mapping[str, Any]
Patch = tuple[Operation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowering:
    """How to take the canary's traffic off.

    Attributes:
        patch: the operations; empty when no rule sends to the canary.
        alarms: rules that could not be lowered, one sentence each.
    """

    patch: Patch
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """How to take what is ours out of the route as it is now.

    Attributes:
        patch: the operations; empty when nothing of ours is left.
        kept: changes by others that stay, one sentence each.
        alarms: what cannot be put back and needs a person, one sentence each.
    """

    patch: Patch
    kept: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()


def stamp(route: Object, *, token: str, release: str, original: Original) -> dict[str, Any]:
    """The first stamp: a JSON Merge Patch (RFC 7386) that holds only for the version just read."""
    notes = {TOKEN: token, RELEASE: release, ORIGINAL: original.text()}
    return {"metadata": {"annotations": notes, "resourceVersion": version_of(route)}}


def swap_token(route: Object, *, token: str, release: str) -> Patch:
    """Replace the token of an earlier incarnation by compare-and-swap."""
    return (
        _test(_note(RELEASE), release),
        _test(_note(TOKEN), annotations_of(route).get(TOKEN, "")),
        {"op": "replace", "path": _note(TOKEN), "value": token},
    )


def attach(route: Object, *, pool: Pool, original: Original, token: str) -> Patch:
    """Append the canary's reference with weight 0 to each chosen rule, and multiply the weights by the factor.

    A reference that stands already is left alone. Filters of stable's reference are copied to the canary's, so that
    both arms' requests are treated alike.

    Raises:
        NoSuchRule: a chosen rule, or stable in it, is gone.
    """
    operations: list[Operation] = []
    for rule, known in _chosen(route, original):
        stable = _stable(rule, pool)
        if rule.find(pool.canary) is not None:
            continue
        operations += _strict(rule)
        if known.factor > 1:
            operations += [_weigh(rule, ref, ref.weight * known.factor) for ref in rule.refs]
        reference = _reference(pool.canary, stable, namespace_of(route))
        operations.append({"op": "add", "path": f"/spec/rules/{rule.index}/backendRefs/-", "value": reference})
    return (_test(_note(TOKEN), token), *operations) if operations else ()


def set_share(route: Object, *, pool: Pool, original: Original, share: Decimal, token: str) -> Patch:
    """Give the canary a share of the pool in each chosen rule.

    Args:
        route: the route just read.
        pool, original: the release's.
        share: percent, 0 to 100.
        token: ours; the write holds only while it stands on the route.

    Raises:
        NoSuchRule: a chosen rule, stable or the canary in it, is gone.
    """
    operations: list[Operation] = [_test(_note(TOKEN), token)]
    for rule, _ in _chosen(route, original):
        stable, canary = _stable(rule, pool), rule.find(pool.canary)
        if canary is None:
            raise NoSuchRule(f"{rule} of {name_of(route)} no longer sends to the canary {pool.canary}")
        whole = stable.weight + canary.weight
        weight = canary_weight(whole, share)
        operations += _strict(rule)
        operations += [_weigh(rule, canary, weight), _weigh(rule, stable, whole - weight)]
    return tuple(operations)


def lower(route: Object, *, pool: Pool, original: Original, release: str) -> Lowering:
    """Take all traffic off the canary in every rule that sends to it, chosen or not.

    The pool's weight as it is now goes to stable. A rule without stable is left alone and told: sending its share to
    nobody would turn it into errors.
    """
    operations: list[Operation] = []
    alarms: list[str] = []
    known = {rule.key: rule for rule in original.rules}
    for rule in rules_of(route):
        canary, stable = rule.find(pool.canary), rule.find(pool.stable)
        if canary is None or canary.weight == 0:
            continue
        if stable is None:
            alarms.append(f"{rule} of {name_of(route)} sends to the canary but no longer to stable {pool.stable}")
            continue
        whole = stable.weight + canary.weight
        before = known[rule.key].weight(pool.stable) if rule.key in known else None
        operations += [*_is(rule, canary), *_is(rule, stable)]
        operations += [_weigh(rule, canary, 0), _weigh(rule, stable, whole or before or 1)]
    patch = (_test(_note(RELEASE), release), *operations) if operations else ()
    return Lowering(patch=patch, alarms=tuple(alarms))


def detach(route: Object, *, pool: Pool, original: Original, keep: bool = False) -> Restore:
    """Take our reference and annotations out, and put the weights back where nobody else changed them.

    Args:
        route: the route just read.
        pool, original: the release's.
        keep: leave references and weights as they are; only the annotations go.
    """
    operations: list[Operation] = []
    kept: list[str] = []
    alarms: list[str] = []
    found = {rule.key: rule for rule in rules_of(route)}
    for known in () if keep else original.rules:
        rule = found.get(known.key)
        if rule is None:
            kept.append(f"the rule {known.key} was removed by somebody else and stays removed")
        elif rule.find(pool.stable) is None:
            alarms.append(
                f"{rule} of {name_of(route)} no longer sends to stable {pool.stable}; nothing was written there"
            )
        else:
            planned, foreign = _restore_rule(rule, known, pool)
            operations += planned
            kept += foreign
    notes = annotations_of(route)
    ours = [name for name in OURS if name in notes]
    if len(ours) == len(notes) and ours:
        operations.append({"op": "remove", "path": "/metadata/annotations"})
    else:
        operations += [{"op": "remove", "path": _note(name)} for name in ours]
    head = (_test(_note(RELEASE), notes[RELEASE]),) if RELEASE in notes and operations else ()
    return Restore(patch=(*head, *operations), kept=tuple(kept), alarms=tuple(alarms))


def _restore_rule(rule: Rule, known: OriginalRule, pool: Pool) -> tuple[list[Operation], list[str]]:
    canary, stable = rule.find(pool.canary), rule.find(pool.stable)
    if stable is None:
        return [], []
    whole = stable.weight + (canary.weight if canary else 0)
    now = {ref.id: ref.weight for ref in rule.refs if ref.id not in (pool.stable, pool.canary)}
    now[pool.stable] = whole
    scaled = {ref: (1 if weight is None else weight) * known.factor for ref, weight in known.weights}
    unscaled = {ref: 1 if weight is None else weight for ref, weight in known.weights}
    operations: list[Operation] = []
    foreign: list[str] = []
    if now == scaled or (now == unscaled and canary is None):
        before = dict(known.weights)
        for ref in rule.refs:
            if ref.id != pool.canary:
                operations += _put_back(rule, ref, before[ref.id])
    else:
        foreign = [f"{rule}: somebody else changed its references or weights; their change stays"]
        if stable.weight != whole:
            operations.append(_weigh(rule, stable, whole or 1))
    if canary is not None:
        operations.append({"op": "remove", "path": f"/spec/rules/{rule.index}/backendRefs/{canary.index}"})
    return ([*_strict(rule), *operations] if operations else []), foreign


def _put_back(rule: Rule, ref: Ref, weight: int | None) -> list[Operation]:
    """Nothing when it is as it was; an unwritten weight becomes unwritten again."""
    if weight is None:
        path = f"/spec/rules/{rule.index}/backendRefs/{ref.index}/weight"
        return [{"op": "remove", "path": path}] if ref.explicit else []
    return [] if ref.explicit and ref.weight == weight else [_weigh(rule, ref, weight)]


def _chosen(route: Object, original: Original) -> list[tuple[Rule, OriginalRule]]:
    rules = rules_of(route)
    pairs = []
    for known in original.rules:
        found = [rule for rule in rules if rule.key == known.key]
        if len(found) != 1:
            what = "is gone" if not found else "stands there more than once"
            raise NoSuchRule(f"the rule {known.key} of {name_of(route)} {what}")
        pairs.append((found[0], known))
    return pairs


def _stable(rule: Rule, pool: Pool) -> Ref:
    stable = rule.find(pool.stable)
    if stable is None:
        raise NoSuchRule(f"{rule} no longer sends to stable {pool.stable}")
    return stable


def _reference(canary: RefId, stable: Ref, namespace: str) -> dict[str, Any]:
    reference: dict[str, Any] = {"group": canary.group, "kind": canary.kind, "name": canary.name}
    if canary.namespace != namespace:
        reference["namespace"] = canary.namespace
    if canary.port is not None:
        reference["port"] = canary.port
    if stable.filters:
        reference["filters"] = list(stable.filters)
    return {**reference, "weight": 0}


def _strict(rule: Rule) -> list[Operation]:
    """Tests that the rule is the one it was when read, and its list of references unchanged."""
    path = f"/spec/rules/{rule.index}"
    identity = [_test(f"{path}/name", rule.name)] if rule.name else []
    if not rule.name and rule.matches is not None:
        identity = [_test(f"{path}/matches", rule.matches)]
    return [*identity, _test(f"{path}/backendRefs", list(rule.raw))]


def _is(rule: Rule, ref: Ref) -> list[Operation]:
    """Tests that the reference is still at its place; not its weight."""
    raw, path = rule.raw[ref.index], f"/spec/rules/{rule.index}/backendRefs/{ref.index}"
    return [_test(f"{path}/{key}", raw[key]) for key in ("name", "port", "namespace", "kind") if key in raw]


def _weigh(rule: Rule, ref: Ref, weight: int) -> Operation:
    """`add` on a member replaces it when it is there (RFC 6902 section 4.1), so an unwritten weight is no problem."""
    return {"op": "add", "path": f"/spec/rules/{rule.index}/backendRefs/{ref.index}/weight", "value": weight}


def _test(path: str, value: Any) -> Operation:
    return {"op": "test", "path": path, "value": value}


def _note(name: str) -> str:
    """JSON Pointer to an annotation (RFC 6901 section 3: / is written ~1)."""
    return "/metadata/annotations/" + name.replace("~", "~0").replace("/", "~1")
