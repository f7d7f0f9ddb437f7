"""What preflight says of buckets and of lone pods; pure, so without an API server."""

from __future__ import annotations

import math

from analysis.judge import MetricConfig
from analysis.model import Arm
from analysis.sources import Key, Reading, Role, Sample
from canary.adapters.kubernetes.preflight_metrics import check_buckets, stable_histogram
from canary.adapters.kubernetes.preflight_workload import check_pods

BUCKETS = {0.1: 5_000.0, 0.25: 9_400.0, 0.5: 9_900.0, 1.0: 9_990.0, math.inf: 10_000.0}


def reading(*, replicas: int = 2) -> Reading:
    """Stable's histogram, spread over some proxies; each has an older sample as well, and the canary none."""
    samples = [
        Sample(Key("latency", Arm.STABLE, Role.BUCKET, bound), f"proxy-{number}", at, value / replicas * part)
        for bound, value in BUCKETS.items()
        for number in range(replicas)
        for at, part in ((10.0, 1.0), (5.0, 0.5))
    ]
    return Reading(at=10.0, samples=tuple(samples))


def latency(**changes: object) -> MetricConfig:
    return MetricConfig(name="latency", kind="latency", relative=0.2, absolute=0.002, **changes)  # type: ignore[arg-type]


def test_the_histogram_is_the_newest_of_all_proxies() -> None:
    assert stable_histogram(reading(), "latency") == {bound: round(value) for bound, value in BUCKETS.items()}
    assert stable_histogram(reading(), "other") == {}


def test_buckets_that_cannot_show_a_tolerance_in_time_refuse_the_release() -> None:
    (problem,) = check_buckets(reading(), [latency(slower=0.2)])
    assert problem.code is not None
    assert "too coarse for slower: 20%" in problem.what
    assert "slower: 150%" in problem.what
    assert check_buckets(reading(), [latency(slower=1.5)]) == []


def test_a_limit_between_buckets_is_a_warning() -> None:
    (problem,) = check_buckets(reading(), [latency(quantile_limits=((0.99, 0.8),))])
    assert problem.code is None
    assert "what lies between stays UNDECIDED" in problem.what
    assert check_buckets(reading(), [latency(quantile_limits=((0.99, 0.5),))]) == []


def test_a_canary_of_one_pod_is_a_warning() -> None:
    (problem,) = check_pods({"spec": {"replicas": 1}}, "Deployment shop/shop")
    assert problem.code is None
    assert "a bad node cannot be told from a bad version" in problem.what
    assert check_pods({"spec": {"replicas": 3}}, "Deployment shop/shop") == []
