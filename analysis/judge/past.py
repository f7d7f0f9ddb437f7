"""What stable's recorded past tells the judge before the release begins. JUDGE, "a" (the prior), "Dispersion" (phi0).

It comes in once, from counts of before the canary had traffic, and is remembered with everything else, so that a
restart and a record that is judged again know the same. What a release file says of dispersion goes before it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.judge.config import JudgeConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the past shows of one metric.

    Attributes:
        bad, total: stable's requests in it; 0 of latency, whose bounds are not chosen yet.
        phi0: dispersion of pseudo-arms at the release's shares, at least 1; None where too little failed to tell.
    """

    bad: int = 0
    total: int = 0
    phi0: float | None = None

    @property
    def rate(self) -> float | None:
        """Stable's rate of bad requests; None where nothing was counted."""
        return self.bad / self.total if self.total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Stable's recorded past.

    Attributes:
        metrics: by name.
        told: where it is from, or why nothing is known of it; empty where nobody asked.
    """

    metrics: Mapping[str, Known] = field(default_factory=dict)
    told: str = ""


UNASKED = Past()
"""Nobody asked."""


def phi0_of(config: JudgeConfig, past: Past, name: str) -> float:
    """Dispersion of one metric from stable's own history; 1 where none is known."""
    asked = config.phi0_of(name)
    if asked is None and name in past.metrics:
        asked = past.metrics[name].phi0
    return 1.0 if asked is None else asked


def history_of(config: JudgeConfig, past: Past) -> float | None:
    """The largest dispersion that is known from stable's own history; None where none is."""
    asked = [config.phi0_of(metric.name) for metric in config.metrics]
    found = [known.phi0 for name, known in past.metrics.items() if config.phi0_of(name) is None]
    return max((one for one in (*asked, *found) if one is not None), default=None)


def encode(past: Past) -> list[Any]:
    """As JSON-able data."""
    return [past.told, {name: [one.bad, one.total, one.phi0] for name, one in past.metrics.items()}]


def decode(data: Any) -> Past:
    """From `encode`'s data.

    Raises:
        ValueError: it is damaged.
    """
    try:
        told, metrics = data
        found = {
            str(name): Known(bad=int(bad), total=int(total), phi0=None if phi0 is None else float(phi0))
            for name, (bad, total, phi0) in metrics.items()
        }
    except (AttributeError, TypeError) as error:
        raise ValueError(f"what is known of stable's past is damaged: {error!r}") from error
    if any(not 1.0 <= (one.phi0 or 1.0) < math.inf or not 0 <= one.bad <= one.total for one in found.values()):
        raise ValueError("what is known of stable's past is damaged: numbers that cannot be")
    return Past(metrics=found, told=str(told))
