"""What a metric tolerates and never exceeds, and what every metric may say about how it is judged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from canary.spec.base import Part
from canary.spec.quantities import Duration, Excess, Fraction

Weight = Annotated[float, Field(gt=0, le=100, strict=True)]
Requests = Annotated[int, Field(ge=0, le=10_000_000)]


class Tolerance(Part):
    """How much worse than stable the canary may be and still pass: stable * (1 + relative) + absolute."""

    # Half as many errors again is what a busy service's error rate varies between quiet and busy hours.
    relative: Excess = Field(default=0.5, description="As a multiple of stable's rate. Default: 0.5.")
    # Without something absolute a service with no errors at all could never be confirmed; two in a thousand
    # is one more bad request every ten seconds at 50 requests/s.
    absolute: Fraction = Field(default=0.002, description="As a share of requests. Default: 0.002.")


class LatencyTolerance(Part):
    """How many more slow requests than stable the canary may have; in shares of requests, not in seconds."""

    # A fifth more: latency varies less than errors do, because every request counts towards it.
    relative: Excess = Field(default=0.2, description="As a multiple of stable's share of slow requests. Default: 0.2.")
    absolute: Fraction = Field(
        default=0.002,
        description="As a share of requests; never more than stable's own share over a bound. Default: 0.002.",
    )


class Rule(Part):
    """What every metric may say about how it is judged."""

    weight: Weight = Field(default=1.0, description="Scales this metric's part of falseRollback. Default: 1.")
    critical: bool = Field(default=False, description="Doubles the metric's weight. Default: false.")
    dry_run: bool = Field(default=False, description="Reported, never decides. Default: false.")
    # Twenty looks must agree for HEALTHY anyway; fifty requests are a second of the whole service at 50 requests/s
    # and the fewest from which a rate of a few percent can be told at all.
    min_requests: Requests = Field(
        default=50,
        description="An UNDECIDED step proceeds only after this many canary requests were judged in it, and nothing is "
        "concluded from a test, a threshold or a score before. Default: 50.",
    )
    initial_delay: Duration | None = Field(
        default=None,
        description="How long in each step this metric is left out, such as 1m; latency waits for the warmup at least. "
        "Default: not at all.",
    )
    every: Duration | None = Field(
        default=None,
        description="Its own time between two looks, for what is rare or slow: counts are added up until then. "
        "Default: that of the analysis.",
    )
    no_data: Literal["fail", "hold", "extend", "pass"] | None = Field(
        default=None,
        description="What a step without data for it does at its longest hold: fail rolls back, hold waits for data, "
        "extend waits as long again and then rolls back, pass goes on without it. Default: the analysis's noData.",
    )


class ErrorsLimit(Part):
    """What the canary may never exceed, however bad stable is."""

    rate: Fraction = Field(gt=0, description="Largest share of requests that may fail.")


class LatencyLimit(Part):
    """What the canary may never exceed, however slow stable is."""

    p50: Duration | None = Field(default=None, description="Half of the requests must be this fast.")
    p90: Duration | None = Field(default=None, description="90 % of the requests must be this fast.")
    p95: Duration | None = Field(default=None, description="95 % of the requests must be this fast.")
    p99: Duration | None = Field(default=None, description="99 % of the requests must be this fast.")
    p999: Duration | None = Field(default=None, alias="p99.9", description="99.9 % of the requests must be this fast.")

    @property
    def quantiles(self) -> tuple[tuple[float, float], ...]:
        """(quantile, seconds) of each limit given, ascending."""
        levels = ((0.5, self.p50), (0.9, self.p90), (0.95, self.p95), (0.99, self.p99), (0.999, self.p999))
        return tuple((level, limit) for level, limit in levels if limit is not None)
