"""Bounds are chosen from what stable has shown; a tail of the canary's may be far beyond all of that."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.judge.tests import CLEAN, MOST_BOUNDS, TAIL, choose_bounds

BOUNDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.4, 0.6, 1.0, 2.5, 5.0)


def test_bounds_that_no_request_of_stable_was_over_fill_the_room_that_is_left() -> None:
    chosen = choose_bounds({bound: 120 if bound == 0.005 else 400 for bound in BOUNDS})
    assert len(chosen) == MOST_BOUNDS
    assert [bound for bound, _, confirm in chosen if confirm] == [0.005]
    # A tail of 300 ms is between two of them, so that it is told from what is merely over 10 ms.
    assert any(0.05 <= bound <= 0.3 for bound, _, _ in chosen)


@given(st.lists(st.integers(0, 500), min_size=len(BOUNDS), max_size=len(BOUNDS)))
def test_what_is_chosen_is_ascending_bounded_and_always_holds_a_place_for_a_new_tail(steps: list[int]) -> None:
    total, histogram = 0, {}
    for bound, step in zip(BOUNDS, steps, strict=True):
        total += step
        histogram[bound] = total
    histogram[math.inf] = total
    chosen = choose_bounds(histogram)
    if total < 200:
        assert chosen == ()
        return
    assert [bound for bound, _, _ in chosen] == sorted({bound for bound, _, _ in chosen})
    assert 1 <= len(chosen) <= MOST_BOUNDS
    over = {bound: (total - histogram[bound]) / total for bound in BOUNDS}
    clean = [bound for bound in BOUNDS if over[bound] < TAIL]
    assert clean[0] in {bound for bound, _, _ in chosen}
    for bound, share, _ in chosen:
        expected = over[bound] if over[bound] >= TAIL else max(3 / total, CLEAN)
        assert share == pytest.approx(expected)
    assert any(confirm for _, _, confirm in chosen)
