"""How numbers of the classical metrics are said."""

from __future__ import annotations

import math
from collections.abc import Sequence


def number(value: float) -> str:
    """A gauge's value with the digits that people read."""
    return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:.4g}"


def middle(values: Sequence[float]) -> float:
    """The median; NaN of nothing."""
    if not values:
        return math.nan
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2.0


def seconds(value: float) -> str:
    """A duration in the unit that people use for it."""
    whole = max(0, math.ceil(value))
    return f"{whole} s" if whole < 120 else f"{whole // 60} min" if whole % 60 == 0 else f"{whole / 60:.1f} min"


def p_value(p: float) -> str:
    """A p-value."""
    return "below 1e-12" if p < 1e-12 else f"{p:.2g}"
