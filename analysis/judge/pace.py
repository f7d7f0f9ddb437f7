"""Metrics with a pace of their own: left out at first, or judged in longer looks. Pure.

Counts of looks that are not due yet are added to the next one that is, so that nothing is lost: a rare thing is then
compared over minutes instead of seconds. When a look is due depends on time alone, never on what was counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from analysis.judge.config import JudgeConfig, MetricConfig
from analysis.model import Arm, Counts, Look

EARLY = 0.999
"""A look this near to the metric's interval is due: readings are not taken to the millisecond."""


@dataclass(frozen=True, slots=True)
class Held:
    """What was counted of one metric since it was judged last.

    Attributes:
        since: when that was.
        counts: per arm.
    """

    since: float
    counts: Mapping[Arm, Counts] = field(default_factory=dict)


def paced(
    config: JudgeConfig, held: Mapping[str, Held], look: Look, *, began: float
) -> tuple[Look, Mapping[str, Held], frozenset[str]]:
    """A look with what is due in it.

    Args:
        config: the question.
        held: what waits since earlier looks.
        look: the look.
        began: when the step's first judged look began.

    Returns:
        The look to judge, what waits now, and the names of the metrics that were not due.
    """
    own = [metric for metric in config.metrics if metric.every or metric.delay]
    if not own:
        return look, held, frozenset()
    counts, waiting, left = dict(look.counts), dict(held), set()
    for metric in own:
        found = _due(metric, waiting.pop(metric.name, None), look, began)
        if isinstance(found, Held):
            waiting[metric.name] = found
        if isinstance(found, Held) or found is None:
            counts.pop(metric.name, None)
            left.add(metric.name)
        else:
            counts[metric.name] = found
            waiting[metric.name] = Held(look.end)
    return replace(look, counts=counts), waiting, frozenset(left)


def _due(metric: MetricConfig, held: Held | None, look: Look, began: float) -> Held | Mapping[Arm, Counts] | None:
    """What is to be judged now, or what waits; None while the metric is left out."""
    if look.start < began + metric.delay:
        return None
    now = look.counts.get(metric.name, {})
    known = held or Held(look.start)
    summed = {arm: _added(known.counts.get(arm), counts) for arm, counts in now.items()}
    if metric.every and look.end - known.since < metric.every * EARLY:
        return Held(known.since, {**known.counts, **summed})
    return {**known.counts, **summed}


def _added(one: Counts | None, other: Counts) -> Counts:
    if one is None or [bound for bound, _ in one.buckets] != [bound for bound, _ in other.buckets]:
        return other
    buckets = tuple((bound, a + b) for (bound, a), (_, b) in zip(one.buckets, other.buckets, strict=True))
    return Counts(total=one.total + other.total, bad=one.bad + other.bad, buckets=buckets)


def encode(held: Mapping[str, Held]) -> dict[str, Any]:
    """As JSON-able data."""
    return {
        name: [
            one.since,
            {
                arm: [counts.total, counts.bad, [[str(bound), number] for bound, number in counts.buckets]]
                for arm, counts in one.counts.items()
            },
        ]
        for name, one in held.items()
    }


def decode(data: Mapping[str, Any]) -> dict[str, Held]:
    """From `encode`'s data.

    Raises:
        ValueError: it is damaged.
    """
    try:
        return {
            str(name): Held(
                float(since),
                {
                    Arm(arm): Counts(
                        total=int(total), bad=int(bad), buckets=tuple((float(bound), int(n)) for bound, n in buckets)
                    )
                    for arm, (total, bad, buckets) in counts.items()
                },
            )
            for name, (since, counts) in data.items()
        }
    except (AttributeError, TypeError) as error:
        raise ValueError(f"what waits for its pace is damaged: {error!r}") from error
