"""The writes of a release that give the canary something, as JSON Patches (RFC 6902) on the route as just read.

They test the token, each rule's identity and its whole list of references (invariant 6): what somebody else changed
since makes them fail, and the engine reads again.
"""

from __future__ import annotations

from dataclasses import replace
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
from strategies.route.weights import ERROR_LIMIT, baseline_weight, canary_weight, rounding_error


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
    """Append the canary's reference, then the baseline's, with weight 0, and multiply the weights by the factor.

    A reference that stands already is left alone. Filters of stable's reference are copied to the canary's, so that
    both arms' requests are treated alike.

    Raises:
        NoSuchRule: a chosen rule, or stable in it, is gone.
        NoRoom: somebody filled the rule, took stable's weight, or made weights too large to be multiplied.
    """
    operations: list[Operation] = []
    for rule, known in _chosen(route, original):
        stable = _stable(rule, pool)
        missing = [ref for ref in pool.ours if not rule.every(ref)]
        if not missing:
            continue
        first = len(missing) == len(pool.ours)
        _has_room(rule, stable, known if first else replace(known, factor=1), route, more=len(missing))
        operations += strict(rule)
        if known.factor > 1 and first:
            operations += [weigh(rule, ref, ref.weight * known.factor) for ref in rule.refs]
        for ref in missing:
            reference = _reference(ref, stable, namespace_of(route))
            operations.append({"op": "add", "path": f"/spec/rules/{rule.index}/backendRefs/-", "value": reference})
    return (must_be(note(TOKEN), token), *operations) if operations else ()


def _has_room(rule: Rule, stable: Ref, known: OriginalRule, route: Object, *, more: int) -> None:
    if stable.weight == 0:
        raise NoRoom(f"{rule} of {name_of(route)} gives stable no weight by now; give it one, then start again")
    if len(rule.refs) + more > REFS_LIMIT:
        raise NoRoom(f"{rule} of {name_of(route)} has {len(rule.refs)} references by now; {REFS_LIMIT} is the most")
    largest = max(ref.weight for ref in rule.refs) * known.factor
    if largest > WEIGHT_LIMIT:
        raise NoRoom(
            f"{rule} of {name_of(route)} was given larger weights by somebody: multiplied by {known.factor}, as this "
            f"plan needs, they come to {largest}, and weights end at {WEIGHT_LIMIT}; start the release again"
        )


def set_share(route: Object, *, pool: Pool, original: Original, share: Decimal, token: str) -> Patch:
    """Give the canary a share of the pool in each chosen rule, the baseline as much of the rest, stable what is left.

    Args:
        route: the route just read.
        pool, original: the release's.
        share: percent, 0 to 100.
        token: ours; the write holds only while it stands on the route.

    Raises:
        NoSuchRule: a chosen rule, stable, the canary or the baseline in it, is gone.
        NoRoom: somebody changed the pool's weight, and what it is now cannot express the share.
    """
    operations: list[Operation] = [must_be(note(TOKEN), token)]
    for rule, _ in _chosen(route, original):
        stable, canary = _stable(rule, pool), rule.find(pool.canary)
        if canary is None:
            raise NoSuchRule(f"{rule} of {name_of(route)} no longer sends to the canary {pool.canary}")
        baseline = _baseline(rule, pool, route)
        whole = stable.weight + canary.weight + (baseline.weight if baseline else 0)
        weight = canary_weight(whole, share)
        _expresses(rule, whole, share, route, pool)
        operations += strict(rule)
        beside = baseline_weight(whole, weight) if baseline else 0
        operations.append(weigh(rule, canary, weight))
        if baseline:
            operations.append(weigh(rule, baseline, beside))
        operations.append(weigh(rule, stable, whole - weight - beside))
    return tuple(operations)


def _baseline(rule: Rule, pool: Pool, route: Object) -> Ref | None:
    if pool.baseline is None:
        return None
    found = rule.find(pool.baseline)
    if found is None:
        raise NoSuchRule(f"{rule} of {name_of(route)} no longer sends to the baseline {pool.baseline}")
    return found


def _expresses(rule: Rule, whole: int, share: Decimal, route: Object, pool: Pool) -> None:
    """A pool that somebody made coarser than the plan needs would give the canary a multiple of its share."""
    whose = "stable and canary" if pool.baseline is None else "stable, canary and baseline"
    where = f"{whose} in {rule} of {name_of(route)} have a weight of {whole} together by now"
    if whole < 1:
        raise NoRoom(f"{where}; give stable its weight back, then start the release again")
    if whole > WEIGHT_LIMIT:
        raise NoRoom(
            f"{where}, and weights end at {WEIGHT_LIMIT}; give them smaller ones, then start the release again"
        )
    if rounding_error(whole, share, baseline=pool.baseline is not None) > ERROR_LIMIT:
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


def _reference(ours: RefId, stable: Ref, namespace: str) -> dict[str, Any]:
    reference: dict[str, Any] = {"group": ours.group, "kind": ours.kind, "name": ours.name}
    if ours.namespace != namespace:
        reference["namespace"] = ours.namespace
    if ours.port is not None:
        reference["port"] = ours.port
    if stable.filters:
        reference["filters"] = list(stable.filters)
    return {**reference, "weight": 0}
