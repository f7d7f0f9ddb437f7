"""The gate's record on its own: what is put up, who may decide, who was first, and what the engine believes of it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from decimal import Decimal
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.core import gates
from canary.core.release import Approvers, Phase, Policy, Release, StepPolicy

IMAGE = "ghcr.io/acme/shop@sha256:" + "a" * 64
AT, LATER = "2027-01-15T08:10:00Z", "2027-01-15T08:11:00Z"
ANN, BOB = gates.Person(name="ann", groups=("oncall",)), gates.Person(name="bob")


def release(**changes: Any) -> Release:
    steps = tuple(StepPolicy(share=Decimal(share), hold_min=10, hold_max=60, gate=3600.0) for share in (5, 50))
    policy = Policy(
        steps=steps,
        bake_min=1,
        bake_max=2,
        settle_window=2,
        settle_least=60,
        drain=20,
        deadline=3600,
        last_call=4000,
        promotion_gate=3600.0,
        called="shop -n web",
    )
    given = {"uid": "r1", "incarnation": "i1", "policy": policy, "phase": Phase.GATED, "step": 0, "since": 1.8e9}
    return Release(**{**given, **changes})


def approvers(**changes: Any) -> Release:
    waiting = release()
    return replace(waiting, policy=replace(waiting.policy, approvers=(Approvers(before=1, **changes),)))


class Object:
    """The ConfigMap, patched as an API server would."""

    def __init__(self, data: dict[str, str] | None = None) -> None:
        self.now: dict[str, Any] = {"metadata": {"resourceVersion": "1"}}
        if data is not None:
            self.now["data"] = data

    def patch(self, operations: gates.Operations) -> None:
        self.now = jsonpatch.apply_patch(self.now, operations)
        self.now["metadata"]["resourceVersion"] = str(int(self.now["metadata"]["resourceVersion"]) + 1)


def record(waiting: Release | None = None, *, requester: str = "") -> dict[str, str]:
    found = gates.record_of(waiting or release(), image=IMAGE, requester=requester)
    assert found is not None
    return found


def opened(waiting: Release | None = None, **given: str) -> Object:
    there = Object()
    there.patch(gates.opening(there.now, record(waiting, **given)))
    return there


def decide(there: Object, person: gates.Person = ANN, **given: Any) -> gates.Operations:
    told: dict[str, Any] = {"approved": True, "at": AT, "reason": "looked at it", **given}
    return gates.decision(there.now, person=person, **told)


def test_the_first_decision_wins_and_the_second_is_told_who_was_first() -> None:
    there = opened()
    yes, no = decide(there, ANN), decide(there, BOB, approved=False)
    there.patch(yes)
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        there.patch(no)
    with pytest.raises(gates.Decided, match="already approved by ann at 2027-01-15T08:10:00Z: looked at it"):
        decide(there, BOB, approved=False)
    answer = gates.answer(there.now, record())
    assert answer == gates.Answer(approved=True, by="ann", reason="looked at it", at=AT)


def test_an_engine_that_begins_again_finds_its_gate_and_the_decision_as_they_were() -> None:
    there = opened()
    there.patch(decide(there))
    again = replace(release(), incarnation="i2", lives=2)
    assert gates.opening(there.now, record(again)) == []
    assert gates.answer(there.now, record(again)) is not None


@pytest.mark.parametrize(
    "other",
    [
        {"step": 2},
        {"uid": "r2"},
        {"step": 0, "uid": "r1", "image": "ghcr.io/acme/shop@sha256:" + "b" * 64},
    ],
)
def test_a_decision_about_another_step_release_or_image_is_none(other: dict[str, Any]) -> None:
    there = opened()
    there.patch(decide(there))
    image = other.pop("image", IMAGE)
    wanted = gates.record_of(release(**other), image=image)
    assert wanted is not None
    assert gates.answer(there.now, wanted) is None
    assert gates.opening(there.now, wanted) != []


def test_a_record_whose_text_was_changed_under_the_nonce_does_not_count() -> None:
    there = opened()
    there.patch(decide(there))
    there.now["data"]["image"] = "ghcr.io/acme/other@sha256:" + "c" * 64
    answer = gates.answer(there.now, record())
    assert answer is not None
    assert "image was changed" in answer.void


def test_who_may_decide_is_told_before_and_checked_again_by_the_engine() -> None:
    listed = approvers(users=("bob",), groups=("oncall",))
    for person in (ANN, BOB):
        there = opened(listed)
        there.patch(decide(there, person))
        answer = gates.answer(there.now, record(listed))
        assert answer is not None
        assert not answer.void
    there, stranger = opened(listed), gates.Person(name="eve", groups=("interns",))
    with pytest.raises(gates.NoGate, match="eve is not among the approvers: bob or group oncall"):
        decide(there, stranger)
    forged = {"state": "approved", "decidedBy": "eve", "decidedAt": AT, "approvers": "{}"}
    there.now["data"].update(forged)
    answer = gates.answer(there.now, record(listed))
    assert answer is not None
    assert "eve is not among the approvers" in answer.void


def test_whoever_asked_for_the_release_does_not_decide_where_duties_are_separated() -> None:
    apart = approvers(separation=True)
    with pytest.raises(gates.NoGate, match="ann asked for this release"):
        decide(opened(apart, requester="ann"))
    with pytest.raises(gates.NoGate, match="nobody knows who asked"):
        decide(opened(apart))
    there = opened(apart, requester="ann")
    there.patch(decide(there, BOB))
    answer = gates.answer(there.now, record(apart, requester="ann"))
    assert answer is not None
    assert not answer.void


def test_a_decision_after_the_expiry_counts_only_where_the_gate_holds() -> None:
    late = "2027-01-15T09:30:00Z"
    for expiry, void in (("rollback", True), ("hold", False)):
        waiting = release()
        waiting = replace(waiting, policy=replace(waiting.policy, on_gate_expiry=expiry))
        there = opened(waiting)
        there.patch(decide(there, at=late))
        answer = gates.answer(there.now, record(waiting))
        assert answer is not None
        assert bool(answer.void) is void


def test_what_does_not_count_is_said_and_the_gate_waits_on() -> None:
    there = opened()
    there.patch(decide(there, at="yesterday"))
    answer = gates.answer(there.now, record())
    assert answer is not None
    there.patch(gates.reopening(there.now, record(), answer.void))
    assert there.now["data"]["note"] == "the decision does not say when it was made"
    there.patch(decide(there, BOB))
    answer = gates.answer(there.now, record())
    assert answer is not None
    assert (answer.by, answer.void) == ("bob", "")


def test_a_step_or_a_nonce_that_is_not_the_one_that_waits_is_refused() -> None:
    there = opened()
    with pytest.raises(gates.NoGate, match="the gate is the one before 50 %, not the one before step 3"):
        decide(there, step=3)
    with pytest.raises(gates.NoGate, match="another gate waits by now"):
        decide(there, nonce="0" * 16)
    assert decide(there, step=2, nonce=record()["nonce"])


def test_nothing_waits_in_an_empty_object_and_in_a_gate_that_was_left() -> None:
    for there in (Object(), Object({"about": "made by the chart"}), Object({"state": "nonsense"})):
        with pytest.raises(gates.NoGate, match="no gate waits"):
            decide(there)
    there = opened()
    there.patch(gates.closing(there.now, "r1", "rolled back by the judge"))
    with pytest.raises(gates.NoGate, match="is closed: rolled back by the judge"):
        decide(there)
    assert gates.closing(there.now, "r1", "again") == []
    assert gates.closing(opened().now, "r2", "not ours") == []


def test_requests_are_numbered_kept_a_while_and_meant_for_one_release() -> None:
    there = Object({"about": "made by the chart"})
    for number in range(12):
        wish = gates.Wish.PAUSE if number % 2 == 0 else gates.Wish.RESUME
        there.patch(gates.asking(there.now, wish=wish, release="r1", by="ann", reason="", at=AT))
    found = gates.requests_of(there.now, release="r1")
    assert [one.number for one in found] == list(range(5, 13))
    assert gates.requests_of(there.now, release="r2") == []
    assert [one.number for one in gates.requests_of(there.now, release="r1", after=11)] == [12]


def test_people_are_told_what_waits_for_whom_until_when_and_how() -> None:
    assert gates.waiting(release()) == (
        "waits for an approver before 50 % until 09:00:00Z, then it is rolled back:"
        " canary approve shop -n web (or reject)"
    )
    listed = approvers(users=("bob",), groups=("oncall",))
    assert "waits for bob or group oncall before 50 %" in gates.waiting(listed)
    assert "before the promotion" in gates.waiting(release(step=2))
    assert "before the bake" in gates.waiting(release(step=1))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["state", "nonce", "step", "image", "release", *gates.DECIDED, "requests", "approvers", "note"])
TEXTS = st.sampled_from(
    ["pending", "approved", "rejected", "closed", record()["nonce"], "r1", "[" * 5000, "[{}]", "1", "{}"]
)


@given(st.dictionaries(KEYS, TEXTS | ANYTHING, max_size=9) | ANYTHING, ANYTHING)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_whatever_stands_in_the_object_is_read_without_an_error(data: Any, metadata: Any) -> None:
    found = {"data": data, "metadata": metadata}
    answer = gates.answer(found, record())
    assert answer is None or answer.void or answer.by
    gates.requests_of(found, release="r1")
    gates.opening(found, record())
    gates.closing(found, "r1", "over")
    with contextlib.suppress(gates.NoGate, gates.Decided):
        gates.decision(found, approved=True, person=ANN, at=LATER, reason="")
