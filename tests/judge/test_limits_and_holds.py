"""Limits, latency, and what holds a step back without blaming the canary."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from analysis.judge import JudgeConfig, MetricConfig
from analysis.model import Arm, Verdict

# Limits -----------------------------------------------------------------------------------------------------------


def limited(sim: Any, **changes: Any) -> JudgeConfig:
    return sim.asked(
        MetricConfig(name="errors", kind="errors", relative=20.0, absolute=0.5, rate_limit=0.05, **changes)
    )


def test_a_limit_condemns_a_canary_that_the_comparison_tolerates(sim: Any) -> None:
    release = sim.Release(limited(sim)).learns(20).begins()
    judgement = release.sees(10, 0.01, 0.2)
    assert judgement.verdict is Verdict.UNHEALTHY
    assert judgement.findings[0].code == "LIMIT"
    assert "at most 5.00% may fail" in judgement.sentence


def test_a_limit_that_both_arms_break_holds_and_blames_nobody_even_when_stable_recovers_first(sim: Any) -> None:
    release = sim.Release(limited(sim)).learns(20).begins()
    release.sees(10, 0.01, 0.01)
    judgement = release.sees(30, 0.5, 0.5)
    assert judgement.verdict is Verdict.UNDECIDED
    assert "LIMIT_BOTH" in release.codes()
    for _ in range(60):
        assert release.sees(1, 0.01, 0.01).verdict is not Verdict.UNHEALTHY
    assert release.begins().sees(40, 0.01, 0.01).verdict is Verdict.HEALTHY
    assert release.sees(10, 0.01, 0.2).verdict is Verdict.UNHEALTHY, "afterwards the limit stands again"


def test_an_outage_just_before_the_bake_does_not_switch_a_limit_off(sim: Any) -> None:
    release = sim.Release(limited(sim)).learns(20).begins()
    release.sees(20, 0.01, 0.01)
    release.sees(10, 0.9, 0.9)
    release.begins(100.0, baking=True)
    assert release.sees(5, 0.0, 0.01).verdict is not Verdict.UNHEALTHY
    assert release.sees(20, 0.0, 0.2).verdict is Verdict.UNHEALTHY


@pytest.mark.parametrize(
    ("limit", "canary_s", "verdict"),
    [(1.0, 0.05, Verdict.HEALTHY), (0.8, 0.22, Verdict.UNDECIDED), (0.8, 0.9, Verdict.UNHEALTHY)],
)
def test_a_latency_limit_between_buckets_is_broken_by_the_one_above_and_kept_by_the_one_below(
    sim: Any, limit: float, canary_s: float, verdict: Verdict
) -> None:
    slow = sim.asked(
        MetricConfig(name="latency", kind="latency", relative=9.0, absolute=1.0, quantile_limits=((0.99, limit),))
    )
    release = sim.Release(slow, share=50.0).learns(20, stable_s=0.05).begins()
    judgement = release.sees(60, 0.0, 0.0, stable_s=0.05, canary_s=canary_s)
    limits = [finding for finding in judgement.findings if finding.sentence.startswith("limit")]
    assert limits[0].verdict is verdict
    if verdict is Verdict.UNDECIDED:
        assert limits[0].code == "BETWEEN_BUCKETS"
        assert judgement.verdict is not Verdict.HEALTHY


# Latency ----------------------------------------------------------------------------------------------------------


def latency(sim: Any) -> JudgeConfig:
    return sim.asked(
        MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.01),
        MetricConfig(name="latency", kind="latency", relative=0.2, absolute=0.002),
    )


def test_a_slow_median_and_a_slow_tail_are_both_condemned(sim: Any) -> None:
    for parts in ({"canary_s": 0.09}, {"canary_s": 0.0501, "tail": 0.06}):
        release = sim.Release(latency(sim), share=20.0).learns(20, stable_s=0.05).begins()
        judgement = release.sees(60, 0.002, 0.002, stable_s=0.05, **parts)
        assert judgement.verdict is Verdict.UNHEALTHY
        assert "latency over" in judgement.findings[0].metric
        assert "slower than" in judgement.sentence


def test_a_tail_that_stable_has_not_at_all_is_condemned(sim: Any) -> None:
    """No request of stable's was over 250 ms when the bounds were chosen: the canary's are seen all the same."""
    lenient = sim.asked(MetricConfig(name="latency", kind="latency", relative=0.5, absolute=0.02))
    release = sim.Release(lenient, share=20.0).learns(2, stable_s=0.02).begins()
    judgement = release.sees(15, 0.0, 0.0, stable_s=0.02, canary_s=0.0201, tail=0.08)
    assert judgement.verdict is Verdict.UNHEALTHY
    assert "slower than" in judgement.sentence


def test_a_service_faster_than_every_bucket_is_still_compared(sim: Any) -> None:
    lenient = sim.asked(MetricConfig(name="latency", kind="latency", relative=0.5, absolute=0.02))
    fast = sim.Release(lenient, share=50.0).learns(5, stable_s=0.0001).begins()
    assert fast.sees(60, 0.0, 0.0, stable_s=0.0001, canary_s=0.0001).verdict is Verdict.HEALTHY
    assert fast.sees(30, 0.0, 0.0, stable_s=0.0001, canary_s=0.02).verdict is Verdict.UNHEALTHY


def test_a_bound_that_leaves_no_room_to_be_worse_does_not_keep_a_release_from_being_healthy(sim: Any) -> None:
    """Three in four requests are over 50 ms; half as many again are more than there are."""
    lenient = sim.asked(MetricConfig(name="latency", kind="latency", relative=0.5, absolute=0.02))
    release = sim.Release(lenient, share=50.0).learns(20, stable_s=0.07).begins()
    judgement = release.sees(100, 0.0, 0.0, stable_s=0.07, canary_s=0.07)
    assert all(finding.numbers["tolerated"] < 1 for finding in judgement.findings)
    assert judgement.verdict is Verdict.HEALTHY
    baked = release.begins(100.0, baking=True).sees(60, 0.0, 0.0, stable_s=0.07, canary_s=0.07)
    assert baked.verdict is Verdict.HEALTHY
    assert all(finding.numbers["visible"] < 1 for finding in baked.findings)


def test_equal_latency_is_healthy(sim: Any) -> None:
    release = sim.Release(latency(sim), share=50.0).learns(20, stable_s=0.05).begins()
    judgement = release.sees(400, 0.002, 0.002, stable_s=0.05, canary_s=0.05, requests=4000)
    assert judgement.verdict is Verdict.HEALTHY


def test_bounds_are_chosen_as_soon_as_stable_has_shown_enough(sim: Any) -> None:
    release = sim.Release(latency(sim)).begins()
    release.sees(5, 0.002, 0.002, stable_s=0.05, canary_s=0.05)
    assert any(test.metric == "latency" for test in release.state.tests)
    assert len(release.state.book) == len(release.state.tests)


def test_arms_with_different_buckets_are_not_compared_at_the_wrong_ones(sim: Any) -> None:
    release = sim.Release(latency(sim)).learns(20, stable_s=0.05).begins()
    for _ in range(40):
        look = release.look(0.002, 0.002, stable_s=0.05, canary_s=0.5)
        arms = dict(look.counts["latency"])
        arms[Arm.CANARY] = replace(
            arms[Arm.CANARY], buckets=((7.0, arms[Arm.CANARY].total), (math.inf, arms[Arm.CANARY].total))
        )
        judgement = release.given(replace(look, counts={**look.counts, "latency": arms}))
    assert judgement.verdict is Verdict.UNDECIDED
    finding = next(one for one in judgement.findings if one.code == "NO_REQUESTS")
    assert "none of the canary's 4,000 requests in this step was counted for latency" in finding.sentence
    assert "labels and buckets" in finding.sentence


# Where the comparison is blind ------------------------------------------------------------------------------------


def test_requests_that_do_not_fit_the_share_hold_the_step(sim: Any, release: Any) -> None:
    for _ in range(60):
        release.at += 5
        judgement = release.given(sim.look_of(release.at, stable=(2, 935), canary=(0, 65)))
    assert judgement.verdict is Verdict.UNDECIDED
    assert not judgement.may_proceed
    assert judgement.findings[0].code == "SHARE_MISMATCH"
    assert "6.5 %" in judgement.sentence
    assert "asked for 10 %" in judgement.sentence
    assert release.begins(10).sees(60, 0.002, 0.002).verdict is Verdict.HEALTHY, "a new step is asked anew"


def test_the_share_check_can_be_left_out_where_a_gateway_keeps_no_shares(sim: Any) -> None:
    release = sim.Release(sim.asked(check_share=False)).learns(20).begins()
    for _ in range(100):
        release.at += 5
        judgement = release.given(sim.look_of(release.at, stable=(2, 900), canary=(0, 20 + 80)))
    assert judgement.verdict is Verdict.HEALTHY


def test_a_canary_that_makes_stable_worse_too_is_held_and_said(release: Any) -> None:
    judgement = release.sees(40, 0.08, 0.08)
    assert judgement.verdict is Verdict.UNDECIDED
    assert not judgement.may_proceed
    assert judgement.findings[0].code == "BOTH_WORSE"
    assert "stable itself is worse than before" in judgement.sentence
    assert release.sees(100, 0.002, 0.002).verdict is Verdict.HEALTHY, "over when stable is as before"


def test_stable_too_bad_to_compare_is_said_and_not_healthy(sim: Any) -> None:
    release = sim.Release().learns(60, stable=0.9).begins()
    judgement = release.sees(30, 0.9, 0.9)
    assert judgement.verdict is Verdict.UNDECIDED
    assert "STABLE_TOO_BAD" in release.codes()


def test_the_bake_judges_against_stable_as_it_was(sim: Any) -> None:
    release = sim.Release().learns(20).begins()
    release.sees(60, 0.002, 0.002)
    release.begins(100.0, baking=True)
    assert release.sees(40, 0.0, 0.002).verdict is Verdict.HEALTHY
    assert "observational" in release.judgements[-1].sentence
    assert release.sees(20, 0.0, 0.05).verdict is Verdict.UNHEALTHY


def test_a_bake_that_knows_too_little_of_stable_is_undecided(sim: Any) -> None:
    release = sim.Release().begins(100.0, baking=True)
    assert release.sees(60, 0.0, 0.002).verdict is Verdict.UNDECIDED
    assert "STABLE_UNKNOWN" in release.codes()
