"""One pod of several, pods that differ, and what that does to the promise."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from analysis.judge import MetricConfig, decode, encode
from analysis.judge.pods import Seen, false_rollback, outlier, spread, widened
from analysis.model import Arm, Look, Pod, Verdict


def with_pods(release: Any, *, stable: tuple[float, ...], canary: dict[str, float], requests: int = 1000) -> Look:
    """A look in which each pod had the same number of requests; `canary` maps pods to their rates."""
    look = release.look(0.0, 0.0, requests=requests)
    arms = {}
    for arm, rates in ((Arm.STABLE, {f"s{i}": rate for i, rate in enumerate(stable)}), (Arm.CANARY, canary)):
        each = look.counts["errors"][arm].total // len(rates)
        pods = tuple(
            Pod(name, f"node-of-{name}", each, int(release.chance.binomial(each, rate))) for name, rate in rates.items()
        )
        total, bad = each * len(rates), sum(pod.bad for pod in pods)
        arms[arm] = replace(look.counts["errors"][arm], total=total, bad=bad, pods=pods)
    return replace(look, counts={"errors": arms}, pods={Arm.STABLE: len(stable), Arm.CANARY: len(canary)})


def test_one_canary_pod_that_carries_the_excess_holds_by_name_and_is_forgotten_when_replaced(sim: Any) -> None:
    release = sim.Release(share=30.0).learns(20).begins()
    for _ in range(40):
        look = with_pods(release, stable=(0.002,) * 4, canary={"c0": 0.002, "c1": 0.3, "c2": 0.002})
        judgement = release.given(look)
        assert judgement.verdict is not Verdict.UNHEALTHY
    assert judgement.evidence > judgement.threshold, "without the pods it would be condemned"
    assert judgement.findings[0].code == "POD_OUTLIER"
    assert "c1 on node node-of-c1" in judgement.sentence
    assert not judgement.may_proceed
    release.state = decode(json.loads(json.dumps(encode(release.state))))
    for _ in range(60):
        look = with_pods(release, stable=(0.002,) * 4, canary={"c0": 0.002, "c3": 0.002, "c2": 0.002})
        judgement = release.given(look)
    assert judgement.verdict is Verdict.HEALTHY
    for _ in range(30):
        look = with_pods(release, stable=(0.002,) * 4, canary={"c0": 0.2, "c3": 0.2, "c2": 0.2})
        judgement = release.given(look)
    assert judgement.verdict is Verdict.UNHEALTHY, "the judge is not disarmed"


@pytest.mark.parametrize("canary", [{"c0": 0.1, "c1": 0.1, "c2": 0.1}, {"c0": 0.2, "c1": 0.2, "c2": 0.002}])
def test_a_canary_that_is_bad_on_more_than_one_pod_is_condemned(sim: Any, canary: dict[str, float]) -> None:
    release = sim.Release(share=30.0).learns(20).begins()
    for _ in range(30):
        judgement = release.given(with_pods(release, stable=(0.002,) * 4, canary=canary))
    assert judgement.verdict is Verdict.UNHEALTHY


def test_a_lone_canary_pod_is_the_canary_and_a_second_with_hardly_a_request_is_no_witness(sim: Any) -> None:
    release = sim.Release(share=30.0).learns(20).begins()
    for _ in range(20):
        judgement = release.given(with_pods(release, stable=(0.002,) * 4, canary={"c0": 0.2}))
    assert judgement.verdict is Verdict.UNHEALTHY
    arms = {
        Arm.STABLE: {"s": Seen(node="", total=9000, bad=18)},
        Arm.CANARY: {"c0": Seen(node="", total=2000, bad=400), "c1": Seen(node="", total=3, bad=0)},
    }
    assert outlier(arms, rate=0.002, relative=0.5, absolute=0.005, phi=1.0) is None


@pytest.mark.parametrize(("cv", "expected"), [(0.4, 0.05), (0.7, 0.11), (1.0, 0.15)])
def test_the_chance_that_one_pod_rolls_back_is_what_simulation_finds(cv: float, expected: float) -> None:
    sigma, rate = math.sqrt(math.log1p(cv * cv)), 0.01
    said = false_rollback(sigma, rate=rate, relative=0.5, absolute=0.002, canary=1, stable=1_000)
    chance = np.random.default_rng(1)
    drawn = np.exp(chance.normal(-sigma * sigma / 2, sigma, 200_000))
    assert said == pytest.approx(float((drawn * rate > rate * 1.5 + 0.002).mean()), abs=0.005)
    assert said == pytest.approx(expected, abs=0.02)
    assert false_rollback(sigma, rate=rate, relative=0.5, absolute=0.002, canary=8, stable=1_000) < said


def test_the_spread_is_found_and_is_none_where_pods_do_not_differ() -> None:
    chance = np.random.default_rng(2)
    for sigma in (0.0, 0.5):
        rates = 0.02 * np.exp(chance.normal(-sigma * sigma / 2, sigma, 400))
        pods = [Seen(node="", total=5000, bad=int(chance.binomial(5000, min(rate, 1.0)))) for rate in rates]
        assert spread(pods) == pytest.approx(sigma, abs=0.09)
    assert spread([Seen(node="", total=10, bad=1)]) is None


def test_widening_tolerates_what_pods_differ_by_and_is_off_by_default(sim: Any) -> None:
    stable, canary = (0.004, 0.012, 0.02, 0.044), {"c0": 0.05}
    verdicts = {}
    for widen in (False, True):
        release = sim.Release(sim.asked(widen_pods=widen), share=50.0).learns(20, stable=0.02)
        release.begins()
        for _ in range(20):
            release.given(with_pods(release, stable=stable, canary={"c0": 0.02}))
        release.begins()
        for _ in range(60):
            verdicts[widen] = release.given(with_pods(release, stable=stable, canary=canary)).verdict
    assert verdicts == {False: Verdict.UNHEALTHY, True: Verdict.HEALTHY}
    assert widened(0.5, 0.0, canary=1, stable=4) == pytest.approx(0.5)
    assert widened(0.5, 0.5, canary=1, stable=4) == pytest.approx(1.5 * math.exp(2.33 * 0.5 * math.sqrt(1.25)) - 1)


def test_pods_that_differ_are_told_with_the_chance_that_this_costs(sim: Any) -> None:
    release = sim.Release(sim.asked(MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.002)))
    release.begins()
    for _ in range(30):
        look = with_pods(release, stable=(0.004, 0.012, 0.02, 0.044), canary={"c0": 0.02})
        judgement = release.given(look)
    finding = next(one for one in judgement.findings if one.metric == "errors")
    assert finding.numbers["pod_spread"] > 0.3
    assert 0.02 < finding.numbers["pod_false_rollback"] < 0.4
    assert "pods of stable differ" in judgement.basis
