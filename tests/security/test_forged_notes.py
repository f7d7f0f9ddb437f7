"""What a well-formed forgery can bring about and what it cannot: of the journal, the lease, the note on the route."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from analysis.model import Arm
from canary.core.outcome import ExitCode
from canary.core.release import Phase
from canary.core.vigil import Ended
from canary.engine import blind
from canary.engine.leasekeeper import LeaseKeeper
from tests.engine.conftest import Play
from tests.engine.test_a_rescue import Rescued, with_subject

ORIGINAL = "canary-engine.io/original"

LATER = {"verdict": "HEALTHY", "may_proceed": True, "pending": None, "since": 0.0}
FORGED: dict[str, dict[str, Any]] = {
    "baking at 100 %, found healthy": {**LATER, "phase": "BAKING", "step": 3, "share": "100"},
    "the last step, found healthy": {**LATER, "step": 2, "share": "50"},
    "stable is being updated": {**LATER, "phase": "PROMOTING", "stage": "updating", "step": 3, "share": "100"},
    "stable was updated": {**LATER, "phase": "PROMOTING", "stage": "returning", "step": 3, "share": "100"},
    "promoted, being cleaned up": {**LATER, "phase": "CLEANING", "stage": "detaching", "step": 3, "share": "0"},
    "ended well": {**LATER, "phase": "SUCCEEDED", "outcome": {"code": 0, "reason": "so it says", "decided": 1.0}},
    "an update is pending": {
        **LATER,
        "phase": "PROMOTING",
        "stage": "updating",
        "step": 3,
        "share": "100",
        "pending": {"kind": "update-stable", "id": "r1/77"},
    },
    "a raise is pending": {"pending": {"kind": "raise-share", "id": "r1/77", "share": "100"}},
}
SAID_PROMOTED = {"stable was updated", "promoted, being cleaned up", "ended well"}
"""Of which the engine says that the release was promoted, because nobody else could know better."""
UNJUDGED = {"an update is pending"}
"""By which a release is promoted that nobody judged: to the image of its file, never another."""


@pytest.fixture
def bad() -> Play:
    """A bad canary at its first step, whose engine is gone."""
    play = Play()
    play.gateway.errors[Arm.CANARY] = 0.3
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    return play


def forge(play: Play, **changes: Any) -> None:
    """Somebody writes another journal, one that the engine might have written."""
    assert play.journals.stored is not None
    document = json.loads(with_subject(play.journals.stored.text))
    document["release"] |= changes
    play.journals.overwrite(json.dumps(document))


def weights(play: Play) -> dict[str, int]:
    assert play.routes.current is not None
    return {each["name"]: each["weight"] for each in play.routes.current["spec"]["rules"][0]["backendRefs"]}


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_journal_decides_in_the_judges_place_and_all_traffic_ends_on_stable(bad: Play, how: str) -> None:
    forge(bad, **FORGED[how])
    bad.start()
    highest = 0.0
    while not bad.decider.over:
        bad.second()
        highest = max(highest, bad.gateway.share())
    assert bad.workloads.promoted is (how in UNJUDGED)
    if how == "ended well":  # nobody touches what has ended
        assert bad.decider.code is ExitCode.PROMOTED
        return
    assert bad.clean()
    assert (bad.decider.code is ExitCode.PROMOTED) is (how in SAID_PROMOTED | UNJUDGED)
    # The one thing that a forged journal raises: what it says was asked for already. The judge looks from then on.
    assert highest <= 0.05 or how == "a raise is pending"


@pytest.mark.parametrize("how", FORGED)
def test_a_watchdog_raises_nothing_by_a_forged_journal(bad: Play, how: str) -> None:
    forge(bad, **FORGED[how])
    before = weights(bad)
    how_it_ended = finished(bad)
    assert not bad.workloads.promoted
    if how == "ended well":
        assert (how_it_ended, weights(bad)) == (Ended.SETTLED, before)
    else:
        assert (how_it_ended, bad.clean()) == (Ended.DONE, True)


def finished(play: Play) -> Ended:
    """What a watchdog makes of a release whose engine is gone."""
    play.tasks.waiting.clear()
    rescued = Rescued(play, furnish=lambda _: replace(play.ports, reporters=()))
    attempt = rescued.attempt
    highest = play.gateway.share()
    for _ in range(400):
        while play.tasks.waiting:
            if (event := play.tasks.waiting.popleft()()) is not None:
                attempt.answer(event)  # type: ignore[arg-type]
        if (how := attempt.turn()) is not None:
            return how
        play.world.clock.advance(1.0)
        play.gateway.serve()
        play.gateway.answer_in_status()
        assert play.gateway.share() <= highest
    raise AssertionError(rescued.said)


def test_whoever_takes_the_lease_freezes_a_release_and_raises_nothing(bad: Play) -> None:
    """The engine stands by; traffic stays as it is until somebody aborts, which needs the route alone."""
    bad.leases.seize("mallory")
    clock = bad.world.clock
    keeper = LeaseKeeper(leases=bad.leases, holder="i1", clock=clock, beat=clock.monotonic, tell=bad.decider.handle)
    keeper.once()
    assert bad.decider.standing_by
    share = bad.gateway.share()
    for _ in range(60):
        bad.second()
        assert bad.gateway.share() <= share
    blind.put_back(bad.routes, why="a person says so", now=clock.now())
    assert weights(bad)["shop-canary"] == 0


Forgery = Callable[[dict[str, Any]], None]


def _heavier(note: dict[str, Any]) -> None:
    for rule in note["rules"]:
        for one in rule["weights"]:
            one[-1] = 1_000_000


def _without_rules(note: dict[str, Any]) -> None:
    note["rules"] = []


def _swapped(note: dict[str, Any]) -> None:
    note["pool"].reverse()


@pytest.mark.parametrize(
    ("forged", "canary"),
    [(_heavier, False), (_without_rules, False), (_swapped, True)],
    ids=["heavier", "none", "swapped"],
)
def test_a_forged_note_of_the_weights_moves_the_pools_weight_within_the_pool_and_nothing_else(
    bad: Play, forged: Forgery, canary: bool
) -> None:
    """With the two arms exchanged everybody is sent to the canary: what its writer might have written right away."""
    assert bad.routes.current is not None
    note = json.loads(bad.routes.current["metadata"]["annotations"][ORIGINAL])
    forged(note)
    bad.routes.edit(
        lambda route: route["metadata"]["annotations"].update({ORIGINAL: json.dumps(note)}), manager="mallory"
    )
    before = weights(bad)
    blind.put_back(bad.routes, why="the journal is gone", now=bad.world.clock.now())
    after = weights(bad)
    assert after["help"] == before["help"]
    assert after["shop"] + after["shop-canary"] == before["shop"] + before["shop-canary"]
    assert (after["shop-canary"] > 0, after["shop"] > 0) == (canary, not canary)
