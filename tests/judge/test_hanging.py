"""A canary that hangs completes nothing: held while its requests do not end, condemned when its share is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.model import Arm, Counts, Look, Verdict


def looked(release: Any, *, stable: tuple[int, int], canary: tuple[int, int]) -> Look:
    """A look of (started, finished) on each arm, without an error."""
    release.at += 5.0
    arms = {
        arm: Counts(total=finished, started=started)
        for arm, (started, finished) in ((Arm.STABLE, stable), (Arm.CANARY, canary))
    }
    return Look(start=release.at - 5.0, end=release.at, counts={"errors": arms})


def test_requests_that_begin_on_the_canary_and_do_not_end_hold_the_step(release: Any) -> None:
    for _ in range(30):
        release.given(looked(release, stable=(900, 900), canary=(100, 100)))
    for _ in range(3):
        judgement = release.given(looked(release, stable=(900, 899), canary=(100, 70)))
    assert judgement.verdict is Verdict.UNDECIDED
    assert judgement.findings[0].code == "HUNG"
    assert "90 requests began on the canary" in judgement.sentence
    assert not judgement.may_proceed
    release.given(looked(release, stable=(900, 900), canary=(100, 190)))
    assert "HUNG" not in release.codes()


def test_what_is_slow_on_both_arms_hangs_on_neither(release: Any) -> None:
    for _ in range(20):
        release.given(looked(release, stable=(900, 700), canary=(100, 60)))
        assert "HUNG" not in release.codes()


def test_completions_under_half_of_the_share_are_condemned_by_limit_after_three_looks(release: Any) -> None:
    for _ in range(30):
        release.given(looked(release, stable=(900, 900), canary=(100, 100)))
    found = [release.given(looked(release, stable=(900, 900), canary=(100, 20))).verdict for _ in range(4)]
    assert Verdict.UNHEALTHY not in found[:2]
    assert found[-1] is Verdict.UNHEALTHY
    assert release.judgements[-1].findings[0].code == "COMPLETIONS"
    assert "under half of its share of 10 %" in release.judgements[-1].findings[0].sentence


@pytest.mark.parametrize("share", [1.0, 10.0, 50.0])
def test_a_thin_share_is_not_condemned_by_chance(sim: Any, share: float) -> None:
    """A service of ten requests a look, 2,000 looks: three looks without a canary request are common."""
    release = sim.Release(share=share).learns(20).begins()
    for _ in range(2_000):
        canary = int(release.chance.binomial(10, share / 100))
        release.given(looked(release, stable=(10 - canary,) * 2, canary=(canary,) * 2))
    assert all(judgement.verdict is not Verdict.UNHEALTHY for judgement in release.judgements)


def test_where_the_gateway_keeps_no_shares_nobody_is_condemned_by_them(sim: Any) -> None:
    release = sim.Release(sim.asked(check_share=False)).learns(20).begins()
    for _ in range(40):
        judgement = release.given(looked(release, stable=(980, 980), canary=(20, 20)))
    assert judgement.verdict is not Verdict.UNHEALTHY


def test_a_whole_arm_that_is_not_counted_is_no_data_and_no_verdict(release: Any) -> None:
    look = looked(release, stable=(900, 900), canary=(0, 0))
    for _ in range(40):
        release.at += 5.0
        counts = {"errors": {Arm.STABLE: look.counts["errors"][Arm.STABLE]}}
        judgement = release.given(replace(look, start=release.at - 5.0, end=release.at, counts=counts))
    assert judgement.verdict is Verdict.NO_DATA
