"""Pause, resume, skip and promote, each asked where it helps, where it does not, and twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.model import Verdict
from canary.core import effects as do
from canary.core import events as on
from canary.core.machine import advance
from canary.core.release import Release
from tests.core.rows import BACK, GATED, NOW, TICK, P, S, at, judged, looked, policy, told

HEALTHY, UNDECIDED, NO_DATA = Verdict.HEALTHY, Verdict.UNDECIDED, Verdict.NO_DATA
WISHES = [on.PauseRequested, on.ResumeRequested, on.SkipRequested, on.PromoteRequested]
GATES_TO_COME = policy(bake_gate=25.0, promotion_gate=25.0)


def asks(release: Release, wish: type, **given: Any) -> tuple[Release, str]:
    """The release after the wish, and what is told about it first."""
    after, effects = advance(release, wish(at=NOW, by="ann", **given))
    return after, effects[0].message if effects and isinstance(effects[0], do.Tell) else ""


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("phase", [P.SETTLING, P.JUDGING])
def test_a_request_that_is_read_twice_is_answered_once(wish: type, phase: P) -> None:
    release = at(phase, heard=4, verdict=HEALTHY, paused=wish is on.ResumeRequested)
    for number in (3, 4):
        assert asks(release, wish, number=number) == (release, "")
    after, said = asks(release, wish, number=5)
    assert after.heard == 5
    assert said


@pytest.mark.parametrize("wish", WISHES)
def test_a_request_without_a_number_is_news_each_time(wish: type) -> None:
    after, said = asks(at(P.JUDGING, heard=4), wish)
    assert said
    assert after.heard == 4


@pytest.mark.parametrize(
    ("wish", "release", "said"),
    [
        (on.PauseRequested, at(P.JUDGING), "paused by ann"),
        (on.ResumeRequested, at(P.JUDGING, paused=True), "resumed by ann"),
        (on.SkipRequested, at(P.JUDGING, verdict=HEALTHY), "ann ends this step's wait at HEALTHY"),
        (on.PromoteRequested, at(P.JUDGING, verdict=HEALTHY), "ann passes over what is left of the plan"),
    ],
)
def test_a_reason_is_told_where_there_is_one(wish: type, release: Release, said: str) -> None:
    assert asks(release, wish)[1] == said
    assert asks(release, wish, reason="quiet night")[1] == f"{said}: quiet night"


@pytest.mark.parametrize(
    ("release", "where"),
    [
        (at(P.PROMOTING, S.RETURNING, step=2), "it is PROMOTING"),
        (at(P.CLEANING, S.DETACHING, "detach", step=2), "it is CLEANING"),
        (at(P.ROLLING_BACK, S.DRAINING, outcome=BACK), "it is being rolled back"),
        (at(P.PROMOTING, S.REVERTING, "revert", outcome=BACK), "it is being rolled back"),
    ],
)
def test_on_the_way_to_its_end_nothing_is_paused_skipped_or_promoted_and_it_is_said_why(
    release: Release, where: str
) -> None:
    after, said = asks(release, on.PauseRequested)
    assert not after.paused
    assert said == f"ann asked to pause: {where}, where nothing waits"
    assert asks(release, on.SkipRequested)[1] == f"ann asked to skip the wait; not done: {where}"
    assert asks(release, on.PromoteRequested)[1] == f"ann asked to promote; not done: {where}"


@pytest.mark.parametrize("release", [at(P.SETTLING), at(P.PROMOTING, S.UPDATING, "update", step=2)])
def test_whatever_can_still_go_either_way_is_paused(release: Release) -> None:
    assert asks(release, on.PauseRequested)[0].paused


@pytest.mark.parametrize(
    ("seen", "may"),
    [
        ({"verdict": UNDECIDED, "may_proceed": True}, True),
        ({"verdict": UNDECIDED, "may_proceed": False}, False),
        ({"verdict": NO_DATA, "may_proceed": True}, False),
        ({"verdict": UNDECIDED, "may_proceed": True, "absent": "hold", "absence": "nothing of checkout"}, False),
    ],
)
def test_a_wait_is_skipped_without_healthy_only_where_everything_was_seen_and_nothing_points_to_harm(
    seen: dict[str, Any], may: bool
) -> None:
    after, _ = asks(at(P.JUDGING, **seen), on.SkipRequested)
    assert (after.phase is P.SHIFTING) is may


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({}, "no look in this step yet"),
        ({"sentence": "too few requests"}, "too few requests"),
        ({"absence": "nothing of checkout"}, "nothing of checkout"),
        ({"sentence": "too few requests", "absence": "nothing of checkout"}, "nothing of checkout"),
    ],
)
def test_what_the_judge_lacks_is_the_answer_to_whoever_asks(words: dict[str, str], why: str) -> None:
    _, said = asks(at(P.JUDGING, **words), on.SkipRequested)
    assert said == f"ann asked to skip the wait; not done: the judge says NO_DATA: {why}"


def test_a_stable_that_is_short_of_pods_stops_a_raise_that_a_person_asks_for_but_not_the_promotion() -> None:
    for wish in (on.SkipRequested, on.PromoteRequested):
        after, said = asks(at(P.JUDGING, verdict=HEALTHY, short=True), wish)
        assert after.phase is P.JUDGING
        assert "stable has fewer ready endpoints" in said
        after, _ = asks(at(P.BAKING, step=2, verdict=HEALTHY, short=True), wish)
        assert after.phase is P.PROMOTING


def test_a_gate_that_was_opened_does_not_stand_in_the_way_of_who_promotes_the_next_one_does() -> None:
    opened = at(P.JUDGING, policy=replace(GATES_TO_COME, promotion_gate=None), step=1, approved=2, verdict=HEALTHY)
    after, _ = asks(opened, on.PromoteRequested)
    assert (after.phase, after.step) == (P.SHIFTING, 2)
    closed = replace(opened, approved=1)
    after, said = asks(closed, on.PromoteRequested)
    assert after.phase is P.JUDGING
    assert "there is a gate before the bake" in said


def test_a_decision_that_comes_second_changes_nothing_while_the_first_waits_for_what_stands_against_it() -> None:
    waits = at(P.GATED, policy=GATED, step=-1, approved=0, short=True)
    for approved in (True, False):
        second = on.GateDecided(at=NOW, approved=approved, by="bob", reason="late")
        assert advance(waits, second) == (waits, ())


def test_an_opened_gate_that_waits_for_what_stands_against_it_does_not_expire_any_more() -> None:
    waits = at(P.GATED, policy=GATED, step=-1, approved=0, short=True, held=500.0)
    for gate in (None, 0):
        assert advance(waits, on.GateUnanswered(at=NOW, gate=gate)) == (waits, ())


def test_an_opened_gate_leads_back_to_the_bake_where_it_stands_after_the_bake() -> None:
    gate = at(P.GATED, policy=GATES_TO_COME, step=2)
    gate, _ = advance(gate, looked(UNDECIDED))
    after, _ = advance(gate, on.GateDecided(at=NOW, approved=True, by="ann", reason="fine"))
    assert after.phase is P.BAKING
    after, effects = advance(replace(after, since=NOW - 10), looked(HEALTHY))
    assert told(after, effects).startswith("PROMOTING/updating: ")


def test_a_gate_does_not_expire_before_its_answer_could_be_read_again() -> None:
    gate = at(P.GATED, policy=GATED, step=-1, held=70.0)
    assert advance(gate, TICK)[0].phase is P.ROLLING_BACK
    for ago, phase in ((44.9, P.GATED), (45.0, P.ROLLING_BACK)):
        assert advance(replace(gate, resumed=NOW - ago), TICK)[0].phase is phase


def test_a_bad_word_of_the_judge_is_heard_in_the_bake_whatever_was_approved() -> None:
    gate = at(P.GATED, policy=GATES_TO_COME, step=2, approved=3)
    bad = on.Looked(at=NOW, start=NOW - 1, end=NOW, stable=9, canary=9, judgement=judged(Verdict.UNHEALTHY))
    assert advance(gate, bad)[0].phase is P.ROLLING_BACK
