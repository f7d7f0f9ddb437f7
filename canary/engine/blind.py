"""Traffic back with nothing but the route: what is left where the journal cannot be read."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import strategies as cut
from canary.ports import Conflict, JsonObject, NotFound, Routes

BY = "canary watchdog"
TRIES = 5
"""How often the route is read and planned anew when it moves in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blind:
    """How it went.

    Attributes:
        sentence: in words.
        alarm: a person must act.
    """

    sentence: str
    alarm: bool


def put_back(routes: Routes, *, why: str, now: float) -> Blind:
    """Take the canary's traffic off by the note that the release left on the route; delete nothing.

    Args:
        routes: the release's route.
        why: the journal cannot be used.
        now: seconds since the epoch on the server's clock.

    Raises:
        PortError: the route could not be read or written.
    """
    for _ in range(TRIES - 1):
        with suppress(Conflict):
            return _put_back(routes, why, now)
    return _put_back(routes, why, now)


def _put_back(routes: Routes, why: str, now: float) -> Blind:
    try:
        route = routes.read()
    except NotFound as error:
        return Blind(sentence=f"the engine was lost, and so is its route: {error}", alarm=False)
    try:
        uid = cut.annotations_of(route).get(cut.RELEASE)
        if uid is None:
            return Blind(sentence=f"the engine was lost, and the route carries no release ({why})", alarm=False)
        original = _noted(route)
        if original is None or original.pool is None:
            sentence = "the engine was lost; neither its journal nor the route says which backend is the canary"
            return Blind(sentence=f"{sentence}: put the weights back by hand ({why})", alarm=True)
        said = cut.Abort(by=BY, reason=f"the engine was lost: {why}", at=_stamp(now), release=uid)
        plan = cut.abort(route, pool=original.pool, original=original, release=uid, said=said)
        if plan.patch:
            routes.patch(plan.patch)
    except cut.SurgeryError as error:
        return Blind(sentence=f"the engine was lost, and the traffic was not moved: {error}", alarm=True)
    if plan.alarms:
        return Blind(sentence=f"the engine was lost, and not all traffic is back: {' '.join(plan.alarms)}", alarm=True)
    done = "the engine was lost: traffic is back on stable, nothing was deleted"
    return Blind(sentence=f"{done}; {why}; clean up with canary abort --finish", alarm=True)


def _noted(route: JsonObject) -> cut.Original | None:
    with suppress(cut.SurgeryError, ValueError, RecursionError, KeyError):
        return cut.Original.decode(json.loads(cut.annotations_of(route)[cut.ORIGINAL]))
    return None


def _stamp(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
