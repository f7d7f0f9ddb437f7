"""The way back, as JSON Patches (RFC 6902) on the route as it is now, never by writing back what was saved.

A lower tests only the release and the references that it touches (invariant 6): whatever else somebody changed
meanwhile, it must succeed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from strategies.route.model import (
    OURS,
    RELEASE,
    WEIGHT_LIMIT,
    Object,
    Ref,
    Rule,
    annotations_of,
    name_of,
    rules_of,
)
from strategies.route.operations import Operation, Patch, must_be, note, still_there, strict, weigh
from strategies.route.original import Original, OriginalRule, Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowering:
    """How to take the canary's traffic off.

    Attributes:
        patch: the operations; empty when no rule sends to the canary or to the baseline.
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


def lower(route: Object, *, pool: Pool, original: Original, release: str) -> Lowering:
    """Take all traffic off the canary, and off the baseline, in every rule that sends to them, chosen or not.

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
    held = [must_be(note(RELEASE), release)] if RELEASE in annotations_of(route) else []
    return Lowering(patch=(*held, *operations) if operations else (), alarms=tuple(alarms))


def _lower_rule(
    rule: Rule, known: OriginalRule | None, pool: Pool, route: Object
) -> tuple[list[Operation], tuple[str, ...]]:
    stable = next(iter(rule.every(pool.stable)), None)
    ours = [ref for wanted in pool.ours for ref in rule.every(wanted)]
    sending = [ref for ref in ours if ref.weight > 0]
    if sending and pool.baseline is not None:
        sending = ours  # somebody may give the other one a weight between this reading and the write
    if stable is None:
        which = "canary" if any(ref.id == pool.canary for ref in sending) else "baseline"
        what = (
            f"{rule} of {name_of(route)} sends to the {which} but not to stable {pool.stable}; nothing was written "
            f"there"
        )
        return [], (what,) if sending else ()
    weight = stable.weight + sum(ref.weight for ref in sending)
    if known is not None and rule.total == 0:
        weight = (known.weight(pool.stable) or 1) * known.factor
    if weight == stable.weight:
        return [], ()
    touched = [*sending, stable]
    operations = [test for ref in touched for test in still_there(rule, ref)]
    operations += [weigh(rule, ref, 0) for ref in sending]
    # Two people's weights may come to more than a weight may be: a smaller one goes through, a larger one never.
    return [*operations, weigh(rule, stable, min(weight, WEIGHT_LIMIT))], ()


def detach(route: Object, *, pool: Pool, original: Original, release: str, keep: bool = False) -> Restore:
    """Take our references and annotations out, and put the weights back where nobody else changed them.

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
    head = (must_be(note(RELEASE), release),) if RELEASE in notes else ()
    return Restore(patch=(*head, *operations), kept=tuple(kept), alarms=tuple(alarms))


def _unstamp(notes: Mapping[str, str]) -> list[Operation]:
    ours = [name for name in OURS if name in notes]
    if ours and len(ours) == len(notes):
        path = "/metadata/annotations"
        return [must_be(path, dict(notes)), {"op": "remove", "path": path}]
    return [{"op": "remove", "path": note(name)} for name in ours]


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
        if was is None and any(rule.every(ref) for ref in pool.ours) and rule.every(pool.stable):
            was = next((one for one in missing if _untouched(rule, one, pool)), None)
            missing = [one for one in missing if one is not was]
        elif was is None:
            continue
        pairs.append((rule, was))
    return pairs, missing


def _untouched(rule: Rule, known: OriginalRule, pool: Pool) -> bool:
    """Whether the weights are those that this release left, whatever it gave the canary."""
    whole = sum(ref.weight for ref in rule.refs if ref.id in pool.parts)
    now = Counter((ref.id, ref.weight) for ref in rule.refs if ref.id not in pool.parts)
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
    ours = tuple(ref for ref in rule.refs if ref.id in pool.ours)
    if known is not None and _untouched(rule, known, pool):
        before = dict(known.weights)
        for ref in rule.refs:
            if ref.id not in pool.ours:
                operations += _put_back(rule, ref, before[ref.id])
    else:
        weight = stable.weight + sum(ref.weight for ref in ours)
        if rule.total == 0:
            kept = (f"{rule}: somebody took every weight in it; stable got its own back",)
            operations += _put_back(rule, stable, dict(known.weights).get(pool.stable, 1) if known else 1)
        else:
            kept = (f"{rule}: somebody else changed its references or weights; their change stays",)
            if weight != stable.weight:
                operations.append(weigh(rule, stable, min(weight, WEIGHT_LIMIT)))
            elif weight == 0:
                alarms = (f"{where} gives stable {pool.stable} no weight; if nobody means it so, give it one",)
    for ref in reversed(ours):
        operations.append({"op": "remove", "path": f"/spec/rules/{rule.index}/backendRefs/{ref.index}"})
    return ([*strict(rule), *operations] if operations else []), kept, alarms


def _put_back(rule: Rule, ref: Ref, weight: int | None) -> list[Operation]:
    """Nothing when it is as it was; an unwritten weight becomes unwritten again."""
    if weight is None:
        path = f"/spec/rules/{rule.index}/backendRefs/{ref.index}/weight"
        return [{"op": "remove", "path": path}] if ref.explicit else []
    return [] if ref.explicit and ref.weight == weight else [weigh(rule, ref, weight)]
