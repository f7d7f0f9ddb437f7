"""What preflight says of buckets and of lone pods; pure, so without an API server."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from analysis.classical import ClassicalConfig, Threshold
from analysis.judge import MetricConfig
from analysis.model import Arm
from analysis.sources import Key, Measured, Reading, Role, Sample, Trouble
from canary.adapters.kubernetes.preflight_metrics import check_buckets, check_gauges, check_series, stable_histogram
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


# Series and gauges ------------------------------------------------------------------------------------------------

ERRORS = MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.002)
OWN = MetricConfig(name="checkouts", kind="counts", relative=0.5, absolute=0.002, own=True)


def test_a_metric_without_series_on_stable_refuses_the_release() -> None:
    (problem,) = check_series(reading(), [latency(), OWN])
    assert problem.code is not None
    assert problem.what == "Stable has no series of checkouts: it would never be judged."
    assert "noData: pass" in problem.fix


@pytest.mark.parametrize("changes", [{"dry_run": True}, {"no_data": "pass"}])
def test_one_that_may_be_missing_is_a_warning(changes: dict[str, Any]) -> None:
    (problem,) = check_series(reading(), [latency(), replace(OWN, **changes)])
    assert problem.code is None


def test_without_any_series_of_stable_it_is_said_elsewhere() -> None:
    assert check_series(Reading(at=0.0), [ERRORS, OWN]) == []


def test_bad_requests_that_never_were_are_not_missed() -> None:
    only = Reading(at=0.0, samples=(Sample(Key("errors", Arm.STABLE, Role.TOTAL), "s", 0.0, 5.0),))
    assert check_series(only, [ERRORS]) == []


QUEUE = ClassicalConfig(name="queue", how=Threshold(most=10.0))


def gauge(arm: Arm = Arm.STABLE, **values: Any) -> Measured:
    return Measured(metric="queue", arm=arm, **values)


@pytest.mark.parametrize(
    ("measured", "said", "refused"),
    [
        (gauge(points=((1.0, 5.0),)), "", False),
        (gauge(points=((1.0, 5.0), (2.0, 50.0))), "is 50 on stable already, and the rule is at most 10", False),
        (gauge(points=((1.0, math.nan),)), "is no number on stable now", False),
        (gauge(code=Trouble.ABSENT, sentence="no series: is it scraped?"), "queue: no series: is it scraped.", True),
        (gauge(code="SEVERAL_SERIES", sentence="2 series"), "2 series", True),
        (gauge(code="QUERY_REFUSED", sentence="Prometheus refuses the query"), "refuses the query", True),
        (gauge(Arm.CANARY, code=Trouble.ABSENT, sentence="no series"), "", False),
        (gauge(Arm.CANARY, points=((1.0, 500.0),)), "", False),
        (gauge(Arm.CANARY, code="QUERY_REFUSED", sentence="Prometheus refuses the query"), "refuses the query", True),
    ],
)
def test_what_stables_gauges_show_before_the_release(measured: Measured, said: str, refused: bool) -> None:
    found = check_gauges([measured], [QUEUE])
    assert [said in one.what for one in found] == ([True] if said else [])
    assert [one.code is not None for one in found] == ([refused] if said else [])


def test_a_gauge_that_may_be_missing_or_decides_nothing_is_a_warning() -> None:
    absent = gauge(code=Trouble.ABSENT, sentence="no series")
    assert [one.code for one in check_gauges([absent], [replace(QUEUE, no_data="pass")])] == [None]
    refused = gauge(code="QUERY_REFUSED", sentence="it refuses the query")
    assert [one.code for one in check_gauges([refused], [replace(QUEUE, dry_run=True)])] == [None]
    assert check_gauges([refused], []) == []
