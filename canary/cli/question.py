"""From a release file to what the judge is asked: the same for an engine and for a plan."""

from __future__ import annotations

from analysis.judge import JudgeConfig, MetricConfig
from canary.spec import Release
from canary.spec.metrics import Errors, Latency, Query


def judge_config(file: Release, *, looks: int) -> JudgeConfig:
    """The judge's config.

    Args:
        file: the release.
        looks: that the plan is expected to take.
    """
    metrics = []
    for metric in file.spec.analysis.metrics:
        chosen: Errors | Latency | Query = metric.chosen
        metrics.append(
            MetricConfig(
                name=metric.name,
                kind="errors" if metric.errors else "latency" if metric.latency else "counts",
                relative=chosen.tolerance.relative,
                absolute=chosen.tolerance.absolute,
                weight=chosen.weight,
                critical=chosen.critical,
                dry_run=chosen.dry_run,
                min_requests=chosen.min_requests,
                rate_limit=chosen.limit.rate if isinstance(chosen, Errors | Query) and chosen.limit else None,
                quantile_limits=chosen.limit.quantiles if isinstance(chosen, Latency) and chosen.limit else (),
            )
        )
    return JudgeConfig(
        metrics=tuple(metrics),
        false_rollback=file.spec.analysis.false_rollback,
        false_healthy=file.spec.analysis.false_healthy,
        planned_looks=looks,
    )
