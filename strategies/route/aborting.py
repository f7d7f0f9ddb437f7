"""A person's word on the route: traffic back and raises revoked, in one write that needs nothing but the route.

The note says who wants the release stopped, and why. An engine that lives reads it there; one that is started later
finds it. The token is replaced by one that no engine has: every raise tests it, so that none of them succeeds any
more, not even one that lies in a network.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from strategies.route.lowering import Lowering, lower
from strategies.route.model import ABORT, RELEASE, TOKEN, Malformed, Object, annotations_of, version_of
from strategies.route.operations import Operation, must_be, note
from strategies.route.original import Original, Pool

LONGEST = 500
"""Characters of a name or a reason that are kept."""

REVOKED = "aborted"
"""Stands for the incarnation in a token that nobody has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort:
    """Somebody wants the release stopped.

    Attributes:
        by: who; empty when the note does not say.
        reason: why.
        at: when, as RFC 3339 text; empty when the note does not say.
        release: which release is meant; empty when the note does not say, then it is the one that stands there.
        superseded: another release takes its place, and `by` names that one.
    """

    by: str
    reason: str
    at: str = ""
    release: str = ""
    superseded: bool = False

    def text(self) -> str:
        """As the annotation holds it."""
        said = {"by": self.by, "reason": self.reason, "at": self.at, "release": self.release}
        said |= {"superseded": "true"} if self.superseded else {}
        return json.dumps({key: value[:LONGEST] for key, value in said.items()}, separators=(",", ":"))


def abort_of(route: Object, *, release: str) -> Abort | None:
    """The note about this release; None when there is none.

    Whatever else stands in the annotation (a person may write it with kubectl) is a reason to stop, too.

    Raises:
        Malformed: the object is not a route.
    """
    text = annotations_of(route).get(ABORT)
    if text is None:
        return None
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return Abort(by="", reason=text[:LONGEST])
    found = {key: value[:LONGEST] for key, value in said.items() if isinstance(value, str)}
    if found.get("release", "") not in {"", release}:
        return None
    words = {key: found.get(key, "") for key in ("by", "reason", "at", "release")}
    return Abort(**words, superseded=found.get("superseded") == "true")


def abort(
    route: Object, *, pool: Pool, original: Original, release: str, said: Abort, keep_weights: bool = False
) -> Lowering:
    """Take all traffic off the canary, write the note and revoke the token, in one patch.

    Like a lowering it tests the release and the references it touches, and nothing else. A note that stands already
    is left: the first word counts.

    Args:
        route: the route just read.
        pool, original, release: the release's.
        said: the note.
        keep_weights: write the note only: stable is just being updated, and whoever drives the release must put it
            back first.

    Raises:
        Malformed: the object is not a route.
    """
    lowering = Lowering(patch=()) if keep_weights else lower(route, pool=pool, original=original, release=release)
    notes = annotations_of(route)
    marks: list[Operation] = []
    if not notes:
        marks = [
            must_be("/metadata/resourceVersion", version_of(route)),
            {"op": "add", "path": "/metadata/annotations", "value": {ABORT: said.text()}},
        ]
    elif _stands(route, release):
        marks = []
    else:
        marks = [{"op": "add", "path": note(ABORT), "value": said.text()}]
    if TOKEN in notes and notes[TOKEN] != f"{release}/{REVOKED}":
        marks.append({"op": "add", "path": note(TOKEN), "value": f"{release}/{REVOKED}"})
    if marks and not lowering.patch and RELEASE in notes:
        marks.insert(0, must_be(note(RELEASE), release))
    return Lowering(patch=(*lowering.patch, *marks), alarms=lowering.alarms)


def _stands(route: Object, release: str) -> bool:
    try:
        return abort_of(route, release=release) is not None
    except Malformed:
        return False
