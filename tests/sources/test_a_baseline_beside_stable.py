"""What a fresh baseline counts, beside stable's counts and in their place."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.model import Arm, Counts, Look
from analysis.packs import Feed
from analysis.sources import Key, Reading, Role, Sample, Window
from analysis.sources.baseline import MARK, apart, marked, with_baseline
from analysis.sources.read import BothArms, Classifier

SETTINGS = settings(derandomize=True, deadline=None, max_examples=60, database=None)
METRICS = {"errors": False, "latency": True}
BOUNDS = (0.1, 0.5, math.inf)
STEP = st.tuples(*(st.integers(0, 50) for _ in range(6)))


def samples(at: float, totals: dict[str, list[int]], *, named: dict[str, Arm | None]) -> list[Sample]:
    """Counters of each who that is named, as stable's, the canary's or (None) the baseline's."""
    found = []
    for who, arm in named.items():
        total, bad = totals[who]
        keys = {Key("errors", arm or Arm.STABLE, Role.TOTAL): total, Key("errors", arm or Arm.STABLE, Role.BAD): bad}
        keys |= {Key("latency", arm or Arm.STABLE, Role.BUCKET, bound): total for bound in BOUNDS}
        for key, value in keys.items():
            found.append(Sample(marked(key) if arm is None else key, who, at, float(value)))
    return found


def play(steps: list[tuple[int, ...]], metrics: dict[str, bool], named: dict[str, Arm | None]) -> list[Look]:
    window, totals = Window(metrics=metrics, every=1.0), {who: [0, 0] for who in ("shop", "canary", "fresh")}
    looks = []
    for second, step in enumerate([(0,) * 6, *steps]):
        for index, who in enumerate(totals):
            good, bad = step[2 * index : 2 * index + 2]
            totals[who][0] += good + bad
            totals[who][1] += bad
        at = 1000.0 + second
        found = window.advance(Reading(at=at, samples=tuple(samples(at, totals, named=named))))
        looks += [found] if isinstance(found, Look) else []
    return looks


@SETTINGS
@given(steps=st.lists(STEP, min_size=1, max_size=5))
def test_either_of_the_two_is_the_look_that_it_would_be_alone(steps: list[tuple[int, ...]]) -> None:
    three: dict[str, Arm | None] = {"shop": Arm.STABLE, "canary": Arm.CANARY, "fresh": None}
    looks = play(steps, with_baseline(METRICS), three)
    without = play(steps, METRICS, {"shop": Arm.STABLE, "canary": Arm.CANARY})
    instead = play(steps, METRICS, {"fresh": Arm.STABLE, "canary": Arm.CANARY})
    assert len(looks) == len(steps)
    for step, look, alone, fresh in zip(steps, looks, without, instead, strict=True):
        for compared, wanted in ((False, alone), (True, fresh)):
            found, old = apart(look, compared=compared)
            assert found.counts == wanted.counts
            assert (found.start, found.end) == (wanted.start, wanted.end)
            assert old == sum(step[:2]) + sum(step[4:])


def test_a_baseline_that_was_never_seen_had_no_requests_on_the_bounds_of_the_canary() -> None:
    seen = Counts(total=7, buckets=((0.1, 3), (math.inf, 7)))
    counts = {
        "latency": {Arm.STABLE: seen, Arm.CANARY: seen},
        f"{MARK}latency": {Arm.STABLE: Counts(total=0), Arm.CANARY: Counts(total=0)},
    }
    look, old = apart(Look(start=0.0, end=1.0, counts=counts), compared=True)
    assert look.counts["latency"][Arm.STABLE] == Counts(total=0, buckets=((0.1, 0), (math.inf, 0)))
    assert look.counts["latency"][Arm.CANARY] == seen
    assert old == 7


def test_a_bound_that_one_version_does_not_have_is_counted_from_the_one_below() -> None:
    canary, fresh = (
        Counts(total=9, buckets=((0.1, 4), (math.inf, 9))),
        Counts(total=5, buckets=((0.5, 2), (math.inf, 5))),
    )
    counts = {
        "latency": {Arm.STABLE: Counts(total=0), Arm.CANARY: canary},
        f"{MARK}latency": {Arm.STABLE: fresh, Arm.CANARY: Counts(total=0)},
    }
    look, _ = apart(Look(start=0.0, end=1.0, counts=counts), compared=True)
    assert look.counts["latency"] == {
        Arm.STABLE: Counts(total=5, buckets=((0.1, 0), (0.5, 2), (math.inf, 5))),
        Arm.CANARY: Counts(total=9, buckets=((0.1, 4), (0.5, 4), (math.inf, 9))),
    }


def test_a_series_that_counts_for_stable_and_for_the_baseline_is_refused() -> None:
    both = Feed(family="requests_total", where=(("service", "shop.*"),), key=Key("errors", Arm.STABLE, Role.TOTAL))
    fresh = Feed(family="requests_total", where=(("service", "shop-baseline"),), key=marked(both.key))
    classifier = Classifier((both, fresh))
    assert classifier.keys("requests_total", {"service": "shop"}) == (both.key,)
    with pytest.raises(BothArms, match="make the selectors tell the arms apart"):
        classifier.keys("requests_total", {"service": "shop-baseline"})
