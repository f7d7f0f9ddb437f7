"""How much more than binomially stable differs from itself: phi0. JUDGE, "Dispersion".

By `analysis.judge.dispersion`, the very sums that a release keeps, over pseudo-arms of stable's past at the release's
shares. An engine begins with what is found here; `canary calibrate` shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.calibration.past import Past
from analysis.calibration.pseudo import arms_of, at_share
from analysis.judge import JudgeConfig
from analysis.judge.dispersion import FEWEST, Dispersion
from analysis.judge.tests import Test, latency_tests, plain_tests

Array = NDArray[np.float64]

LARGEST = 100.0
"""More is no burst but a service that breaks now and then; evidence divided by it would never condemn."""


def scatter(config: JudgeConfig, past: Past, *, shares: Iterable[float], seed: int = 0) -> dict[str, float]:
    """The dispersion of each metric that the past has counts of, at least 1.

    Args:
        config: whose metrics are compared.
        past: stable's.
        shares: percent of the release's steps, each above 0 and below 100; the largest dispersion of them counts.
        seed: of the chance by which requests are left out.
    """
    found = measured(config, past, shares=shares, seed=seed)
    return {name: found.get(name, 1.0) for name in (*past.counts, *past.buckets)}


def measured(config: JudgeConfig, past: Past, *, shares: Iterable[float], seed: int = 0) -> dict[str, float]:
    """The same, without the metrics of which too little was bad to tell."""
    arms = arms_of(past)
    found: dict[str, float] = {}
    for number, share in enumerate(sorted(set(shares))):
        split = at_share(arms, share=share, seed=seed + number)
        for metric, phi in _observed(config, split).items():
            found[metric] = max(found.get(metric, 1.0), phi)
    return found


def with_scatter(config: JudgeConfig, found: Mapping[str, float]) -> JudgeConfig:
    """The same question, asked by a judge that knows how stable scatters."""
    metrics = tuple(replace(metric, phi0=found.get(metric.name, metric.phi0)) for metric in config.metrics)
    return replace(config, metrics=metrics)


def _observed(config: JudgeConfig, arms: Past) -> dict[str, float]:
    tests = [test for test in plain_tests(config) if test.metric in arms.counts]
    for metric in config.metrics:
        if metric.name in arms.buckets:
            bounds, table = arms.buckets[metric.name]
            histogram = dict(zip(bounds.tolist(), table[:, 0].sum(axis=0).astype(int).tolist(), strict=True))
            tests += [test for test in latency_tests(metric, histogram) if test.confirm] if histogram else []
    if not tests:
        return {}
    counts = np.stack([counted(arms, test) for test in tests], axis=2)  # looks, (x_s, n_s, x_c, n_c), tests
    x_s, n_s = counts[:, 0].sum(axis=0), counts[:, 1].sum(axis=0)
    rate = np.clip(x_s / np.maximum(n_s, 1.0), 1e-9, 1.0 - 1e-9)
    kept = Dispersion.fresh(len(tests))
    for look in counts:
        kept = kept.look(x_s=look[0], n_s=look[1], x_c=look[2], n_c=look[3], a=rate)
    observed = np.minimum(kept.observed(), LARGEST)
    enough: NDArray[np.bool_] = np.any(kept.blocks >= FEWEST, axis=1)
    found: dict[str, float] = {}
    for test, phi, told in zip(tests, observed.tolist(), enough.tolist(), strict=True):
        if told:
            found[test.metric] = max(found.get(test.metric, 1.0), phi)
    return found


def counted(arms: Past, test: Test) -> Array:
    """(x_s, n_s, x_c, n_c) of every look, for one test."""
    if not test.bound:
        table = arms.counts[test.metric]
        return np.stack([table[:, 0, 1], table[:, 0, 0], table[:, 1, 1], table[:, 1, 0]], axis=1)
    bounds, table = arms.buckets[test.metric]
    total = table[:, :, -1]
    slow = total - table[:, :, int(np.argmin(np.abs(bounds - test.bound)))]
    return np.stack([slow[:, 0], total[:, 0], slow[:, 1], total[:, 1]], axis=1)
