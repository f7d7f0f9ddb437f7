"""Every finding carries what it rests on, as data; every judgement in one sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from analysis.judge import MetricConfig, decode, drop, encode
from analysis.model import Arm


def release_of(sim: Any, **changes: Any) -> Any:
    both = sim.asked(
        MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.002),
        MetricConfig(name="latency", kind="latency", relative=0.2, absolute=0.002),
        **changes,
    )
    return sim.Release(both, share=5.0).learns(20, stable_s=0.05).begins(last=50.0)


def test_each_finding_carries_all_of_it(sim: Any) -> None:
    release = release_of(sim, attempt=2)
    release.state = drop(release.state, release.look(0.002, 0.002))
    for _ in range(25):
        look = release.look(0.002, 0.002, stable_s=0.05, canary_s=0.05)
        judgement = release.given(
            replace(look, pods={Arm.STABLE: 6, Arm.CANARY: 1}, missed={"UNALIGNED": 1} if release.at < 150 else {})
        )
    release.state = decode(json.loads(json.dumps(encode(release.state))))
    judgement = release.given(release.look(0.002, 0.002, stable_s=0.05, canary_s=0.05))
    for finding in judgement.findings:
        numbers = finding.numbers
        assert numbers["attempt"] == 2
        assert (numbers["pods_stable"], numbers["pods_canary"]) == (6, 1)
        assert (numbers["share_asked"], round(numbers["share_seen"], 6)) == (0.05, 0.05)
        assert numbers["dropped_share_change"] == 1
        assert numbers["looks_dropped"] == numbers["dropped_unaligned"] + 1
        assert 0.002 < numbers["excluded_rate"] < 0.5
        assert numbers["excluded_slow_over"] in sim.BUCKETS
        assert numbers["excluded_slow"] > 0
        assert numbers["dispersion_source"] == 0
        assert numbers["spent"] < 1
    for words in ("in 9 of 10 releases", "dispersion unknown", "6 stable and 1 canary pods", "attempt 2", "5 % asked"):
        assert words in judgement.basis
    assert "1 share change" in judgement.basis


def test_a_small_step_excludes_less_and_says_how_much(sim: Any) -> None:
    release = release_of(sim)
    judgement = release.sees(25, 0.002, 0.002, stable_s=0.05, canary_s=0.05)
    errors = next(one.numbers for one in judgement.findings if one.metric == "errors")
    assert errors["step_excludes"] - errors["tolerated"] == 0.002 * 9.0
    last = release.begins(50.0, last=50.0).sees(25, 0.002, 0.002, stable_s=0.05, canary_s=0.05)
    errors = next(one.numbers for one in last.findings if one.metric == "errors")
    assert errors["step_excludes"] == errors["tolerated"]


def test_a_dispersion_that_is_known_is_named_with_where_it_came_from(sim: Any) -> None:
    judgement = release_of(sim, phi0=2.5).sees(25, 0.002, 0.002, stable_s=0.05, canary_s=0.05)
    assert "dispersion 2.5 (from stable's history)" in judgement.basis
    assert all(one.numbers["dispersion"] >= 2.5 for one in judgement.findings)
