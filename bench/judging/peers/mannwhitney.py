"""The Mann-Whitney test in Kayenta's NetflixACA judge: an interval of the shift between two samples.

Two-sided at 98 %, by normal approximation with correction for ties and continuity. Where the test cannot reach the
quantile the interval ends at the smallest and the largest difference: so two samples that do not overlap are told apart
however small they are. As R's `wilcox.test(conf.int = TRUE)`, which it follows.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from judging.streams import Array

CONFIDENCE = 0.98

TOLERANCE = 0.25
"""Part of the estimated shift that the interval must stay away from zero."""


def shift(canary: Array, baseline: Array) -> tuple[float, float, float]:
    """Lower end, estimate (Hodges-Lehmann) and upper end of how much larger the canary's values are."""
    pairs = np.sort((canary[:, None] - baseline[None, :]).ravel())
    size, n = len(pairs), len(canary) + len(baseline)
    tied = sum(float(k) ** 3 - k for values in (canary, baseline) for k in np.unique(values, return_counts=True)[1])
    if len(np.unique(canary)) == 1 and len(np.unique(baseline)) == 1:
        tied = 0.0  # it adds noise to two constant samples, and noise has no ties
    spread = np.sqrt(size / 12.0 * (n + 1.0 - tied / (n * (n - 1.0))))
    reach = int(0.5 * size + 0.5 + ndtri(0.5 + 0.5 * CONFIDENCE) * spread)
    outermost = min(reach, size - 1)
    return float(pairs[size - 1 - outermost]), float(np.median(pairs)), float(pairs[outermost])


def label(canary: Array, baseline: Array) -> str:
    """`High`, `Low`, `Pass` or `Nodata`: how the canary's values compare.

    Args:
        canary, baseline: one value per point in time; NaN where there was none.
    """
    canary, baseline = canary[~np.isnan(canary)], baseline[~np.isnan(baseline)]
    if not len(canary) or not len(baseline):
        return "Nodata"
    if np.array_equal(np.sort(canary), np.sort(baseline)):
        return "Pass"
    lower, estimate, upper = shift(canary, baseline)
    means = float(canary.mean()), float(baseline.mean())
    ratio = means[0] / means[1] if all(means) else np.nan  # with a mean of zero its effect size decides nothing
    if lower > TOLERANCE * abs(estimate) and not ratio < 1.0:
        return "High"
    if upper < -TOLERANCE * abs(estimate) and not ratio > 1.0:
        return "Low"
    return "Pass"
