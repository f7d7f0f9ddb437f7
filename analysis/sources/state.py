"""The window's state as the journal keeps it: small, because a gateway has many series and a journal 32 KiB.

One row per series and time, with the values of all numbers that it feeds; packed, because raw counters are mostly
zeros and digits. What does not belong here: what a look is (`analysis.sources.window`).
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from analysis.model import Arm
from analysis.sources.model import MOST, Key, Role

LIMIT = 12 * 1024
"""Bytes of the packed state. A gateway of a hundred proxies does not fit; its window begins anew after a restart."""

UNPACKED_LIMIT = 4 * 1024 * 1024
"""Bytes of the unpacked state: what comes from the API server is not trusted to be small."""


@dataclass(slots=True)
class Last:
    """The last sample of one number of one series.

    Attributes:
        time: seconds since the epoch on the sampler's clock.
        value: the raw counter.
    """

    time: float
    value: float


@dataclass(slots=True, kw_only=True)
class State:
    """Everything that a window remembers.

    Attributes:
        series: the last sample of each number of each series, by the series' mark.
        pending: increments since the last look.
        gone: marks of series that were forgotten, oldest first; the values mean nothing.
        end: end of the last look; None before the first reading.
        changes: when the shares changed, as far as no look has passed it yet.
        origins: marks of who was sampled, with the time of the newest sample.
        astray: increments since the last look over which the share changed: in no look but one that holds the change.
            Not journalled, and not missed: they are not judged.
        pods: increments of pods since the last look, by (metric, arm, pod, node): total and bad. Not journalled: after
            a restart the first look knows its pods in part.
    """

    series: dict[tuple[Key, str], Last] = field(default_factory=dict)
    pending: dict[Key, float] = field(default_factory=dict)
    gone: dict[str, None] = field(default_factory=dict)
    end: float | None = None
    changes: list[float] = field(default_factory=list)
    origins: dict[str, float] = field(default_factory=dict)
    astray: dict[Key, float] = field(default_factory=dict)
    pods: dict[tuple[str, Arm, str, str], list[float]] = field(default_factory=dict)


@lru_cache(maxsize=16_384)
def mark(series: str) -> str:
    """A series' identity in 11 characters: 64 bits, so that two of thousands are not confused."""
    return base64.urlsafe_b64encode(blake2b(series.encode("utf-8", "replace"), digest_size=8).digest()).decode()[:11]


def encode(state: State) -> dict[str, Any]:
    """As JSON-able data; empty for a window that has not begun, or that is too large to be kept."""
    if state.end is None:
        return {}
    keys = sorted({key for key, _ in state.series} | set(state.pending), key=_order)
    numbers = {key: index for index, key in enumerate(keys)}
    rows: dict[tuple[str, float], list[tuple[int, float]]] = {}
    for (key, name), last in state.series.items():
        rows.setdefault((name, last.time), []).append((numbers[key], last.value))
    shapes: dict[tuple[int, ...], int] = {}
    packed = []
    for (name, time), values in rows.items():
        values.sort()
        shape = shapes.setdefault(tuple(number for number, _ in values), len(shapes))
        packed.append([name, time, shape, *(_short(value) for _, value in values)])
    document = {
        # JSON has no infinity.
        "keys": [[key.metric, key.arm, key.role, str(key.bound)] for key in keys],
        "shapes": [list(shape) for shape in shapes],
        "rows": packed,
        "pending": [[numbers[key], _short(value)] for key, value in state.pending.items() if value],
        "gone": list(state.gone),
        "end": state.end,
        "changes": state.changes,
        "origins": state.origins,
    }
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    tight = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    return {"packed": tight} if len(tight) <= LIMIT else {}


def decode(packed: Mapping[str, Any]) -> State:
    """The state that `encode` gave.

    Raises:
        ValueError: it is damaged.
    """
    try:
        return _decode(_unpacked(packed["packed"]))
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, RecursionError, zlib.error) as error:
        raise ValueError(f"the window's state is damaged: {error!r}") from error


def _unpacked(text: object) -> Any:
    if not isinstance(text, str):
        raise TypeError("not text")
    try:
        tight = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
    unpacking = zlib.decompressobj()
    body = unpacking.decompress(tight, UNPACKED_LIMIT)
    if not unpacking.eof:
        raise ValueError("torn or too large")
    return json.loads(body)


def _decode(document: Any) -> State:
    keys = [
        Key(str(metric), Arm(arm) if arm else None, Role(role), float(bound))
        for metric, arm, role, bound in document["keys"]
    ]
    state = State(end=_time(document["end"]))
    for name, time, shape, *values in document["rows"]:
        numbers = document["shapes"][shape]
        for number, value in zip(numbers, values, strict=True):
            state.series[_at(keys, number), str(name)] = Last(_time(time), _count(value))
    state.pending = {_at(keys, number): _count(value) for number, value in document["pending"]}
    state.gone = dict.fromkeys(str(name) for name in document["gone"])
    state.changes = [_time(change) for change in document["changes"]]
    # A journal of before has none: whatever is new after it is then no birth, which is the safe side.
    state.origins = {str(name): _time(time) for name, time in document.get("origins", {}).items()}
    return state


def _at(keys: list[Key], number: int) -> Key:
    if number < 0:
        raise IndexError("a negative index")
    return keys[number]


def _time(value: Any) -> float:
    time = float(value)
    if not math.isfinite(time):
        raise ValueError(f"{time} is no time")
    return time


def _count(value: Any) -> float:
    count = float(value)
    if not 0 <= count <= MOST:
        raise ValueError(f"{count} is no count")
    return count


def _short(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _order(key: Key) -> tuple[str, str, str, float]:
    return key.metric, str(key.arm or ""), key.role, key.bound
