"""What people are told in the end, and the rare moments in which a guard is the only one that holds."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from analysis.model import Verdict
from canary.core import effects as do
from canary.core import events as on
from canary.core.machine import advance
from canary.core.outcome import ExitCode
from canary.core.release import Release
from tests.core.rows import BACK, GATED, NOW, TICK, UNREADY, P, S, answered, at, follows, looked, policy


@pytest.mark.parametrize(("first", "who"), [(True, "the first version"), (False, "the canary")])
def test_whose_pods_did_not_get_ready_is_said(first: bool, who: str) -> None:
    after, _ = advance(at(P.PROVISIONING, S.BUILDING, "provision", first=first), UNREADY)
    assert after.outcome is not None
    assert after.outcome.reason == f"{who} did not become ready: crash loop"


@pytest.mark.parametrize(
    ("release", "said"),
    [
        (at(P.JUDGING, held=10, fenced=False), "not raised: our token is not on the route yet"),
        (at(P.BAKING, step=2, held=10, fenced=False), "not promoted: our token is not on the route yet"),
    ],
)
def test_whether_a_raise_or_the_promotion_is_held_up_is_said(release: Release, said: str) -> None:
    _, (told,) = advance(release, looked(Verdict.HEALTHY))
    assert isinstance(told, do.Tell)
    assert told.message == said


@pytest.mark.parametrize(
    ("release", "asked"),
    [
        (at(P.ROLLING_BACK, S.DETACHING, "detach"), "ROLLING_BACK/detaching: detach-canary"),
        (at(P.PROVISIONING, S.FENCING, "fence"), "PROVISIONING/fencing: take-fence"),
        (at(P.SHIFTING, S.BUILDING, "provision"), "SHIFTING/building: provision-workload 5"),
    ],
)
def test_with_stable_gone_only_the_lowering_is_held(release: Release, asked: str) -> None:
    follows((replace(release, retry_at=NOW, stable_gone=True), TICK, asked))


@pytest.mark.parametrize("known", [{}, {"stable": 0}, {"canary": 0}, {"stable": 0, "canary": None}])
def test_whoever_takes_over_and_could_not_count_both_arms_goes_by_the_count_before(
    known: dict[str, Any],
) -> None:
    before = at(P.JUDGING)
    after, _ = advance(before, on.Resumed(at=NOW, incarnation="i2", **known))
    assert (after.short, after.stable_gone, after.stable_ready) == (False, False, before.stable_ready)


def test_at_a_gate_before_the_first_step_a_restart_misses_no_look() -> None:
    after, _ = advance(at(P.GATED, policy=GATED, step=-1), on.Resumed(at=NOW, incarnation="i2"))
    assert after.sentence == ""
    after, _ = advance(at(P.GATED, policy=GATED, verdict=Verdict.HEALTHY), on.Resumed(at=NOW, incarnation="i2"))
    assert (after.sentence, after.verdict) == ("no look since the restart", Verdict.NO_DATA)


def test_a_release_that_has_not_begun_has_no_deadline() -> None:
    follows((at(P.PENDING, started=0.0, policy=policy(deadline=10.0)), TICK, "PENDING/none: -"))


def test_past_the_deadline_what_failed_on_the_way_back_is_tried_again() -> None:
    late = policy(deadline=10.0)
    release = at(P.ROLLING_BACK, S.WRITING, "lower", policy=late, outcome=BACK, retry_at=NOW)
    follows((release, TICK, "ROLLING_BACK/writing: lower-share"))
    follows((replace(release, retry_at=NOW + 0.1), TICK, "ROLLING_BACK/writing: -"))
    told = at(P.PROMOTING, S.RETURNING, "lower", policy=late, step=2, retry_at=NOW)
    told, _ = advance(told, TICK)
    follows((replace(told, retry_at=NOW), TICK, "PROMOTING/returning: lower-share"))


@pytest.mark.parametrize(
    ("pending", "gone", "stable", "asked"),
    [
        ("lower", True, 1, "lower-share"),
        ("lower", True, 0, "-"),
        ("lower", False, 1, "-"),
        ("detach", True, 1, "-"),
        ("detach", False, 1, "-"),
    ],
)
def test_only_a_lowering_that_was_held_goes_out_when_somebody_is_there_to_take_it(
    pending: str, gone: bool, stable: int, asked: str
) -> None:
    release = at(P.ROLLING_BACK, S.WRITING, pending, outcome=BACK, stable_gone=gone)
    counted = on.CapacityChanged(at=NOW, stable=stable, canary=3)
    follows((release, counted, f"ROLLING_BACK/writing: {asked}"))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, ""),
        ({"trouble": "pod x: OOMKilled"}, ": pod x: OOMKilled"),
        ({"missing": "pod y: ErrImagePull"}, ": pod y: ErrImagePull"),
        ({"trouble": "pod x: OOMKilled", "missing": "pod y: ErrImagePull"}, ": pod y: ErrImagePull"),
    ],
)
def test_why_the_canary_has_no_endpoints_is_said_where_it_is_known(said: dict[str, str], why: str) -> None:
    after, _ = advance(at(P.JUDGING), on.CapacityChanged(at=NOW, stable=3, canary=0, **said))
    assert after.outcome is not None
    assert after.outcome.reason == f"the canary has no ready endpoints left{why}"


@pytest.mark.parametrize(
    ("share", "baseline", "phase"),
    [(5, 0, P.ROLLING_BACK), (5, 1, P.SHIFTING), (5, None, P.SHIFTING), (0, 0, P.SHIFTING), (100, 0, P.SHIFTING)],
)
def test_a_baseline_without_endpoints_ends_the_release_only_while_users_are_sent_to_it(
    share: int, baseline: int | None, phase: P
) -> None:
    counted = on.CapacityChanged(at=NOW, stable=3, canary=3, baseline=baseline)
    after, _ = advance(at(P.SHIFTING, S.BUILDING, "provision", share=Decimal(share)), counted)
    assert after.phase is phase
    assert phase is P.SHIFTING or (after.outcome is not None and after.outcome.code is ExitCode.NO_EVIDENCE)


def test_a_baseline_that_does_not_get_ready_says_nothing_of_the_new_version() -> None:
    failed = answered(on.WorkloadFailed, reason="crash loop", baseline=True)
    after, _ = advance(at(P.PROVISIONING, S.BUILDING, "provision"), failed)
    assert after.outcome is not None
    assert after.outcome.code is ExitCode.NO_EVIDENCE
    assert after.outcome.reason == "the fresh baseline did not become ready: crash loop"
