"""The gate's record on its own: what is put up, who may decide, who was first, and what the engine believes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import jsonpatch
import pytest

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


def test_the_record_says_what_waits_in_full() -> None:
    assert record(approvers(users=("bob",), groups=("oncall",), separation=True), requester="ann") == {
        "state": "pending",
        "nonce": gates.nonce_of(release(), 1, IMAGE),
        "release": "r1",
        "step": "1",
        "before": "50 %",
        "image": IMAGE,
        "opened": "2027-01-15T08:00:00Z",
        "expires": "2027-01-15T09:00:00Z",
        "onExpiry": "rollback",
        "approvers": '{"users":["bob"],"groups":["oncall"],"separationOfDuties":true}',
        "requester": "ann",
        "note": "",
        "decidedBy": "",
        "decidedGroups": "",
        "decidedAt": "",
        "reason": "",
    }


def test_a_gate_that_was_opened_waits_for_nobody_even_while_something_else_stands_against_the_step() -> None:
    assert gates.record_of(release(approved=1), image=IMAGE) is None
    before = release(phase=Phase.JUDGING)
    assert gates.record_of(before, image=IMAGE) is None
    assert (before.gate, before.expires) == (None, None), "it is not reached yet"


def test_nothing_of_the_last_gate_is_left_in_the_next_ones_record() -> None:
    there = opened()
    there.patch(decide(there, at="yesterday"))
    there.patch(gates.reopening(there.now, record(), "said too early"))
    there.patch(decide(there, approved=False))
    following = record(release(step=2))
    there.patch(gates.opening(there.now, following))
    assert there.now["data"] == following
    assert gates.answer(there.now, following) is None


def test_a_gate_that_is_put_up_leaves_what_people_asked_for_in_its_place() -> None:
    there = Object({"about": "made by the chart"})
    there.patch(gates.asking(there.now, wish=gates.Wish.PAUSE, release="r1", by="bob", reason="lunch", at=AT))
    there.patch(gates.opening(there.now, record()))
    assert there.now["data"]["about"] == "made by the chart"
    assert len(gates.requests_of(there.now)) == 1


def test_each_gate_has_its_own_approvers() -> None:
    listed = (Approvers(before=1, users=("ann",)), Approvers(before=3, users=("bob",)))
    for step, may, may_not in ((0, ANN, BOB), (2, BOB, ANN)):
        waiting = release(step=step)
        there = opened(replace(waiting, policy=replace(waiting.policy, approvers=listed)))
        with pytest.raises(gates.NoGate, match=f"{may_not.name} is not among the approvers"):
            decide(there, may_not)
        assert decide(there, may)
    assert gates.approvers_of(replace(release(), policy=replace(release().policy, approvers=listed)), 2) == Approvers(
        before=2
    )


def test_a_rejection_is_a_decision_as_well() -> None:
    there = opened()
    there.patch(decide(there, BOB, approved=False, reason="the queue grows"))
    assert there.now["data"]["state"] == "rejected"
    answer = gates.answer(there.now, record())
    assert answer == gates.Answer(approved=False, by="bob", reason="the queue grows", at=AT)


def test_a_gate_that_waits_or_was_closed_has_no_answer() -> None:
    there = opened()
    assert gates.answer(there.now, record()) is None
    there.patch(gates.closing(there.now, "r1", "rolled back"))
    assert gates.answer(there.now, record()) is None


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
    other = "ghcr.io/acme/other@sha256:" + "c" * 64
    assert answer.void == f"the record's image was changed: it is about {other}, not {IMAGE}"
    del there.now["data"]["image"]
    answer = gates.answer(there.now, record())
    assert answer is not None
    assert answer.void == f"the record's image was changed: it is about nothing, not {IMAGE}"


def test_a_decision_by_nobody_does_not_count() -> None:
    there = opened()
    there.now["data"].update(state="approved", decidedAt=AT)
    answer = gates.answer(there.now, record())
    assert answer is not None
    assert answer.void == "the decision does not say who decided"
    with pytest.raises(gates.NoGate, match="does not say who decided"):
        decide(opened(), gates.Person(name=""))


@pytest.mark.parametrize(("listed", "named"), [({"users": ("bob",)}, "bob"), ({"groups": ("leads",)}, "group leads")])
def test_a_list_of_users_alone_or_of_groups_alone_keeps_the_others_out(listed: dict[str, Any], named: str) -> None:
    with pytest.raises(gates.NoGate, match=f"ann is not among the approvers: {named}$"):
        decide(opened(approvers(**listed)))
    lead = gates.Person(name="bob", groups=("leads",))
    assert decide(opened(approvers(**listed)), lead)


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
    last, late = "2027-01-15T09:00:00Z", "2027-01-15T09:00:01Z"
    for expiry, at, void in (("rollback", last, False), ("rollback", late, True), ("hold", late, False)):
        waiting = release()
        waiting = replace(waiting, policy=replace(waiting.policy, on_gate_expiry=expiry))
        there = opened(waiting)
        if void:
            with pytest.raises(gates.NoGate, match="expired at 2027-01-15T09:00:00Z; to stop it: canary abort"):
                decide(there, at=at)
        there.patch(decide(there, at=last))
        there.now["data"]["decidedAt"] = at  # whoever writes it by other means is not asked first
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


@pytest.mark.parametrize(
    "listed", ['{"groups": [[]]}', '{"users": {"ann": 1}, "groups": [{}, "leads"]}', '{"users": 7}']
)
def test_approvers_that_were_written_by_others_and_make_no_sense_name_nobody(listed: str) -> None:
    there = opened()
    there.now["data"]["approvers"] = listed
    if "groups" in listed:
        with pytest.raises(gates.NoGate, match="ann is not among the approvers"):
            decide(there)
    else:
        assert decide(there), "as nobody was listed; the engine checks again by what it knows itself"


def test_nothing_waits_in_an_empty_object_and_in_a_gate_that_was_left() -> None:
    for there in (Object(), Object({"about": "made by the chart"}), Object({"state": "nonsense"})):
        for meant in ({}, {"step": 2}, {"nonce": record()["nonce"]}):
            with pytest.raises(gates.NoGate, match="no gate waits"):
                decide(there, **meant)
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


def test_a_request_says_who_why_and_when_also_after_the_next_one() -> None:
    there = Object({})
    said = {"release": "r1", "by": "ann", "reason": "lunch", "at": AT}
    there.patch(gates.asking(there.now, wish=gates.Wish.PAUSE, **said))
    there.patch(gates.asking(there.now, wish=gates.Wish.RESUME, release="r1", by="bob", reason="", at=LATER))
    assert gates.requests_of(there.now) == [
        gates.Request(number=1, wish=gates.Wish.PAUSE, **said),
        gates.Request(number=2, wish=gates.Wish.RESUME, release="r1", by="bob", reason="", at=LATER),
    ]


def test_what_is_no_request_is_passed_over_and_what_one_leaves_out_is_empty() -> None:
    good = {"number": 4, "wish": "pause"}
    listed = [
        *({**good, "number": number} for number in ("4", 4.0, None, True, 0)),
        *({**good, "wish": wish} for wish in ("delete", "", None, 7, [], {})),
        "pause",
        good,
    ]
    for one in listed[:-1]:
        assert gates.requests_of({"data": {"requests": json.dumps([one])}}) == []
    found = gates.requests_of({"data": {"requests": json.dumps(listed)}})
    assert found == [gates.Request(number=4, wish=gates.Wish.PAUSE, release="", by="", reason="", at="")]


@pytest.mark.parametrize("groups", [None, "", "oncall", "{}", "[1, null]", '["interns", ["oncall"]]'])
def test_groups_that_are_no_list_of_texts_let_nobody_decide_and_stop_nobody_who_is_named(groups: str | None) -> None:
    there = opened(approvers(users=("bob",), groups=("oncall",)))
    for name, void in (("bob", False), ("ann", True)):
        there.now["data"].update(state="approved", decidedBy=name, decidedAt=AT, decidedGroups=groups)
        answer = gates.answer(there.now, record(approvers(users=("bob",), groups=("oncall",))))
        assert answer is not None
        assert bool(answer.void) is void


def test_people_are_told_what_waits_for_whom_until_when_and_how() -> None:
    assert gates.waiting(release()) == (
        "waits for an approver before 50 % until 09:00:00Z, then it is rolled back:"
        " canary approve shop -n web (or reject)"
    )
    listed = approvers(users=("bob",), groups=("oncall",))
    assert "waits for bob or group oncall before 50 %" in gates.waiting(listed)
    assert "before the promotion" in gates.waiting(release(step=2))
    assert "before the bake" in gates.waiting(release(step=1))
