"""The window: what is counted is what happened, whenever and in whatever order it was read."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.model import Arm, Look
from analysis.sources import ROUTE, Key, NoLook, Reading, Role, Sample, Trouble, Window

CALM = settings(derandomize=True, deadline=None, max_examples=150)
METRICS = {"errors": False, "latency": True}
BOUNDS = (0.1, 0.5, float("inf"))
START = 1_000_000.0

# A series as a gateway has it: (arm, status code, proxy).
Series = tuple[Arm, str, str]
ALL: tuple[Series, ...] = tuple((arm, code, proxy) for arm in Arm for code in ("200", "500") for proxy in ("a", "b"))


def samples_of(series: Series, counters: dict[Any, float], time: float) -> list[Sample]:
    """As the classifier makes them: one series feeds several numbers."""
    arm, code, proxy = series
    name = f"{proxy}|code={code},service={arm}"
    roles = [Role.TOTAL, Role.BAD] if code == "500" else [Role.TOTAL]
    found = [Sample(Key("errors", arm, role), name, time, counters[series]) for role in roles]
    return found + [
        Sample(Key("latency", arm, Role.BUCKET, bound), name, time, counters[series, bound]) for bound in BOUNDS
    ]


class World:
    """Counters that grow, are born, vanish, and begin again; and (without resets) what should have been counted."""

    def __init__(self, seed: int, *, resets: bool, gaps: bool) -> None:
        self.chance = random.Random(seed)
        self.resets, self.gaps = resets, gaps
        self.time = START
        self.counters: dict[Any, float] = {}
        self.truth: Counter[Any] = Counter()
        for series in ALL:
            # Something is there at the first look: before that a release does not begin.
            if series == ALL[0] or self.chance.random() < 0.4:
                self._serve(series, self.chance.randrange(1, 50_000), judged=False)

    def _serve(self, series: Series, requests: int, *, judged: bool = True) -> None:
        fast = self.chance.randint(0, requests)
        medium = self.chance.randint(fast, requests)
        grown: dict[Any, int] = {
            series: requests,
            **dict(zip([(series, b) for b in BOUNDS], (fast, medium, requests), strict=True)),
        }
        for what, more in grown.items():
            self.counters[what] = self.counters.get(what, 0.0) + more
            if judged:
                self.truth[what] += more

    def step(self) -> None:
        self.time += self.chance.choice((1.0, 5.0, 15.0))
        for series in ALL:
            if self.resets and series in self.counters and self.chance.random() < 0.1:
                for what in (series, *((series, bound) for bound in BOUNDS)):
                    self.counters[what] = 0.0
            if self.chance.random() < 0.6:
                self._serve(series, self.chance.randrange(1, 200))

    def scrape(self, *, whole: bool = False) -> list[Sample]:
        found = []
        for series in ALL:
            if series in self.counters and (whole or not self.gaps or self.chance.random() < 0.8):
                found += samples_of(series, self.counters, self.time)
        return found


def summed(looks: list[Look]) -> Counter[Any]:
    total: Counter[Any] = Counter()
    for look in looks:
        for arm in Arm:
            total[arm, "total"] += look.counts["errors"][arm].total
            total[arm, "bad"] += look.counts["errors"][arm].bad
            for bound, count in look.counts["latency"][arm].buckets:
                total[arm, bound] += count
    return total


def expected(world: World) -> Counter[Any]:
    total: Counter[Any] = Counter()
    for what, count in world.truth.items():
        if what in ALL:
            arm, code, _ = what
            total[arm, "total"] += count
            total[arm, "bad"] += count if code == "500" else 0
        else:
            (arm, _, _), bound = what
            total[arm, bound] += count
    return total


def nothing(counts: Counter[Any]) -> dict[Any, int]:
    return {key: count for key, count in counts.items() if count}


def readings(seed: int, *, resets: bool = False, gaps: bool = False, steps: int = 12) -> tuple[World, list[Reading]]:
    world = World(seed, resets=resets, gaps=gaps)
    made = [Reading(at=world.time, samples=tuple(world.scrape(whole=True)))]
    for _ in range(steps):
        world.step()
        made.append(Reading(at=world.time, samples=tuple(world.scrape())))
    world.time += 15.0
    made.append(Reading(at=world.time, samples=tuple(world.scrape(whole=True))))
    return world, made


def looks_of(window: Window, made: list[Reading]) -> list[Look]:
    return [look for reading in made if isinstance(look := window.advance(reading), Look)]


def fresh() -> Window:
    return Window(metrics=METRICS, every=5.0)


# What is counted ------------------------------------------------------------------------------------------------


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


@given(seed=st.integers(0, 10**9), resets=st.booleans())
@CALM
def test_a_window_stored_and_read_back_at_any_moment_goes_on_alike(seed: int, resets: bool) -> None:
    _, made = readings(seed, resets=resets, gaps=True)
    chance = random.Random(seed)
    whole, broken = fresh(), fresh()
    for reading in made:
        if chance.random() < 0.2:
            whole.share_changed(reading.at - 1.0)
            broken.share_changed(reading.at - 1.0)
        one, other = whole.advance(reading), broken.advance(reading)
        if isinstance(one, Look) and isinstance(other, Look):
            # Notes are told once, and need not survive.
            one = Look(**{**_fields(one), "notes": ()})
            other = Look(**{**_fields(other), "notes": ()})
        assert one == other
        if chance.random() < 0.5:
            broken = Window(metrics=METRICS, every=5.0, state=json.loads(json.dumps(broken.encode())))


def _fields(look: Look) -> dict[str, Any]:
    return {name: getattr(look, name) for name in Look.__slots__}


@given(seed=st.integers(0, 10**9))
@CALM
def test_no_look_overlaps_another_and_each_has_a_new_sample(seed: int) -> None:
    _, made = readings(seed, gaps=True)
    again = [one for reading in made for one in (reading, reading, reading)]
    looks = looks_of(fresh(), again)
    assert len(looks) <= len(made)
    for earlier, later in itertools.pairwise(looks):
        assert earlier.start < earlier.end == later.start < later.end


def errors(arm: Arm, role: Role, value: float, time: float, series: str = "s") -> Sample:
    return Sample(Key("errors", arm, role), f"{series}-{arm}-{role}", time, value)


def both(time: float, stable: float, canary: float, *more: Sample, at: float | None = None) -> Reading:
    samples = (errors(Arm.STABLE, Role.TOTAL, stable, time), errors(Arm.CANARY, Role.TOTAL, canary, time), *more)
    return Reading(at=time if at is None else at, samples=samples)


def counted(window: Window, reading: Reading) -> tuple[int, int, int]:
    look = window.advance(reading)
    assert isinstance(look, Look), look
    counts = look.counts["errors"]
    return counts[Arm.STABLE].total, counts[Arm.CANARY].total, counts[Arm.CANARY].bad


def simple(every: float = 5.0) -> Window:
    return Window(metrics={"errors": False}, every=every)


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
    assert look.notes == ("1 counters began again: a proxy restarted",)


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


# What is no look --------------------------------------------------------------------------------------------------


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


# State ------------------------------------------------------------------------------------------------------------


@given(
    st.one_of(
        st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=8), min_size=1, max_size=4),
        st.fixed_dictionaries({"packed": st.text(max_size=40) | st.integers() | st.none() | st.binary(max_size=20)}),
    )
)
@CALM
def test_a_damaged_state_is_said_to_be_damaged(state: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="damaged"):
        Window(metrics=METRICS, every=5.0, state=state)


@given(cut=st.integers(0, 200), what=st.sampled_from("0aZ="))
@CALM
def test_a_torn_state_is_said_to_be_damaged(cut: int, what: str) -> None:
    window = fresh()
    window.advance(readings(7)[1][0])
    packed = window.encode()["packed"]
    torn = packed[:cut] + what + packed[cut + 2 :]
    with pytest.raises(ValueError, match="damaged"):
        Window(metrics=METRICS, every=5.0, state={"packed": torn})


def test_the_state_of_a_common_gateway_fits_into_the_journal() -> None:
    """Ten proxies, four codes, three methods, fourteen bounds: 4,000 numbers in a third of the journal."""
    chance = random.Random(3)
    samples = []
    for proxy in range(10):
        for arm in Arm:
            for code in ("200", "301", "404", "500"):
                for method in ("GET", "POST"):
                    name = f"http://10.1.2.{proxy}:8082|code={code},method={method},service=httproute-shop-{arm}" * 2
                    requests = float(chance.randrange(10**7) if code == "200" else chance.randrange(1000))
                    samples.append(Sample(Key("errors", arm, Role.TOTAL), name, START + proxy / 10, requests))
                    for bound in range(14):
                        value = float(round(requests * bound / 13))
                        samples.append(
                            Sample(Key("latency", arm, Role.BUCKET, bound / 10), name, START + proxy / 10, value)
                        )
    window = fresh()
    window.advance(Reading(at=START, samples=tuple(samples)))
    state = window.encode()
    assert state
    assert len(json.dumps(state)) < 12 * 1024
    assert Window(metrics=METRICS, every=5.0, state=state).encode() == state


def test_a_state_too_large_for_the_journal_is_not_kept_and_the_next_window_begins_anew() -> None:
    chance = random.Random(3)
    samples = tuple(
        Sample(Key("errors", Arm.STABLE, Role.TOTAL), f"s{number}", START, float(chance.randrange(10**9)))
        for number in range(5000)
    )
    window = simple()
    window.advance(Reading(at=START, samples=samples))
    assert window.encode() == {}
    again = Window(metrics={"errors": False}, every=5.0, state=window.encode()).advance(
        Reading(at=START, samples=samples)
    )
    assert isinstance(again, NoLook)
    assert again.code == "FIRST"


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), 1e300])
def test_what_no_counter_can_be_is_no_sample(value: float) -> None:
    with pytest.raises(ValueError, match="a counter cannot be"):
        Sample(Key("errors", Arm.STABLE, Role.TOTAL), "s", START, value)
