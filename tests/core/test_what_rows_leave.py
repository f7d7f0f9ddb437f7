"""What a row leaves in the release: times, counts and sentences that decide later, on both sides of each boundary."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.model import Verdict
from canary.core import events as on
from canary.core.backward import handed_over
from canary.core.machine import advance
from canary.core.outcome import ExitCode
from canary.core.release import FINAL, Phase, Stage
from tests.core.rows import (
    BACK,
    GATED,
    NOW,
    READY,
    RESUMED,
    STABLE,
    TICK,
    UNREADY,
    WORK,
    WRITTEN,
    P,
    S,
    answered,
    at,
    changed,
    failed,
)


@pytest.mark.parametrize(
    ("failures", "failure", "wait"),
    [
        (0, "conflict", 0.0),
        (1, "conflict", 0.5),
        (0, "unavailable", 0.25),
        (4, "unavailable", 4.0),
        (9, "unavailable", 10.0),
    ],
)
def test_how_long_it_is_until_the_next_try(failures: int, failure: str, wait: float) -> None:
    release, _ = advance(at(P.SHIFTING, S.WRITING, "raise", failures=failures), failed(on.Failure(failure)))
    assert release.retry_at == NOW + wait


def test_a_create_or_a_stamp_without_an_answer_may_still_come() -> None:
    unsure = {
        (name, failure): advance(at(P.SHIFTING, S.BUILDING, name), failed(failure))[0].unsure == NOW
        for name in ("provision", "fence", "raise")
        for failure in (on.Failure.UNAVAILABLE, on.Failure.CONFLICT)
    }
    late = on.Failure.UNAVAILABLE
    assert [key for key, value in unsure.items() if value] == [("provision", late), ("fence", late)]


@pytest.mark.parametrize(
    ("phase", "unsure"), [(P.PENDING, 0.0), (P.PREFLIGHT, 0.0), (P.PROVISIONING, NOW), (P.CLEANING, NOW)]
)
def test_what_a_life_before_may_have_asked_for(phase: Phase, unsure: float) -> None:
    assert advance(at(phase), RESUMED)[0].unsure == unsure


def test_a_phase_is_held_since_it_was_entered_and_not_since_its_newest_stage() -> None:
    release, _ = advance(at(P.SHIFTING, S.BUILDING, "provision", held=50), READY)
    assert (release.phase, release.since) == (P.SHIFTING, NOW - 50)
    release, _ = advance(at(P.SHIFTING, S.WRITING, "raise", held=50), WRITTEN)
    assert (release.phase, release.since) == (P.SETTLING, NOW)


@pytest.mark.parametrize("phase", [P.JUDGING, P.BAKING])
def test_after_a_restart_a_step_is_looked_at_for_its_shortest_hold_once_more(phase: Phase) -> None:
    stands = at(phase, held=55, verdict=Verdict.HEALTHY, may_proceed=True)
    release, _ = advance(stands, RESUMED)
    assert (release.since, release.verdict, release.may_proceed) == (NOW - 50, Verdict.NO_DATA, False)
    assert advance(replace(stands, since=NOW - 5), RESUMED)[0].since == NOW - 5
    assert advance(at(P.GATED, held=55, policy=GATED, step=-1), RESUMED)[0].since == NOW - 55


def test_what_was_pending_before_two_crashes_is_remembered() -> None:
    release, _ = advance(at(P.PROMOTING, S.RETURNING, "lower"), RESUMED)
    assert release.suspended == WORK["lower"]
    again, _ = advance(release, replace(RESUMED, incarnation="i3"))
    assert again.suspended == WORK["lower"]


@pytest.mark.parametrize(("lives", "left"), [(2, 1), (1, 0), (0, 0)])
def test_a_life_that_was_handed_over_does_not_count(lives: int, left: int) -> None:
    assert handed_over(at(P.JUDGING, lives=lives)).lives == left


def test_stables_endpoints_are_those_of_the_first_count() -> None:
    release, _ = advance(at(P.JUDGING, stable_ready=0), on.CapacityChanged(at=NOW, stable=3, canary=1))
    assert (release.stable_ready, release.short) == (3, False)
    for stable, short in ((3, False), (2, True), (4, False)):
        found, _ = advance(release, on.CapacityChanged(at=NOW, stable=stable, canary=1))
        assert (found.stable_ready, found.short) == (3, short)


@pytest.mark.parametrize(("confirmed", "suspect"), [(True, ""), (False, "before")])
def test_a_suspicion_goes_only_with_a_read_that_confirms_it(confirmed: bool, suspect: str) -> None:
    release, _ = advance(at(P.JUDGING, suspect="before"), changed(on.Direction.FOREIGN, confirmed=confirmed))
    assert release.suspect == suspect


def test_a_last_call_says_what_could_not_be_completed() -> None:
    late = {"started": NOW - 4000}
    _, (done,) = advance(at(P.ROLLING_BACK, S.WRITING, "lower", outcome=BACK, **late), TICK)
    assert done.reason == "incomplete: worse"
    _, (done,) = advance(at(P.CLEANING, S.DETACHING, "detach", **late), TICK)
    assert done.reason == "incomplete: the release could not be completed"


@pytest.mark.parametrize(("by", "said"), [("ann", "ann"), ("", "somebody")])
def test_whoever_changed_something_is_named(by: str, said: str) -> None:
    for event in (replace(changed(on.Direction.RAISED), by=by), replace(STABLE, by=by)):
        release, _ = advance(at(P.JUDGING), event)
        assert release.outcome is not None
        assert release.outcome.reason.startswith(said)
    _, (tell, *_) = advance(at(P.ROLLING_BACK, S.DRAINING, outcome=BACK), replace(changed(on.Direction.RAISED), by=by))
    assert tell.message.startswith(f"{said} raised")


@pytest.mark.parametrize(
    ("event", "pending"),
    [
        (answered(on.PreflightPassed), "fence"),
        (answered(on.PreflightFailed, code=ExitCode.PREFLIGHT_FAILED, reason="no"), "fence"),
        (answered(on.FenceTaken), "attach"),
        (READY, "fence"),
        (UNREADY, "fence"),
        (answered(on.CanaryAttached, generation=8), "provision"),
        (WRITTEN, "fence"),
        (answered(on.StableUpdated), "lower"),
        (answered(on.StableReverted), "update"),
        (answered(on.CanaryDetached, generation=8), "remove"),
        (answered(on.WorkloadRemoved), "detach"),
    ],
    ids=lambda one: one if isinstance(one, str) else type(one).__name__,
)
def test_an_answer_to_another_kind_of_effect_answers_nothing(event: on.Event, pending: str) -> None:
    """Numbers begin anew where a journal was lost: a late answer may carry the number of what is asked for now."""
    for phase in set(Phase) - FINAL:
        for stage in Stage:
            release = at(phase, stage, pending)
            assert advance(release, event) == (release, ())
