"""A fresh baseline's counters beside stable's: read with them, told apart, and put in their place where it is compared.

A look has two arms. What a baseline counts is read as stable's under metrics of its own, so that the window differences
it like everything else; then either stable's own counts are the look's, or the baseline's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from analysis.model import Arm, Counts, Look
from analysis.sources.model import Key

MARK = "baseline/"
"""Begins the metrics under which a baseline is counted; no metric of a release file has a slash in its name."""


def marked(key: Key) -> Key:
    """The number that the same counter feeds where it is the baseline's."""
    return replace(key, metric=MARK + key.metric)


def with_baseline(metrics: Mapping[str, bool]) -> dict[str, bool]:
    """Metrics, each with whether it has latency buckets, and the same for a baseline."""
    return {**metrics, **{MARK + name: latency for name, latency in metrics.items()}}


def apart(look: Look, *, compared: bool) -> tuple[Look, int]:
    """A look of a window with a baseline as one of two arms.

    Args:
        look: as the window made it.
        compared: the baseline is what the canary is compared with, else stable itself.

    Returns:
        The look; and the requests of everything that serves the old version, stable and the baseline together.
    """
    fresh = {name.removeprefix(MARK): arms for name, arms in look.counts.items() if name.startswith(MARK)}
    plain = replace(
        look,
        counts={name: arms for name, arms in look.counts.items() if not name.startswith(MARK)},
        absent={name: arms for name, arms in look.absent.items() if not name.startswith(MARK)},
    )
    every = plain.requests(Arm.STABLE) + replace(look, counts=fresh).requests(Arm.STABLE)
    if not compared:
        return plain, every
    counts = {name: _instead(arms, fresh[name].get(Arm.STABLE)) for name, arms in plain.counts.items()}
    absent = {name: _lacking(look.absent, name) for name in counts}
    return replace(plain, counts=counts, absent={name: arms for name, arms in absent.items() if arms}), every


def _lacking(absent: Mapping[str, tuple[Arm, ...]], name: str) -> tuple[Arm, ...]:
    """The arms of a metric that have no series, with the baseline's in stable's place."""
    whose = ((Arm.STABLE, MARK + name), (Arm.CANARY, name))
    return tuple(arm for arm, metric in whose if arm in absent.get(metric, ()))


def _instead(arms: Mapping[Arm, Counts], fresh: Counts | None) -> dict[Arm, Counts]:
    """The baseline's counts in stable's place, both arms on the same bounds; an arm that is not known lacks."""
    canary = arms.get(Arm.CANARY)
    if canary is None or fresh is None:
        known = {Arm.STABLE: fresh, Arm.CANARY: canary}
        return {arm: counts for arm, counts in known.items() if counts is not None}
    bounds = sorted({bound for bound, _ in (*canary.buckets, *fresh.buckets)})
    if not bounds:
        return {Arm.STABLE: fresh, Arm.CANARY: canary}
    return {Arm.STABLE: _on(bounds, fresh), Arm.CANARY: _on(bounds, canary)}


def _on(bounds: Iterable[float], counts: Counts) -> Counts:
    known, highest, buckets = dict(counts.buckets), 0, []
    for bound in bounds:
        highest = max(highest, known.get(bound, 0))
        buckets.append((bound, highest))
    return replace(counts, total=highest, buckets=tuple(buckets))
