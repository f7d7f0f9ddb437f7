"""From a release file to what the judge is asked: the same for an engine and for a plan."""

from __future__ import annotations

from dataclasses import replace

from analysis import classical
from analysis.judge import JudgeConfig, MetricConfig
from canary.spec import Release
from canary.spec.analysis import Analysis
from canary.spec.metrics import Errors, Metric, Retries
from canary.spec.plan import steps_of
from canary.spec.queries import FixedTest, GaugeTolerance, Grouped, Query, Threshold

_ENDS = {"hold": "hold", "rollback": "fail"}
"""What a step without data does, in the words of a metric's own policy."""


def judge_config(file: Release, *, looks: int, attempt: int = 1) -> JudgeConfig:
    """The judge's config.

    Args:
        file: the release.
        looks: that the plan is expected to take.
        attempt: which attempt of this release.
    """
    analysis = file.spec.analysis
    steps = len(steps_of(file.spec.strategy))
    asked = judged(analysis)
    own = [metric.query for metric in asked if metric.query and not metric.query.sequential]
    metrics = [_metric(metric) for metric in asked if metric.query is None or metric.query.sequential]
    if not metrics:
        # Errors are always read: reported, they show the requests that everything else rests on.
        metrics.append(replace(_metric(Metric(errors=Errors())), dry_run=True))
    return JudgeConfig(
        metrics=tuple(metrics),
        false_rollback=analysis.false_rollback,
        false_healthy=analysis.false_healthy,
        planned_looks=looks,
        classical=tuple(_classical(query, steps=steps) for query in own),
        score=_score(analysis),
        no_data=_ENDS[analysis.no_data.no_requests],
        no_series=_ENDS[analysis.no_data.absent],
        phi0=analysis.dispersion,
        check_share=keeps_shares(file),
        widen_pods=analysis.pods == "widen",
        attempt=attempt,
        warmup=analysis.warmup,
        baseline=bool(file.baseline_service),
    )


def judged(analysis: Analysis) -> tuple[Metric, ...]:
    """The file's metrics and, beside errors, the retries that hide them from clients, where the gateway counts them."""
    from analysis.packs import PACKS

    counts = analysis.gateway != "none" and PACKS[analysis.gateway].retries
    errors = next((metric.errors for metric in analysis.metrics if metric.errors), None)
    if errors is None or not counts or any(metric.retries for metric in analysis.metrics):
        return analysis.metrics
    return *analysis.metrics, Metric(retries=Retries.like(errors))


def keeps_shares(file: Release) -> bool:
    """Whether the gateway is known to keep the shares that weights ask for.

    Without a pack nobody knows; counters of one's own may count something else than requests.
    """
    from analysis.packs import pack

    gateway = file.spec.analysis.gateway
    return gateway != "none" and pack(gateway).keeps_shares


def counted_alone(file: Release) -> frozenset[str]:
    """Metrics of which an arm without series may have requests all the same: nobody counts both arms together."""
    from analysis.packs import pack

    analysis = file.spec.analysis
    together = analysis.gateway != "none" and pack(analysis.gateway).together
    alone = {metric.name for metric in analysis.metrics if not together or metric.query is not None}
    return frozenset(alone if together else alone | {"errors"})


def _metric(metric: Metric) -> MetricConfig:
    chosen = metric.chosen
    tolerance = chosen.tolerated if isinstance(chosen, Query) else chosen.tolerance
    limit, latency = getattr(chosen, "limit", None), bool(metric.latency or (metric.query and metric.query.histogram))
    return MetricConfig(
        name=metric.name,
        kind="errors" if metric.errors else "latency" if latency else "counts",
        relative=tolerance.relative,
        absolute=tolerance.absolute,
        weight=chosen.weight,
        critical=chosen.critical,
        dry_run=chosen.dry_run,
        min_requests=chosen.min_requests,
        rate_limit=getattr(limit, "rate", None),
        slower=getattr(chosen, "slower", None),
        quantile_limits=getattr(limit, "quantiles", ()) if latency else (),
        own=metric.query is not None,
        delay=chosen.initial_delay or 0.0,
        every=chosen.every or 0.0,
        no_data=chosen.no_data or "",
    )


def _classical(query: Query, *, steps: int) -> classical.ClassicalConfig:
    from analysis.packs import tells_arms_apart

    return classical.ClassicalConfig(
        name=query.name,
        how=_how(query, steps),
        weight=query.weight,
        critical=query.critical,
        dry_run=query.dry_run,
        min_requests=query.min_requests,
        delay=query.initial_delay or 0.0,
        no_data=query.no_data or "",
        both=query.gauge is None or tells_arms_apart(query.gauge),
    )


def _how(query: Query, steps: int) -> classical.FixedTest | classical.Threshold | classical.Grouped:
    match query.test or query.threshold or query.score:
        case FixedTest() as test:
            tolerance = query.tolerated if query.gauge is None else test.tolerance or GaugeTolerance()
            exact = test.kind == "fisher"
            return classical.FixedTest(
                kind=test.kind,
                after=test.after,
                looks=steps if test.steps == "each" else 1,
                last_only=test.steps == "last",
                worse=test.worse or "higher",
                relative=0.0 if exact else tolerance.relative,
                absolute=0.0 if exact else tolerance.absolute,
                min_samples=test.min_samples,
            )
        case Threshold() as rule:
            return classical.Threshold(
                least=rule.min, most=rule.max, failures=rule.failure_limit, successes=rule.consecutive_successes
            )
        case Grouped() as part:
            size = part.effect_size
            return classical.Grouped(
                group=part.group,
                direction=part.direction,
                allowed_increase=size.allowed_increase,
                allowed_decrease=size.allowed_decrease,
                critical_increase=size.critical_increase,
                critical_decrease=size.critical_decrease,
                nan=part.nan_strategy,
                outliers=part.outliers,
                outlier_factor=part.outlier_factor,
                must_have_data=part.must_have_data,
            )
        case _:
            raise ValueError(f"{query.name} says nothing of how it is judged")  # a valid release file's always does


def _score(analysis: Analysis) -> classical.ScoreConfig | None:
    score = analysis.score
    if score is None:
        return None
    return classical.ScoreConfig(
        passes=score.passes, marginal=score.marginal, after=score.after, weights=tuple(score.groups.items())
    )


def gauge_every(analysis: Analysis, query: Query) -> float:
    """Seconds between two values of a gauge: its own pace, and no more values than are kept until its look."""
    until = query.test.after if query.test else analysis.score.after if query.score and analysis.score else 0.0
    return max(query.every or analysis.interval, until / classical.MOST_POINTS)
