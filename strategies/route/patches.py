"""The writes of a release as JSON Patches (RFC 6902), planned on the route as it was just read.

A raise tests the token, each rule's identity and its whole list of references. A lower tests only the release and the
references that it touches (invariant 6): whatever else somebody changed meanwhile, it must succeed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from strategies.route.model import (
    ORIGINAL,
    OURS,
    REFS_LIMIT,
    RELEASE,
    TOKEN,
    WEIGHT_LIMIT,
    NoRoom,
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
from strategies.route.weights import ERROR_LIMIT, canary_weight, rounding_error

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
        NoRoom: somebody filled the rule, or made its weights too large to be multiplied.
    """
    operations: list[Operation] = []
    for rule, known in _chosen(route, original):
        stable = _stable(rule, pool)
        if rule.every(pool.canary):
            continue
        _has_room(rule, known, route)
        operations += _strict(rule)
        if known.factor > 1:
            operations += [_weigh(rule, ref, ref.weight * known.factor) for ref in rule.refs]
        reference = _reference(pool.canary, stable, namespace_of(route))
        operations.append({"op": "add", "path": f"/spec/rules/{rule.index}/backendRefs/-", "value": reference})
    return (_test(_note(TOKEN), token), *operations) if operations else ()


def _has_room(rule: Rule, known: OriginalRule, route: Object) -> None:
    if len(rule.refs) >= REFS_LIMIT:
        raise NoRoom(f"{rule} of {name_of(route)} has {len(rule.refs)} references by now; {REFS_LIMIT} is the most")
    largest = max(ref.weight for ref in rule.refs) * known.factor
    if largest > WEIGHT_LIMIT:
        raise NoRoom(
            f"{rule} of {name_of(route)} was given larger weights by somebody: multiplied by {known.factor}, as this "
            f"plan needs, they come to {largest}, and weights end at {WEIGHT_LIMIT}; start the release again"
        )


def set_share(route: Object, *, pool: Pool, original: Original, share: Decimal, token: str) -> Patch:
    """Give the canary a share of the pool in each chosen rule.

    Args:
        route: the route just read.
        pool, original: the release's.
        share: percent, 0 to 100.
        token: ours; the write holds only while it stands on the route.

    Raises:
        NoSuchRule: a chosen rule, stable or the canary in it, is gone.
        NoRoom: somebody changed the pool's weight, and what it is now cannot express the share.
    """
    operations: list[Operation] = [_test(_note(TOKEN), token)]
    for rule, _ in _chosen(route, original):
        stable, canary = _stable(rule, pool), rule.find(pool.canary)
        if canary is None:
            raise NoSuchRule(f"{rule} of {name_of(route)} no longer sends to the canary {pool.canary}")
        whole = stable.weight + canary.weight
        weight = canary_weight(whole, share)
        _expresses(rule, whole, share, route)
        operations += _strict(rule)
        operations += [_weigh(rule, canary, weight), _weigh(rule, stable, whole - weight)]
    return tuple(operations)


def _expresses(rule: Rule, whole: int, share: Decimal, route: Object) -> None:
    """A pool that somebody made coarser than the plan needs would give the canary a multiple of its share."""
    where = f"stable and canary in {rule} of {name_of(route)} have a weight of {whole} together by now"
    if whole < 1:
        raise NoRoom(f"{where}; give stable its weight back, then start the release again")
    if whole > WEIGHT_LIMIT:
        raise NoRoom(
            f"{where}, and weights end at {WEIGHT_LIMIT}; give them smaller ones, then start the release again"
        )
    if rounding_error(whole, share) > ERROR_LIMIT:
        raise NoRoom(
            f"{where}, which cannot express {share.normalize():f} % to within 1 % of it; "
            f"somebody changed them during the release: start it again"
        )


def lower(route: Object, *, pool: Pool, original: Original, release: str) -> Lowering:
    """Take all traffic off the canary in every rule that sends to it, chosen or not.

    The pool's weight as it is now goes to stable. A rule without stable is left alone and told: sending its share to
    nobody would turn it into errors. A chosen rule in which nothing has a weight any more answers every request with
    an error, so stable gets its old weight there.

    The release is tested where its annotation stands. Where somebody took it off, there is nothing to test, and
    traffic goes back all the same.

    Raises:
        Malformed: the object is not a route.
    """
    operations: list[Operation] = []
    alarms: list[str] = []
    known = {rule.key: rule for rule in original.rules}
    for rule in rules_of(route):
        planned, alarm = _lower_rule(rule, known.get(rule.key), pool, route)
        operations += planned
        alarms += alarm
    held = [_test(_note(RELEASE), release)] if RELEASE in annotations_of(route) else []
    return Lowering(patch=(*held, *operations) if operations else (), alarms=tuple(alarms))


def _lower_rule(
    rule: Rule, known: OriginalRule | None, pool: Pool, route: Object
) -> tuple[list[Operation], tuple[str, ...]]:
    stable = next(iter(rule.every(pool.stable)), None)
    sending = [ref for ref in rule.every(pool.canary) if ref.weight > 0]
    if stable is None:
        what = (
            f"{rule} of {name_of(route)} sends to the canary but not to stable {pool.stable}; nothing was written there"
        )
        return [], (what,) if sending else ()
    weight = stable.weight + sum(ref.weight for ref in sending)
    if known is not None and rule.total == 0:
        weight = (known.weight(pool.stable) or 1) * known.factor
    if weight == stable.weight:
        return [], ()
    touched = [*sending, stable]
    operations = [test for ref in touched for test in _is(rule, ref)]
    operations += [_weigh(rule, ref, 0) for ref in sending]
    # Two people's weights may come to more than a weight may be: a smaller one goes through, a larger one never.
    return [*operations, _weigh(rule, stable, min(weight, WEIGHT_LIMIT))], ()


def detach(route: Object, *, pool: Pool, original: Original, release: str, keep: bool = False) -> Restore:
    """Take our reference and annotations out, and put the weights back where nobody else changed them.

    A rule that somebody gave another name or other matches is known again by its references and weights. Where even
    those were changed, our reference goes and the weights stay as they are. A route that another release has taken
    since holds nothing of ours: our own write was the one before, even if its answer was lost.

    Args:
        route: the route just read.
        pool, original, release: the release's.
        keep: leave references and weights as they are; only the annotations go.

    Raises:
        Malformed: the object is not a route.
    """
    notes = annotations_of(route)
    holder = notes.get(RELEASE, release)
    if holder != release:
        return Restore(patch=(), kept=(f"{name_of(route)} is another release's by now: {holder}",))
    operations: list[Operation] = []
    kept: list[str] = []
    alarms: list[str] = []
    found, missing = ([], []) if keep else _pairs(rules_of(route), pool, original)
    for rule, known in found:
        planned, foreign, alarm = _restore_rule(rule, known, pool, route)
        operations += planned
        kept += foreign
        alarms += alarm
    kept += [f"the rule {known.key} was removed or changed by somebody else and stays so" for known in missing]
    operations += _unstamp(notes)
    head = (_test(_note(RELEASE), release),) if RELEASE in notes and operations else ()
    return Restore(patch=(*head, *operations), kept=tuple(kept), alarms=tuple(alarms))


def _unstamp(notes: Mapping[str, str]) -> list[Operation]:
    ours = [name for name in OURS if name in notes]
    if ours and len(ours) == len(notes):
        path = "/metadata/annotations"
        return [_test(path, dict(notes)), {"op": "remove", "path": path}]
    return [{"op": "remove", "path": _note(name)} for name in ours]


def _pairs(
    rules: Iterable[Rule], pool: Pool, original: Original
) -> tuple[list[tuple[Rule, OriginalRule | None]], list[OriginalRule]]:
    """Each rule that may hold something of ours with what it was, and the chosen ones that are not to be found."""
    known = {rule.key: rule for rule in original.rules}
    here = tuple(rules)
    missing = [rule for rule in original.rules if all(rule.key != other.key for other in here)]
    pairs: list[tuple[Rule, OriginalRule | None]] = []
    for rule in here:
        was = known.get(rule.key)
        if was is None and rule.every(pool.canary) and rule.every(pool.stable):
            was = next((one for one in missing if _untouched(rule, one, pool)), None)
            missing = [one for one in missing if one is not was]
        elif was is None:
            continue
        pairs.append((rule, was))
    return pairs, missing


def _untouched(rule: Rule, known: OriginalRule, pool: Pool) -> bool:
    """Whether the weights are those that this release left, whatever it gave the canary."""
    whole = sum(ref.weight for ref in (*rule.every(pool.stable), *rule.every(pool.canary)))
    now = Counter((ref.id, ref.weight) for ref in rule.refs if ref.id not in (pool.stable, pool.canary))
    now.update((pool.stable, whole) for _ in rule.every(pool.stable))
    unscaled = Counter((ref, 1 if weight is None else weight) for ref, weight in known.weights)
    scaled = Counter((ref, (1 if weight is None else weight) * known.factor) for ref, weight in known.weights)
    return now in (scaled, unscaled)


def _restore_rule(
    rule: Rule, known: OriginalRule | None, pool: Pool, route: Object
) -> tuple[list[Operation], tuple[str, ...], tuple[str, ...]]:
    """Operations, what is kept, and what needs a person."""
    stable = next(iter(rule.every(pool.stable)), None)
    where = f"{rule} of {name_of(route)}"
    if stable is None:
        return [], (), (f"{where} no longer sends to stable {pool.stable}; nothing was written there",)
    operations: list[Operation] = []
    kept: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    canaries = rule.every(pool.canary)
    if known is not None and _untouched(rule, known, pool):
        before = dict(known.weights)
        for ref in rule.refs:
            if ref.id != pool.canary:
                operations += _put_back(rule, ref, before[ref.id])
    else:
        kept = (f"{rule}: somebody else changed its references or weights; their change stays",)
        weight = stable.weight + sum(ref.weight for ref in canaries)
        if rule.total == 0:
            kept = (f"{rule}: somebody took every weight in it; stable got its own back",)
            weight = (known.weight(pool.stable) if known else None) or 1
        if weight != stable.weight:
            operations.append(_weigh(rule, stable, min(weight, WEIGHT_LIMIT)))
        elif weight == 0:
            alarms = (f"{where} gives stable {pool.stable} no weight; if nobody means it so, give it one",)
    for canary in reversed(canaries):
        operations.append({"op": "remove", "path": f"/spec/rules/{rule.index}/backendRefs/{canary.index}"})
    return ([*_strict(rule), *operations] if operations else []), kept, alarms


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
    """Tests that the rule is the one it was when read, and its list of references unchanged.

    The absence of matches cannot be tested, so a rule with neither name nor matches is tested as a whole.
    """
    path = f"/spec/rules/{rule.index}"
    if not rule.name and rule.matches is None:
        return [_test(path, dict(rule.whole))]
    identity = _test(f"{path}/name", rule.name) if rule.name else _test(f"{path}/matches", rule.matches)
    return [identity, _test(f"{path}/backendRefs", rule.raw)]


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
