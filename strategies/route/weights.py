"""Shares as integer weights.

The canary's share is a percentage of the weight that stable had in a rule before the release (the pool). Where the
pool's weight is too coarse for a share, every weight of the rule is multiplied by one common factor, which changes
nobody's share. The factor is chosen once, for all steps of the plan, so that a step afterwards changes two integers.

A fresh baseline gets what the canary gets, as long as stable has as much left: its share is min(share, 100 - share).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

from strategies.route.model import WEIGHT_LIMIT, NoRoom, Rule

ERROR_LIMIT = Fraction(1, 100)
"""Largest relative rounding error of the canary's share (invariant 1)."""

FINE = 50
"""From a weight of 50 on, rounding to the nearest integer errs by 1 % at most, whatever the share."""


def canary_weight(pool: int, share: Decimal) -> int:
    """The canary's weight for a share of a pool.

    Never 0 for a share above 0 and never the whole pool for one below 100, except that a pool below 2 cannot be
    split: it stays whole with stable.
    """
    if share <= 0:
        return 0
    if share >= 100:
        return pool
    if pool < 2:
        return 0
    weight = int((Decimal(pool) * share / 100).to_integral_value(rounding=ROUND_HALF_EVEN))
    return min(max(weight, 1), pool - 1)


def baseline_weight(pool: int, canary: int) -> int:
    """The baseline's weight beside a canary's in a pool: the same, or what is left."""
    return min(canary, pool - canary)


def rounding_error(pool: int, share: Decimal, *, baseline: bool = False) -> Fraction:
    """Relative error of the share that the weights express, against the one asked for; 0 for 0 and 100.

    A pool without weight expresses no share above 0: the error is 1.

    Args:
        pool: the pool's weight.
        share: percent asked for.
        baseline: there is one: the larger of its error and the canary's.
    """
    if share <= 0:
        return Fraction(0)
    if pool == 0:
        return Fraction(1)
    wanted, weight = Fraction(share) / 100 * pool, canary_weight(pool, share)
    error = abs(weight - wanted) / wanted
    beside = min(wanted, pool - wanted) if baseline else Fraction(0)
    return max(error, abs(baseline_weight(pool, weight) - beside) / beside) if beside > 0 else error


def factor_for(rule: Rule, pool: int, shares: Iterable[Decimal], *, baseline: bool = False) -> int:
    """The smallest common factor with which every share is kept to 1 % of itself.

    Args:
        rule: the rule; its largest weight bounds the factor.
        pool: stable's weight in it, at least 1.
        shares: the plan's shares, percent.
        baseline: there is one, whose shares are kept likewise.

    Raises:
        NoRoom: no factor is small enough; the message names the smallest share, the hardest to express.
    """
    wanted = sorted(share for share in set(shares) if 0 < share < 100)
    largest = max([pool, *(ref.weight for ref in rule.refs)])
    most = WEIGHT_LIMIT // largest
    expressed = sorted({*wanted, *(100 - share for share in wanted)}) if baseline else wanted
    for factor in _candidates(pool, expressed, most):
        if all(rounding_error(pool * factor, share, baseline=baseline) <= ERROR_LIMIT for share in wanted):
            return factor
    if most < 1:
        raise NoRoom(f"{rule} has a weight of {largest}; weights end at {WEIGHT_LIMIT}. Write smaller weights.")
    smallest = min(expressed, default=Decimal(0))
    instead = "Start with a larger share" if smallest in wanted else "End with a smaller share, leave out the baseline"
    raise NoRoom(
        f"{rule} cannot express {smallest.normalize():f} % of a pool of weight {pool}: its largest weight, {largest}, "
        f"may be multiplied by {most} at most (weights end at {WEIGHT_LIMIT}). "
        f"{instead}, or write smaller weights in the same proportions."
    )


def _candidates(pool: int, shares: list[Decimal], most: int) -> Iterable[int]:
    """Every factor that can be the smallest, ascending.

    A share is kept where it comes to within 1 % of a whole weight k, or to more than `FINE`: the factors that keep it
    are intervals, and the smallest common one is the beginning of one of them. Pools below 100 are all tried, because
    there "never the whole pool" may stand against "the nearest integer".
    """
    ones = [1 / (1 + ERROR_LIMIT) / (Fraction(share) / 100 * pool) for share in shares]
    starts = {-(-k * one.numerator // one.denominator) for one in ones for k in range(1, FINE + 1)}
    small = range(1, 2 + 100 // pool)
    return sorted(factor for factor in starts | set(small) if 1 <= factor <= most)
