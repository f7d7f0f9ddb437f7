"""How Kayenta's NetflixACA judge classifies one metric, written from its documented behaviour.

A two-sided Mann-Whitney interval of the shift at confidence 0.98, by the normal approximation with correction for ties
and continuity; High or Low when the interval's near end is more than a quarter of the estimate away from no shift and
the ratio of means is beyond what is allowed. Two differences, each a hole closed: an empty side is never Pass, and two
constant samples are compared as they are instead of with random noise added.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from analysis.classical.config import Grouped

Array = NDArray[np.float64]

QUANTILE = 2.3263478740408408
"""Normal quantile of confidence 0.98 on two sides."""

TOLERANCE = 0.25
"""Part of the estimate that the interval's near end must be away from no shift."""

HALVINGS = 60
"""Of the range in which a shift is looked for: to a 1e18th of it."""


class Label(StrEnum):
    """Kayenta's classification of one metric."""

    PASS = "Pass"  # noqa: S105 - a label
    HIGH = "High"
    LOW = "Low"
    NODATA = "Nodata"
    NODATA_FAIL = "NodataFailMetric"
    ERROR = "Error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """One metric's classification.

    Attributes:
        label: which.
        critical: a critical metric that failed: the score is 0.
        lower, estimate, upper: of the shift; NaN where it was not computed.
        ratio: of the means; NaN where one of them is 0.
        why: what was wrong, where the classification itself failed.
    """

    label: Label
    critical: bool = False
    lower: float = math.nan
    estimate: float = math.nan
    upper: float = math.nan
    ratio: float = math.nan
    why: str = ""


def classify(how: Grouped, stable: Sequence[float], canary: Sequence[float], *, critical: bool) -> Classified:
    """Classify a metric; whatever goes wrong is a label too, so that it cannot drop out of the score unseen.

    Args:
        how: the metric's settings.
        stable, canary: its values.
        critical: whether its failure makes the score 0.
    """
    try:
        return _classified(how, _cleaned(how, stable), _cleaned(how, canary), critical=critical)
    except (ValueError, ArithmeticError, FloatingPointError) as error:
        return Classified(label=Label.ERROR, critical=critical, why=str(error))


def _cleaned(how: Grouped, values: Sequence[float]) -> Array:
    kept = np.array([0.0 if math.isnan(one) and how.nan == "replace" else one for one in values], dtype=float)
    kept = kept[~np.isnan(kept)]
    if not np.isfinite(kept).all():
        raise ValueError("a value is infinite")
    return _without_outliers(kept, how.outlier_factor) if how.outliers == "remove" and len(kept) else kept


def _without_outliers(values: Array, factor: float) -> Array:
    """Within the IQR fence, widened to the 1st and the 99th percentile."""
    low, first, third, high = np.percentile(values, [1.0, 25.0, 75.0, 99.0])
    reach = factor * (third - first)
    kept: Array = values[(values >= min(low, first - reach)) & (values <= max(high, third + reach))]
    return kept


def _classified(how: Grouped, stable: Array, canary: Array, *, critical: bool) -> Classified:
    if min(len(stable), len(canary)) < max(1, how.min_samples):
        fails = how.must_have_data and not critical
        return Classified(label=Label.NODATA_FAIL if fails else Label.NODATA, critical=critical)
    if len({*stable.tolist(), *canary.tolist()}) == 1 or sorted(stable) == sorted(canary):
        return Classified(label=Label.PASS, lower=0.0, estimate=0.0, upper=0.0, ratio=1.0)
    lower, estimate, upper = (shift(stable, canary, quantile) for quantile in (QUANTILE, 0.0, -QUANTILE))
    means = (float(stable.mean()), float(canary.mean()))
    ratio = means[1] / means[0] if all(means) else math.nan
    label = _label(how, lower=lower, estimate=estimate, upper=upper, ratio=ratio)
    beyond = (label is Label.HIGH and not ratio < how.critical_increase) or (
        label is Label.LOW and not ratio > how.critical_decrease
    )
    return Classified(
        label=label, critical=critical and beyond, lower=lower, estimate=estimate, upper=upper, ratio=ratio
    )


def _label(how: Grouped, *, lower: float, estimate: float, upper: float, ratio: float) -> Label:
    """A ratio that is none (a mean of 0) lets a change count, as in Kayenta."""
    margin = TOLERANCE * abs(estimate)
    if how.direction != "decrease" and lower > margin and not ratio < how.allowed_increase:
        return Label.HIGH
    if how.direction != "increase" and upper < -margin and not ratio > how.allowed_decrease:
        return Label.LOW
    return Label.PASS


def shift(stable: Array, canary: Array, quantile: float) -> float:
    """By how much the canary's values are greater, as the shift at which the test's statistic is at a quantile.

    Args:
        stable, canary: the values.
        quantile: of the normal distribution; 0 gives the estimate, without the correction for continuity.
    """
    low, high = float(canary.min() - stable.max()), float(canary.max() - stable.min())
    if _z(stable, canary - low, quantile) <= quantile:
        return low
    if _z(stable, canary - high, quantile) >= quantile:
        return high
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        if _z(stable, canary - middle, quantile) > quantile:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def _z(stable: Array, canary: Array, quantile: float) -> float:
    """Mann and Whitney's statistic, standardised; infinite where all values are equal."""
    m, n = len(canary), len(stable)
    every = np.concatenate([canary, stable])
    _, where, ties = np.unique(every, return_inverse=True, return_counts=True)
    last = np.cumsum(ties)
    ranks = (last - (ties - 1) / 2.0)[where]
    above = float(ranks[:m].sum()) - m * (m + 1) / 2.0 - m * n / 2.0
    tied = float((ties.astype(float) ** 3 - ties).sum()) / ((m + n) * (m + n - 1.0))
    variance = m * n / 12.0 * (m + n + 1.0 - tied)
    if quantile:
        above -= math.copysign(0.5, above) if above else 0.0
    return above / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, above) if above else 0.0
