"""A canary made worse: the same requests, more of them failed, or all of them slower."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.calibration.past import Past

Array = NDArray[np.float64]


def failing(past: Past, metric: str, *, factor: float, seed: int) -> Past:
    """The second arm fails `factor` times as often, or always.

    Each of its good requests fails with the chance that makes it so.
    """
    chance, table = np.random.default_rng(seed), past.counts[metric].copy()
    total, bad = table[:, 1, 0], table[:, 1, 1]
    rate = rate_of(past, metric)
    extra = min(1.0, (factor - 1.0) * rate / (1.0 - rate)) if rate < 1.0 else 0.0
    table[:, 1, 1] = bad + chance.binomial((total - bad).astype(np.int64), extra)
    return replace(past, counts={**past.counts, metric: table})


def rate_of(past: Past, metric: str) -> float:
    """Stable's rate of bad requests over the whole past."""
    total, bad = past.counts[metric][:, 0].sum(axis=0)
    return float(bad / total) if total else 0.0


def slower(past: Past, metric: str, *, factor: float) -> Past:
    """Every request of the second arm takes `factor` times as long.

    Within a bucket requests are taken to be spread evenly over the logarithm of time, below the first bound over time.
    """
    bounds, table = past.buckets[metric]
    moved = table.copy()
    moved[:, 1] = _moved(bounds, table[:, 1], factor)
    return replace(past, buckets={**past.buckets, metric: (bounds, moved)})


def _moved(bounds: Array, cumulative: Array, factor: float) -> Array:
    finite = np.isfinite(bounds)
    if finite.sum() < 2:
        return cumulative
    edges, wanted = bounds[finite], bounds[finite] / factor
    below = np.searchsorted(edges, wanted, side="right") - 1
    low = np.maximum(below, 0)
    high = np.minimum(below + 1, len(edges) - 1)
    spread = np.log(np.maximum(edges[high] / edges[low], 1.0 + 1e-12))
    part = np.where(below < 0, wanted / edges[0], np.log(np.maximum(wanted / edges[low], 1e-300)) / spread)
    part = np.clip(part, 0.0, 1.0)
    start = np.where(below < 0, 0.0, cumulative[:, low])
    end = np.where(below < 0, cumulative[:, [0]], cumulative[:, high])
    moved = cumulative.copy()
    moved[:, finite] = np.floor(start + part * (end - start))
    return moved
