"""What every fuzzed reader is held to: a value or its own error, within bounded memory and work."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

FUZZ = settings(
    derandomize=True,
    max_examples=50,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)

MIB = 1024 * 1024

ODD = st.sampled_from(
    [
        *("", "0", "-1", "1e400", "-1e400", "NaN", "inf", "9" * 400, "1" * 5000, "0x10", "1_000", "-", "null", "~"),
        *("\x00", "\x1b[2J", "\u202e", "\ud83d\ude00", "\uff41", "\u0130", "'", '"', "\\", "\n", "a" * 2000),
        *("../../etc/passwd", "$arm", "${arm}", "{{ x }}", "{% x %}", "%s%n", "{0.__class__}"),
        *("[" * 200, "{" * 200, "&a [*a]", "!!python/object:os.system"),
    ]
)
"""Texts that some reader somewhere has fallen over."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ODD | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD | st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a value, as the keys that lead to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for key, one in inner for place in places(one, (*here, key)))]


def replaced(value: Any, place: tuple[Any, ...], junk: Any) -> Any:
    """A copy with something else in one place."""
    if not place:
        return junk
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[place[0]] = replaced(copied[place[0]], place[1:], junk)
    return copied


def calls_of(work: Callable[[], Any]) -> int:
    """Calls of Python functions that some work takes: a measure of time that does not depend on the machine."""
    counted = 0

    def count(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal counted
        counted += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(before)
    return counted


def memory_of(work: Callable[[], Any]) -> int:
    """Bytes that some work holds at its highest."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
