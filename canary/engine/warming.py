"""What of a look counts soon after a change of the share, and in the first minute of a pod. JUDGE, "Warm-up" (f).

Requests end late: what is slow, and often bad, is missing from the first looks at a new share, so that they say too
much good of the canary. Until stable's p99.9 has passed, and some seconds in any case, they count towards harm and not
towards HEALTHY. Latency says little while pools, caches and compilers warm up; errors have no such excuse. Steps add
pods, and histograms do not tell them apart, so while the youngest is cold nothing of the canary's latency counts.

How long stable's requests take is not journalled: each look is learned from before it is judged, so whoever takes over
knows it with its first look, or takes the slowest request in it where it has less than a thousand.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

from analysis.model import Arm, Look

AFTER_CHANGE = 30.0
"""Seconds after a change of the share before looks speak for the canary; the warmup, where that is shorter. [judged]"""

QUANTILE = 0.999
"""Of stable's requests that have ended by then."""

LONGEST = 600.0
"""Seconds that a slow tail may make it at most: a service of long polls would never be judged."""


@dataclass(slots=True, kw_only=True)
class Warming:
    """Remembers stable's latency, and when the share changed.

    Attributes:
        warmup: seconds from the first request to the canary's youngest pods in which its latency is left out.
        latency: names of the latency metrics.
        changed: when the share changed.
        times: stable's requests by upper bound in seconds, cumulative, of each look added up.
    """

    warmup: float
    latency: Collection[str]
    changed: float = -math.inf
    times: dict[float, int] = field(default_factory=dict)

    def learn(self, look: Look) -> None:
        """Remember how long stable's requests take."""
        for name in self.latency:
            counts = look.counts.get(name, {}).get(Arm.STABLE)
            for bound, number in counts.buckets if counts else ():
                self.times[bound] = self.times.get(bound, 0) + number

    @property
    def wait(self) -> float:
        """Seconds after a change of the share until looks speak for the canary."""
        total = max(self.times.values(), default=0)
        slowest = max((bound for bound in self.times if bound < math.inf), default=0.0)
        ended = (bound for bound, number in self.times.items() if number >= QUANTILE * total and bound < math.inf)
        tail = min(ended, default=slowest) if total else 0.0
        return max(min(AFTER_CHANGE, self.warmup), min(tail, LONGEST))

    def early(self, look: Look) -> bool:
        """Whether a look does not speak for the canary yet."""
        return look.end < self.changed + self.wait

    def left_out(self, look: Look, first: float | None) -> frozenset[str]:
        """Metrics that are left out of a look.

        Args:
            look: the look.
            first: when the canary's youngest pods had their first request; None before any.
        """
        cold = first is not None and look.start < first + self.warmup
        return frozenset(self.latency) if cold or self.early(look) else frozenset()
