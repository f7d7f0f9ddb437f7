"""Looks are as close as asked while a step is young, and never more than the record can hold."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from strategies.pacing import MOST_LOOKS, interval, young

EVERY = st.floats(0.25, 60)
LENGTHS = st.lists(st.floats(1, 20_000), min_size=1, max_size=12)
ROUNDING = 6
"""Looks are whole: a step takes its first and last one, and a half for each unit of the logarithm, more than the sum
of logarithms says."""


def looks(lengths: list[float], *, every: float, k: float) -> int:
    count = 0
    for length in lengths:
        age = 0.0
        while age < length:
            age += interval(age, every=every, k=k)
            count += 1
    return count


@given(every=EVERY, lengths=LENGTHS)
def test_however_the_time_is_spent_the_looks_are_bounded(every: float, lengths: list[float]) -> None:
    k = young(every=every, lasts=sum(lengths), steps=len(lengths))
    assert looks(lengths, every=every, k=k) <= MOST_LOOKS + ROUNDING * len(lengths)


@given(every=EVERY, steps=st.integers(1, 12), factor=st.floats(1.01, 50))
def test_equal_steps_use_what_there_is(every: float, steps: int, factor: float) -> None:
    lengths = [MOST_LOOKS * every * factor / steps] * steps
    k = young(every=every, lasts=sum(lengths), steps=steps)
    assert looks(lengths, every=every, k=k) >= 0.9 * MOST_LOOKS - ROUNDING * steps


@given(every=EVERY, age=st.floats(0, 1e6), k=st.floats(1, 3000))
def test_never_closer_than_asked_and_never_further_for_a_younger_step(every: float, age: float, k: float) -> None:
    wanted = interval(age, every=every, k=k)
    assert wanted >= every
    assert interval(age / 2, every=every, k=k) <= wanted
    assert age > k * every or wanted == every


def test_a_release_that_fits_is_looked_at_as_asked() -> None:
    k = young(every=10, lasts=7200, steps=6)
    assert k == inf
    assert interval(7000, every=10, k=k) == 10


def test_a_look_a_second_for_two_hours_in_six_steps() -> None:
    k = young(every=1, lasts=7200, steps=6)
    assert interval(120, every=1, k=k) == 1
    assert 4 < interval(1200, every=1, k=k) < 10
