"""What a route says, for the surgeon: pure functions of the object, of what is known of it, and of the release."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import strategies as cut
from canary.core import effects as do
from canary.core import events as on
from canary.core.release import NONE, Release
from canary.ports import JsonObject
from strategies.route.model import ORIGINAL

DIRECTIONS = {
    cut.Direction.LOWERED: on.Direction.LOWERED,
    cut.Direction.RAISED: on.Direction.RAISED,
    cut.Direction.GONE: on.Direction.GONE,
    cut.Direction.FOREIGN: on.Direction.FOREIGN,
}
"""What a change in a route is to the machine; another token is none of these."""


def noted(route: JsonObject, release: Release) -> cut.Original | None:
    """What the route itself says about its weights: the engine may have died between the stamp and the journal.

    None when this release never touched it. A note that somebody damaged still says that we did.
    """
    notes = cut.annotations_of(route)
    if notes.get(cut.RELEASE) != release.uid:
        return None
    try:
        return cut.Original.decode(json.loads(notes.get(ORIGINAL, "")))
    except (cut.Malformed, ValueError, RecursionError):
        return cut.Original(rules=())


def abort_of(route: JsonObject, release: Release) -> cut.Abort | None:
    """A person's word on the route; None where there is none, or where the object is no route."""
    try:
        return cut.abort_of(route, release=release.uid)
    except cut.SurgeryError:
        return None  # what is no route is told where routes are compared


def not_written_since(route: JsonObject) -> dict[str, Any]:
    """A test that nobody has written the spec since: a generation never comes back, weights may."""
    return {"op": "test", "path": "/metadata/generation", "value": cut.generation_of(route)}


def shares(route: JsonObject, *, pool: cut.Pool, original: cut.Original) -> list[float]:
    """The canary's share in each chosen rule that is still there, percent."""
    rules = {rule.key: rule for rule in cut.rules_of(route)}
    known = [rules[rule.key] for rule in original.rules if rule.key in rules]
    return [float(cut.share_of(rule, pool)) * 100 for rule in known]


def near(now: float, share: Decimal) -> bool:
    """Whether a share is the one asked for, as near as whole weights come to it (1 % of itself)."""
    return abs(now - float(share)) <= float(share) * 0.011 + 0.02


def disbelief(found: Iterable[float], release: Release) -> tuple[on.Direction, str] | None:
    """Which way somebody moved the share while nobody looked; None when it is one that this release wrote."""
    allowed = [release.share]
    for work in (release.pending, release.suspended):
        if isinstance(work, do.RaiseShare):
            allowed.append(work.share)
        elif isinstance(work, do.LowerShare):
            allowed.append(NONE)
    if release.outcome is not None and release.step >= 0:
        # Whoever goes back has forgotten what was pending: an engine that died between its raise and the answer.
        allowed.append(release.current.share)
    now = max(found, default=None)
    if now is None or any(near(now, share) for share in allowed):
        return None
    direction = on.Direction.LOWERED if now < float(min(allowed)) else on.Direction.RAISED
    return direction, f"the canary's share is {now:g} % now, not {release.share.normalize():f} %"


def acceptance(route: JsonObject, *, wanted: frozenset[str], newest: int) -> tuple[bool, str] | None:
    """The gateway's word about a generation, with its reason, once every parent that is waited for has spoken."""
    seen = {parent.key: parent for parent in cut.parents(route)}
    spoken = [seen[key] for key in wanted if key in seen and seen[key].generation >= newest]
    if not wanted or len(spoken) < len(wanted):
        return None
    bad = [parent for parent in spoken if not parent.good(newest)]
    return not bad, bad[0].reason if bad else ""
