"""When there is a look: stale and late samples, arms that are behind, changes of the share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.model import Arm, Look
from analysis.sources import ROUTE, Key, NoLook, Reading, Role, Sample, Trouble
from tests.sources.worlds import (
    CALM,
    both,
    counted,
    errors,
    simple,
)


@pytest.mark.parametrize("trouble", list(Trouble))
def test_a_reading_that_failed_is_no_look_and_no_loss(trouble: Trouble) -> None:
    window = simple()
    window.advance(both(100, 10, 10))
    result = window.advance(Reading(at=105, trouble=trouble, sentence="why"))
    assert result == NoLook(missed=True, code=trouble, sentence="why")
    assert counted(window, both(110, 30, 15)) == (20, 5, 0)


def test_an_answer_without_the_series_is_missed() -> None:
    result = simple().advance(Reading(at=100))
    assert isinstance(result, NoLook)
    assert (result.missed, result.code) == (True, Trouble.ABSENT)


def test_old_samples_are_stale_but_not_before_the_pace_they_come_at() -> None:
    window = simple(every=10.0)
    minute = [both(time, time, time).samples for time in (40, 100)]
    window.advance(Reading(at=101, samples=minute[0] + minute[1]))
    # Scraped once a minute and read every ten seconds: 59 s without a new sample is how it must be.
    waiting = window.advance(Reading(at=159, samples=minute[0] + minute[1]))
    assert isinstance(waiting, NoLook)
    assert (waiting.missed, waiting.code) == (False, "SAME")
    stale = window.advance(Reading(at=100 + 3 * 60 + 2, samples=minute[0] + minute[1]))
    assert isinstance(stale, NoLook)
    assert (stale.missed, stale.code) == (True, Trouble.STALE)


def test_another_value_at_the_same_time_is_not_a_new_sample() -> None:
    window = simple()
    window.advance(both(100, 10, 10))
    result = window.advance(both(100, 500, 500))
    assert isinstance(result, NoLook)
    assert result.code == "SAME"
    assert counted(window, both(105, 12, 11)) == (2, 1, 0)


def test_a_late_sample_alone_makes_no_look_and_is_counted_in_the_next() -> None:
    window = simple()
    window.advance(both(100, 10, 10))
    late = errors(Arm.CANARY, Role.BAD, 2, 99, "late")
    result = window.advance(both(100, 10, 10, late, at=101))
    assert isinstance(result, NoLook)
    assert (result.missed, result.code) == (False, "SAME")
    assert counted(window, both(105, 12, 14, late)) == (2, 4, 2)


def test_a_route_that_goes_on_does_not_hide_arms_that_stopped() -> None:
    window = simple(every=5.0)
    route = Key(ROUTE, None, Role.TOTAL)
    window.advance(both(100, 10, 10, Sample(route, "r", 100, 20)))
    soon = window.advance(both(100, 10, 10, Sample(route, "r", 105, 30), at=105))
    assert isinstance(soon, NoLook)
    assert (soon.missed, soon.code) == (False, "SAME")
    late = window.advance(both(100, 10, 10, Sample(route, "r", 130, 90), at=130))
    assert isinstance(late, NoLook)
    assert (late.missed, late.code) == (True, Trouble.STALE)


def test_an_arm_that_is_behind_delays_the_look_and_loses_nothing() -> None:
    window = simple(every=15.0)
    window.advance(both(100, 10, 10))
    ahead = (errors(Arm.STABLE, Role.TOTAL, 20, 130), errors(Arm.CANARY, Role.TOTAL, 11, 110))
    result = window.advance(Reading(at=130, samples=ahead))
    assert isinstance(result, NoLook)
    assert (result.missed, result.code) == (False, "UNALIGNED")
    assert counted(window, both(135, 25, 15)) == (15, 5, 0)


def test_an_arm_that_stays_behind_is_missed() -> None:
    window = simple(every=5.0)
    window.advance(both(100, 10, 10))
    for time in (105.0, 110.0, 115.0, 120.0):
        result = window.advance(
            Reading(
                at=time, samples=(errors(Arm.STABLE, Role.TOTAL, time, time), errors(Arm.CANARY, Role.TOTAL, 10, 100))
            )
        )
    assert isinstance(result, NoLook)
    assert (result.missed, result.code) == (True, Trouble.STALE)
    assert "canary" in result.sentence


# Changes of the share ---------------------------------------------------------------------------------------------


@given(
    changes=st.lists(st.integers(1, 199), max_size=4).map(sorted),
    scrapes=st.lists(st.integers(1, 200), min_size=2, max_size=8, unique=True).map(sorted),
)
@CALM
def test_exactly_the_looks_that_hold_a_change_are_marked(changes: list[int], scrapes: list[int]) -> None:
    """However many changes there are between two samples, and however late the samples are seen."""
    window = simple(every=100.0)
    window.advance(both(0.0, 0, 0))
    left = list(changes)
    for number, scrape in enumerate(scrapes):
        seen = scrapes[number + 1] if number + 1 < len(scrapes) else 200
        while left and left[0] <= seen:
            window.share_changed(left.pop(0) + 0.5)
        look = window.advance(both(float(scrape), scrape, scrape, at=float(seen)))
        assert isinstance(look, Look)
        assert look.spans_change == any(look.start <= change + 0.5 <= look.end for change in changes)


def test_a_change_in_what_the_faster_arm_already_counted_marks_the_look() -> None:
    window = simple(every=15.0)
    window.advance(both(100, 10, 10))
    window.share_changed(119.0)
    ahead = (errors(Arm.STABLE, Role.TOTAL, 30, 120), errors(Arm.CANARY, Role.TOTAL, 11, 118))
    look = window.advance(Reading(at=120, samples=ahead))
    assert isinstance(look, Look)
    assert look.spans_change
    after = window.advance(both(135, 40, 20))
    assert isinstance(after, Look)
    assert after.spans_change, "the other arm's part of it"


@pytest.mark.parametrize("back", [121.0, 600.0])
def test_samples_of_a_clock_that_was_set_back_begin_anew_and_count_from_there(back: float) -> None:
    window = simple()
    window.advance(both(1000, 10, 10))
    assert counted(window, both(1005, 20, 12)) == (10, 2, 0)
    window.share_changed(1006)
    begun = window.advance(both(1005 - back, 30, 14))
    assert isinstance(begun, NoLook)
    assert (begun.missed, begun.code) == (False, "FIRST")
    assert counted(window, both(1010 - back, 45, 19)) == (15, 5, 0)
    # The change of before lies in no time to come.
    for second in range(1015 - int(back), 1020, 5):
        look = window.advance(both(second, second, second))
        assert isinstance(look, Look)
        assert not look.spans_change


def test_samples_a_little_behind_the_last_look_are_no_news_and_count_nothing_twice() -> None:
    """Two replicas of Prometheus answer in turn."""
    window = simple()
    window.advance(both(1000, 10, 10))
    assert counted(window, both(1200, 50, 20)) == (40, 10, 0)
    late = window.advance(both(1080, 30, 15))
    assert isinstance(late, NoLook)
    assert counted(window, both(1210, 52, 21)) == (2, 1, 0)
