"""Durations, shares and fractions as people write them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from canary.spec.base import wrong

_UNITS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
"""Milliseconds of each unit, largest first: the order in which they are written."""

_DURATION_PATTERN = r"(?=[0-9])(?:[0-9]{1,9}d)?(?:[0-9]{1,9}h)?(?:[0-9]{1,9}m)?(?:[0-9]{1,9}s)?(?:[0-9]{1,9}ms)?"
_DURATION = re.compile(_DURATION_PATTERN)
_DURATION_PART = re.compile(r"([0-9]+)(ms|[dhms])")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)\s?%?")

LONGEST = 7 * 86_400.0
"""Seconds. A release that lasts longer than a week is two releases; it also keeps sums of durations finite."""

SHARE_DECIMALS = 4
"""Finer shares than 0.0001 % cannot be kept with weights up to 1,000,000 (Gateway API's largest weight)."""

_DURATION_HINT = "write a duration such as 500ms, 90s, 2m or 1h30m"
_SHARE_HINT = "write a percentage from 0 to 100 with up to 4 decimals, such as 5, 5% or 0.5%"
_FRACTION_HINT = "write a fraction from 0 to 1 such as 0.002, or a percentage such as 0.2%"


def parse_duration(value: object) -> float:
    """Seconds from `500ms`, `90s`, `2m`, `1h30m`; largest unit first, each at most once.

    Args:
        value: the text as written. A bare 0 needs no unit; any other bare number does.

    Raises:
        PydanticCustomError: it is not a duration, or longer than a week.
    """
    if isinstance(value, int) and value == 0 and not isinstance(value, bool):
        return 0.0
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        raise wrong("a duration needs its unit", f"write {value}s for seconds, {value}m for minutes")
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise wrong("this is not a duration", _DURATION_HINT)
    milliseconds = sum(int(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(value))
    if milliseconds > LONGEST * 1000:
        raise wrong("this is longer than a week", "write at most 7d")
    return milliseconds / 1000


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads back as the same duration (to the millisecond)."""
    rest, parts = round(seconds * 1000), []
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def parse_share(value: object) -> Decimal:
    """Percent of the pool, 0 to 100, up to 4 decimals, from `5`, `5%`, `0.5%`.

    Raises:
        PydanticCustomError: it is not a share.
    """
    percent = _percent(value)
    if percent is None or percent > 100:
        raise wrong("this is not a share", _SHARE_HINT)
    if percent != round(percent, SHARE_DECIMALS):
        raise wrong("this share is finer than a route's weights can keep", _SHARE_HINT)
    return percent.normalize() if percent % 10 else percent.quantize(Decimal(1))


def parse_fraction(value: object) -> float:
    """A fraction of requests from 0 to 1; `0.2%` is 0.002.

    Raises:
        PydanticCustomError: it is not a fraction.
    """
    if isinstance(value, str) and value.endswith("%"):
        percent = _percent(value)
        if percent is not None and percent <= 100:
            return float(percent / 100)
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise wrong("this is not a fraction of requests", _FRACTION_HINT)


def parse_excess(value: object) -> float:
    """A relative tolerance, 0 to 100: 0.5 or `50%` lets the canary be half as bad again as stable.

    Raises:
        PydanticCustomError: it is not a relative tolerance.
    """
    hint = "write 0.5 or 50% to tolerate half as many bad requests again as stable has"
    if isinstance(value, str) and value.endswith("%"):
        percent = _percent(value)
        if percent is not None:
            return float(percent / 100)
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100:
        return float(value)
    raise wrong("this is not a relative tolerance", hint)


def _percent(value: object) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, Decimal):
        return value if value.is_finite() and value >= 0 else None
    if isinstance(value, int | float):
        # repr of a float is the shortest text that reads back: 0.1 stays 0.1.
        value = format(Decimal(repr(value)), "f") if abs(value) < 1e6 else ""
    if not isinstance(value, str) or not (match := _PERCENT.fullmatch(value)):
        return None
    return Decimal(match[1])


def _plain(share: Decimal) -> str:
    return f"{share:f}%"


def _schema(pattern: str, *, number: dict[str, Any] | None, example: str) -> WithJsonSchema:
    text = {"type": "string", "pattern": f"^{pattern}$", "examples": [example]}
    return WithJsonSchema({"anyOf": [number, text]} if number else text)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    _schema(_DURATION_PATTERN, number={"const": 0}, example="1h30m"),
]
"""Seconds, to the millisecond; written with units."""

Share = Annotated[
    Decimal,
    BeforeValidator(parse_share),
    PlainSerializer(_plain, return_type=str),
    _schema(r"[0-9]{1,3}(\.[0-9]{1,4})?\s?%?", number={"type": "number", "minimum": 0, "maximum": 100}, example="5%"),
]
"""Percent of the pool, exact, up to 4 decimals."""

PROMOTION = "promotion"

Place = Annotated[
    Decimal | Literal["promotion"],
    BeforeValidator(lambda value: value if value == PROMOTION else parse_share(value)),
    PlainSerializer(lambda place: place if place == PROMOTION else _plain(place), return_type=str),
    _schema(
        r"([0-9]{1,3}(\.[0-9]{1,4})?\s?%?|promotion)",
        number={"type": "number", "minimum": 0, "maximum": 100},
        example="50%",
    ),
]
"""Where a gate stands: before the step with a share, or before the promotion."""

Fraction = Annotated[
    float,
    BeforeValidator(parse_fraction),
    _schema(r"[0-9]{1,3}(\.[0-9]{1,6})?\s?%", number={"type": "number", "minimum": 0, "maximum": 1}, example="0.2%"),
]
"""A share of requests or a probability, 0 to 1."""

Excess = Annotated[
    float,
    BeforeValidator(parse_excess),
    _schema(r"[0-9]{1,3}(\.[0-9]{1,6})?\s?%", number={"type": "number", "minimum": 0, "maximum": 100}, example="50%"),
]
"""How much more than stable, as a multiple of stable: 0.5 is half as much again."""
