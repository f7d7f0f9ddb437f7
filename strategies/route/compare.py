"""What somebody else's change means, and what the gateway says: readings of a route, no plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from strategies.route.model import TOKEN, Malformed, Object, Rule, annotations_of, canonical, rules_of
from strategies.route.original import Original, Pool


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
    """The canary's part of the pool that a rule expresses, 0 to 1; 0 without a canary or an empty pool."""
    canary, stable = rule.find(pool.canary), rule.find(pool.stable)
    if canary is None or canary.weight == 0:
        return Fraction(0)
    return Fraction(canary.weight, canary.weight + (stable.weight if stable else 0))


def compare(before: Object, after: Object | None, *, pool: Pool, original: Original, token: str) -> Change | None:
    """What changed between the route as we last knew it and as it is now; None when nothing that is in `spec`.

    A raise outweighs everything else: it is what must be put down at once.
    """
    if after is None:
        return Change(direction=Direction.GONE, sentence="the route was deleted")
    stands = annotations_of(after).get(TOKEN)
    if stands is not None and stands != token:
        return Change(direction=Direction.RESTAMPED, sentence=f"another engine's token stands on the route: {stands}")
    changes = [
        change
        for known in original.rules
        if (change := _compare_rule(_by_key(before, known.key), _by_key(after, known.key), pool, known.key))
    ]
    for direction in (Direction.RAISED, Direction.GONE, Direction.LOWERED):
        for change in changes:
            if change.direction is direction:
                return change
    if canonical(before.get("spec")) != canonical(after.get("spec")):
        return Change(direction=Direction.FOREIGN, sentence="something else in the route changed; the shares stand")
    return None


def _by_key(route: Object, key: str) -> Rule | None:
    return next((rule for rule in rules_of(route) if rule.key == key), None)


def _compare_rule(before: Rule | None, after: Rule | None, pool: Pool, key: str) -> Change | None:
    if before is None:
        return None
    if after is None:
        return Change(direction=Direction.GONE, sentence=f"the rule {key} is gone")
    return _compare_shares(before, after, pool)


def _compare_shares(before: Rule, after: Rule, pool: Pool) -> Change | None:
    was, now = share_of(before, pool), share_of(after, pool)
    if now > was:
        return Change(direction=Direction.RAISED, sentence=_moved(after, was, now))
    if before.find(pool.stable) is not None and after.find(pool.stable) is None:
        return Change(direction=Direction.GONE, sentence=f"{after} no longer sends to stable {pool.stable}")
    if before.find(pool.canary) is not None and after.find(pool.canary) is None:
        return Change(direction=Direction.LOWERED, sentence=f"{after} no longer sends to the canary {pool.canary}")
    if now < was:
        return Change(direction=Direction.LOWERED, sentence=_moved(after, was, now))
    return None


def _moved(rule: Rule, was: Fraction, now: Fraction) -> str:
    return f"{rule}: the canary's share went from {_percent(was)} to {_percent(now)}"


def _percent(part: Fraction) -> str:
    return f"{round(float(part) * 100, 4):g} %"


def last_writer(route: Object, *, ours: str) -> str:
    """The field manager that last wrote spec or metadata, ours and status writers left out; may be empty."""
    metadata = route.get("metadata")
    entries = metadata.get("managedFields") if isinstance(metadata, Mapping) else None
    candidates = [
        (str(entry.get("time", "")), str(entry.get("manager", "")))
        for entry in entries or ()
        if isinstance(entry, Mapping) and entry.get("manager") != ours and entry.get("subresource") != "status"
    ]
    return max(candidates, default=("", ""))[1]


def parents(route: Object) -> tuple[Parent, ...]:
    """What every controller says about every parent.

    Raises:
        Malformed: the status does not have its shape.
    """
    status = route.get("status") or {}
    entries = status.get("parents") or [] if isinstance(status, Mapping) else None
    if not isinstance(entries, list):
        raise Malformed("the route's status has no list of parents")
    return tuple(_parent(entry) for entry in entries if isinstance(entry, Mapping))


def _parent(entry: Mapping[str, Any]) -> Parent:
    conditions = {
        condition.get("type"): condition
        for condition in entry.get("conditions") or ()
        if isinstance(condition, Mapping)
    }
    nothing: Mapping[str, Any] = {}
    both = [conditions.get("Accepted", nothing), conditions.get("ResolvedRefs", nothing)]
    bad = [one for one in both if one.get("status") != "True"]
    observed = [one.get("observedGeneration", 0) for one in both]
    reason = f"{bad[0].get('reason', 'no status yet')}: {bad[0].get('message', '')}".strip(": ") if bad else ""
    return Parent(
        key=canonical([entry.get("parentRef"), entry.get("controllerName")]),
        accepted=both[0].get("status") == "True",
        resolved=both[1].get("status") == "True",
        generation=min(value if isinstance(value, int) else 0 for value in observed),
        reason=reason,
    )


def weights_shown(route: Object, *, original: Original) -> tuple[str, ...]:
    """The chosen rules' weights, one line each, for people."""
    keys = {rule.key for rule in original.rules}
    return tuple(
        f"{rule}: " + " ".join(f"{ref.id.name}={ref.weight}" for ref in rule.refs)
        for rule in rules_of(route)
        if rule.key in keys
    )
