"""The whole engine, with the real judge, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from analysis.model import Arm
from canary.core.outcome import ExitCode, Outcome
from canary.core.release import Phase
from canary.engine.journal import decode, encode
from canary.engine.record import entries
from canary.ports import Conflict, Problem, Refused, Unavailable, WorkloadFailure


def test_a_good_release_is_promoted_and_the_route_is_what_it_was(play: Any) -> None:
    assert play.to_the_end() is ExitCode.PROMOTED
    assert play.workloads.promoted
    assert not play.workloads.exists
    assert play.clean()


def test_a_bad_release_is_rolled_back_with_its_numbers_and_nobody_is_on_it(play: Any) -> None:
    play.gateway.errors[Arm.CANARY] = 0.15
    assert play.to_the_end() is ExitCode.JUDGED_BAD
    assert "errors" in play.reason()
    assert not play.workloads.promoted
    assert play.clean()


def test_after_a_rollback_the_share_seen_is_that_of_the_newest_look(play: Any) -> None:
    """A gateway follows within moments; what it served until then must not look like traffic that still goes there."""
    play.gateway.errors[Arm.CANARY] = 0.15
    play.until(lambda: play.decider.release.phase is Phase.ROLLING_BACK)
    observer = play.decider._observer
    play.second()
    play.gateway.share, late = (lambda: 0.05), play.gateway.share
    play.second()
    assert observer.share_seen > 0
    play.gateway.share = late
    play.second()
    assert observer.share_seen == 0


def test_the_unrelated_backend_keeps_its_share_at_every_moment(play: Any) -> None:
    shares = set()
    for _ in range(120):
        if play.decider.over:
            break
        play.second()
        refs = {ref["name"]: ref["weight"] for ref in play.routes.current["spec"]["rules"][0]["backendRefs"]}
        shares.add(refs["help"] / sum(refs.values()))
    assert shares == {0.1}


def test_an_outage_of_both_arms_alike_does_not_roll_back(play: Any) -> None:
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    for _ in range(3):
        play.second()
    play.gateway.errors = {Arm.STABLE: 0.6, Arm.CANARY: 0.6}
    for _ in range(6):
        play.second()
    play.gateway.errors = {Arm.STABLE: 0.002, Arm.CANARY: 0.002}
    assert play.to_the_end() is ExitCode.PROMOTED


def test_trouble_that_begins_late_is_found(play: Any) -> None:
    play.until(lambda: play.decider.release.step == 2 and play.decider.release.phase is Phase.JUDGING)
    play.gateway.errors[Arm.CANARY] = 0.2
    assert play.to_the_end() is ExitCode.JUDGED_BAD
    assert play.clean()


def test_without_traffic_nothing_is_promoted(new_play: Callable[..., Any]) -> None:
    play = new_play(no_traffic="rollback")
    play.until(lambda: play.decider.release.phase is Phase.SETTLING)
    play.gateway.rate = 0.0
    assert play.to_the_end() is ExitCode.NO_EVIDENCE
    assert "NOT_SETTLED" in play.reason()
    assert play.clean()


def test_a_source_that_is_down_for_a_whole_step_ends_without_evidence(play: Any) -> None:
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    play.gateway.rate = 0.0
    assert play.to_the_end() is ExitCode.NO_EVIDENCE
    assert play.clean()


def test_a_canary_that_never_gets_ready_ends_with_the_clusters_reason(play: Any) -> None:
    play.world.faults.plan("workloads.provision", WorkloadFailure("CrashLoopBackOff: back-off restarting"))
    assert play.to_the_end() is ExitCode.JUDGED_BAD
    assert "CrashLoopBackOff" in play.reason()
    assert play.clean()


def test_a_canary_that_loses_its_endpoints_is_rolled_back_at_once(play: Any) -> None:
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    play.workloads.set_endpoints(canary=0)
    play.second()
    assert play.gateway.share() == 0.0
    assert play.to_the_end() is ExitCode.JUDGED_BAD
    assert "no ready endpoints" in play.reason()


def test_a_pod_that_is_killed_again_and_again_ends_the_release_with_its_reason(play: Any) -> None:
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    play.workloads.set_endpoints(canary=1, trouble="container app: restarted 3 times, last ended with 137 OOMKilled")
    assert play.to_the_end() is ExitCode.JUDGED_BAD
    assert "OOMKilled" in play.reason()
    assert play.clean()


def _weigh(route: Any, **weights: int) -> None:
    for ref in route["spec"]["rules"][0]["backendRefs"]:
        ref["weight"] = weights.get(ref["name"].replace("-", "_"), ref["weight"])


def test_a_reverter_is_not_fought_and_is_named(play: Any) -> None:
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    play.routes.edit(lambda route: _weigh(route, shop=9, help=1, shop_canary=0), manager="argocd-controller")
    assert play.to_the_end() is ExitCode.CHANGED_BY_OTHERS
    assert "argocd-controller" in play.reason()


def test_a_raise_by_somebody_else_is_put_down_at_once(play: Any) -> None:
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    play.routes.edit(lambda route: _weigh(route, shop=0, shop_canary=900), manager="kubectl-edit")
    play.second()
    assert play.gateway.share() == 0.0
    assert play.to_the_end() is ExitCode.CHANGED_BY_OTHERS
    assert "kubectl-edit" in play.reason()


def test_a_foreign_edit_survives_and_the_release_goes_on(play: Any) -> None:
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    play.routes.edit(lambda route: route["spec"].update(hostnames=["shop.example"]), manager="kubectl-edit")
    assert play.to_the_end() is ExitCode.PROMOTED
    now = play.routes.current
    assert now["spec"].pop("hostnames") == ["shop.example"]
    assert now["spec"] == play.before["spec"]


def test_a_route_deleted_by_somebody_ends_the_release(play: Any) -> None:
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    play.routes.delete()
    assert play.to_the_end() is ExitCode.CHANGED_BY_OTHERS
    assert not play.workloads.exists


def test_a_failed_preflight_touches_nothing(new_play: Callable[..., Any]) -> None:
    play = new_play()
    play.preflights.problems = [Problem(what="the route is missing.", fix="Create it.")]
    assert play.to_the_end() is ExitCode.PREFLIGHT_FAILED
    assert play.clean()
    assert not {"routes.patch", "routes.merge", "workloads.provision"} & set(play.world.calls)


@pytest.mark.parametrize("call", ["routes.patch", "routes.read", "journals.save", "records.append"])
@pytest.mark.parametrize("committed", [False, True])
def test_an_api_server_that_fails_now_and_then_delays_and_breaks_nothing(
    new_play: Callable[..., Any], call: str, committed: bool
) -> None:
    play = new_play()
    error = Unavailable("the API server is away for a moment")
    for skip in (0, 1, 2):
        play.world.faults.plan(call, error, committed=committed, skip=skip, times=2)
    assert play.to_the_end() is ExitCode.PROMOTED
    assert play.clean()


def test_a_write_refused_by_admission_ends_21_with_the_servers_words(play: Any) -> None:
    play.world.faults.plan("routes.patch", Refused("denied by policy freeze", status=403), skip=1, times=2)
    assert play.to_the_end() is ExitCode.NOT_PERMITTED
    assert "freeze" in play.reason()
    assert play.clean()


def test_a_conflict_on_a_raise_is_read_again_and_decided_anew(play: Any) -> None:
    play.world.faults.plan("routes.patch", Conflict("the object has been modified"), skip=1, times=1)
    assert play.to_the_end() is ExitCode.PROMOTED


@pytest.mark.parametrize("second", range(2, 60, 4))
def test_killed_at_any_second_the_next_engine_finishes_the_release(new_play: Callable[..., Any], second: int) -> None:
    play = new_play()
    for _ in range(second):
        if not play.decider.over:
            play.second()
    if not play.decider.over:
        play.start()
    assert play.to_the_end() is ExitCode.PROMOTED
    assert play.clean()
    assert play.workloads.promoted


@pytest.mark.parametrize("call", ["routes.patch", "routes.merge", "journals.save", "workloads.provision"])
@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("committed", [False, True])
def test_killed_around_any_write_the_release_still_ends_well(
    new_play: Callable[..., Any], call: str, number: int, committed: bool
) -> None:
    class Killed(BaseException):
        pass

    play = new_play()
    play.world.faults.plan(call, Killed(), committed=committed, skip=number, times=1)
    for _ in range(400):
        if play.decider.over:
            break
        try:
            play.second()
        except Killed:
            play.start()
    assert play.decider.code is ExitCode.PROMOTED
    assert play.clean()


def test_a_bad_release_stays_condemned_over_a_crash(play: Any) -> None:
    play.gateway.errors[Arm.CANARY] = 0.15
    play.until(lambda: play.decider.release.outcome is not None)
    play.gateway.errors[Arm.CANARY] = 0.0
    play.start()
    assert play.to_the_end() is ExitCode.JUDGED_BAD
    assert play.clean()


def test_the_record_holds_every_look_and_can_be_read_back(play: Any) -> None:
    play.to_the_end()
    rows = list(entries(play.records.read()))
    looks = [row for row in rows if row["kind"] == "look"]
    assert len(looks) >= 30
    assert {row["name"] for row in rows if row["kind"] == "event"} >= {"PreflightPassed", "FenceTaken", "ShareWritten"}
    assert any(row["kind"] == "told" and row["reason"] == "ShareRaised" for row in rows)


def test_an_engine_whose_token_was_replaced_stands_by_and_writes_nothing(play: Any) -> None:
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)

    def restamp(route: Any) -> None:
        route["metadata"]["annotations"]["canary-engine.io/token"] = "r1/somebody-else"

    play.routes.edit(restamp, manager="canary-engine")
    play.second()
    before = play.world.calls.count("routes.patch")
    for _ in range(60):
        play.second()
    assert play.decider.standing_by
    assert play.world.calls.count("routes.patch") == before


@pytest.mark.parametrize(
    ("uid", "identity", "later", "code"),
    [
        ("r2", "another", 10.0, ExitCode.HELD_BY_ANOTHER),
        ("r2", "same", -10.0, ExitCode.HELD_BY_ANOTHER),  # the same file, run before
        ("r2", "same", 10.0, ExitCode.PROMOTED),  # begun by another process in our place
        ("r1", "same", 0.0, ExitCode.PROMOTED),
    ],
)
def test_only_its_own_releases_end_is_that_of_an_engine_that_stands_by(
    play: Any, uid: str, identity: str, later: float, code: ExitCode
) -> None:
    """Where another release's journal stands by now, nobody there knows how ours ended."""
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    ours = decode(play.journals.load().text)
    over = Outcome(code=ExitCode.PROMOTED, reason="", decided=play.world.clock.now())
    ended = replace(ours.release, uid=uid, incarnation="i2", phase=Phase.SUCCEEDED, outcome=over)
    ended = replace(ended, started=ours.release.started + later)
    play.journals.overwrite(encode(ours.model_copy(update={"release": ended, "identity": identity})))
    play.leases.seize("i2")
    for _ in range(60):
        play.second()
    assert play.decider.standing_by
    assert play.decider.code is code


@pytest.mark.parametrize("held", [True, False])
def test_a_deleted_journal_is_made_anew_only_by_whoever_holds_the_lease(play: Any, held: bool) -> None:
    """Where it was given back, another engine has ended the release, and what it wrote down is nobody's to replace."""
    play.until(lambda: play.decider.release.phase is Phase.JUDGING)
    play.journals.delete()
    if not held:
        play.leases.release("i1")
    for _ in range(60):
        play.second()
    assert (play.journals.load() is not None) is held
    assert play.decider.standing_by is not held
