"""The table's rows up to a share that traffic follows, guard by guard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canary.core import events as on
from canary.core.machine import advance
from canary.core.release import FULL
from tests.core.rows import (
    ACCEPTED,
    GATED,
    NOW,
    READY,
    ROLLED,
    TICK,
    UNREADY,
    WORK,
    WRITTEN,
    Case,
    P,
    S,
    answered,
    at,
    follows,
    looked,
    policy,
    settling,
)

CASES: dict[str, Case] = {
    # PREFLIGHT and PROVISIONING
    "preflight's warnings are told": (
        at(P.PREFLIGHT, pending="preflight"),
        answered(on.PreflightPassed, warnings=("x", "y")),
        "PROVISIONING/fencing: tell Warning, tell Warning, take-fence",
    ),
    "an answer to another effect": (
        at(P.PREFLIGHT, pending="preflight"),
        on.PreflightPassed(at=NOW, effect="v"),
        "PREFLIGHT/none: -",
    ),
    "an answer of another kind": (at(P.PROVISIONING, S.FENCING, "fence"), READY, "PROVISIONING/fencing: -"),
    "an answer when nothing is pending": (
        at(P.PROVISIONING, S.FENCING),
        answered(on.FenceTaken),
        "PROVISIONING/fencing: -",
    ),
    "the fence, with a workload": (
        at(P.PROVISIONING, S.FENCING, "fence"),
        answered(on.FenceTaken),
        "PROVISIONING/building: provision-workload 5, tell Checked",
    ),
    "the fence, where there is no stable version": (
        at(P.PROVISIONING, S.FENCING, "fence", first=True),
        answered(on.FenceTaken),
        "PROVISIONING/building: provision-workload 100 first, tell Checked",
    ),
    "the first version is ready": (
        at(P.PROVISIONING, S.BUILDING, "provision", first=True),
        READY,
        "CLEANING/detaching: detach-canary, tell FirstReady",
    ),
    "the first version fails": (at(P.PROVISIONING, S.BUILDING, "provision", first=True), UNREADY, ROLLED),
    "the fence, without": (
        at(P.PROVISIONING, S.FENCING, "fence", policy=policy(has_workload=False)),
        answered(on.FenceTaken),
        "PROVISIONING/attaching: attach-canary",
    ),
    "the fence after a crash": (at(P.JUDGING, S.NONE, "fence"), answered(on.FenceTaken), "JUDGING/none: -"),
    "the fence, and what was pending before": (
        at(P.PROMOTING, S.UPDATING, "fence", suspended=WORK["update"]),
        answered(on.FenceTaken),
        "PROMOTING/updating: update-stable",
    ),
    "the workload is ready before attaching": (
        at(P.PROVISIONING, S.BUILDING, "provision"),
        READY,
        "PROVISIONING/attaching: attach-canary",
    ),
    "the workload is ready before a raise": (
        at(P.SHIFTING, S.BUILDING, "provision"),
        READY,
        "SHIFTING/writing: raise-share 5",
    ),
    "the workload fails before attaching": (at(P.PROVISIONING, S.BUILDING, "provision"), UNREADY, ROLLED),
    "the workload fails before a raise": (at(P.SHIFTING, S.BUILDING, "provision"), UNREADY, ROLLED),
    "attached": (
        at(P.PROVISIONING, S.ATTACHING, "attach"),
        answered(on.CanaryAttached, generation=8),
        "PROVISIONING/attaching: tell CanaryAttached",
    ),
    "accepted before anything was attached": (
        at(P.PROVISIONING, S.ATTACHING, step=-1),
        ACCEPTED,
        "PROVISIONING/attaching: -",
    ),
    "accepted": (
        at(P.PROVISIONING, S.ATTACHING, step=-1, settling=settling()),
        ACCEPTED,
        "SHIFTING/building: provision-workload 5",
    ),
    "accepted, an older generation": (
        at(P.PROVISIONING, S.ATTACHING, step=-1, settling=settling(), generation=8),
        ACCEPTED,
        "PROVISIONING/attaching: -",
    ),
    "accepted while the write is not answered": (
        at(P.PROVISIONING, S.ATTACHING, "attach", step=-1, settling=settling()),
        ACCEPTED,
        "PROVISIONING/attaching: -",
    ),
    "accepted, before a gate": (
        at(P.PROVISIONING, S.ATTACHING, step=-1, settling=settling(), policy=GATED),
        ACCEPTED,
        "GATED/none: tell GateWaiting",
    ),
    "accepted, with the gate open": (
        at(P.PROVISIONING, S.ATTACHING, step=-1, settling=settling(), policy=GATED, approved=0),
        ACCEPTED,
        "SHIFTING/building: provision-workload 5",
    ),
    "accepted, without a workload": (
        at(P.PROVISIONING, S.ATTACHING, step=-1, settling=settling(), policy=policy(has_workload=False)),
        ACCEPTED,
        "SHIFTING/writing: raise-share 5",
    ),
    "not accepted": (
        at(P.PROVISIONING, S.ATTACHING, step=-1, settling=settling()),
        replace(ACCEPTED, good=False),
        "PROVISIONING/attaching: tell NotAccepted",
    ),
    "a tick before the gateway's word": (
        at(P.PROVISIONING, S.ATTACHING, step=-1, settling=settling(59.9, accepted=False)),
        TICK,
        "PROVISIONING/attaching: -",
    ),
    "a tick when the gateway's word is overdue": (
        at(P.PROVISIONING, S.ATTACHING, step=-1, settling=settling(60, accepted=False)),
        TICK,
        "PROVISIONING/attaching: tell NotAccepted",
    ),
    "the same where the policy goes back": (
        at(
            P.PROVISIONING,
            S.ATTACHING,
            step=-1,
            settling=settling(60, accepted=False),
            policy=policy(no_traffic="rollback"),
        ),
        TICK,
        ROLLED,
    ),
    "a tick after the gateway's word": (
        at(P.PROVISIONING, S.ATTACHING, step=-1, settling=settling()),
        TICK,
        "SHIFTING/building: provision-workload 5",
    ),
    "a tick after it, before a gate": (
        at(P.PROVISIONING, S.ATTACHING, step=-1, settling=settling(), policy=GATED),
        TICK,
        "GATED/none: tell GateWaiting",
    ),
    "a tick before anything was attached": (
        at(P.PROVISIONING, S.ATTACHING, step=-1),
        TICK,
        "PROVISIONING/attaching: -",
    ),
    "a tick while the write is not answered": (
        at(P.PROVISIONING, S.ATTACHING, "attach", step=-1, settling=settling()),
        TICK,
        "PROVISIONING/attaching: -",
    ),
    "a tick while the canary is built": (
        at(P.PROVISIONING, S.BUILDING, step=-1, settling=settling()),
        TICK,
        "PROVISIONING/building: -",
    ),
    # What stands against raising
    "no raise while paused": (
        at(P.SHIFTING, S.BUILDING, "provision", paused=True),
        READY,
        "SHIFTING/writing: tell Waiting",
    ),
    "no raise without the fence": (
        at(P.SHIFTING, S.BUILDING, "provision", fenced=False),
        READY,
        "SHIFTING/writing: tell Waiting",
    ),
    "no raise under suspicion": (
        at(P.SHIFTING, S.BUILDING, "provision", suspect="by hand"),
        READY,
        "SHIFTING/writing: tell Waiting",
    ),
    "no raise while stable is short": (
        at(P.SHIFTING, S.BUILDING, "provision", short=True),
        READY,
        "SHIFTING/writing: tell Waiting",
    ),
    "no raise on an old lease": (
        at(P.SHIFTING, S.BUILDING, "provision", renewed=NOW - 20.1),
        READY,
        "SHIFTING/writing: tell Waiting",
    ),
    "a raise on a lease of just now": (
        at(P.SHIFTING, S.BUILDING, "provision", renewed=NOW - 20),
        READY,
        "SHIFTING/writing: raise-share 5",
    ),
    "a raise that waits is looked at again": (
        at(P.SHIFTING, S.WRITING, "raise", retry_at=NOW),
        TICK,
        "SHIFTING/writing: raise-share 5",
    ),
    "and not before": (at(P.SHIFTING, S.WRITING, "raise", retry_at=NOW + 0.1), TICK, "SHIFTING/writing: -"),
    "a retry when nothing is pending": (at(P.JUDGING, held=1, retry_at=NOW), TICK, "JUDGING/none: -"),
    # SETTLING
    "raised": (at(P.SHIFTING, S.WRITING, "raise"), WRITTEN, "SETTLING/none: tell ShareRaised"),
    "traffic is seen to follow": (
        at(P.SETTLING, settling=settling(5)),
        looked(canary=50, stable=950),
        "JUDGING/none: restart-judge, tell Settled",
    ),
    "traffic follows at 100 %": (
        at(P.SETTLING, settling=settling(5), step=2, share=FULL),
        looked(canary=50, stable=0),
        "BAKING/none: restart-judge, tell Settled",
    ),
    "traffic does not follow yet": (
        at(P.SETTLING, settling=settling(5)),
        looked(canary=0, stable=950),
        "SETTLING/none: -",
    ),
    "a look before any write": (at(P.SETTLING), looked(canary=50, stable=950), "SETTLING/none: -"),
    "a tick before any write": (at(P.SETTLING), TICK, "SETTLING/none: -"),
    "a tick before traffic is overdue": (at(P.SETTLING, settling=settling(59.9)), TICK, "SETTLING/none: -"),
    "traffic is overdue: hold": (at(P.SETTLING, settling=settling(60)), TICK, "SETTLING/none: tell NotSettled"),
    "traffic is overdue: roll back": (
        at(P.SETTLING, settling=settling(60), policy=policy(no_traffic="rollback")),
        TICK,
        ROLLED,
    ),
    "traffic is overdue: proceed": (
        at(P.SETTLING, settling=settling(60), policy=policy(no_traffic="proceed")),
        TICK,
        "JUDGING/none: tell NotSettled, restart-judge, tell Settled",
    ),
    "traffic is overdue at 100 %: proceed": (
        at(P.SETTLING, settling=settling(60), step=2, policy=policy(no_traffic="proceed")),
        TICK,
        "BAKING/none: tell NotSettled, restart-judge, tell Settled",
    ),
    "traffic is overdue, and the gateway has not accepted": (
        at(P.SETTLING, settling=settling(60, accepted=False), policy=policy(no_traffic="proceed")),
        TICK,
        "SETTLING/none: tell NotSettled",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_follows(name: str) -> None:
    follows(CASES[name])


@pytest.mark.parametrize(("accepted", "why"), [(True, "3 canary requests seen"), (False, "has not accepted")])
def test_why_traffic_is_overdue_is_said(accepted: bool, why: str) -> None:
    _, (tell,) = advance(at(P.SETTLING, settling=settling(60, accepted=accepted, seen=3)), TICK)
    assert why in tell.message


@pytest.mark.parametrize(("unseen", "told"), [("", "seen)"), ("no series of the canary exist", "seen; no series of ")])
def test_where_there_is_no_series_of_the_canary_it_is_said_with_the_requests(unseen: str, told: str) -> None:
    waiting, _ = advance(at(P.SETTLING, settling=settling(60, unseen="no series then")), unseeing(unseen))
    _, (tell,) = advance(waiting, TICK)
    assert f"0 canary requests {told}" in tell.message
    assert "then" not in tell.message


def unseeing(why: str) -> on.Event:
    return on.Looked(at=NOW, start=NOW - 1, end=NOW, stable=95_000, canary=0, unseen=why)
