"""How the new version is judged: source, gateway, pace, promises, metrics."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from canary.spec.base import Part
from canary.spec.metrics import Errors, Latency, Metric
from canary.spec.names import MetricName
from canary.spec.no_data import NoData, NoDataEnding
from canary.spec.quantities import Duration, Fraction
from canary.spec.source import Source


def _default_metrics() -> tuple[Metric, ...]:
    """Errors and latency: what every service has, and every gateway counts."""
    return (Metric(errors=Errors()), Metric(latency=Latency()))


Gateway = Literal[
    "traefik",
    "cilium",
    "contour",
    "envoy-gateway",
    "hubble",
    "istio",
    "kgateway",
    "linkerd",
    "nginx-gateway-fabric-plus",
    "pods",
    "none",
]
"""The metric packs by name; a test holds it against `analysis.packs`."""

Percent = Annotated[float, Field(ge=0, le=100, strict=True)]


class Score(Part):
    """A score over gauges as Kayenta's NetflixACA judge computes it, outside of falseRollback."""

    # What Kayenta's examples use; it has no defaults itself.
    passes: Percent = Field(default=95.0, alias="pass", description="A step passes from this score on. Default: 95.")
    marginal: Percent = Field(default=75.0, description="From this score down the release is rolled back. Default: 75.")
    after: Duration = Field(
        gt=0, description="How long after a step is judged it is computed, and how often while it is in between."
    )
    groups: dict[MetricName, Percent] = Field(
        default_factory=dict,
        description="Weight of each group, percent; groups without one share what is left of 100.",
    )


class Analysis(Part):
    """How the new version is judged against the old one."""

    source: Source = Field(description="Where counters are read.")
    gateway: Gateway = Field(
        description="Whose counters they are: the gateway's; hubble or pods for those of the pods, where the gateway "
        "does not tell the arms apart; or none, with query metrics only. canary plan prints what they cannot see."
    )
    every: Duration | None = Field(
        default=None,
        description="Time between two looks. Default: 10s from Prometheus, 1s when scraping the proxies.",
    )
    # One healthy release in a hundred: a team that ships twice a day sees a false rollback every other month.
    false_rollback: Fraction = Field(
        default=0.01,
        description="Chance that a release no worse than tolerated is ever rolled back. Default: 0.01.",
    )
    # Per step: a canary at the bound passes four steps with at most 0.05^4.
    false_healthy: Fraction = Field(
        default=0.05,
        description="Chance per step that a canary at or beyond the tolerance is called HEALTHY in it. Default: 0.05.",
    )
    # Connection pools, caches and compilers settle within a minute; how slow they are before says little about the
    # version. Errors have no such excuse.
    warmup: Duration = Field(
        default=60.0,
        description="From the first request to the canary's youngest pods on, its latency is left out for this long; "
        "errors count. After each raise latency, and looks that speak for the canary, wait for 30s of it, or for "
        "stable's p99.9 where that is longer. Default: 1m.",
    )
    metrics: tuple[Metric, ...] = Field(
        default_factory=_default_metrics,
        min_length=1,
        max_length=16,
        description="What is judged. Default: errors and latency.",
    )
    score: Score | None = Field(default=None, description="A score over the gauges that have score: {group: ...}.")
    # Small steps at modest traffic end undecided however good the release is; what was guarded is in the report.
    undecided: Literal["extend", "pause", "proceed", "rollback"] = Field(
        default="proceed",
        description="What an UNDECIDED step does at its longest hold. It proceeds only when every estimate is within "
        "its bound, the evidence does not point to harm and minRequests were judged. Default: proceed.",
    )
    # No evidence, no raise: and waiting longer for a source that is down keeps users on a version nobody watches.
    no_data: NoDataEnding = Field(
        default_factory=NoData,
        description="What a step without data does at its longest hold; until then it holds. One word for all, or one "
        "for each reason: absent (no series), noRequests, stale (old samples), sourceDown. Default: rollback.",
    )

    # Blinding: pods that differ by half would let a version that is half as bad again pass.
    pods: Literal["asIs", "widen"] = Field(
        default="asIs",
        description="With widen, as much more is tolerated as stable's own pods differ among themselves, where the "
        "source tells pods apart; it sees less. Default: asIs.",
    )
    dispersion: Annotated[float, Field(ge=1, le=1000, strict=True)] | None = Field(
        default=None,
        description="How much more than by chance errors come in bursts, as canary calibrate found it in stable's "
        "past. Default: unknown, and said so in every finding.",
    )

    @property
    def interval(self) -> float:
        """Seconds between two looks.

        Ten seconds with Prometheus, whose samples usually come every 15 s: a look without a new sample is no look.
        One second when scraping: the proxies answer in milliseconds, and a bad release is seen sooner.
        """
        return self.every if self.every is not None else 1.0 if self.source.scrape else 10.0
