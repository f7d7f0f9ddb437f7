"""A release beside a fresh baseline, in virtual time: what it gets, what is judged, and whose hands stop it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from analysis.model import Arm
from analysis.replay import look_of, replay
from canary.core.outcome import ExitCode
from canary.core.release import Phase, Release, StepPolicy
from canary.engine.journal import Journal, decode, encode
from canary.engine.record import lives, pieces
from canary.engine.rescue import _pool
from canary.engine.subject import Subject, Workload
from canary.ports import BaselineFailure

STEPS = tuple(StepPolicy(share=Decimal(share), hold_min=5, hold_max=25) for share in (5, 50, 80))


@pytest.fixture
def play(new_play: Callable[..., Any]) -> Any:
    return new_play(fresh=True, steps=STEPS)


def judging(play: Any, step: int) -> Callable[[], bool]:
    return lambda: (play.decider.release.step, play.decider.release.phase) == (step, Phase.JUDGING)


def looks(play: Any) -> Iterator[Any]:
    """Every look of the record, with what became of it."""
    for _, rows in lives(pieces(play.records.read())):
        yield from ((row["as"], look_of(row)) for row in rows if row["kind"] == "look" and "counts" in row)


def test_a_good_release_is_promoted_and_every_reference_of_ours_is_gone(play: Any) -> None:
    seen = set()
    while not play.decider.over:
        play.second()
        now = play.gateway.weights()
        seen.add((now.get("shop-canary", 0), now.get("shop-baseline", 0), now["shop"]))
        assert now["help"] * 9 == now["shop"] + now.get("shop-canary", 0) + now.get("shop-baseline", 0)
    assert (play.decider.code, play.workloads.promoted, play.workloads.exists) == (ExitCode.PROMOTED, True, False)
    assert play.clean()
    whole = max(sum(each) for each in seen)
    shares = {tuple(100 * part / whole for part in each) for each in seen if sum(each) == whole}
    assert shares == {(0, 0, 100), (5, 5, 90), (50, 50, 0), (80, 20, 0), (100, 0, 0)}
    told = [progress.message for progress in play.reporters.told if "fresh baseline" in progress.message]
    assert len(told) == 1


def test_what_is_judged_in_a_step_is_the_baseline_and_in_the_bake_stable(play: Any) -> None:
    assert play.to_the_end() is ExitCode.PROMOTED
    pairs = [(look.requests(Arm.STABLE), look.requests(Arm.CANARY)) for how, look in looks(play) if how == "judged"]
    first = [pair for pair in pairs if pair[1] <= 12]
    assert len(first) > 4
    assert all(abs(stable - canary) <= 2 for stable, canary in first)  # each 5 % of 200 a second
    assert any(150 <= canary <= 170 and 35 <= stable <= 45 for stable, canary in pairs)  # 80 % and 20 %
    assert any(stable <= 1 and canary > 190 for stable, canary in pairs)  # the bake
    assert {name for _, look in looks(play) for name in look.counts} == {"errors"}


def test_the_share_that_is_seen_is_the_canarys_among_all_three(play: Any) -> None:
    play.until(judging(play, 0))
    for _ in range(5):
        play.second()
    assert 4 < play.decider._observer.share_seen < 6
    totals = play.decider._observer.totals
    assert totals.stable > 15 * totals.canary


def test_a_bad_canary_is_told_against_the_baseline(play: Any) -> None:
    play.gateway.errors[Arm.CANARY] = 0.15
    assert play.to_the_end() is ExitCode.JUDGED_BAD
    assert "against the baseline" in play.reason()
    assert play.clean()


@pytest.mark.parametrize(("fresh", "code"), [(True, ExitCode.PROMOTED), (False, ExitCode.JUDGED_BAD)])
def test_what_only_young_pods_have_is_not_held_against_the_new_version(
    new_play: Callable[..., Any], fresh: bool, code: ExitCode
) -> None:
    """The reason why there is a baseline: both versions fail more while they are young, and stable is old."""
    play = new_play(fresh=fresh)
    play.gateway.errors = {Arm.STABLE: 0.0, Arm.CANARY: 0.04}
    play.gateway.fresh_errors = 0.04 if fresh else None
    play.until(lambda: play.decider.over or play.decider.release.step >= 2)
    if fresh:
        play.gateway.errors[Arm.CANARY] = 0.0  # by now it is old enough
        play.gateway.fresh_errors = 0.0
    assert play.to_the_end(seconds=600) is code


def test_its_record_is_judged_again_to_the_same_verdicts(play: Any) -> None:
    play.gateway.errors[Arm.CANARY] = 0.15
    assert play.to_the_end() is ExitCode.JUDGED_BAD
    again = replay(lives(pieces(play.records.read())))
    assert again.looks
    assert all(look.recorded == look.again and not look.differences for look in again.looks)


def test_a_killed_engine_goes_on_beside_it(play: Any) -> None:
    play.until(judging(play, 1))
    play.second()
    play.start()
    assert play.to_the_end() is ExitCode.PROMOTED
    assert play.clean()


# Trouble of its own --------------------------------------------------------------------------------------------


def test_a_baseline_that_does_not_become_ready_is_no_word_on_the_image(play: Any) -> None:
    play.world.faults.plan("workloads.provision", BaselineFailure("0 of 2 pods ready: ImagePullBackOff"))
    assert play.to_the_end() is ExitCode.NO_EVIDENCE
    assert "the fresh baseline did not become ready: 0 of 2 pods ready" in play.reason()
    assert play.clean()


def test_a_baseline_without_endpoints_takes_all_traffic_back(play: Any) -> None:
    play.until(judging(play, 0))
    play.workloads.set_endpoints(baseline=0)
    assert play.to_the_end() is ExitCode.NO_EVIDENCE
    assert "the fresh baseline has no ready endpoints left" in play.reason()
    assert play.clean()


def test_in_the_bake_it_gets_nothing_and_may_be_gone(play: Any) -> None:
    play.until(lambda: play.decider.release.phase is Phase.BAKING)
    play.workloads.set_endpoints(baseline=0)
    assert play.to_the_end() is ExitCode.PROMOTED


# Others --------------------------------------------------------------------------------------------------------


def weigh(play: Any, name: str, weight: int) -> None:
    def change(route: dict[str, Any]) -> None:
        for ref in route["spec"]["rules"][0]["backendRefs"]:
            if ref["name"] == name:
                ref["weight"] = weight

    play.routes.edit(change, manager="ann")


@pytest.mark.parametrize("step", [0, 1])
def test_more_for_the_baseline_gives_the_canary_less_and_is_an_abort_by_that_hand(play: Any, step: int) -> None:
    play.until(judging(play, step))
    weigh(play, "shop-baseline", 150)
    play.second()
    assert play.gateway.share() < float(STEPS[step].share) / 100
    assert play.to_the_end() is ExitCode.CHANGED_BY_OTHERS
    assert "ann" in play.reason()
    assert "the baseline's weight went from" in play.reason()
    assert not {"shop-canary", "shop-baseline"} & set(play.gateway.weights())


def test_weight_for_the_baseline_before_the_first_raise_stops_that_with_the_name(new_play: Callable[..., Any]) -> None:
    gated = (replace(STEPS[0], gate=10.0), *STEPS[1:])
    play = new_play(fresh=True, steps=gated, on_gate_expiry="proceed")
    play.until(lambda: play.decider.release.phase is Phase.GATED)
    weigh(play, "shop-baseline", 7)
    play.second()
    assert play.decider.release.outcome is None  # it serves the old version: no danger
    assert play.to_the_end() is ExitCode.CHANGED_BY_OTHERS
    assert "ann changed the baseline's weight during the release" in play.reason()
    assert not {"shop-canary", "shop-baseline"} & set(play.gateway.weights())


def test_less_for_the_baseline_gives_the_canary_more_and_is_put_down_at_once(play: Any) -> None:
    play.until(judging(play, 1))
    weigh(play, "shop-baseline", 0)
    play.second()
    assert play.gateway.weights()["shop-canary"] == 0
    assert play.to_the_end() is ExitCode.CHANGED_BY_OTHERS


def test_a_persons_lowering_of_the_canary_is_an_abort_as_ever(play: Any) -> None:
    play.until(judging(play, 1))
    weigh(play, "shop-canary", 1)
    assert play.to_the_end() is ExitCode.CHANGED_BY_OTHERS
    assert "ann" in play.reason()
    assert not {"shop-canary", "shop-baseline"} & set(play.gateway.weights())


# The journal ---------------------------------------------------------------------------------------------------


def test_a_watchdog_knows_the_baseline_from_the_journal_and_without_one_nothing_of_it_stands_there(play: Any) -> None:
    workload = Workload(name="shop", image="shop:v2", baseline="shop-baseline")
    subject = Subject(
        name="shop",
        namespace="shop",
        route="shop",
        stable="shop",
        canary="shop-canary",
        stable_port=8080,
        canary_port=8080,
        workload=workload,
    )
    release = Release(uid="r1", incarnation="i1", policy=play.policy)
    text = encode(Journal(release=release, subject=subject))
    assert decode(text).subject == subject
    assert _pool(decode(text)) == play.pool
    alone = subject.model_copy(update={"workload": workload.model_copy(update={"baseline": ""})})
    text = encode(Journal(release=release, subject=alone))
    assert "baseline" not in text
    assert _pool(decode(text)) == replace(play.pool, baseline=None)
