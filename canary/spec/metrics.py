"""What is judged: errors, latency, retries, and queries of one's own, each with what it tolerates."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from canary.spec.base import ONE_OF, Part
from canary.spec.quantities import Excess
from canary.spec.queries import Query
from canary.spec.tolerances import ErrorsLimit, LatencyLimit, LatencyTolerance, Rule, Tolerance


class Errors(Rule):
    """Requests that the gateway answered with a 5xx status."""

    tolerance: Tolerance = Field(default_factory=Tolerance, description="How much worse than stable may pass.")
    limit: ErrorsLimit | None = Field(default=None, description="What may never be exceeded.")


class Retries(Rule):
    """Attempts that the gateway made again, of all that it made: failures that clients did not see."""

    tolerance: Tolerance = Field(default_factory=Tolerance, description="How much worse than stable may pass.")

    @classmethod
    def like(cls, errors: Errors) -> Retries:
        """Judged as errors are, with a small weight of its own."""
        same = (set(Rule.model_fields) | {"tolerance"}) - {"weight", "critical"}
        return cls.model_construct(**{name: getattr(errors, name) for name in same})


class Latency(Rule):
    """Requests slower than bounds taken from stable's own histogram."""

    tolerance: LatencyTolerance = Field(
        default_factory=LatencyTolerance, description="How many more slow requests than stable may pass."
    )
    # In time, as people think of it; shares of requests see more where buckets are coarse.
    slower: Excess | None = Field(
        default=None,
        description="Instead of a tolerance: how much longer the canary's requests may take, such as 20%. Preflight "
        "refuses it where the gateway's buckets are too coarse to show it, and names what they can show.",
    )
    limit: LatencyLimit | None = Field(default=None, description="What may never be exceeded.")


class Metric(Part):
    """Exactly one kind of metric."""

    model_config = ConfigDict(json_schema_extra=ONE_OF)

    errors: Errors | None = Field(default=None, description="Failed requests, from the gateway's own counters.")
    latency: Latency | None = Field(default=None, description="Slow requests, from the gateway's own histogram.")
    retries: Retries | None = Field(
        default=None,
        description="Attempts that the gateway made again, where it counts them. Default: beside errors and with their "
        "tolerance, at a fifth of their weight.",
    )
    query: Query | None = Field(default=None, description="Counters, a histogram or a gauge of your own.")

    @property
    def chosen(self) -> Errors | Latency | Retries | Query:
        """The one that is given; a validated file has exactly one."""
        return self.errors or self.latency or self.retries or self.query or Errors()

    @property
    def name(self) -> str:
        """What findings call it: `errors`, `latency`, `retries`, or the query's name."""
        if self.query:
            return self.query.name
        return "latency" if self.latency else "retries" if self.retries else "errors"
