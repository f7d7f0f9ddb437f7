"""What is judged: errors, latency, and queries of one's own, each with what it tolerates."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from canary.spec.base import ONE_OF, Part
from canary.spec.names import MetricName, Text
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
        description="An UNDECIDED step proceeds only after this many canary requests were judged in it. Default: 50.",
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


class Errors(Rule):
    """Requests that the gateway answered with a 5xx status."""

    tolerance: Tolerance = Field(default_factory=Tolerance, description="How much worse than stable may pass.")
    limit: ErrorsLimit | None = Field(default=None, description="What may never be exceeded.")


class Latency(Rule):
    """Requests slower than bounds taken from stable's own histogram."""

    tolerance: LatencyTolerance = Field(
        default_factory=LatencyTolerance, description="How many more slow requests than stable may pass."
    )
    limit: LatencyLimit | None = Field(default=None, description="What may never be exceeded.")


class Query(Rule):
    """Two counters of one's own. Raw ones: rates and increase() lose a counter's first value."""

    name: MetricName = Field(description="What findings call it.")
    bad: Text = Field(
        description='Counter of bad things, such as requests_total{service="$arm",code="500"}; $arm is the Service.'
    )
    total: Text = Field(description="Counter of all things; $arm is the arm's Service.")
    tolerance: Tolerance = Field(default_factory=Tolerance, description="How much worse than stable may pass.")
    limit: ErrorsLimit | None = Field(default=None, description="What may never be exceeded.")


class Metric(Part):
    """Exactly one kind of metric."""

    model_config = ConfigDict(json_schema_extra=ONE_OF)

    errors: Errors | None = Field(default=None, description="Failed requests, from the gateway's own counters.")
    latency: Latency | None = Field(default=None, description="Slow requests, from the gateway's own histogram.")
    query: Query | None = Field(default=None, description="Counters of your own, as PromQL selectors.")

    @property
    def chosen(self) -> Errors | Latency | Query:
        """The one that is given; a validated file has exactly one."""
        return self.errors or self.latency or self.query or Errors()

    @property
    def name(self) -> str:
        """What findings call it: `errors`, `latency`, or the query's name."""
        return self.query.name if self.query else "latency" if self.latency else "errors"
