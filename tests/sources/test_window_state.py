"""The window's state in the journal: goes on alike, small enough, and never half read."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.model import Arm, Look
from analysis.sources import Key, NoLook, Reading, Role, Sample, Window
from tests.sources.worlds import (
    CALM,
    METRICS,
    START,
    fresh,
    readings,
    simple,
)


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
