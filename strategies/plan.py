"""Plans: how the share grows, as a tuple of steps. A strategy is a function from its parameters to a plan.

Shares are percent of the traffic that went to stable in each chosen rule before the release, as `Decimal` with up to
four decimals. Holds are seconds from the moment traffic was seen to follow. Plans end below 100: what comes at 100 %
(the bake) is the release's own last step, not the plan's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from math import inf

MOST_STEPS = 100
"""A longer plan is a mistake in its parameters; it would also outgrow the journal."""

PRECISION = Decimal("0.0001")
"""Shares are kept to four decimals of a percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a plan.

    Attributes:
        share: percent, 0 < share < 100, up to four decimals.
        hold_min: seconds that the step lasts at least.
        hold_max: seconds after which a step that is still undecided ends by policy.
    """

    share: Decimal
    hold_min: float
    hold_max: float

    def __post_init__(self) -> None:
        """Refuse a step that cannot be taken.

        Raises:
            ValueError: the share or the holds are out of range.
        """
        if not self.share.is_finite() or not 0 < self.share < 100:
            raise ValueError(f"a step's share must be more than 0 and less than 100, got {self.share}")
        if self.share != self.share.quantize(PRECISION):
            raise ValueError(f"a share has at most four decimals, got {self.share}")
        if not 0 <= self.hold_min <= self.hold_max < inf:
            raise ValueError(f"a hold needs 0 <= min <= max, in seconds, got {self.hold_min} and {self.hold_max}")


Plan = tuple[Step, ...]


def explicit(steps: Iterable[Step]) -> Plan:
    """The steps as written.

    Raises:
        ValueError: there are none, too many, or the shares do not ascend.
    """
    plan = tuple(steps)
    if not 1 <= len(plan) <= MOST_STEPS:
        raise ValueError(f"a plan has 1 to {MOST_STEPS} steps, got {len(plan)}")
    for before, after in pairwise(plan):
        if after.share <= before.share:
            raise ValueError(f"shares must ascend, got {after.share} after {before.share}")
    return plan


def linear(*, first: Decimal, by: Decimal, last: Decimal, hold_min: float, hold_max: float) -> Plan:
    """Equal steps: first, first + by, ... and last, which is always reached exactly.

    Args:
        first, last: shares of the first and the last step, percent.
        by: what each step adds, percent; more than 0.
        hold_min, hold_max: seconds, the same for every step.

    Raises:
        ValueError: the parameters make no plan.
    """
    _within(first, last)
    if not by.is_finite() or by < PRECISION:
        raise ValueError(f"a linear plan must add at least {PRECISION} in each step, got by={by}")
    if (last - first) / by > MOST_STEPS:
        raise _too_many()
    shares, share = [], first
    while share < last:
        shares.append(share)
        share += by
    return _plan([*shares, last], hold_min, hold_max)


def exponential(*, first: Decimal, factor: Decimal, last: Decimal, hold_min: float, hold_max: float) -> Plan:
    """Growing steps: first, first * factor, first * factor^2, ... and last, which is always reached exactly.

    Args:
        first, last: shares of the first and the last step, percent.
        factor: what each step multiplies the share by; more than 1.
        hold_min, hold_max: seconds, the same for every step.

    Raises:
        ValueError: the parameters make no plan.
    """
    _within(first, last)
    if not factor.is_finite() or factor <= 1:
        raise ValueError(f"an exponential plan must grow, got factor={factor}")
    shares, share = [first], first
    # A factor next to 1 may take very long to reach even the next decimal.
    for _ in range(MOST_STEPS**2):
        # Beyond this, one step leaves the range of shares anyway; a larger factor could leave that of decimals.
        share *= min(factor, 100 / PRECISION)
        if share >= last:
            return _plan([*(one for one in shares if one < last), last], hold_min, hold_max)
        rounded = share.quantize(PRECISION, rounding=ROUND_HALF_UP)
        if rounded > shares[-1]:
            shares.append(rounded)
    raise _too_many()


def _within(first: Decimal, last: Decimal) -> None:
    if not first.is_finite() or not last.is_finite() or first < PRECISION or last >= 100:
        raise ValueError(f"shares are at least {PRECISION} and less than 100, got first={first} and last={last}")
    if last < first:
        raise ValueError(f"the last share is smaller than the first: {last} < {first}")


def _too_many() -> ValueError:
    return ValueError(f"this plan would have more than {MOST_STEPS} steps; take larger ones")


def _plan(shares: list[Decimal], hold_min: float, hold_max: float) -> Plan:
    return explicit(Step(share=share, hold_min=hold_min, hold_max=hold_max) for share in shares)
