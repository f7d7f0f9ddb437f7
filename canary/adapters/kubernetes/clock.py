"""The API server's clock: anchored once, then monotonic."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from canary.adapters.kubernetes.api import Api
from canary.ports import PortError

RESOLUTION = 1.0
"""Seconds: the Date header has whole ones, cut off (RFC 9110, 5.6.7)."""


class ServerClock:
    """Seconds since the epoch as the API server counts them; never jumps with this machine's wall clock.

    The Date header only says which second it is. When this machine's wall clock agrees with it at the start, that is
    taken as the finer reading of the same time; otherwise the middle of the second is.

    Args:
        api: whose clock; its first answer is the anchor, and is asked for when there was none yet.
        wall: this machine's wall clock, used at the start only.
    """

    def __init__(self, api: Api, *, wall: Callable[[], float] = time.time) -> None:
        self._monotonic = api.pacer.monotonic
        if api.date is None:
            _ask(api)
        here, now = wall(), self._monotonic()
        self._offset = (here if api.date is None else _anchor(api.date, here, now)) - now

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._monotonic() + self._offset

    def monotonic(self) -> float:
        """Seconds from an arbitrary moment."""
        return self._monotonic()


def _anchor(date: tuple[str, float], here: float, now: float) -> float:
    """What the server's clock says at the monotonic time `now`."""
    text, seen = date
    try:
        stamp = parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return here
    earliest = stamp + (now - seen)
    # A tenth for the time between the server's stamp and our reading of it.
    if earliest - 0.1 <= here <= earliest + RESOLUTION + 0.1:
        return here
    return earliest + RESOLUTION / 2


def _ask(api: Api) -> None:
    # Any answer has a Date. Without one this machine's clock must do, and the first real call will say what is wrong.
    with suppress(PortError):
        api.get("/version", doing="asking the API server for its time")


def micro_time(at: float) -> str:
    """Seconds since the epoch as Kubernetes' MicroTime."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: object) -> float | None:
    """A Kubernetes time as seconds since the epoch; None when it is none."""
    if not isinstance(text, str):
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
