"""Metrics that cannot be judged as they stand, each with the place and what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from canary.spec.objection import Objection, Path, exactly_one
from canary.spec.plan import steps_of
from canary.spec.quantities import format_duration
from canary.spec.queries import OF_COUNTS

if TYPE_CHECKING:
    from analysis.packs import Target
    from canary.spec.analysis import Score
    from canary.spec.metrics import Latency
    from canary.spec.queries import FixedTest, Query
    from canary.spec.release import Spec
    from canary.spec.tolerances import LatencyLimit, Rule

MOST_GAUGES = 8
"""The journal has 32 KiB for everything."""

TAKEN = frozenset({"errors", "latency", "retries", "score", "traffic"})
"""What findings call other things."""


def metrics(spec: Spec, path: Path) -> Iterator[Objection]:
    """Everything about the metrics that cannot work."""
    analysis, seen = spec.analysis, set[str]()
    holds = _holds(spec)
    for index, metric in enumerate(analysis.metrics):
        here = (*path, index)
        kinds = {
            "errors": metric.errors,
            "latency": metric.latency,
            "retries": metric.retries,
            "query": metric.query,
        }
        yield from exactly_one(here, kinds)
        if metric.name in seen:
            yield Objection(here, f"there is a metric named {metric.name} already", "judge each metric once")
        seen.add(metric.name)
        kind = next((name for name, value in kinds.items() if value is not None), "errors")
        yield from _pace(metric.chosen, (*here, kind), every=analysis.interval, holds=holds)
        if metric.query:
            yield from _query(metric.query, (*here, "query"), spec=spec, holds=holds)
        if analysis.gateway == "none" and not metric.query:
            yield Objection(
                here if "metrics" in analysis.model_fields_set else path[:-1],
                f"without a gateway nobody counts {metric.name}",
                "name the gateway, or judge by queries of your own only: metrics: [{query: ...}]",
            )
        if metric.latency and not _has_latency(analysis.gateway):
            yield Objection(
                here if "metrics" in analysis.model_fields_set else (*path[:-1], "gateway"),
                f"{analysis.gateway} keeps no histogram of latencies",
                "judge errors only: metrics: [{errors: {}}], or latency by what the app counts: gateway: pods",
            )
        if metric.retries and not _has_retries(analysis.gateway):
            yield Objection(here, f"{analysis.gateway} does not count retries of each Service", "leave it out")
        if metric.latency and metric.latency.slower is not None:
            yield from _slower(metric.latency, (*here, "latency"))
        if metric.latency and metric.latency.limit:
            yield from _limits(metric.latency.limit, (*here, "latency", "limit"))
    yield from _together(spec, path)
    if analysis.score is not None:
        yield from _score(analysis.score, spec, (*path[:-1], "score"), holds)


def _slower(latency: Latency, path: Path) -> Iterator[Objection]:
    if "tolerance" in latency.model_fields_set:
        yield Objection(
            (*path, "slower"), "tolerance is given already", "keep one: tolerance in shares, slower in time"
        )
    if not latency.slower:
        yield Objection((*path, "slower"), "no buckets can show that nothing is slower", "write more, such as 20%")


def _has_latency(gateway: str) -> bool:
    """Whether this gateway's latencies can be judged; `none` has been objected to by then."""
    from analysis.packs import PACKS

    return gateway not in PACKS or PACKS[gateway].has_latency


def _has_retries(gateway: str) -> bool:
    """Whether this gateway counts retries apart; `none` has been objected to by then."""
    from analysis.packs import PACKS

    return gateway not in PACKS or PACKS[gateway].retries


def _holds(spec: Spec) -> list[float]:
    """The steps' longest holds; none when the plan is impossible, which is told elsewhere."""
    try:
        return [step.hold_max for step in steps_of(spec.strategy)]
    except ValueError:
        return []


def _pace(rule: Rule, path: Path, *, every: float, holds: list[float]) -> Iterator[Objection]:
    shortest = min(holds, default=float("inf"))
    if rule.every is not None and rule.every < every:
        text = format_duration(every)
        yield Objection((*path, "every"), f"looks are taken every {text}", f"write at least {text}, or look more often")
    for key, seconds in (("every", rule.every), ("initialDelay", rule.initial_delay)):
        if seconds is not None and seconds >= shortest:
            yield Objection((*path, key), "a step would end before this is over", _less(shortest))


def _less(seconds: float) -> str:
    return f"write less than {format_duration(seconds)}, or hold longer"


def _together(spec: Spec, path: Path) -> Iterator[Objection]:
    analysis = spec.analysis
    if not any(metric.errors for metric in analysis.metrics):
        for index in (number for number, metric in enumerate(analysis.metrics) if metric.retries):
            yield Objection((*path, index, "retries"), "they hide errors, which are not judged", "add errors: {}")
    if all(metric.chosen.dry_run for metric in analysis.metrics):
        yield Objection(path, "every metric is dryRun: nothing could ever decide", "let at least one metric decide")
    queries = [metric.query for metric in analysis.metrics if metric.query]
    if sum(query.gauge is not None for query in queries) > MOST_GAUGES:
        yield Objection(path, f"these are more than {MOST_GAUGES} gauges", "judge fewer, or count instead")
    if analysis.gateway == "none" and queries and not any(query.sequential for query in queries):
        yield Objection(
            path,
            "without a gateway nobody counts the requests by which traffic is seen to follow",
            "name the gateway, or add a query with bad and total and without a test",
        )


def _query(query: Query, path: Path, *, spec: Spec, holds: list[float]) -> Iterator[Objection]:
    counts = query.bad if query.bad is not None else query.total
    yield from exactly_one(path, {"bad": counts, "histogram": query.histogram, "gauge": query.gauge})
    if query.name in TAKEN:
        yield Objection((*path, "name"), "findings call something else so", "write another name")
    if (query.bad is None) != (query.total is None):
        missing, given = ("total", "bad") if query.total is None else ("bad", "total")
        yield Objection((*path, given), f"without {missing} this counts nothing", f"write {missing} as well")
    yield from _judged_by(query, path)
    yield from _selectors(query, path, fresh=bool(spec.workload and spec.workload.baseline))
    if query.gauge is not None and spec.analysis.source.scrape is not None:
        yield Objection((*path, "gauge"), "a proxy answers no PromQL", "read from source: {prometheus: ...}")
    if query.limit:
        yield from _query_limits(query, (*path, "limit"))
    if query.test:
        yield from _test(query, query.test, (*path, "test"), spec=spec, holds=holds)
    if query.score is not None and spec.analysis.score is None:
        yield Objection(
            (*path, "score"), "there is no score that it could be a part of", "add analysis.score: {after: 5m}"
        )
    threshold = query.threshold
    if threshold and threshold.min is None and threshold.max is None:
        yield Objection((*path, "threshold"), "this limits nothing", "write min, max or both")
    elif threshold and threshold.min is not None and threshold.max is not None and threshold.min > threshold.max:
        yield Objection((*path, "threshold", "max"), "max is less than min", f"write at least {threshold.min:g}")


def _judged_by(query: Query, path: Path) -> Iterator[Objection]:
    """What goes with which kind of query."""
    ways = {"test": query.test, "threshold": query.threshold, "score": query.score}
    if query.gauge is not None:
        given = [name for name, value in ways.items() if value is not None]
        if not given:
            yield Objection((*path, "gauge"), "nothing says how it is judged", "add one of test, threshold and score")
        for name in given[1:]:
            yield Objection((*path, name), f"it is judged by {given[0]} already", f"keep one of {', '.join(given)}")
        for key in ("tolerance", "limit"):
            if getattr(query, key) is not None:
                hint = "write test: {tolerance: ...}" if key == "tolerance" else "write threshold: {max: ...}"
                yield Objection((*path, key), "this is about shares of requests, and a gauge has none", hint)
    for name, value in ways.items():
        if value is not None and query.gauge is None and (name != "test" or query.histogram is not None):
            hint = "leave it out; a histogram and counts are judged at every look"
            yield Objection((*path, name), "only a gauge is judged by this", hint)
    if query.unit is not None and query.histogram is None:
        yield Objection((*path, "unit"), "only a histogram has a unit", "leave it out")


def _test(query: Query, test: FixedTest, path: Path, *, spec: Spec, holds: list[float]) -> Iterator[Objection]:
    of_counts = query.gauge is None
    if of_counts and test.kind not in OF_COUNTS:
        yield Objection((*path, "kind"), "this compares values, and these are counts", "write fisher or proportions")
    if not of_counts and test.kind in OF_COUNTS:
        hint = "write mannWhitney, welch or kolmogorovSmirnov"
        yield Objection((*path, "kind"), "this compares counts, and this is a gauge", hint)
    if of_counts:
        for key in ("worse", "tolerance"):
            if getattr(test, key) is None:
                continue
            yield Objection((*path, key), "counts of bad things have none", "leave it out; the query's tolerance holds")
        if test.kind == "fisher" and query.tolerance is not None:
            hint = "leave the tolerance out, or write kind: proportions"
            yield Objection((*path[:-1], "tolerance"), "Fisher's test knows no tolerance", hint)
        if query.limit:
            yield Objection(
                (*path[:-1], "limit"), "a test at one look knows no limit", "leave the test or the limit out"
            )
    elif not _tells_apart(query):
        yield Objection((*path[:-1], "gauge"), "a test compares the arms", "put $arm where the Service's name stands")
    delay = query.initial_delay or 0.0
    shortest = (holds[-1] if test.steps == "last" else min(holds)) if holds else float("inf")
    if test.after + delay >= shortest:
        yield Objection((*path, "after"), "the step would end before the test looks", _less(shortest - delay))
    least = test.min_samples * (query.every or spec.analysis.interval)
    if not of_counts and test.after < least:
        said = f"{test.min_samples} values take {format_duration(least)}"
        yield Objection((*path, "after"), said, f"write at least {format_duration(least)}, or measure more often")


def _tells_apart(query: Query) -> bool:
    from analysis.packs import tells_arms_apart

    return query.gauge is None or tells_arms_apart(query.gauge)


def _score(score: Score, spec: Spec, path: Path, holds: list[float]) -> Iterator[Objection]:
    grouped = [metric.query for metric in spec.analysis.metrics if metric.query and metric.query.score]
    groups = {query.score.group for query in grouped if query.score}
    if not grouped:
        yield Objection(path, "no metric is a part of the score", "add a query with gauge and score: {group: ...}")
    if score.marginal >= score.passes:
        yield Objection(
            (*path, "marginal"), "what condemns must be less than what passes", f"less than {score.passes:g}"
        )
    for name in score.groups:
        if grouped and name not in groups:
            yield Objection(
                (*path, "groups", name), "no metric is in this group", f"write one of {', '.join(sorted(groups))}"
            )
    if (whole := sum(score.groups.values())) > 100 or (groups <= set(score.groups) and whole != 100):
        yield Objection((*path, "groups"), f"the weights sum to {whole:g}", "make them sum to 100")
    shortest = min(holds, default=float("inf"))
    if score.after >= shortest:
        yield Objection((*path, "after"), "a step would end before its score is computed", _less(shortest))


def _selectors(query: Query, path: Path, *, fresh: bool) -> Iterator[Objection]:
    """Queries that could not be asked; the packs know which, and need to be asked with any Services at all."""
    from analysis.model import Arm
    from analysis.packs import Feed, PackError, Target, custom, gauge, histogram

    services = {Arm.STABLE: "stable", Arm.CANARY: "canary"}
    target: Target = Target(namespace="namespace", route="route", services=services, port=1)
    # A fresh baseline is called after stable: what takes both would count it twice.
    beside = replace(target, services={Arm.STABLE: "stable", Arm.CANARY: "stable-baseline"})

    def feeds(key: str, text: str) -> tuple[Feed, ...]:
        if fresh and key != "gauge":
            custom(query.name, bad=text, total=text, target=beside)
        if key == "gauge":
            gauge(query.name, query=text, every=1.0, target=target)
            return ()
        if key == "histogram":
            return histogram(query.name, buckets=text, unit=query.unit or "s", target=target)
        return custom(query.name, bad=text, total=text, target=target)

    hints = {
        "histogram": 'write its buckets, such as checkout_seconds_bucket{service="$arm"}',
        "gauge": 'write PromQL with one value, such as sum(queue_length{service="$arm"})',
    }
    for key in ("bad", "total", "histogram", "gauge"):
        text = getattr(query, key)
        if text is None:
            continue
        try:
            for feed in feeds(key, text):
                for _, pattern in feed.where:
                    re.compile(pattern)
        except PackError as error:
            said = " ".join(str(error).removeprefix(f"{query.name}: ").split())
            yield Objection(
                (*path, key), said, hints.get(key, 'write a counter, such as requests_total{service="$arm"}')
            )
        except re.error as error:
            yield Objection((*path, key), f"a matcher is not a regular expression: {error}", "correct it")
    if query.score and query.gauge is not None and not _tells_apart(query):
        yield Objection((*path, "gauge"), "a score compares the arms", "put $arm where the Service's name stands")


def _query_limits(query: Query, path: Path) -> Iterator[Objection]:
    limit = query.limit
    if limit is None or query.gauge is not None:
        return
    if query.histogram is None:
        for quantile, _ in limit.quantiles:
            yield Objection((*path, f"p{quantile * 100:.4g}"), "only a histogram has quantiles", "write rate")
        if limit.rate is None:
            yield Objection(path, "this limits nothing", "write rate, such as rate: 5%")
        return
    if limit.rate is not None:
        yield Objection((*path, "rate"), "a histogram counts nothing as bad", "write a quantile, such as p99: 800ms")
    yield from _limits(limit, path)


def _limits(limit: LatencyLimit, path: Path) -> Iterator[Objection]:
    if not limit.quantiles:
        yield Objection(path, "this limits nothing", "write a quantile and its limit, such as p99: 800ms")
    before = 0.0
    for quantile, seconds in limit.quantiles:
        key = f"p{quantile * 100:.4g}"
        if seconds <= 0:
            yield Objection((*path, key), "no request is that fast", "write more than 0")
        elif seconds < before:
            least = format_duration(before)
            yield Objection(
                (*path, key), "a higher quantile cannot be faster than a lower one", f"write at least {least}"
            )
        before = max(before, seconds)
