"""Shares as integer weights.

The canary's share is a percentage of the weight that stable had in a rule before the release (the pool). Where the
pool's weight is too coarse for a share, every weight of the rule is multiplied by one common factor, which changes
nobody's share. The factor is chosen once, for all steps of the plan, so that a step afterwards changes two integers.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from strategies.route.model import WEIGHT_LIMIT, NoRoom, Rule

ERROR_LIMIT = Fraction(1, 100)
"""Largest relative rounding error of the canary's share (invariant 1)."""


def canary_weight(pool: int, share: Decimal) -> int:
    """The canary's weight for a share of a pool; never 0 for a share above 0, never the whole pool below 100."""
    if share <= 0:
        return 0
    if share >= 100:
        return pool
    weight = int((Decimal(pool) * share / 100).to_integral_value(rounding=ROUND_HALF_EVEN))
    return min(max(weight, 1), pool - 1) if pool > 1 else weight


def rounding_error(pool: int, share: Decimal) -> Fraction:
    """Relative error of the share that the weights express, against the one asked for; 0 for 0 and 100."""
    if share <= 0 or share >= 100:
        return Fraction(0)
    wanted = Fraction(share) / 100 * pool
    return abs(canary_weight(pool, share) - wanted) / wanted


def factor_for(rule: Rule, pool: int, shares: Iterable[Decimal]) -> int:
    """The smallest common factor with which every share is kept to 1 % of itself.

    Args:
        rule: the rule; its largest weight bounds the factor.
        pool: stable's weight in it, at least 1.
        shares: the plan's shares, percent.

    Raises:
        NoRoom: no factor is small enough; the message names the smallest share that would be possible.
    """
    wanted = [share for share in shares if 0 < share < 100]
    largest = max([pool, *(ref.weight for ref in rule.refs)])
    most = WEIGHT_LIMIT // largest
    for factor in _candidates(pool, wanted, most):
        if all(rounding_error(pool * factor, share) <= ERROR_LIMIT for share in wanted):
            return factor
    smallest = min(wanted, default=Decimal(0))
    raise NoRoom(
        f"{rule} cannot express {smallest.normalize():f} % of a pool of weight {pool}: its largest weight, {largest}, "
        f"may be multiplied by {most} at most (weights end at {WEIGHT_LIMIT}). "
        f"Start with a larger share, or write smaller weights in the same proportions."
    )


def _candidates(pool: int, shares: list[Decimal], most: int) -> Iterable[int]:
    """Factors worth trying, ascending: all small ones, then those that make a share come out whole."""
    yield from range(1, min(most, 1000) + 1)
    exact = {(Fraction(share) / 100 * pool).denominator * step for share in shares for step in range(1, 101)} | {
        10**power for power in range(7)
    }
    yield from sorted(factor for factor in exact if 1000 < factor <= most)
