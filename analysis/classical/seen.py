"""What is remembered of a metric that is not judged sequentially; small enough for the journal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from analysis.classical.config import ClassicalConfig

DIGITS = 12
"""Significant digits kept of a gauge's value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One metric.

    Attributes:
        stable, canary: values of this step, oldest first; of a rule only the last of each.
        counts: bad and total of stable and of the canary in this step.
        requests: canary requests in this step.
        bets: log e-values of the looks that were taken in the release, one per step at most.
        p: of this step's look; None before it.
        why: why this step's look could not be taken, or what the classification stumbled over.
        label, critical: Kayenta's classification at the last scoring; "" before one.
        numbers: lower end, estimate and upper end of the shift, and the ratio of means; empty where not computed.
        failures: measurements outside of the range in the release that stable did not share.
        shared: measurements of this step outside of the range on both arms.
        streak: newest measurements in a row within the range, in this step.
        measured: measurements in this step.
        dropped: values of this step that were no numbers.
        code, trouble: what was wrong with the newest reading, by its short word and in a sentence; "" for nothing.
    """

    stable: tuple[float, ...] = ()
    canary: tuple[float, ...] = ()
    counts: tuple[int, int, int, int] = (0, 0, 0, 0)
    requests: int = 0
    bets: tuple[float, ...] = ()
    p: float | None = None
    why: str = ""
    label: str = ""
    critical: bool = False
    numbers: tuple[float, ...] = ()
    failures: int = 0
    shared: int = 0
    streak: int = 0
    measured: int = 0
    dropped: int = 0
    code: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Everything that is remembered.

    Attributes:
        seen: per metric.
        began: start of the first judged look in this step; None before it.
        now: end of the newest one.
        scored: when this step's score was computed last; None before.
        score: least and most of it; 100s before.
        critical, missing: why it is 0, and what it was computed without.
        condemned: the rule that condemned the release, which stands.
        last: this is the plan's last step.
    """

    seen: Mapping[str, Seen] = field(default_factory=dict)
    began: float | None = None
    now: float = 0.0
    scored: float | None = None
    score: tuple[float, float] = (0.0, 100.0)
    critical: str = ""
    missing: tuple[str, ...] = ()
    condemned: str = ""
    last: bool = True

    @property
    def judging(self) -> float:
        """Seconds of judging in this step."""
        return 0.0 if self.began is None else self.now - self.began


def fresh(configs: Sequence[ClassicalConfig]) -> Beside:
    """A new release."""
    return Beside(seen={one.name: Seen() for one in configs})


def encode(beside: Beside) -> dict[str, Any]:
    """As JSON-able data; a metric's defaults are left out."""
    seen = {}
    for name, one in beside.seen.items():
        values = {part.name: getattr(one, part.name) for part in fields(one)}
        seen[name] = {key: _plain(value) for key, value in values.items() if value != _DEFAULTS[key]}
    rest = {part.name: getattr(beside, part.name) for part in fields(beside) if part.name != "seen"}
    return {"seen": seen, **{key: _plain(value) for key, value in rest.items()}}


def decode(data: Mapping[str, Any]) -> Beside:
    """From `encode`'s data.

    Raises:
        ValueError: it is damaged.
    """
    try:
        seen = {
            str(name): Seen(**{key: _read(value) for key, value in one.items()}) for name, one in data["seen"].items()
        }
        rest = {key: _read(value) for key, value in data.items() if key != "seen"}
        return Beside(seen=seen, **rest)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"what is remembered of the classical metrics is damaged: {error!r}") from error


_DEFAULTS = {part.name: part.default for part in fields(Seen)}


def _plain(value: Any) -> Any:
    """Numbers with the digits that are kept; JSON knows no NaN."""
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) and abs(value) < _TIMES else _whole(value)
    return value


_TIMES = 1e8
"""Times since the epoch are larger, and are kept whole."""


def _whole(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(math.nan if one is None else one for one in value)
    return value
