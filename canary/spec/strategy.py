"""How the share grows: linear, exponential, or step by step as written."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import ConfigDict, Field

from canary.spec.base import ONE_OF, Part
from canary.spec.quantities import Duration, Share
from strategies.plan import MOST_STEPS

_SHARE_FROM = "Share of the first step."
_SHARE_TO = "Share of the last step; after it the new version takes all the traffic in the bake."


class Hold(Part):
    """How long a step lasts, counted from the moment traffic was seen to follow."""

    # A minute shows a canary that breaks at once, and spans four scrapes at Prometheus's usual 15 s.
    min: Duration = Field(default=60.0, description="A HEALTHY step ends no sooner than this. Default: 1m.")
    # At 50 requests/s a share of 10 % brings 3,000 requests in ten minutes: enough to confirm an equal canary
    # with the default tolerances. Smaller shares usually end UNDECIDED here, and their policy decides.
    max: Duration = Field(
        default=600.0, description="A step that is still UNDECIDED ends here, by `undecided`. Default: 10m."
    )


class Linear(Part):
    """Equal steps: from, from + by, from + 2 by, ..., to."""

    # At 50 requests/s, 5 % are 2.5 requests/s: a canary that fails throughout shows within seconds and hurts few.
    start: Share = Field(default=Decimal(5), alias="from", description=_SHARE_FROM + " Default: 5.")
    # With `to: 50` four steps, 5, 20, 35, 50: each but the first large enough to be confirmed within its hold.
    by: Share = Field(default=Decimal(15), description="What each step adds. Default: 15.")
    # Half and half is where two arms tell most per request; beyond it stable shrinks as a comparison.
    to: Share = Field(default=Decimal(50), description=_SHARE_TO + " Default: 50.")
    hold: Hold = Field(default_factory=Hold, description="How long each step lasts.")


class Exponential(Part):
    """Growing steps: from, from * factor, from * factor squared, ..., to."""

    # Where steps grow by themselves, the first may be small: 1 % risks one request in a hundred.
    start: Share = Field(default=Decimal(1), alias="from", description=_SHARE_FROM + " Default: 1.")
    # Doubling reaches 50 % from 1 % in seven steps and never more than doubles what a bad release can hurt.
    factor: Annotated[float, Field(gt=1, le=100, strict=True)] = Field(
        default=2.0, description="What each step multiplies the share by. Default: 2."
    )
    to: Share = Field(default=Decimal(50), description=_SHARE_TO + " Default: 50.")
    hold: Hold = Field(default_factory=Hold, description="How long each step lasts.")


class Step(Part):
    """One step, as written."""

    share: Share = Field(description="The canary's share of the pool.")
    hold: Hold = Field(default_factory=Hold, description="How long this step lasts.")


class Strategy(Part):
    """Exactly one way to grow the share."""

    model_config = ConfigDict(json_schema_extra=ONE_OF)

    linear: Linear | None = Field(default=None, description="Equal steps.")
    exponential: Exponential | None = Field(default=None, description="Growing steps.")
    steps: tuple[Step, ...] | None = Field(
        default=None, min_length=1, max_length=MOST_STEPS, description="The steps, one by one, shares ascending."
    )

    @property
    def chosen(self) -> Linear | Exponential | tuple[Step, ...]:
        """The one that is given; a validated file has exactly one."""
        return self.linear or self.exponential or self.steps or Linear()
