"""The judge as its callers use it: looks in, judgements out."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analysis.judge import JudgeConfig, MetricConfig, begin_step, encode, learn, observe
from analysis.judge.asked import Asked, Counted
from analysis.model import Arm, Judgement, Verdict


def test_a_good_canary_becomes_healthy_and_not_before_twenty_looks(release: Any) -> None:
    assert release.sees(19, 0.002, 0.002).verdict is Verdict.UNDECIDED
    assert release.sees(60, 0.002, 0.002).verdict is Verdict.HEALTHY


def test_a_bad_canary_is_condemned_for_good_and_by_name(release: Any) -> None:
    judgement = release.sees(8, 0.002, 0.15)
    assert judgement.verdict is Verdict.UNHEALTHY
    assert judgement.findings[0].code == "WORSE"
    assert release.sees(100, 0.002, 0.0).verdict is Verdict.UNHEALTHY, "a decision to roll back is never undone"


def test_no_single_look_decides(release: Any) -> None:
    release.sees(30, 0.002, 0.002)
    assert release.sees(1, 0.002, 1.0).verdict is not Verdict.UNHEALTHY
    assert release.sees(4, 0.002, 1.0).verdict is Verdict.UNHEALTHY


def test_each_row_of_the_book_is_what_observe_computes(release: Any) -> None:
    """The promises are simulated on the book alone; this ties them to the judge that people run."""
    asked = Asked.of(release.config, relative=np.array([0.5]), absolute=np.array([0.005]))
    book = replace(release.state.book).begin_step(bakes=False)
    for index in range(40):
        look = release.look(0.004, 0.012)
        judgement = release.given(look)
        stable, canary = (look.counts["errors"][arm] for arm in Arm)
        table = [[stable.bad, stable.total, canary.bad, canary.total]]
        book = book.known() if not index else book
        book = book.compare(Counted.of(np.array(table, dtype=float)), asked, part=0.2 if not index else 1 / 200)
        assert judgement.evidence == pytest.approx(float(book.harm.evidence()[0]), abs=1e-12)
        assert judgement.findings[0].numbers["health"] == pytest.approx(float(book.health[0]), abs=1e-12)


def test_what_it_was_given_is_not_changed(release: Any) -> None:
    release.sees(5, 0.01, 0.02)
    before, kept = encode(release.state), copy.deepcopy(release.state)
    observe(release.config, release.state, release.look(0.01, 0.5))
    learn(release.config, release.state, release.look(0.01, 0.5))
    begin_step(release.config, release.state, share=50, last_share=50)
    assert encode(release.state) == before == encode(kept)


# No data ----------------------------------------------------------------------------------------------------------


def test_a_canary_without_requests_is_no_data_at_once_and_never_healthy(sim: Any, release: Any) -> None:
    for _ in range(80):
        release.at += 5
        judgement = release.given(sim.look_of(release.at, stable=(2, 1000), canary=None))
        assert judgement.verdict is Verdict.NO_DATA
        assert not judgement.may_proceed
    assert "no request on the canary" in judgement.sentence


def test_a_canary_that_falls_silent_is_no_data_again(sim: Any) -> None:
    """Where the gateway keeps no shares: elsewhere a canary that completes nothing is condemned for it."""
    release = sim.Release(sim.asked(check_share=False)).learns(20).begins()
    assert release.sees(60, 0.002, 0.002).verdict is Verdict.HEALTHY
    verdicts = []
    for _ in range(25):
        release.at += 5
        verdicts.append(release.given(sim.look_of(release.at, stable=(2, 900), canary=(0, 0))).verdict)
    assert verdicts[-1] is Verdict.NO_DATA
    assert release.sees(1, 0.002, 0.002).verdict is Verdict.HEALTHY


def test_without_stable_there_is_nothing_to_compare_with(sim: Any, release: Any) -> None:
    for _ in range(25):
        release.at += 5
        judgement = release.given(sim.look_of(release.at, stable=(0, 0), canary=(0, 100)))
    assert judgement.verdict is Verdict.NO_DATA
    assert "no request on stable" in judgement.sentence


def test_one_metric_that_falls_silent_holds_the_step_though_traffic_flows(sim: Any) -> None:
    both = sim.asked(
        MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.02),
        MetricConfig(name="logins", kind="counts", relative=0.5, absolute=0.02),
    )
    release = sim.Release(both).learns(20).begins()

    def looks(number: int, *, with_logins: bool) -> Judgement:
        for _ in range(number):
            look = release.look(0.002, 0.002)
            more = {"logins": look.counts["errors"]} if with_logins else {}
            release.given(replace(look, counts={**look.counts, **more}))
        return release.judgements[-1]

    assert looks(60, with_logins=True).verdict is Verdict.HEALTHY
    assert looks(25, with_logins=False).verdict is Verdict.UNDECIDED
    assert "QUIET" in release.codes()


def test_a_metric_that_was_never_seen_keeps_a_step_from_passing(sim: Any) -> None:
    both = sim.asked(
        MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.02),
        MetricConfig(name="latency", kind="latency", relative=0.5, absolute=0.02),
    )
    release = sim.Release(both).learns(20).begins()
    judgement = release.sees(60, 0.002, 0.002)
    assert judgement.verdict is Verdict.UNDECIDED
    assert not judgement.may_proceed


def test_healthy_takes_the_least_requests_however_lenient_the_tolerance(sim: Any) -> None:
    lenient = sim.asked(MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.5, min_requests=300))
    release = sim.Release(lenient).learns(20).begins()
    for _ in range(40):
        judgement = release.sees(1, 0.002, 0.002, requests=100)
        assert (judgement.verdict is Verdict.HEALTHY) == (judgement.requests >= 300 and judgement.looks >= 20)
    assert judgement.verdict is Verdict.HEALTHY


def test_no_tolerance_and_no_errors_is_never_healthy(sim: Any) -> None:
    release = sim.Release(sim.asked(MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.0))).begins()
    assert release.sees(200, 0.0, 0.0).verdict is Verdict.UNDECIDED


# Steps ------------------------------------------------------------------------------------------------------------


def test_a_new_step_forgets_health_and_remembers_harm(release: Any) -> None:
    release.sees(60, 0.002, 0.006)
    before = release.state.book
    release.begins(50)
    assert release.state.book.health.tolist() == [0]
    assert release.state.book.harm == before.harm
    assert release.sees(19, 0.002, 0.002).verdict is Verdict.UNDECIDED


def test_an_undecided_step_may_proceed_only_when_nothing_stands_against_it(sim: Any) -> None:
    def at_maximum_hold(**parts: Any) -> Judgement:
        release = sim.Release(share=parts.pop("share", 2.0)).learns(20).begins()
        return release.sees(60, parts.pop("stable", 0.004), parts.pop("canary", 0.004), **parts)

    fine = at_maximum_hold(requests=500)
    assert fine.verdict is Verdict.UNDECIDED
    assert fine.may_proceed
    assert "could have missed up to" in fine.sentence
    assert not at_maximum_hold(requests=25).may_proceed, "fewer than minRequests"
    assert not at_maximum_hold(requests=500, canary=0.06).may_proceed, "worse than is tolerated"


def test_with_few_requests_the_interval_is_too_wide_to_proceed(sim: Any) -> None:
    release = sim.Release(share=50.0).learns(20).begins()
    judgement = release.sees(30, 0.0, 0.0, requests=10)
    assert judgement.requests == 150
    assert not judgement.may_proceed, "150 requests without an error may hide 2 % errors; 0.5 % are tolerated"


# Several metrics, one alpha ---------------------------------------------------------------------------------------


def test_a_dry_run_is_reported_and_decides_nothing(sim: Any) -> None:
    both = sim.asked(
        MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.005),
        MetricConfig(name="trial", kind="counts", relative=0.5, absolute=0.005, dry_run=True),
    )
    release = sim.Release(both).learns(20).begins()

    def look(canary: float, trial: float) -> Judgement:
        seen = release.look(0.002, canary)
        other = release.look(0.002, trial)
        return release.given(replace(seen, counts={**seen.counts, "trial": other.counts["errors"]}))

    for _ in range(600):
        judgement = look(0.002, 1.0)
    assert judgement.verdict is Verdict.HEALTHY
    assert {finding.metric for finding in judgement.findings} == {"errors", "trial"}
    for _ in range(10):
        judgement = look(0.3, 1.0)
    assert judgement.verdict is Verdict.UNHEALTHY, "evidence in a dry run, however large, hides no other"


def test_metrics_that_are_each_only_suspect_condemn_together(sim: Any) -> None:
    names = ("errors", "logins", "orders")
    release = sim.Release(
        sim.asked(*(MetricConfig(name=name, kind="counts", relative=0.5, absolute=0.005) for name in names)),
    )
    release.learns(20).begins()
    for _ in range(100):
        look = release.look(0.004, 0.03)
        judgement = release.given(replace(look, counts=dict.fromkeys(names, look.counts["errors"])))
        if judgement.verdict is Verdict.UNHEALTHY:
            break
    assert judgement.verdict is Verdict.UNHEALTHY
    assert judgement.sentence.startswith("together: ")
    assert all(name in judgement.sentence for name in names[1:])


def test_weights_never_spend_more_than_one_alpha(sim: Any) -> None:
    many = sim.asked(
        MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.01, critical=True, rate_limit=0.1),
        MetricConfig(name="latency", kind="latency", relative=0.5, absolute=0.01, quantile_limits=((0.99, 0.5),)),
        MetricConfig(name="logins", kind="counts", relative=0.5, absolute=0.01, weight=3.0),
    )
    release = sim.Release(many).learns(20, stable_s=0.05).begins()
    judgement = release.sees(1, 0.0, 0.0, stable_s=0.05, canary_s=0.05)
    weights = [math.exp(f.numbers["share_of_evidence"] - f.numbers["evidence"]) for f in judgement.findings]
    assert len(weights) > 5
    assert sum(weights) == pytest.approx(1.0)


def test_nothing_asked_is_nothing_decided(sim: Any) -> None:
    release = sim.Release(JudgeConfig(metrics=())).begins()
    judgement = release.sees(30, 0.0, 0.9)
    assert judgement.verdict is not Verdict.HEALTHY
    assert judgement.verdict is not Verdict.UNHEALTHY
    assert not judgement.may_proceed


def test_a_plan_of_one_look_leaves_something_to_bet_with_for_the_second(sim: Any) -> None:
    release = sim.Release(sim.asked(planned_looks=1)).learns(20).begins()
    assert release.sees(8, 0.002, 0.15).verdict is Verdict.UNHEALTHY
    assert np.isfinite(release.state.book.harm.cash).all()
