"""What an engine begins with: stable's recorded past as the judge knows it. JUDGE, "a" and "Dispersion"."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.calibration.past import of_samples
from analysis.calibration.scatter import measured
from analysis.judge import JudgeConfig, Known, Past
from analysis.sources import Sample

MOST_SHARES = 5
"""Shares at which two arms are made of stable, those of the plan's ends among them: more cost seconds, and tell what
their neighbours do."""


def recorded(config: JudgeConfig, samples: Sequence[Sample], *, every: float, shares: Sequence[float]) -> Past:
    """Stable's rates and dispersion of each metric that was counted.

    Args:
        config: whose metrics are asked for.
        samples: raw, of stable's counters, in any order.
        every: seconds between looks.
        shares: percent of the release's steps; those above 0 and below 100 count.

    Raises:
        Scarce: there is too little of it.
    """
    past = of_samples(samples, metrics={one.name: one.kind == "latency" for one in config.metrics}, every=every)
    phi = measured(config, past, shares=_some([share for share in shares if 0 < share < 100]))
    known = {}
    for metric in config.metrics:
        total, bad = past.counts[metric.name][:, 0].sum(axis=0).tolist() if metric.name in past.counts else (0, 0)
        known[metric.name] = Known(bad=int(bad), total=int(total), phi0=phi.get(metric.name))
    told = f"stable's last {past.span / 60:.0f} min, {len(past)} looks"
    return Past(metrics=known, told=told if phi else f"{told}: too little of it was bad to tell")


def _some(shares: Sequence[float]) -> list[float]:
    """At most so many of them, evenly, with the smallest and the largest."""
    every = sorted(set(shares))
    if len(every) <= MOST_SHARES:
        return every
    return [every[round(i * (len(every) - 1) / (MOST_SHARES - 1))] for i in range(MOST_SHARES)]
