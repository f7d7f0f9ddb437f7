"""The writes of a release that give the canary something, as JSON Patches (RFC 6902) on the route as just read.

They test the token, each rule's identity and its whole list of references (invariant 6): what somebody else changed
since makes them fail, and the engine reads again.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from strategies.route.model import (
    ORIGINAL,
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
from strategies.route.operations import Operation, Patch, must_be, note, strict, weigh
from strategies.route.original import Original, OriginalRule, Pool
from strategies.route.weights import ERROR_LIMIT, canary_weight, rounding_error


def stamp(route: Object, *, token: str, release: str, original: Original) -> dict[str, Any]:
    """The first stamp: a JSON Merge Patch (RFC 7386) that holds only for the version just read."""
    notes = {TOKEN: token, RELEASE: release, ORIGINAL: original.text()}
    return {"metadata": {"annotations": notes, "resourceVersion": version_of(route)}}


def swap_token(route: Object, *, token: str, release: str) -> Patch:
    """Replace the token of an earlier incarnation by compare-and-swap."""
    return (
        must_be(note(RELEASE), release),
        must_be(note(TOKEN), annotations_of(route).get(TOKEN, "")),
        {"op": "replace", "path": note(TOKEN), "value": token},
    )


def attach(route: Object, *, pool: Pool, original: Original, token: str) -> Patch:
    """Append the canary's reference with weight 0 to each chosen rule, and multiply the weights by the factor.

    A reference that stands already is left alone. Filters of stable's reference are copied to the canary's, so that
    both arms' requests are treated alike.

    Raises:
        NoSuchRule: a chosen rule, or stable in it, is gone.
        NoRoom: somebody filled the rule, took stable's weight, or made weights too large to be multiplied.
    """
    operations: list[Operation] = []
    for rule, known in _chosen(route, original):
        stable = _stable(rule, pool)
        if rule.every(pool.canary):
            continue
        _has_room(rule, stable, known, route)
        operations += strict(rule)
        if known.factor > 1:
            operations += [weigh(rule, ref, ref.weight * known.factor) for ref in rule.refs]
        reference = _reference(pool.canary, stable, namespace_of(route))
        operations.append({"op": "add", "path": f"/spec/rules/{rule.index}/backendRefs/-", "value": reference})
    return (must_be(note(TOKEN), token), *operations) if operations else ()


def _has_room(rule: Rule, stable: Ref, known: OriginalRule, route: Object) -> None:
    if stable.weight == 0:
        raise NoRoom(f"{rule} of {name_of(route)} gives stable no weight by now; give it one, then start again")
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
    operations: list[Operation] = [must_be(note(TOKEN), token)]
    for rule, _ in _chosen(route, original):
        stable, canary = _stable(rule, pool), rule.find(pool.canary)
        if canary is None:
            raise NoSuchRule(f"{rule} of {name_of(route)} no longer sends to the canary {pool.canary}")
        whole = stable.weight + canary.weight
        weight = canary_weight(whole, share)
        _expresses(rule, whole, share, route)
        operations += strict(rule)
        operations += [weigh(rule, canary, weight), weigh(rule, stable, whole - weight)]
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
