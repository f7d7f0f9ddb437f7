"""Two arms of one: stable against stable, at the release's shares.

By time, the pseudo-canary of a look is stable as it was `LAG` looks later, thinned to its share, and pseudo-stable is
the look itself, thinned to the rest: bursts hit one arm and not the other, as they do when they come to single pods or
single moments. What sways both arms of a real release alike (drift over minutes, shared outages) does not cancel here
as it would there, so this errs on the side of finding too much. By pod, one pod of stable's is the canary and the
others are stable, at the very same moments; that is nearer to a release, where the counters tell pods apart.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.calibration.past import Past

Array = NDArray[np.float64]

LAG = 30
"""Looks between the arms: as long as the longest block over which scatter is measured, so that a burst that lasts
shorter than that is in one arm only."""


def arms_of(past: Past, *, lag: int = LAG) -> Past:
    """Both arms, unthinned: by pod as they are, by time the second is the first, `lag` looks later."""
    if past.pod:
        return past
    looks = len(past) - lag

    def shifted(table: Array, total: int) -> Array:
        both = np.stack([table[:looks, 0], table[lag : lag + looks, 0]], axis=1)
        if both.shape[2]:
            # At the edge of an hour of nothing one arm would be silent and the other not, as no release is.
            both[(both[:, :, total] == 0).any(axis=1)] = 0.0
        return both

    return replace(
        past,
        times=past.times[:looks],
        counts={name: shifted(table, 0) for name, table in past.counts.items()},
        buckets={name: (bounds, shifted(table, -1)) for name, (bounds, table) in past.buckets.items()},
    )


def at_share(past: Past, *, share: float | Array, seed: int) -> Past:
    """Both arms at a share.

    Args:
        past: both arms, as `arms_of` gives them.
        share: percent that the canary gets; one for all looks, or one for each.
        seed: of the chance by which requests are left out.
    """
    chance = np.random.default_rng(seed)
    part = np.broadcast_to(np.asarray(share, dtype=float) / 100.0, (len(past),))
    kept = _kept_of_pods(past, part) if past.pod else np.stack([1.0 - part, part], axis=1)
    counts = {name: _thinned_counts(table, kept, chance) for name, table in past.counts.items()}
    buckets = {name: (bounds, _thinned(table, kept, chance)) for name, (bounds, table) in past.buckets.items()}
    return replace(past, counts=counts, buckets=buckets)


def _kept_of_pods(past: Past, part: Array) -> Array:
    """What is kept of each arm so that the pod's part of the requests is the share's."""
    tables = [table[:, :, 0] for table in past.counts.values()] + [
        table[:, :, -1] for _, table in past.buckets.values()
    ]
    others, pod = (float(np.max([table[:, arm].sum() for table in tables])) for arm in (0, 1))
    wanted = part / np.maximum(1.0 - part, 1e-9)
    found = pod / max(others, 1.0)
    ratio = np.clip(wanted / max(found, 1e-9), 1e-9, 1e9)
    return np.stack([np.minimum(1.0, 1.0 / ratio), np.minimum(1.0, ratio)], axis=1)


def _thinned_counts(table: Array, kept: Array, chance: np.random.Generator) -> Array:
    """(total, bad) with a part of the requests kept."""
    total, bad = table[:, :, 0], table[:, :, 1]
    both = np.stack([bad, total], axis=2)  # cumulative, as buckets are
    thinned = _thinned(both, kept, chance)
    return np.stack([thinned[:, :, 1], thinned[:, :, 0]], axis=2)


def _thinned(table: Array, kept: Array, chance: np.random.Generator) -> Array:
    """Cumulative counts with a part of the requests kept, each look's number of them rounded to whole requests."""
    if not table.shape[2]:
        return table
    single = np.diff(table, axis=2, prepend=0.0).round().astype(np.int64)
    exact = table[:, :, -1] * kept
    wanted = np.floor(exact + chance.random(exact.shape)).astype(np.int64)
    wanted = np.minimum(wanted, single.sum(axis=2))
    left, found = single.sum(axis=2), np.zeros_like(single)
    for bucket in range(single.shape[2]):
        here = single[:, :, bucket]
        found[:, :, bucket] = chance.hypergeometric(here, left - here, wanted)
        wanted, left = wanted - found[:, :, bucket], left - here
    cumulative: Array = np.cumsum(found, axis=2).astype(float)
    return cumulative
