"""The table's rows of the promotion and of the way back, guard by guard."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.model import Verdict
from canary.core import effects as do
from canary.core import events as on
from canary.core.machine import advance
from canary.core.settling import Settling
from tests.core.rows import (
    ACCEPTED,
    BACK,
    LOWERED,
    NOT_LOWERED,
    NOW,
    TICK,
    UNREADY,
    Case,
    P,
    S,
    answered,
    at,
    failed,
    follows,
    looked,
    policy,
    settling,
)

CASES: dict[str, Case] = {
    # PROMOTING
    "stable is updated": (
        at(P.PROMOTING, S.UPDATING, "update"),
        answered(on.StableUpdated),
        "PROMOTING/returning: lower-share",
    ),
    "stable does not get ready": (
        at(P.PROMOTING, S.UPDATING, "update"),
        UNREADY,
        "PROMOTING/reverting: revert-stable, tell RollingBack",
    ),
    "stable does not get ready again": (
        at(P.PROMOTING, S.REVERTING, "revert", outcome=BACK),
        UNREADY,
        "PROMOTING/reverting: tell Retrying!",
    ),
    "stable is put back": (
        at(P.PROMOTING, S.REVERTING, "revert", outcome=BACK),
        answered(on.StableReverted),
        "ROLLING_BACK/writing: lower-share",
    ),
    "unhealthy while stable is updated": (
        at(P.PROMOTING, S.UPDATING, "update"),
        looked(Verdict.UNHEALTHY),
        "PROMOTING/reverting: revert-stable, tell RollingBack",
    ),
    "healthy while stable is updated": (
        at(P.PROMOTING, S.UPDATING, "update"),
        looked(Verdict.HEALTHY),
        "PROMOTING/updating: -",
    ),
    "a look without a word while stable is updated": (
        at(P.PROMOTING, S.UPDATING, "update"),
        looked(),
        "PROMOTING/updating: -",
    ),
    "a look while stable is put back": (
        at(P.PROMOTING, S.REVERTING, settling=settling(20), outcome=BACK),
        looked(canary=0),
        "PROMOTING/reverting: -",
    ),
    "traffic goes back to stable": (
        at(P.PROMOTING, S.RETURNING, "lower"),
        LOWERED,
        "PROMOTING/returning: tell TrafficReturning",
    ),
    "traffic cannot go back to stable": (
        at(P.PROMOTING, S.RETURNING, "lower"),
        NOT_LOWERED,
        "PROMOTING/returning: tell NotLowered!",
    ),
    "the canary is quiet": (
        at(P.PROMOTING, S.RETURNING, settling=settling(5, quiet=4)),
        looked(canary=0),
        "CLEANING/detaching: detach-canary",
    ),
    "the canary is not quiet": (
        at(P.PROMOTING, S.RETURNING, settling=settling(5)),
        looked(canary=1),
        "PROMOTING/returning: -",
    ),
    "quiet, and the write is not answered": (
        at(P.PROMOTING, S.RETURNING, "lower", settling=settling(5, quiet=4)),
        looked(canary=0),
        "PROMOTING/returning: -",
    ),
    "quiet before any write": (at(P.PROMOTING, S.RETURNING), looked(canary=0), "PROMOTING/returning: -"),
    "quiet, told by a tick": (
        at(P.PROMOTING, S.RETURNING, settling=settling(5, quiet=2)),
        TICK,
        "CLEANING/detaching: detach-canary",
    ),
    "not quiet for long enough": (
        at(P.PROMOTING, S.RETURNING, settling=settling(5, quiet=1.9)),
        TICK,
        "PROMOTING/returning: -",
    ),
    "quiet, and the gateway has not accepted": (
        at(P.PROMOTING, S.RETURNING, settling=settling(5, quiet=4, accepted=False)),
        TICK,
        "PROMOTING/returning: -",
    ),
    "quiet, and the gateway accepts now": (
        at(P.PROMOTING, S.RETURNING, settling=settling(5, quiet=4, accepted=False)),
        ACCEPTED,
        "CLEANING/detaching: detach-canary",
    ),
    "the gateway accepts an older generation": (
        at(P.PROMOTING, S.RETURNING, settling=settling(5, quiet=4), generation=8),
        ACCEPTED,
        "PROMOTING/returning: -",
    ),
    "the gateway accepts while stable is updated": (
        at(P.PROMOTING, S.UPDATING, settling=settling(5, quiet=4)),
        ACCEPTED,
        "PROMOTING/updating: -",
    ),
    "the gateway does not accept": (
        at(P.PROMOTING, S.RETURNING, settling=settling(5, quiet=4)),
        replace(ACCEPTED, good=False),
        "PROMOTING/returning: -",
    ),
    "the drain is over": (
        at(P.PROMOTING, S.RETURNING, settling=settling(20, accepted=False)),
        TICK,
        "CLEANING/detaching: detach-canary",
    ),
    "the drain is not over": (
        at(P.PROMOTING, S.RETURNING, settling=settling(19.9, accepted=False)),
        TICK,
        "PROMOTING/returning: -",
    ),
    "a tick while stable is updated": (
        at(P.PROMOTING, S.UPDATING, settling=settling(20)),
        TICK,
        "PROMOTING/updating: -",
    ),
    # ROLLING_BACK
    "traffic is back": (
        at(P.ROLLING_BACK, S.WRITING, "lower", outcome=BACK),
        LOWERED,
        "ROLLING_BACK/draining: tell TrafficBack",
    ),
    "traffic cannot be put back": (
        at(P.ROLLING_BACK, S.WRITING, "lower", outcome=BACK),
        NOT_LOWERED,
        "ROLLING_BACK/draining: tell NotLowered!",
    ),
    "drained": (
        at(P.ROLLING_BACK, S.DRAINING, outcome=BACK, settling=settling(5, quiet=4)),
        looked(canary=0),
        "ROLLING_BACK/detaching: detach-canary",
    ),
    "not drained": (
        at(P.ROLLING_BACK, S.DRAINING, outcome=BACK, settling=settling(5)),
        looked(canary=1),
        "ROLLING_BACK/draining: -",
    ),
    "drained, told by a tick": (
        at(P.ROLLING_BACK, S.DRAINING, outcome=BACK, settling=settling(5, quiet=2)),
        TICK,
        "ROLLING_BACK/detaching: detach-canary",
    ),
    "drained, told by the gateway": (
        at(P.ROLLING_BACK, S.DRAINING, outcome=BACK, settling=settling(5, quiet=2, accepted=False)),
        ACCEPTED,
        "ROLLING_BACK/detaching: detach-canary",
    ),
    "a look before the lowering is answered": (
        at(P.ROLLING_BACK, S.WRITING, "lower", outcome=BACK, settling=settling(20)),
        looked(canary=0),
        "ROLLING_BACK/writing: -",
    ),
    "a look without any write": (
        at(P.ROLLING_BACK, S.DRAINING, outcome=BACK),
        looked(canary=0),
        "ROLLING_BACK/draining: -",
    ),
    "the gateway's word without any write": (
        at(P.ROLLING_BACK, S.DRAINING, outcome=BACK),
        ACCEPTED,
        "ROLLING_BACK/draining: -",
    ),
    "detached": (
        at(P.ROLLING_BACK, S.DETACHING, "detach", outcome=BACK),
        answered(on.CanaryDetached, generation=8),
        "ROLLING_BACK/removing: remove-workload",
    ),
    "detached, without a workload": (
        at(P.ROLLING_BACK, S.DETACHING, "detach", outcome=BACK, policy=policy(has_workload=False)),
        answered(on.CanaryDetached, generation=8),
        "ROLLED_BACK/none: finish 10",
    ),
    "detached after the promotion": (
        at(P.CLEANING, S.DETACHING, "detach"),
        answered(on.CanaryDetached, generation=8),
        "CLEANING/removing: remove-workload",
    ),
    "detached, and the first version stays": (
        at(P.CLEANING, S.DETACHING, "detach", first=True),
        answered(on.CanaryDetached, generation=8),
        "CLEANING/removing: remove-workload keep",
    ),
    "detached, and the first version goes": (
        at(P.ROLLING_BACK, S.DETACHING, "detach", first=True, outcome=BACK),
        answered(on.CanaryDetached, generation=8),
        "ROLLING_BACK/removing: remove-workload",
    ),
    "the route is gone, and the first version stays": (
        at(P.CLEANING, S.DETACHING, "detach", first=True),
        failed(on.Failure.GONE),
        "CLEANING/removing: tell RouteGone!, remove-workload keep",
    ),
    "detached with an alarm": (
        at(P.ROLLING_BACK, S.DETACHING, "detach", outcome=BACK),
        answered(on.CanaryDetached, generation=8, alarms=("a", "b")),
        "ROLLING_BACK/removing: tell NotRestored!, tell NotRestored!, finish 30",
    ),
    "removed": (
        at(P.ROLLING_BACK, S.REMOVING, "remove", outcome=BACK),
        answered(on.WorkloadRemoved),
        "ROLLED_BACK/none: finish 10",
    ),
    "removed after the promotion": (
        at(P.CLEANING, S.REMOVING, "remove"),
        answered(on.WorkloadRemoved),
        "SUCCEEDED/none: finish 0",
    ),
    "removed while a create may still come": (
        at(P.CLEANING, S.REMOVING, "remove", unsure=NOW - 9.9),
        answered(on.WorkloadRemoved),
        "CLEANING/removing: tell LookingAgain",
    ),
    "removed, and one may have come since it was looked": (
        at(P.CLEANING, S.REMOVING, "remove", unsure=NOW - 10),
        answered(on.WorkloadRemoved),
        "CLEANING/removing: remove-workload",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_follows(name: str) -> None:
    follows(CASES[name])


@pytest.mark.parametrize("first", [False, True])
def test_the_second_look_keeps_what_the_first_one_kept(first: bool) -> None:
    release = at(P.CLEANING, S.REMOVING, "remove", unsure=NOW - 1, first=first)
    after, _ = advance(release, answered(on.WorkloadRemoved))
    assert isinstance(after.pending, do.RemoveWorkload)
    assert after.pending.keep is first


@pytest.mark.parametrize("first", [False, True])
def test_a_first_version_does_not_say_that_steps_held(first: bool) -> None:
    after, _ = advance(at(P.CLEANING, S.REMOVING, "remove", first=first), answered(on.WorkloadRemoved))
    assert after.outcome is not None
    assert ("deployed directly" in after.outcome.reason, "every step held" in after.outcome.reason) == (
        first,
        not first,
    )


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (settling(5, quiet=2), ()),
        (settling(20, quiet=1.9, last_canary=NOW), ("requests were still being counted",)),
        (settling(20, quiet=1.9), ("the counters could not be read",)),
    ],
)
def test_what_a_drain_left_is_said(given: Settling, left: tuple[str, ...]) -> None:
    release, _ = advance(at(P.ROLLING_BACK, S.DRAINING, outcome=BACK, settling=given), TICK)
    assert [said in sentence for said, sentence in zip(left, release.leftovers, strict=True)] == [True] * len(left)
