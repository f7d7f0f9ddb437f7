"""What people decide, as values: the gate that waits, the record by which it is decided, and what a decision means.

One record for whoever writes it (the command line, a chat): a flat mapping of texts, as the `data` of a ConfigMap. It
is one object per route with a fixed name, so that RBAC on that name is the list of approvers. The engine writes what
waits; a decision is a JSON Patch that tests the gate's nonce and `pending`, so the first one wins; the engine believes
nothing in it that it does not know itself. Beside it stand the newest requests (pause, resume, skip, promote).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from canary.core.release import Approvers, Release

Operations = list[dict[str, Any]]
"""A JSON Patch (RFC 6902) on the whole object."""

LONGEST = 500
"""Characters of a person's words that are kept."""

KEPT = 8
"""Requests kept in the object: the engine takes them within seconds."""

DECIDED = ("decidedBy", "decidedGroups", "decidedAt", "reason")


class State(StrEnum):
    """What a gate's record says of it."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    CLOSED = "closed"  # the release left it without a person's decision


class Wish(StrEnum):
    """What people may ask of a release besides a decision at a gate."""

    PAUSE = "pause"
    RESUME = "resume"
    SKIP = "skip"
    PROMOTE = "promote"


class NoGate(Exception):
    """Nothing waits there that could be decided; the message says what is there instead."""


class Decided(Exception):
    """Somebody was first; the message says who and when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who decides, as the API server knows them.

    Attributes:
        name: the user name.
        groups: of the user.
    """

    name: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A decision as the engine reads it.

    Attributes:
        approved: yes or no.
        by, reason, at: who, why and when, as the record says.
        void: why it does not count; empty when it does.
    """

    approved: bool
    by: str
    reason: str
    at: str
    void: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of a person.

    Attributes:
        number: rises with each request in this object.
        wish: what is asked for.
        release: uid of the release that is meant.
        by, reason, at: who, why and when.
    """

    number: int
    wish: Wish
    release: str
    by: str
    reason: str
    at: str


# What waits ----------------------------------------------------------------------------------------------------------


def place_name(release: Release, place: int) -> str:
    """Before what the gate at a place stands, in words."""
    steps = release.policy.steps
    if place < len(steps):
        return f"{steps[place].share.normalize():f} %"
    return "the bake" if place == len(steps) else "the promotion"


def approvers_of(release: Release, place: int) -> Approvers:
    """Who may decide at a place."""
    found = (one for one in release.policy.approvers if one.before == place)
    return next(found, Approvers(before=place))


def who(rule: Approvers) -> str:
    """Approvers in words."""
    named = [*rule.users, *(f"group {group}" for group in rule.groups)]
    return " or ".join(named) if named else "an approver"


def awaited(release: Release) -> str:
    """For whom it waits, before what, and until when. For a release that stands at a gate."""
    place = release.step + 1
    line = f"{who(approvers_of(release, place))} before {place_name(release, place)}"
    if release.expires is None:
        return line
    then = {"rollback": "then it is rolled back", "hold": "then it is held", "proceed": "then it goes on"}
    return f"{line} until {moment(release.expires)}, {then[release.policy.on_gate_expiry]}"


def waiting(release: Release) -> str:
    """What waits for whom, until when, and how to answer; one line. For a release that stands at a gate."""
    command = f"canary approve {release.policy.called}".strip()
    return f"waits for {awaited(release)}: {command} (or reject)"


def nonce_of(release: Release, place: int, image: str) -> str:
    """Names one gate of one release: the same after a restart, and nobody else's."""
    return hashlib.sha256(f"{release.uid}/{place}/{image}".encode()).hexdigest()[:16]


def record_of(release: Release, *, image: str, requester: str = "") -> dict[str, str] | None:
    """The record of the gate that waits for a decision; None when none does.

    Args:
        release: where it stands.
        image: the new version, by digest; empty without one.
        requester: who asked for the release, where that is known.
    """
    place, expires = release.gate, release.expires
    if place is None or expires is None:
        return None
    rule = approvers_of(release, place)
    approvers = {"users": rule.users, "groups": rule.groups, "separationOfDuties": rule.separation}
    return {
        "state": State.PENDING,
        "nonce": nonce_of(release, place, image),
        "release": release.uid,
        "step": str(place),
        "before": place_name(release, place),
        "image": image,
        "opened": moment(release.since, full=True),
        "expires": moment(expires, full=True),
        "onExpiry": release.policy.on_gate_expiry,
        "approvers": json.dumps(approvers, separators=(",", ":")),
        "requester": requester,
        "note": "",
        **dict.fromkeys(DECIDED, ""),
    }


# Patches -------------------------------------------------------------------------------------------------------------


def written(found: Mapping[str, Any], values: Mapping[str, str]) -> Operations:
    """A patch that writes entries into the object as it was just read, and only into that version of it."""
    version = _dict(found.get("metadata")).get("resourceVersion")
    test = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
    if not isinstance(found.get("data"), dict):
        return [test, {"op": "add", "path": "/data", "value": dict(values)}]
    return [test, *({"op": "add", "path": f"/data/{key}", "value": value} for key, value in values.items())]


def opening(found: Mapping[str, Any], record: Mapping[str, str]) -> Operations:
    """A patch that puts the gate's record up; empty when it stands there already, decided or not."""
    if data_of(found).get("nonce") == record["nonce"]:
        return []
    return written(found, record)


def reopening(found: Mapping[str, Any], record: Mapping[str, str], void: str) -> Operations:
    """A patch after a decision that does not count: the gate waits on, and says why."""
    return written(found, {**record, "note": void[:LONGEST]})


def closing(found: Mapping[str, Any], uid: str, why: str) -> Operations:
    """A patch that closes a gate which this release has left undecided; empty where there is none."""
    data = data_of(found)
    if data.get("release") != uid or data.get("state") != State.PENDING:
        return []
    return written(found, {"state": State.CLOSED, "note": why[:LONGEST]})


def decision(
    found: Mapping[str, Any],
    *,
    approved: bool,
    person: Person,
    at: str,
    reason: str,
    step: int | None = None,
    nonce: str = "",
) -> Operations:
    """The patch by which a person decides: it tests the nonce and `pending`, so that the first decision wins.

    Args:
        found: the object as just read.
        approved: yes or no.
        person: who decides.
        at: when, as RFC 3339 text.
        reason: why.
        step: the step that is meant, 1 for the first; None for whatever waits.
        nonce: of the gate that is meant; empty for whatever waits.

    Raises:
        NoGate: nothing waits, or something else than what is meant, or it has expired.
        Decided: somebody was first.
    """
    data = data_of(found)
    state = data.get("state", "")
    known = state in set(State)
    if known and nonce and nonce != data.get("nonce"):
        raise NoGate("another gate waits by now; look again: canary status")
    if known and step is not None and data.get("step") != str(step - 1):
        raise NoGate(f"the gate is the one before {data.get('before')}, not the one before step {step}")
    if state in {State.APPROVED, State.REJECTED}:
        raise Decided(
            f"already {state} by {_said(data, 'decidedBy')} at {_said(data, 'decidedAt')}: {_said(data, 'reason')}"
        )
    if state == State.CLOSED:
        raise NoGate(f"the gate before {data.get('before')} is closed: {_said(data, 'note')}")
    if state != State.PENDING:
        raise NoGate("no gate waits for a decision")
    if objection := refusal(data, person):
        raise NoGate(objection)
    if _after(at, data):
        raise NoGate(f"the gate before {data.get('before')} expired at {data.get('expires')}; to stop it: canary abort")
    values = {
        "state": State.APPROVED if approved else State.REJECTED,
        "decidedBy": person.name[:LONGEST],
        "decidedGroups": json.dumps(list(person.groups)[:50], separators=(",", ":")),
        "decidedAt": at,
        "reason": reason[:LONGEST],
    }
    return [
        {"op": "test", "path": "/data/nonce", "value": data.get("nonce")},
        {"op": "test", "path": "/data/state", "value": State.PENDING},
        *({"op": "add", "path": f"/data/{key}", "value": value} for key, value in values.items()),
    ]


def asking(found: Mapping[str, Any], *, wish: Wish, release: str, by: str, reason: str, at: str) -> Operations:
    """The patch by which a person asks for something: appended to the newest, on this very version of the object."""
    known = requests_of(found)
    number = max((one.number for one in known), default=0) + 1
    said = Request(number=number, wish=wish, release=release, by=by[:LONGEST], reason=reason[:LONGEST], at=at)
    kept = [_plain(one) for one in (*known, said)[-KEPT:]]
    return written(found, {"requests": json.dumps(kept, separators=(",", ":"))})


# Readings ------------------------------------------------------------------------------------------------------------


def answer(found: Mapping[str, Any], record: Mapping[str, str]) -> Answer | None:
    """The decision in the object about the gate that waits; None while there is none.

    Args:
        found: the object; written by others, so anything may stand in it.
        record: of the gate that waits, as the engine knows it: nothing of it is taken from the object.
    """
    data = data_of(found)
    if data.get("nonce") != record["nonce"] or data.get("state") not in {State.APPROVED, State.REJECTED}:
        return None
    person = Person(name=_said(data, "decidedBy"), groups=_texts(data.get("decidedGroups")))
    given = Answer(
        approved=data["state"] == State.APPROVED,
        by=person.name,
        reason=_said(data, "reason"),
        at=_said(data, "decidedAt"),
    )
    void = refusal(record, person) or _mismatch(data, record) or _late(given, record)
    return Answer(approved=given.approved, by=given.by, reason=given.reason, at=given.at, void=void)


def refusal(record: Mapping[str, str], person: Person) -> str:
    """Why a person may not decide at a gate; empty when they may."""
    try:
        rule = _dict(json.loads(record.get("approvers") or "{}"))
    except (ValueError, RecursionError):
        rule = {}
    users, groups = _list(rule.get("users")), _list(rule.get("groups"))
    if not person.name:
        return "the decision does not say who decided"
    if (users or groups) and person.name not in users and not any(group in groups for group in person.groups):
        listed = Approvers(before=0, users=tuple(map(str, users)), groups=tuple(map(str, groups)))
        return f"{person.name} is not among the approvers: {who(listed)}"
    if rule.get("separationOfDuties") is True:
        requester = record.get("requester", "")
        if not requester:
            return "nobody knows who asked for the release, and who asked for it may not decide (separationOfDuties)"
        if requester == person.name:
            return f"{person.name} asked for this release, and may not decide about it (separationOfDuties)"
    return ""


def requests_of(found: Mapping[str, Any], *, release: str | None = None, after: int = 0) -> list[Request]:
    """Requests in the object, by rising number; what is none is passed over."""
    try:
        listed = json.loads(data_of(found).get("requests") or "[]")
    except (ValueError, RecursionError):
        return []
    kept = []
    for one in _list(listed)[-KEPT:]:
        told = _dict(one)
        number, wish = told.get("number"), told.get("wish")
        # A wish may be anything, also what no set holds.
        if type(number) is not int or number <= after or wish not in list(Wish):
            continue
        if release is not None and told.get("release") != release:
            continue
        words = {key: str(told.get(key) or "")[:LONGEST] for key in ("release", "by", "reason", "at")}
        kept.append(Request(number=number, wish=Wish(wish), **words))
    return sorted(kept, key=lambda one: one.number)


def data_of(found: Mapping[str, Any]) -> dict[str, str]:
    """The object's entries, as far as they are texts."""
    return {key: value for key, value in _dict(found.get("data")).items() if isinstance(value, str)}


def moment(at: float, *, full: bool = False) -> str:
    """A time in UTC as people read it; with the date where `full`, as RFC 3339."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ" if full else "%H:%M:%SZ")


def _mismatch(data: Mapping[str, str], record: Mapping[str, str]) -> str:
    for key in ("release", "step", "image"):
        if data.get(key, "") != record[key]:
            return f"the record's {key} was changed: it is about {data.get(key) or 'nothing'}, not {record[key]}"
    return ""


def _late(given: Answer, record: Mapping[str, str]) -> str:
    late = _after(given.at, record)
    if late is None:
        return "the decision does not say when it was made"
    return f"it came at {given.at}, after the gate had expired" if late else ""


def _after(at: str, record: Mapping[str, str]) -> bool | None:
    """Whether that is too late; None where a time cannot be read. A gate that holds takes a decision at any time."""
    try:
        late = datetime.fromisoformat(at) > datetime.fromisoformat(record.get("expires", ""))
    except (ValueError, TypeError):
        return None
    return late and record.get("onExpiry") != "hold"


def _said(data: Mapping[str, str], key: str) -> str:
    return data.get(key, "")[:LONGEST]


def _plain(one: Request) -> dict[str, Any]:
    told = {"number": one.number, "wish": str(one.wish), "release": one.release, "by": one.by}
    return {**told, "reason": one.reason, "at": one.at}


def _texts(text: str | None) -> tuple[str, ...]:
    try:
        return tuple(one for one in _list(json.loads(text or "[]")) if isinstance(one, str))
    except (ValueError, RecursionError):
        return ()


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []
