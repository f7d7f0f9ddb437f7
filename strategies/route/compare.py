"""What somebody else's change means, and what the gateway says: readings of a route, no plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

from strategies.route.model import (
    TOKEN,
    Malformed,
    Object,
    RefId,
    Rule,
    annotations_of,
    canonical,
    mapping,
    rules_of,
    uid_of,
)
from strategies.route.original import Original, Pool
from strategies.route.weights import baseline_weight, canary_weight


class Direction(StrEnum):
    """Which way the canary's share went."""

    LOWERED = "lowered"
    RAISED = "raised"
    GONE = "gone"
    RESTAMPED = "restamped"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change by somebody else.

    Attributes:
        direction: which way the share went; GONE: a rule or stable is missing; RESTAMPED: another token stands
            there; FOREIGN: something that is not ours.
        sentence: what changed, in words.
    """

    direction: Direction
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """What one controller says about one parent of the route.

    Attributes:
        key: parentRef and controller, as text.
        accepted, resolved: the two conditions are True.
        generation: the older of the generations that they were observed at.
        reason: reason and message of the first condition that is not True.
    """

    key: str
    accepted: bool
    resolved: bool
    generation: int
    reason: str

    def good(self, generation: int) -> bool:
        """Whether it accepts at least this generation of the route."""
        return self.accepted and self.resolved and self.generation >= generation


def share_of(rule: Rule, pool: Pool) -> Fraction:
    """The canary's part of the pool that a rule expresses, 0 to 1; 0 without a canary or an empty pool.

    References that somebody wrote twice count together, as they do for the gateway.
    """
    canary = weight_of(rule, pool.canary)
    return Fraction(canary, canary + weight_of(rule, *pool.old)) if canary else Fraction(0)


def weight_of(rule: Rule, *wanted: RefId) -> int:
    """The weight of every reference with one of these identities together."""
    return sum(ref.weight for ref in rule.refs if ref.id in wanted)


def compare(before: Object, after: Object | None, *, pool: Pool, original: Original, token: str) -> Change | None:
    """What changed between the route as we last knew it and as it is now; None when nothing that is in `spec`.

    A raise outweighs everything else: it is what must be put down at once. It may stand in any rule, also in one that
    the release did not choose or that is new.

    Raises:
        Malformed: one of the two is not a route.
    """
    if after is None:
        return Change(direction=Direction.GONE, sentence="the route was deleted")
    if uid_of(before) and uid_of(after) and uid_of(before) != uid_of(after):
        return Change(direction=Direction.GONE, sentence="the route was deleted and made again")
    stands = annotations_of(after).get(TOKEN)
    if stands is not None and stands != token:
        return Change(direction=Direction.RESTAMPED, sentence=f"another engine's token stands on the route: {stands}")
    changes = [*_raised(before, after, pool), *_changed(before, after, pool, original)]
    moved = _baseline_changed(before, after, pool, original)
    for direction in (Direction.RAISED, Direction.GONE, Direction.LOWERED):
        for change in changes:
            if change.direction is direction:
                return replace(change, sentence=f"{change.sentence}; {moved}") if moved else change
    if canonical(before.get("spec")) == canonical(after.get("spec")):
        return None
    other = f"{moved}, so no raise follows" if moved else "something else in the route changed; the shares stand"
    return Change(direction=Direction.FOREIGN, sentence=other)


def _raised(before: Object, after: Object, pool: Pool) -> list[Change]:
    """Rules in which the canary has more than before; a new one is held against those that went."""
    was = _by_key(before)
    now = _by_key(after)
    gone = max((share_of(rule, pool) for key, rule in was.items() if key not in now), default=Fraction(0))
    changes = []
    for key, rule in now.items():
        share, known = share_of(rule, pool), share_of(was[key], pool) if key in was else gone
        if share > known:
            changes.append(Change(direction=Direction.RAISED, sentence=_moved(rule, known, share)))
    return changes


def _by_key(route: Object) -> dict[str, Rule]:
    """Rules by identity; of those that cannot be told apart, the first, which is the one that gateways use."""
    return {rule.key: rule for rule in reversed(rules_of(route))}


def _changed(before: Object, after: Object, pool: Pool, original: Original) -> list[Change]:
    was, now = _by_key(before), _by_key(after)
    changes = []
    for known in original.rules:
        if known.key not in was:
            continue
        if known.key not in now:
            changes.append(Change(direction=Direction.GONE, sentence=f"the rule {known.key} is gone"))
        elif change := _less(was[known.key], now[known.key], pool):
            changes.append(change)
    return changes


def _less(before: Rule, after: Rule, pool: Pool) -> Change | None:
    was, now = share_of(before, pool), share_of(after, pool)
    if before.every(pool.stable) and not after.every(pool.stable):
        return Change(direction=Direction.GONE, sentence=f"{after} no longer sends to stable {pool.stable}")
    if before.every(pool.canary) and not after.every(pool.canary):
        return Change(direction=Direction.LOWERED, sentence=f"{after} no longer sends to the canary {pool.canary}")
    if now < was:
        return Change(direction=Direction.LOWERED, sentence=_moved(after, was, now))
    return None


def baseline_moved(route: Object, *, pool: Pool, original: Original, shares: Iterable[Decimal]) -> str:
    """Where somebody moved the baseline: a rule in which its weight fits none of the shares that were written.

    Args:
        route: as it is now.
        pool, original: the release's.
        shares: that the release may have written, percent.

    Returns:
        A sentence; empty where nobody did, or where there is no baseline.

    Raises:
        Malformed: the object is not a route.
    """
    if pool.baseline is None:
        return ""
    chosen, written = {rule.key for rule in original.rules}, tuple(shares)
    for rule in rules_of(route):
        if rule.key not in chosen:
            continue
        canary, baseline = weight_of(rule, pool.canary), weight_of(rule, pool.baseline)
        whole = canary + weight_of(rule, *pool.old)
        ways = [canary_weight(whole, share) for share in written]
        if not rule.every(pool.baseline):
            return f"{rule} no longer sends to the baseline {pool.baseline}"
        if (canary, baseline) not in [(weight, baseline_weight(whole, weight)) for weight in ways]:
            return f"{rule}: the baseline {pool.baseline} has a weight of {baseline} beside the canary's {canary}"
    return ""


def _baseline_changed(before: Object, after: Object, pool: Pool, original: Original) -> str:
    """Where the baseline's weight is another one than before; empty where it is not, or there is no baseline."""
    was, now = (_by_key(before), _by_key(after)) if pool.baseline is not None else ({}, {})
    for known in original.rules:
        if pool.baseline is None or known.key not in was or known.key not in now:
            continue
        old, new = (weight_of(rules[known.key], pool.baseline) for rules in (was, now))
        if old != new or len(was[known.key].every(pool.baseline)) != len(now[known.key].every(pool.baseline)):
            return f"{now[known.key]}: the baseline's weight went from {old} to {new}"
    return ""


def _moved(rule: Rule, was: Fraction, now: Fraction) -> str:
    return f"{rule}: the canary's share went from {_percent(was)} to {_percent(now)}"


def _percent(part: Fraction) -> str:
    return f"{round(float(part) * 100, 4):g} %"


def last_writer(route: Object, *, ours: str) -> str:
    """The field manager that last wrote spec or, failing that, metadata; ours and status writers left out.

    Empty when the route does not tell. Two writes in the same second cannot be told apart: the greater name is given.
    """
    whole: Any = route
    metadata = whole.get("metadata") if isinstance(whole, Mapping) else None
    entries = metadata.get("managedFields") if isinstance(metadata, Mapping) else None
    candidates = [
        (_owns_spec(entry), _text(entry.get("time")), _text(entry.get("manager")))
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, Mapping) and entry.get("manager") != ours and not _only_status(entry)
    ]
    return max(candidates, default=(False, "", ""))[2]


def _only_status(entry: Mapping[str, Any]) -> bool:
    fields = entry.get("fieldsV1")
    return entry.get("subresource") == "status" or (isinstance(fields, Mapping) and set(fields) == {"f:status"})


def _owns_spec(entry: Mapping[str, Any]) -> bool:
    """Entries that do not list their fields may own anything."""
    fields = entry.get("fieldsV1")
    return not isinstance(fields, Mapping) or "f:spec" in fields


def parents(route: Object) -> tuple[Parent, ...]:
    """What every controller says about every parent.

    Raises:
        Malformed: the status does not have its shape.
    """
    entries = mapping(mapping(route, "the route").get("status") or {}, "status").get("parents") or []
    if not isinstance(entries, list):
        raise Malformed("the route's status has no list of parents")
    return tuple(_parent(entry) for entry in entries if isinstance(entry, Mapping))


def _parent(entry: Mapping[str, Any]) -> Parent:
    conditions = entry.get("conditions")
    both = [_condition(conditions, "Accepted"), _condition(conditions, "ResolvedRefs")]
    bad = [one for one in both if one.get("status") != "True"]
    observed = [one.get("observedGeneration", 0) for one in both]
    reason = f"{_text(bad[0].get('reason')) or 'no status yet'}: {_text(bad[0].get('message'))}" if bad else ""
    return Parent(
        key=canonical([entry.get("parentRef"), entry.get("controllerName")]),
        accepted=both[0].get("status") == "True",
        resolved=both[1].get("status") == "True",
        generation=min(value if isinstance(value, int) else 0 for value in observed),
        reason=reason.strip(": "),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _condition(conditions: Any, kind: str) -> Mapping[str, Any]:
    """The last condition of this type; empty when there is none."""
    found: Mapping[str, Any] = {}
    for one in conditions if isinstance(conditions, list) else ():
        if isinstance(one, Mapping) and one.get("type") == kind:
            found = one
    return found


def weights_shown(route: Object, *, original: Original) -> tuple[str, ...]:
    """The chosen rules' weights, one line each, for people."""
    keys = {rule.key for rule in original.rules}
    return tuple(
        f"{rule}: " + " ".join(f"{ref.id.name}={ref.weight}" for ref in rule.refs)
        for rule in rules_of(route)
        if rule.key in keys
    )
