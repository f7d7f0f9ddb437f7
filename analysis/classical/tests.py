"""The classical tests, each at one fixed look, and what a p-value is worth as evidence.

All are asked one-sided, "is the canary worse than tolerated?", on stable's values moved by the tolerance. Their
p-values suppose that values follow each other independently; a gauge's seldom do, so their correlation is told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from analysis.classical.config import FixedTest

EXACT = 40
"""Points of an arm up to which Mann and Whitney's distribution is computed exactly, where no values are equal."""

LEAST = 1e-300
"""No p-value is smaller: its logarithm must be finite."""

Counts = tuple[float, float, float, float]
"""Bad and total of stable, then of the canary."""


def of_values(test: FixedTest, stable: Sequence[float], canary: Sequence[float]) -> float:
    """The p-value of "the canary's values are no worse than stable's by more than is tolerated".

    Args:
        test: which, and what it tolerates.
        stable, canary: the values; at least two each.

    Raises:
        ValueError: the test cannot be made of these values.
    """
    room = [abs(value) * test.relative + test.absolute for value in stable]
    above = [value + more for value, more in zip(stable, room, strict=True)]
    below = [value - more for value, more in zip(stable, room, strict=True)]
    if test.worse == "higher":
        return _greater(test.kind, canary, above)
    if test.worse == "lower":
        return _greater(test.kind, below, canary)
    return min(1.0, 2.0 * min(_greater(test.kind, canary, above), _greater(test.kind, below, canary)))


def _greater(kind: str, one: Sequence[float], other: Sequence[float]) -> float:
    """The p-value of "one is not greater than the other"."""
    from scipy import stats

    if kind == "mannWhitney":
        ties = len({*one, *other}) < len(one) + len(other)
        method = "exact" if not ties and max(len(one), len(other)) <= EXACT else "asymptotic"
        return float(stats.mannwhitneyu(one, other, alternative="greater", method=method).pvalue)
    if kind == "kolmogorovSmirnov":
        # The distribution function of greater values is the lesser one.
        return float(stats.ks_2samp(one, other, alternative="less").pvalue)
    if len(set(one)) == 1 and len(set(other)) == 1:
        raise ValueError("neither arm's values vary, so that Welch's test has nothing to measure by; use mannWhitney")
    return float(stats.ttest_ind(one, other, equal_var=False, alternative="greater").pvalue)


def of_counts(test: FixedTest, counts: Counts) -> float:
    """The p-value of "the canary's rate is no higher than stable's by more than is tolerated".

    Fisher's test is exact and knows no tolerance. The two-proportion z-test is the score test: its variance is taken
    where the null fits best (Farrington & Manning, Statistics in Medicine 9, 1990), which without a tolerance is the
    pooled rate.

    Args:
        test: which, and what it tolerates.
        counts: of the whole step; both totals positive.
    """
    from scipy import stats

    x_s, n_s, x_c, n_c = counts
    if test.kind == "fisher":
        table = [[int(x_c), int(n_c - x_c)], [int(x_s), int(n_s - x_s)]]
        return float(stats.fisher_exact(table, alternative="greater").pvalue)
    p_s = _nearest_null(counts, test)
    p_c = _bound(p_s, test)
    spread = math.sqrt((1 + test.relative) ** 2 * p_s * (1 - p_s) / n_s + p_c * (1 - p_c) / n_c)
    gap = x_c / n_c - (x_s / n_s * (1 + test.relative) + test.absolute)
    if gap <= 0 or not spread:
        return 1.0
    return float(stats.norm.sf(gap / spread))


def _bound(rate: float, test: FixedTest) -> float:
    return min(1.0, rate * (1 + test.relative) + test.absolute)


def _nearest_null(counts: Counts, test: FixedTest) -> float:
    """Stable's rate, at the tolerated bound, under which these counts are likeliest."""
    from scipy.optimize import minimize_scalar

    x_s, n_s, x_c, n_c = counts
    if not test.relative and not test.absolute:
        return (x_s + x_c) / (n_s + n_c)

    def unlikely(rate: float) -> float:
        bound = _bound(rate, test)
        return -(_log(x_s, rate) + _log(n_s - x_s, 1 - rate) + _log(x_c, bound) + _log(n_c - x_c, 1 - bound))

    most = max(0.0, (1.0 - test.absolute) / (1.0 + test.relative))
    return float(minimize_scalar(unlikely, bounds=(0.0, most), method="bounded", options={"xatol": 1e-12}).x)


def _log(times: float, chance: float) -> float:
    return times * math.log(max(chance, LEAST)) if times else 0.0


def calibrated(p: float) -> float:
    """The e-value `1 / (2 sqrt p)` of a p-value (Vovk & Wang, Annals of Statistics 49, 2021).

    Its expectation is 1 when the p-value is uniform, and at most 1 when it is larger.
    """
    return 1.0 / (2.0 * math.sqrt(max(p, LEAST)))


def log_evalue(p: float, *, level: float) -> float:
    """Log of what one look's p-value is worth, as the mean of two e-values.

    One is `calibrated(p)`, which adds to what other metrics saw. Alone it could condemn only at p-values that a few
    dozen values never reach (3.5e-7 at a weight of 0.12 and an alpha of 0.01), so the other stakes all at `level / 2`:
    it is `2 / level` there and 0 elsewhere. A mean of e-values is one.

    Args:
        p: the p-value.
        level: the look's share of alpha; a p-value of half of it condemns alone.
    """
    stake = 2.0 / level if p <= level / 2.0 else 0.0
    return math.log((calibrated(p) + stake) / 2.0)


def correlation(values: Sequence[float]) -> float:
    """How much each value is like the one before it: 0 for independent ones, near 1 for a slow gauge."""
    if len(values) < 3:
        return 0.0
    mean = math.fsum(values) / len(values)
    off = [value - mean for value in values]
    spread = math.fsum(one * one for one in off)
    if spread <= 0:
        return 0.0
    return math.fsum(one * other for one, other in pairwise(off)) / spread
