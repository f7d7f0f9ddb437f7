"""From readings of gauges to values that are judged once each. Pure.

A value is taken when it is newer than the last by the metric's own interval, and no older than the last change of the
share. What was wrong is kept with it, so that a finding can name it: no series, several series, values that are no
numbers, and samples that are no longer new.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from analysis.model import Arm, Gauge
from analysis.sources.model import Measured, Reading, Trouble

EARLY = 0.9
"""A value this much of an interval after the last is taken: readings come when they come."""

STALE_AFTER = 3.0
"""A newest sample older than this many intervals is stale."""

LEAST_PATIENCE = 90.0
"""Seconds below which no sample is stale: it may be scraped once a minute."""

MOST_WAITING = 60
"""Values of one arm that wait for the next look."""


@dataclass(slots=True)
class GaugeWindow:
    """Remembers when each gauge was measured last.

    Attributes:
        last: time of the last value taken, per metric and arm.
        changed: when the share changed last.
    """

    last: dict[tuple[str, Arm], float] = field(default_factory=dict)
    changed: float = -math.inf
    _waiting: dict[str, dict[Arm, Gauge]] = field(default_factory=dict)

    def advance(self, reading: Reading) -> None:
        """Take one reading."""
        if self.changed > reading.at + LEAST_PATIENCE:
            # The reader's clock was set back since: nothing would be new until it is again what it was.
            self.last, self.changed = {}, -math.inf
        for one in reading.gauges:
            arms = self._waiting.setdefault(one.metric, {})
            arms[one.arm] = self._taken(one, arms.get(one.arm, Gauge()), reading.at)

    def _taken(self, one: Measured, known: Gauge, now: float) -> Gauge:
        if one.code:
            return replace(known, code=one.code, sentence=one.sentence)
        key, points, dropped = (one.metric, one.arm), list(known.points), known.dropped
        newest = one.points[-1][0] - one.skew if one.points else -math.inf
        # What a series was before it was first read, and before any share, is not of this release.
        fresh = key not in self.last and not math.isfinite(self.changed)
        self.last.setdefault(key, -math.inf)
        for time, value in one.points[-1:] if fresh else one.points:
            if time - one.skew <= self.changed or time - self.last[key] < max(one.every * EARLY, 1e-6):
                continue
            self.last[key] = time
            if math.isfinite(value):
                points.append(value)
            else:
                dropped += 1
        kept = tuple(points[-MOST_WAITING:])
        if dropped > known.dropped and not kept:
            said = f"its value on the {one.arm} arm is no number: is something divided by 0?"
            return Gauge(points=kept, dropped=dropped, code="NOT_A_NUMBER", sentence=said)
        if now - newest > max(STALE_AFTER * one.every, LEAST_PATIENCE):
            said = f"its newest sample on the {one.arm} arm is {now - newest:.0f} s old: is it still scraped?"
            return Gauge(points=kept, dropped=dropped, code=Trouble.STALE, sentence=said)
        return Gauge(points=kept, dropped=dropped)

    def take(self) -> Mapping[str, Mapping[Arm, Gauge]]:
        """What was measured since the last time, for a look."""
        found, self._waiting = self._waiting, {}
        return found

    def share_changed(self, at: float) -> None:
        """The weights changed at this time: what was measured before is about another load."""
        self.changed, self._waiting = at, {}

    def encode(self) -> dict[str, Any]:
        """As JSON-able data; values that wait for a look are left to be measured again."""
        if not self.last:
            return {}
        changed = self.changed if math.isfinite(self.changed) else None
        times = [[name, arm, time] for (name, arm), time in self.last.items() if math.isfinite(time)]
        return {"last": times, "changed": changed}


def decode(data: Mapping[str, Any]) -> GaugeWindow:
    """From `encode`'s data.

    Raises:
        ValueError: it is damaged.
    """
    try:
        last = {(str(name), Arm(arm)): float(time) for name, arm, time in data.get("last", ())}
        changed = data.get("changed")
        return GaugeWindow(last=last, changed=-math.inf if changed is None else float(changed))
    except (AttributeError, TypeError) as error:
        raise ValueError(f"the gauges' state is damaged: {error!r}") from error
