"""Queries of one's own: counts, a histogram, or any PromQL with one value, and how the last is judged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from canary.spec.base import Part
from canary.spec.names import MetricName, Text
from canary.spec.quantities import Duration, Excess, Fraction
from canary.spec.tolerances import LatencyLimit, LatencyTolerance, Rule, Tolerance

Number = Annotated[float, Field(strict=True)]
Size = Annotated[float, Field(ge=0, strict=True)]
Ratio = Annotated[float, Field(gt=0, le=1000, strict=True)]

OF_COUNTS = frozenset({"fisher", "proportions"})
"""The tests that compare bad of total; the others compare the values of a gauge."""


class GaugeTolerance(Part):
    """How much worse than stable's a gauge's values may be, in the gauge's own unit."""

    relative: Excess = Field(default=0.0, description="As a multiple of the value. Default: 0.")
    absolute: Size = Field(default=0.0, description="In the gauge's unit. Default: 0.")


class FixedTest(Part):
    """A classical test that looks once in a step and spends a stated share of falseRollback."""

    kind: Literal["mannWhitney", "welch", "kolmogorovSmirnov", "fisher", "proportions"] = Field(
        description="mannWhitney, welch or kolmogorovSmirnov for a gauge; fisher or proportions for bad and total."
    )
    after: Duration = Field(gt=0, description="How long after the step is judged it looks, such as 5m.")
    # One look in each step sees every load; one in the last step has the whole share for itself.
    steps: Literal["each", "last"] = Field(
        default="each", description="Whether it looks once in each step, or once in the release. Default: each."
    )
    worse: Literal["higher", "lower", "either"] | None = Field(
        default=None, description="Which way is worse, for a gauge. Default: higher."
    )
    tolerance: GaugeTolerance | None = Field(
        default=None, description="How much worse than stable a gauge may be. Default: not at all."
    )
    # With fewer than ten values of each arm the exact test hardly reaches the p-value that condemns.
    min_samples: Annotated[int, Field(ge=2, le=60)] = Field(
        default=10, description="Values of each arm without which it does not look. Default: 10."
    )


class Threshold(Part):
    """A range for a gauge, outside of falseRollback: a rule, as Flagger and Argo Rollouts have them."""

    min: Number | None = Field(default=None, description="The least value that is good.")
    max: Number | None = Field(default=None, description="The largest value that is good.")
    failure_limit: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=0,
        description="Measurements outside of the range that the whole release may have; one more rolls it back. "
        "Default: 0.",
    )
    consecutive_successes: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="Measurements within it, one after the other, that each step needs. Default: 1."
    )


class EffectSize(Part):
    """Ratios of the canary's mean to stable's from which a change counts."""

    allowed_increase: Ratio = Field(default=1.0, description="From this ratio on a High counts. Default: 1.")
    allowed_decrease: Ratio = Field(default=1.0, description="From this ratio down a Low counts. Default: 1.")
    critical_increase: Ratio = Field(default=1.0, description="Of a critical metric: the score is 0. Default: 1.")
    critical_decrease: Ratio = Field(default=1.0, description="Of a critical metric: the score is 0. Default: 1.")


class Grouped(Part):
    """A gauge classified as by Kayenta's NetflixACA judge, as a part of the score in analysis.score."""

    group: MetricName = Field(description="The group whose part it is.")
    direction: Literal["increase", "decrease", "either"] = Field(
        default="either", description="Which way a change counts. Default: either."
    )
    effect_size: EffectSize = Field(default_factory=EffectSize, description="How large a change must be.")
    nan_strategy: Literal["remove", "replace"] = Field(
        default="remove", description="Leave NaN out, or take it for 0. Default: remove."
    )
    outliers: Literal["keep", "remove"] = Field(
        default="keep", description="Keep them, or remove what is outside of the IQR fence. Default: keep."
    )
    outlier_factor: Ratio = Field(default=3.0, description="Of the IQR fence. Default: 3.")
    must_have_data: bool = Field(default=False, description="Without data it counts as failed. Default: false.")


class QueryLimit(LatencyLimit):
    """What may never be exceeded: a rate of bad and total, or quantiles of a histogram."""

    rate: Fraction | None = Field(default=None, gt=0, description="Largest share that may be bad.")


class Query(Rule):
    """Exactly one of bad with total, histogram, or gauge."""

    name: MetricName = Field(description="What findings call it.")
    bad: Text | None = Field(
        default=None,
        description='Raw counter of bad things, such as requests_total{service="$arm",code="500"}; $arm is the '
        "Service. Rates and increase() lose a counter's first value.",
    )
    total: Text | None = Field(default=None, description="Counter of all things; $arm is the arm's Service.")
    histogram: Text | None = Field(
        default=None, description='Buckets of a histogram, such as checkout_seconds_bucket{service="$arm"}, without le.'
    )
    unit: Literal["s", "ms"] | None = Field(default=None, description="Of the histogram's le. Default: s.")
    gauge: Text | None = Field(
        default=None,
        description='Any PromQL with one value, such as sum(queue_length{service="$arm"}); also $stable, $canary and '
        "$namespace. Judged by one of test, threshold and score.",
    )
    tolerance: Tolerance | None = Field(
        default=None,
        description="How much worse than stable may pass. Default: that of errors, of latency for a histogram.",
    )
    limit: QueryLimit | None = Field(default=None, description="What may never be exceeded.")
    test: FixedTest | None = Field(
        default=None, description="A classical test at one look in place of the test at every look."
    )
    threshold: Threshold | None = Field(default=None, description="A range for the gauge.")
    score: Grouped | None = Field(default=None, description="The gauge's part in a score as Kayenta's.")

    @property
    def tolerated(self) -> Tolerance | LatencyTolerance:
        """The tolerance given, or the one for its kind."""
        return self.tolerance or (LatencyTolerance() if self.histogram else Tolerance())

    @property
    def sequential(self) -> bool:
        """Whether it is counted and judged at every look."""
        return self.gauge is None and self.test is None
