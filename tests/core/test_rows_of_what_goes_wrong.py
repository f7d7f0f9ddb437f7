"""What other people, time, crashes and the API server do to a release in any phase, guard by guard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from canary.core import events as on
from canary.core.release import NONE
from tests.core.rows import (
    ACCEPTED,
    BACK,
    ENDED,
    GATED,
    NOW,
    RESUMED,
    ROLLED,
    STABLE,
    TICK,
    WORK,
    Case,
    P,
    S,
    at,
    changed,
    failed,
    follows,
    policy,
    settling,
)

CASES: dict[str, Case] = {
    # Other people
    "lowered by hand, seen once": (
        at(P.JUDGING),
        changed(on.Direction.LOWERED, confirmed=False),
        "JUDGING/none: confirm-change",
    ),
    "lowered by hand": (at(P.JUDGING), changed(on.Direction.LOWERED), ROLLED),
    "raised by hand": (at(P.JUDGING), changed(on.Direction.RAISED, confirmed=False), ROLLED),
    "stable is gone": (
        at(P.JUDGING),
        changed(on.Direction.GONE),
        "ROLLING_BACK/writing: tell RouteBroken!, lower-share, tell RollingBack",
    ),
    "something else is changed": (at(P.JUDGING), changed(on.Direction.FOREIGN), "JUDGING/none: tell RouteChanged"),
    "nothing is changed any more": (at(P.JUDGING), changed(on.Direction.FOREIGN, sentence=""), "JUDGING/none: -"),
    "stable is changed": (at(P.JUDGING), STABLE, ROLLED),
    "stable is changed while it is built": (at(P.PROVISIONING, S.BUILDING, "provision"), STABLE, ROLLED),
    "stable is changed while it is written": (at(P.SHIFTING, S.WRITING, "raise"), STABLE, ROLLED),
    "stable is changed while traffic follows": (at(P.SETTLING, settling=settling()), STABLE, ROLLED),
    "stable is changed before a gate": (at(P.GATED, policy=GATED, step=-1), STABLE, ROLLED),
    "stable is changed in the bake": (at(P.BAKING, step=2), STABLE, ROLLED),
    "stable is changed by us": (at(P.PROMOTING, S.UPDATING, "update"), STABLE, "PROMOTING/updating: -"),
    "the canary has no endpoints": (at(P.JUDGING), on.CapacityChanged(at=NOW, stable=3, canary=0), ROLLED),
    "the canary has none and no traffic": (
        at(P.PROVISIONING, S.BUILDING, "provision", share=NONE),
        on.CapacityChanged(at=NOW, stable=3, canary=0),
        "PROVISIONING/building: -",
    ),
    "the canary has some": (at(P.JUDGING), on.CapacityChanged(at=NOW, stable=3, canary=1), "JUDGING/none: -"),
    "raised by hand on the way to the promoted stable": (
        at(P.PROMOTING, S.RETURNING, settling=settling()),
        changed(on.Direction.RAISED),
        "PROMOTING/returning: tell LoweredAgain!, lower-share",
    ),
    "raised by hand while we clean up": (
        at(P.CLEANING, S.DETACHING, "detach"),
        changed(on.Direction.RAISED),
        "PROMOTING/returning: tell LoweredAgain!, lower-share",
    ),
    "raised by hand on the way back": (
        at(P.ROLLING_BACK, S.DRAINING, outcome=BACK),
        changed(on.Direction.RAISED),
        "ROLLING_BACK/writing: tell LoweredAgain!, lower-share",
    ),
    "lowered by hand on the way back": (
        at(P.ROLLING_BACK, S.DRAINING, outcome=BACK),
        changed(on.Direction.LOWERED),
        "ROLLING_BACK/draining: -",
    ),
    "raised by hand while stable is updated": (
        at(P.PROMOTING, S.UPDATING, "update"),
        changed(on.Direction.RAISED),
        "PROMOTING/updating: -",
    ),
    "raised by hand while stable is put back": (
        at(P.PROMOTING, S.REVERTING, "revert", outcome=BACK),
        changed(on.Direction.RAISED),
        "PROMOTING/reverting: -",
    ),
    "raised by hand while the canary is removed": (
        at(P.ROLLING_BACK, S.REMOVING, "remove", outcome=BACK),
        changed(on.Direction.RAISED),
        "ROLLING_BACK/removing: -",
    ),
    "aborted": (at(P.JUDGING), on.AbortRequested(at=NOW, by="ann", reason="no"), ROLLED),
    "aborted before anything was touched": (
        at(P.PREFLIGHT, pending="preflight"),
        on.AbortRequested(at=NOW, by="ann", reason="no"),
        ENDED + " 11",
    ),
    "aborted when it is too late": (
        at(P.PROMOTING, S.RETURNING),
        on.AbortRequested(at=NOW, by="ann", reason="no"),
        "PROMOTING/returning: tell TooLateToRollBack",
    ),
    "aborted while we clean up": (
        at(P.CLEANING, S.REMOVING, "remove"),
        on.AbortRequested(at=NOW, by="ann", reason="no"),
        "CLEANING/removing: tell TooLateToRollBack",
    ),
    "aborted twice": (
        at(P.ROLLING_BACK, S.DRAINING, outcome=BACK),
        on.AbortRequested(at=NOW, by="ann", reason="no"),
        "ROLLING_BACK/draining: -",
    ),
    "the fence is lost": (at(P.JUDGING), on.FenceLost(at=NOW, holder="i2"), "JUDGING/none: stand-by"),
    # Time
    "the deadline": (at(P.JUDGING, started=NOW - 3600), TICK, ROLLED),
    "before the deadline": (at(P.JUDGING, started=NOW - 3599.9), TICK, "JUDGING/none: -"),
    "the deadline when it is too late": (
        at(
            P.PROMOTING,
            S.RETURNING,
            started=NOW - 3600,
            settling=settling(),
            told="not rolled back, stable already runs the new version: the deadline of # s has passed in PROMOTING",
        ),
        TICK,
        "PROMOTING/returning: -",
    ),
    "the deadline of a release that has not begun": (
        at(P.PREFLIGHT, pending="preflight", started=0.0),
        TICK,
        "PREFLIGHT/none: -",
    ),
    "the last call": (
        at(P.ROLLING_BACK, S.WRITING, "lower", outcome=BACK, started=NOW - 4000),
        TICK,
        "ROLLING_BACK/writing: finish 30",
    ),
    "before the last call": (
        at(P.ROLLING_BACK, S.WRITING, "lower", outcome=BACK, started=NOW - 3999.9),
        TICK,
        "ROLLING_BACK/writing: -",
    ),
    "the last call of a life that has just begun": (
        at(P.ROLLING_BACK, S.WRITING, "lower", outcome=BACK, started=NOW - 4000, resumed=NOW - 59.9),
        TICK,
        "ROLLING_BACK/writing: -",
    ),
    "the last call of a life that has had its time": (
        at(P.ROLLING_BACK, S.WRITING, "lower", outcome=BACK, started=NOW - 4000, resumed=NOW - 60),
        TICK,
        "ROLLING_BACK/writing: finish 30",
    ),
    "the last call of a decision that has just been made": (
        at(P.ROLLING_BACK, S.WRITING, "lower", outcome=replace(BACK, decided=NOW - 59.9), started=NOW - 4000),
        TICK,
        "ROLLING_BACK/writing: -",
    ),
    "the last call while we clean up": (
        at(P.CLEANING, S.DETACHING, "detach", started=NOW - 4000),
        TICK,
        "CLEANING/detaching: finish 30",
    ),
    "the last call in a phase that can go back": (at(P.JUDGING, started=NOW - 4000), TICK, ROLLED),
    # Another life
    "resumed before anything was touched": (
        at(P.PREFLIGHT, pending="preflight"),
        RESUMED,
        "PREFLIGHT/none: run-preflight",
    ),
    "resumed before it began": (at(P.PENDING), RESUMED, "PREFLIGHT/none: run-preflight"),
    "resumed": (at(P.JUDGING), RESUMED, "JUDGING/none: take-fence"),
    "resumed the second time": (at(P.JUDGING, lives=2), RESUMED, ROLLED),
    "resumed the second time, after the promotion": (
        at(P.PROMOTING, S.RETURNING, "lower", lives=2),
        RESUMED,
        "PROMOTING/returning: take-fence",
    ),
    "resumed the second time, on the way back": (
        at(P.ROLLING_BACK, S.WRITING, "lower", lives=2, outcome=BACK),
        RESUMED,
        "ROLLING_BACK/writing: take-fence",
    ),
    "resumed while the canary is removed": (
        at(P.ROLLING_BACK, S.REMOVING, "remove", outcome=BACK),
        RESUMED,
        "ROLLING_BACK/removing: remove-workload",
    ),
    "resumed after an alarm": (
        at(P.ROLLING_BACK, S.REMOVING, outcome=BACK),
        RESUMED,
        "ROLLING_BACK/detaching: detach-canary",
    ),
    "resumed after an alarm, after the promotion": (
        at(P.CLEANING, S.REMOVING),
        RESUMED,
        "CLEANING/detaching: detach-canary",
    ),
    "resumed after an alarm, without a workload": (
        at(P.CLEANING, S.REMOVING, policy=policy(has_workload=False)),
        RESUMED,
        "CLEANING/detaching: detach-canary keep",
    ),
    "resumed after an alarm, rolled back without a workload": (
        at(P.ROLLING_BACK, S.REMOVING, outcome=BACK, policy=policy(has_workload=False)),
        RESUMED,
        "ROLLING_BACK/detaching: detach-canary",
    ),
    "taken over by a watchdog": (
        at(P.JUDGING),
        replace(RESUMED, lost="silent"),
        "ROLLING_BACK/writing: tell RollingBack, take-fence",
    ),
    "taken over before anything was touched": (
        at(P.PREFLIGHT, pending="preflight"),
        replace(RESUMED, lost="silent"),
        ENDED + " 14",
    ),
    "taken over after the promotion": (
        at(P.PROMOTING, S.RETURNING, "lower"),
        replace(RESUMED, lost="silent"),
        "PROMOTING/returning: take-fence",
    ),
    "taken over on the way back": (
        at(P.ROLLING_BACK, S.DRAINING, outcome=BACK),
        replace(RESUMED, lost="silent"),
        "ROLLING_BACK/draining: take-fence",
    ),
    # What fails
    "a conflict is tried again at once": (
        at(P.SHIFTING, S.WRITING, "raise"),
        failed(on.Failure.CONFLICT),
        "SHIFTING/writing: tell Retrying",
    ),
    "our bug": (at(P.SHIFTING, S.WRITING, "raise"), failed(on.Failure.BROKEN), ROLLED),
    "the route is gone before the fence": (at(P.PROVISIONING, S.FENCING, "fence"), failed(on.Failure.GONE), ROLLED),
    "refused once": (at(P.SHIFTING, S.WRITING, "raise"), failed(on.Failure.REFUSED), "SHIFTING/writing: tell Retrying"),
    "refused twice": (at(P.SHIFTING, S.WRITING, "raise", failures=1), failed(on.Failure.REFUSED), ROLLED),
    "preflight is not answered twice": (
        at(P.PREFLIGHT, pending="preflight", failures=1),
        failed(on.Failure.UNAVAILABLE),
        "PREFLIGHT/none: tell Retrying",
    ),
    "preflight is not answered three times": (
        at(P.PREFLIGHT, pending="preflight", failures=2),
        failed(on.Failure.UNAVAILABLE),
        ENDED + " 22",
    ),
    "a raise is not answered three times": (
        at(P.SHIFTING, S.WRITING, "raise", failures=2),
        failed(on.Failure.UNAVAILABLE),
        "SHIFTING/writing: tell Retrying",
    ),
    "stable's update is refused": (
        at(P.PROMOTING, S.UPDATING, "update"),
        failed(on.Failure.REFUSED),
        "PROMOTING/reverting: revert-stable, tell RollingBack",
    ),
    "stable's update is not answered": (
        at(P.PROMOTING, S.UPDATING, "update"),
        failed(on.Failure.UNAVAILABLE),
        "PROMOTING/updating: tell Retrying",
    ),
    "stable's way back is refused": (
        at(P.PROMOTING, S.REVERTING, "revert", outcome=BACK),
        failed(on.Failure.REFUSED),
        "PROMOTING/reverting: tell Retrying!",
    ),
    "the lowering after the promotion is refused twice": (
        at(P.PROMOTING, S.RETURNING, "lower", failures=1),
        failed(on.Failure.REFUSED),
        "PROMOTING/returning: tell Refused!",
    ),
    "the lowering is refused twice": (
        at(P.ROLLING_BACK, S.WRITING, "lower", outcome=BACK, failures=1),
        failed(on.Failure.REFUSED),
        "ROLLING_BACK/writing: tell Refused!",
    ),
    "the fence fails on the way back": (
        at(P.ROLLING_BACK, S.WRITING, "fence", outcome=BACK, suspended=WORK["lower"]),
        failed(on.Failure.UNAVAILABLE),
        "ROLLING_BACK/writing: lower-share",
    ),
    "the fence fails on the way back, and nothing waits": (
        at(P.ROLLING_BACK, S.DRAINING, "fence", outcome=BACK),
        failed(on.Failure.UNAVAILABLE),
        "ROLLING_BACK/draining: tell Retrying!",
    ),
    "the fence fails on the way forward": (
        at(P.PROMOTING, S.RETURNING, "fence", suspended=WORK["lower"]),
        failed(on.Failure.UNAVAILABLE),
        "PROMOTING/returning: tell Retrying",
    ),
    "the route is gone on the way back": (
        at(P.ROLLING_BACK, S.WRITING, "lower", outcome=BACK),
        failed(on.Failure.GONE),
        "ROLLING_BACK/removing: tell RouteGone!, remove-workload",
    ),
    "the route is gone while we clean up": (
        at(P.CLEANING, S.DETACHING, "detach"),
        failed(on.Failure.GONE),
        "CLEANING/removing: tell RouteGone!, remove-workload",
    ),
    "the route is gone after the promotion": (
        at(P.PROMOTING, S.RETURNING, "lower"),
        failed(on.Failure.GONE),
        "CLEANING/removing: tell RouteGone!, remove-workload",
    ),
    "the route is gone, without a workload": (
        at(P.ROLLING_BACK, S.WRITING, "lower", outcome=BACK, policy=policy(has_workload=False)),
        failed(on.Failure.GONE),
        "ROLLED_BACK/none: tell RouteGone!, finish 10",
    ),
    "the route is gone while we clean up, without a workload": (
        at(P.CLEANING, S.DETACHING, "detach", policy=policy(has_workload=False)),
        failed(on.Failure.GONE),
        "SUCCEEDED/none: tell RouteGone!, finish 0",
    ),
    "the workload is gone on the way back": (
        at(P.ROLLING_BACK, S.REMOVING, "remove", outcome=BACK),
        failed(on.Failure.GONE),
        "ROLLING_BACK/removing: tell Retrying!",
    ),
    "something is answered by a phase without a row": (at(P.GATED, policy=GATED, step=-1), ACCEPTED, "GATED/none: -"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_follows(name: str) -> None:
    follows(CASES[name])
