"""Gauges, histograms, tests, rules and scores in a release file: what they mean, and what is refused at which key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from analysis.classical import FixedTest, Grouped, Threshold
from canary.cli.counters import target_of
from canary.cli.question import judge_config
from canary.cli.reads import feeds_of, gauges_of
from canary.spec import ReleaseFileError, parse

GAUGE = 'avg(queue_length{service="$arm"})'
COUNT = 'x_total{service="$arm"}'
TEST = {"kind": "mannWhitney", "after": "5m"}


def release(minimal: str, *queries: dict[str, Any], score: dict[str, Any] | None = None) -> Any:
    metrics = json.dumps([{"errors": {}}, *({"query": {"name": "q"} | query} for query in queries)])
    return parse(
        minimal + f"    metrics: {metrics}\n" + (f"    score: {json.dumps(score)}\n" if score is not None else "")
    )


def problems(minimal: str, *queries: dict[str, Any], score: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(ReleaseFileError) as caught:
        release(minimal, *queries, score=score)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("query", "key", "said"),
    [
        ({}, "query", "names no kind"),
        ({"bad": COUNT}, "query.bad", "without total"),
        ({"total": COUNT}, "query.total", "without bad"),
        ({"bad": COUNT, "total": COUNT, "gauge": GAUGE}, "query.gauge", "already given"),
        ({"gauge": GAUGE}, "query.gauge", "nothing says how it is judged"),
        ({"gauge": GAUGE, "test": TEST, "threshold": {"max": 1}}, "query.threshold", "judged by test already"),
        ({"gauge": GAUGE, "test": TEST, "tolerance": {}}, "query.tolerance", "a gauge has none"),
        ({"gauge": GAUGE, "test": TEST, "limit": {"rate": 0.1}}, "query.limit", "a gauge has none"),
        ({"gauge": GAUGE, "test": TEST | {"kind": "fisher"}}, "query.test.kind", "compares counts"),
        ({"gauge": GAUGE, "test": TEST | {"kind": "anova"}}, "query.test.kind", "not one of the choices"),
        ({"gauge": GAUGE, "test": TEST | {"after": "10m"}}, "query.test.after", "would end before the test looks"),
        ({"gauge": GAUGE, "test": TEST | {"after": "1m"}}, "query.test.after", "10 values take 1m40s"),
        ({"gauge": GAUGE, "test": TEST, "initialDelay": "6m"}, "query.test.after", "would end before"),
        ({"gauge": "vector(1)", "test": TEST}, "query.gauge", "compares the arms"),
        ({"gauge": "sum(x{a='$arm'}", "test": TEST}, "query.gauge", "a ( is not closed"),
        ({"gauge": 'x{a="$arm}', "test": TEST}, "query.gauge", "is not closed"),
        ({"gauge": "x$service", "test": TEST}, "query.gauge", "$service is not known"),
        ({"gauge": "x{a=~'$arm$'}", "test": TEST}, "query.gauge", "write $$"),
        ({"gauge": GAUGE, "threshold": {}}, "query.threshold", "limits nothing"),
        ({"gauge": GAUGE, "threshold": {"min": 2, "max": 1}}, "query.threshold.max", "max is less than min"),
        ({"gauge": GAUGE, "threshold": {"max": "1"}}, "query.threshold.max", "must be a number"),
        ({"bad": COUNT, "total": COUNT, "threshold": {"max": 1}}, "query.threshold", "only a gauge"),
        ({"bad": COUNT, "total": COUNT, "test": TEST}, "query.test.kind", "these are counts"),
        (
            {"bad": COUNT, "total": COUNT, "tolerance": {}, "test": TEST | {"kind": "fisher"}},
            "query.tolerance",
            "Fisher's test knows no tolerance",
        ),
        ({"bad": COUNT, "total": COUNT, "limit": {"p99": "1s"}}, "query.limit.p99", "only a histogram"),
        ({"bad": COUNT, "total": COUNT, "limit": {}}, "query.limit", "limits nothing"),
        ({"bad": COUNT, "total": COUNT, "unit": "ms"}, "query.unit", "only a histogram has a unit"),
        ({"histogram": COUNT}, "query.histogram", "ends with _bucket"),
        ({"histogram": 'x_bucket{service="$arm",le="1"}'}, "query.histogram", "leave out le"),
        ({"histogram": 'x_bucket{service="$arm"}', "limit": {"rate": 0.1}}, "query.limit.rate", "counts nothing"),
        ({"histogram": 'x_bucket{service="$arm"}', "test": TEST}, "query.test", "only a gauge"),
        ({"bad": COUNT, "total": COUNT, "every": "1s"}, "query.every", "looks are taken every 10s"),
        ({"bad": COUNT, "total": COUNT, "every": "1h"}, "query.every", "would end before this is over"),
        ({"bad": COUNT, "total": COUNT, "initialDelay": "1h"}, "query.initialDelay", "would end before"),
        ({"bad": COUNT, "total": COUNT, "noData": "ignore"}, "query.noData", "not one of the choices"),
        ({"bad": COUNT, "total": COUNT, "name": "score"}, "query.name", "findings call something else so"),
        ({"gauge": GAUGE, "threshold": {"max": 1, "failurelimit": 2}}, "failurelimit", "no such key"),
    ],
)
def test_what_cannot_be_judged_is_refused_at_its_key(minimal: str, query: Any, key: str, said: str) -> None:
    told = problems(minimal, query)
    assert any(key in one and said in one for one in told), told
    assert all(one.startswith("release.yaml:") for one in told)


@pytest.mark.parametrize(
    ("score", "key", "said"),
    [
        ({"after": "5m", "pass": 50, "marginal": 75}, "score.marginal", "less than what passes"),
        ({"after": "5m", "groups": {"other": 100}}, "score.groups.other", "no metric is in this group"),
        ({"after": "5m", "groups": {"g": 60}}, "score.groups", "sum to 60"),
        ({"after": "1h"}, "score.after", "before its score is computed"),
        ({}, "score.after", "missing"),
    ],
)
def test_a_score_that_cannot_be_computed(minimal: str, score: Any, key: str, said: str) -> None:
    told = problems(minimal, {"gauge": GAUGE, "score": {"group": "g"}}, score=score)
    assert any(key in one and said in one for one in told), told


def test_a_score_and_its_metrics_need_each_other(minimal: str) -> None:
    assert "no metric is a part of the score" in problems(minimal, score={"after": "5m"})[0]
    assert "there is no score" in problems(minimal, {"gauge": GAUGE, "score": {"group": "g"}})[0]


def test_proxies_answer_no_promql(minimal: str) -> None:
    scraped = minimal.replace(
        'prometheus: {url: "http://prometheus.monitoring:9090"}', 'scrape: {urls: ["http://t/m"]}'
    )
    assert scraped != minimal
    assert "a proxy answers no PromQL" in problems(scraped, {"gauge": GAUGE, "threshold": {"max": 1}})[0]


def test_without_a_gateway_something_must_count_requests(minimal: str) -> None:
    alone = minimal.replace("gateway: traefik", "gateway: none")
    metrics = json.dumps([{"query": {"name": "q", "gauge": GAUGE, "threshold": {"max": 1}}}])
    with pytest.raises(ReleaseFileError) as caught:
        parse(alone + f"    metrics: {metrics}\n")
    assert "traffic is seen to follow" in str(caught.value.problems[0])


def test_what_a_file_means_to_the_judge(minimal: str) -> None:
    more = {"weight": 2, "critical": True, "dryRun": True, "minRequests": 7, "initialDelay": "20s", "noData": "hold"}
    queries = (
        {"name": "t", "gauge": GAUGE, "test": TEST | {"worse": "lower", "tolerance": {"absolute": 3}}} | more,
        {"name": "r", "gauge": "up", "threshold": {"min": 1, "failureLimit": 2}},
        {"name": "s", "gauge": GAUGE, "score": {"group": "g", "direction": "increase"}},
        {"name": "f", "bad": COUNT, "total": COUNT, "test": {"kind": "fisher", "after": "5m", "steps": "last"}},
        {"name": "h", "histogram": 'x_bucket{service="$arm"}', "unit": "ms", "every": "30s", "limit": {"p99": "2s"}},
    )
    file = release(minimal, *queries, score={"after": "5m"})
    config = judge_config(file, looks=100)
    test, rule, part, fisher = config.classical
    assert test.how == FixedTest(kind="mannWhitney", after=300, looks=4, worse="lower", absolute=3)
    assert (test.weight, test.critical, test.dry_run, test.min_requests) == (2, True, True, 7)
    assert (test.delay, test.no_data, test.both) == (20, "hold", True)
    assert rule.how == Threshold(least=1, failures=2)
    assert not rule.both
    assert part.how == Grouped(group="g", direction="increase")
    assert fisher.how == FixedTest(kind="fisher", after=300, looks=1, last_only=True)
    histogram = config.metrics[1]
    assert (histogram.kind, histogram.own, histogram.every, histogram.relative) == ("latency", True, 30, 0.2)
    assert histogram.quantile_limits == ((0.99, 2.0),)
    assert [metric.name for metric in config.metrics] == ["errors", "h"]


def test_what_a_file_means_to_the_source(minimal: str) -> None:
    file = release(
        minimal,
        {"name": "t", "gauge": GAUGE, "test": TEST},
        {
            "name": "r",
            "gauge": 'a{s="$stable"} / b{s="$canary",n="$namespace"}',
            "threshold": {"max": 1},
            "every": "1m",
        },
        {"name": "raw", "gauge": 'queue{service="$arm"}', "threshold": {"max": 1}},
        {"name": "h", "histogram": 'x_bucket{service="$arm"}', "unit": "ms"},
    )
    gauges = [(one.metric, one.arm.value, one.query, one.raw, one.every) for one in gauges_of(file, target_of(file))]
    assert gauges == [
        ("t", "stable", 'avg(queue_length{service="user-service"})', False, 10.0),
        ("t", "canary", 'avg(queue_length{service="user-service-canary"})', False, 10.0),
        ("r", "canary", 'a{s="user-service"} / b{s="user-service-canary",n="shop"}', False, 60.0),
        ("raw", "stable", 'queue{service="user-service"}', True, 10.0),
        ("raw", "canary", 'queue{service="user-service-canary"}', True, 10.0),
    ]
    buckets = [feed for feed in feeds_of(file, target_of(file)) if feed.key.metric == "h"]
    assert {(feed.family, feed.key.role.value, feed.scale) for feed in buckets} == {("x_bucket", "bucket", 0.001)}


def test_with_nothing_but_gauges_errors_are_still_reported(minimal: str) -> None:
    metrics = json.dumps([{"query": {"name": "q", "gauge": GAUGE, "threshold": {"max": 1}}}])
    config = judge_config(parse(minimal + f"    metrics: {metrics}\n"), looks=100)
    assert [(metric.name, metric.dry_run) for metric in config.metrics] == [("errors", True)]
