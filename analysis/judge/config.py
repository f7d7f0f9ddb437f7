"""What the judge is asked: metrics with what they tolerate, and the two promises."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from analysis.classical import ClassicalConfig, ScoreConfig

PARTS = {"errors": 0.5, "latency": 0.25, "limits": 0.15, "counts": 0.10}
"""How the one alpha is split before weights; what is not used goes back in proportion. Retries are counts. [judged]"""

CRITICAL = 2.0
"""What `critical` multiplies a metric's part by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricConfig:
    """One metric.

    Attributes:
        name: as in looks and findings.
        kind: `errors` and `counts` compare bad of total; `latency` compares shares of slow requests per bound.
        relative, absolute: the canary may be as bad as `stable * (1 + relative) + absolute`.
        weight: scales its part of alpha.
        critical: doubles it.
        dry_run: reported, never decides.
        min_requests: canary requests in a step before the step may proceed undecided.
        rate_limit: largest share of bad requests whatever stable does; None without.
        slower: for latency, the time tolerance instead of the shares': no slower than stable's times `1 + slower`;
            None without.
        quantile_limits: for latency, (quantile, seconds) that may not be exceeded.
        phi0: dispersion from stable's own history of this metric; None where only the question's is known.
        own: counted by a query of the user's own, so that its part of alpha is that of counts.
        delay: seconds of each step in which it is left out.
        every: seconds of counting that make one look of it; 0 judges it at every look.
        no_data: what a step without data for it does at its longest hold: `fail`, `extend`, `hold`, or `pass`, with
            which it is no part of the step; "" as the release says for all.
    """

    name: str
    kind: Literal["errors", "latency", "counts"]
    relative: float
    absolute: float
    weight: float = 1.0
    critical: bool = False
    dry_run: bool = False
    min_requests: int = 50
    rate_limit: float | None = None
    slower: float | None = None
    quantile_limits: tuple[tuple[float, float], ...] = ()
    phi0: float | None = None
    own: bool = False
    delay: float = 0.0
    every: float = 0.0
    no_data: str = ""

    @property
    def part(self) -> float:
        """Its part of alpha before normalising."""
        return PARTS["counts" if self.own else self.kind] * self.weight * (CRITICAL if self.critical else 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeConfig:
    """The whole question.

    Attributes:
        metrics: what is compared.
        false_rollback: chance that a release within the tolerance is ever called UNHEALTHY (alpha).
        false_healthy: per step, chance that one at or beyond the bound is called HEALTHY (beta).
        planned_looks: looks that the plan is expected to take; paces the cash.
        min_looks: judged looks before a step can be HEALTHY.
        prior_rate: stable's error rate, where somebody knows it; else what its recorded past shows, if anything.
        phi0: dispersion, where somebody knows it; else what stable's recorded past shows, if anything.
        classical: metrics that are judged by fixed tests, rules or Kayenta's score.
        score: that score; None without.
        no_data: what a metric without requests does that says nothing of its own: `fail` or `hold`.
        no_series: the same for a metric without series; "" as without requests.
        check_share: hold a step whose requests do not fit its share; off where the gateway does not keep shares.
        widen_pods: tolerate as much more as stable's pods differ among themselves.
        attempt: which attempt of this release; each is a falseRollback of its own.
        warmup: seconds from the first request to the canary's youngest pods in which whoever looks leaves its latency
            out; a cold start that lasts longer is told.
        baseline: in a step the stable arm of a look is a fresh baseline, stable's version with the canary's age, which
            has as much traffic as the canary as long as there is as much.
    """

    metrics: tuple[MetricConfig, ...]
    false_rollback: float = 0.01
    false_healthy: float = 0.05
    planned_looks: int = 600
    min_looks: int = 20
    prior_rate: float | None = None
    phi0: float | None = None
    check_share: bool = True
    classical: tuple[ClassicalConfig, ...] = ()
    score: ScoreConfig | None = None
    no_data: str = "fail"
    no_series: str = ""
    widen_pods: bool = False
    attempt: int = 1
    warmup: float = 0.0
    baseline: bool = False

    def compared(self, share: float) -> float:
        """The canary's share of what is compared, percent, where it has this share of the pool."""
        if not self.baseline or not 0.0 < share < 100.0:
            return share
        return 100.0 * share / (share + min(share, 100.0 - share))

    def other(self, *, baking: bool) -> str:
        """What the arm beside the canary is called: stable, or baseline."""
        return "baseline" if self.baseline and not baking else "stable"

    @property
    def latency(self) -> frozenset[str]:
        """Names of the latency metrics."""
        return frozenset(metric.name for metric in self.metrics if metric.kind == "latency")

    def phi0_of(self, name: str) -> float | None:
        """Dispersion of one metric as it was told; None where it was not."""
        known = (metric.phi0 for metric in self.metrics if metric.name == name and metric.phi0 is not None)
        return next(known, self.phi0)

    @property
    def threshold(self) -> float:
        """log(1/alpha): the evidence that UNHEALTHY takes."""
        return math.log(1.0 / self.false_rollback)

    @property
    def health_threshold(self) -> float:
        """log(1/beta): the evidence that HEALTHY takes, per test."""
        return math.log(1.0 / self.false_healthy)
