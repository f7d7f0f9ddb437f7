"""Numbers as people read them: shares, rates, chances, times. Pure, and the same in every report."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal


def clock(at: float) -> str:
    """Time of day in UTC, to the second, from seconds since the epoch."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%SZ")


def span(seconds: float) -> str:
    """A duration to the precision that matters: `0.4s`, `12s`, `3m05s`, `1h02m`."""
    if seconds < 0:
        return f"-{span(-seconds)}"
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{rest:02d}s" if rest else f"{minutes}m"
    hours, rest = divmod(minutes, 60)
    return f"{hours}h{rest:02d}m" if rest else f"{hours}h"


def share(percent: Decimal | None) -> str:
    """A share of traffic; a dash when nothing was counted yet."""
    if percent is None:
        return "-"
    text = f"{percent:.4f}".rstrip("0").rstrip(".")
    return f"{text} %"


def seen(percent: Decimal | None) -> str:
    """An observed share: three significant digits are more than it can promise."""
    return "-" if percent is None else f"{float(percent):.3g} %"


def rate(fraction: float) -> str:
    """A share of requests, in percent, with two significant digits below ten."""
    percent = fraction * 100
    if percent == 0 or percent >= 9.95:
        return f"{percent:.1f} %" if percent else "0 %"
    digits = max(0, 1 - math.floor(math.log10(percent)))
    return f"{percent:.{min(digits, 4)}f} %"


def number(value: float) -> str:
    """A number with three significant digits, its thousands told apart."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def count(number: float) -> str:
    """A count with its thousands told apart."""
    return f"{number:,.0f}"


def chance(log_evidence: float) -> str:
    """Evidence as odds against chance: `1 in 12,000`; none when it does not point to harm.

    Args:
        log_evidence: natural logarithm of the e-value. Ville: a release within its tolerance ever reaches e
            with probability at most 1/e.
    """
    if log_evidence <= 0:
        return "none"
    if log_evidence > math.log(1e9):
        return "1 in over a billion"
    odds = math.exp(log_evidence)
    if odds < 10:
        return f"1 in {odds:.1f}"
    magnitude = 10 ** (math.floor(math.log10(odds)) - 1)
    return f"1 in {round(odds / magnitude) * magnitude:,.0f}"
