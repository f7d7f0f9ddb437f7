"""The table's rows from the first look at a step to the gate after it, guard by guard."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.model import Verdict
from canary.core import effects as do
from canary.core import events as on
from canary.core.machine import advance
from canary.core.outcome import ExitCode
from tests.core.rows import GATED, MISSED, NOW, ROLLED, TICK, Case, P, at, follows, looked, policy

BAKE_GATED = replace(GATED, bake_gate=25.0)

PROMOTION_GATED, KEPT = policy(promotion_gate=25.0), policy(has_workload=False)
HEALTHY = Verdict.HEALTHY
SKIP, PROMOTE = on.SkipRequested(at=NOW, by="ann"), on.PromoteRequested(at=NOW, by="ann")
UNANSWERED = on.GateUnanswered(at=NOW, gate=0)

CASES: dict[str, Case] = {
    # By a person's word
    "skipped before a gate": (
        at(P.JUDGING, policy=BAKE_GATED, verdict=HEALTHY),
        SKIP,
        "GATED/none: tell Skipped, tell GateWaiting",
    ),
    "skipped in the bake": (
        at(P.BAKING, step=2, verdict=HEALTHY),
        SKIP,
        "PROMOTING/updating: tell Skipped, update-stable, tell Promoting",
    ),
    "skipped in the bake before a gate": (
        at(P.BAKING, step=2, policy=PROMOTION_GATED, verdict=HEALTHY),
        SKIP,
        "GATED/none: tell Skipped, tell GateWaiting",
    ),
    "skipped in the bake without a workload": (
        at(P.BAKING, step=2, policy=KEPT, verdict=HEALTHY),
        SKIP,
        "CLEANING/detaching: tell Skipped, detach-canary keep",
    ),
    "promoted in the bake before a gate": (
        at(P.BAKING, step=2, policy=PROMOTION_GATED, verdict=HEALTHY),
        PROMOTE,
        "GATED/none: tell PromotedEarly, tell GateWaiting",
    ),
    "promoted in the bake without a workload": (
        at(P.BAKING, step=2, policy=KEPT, verdict=HEALTHY),
        PROMOTE,
        "CLEANING/detaching: tell PromotedEarly, detach-canary keep",
    ),
    # JUDGING and BAKING
    "a look without a word": (at(P.JUDGING, held=60), looked(), "JUDGING/none: -"),
    "healthy before the hold": (at(P.JUDGING, held=9.9), looked(Verdict.HEALTHY), "JUDGING/none: -"),
    "healthy after it": (
        at(P.JUDGING, held=10),
        looked(Verdict.HEALTHY),
        "SHIFTING/building: tell Healthy, provision-workload 50",
    ),
    "healthy before a gate": (
        at(P.JUDGING, held=10, policy=BAKE_GATED),
        looked(Verdict.HEALTHY),
        "GATED/none: tell Healthy, tell GateWaiting",
    ),
    "healthy for long before a gate": (
        at(P.JUDGING, held=10, policy=BAKE_GATED, verdict=Verdict.HEALTHY),
        TICK,
        "GATED/none: tell Healthy, tell GateWaiting",
    ),
    "healthy, and paused": (at(P.JUDGING, held=10, paused=True), looked(Verdict.HEALTHY), "JUDGING/none: -"),
    "healthy, and something stands against it": (
        at(P.JUDGING, held=10, short=True),
        looked(Verdict.HEALTHY),
        "JUDGING/none: tell Waiting",
    ),
    "healthy for long": (
        at(P.JUDGING, held=10, verdict=Verdict.HEALTHY),
        TICK,
        "SHIFTING/building: tell Healthy, provision-workload 50",
    ),
    "healthy at the last step": (
        at(P.JUDGING, held=10, step=1, verdict=Verdict.HEALTHY),
        TICK,
        "SHIFTING/building: tell Healthy, provision-workload 100",
    ),
    "unhealthy": (at(P.JUDGING), looked(Verdict.UNHEALTHY), ROLLED),
    "unhealthy while paused": (at(P.JUDGING, paused=True), looked(Verdict.UNHEALTHY), ROLLED),
    "unhealthy before a gate": (at(P.GATED, policy=GATED, step=-1), looked(Verdict.UNHEALTHY), ROLLED),
    "unhealthy in the bake": (at(P.BAKING, step=2), looked(Verdict.UNHEALTHY), ROLLED),
    "undecided before the longest hold": (
        at(P.JUDGING, held=59.9),
        looked(Verdict.UNDECIDED, may_proceed=True),
        "JUDGING/none: -",
    ),
    "undecided after it: proceed": (
        at(P.JUDGING, held=60),
        looked(Verdict.UNDECIDED, may_proceed=True),
        "SHIFTING/building: tell ProceedingUndecided, provision-workload 50",
    ),
    "undecided, and something stands against it": (
        at(P.JUDGING, held=60, short=True),
        looked(Verdict.UNDECIDED, may_proceed=True),
        "JUDGING/none: tell Waiting",
    ),
    "undecided, and the judge does not let it": (
        at(P.JUDGING, held=60),
        looked(Verdict.UNDECIDED),
        "JUDGING/none: tell Extending",
    ),
    "undecided after it: extend": (
        at(P.JUDGING, held=60, policy=policy(undecided="extend")),
        looked(Verdict.UNDECIDED, may_proceed=True),
        "JUDGING/none: tell Extending",
    ),
    "undecided after it: roll back": (
        at(P.JUDGING, held=60, policy=policy(undecided="rollback")),
        looked(Verdict.UNDECIDED, may_proceed=True),
        ROLLED,
    ),
    "undecided after it: pause": (
        at(P.JUDGING, held=60, policy=policy(undecided="pause")),
        looked(Verdict.UNDECIDED, may_proceed=True),
        "JUDGING/none: tell Paused",
    ),
    "undecided in the bake: proceed": (
        at(P.BAKING, held=30, step=2),
        looked(Verdict.UNDECIDED, may_proceed=True),
        "PROMOTING/updating: tell ProceedingUndecided, update-stable, tell Promoting",
    ),
    "a missed look after a healthy one is no longer healthy": (
        at(P.JUDGING, held=10, verdict=Verdict.HEALTHY),
        MISSED,
        "JUDGING/none: -",
    ),
    "looks are missed to the end: roll back": (at(P.JUDGING, held=60, verdict=Verdict.HEALTHY), MISSED, ROLLED),
    "looks are missed to the end: hold": (
        at(P.JUDGING, held=60, policy=policy(no_data="hold")),
        MISSED,
        "JUDGING/none: tell NoData",
    ),
    "looks are missed to the end of the bake": (at(P.BAKING, held=30, step=2), MISSED, ROLLED),
    "looks are missed before a gate": (
        at(P.GATED, held=600, policy=GATED, step=-1, verdict=Verdict.HEALTHY),
        MISSED,
        "GATED/none: -",
    ),
    "no data at all by the end": (at(P.JUDGING, held=60), TICK, ROLLED),
    "one metric has no data: hold": (
        at(P.JUDGING, held=60),
        looked(Verdict.UNDECIDED, may_proceed=True, absent="hold", absence="queue"),
        "JUDGING/none: tell NoData",
    ),
    "one metric has no data: fail": (
        at(P.JUDGING, held=60, policy=policy(no_data="hold")),
        looked(Verdict.UNDECIDED, may_proceed=True, absent="fail", absence="queue"),
        ROLLED,
    ),
    "one metric has no data: extend": (
        at(P.JUDGING, held=119.9),
        looked(Verdict.UNDECIDED, absent="extend", absence="queue"),
        "JUDGING/none: tell NoData",
    ),
    "one metric has no data after twice the hold": (
        at(P.JUDGING, held=120),
        looked(Verdict.UNDECIDED, absent="extend", absence="queue"),
        ROLLED,
    ),
    "the bake held": (
        at(P.BAKING, held=10, step=2),
        looked(Verdict.HEALTHY),
        "PROMOTING/updating: tell Healthy, update-stable, tell Promoting",
    ),
    "the bake held for long": (
        at(P.BAKING, held=10, step=2, verdict=Verdict.HEALTHY),
        TICK,
        "PROMOTING/updating: tell Healthy, update-stable, tell Promoting",
    ),
    "the bake held, without a workload": (
        at(P.BAKING, held=10, step=2, verdict=Verdict.HEALTHY, policy=policy(has_workload=False)),
        TICK,
        "CLEANING/detaching: tell Healthy, detach-canary keep",
    ),
    "the bake held at a look, without a workload": (
        at(P.BAKING, held=10, step=2, policy=policy(has_workload=False)),
        looked(Verdict.HEALTHY),
        "CLEANING/detaching: tell Healthy, detach-canary keep",
    ),
    "the bake held for long before a gate": (
        at(P.BAKING, held=10, step=2, verdict=Verdict.HEALTHY, policy=policy(promotion_gate=25.0)),
        TICK,
        "GATED/none: tell Healthy, tell GateWaiting",
    ),
    "no data at all by the end of the bake": (at(P.BAKING, held=30, step=2), TICK, ROLLED),
    "the bake held, and stable is short": (
        at(P.BAKING, held=10, step=2, verdict=Verdict.HEALTHY, short=True),
        TICK,
        "PROMOTING/updating: tell Healthy, update-stable, tell Promoting",
    ),
    "the bake held, and the fence is lost": (
        at(P.BAKING, held=10, step=2, verdict=Verdict.HEALTHY, fenced=False),
        TICK,
        "BAKING/none: tell Waiting",
    ),
    # GATED
    "a gate is opened": (
        at(P.GATED, policy=GATED, step=-1),
        on.GateDecided(at=NOW, approved=True, by="bob", reason=""),
        "SHIFTING/building: tell GateOpened, provision-workload 5",
    ),
    "a gate is closed": (
        at(P.GATED, policy=GATED, step=-1),
        on.GateDecided(at=NOW, approved=False, by="bob", reason=""),
        ROLLED,
    ),
    "an open gate, and something stands against it": (
        at(P.GATED, policy=GATED, step=-1, approved=0, short=True),
        TICK,
        "GATED/none: tell Waiting",
    ),
    "an open gate": (at(P.GATED, policy=GATED, step=-1, approved=0), TICK, "SHIFTING/building: provision-workload 5"),
    "a gate before it expires": (at(P.GATED, policy=GATED, step=-1, held=24.9), UNANSWERED, "GATED/none: -"),
    "a gate that expires: roll back": (at(P.GATED, policy=GATED, step=-1, held=25), UNANSWERED, ROLLED),
    "a gate that expires unread": (at(P.GATED, policy=GATED, step=-1, held=69.9), TICK, "GATED/none: -"),
    "a gate that stays unread: roll back": (at(P.GATED, policy=GATED, step=-1, held=70), TICK, ROLLED),
    "a gate that stays unread: proceed": (
        at(P.GATED, policy=replace(GATED, on_gate_expiry="proceed"), step=-1, held=70),
        TICK,
        "GATED/none: tell GateUnread!",
    ),
    "a gate that expires: proceed": (
        at(P.GATED, policy=replace(GATED, on_gate_expiry="proceed"), step=-1, held=25),
        UNANSWERED,
        "SHIFTING/building: tell GateExpired, provision-workload 5",
    ),
    "a gate that expires: hold": (
        at(P.GATED, policy=replace(GATED, on_gate_expiry="hold"), step=-1, held=25),
        UNANSWERED,
        "GATED/none: tell GateExpired",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_follows(name: str) -> None:
    follows(CASES[name])


@pytest.mark.parametrize(("absent", "said"), [("", "the word"), ("hold", "queue has no data")])
def test_what_was_not_seen_is_said(absent: str, said: str) -> None:
    event = looked(Verdict.NO_DATA, absent=absent, absence="queue has no data")
    _, (tell,) = advance(at(P.JUDGING, held=60, policy=policy(no_data="hold")), event)
    assert tell.message == f"holding without data: {said}"


ENDS = ("hold", "rollback")


@pytest.mark.parametrize("stale", ENDS)
@pytest.mark.parametrize("other", [None, *ENDS])
@pytest.mark.parametrize("cause", ["absent", "stale", "down"])
def test_a_step_without_a_look_ends_by_why_there_is_none(cause: Any, stale: Any, other: Any) -> None:
    """A reason of which nothing is said, as in a journal of before, is like old samples."""
    named = {"absent": "no_series", "stale": "no_data", "down": "no_source"}
    given = {"no_data": stale} | ({named[cause]: other} if other else {})
    after, told = advance(
        at(P.JUDGING, held=60, policy=policy(**given)), on.LookMissed(at=NOW, reason="so it is", cause=cause)
    )
    rolls = (other or stale) == "rollback"
    assert (after.phase is P.ROLLING_BACK) == rolls
    assert (after.outcome is not None and after.outcome.code is ExitCode.NO_EVIDENCE) == rolls
    assert any("so it is" in one.message for one in told if isinstance(one, do.Tell))


@pytest.mark.parametrize("cause", ["absent", "stale", "down"])
def test_one_reasons_word_is_not_anothers(cause: Any) -> None:
    holding = {"no_data": "hold", "no_series": "hold", "no_source": "hold"}
    name = {"absent": "no_series", "stale": "no_data", "down": "no_source"}[cause]
    for other in ("absent", "stale", "down"):
        missed = on.LookMissed(at=NOW, reason="so it is", cause=other)
        after, _ = advance(at(P.JUDGING, held=60, policy=policy(**(holding | {name: "rollback"}))), missed)
        assert (after.phase is P.ROLLING_BACK) == (other == cause)


@pytest.mark.parametrize(("basis", "said"), [("", "HEALTHY: the word"), ("20 looks", "HEALTHY: the word (20 looks)")])
def test_what_a_word_rests_on_is_said(basis: str, said: str) -> None:
    _, (tell, *_) = advance(at(P.JUDGING, held=10), looked(Verdict.HEALTHY, basis=basis))
    assert tell.message == said
