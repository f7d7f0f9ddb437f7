"""The window: what is counted is what happened, whenever and in whatever order it was read."""

from __future__ import annotations

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from analysis.model import Arm, Look
from analysis.sources import ROUTE, Key, Reading, Role, Sample, Window
from tests.sources.worlds import (
    ALL,
    BOUNDS,
    CALM,
    World,
    both,
    counted,
    errors,
    expected,
    fresh,
    looks_of,
    nothing,
    readings,
    simple,
    summed,
)


@given(seed=st.integers(0, 10**9), gaps=st.booleans())
@CALM
def test_the_sum_of_all_looks_is_what_happened(seed: int, gaps: bool) -> None:
    world, made = readings(seed, gaps=gaps)
    assert nothing(summed(looks_of(fresh(), made))) == nothing(expected(world))


@given(seed=st.integers(0, 10**9))
@CALM
def test_a_proxy_that_begins_again_is_counted_from_zero(seed: int) -> None:
    world = World(seed, resets=False, gaps=False)
    window = fresh()
    looks = looks_of(window, [Reading(at=world.time, samples=tuple(world.scrape(whole=True)))])
    for _ in range(10):
        world.step()
        for series in ALL:
            # A restart right after a scrape: nothing is lost, and the counter must not be taken for a shrunk one.
            if world.counters.get(series, 0.0) > 1000 and world.chance.random() < 0.3:
                looks += looks_of(window, [Reading(at=world.time, samples=tuple(world.scrape()))])
                for what in (series, *((series, bound) for bound in BOUNDS)):
                    world.counters[what] = 0.0
                world._serve(series, world.chance.randrange(1, 5))
                world.time += 1.0
        looks += looks_of(window, [Reading(at=world.time, samples=tuple(world.scrape(whole=True)))])
    counted, true = summed(looks), expected(world)
    for arm in Arm:
        assert counted[arm, "total"] == true[arm, "total"]
        assert counted[arm, "bad"] == true[arm, "bad"]


@given(seed=st.integers(0, 10**9), resets=st.booleans())
@CALM
def test_overlap_order_and_repetition_change_nothing(seed: int, resets: bool) -> None:
    """As Prometheus gives it: every reading holds the last two minutes again, in no promised order."""
    _, made = readings(seed, resets=resets, gaps=True)
    chance = random.Random(seed)
    doubled = []
    for number, reading in enumerate(made):
        past = [one for earlier in made[:number] if reading.at - earlier.at <= 120 for one in earlier.samples]
        everything = [*past, *reading.samples, *chance.sample(reading.samples, len(reading.samples) // 2)]
        chance.shuffle(everything)
        doubled.append(Reading(at=reading.at, samples=tuple(everything)))
    plain, thick = fresh(), fresh()
    assert summed(looks_of(plain, made)) == summed(looks_of(thick, doubled))


@given(seed=st.integers(0, 10**9))
@CALM
def test_no_look_overlaps_another_and_each_has_a_new_sample(seed: int) -> None:
    _, made = readings(seed, gaps=True)
    again = [one for reading in made for one in (reading, reading, reading)]
    looks = looks_of(fresh(), again)
    assert len(looks) <= len(made)
    for earlier, later in itertools.pairwise(looks):
        assert earlier.start < earlier.end == later.start < later.end


def test_a_series_there_at_the_first_look_counts_from_its_first_value() -> None:
    window = simple()
    window.advance(both(100, 5000, 70))
    assert counted(window, both(105, 5010, 71)) == (10, 1, 0)


def test_a_series_born_later_counts_from_zero() -> None:
    window = simple()
    window.advance(both(100, 5000, 70))
    first_error = errors(Arm.CANARY, Role.BAD, 3, 105)
    assert counted(window, both(105, 5010, 80, first_error)) == (10, 10, 3)


def test_a_first_reading_in_disorder_begins_at_its_newest_samples() -> None:
    window = simple()
    newest, older = both(100, 5000, 70), both(90, 4000, 60)
    window.advance(Reading(at=100, samples=newest.samples + older.samples))
    assert counted(window, both(105, 5001, 70)) == (1, 0, 0)


def test_a_reset_counts_from_zero_and_is_told() -> None:
    window = simple()
    window.advance(both(100, 5000, 70))
    look = window.advance(both(105, 4, 75))
    assert isinstance(look, Look)
    assert look.counts["errors"][Arm.STABLE].total == 4
    assert [note.said for note in look.notes] == ["1 counter began again: a proxy restarted"]


def test_a_series_that_comes_back_after_it_was_forgotten_is_not_born() -> None:
    window = simple()
    far = errors(Arm.CANARY, Role.BAD, 900_000, 100, "far")
    window.advance(both(100, 5000, 70, far))
    time = 100.0
    while time < 2000:
        time += 100
        window.advance(both(time, 5000 + time, 70 + time))
    window = Window(metrics={"errors": False}, every=5.0, state=window.encode())
    back = errors(Arm.CANARY, Role.BAD, 900_500, time + 5, "far")
    assert counted(window, both(time + 5, 5000 + time, 80 + time, back)) == (0, 10, 0)
    more = errors(Arm.CANARY, Role.BAD, 900_502, time + 10, "far")
    assert counted(window, both(time + 10, 5000 + time, 90 + time, more)) == (0, 10, 2)


def test_an_arm_without_series_had_no_requests() -> None:
    window = simple()
    window.advance(Reading(at=100, samples=(errors(Arm.STABLE, Role.TOTAL, 10, 100),)))
    assert counted(window, Reading(at=105, samples=(errors(Arm.STABLE, Role.TOTAL, 14, 105),))) == (4, 0, 0)


def test_requests_that_reached_no_arm_are_seen_on_the_route() -> None:
    window = simple()
    route = Key(ROUTE, None, Role.TOTAL)
    window.advance(both(100, 10, 10, Sample(route, "r", 100, 20)))
    look = window.advance(both(105, 11, 10, Sample(route, "r", 105, 24)))
    assert isinstance(look, Look)
    assert look.route is not None
    assert look.route.total == 4
