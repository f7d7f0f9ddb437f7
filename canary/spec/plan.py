"""From the strategy in a release file to the plan it means."""

from __future__ import annotations

from decimal import Decimal

from canary.spec.strategy import Exponential, Linear, Strategy
from strategies.plan import Plan, Step, explicit, exponential, linear


def steps_of(strategy: Strategy) -> Plan:
    """The plan's steps.

    Raises:
        ValueError: the parameters make no plan; a valid release file's always do.
    """
    match strategy.chosen:
        case Linear(start=start, by=by, to=to, hold=hold):
            return linear(first=start, by=by, last=to, hold_min=hold.min, hold_max=hold.max)
        case Exponential(start=start, factor=factor, to=to, hold=hold):
            times = Decimal(str(factor))
            return exponential(first=start, factor=times, last=to, hold_min=hold.min, hold_max=hold.max)
        case steps:
            return explicit(Step(share=s.share, hold_min=s.hold.min, hold_max=s.hold.max) for s in steps)
