"""Durations, shares and fractions: read as people write them, written as they are read."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from canary.spec.quantities import (
    LONGEST,
    format_duration,
    parse_duration,
    parse_excess,
    parse_fraction,
    parse_share,
)

ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.lists(st.integers())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("90s", 90), ("2m", 120), ("1h30m", 5400), ("1d", 86400), ("1m1ms", 60.001), ("0s", 0), (0, 0)],
)
def test_durations_are_read_as_people_write_them(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "s", "5", 5, 1.5, True, "1.5h", "-1s", "+1s", "1 s", "1s1m", "1s1s", "٣s", "8d", "1e3s", None, [], "1s\n"],
)
def test_what_is_no_duration_is_refused_with_what_would_be_right(text: object) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        parse_duration(text)
    assert "write" in (caught.value.context or {})["hint"]


@given(st.integers(min_value=0, max_value=int(LONGEST * 1000)))
def test_a_duration_is_written_as_it_is_read(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


@pytest.mark.parametrize(
    ("text", "share"),
    [(5, "5"), ("5%", "5"), ("0.5%", "0.5"), (0.0001, "0.0001"), ("12.3456", "12.3456"), (100, "100")],
)
def test_shares_are_read_exactly(text: object, share: str) -> None:
    assert parse_share(text) == Decimal(share)
    assert str(parse_share(text)) == share


@pytest.mark.parametrize(
    "text", ["", "five", -1, 100.1, "0.00001", 1e-7, True, "5%%", "٣", float("nan"), float("inf"), []]
)
def test_what_is_no_share_is_refused_with_what_would_be_right(text: object) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        parse_share(text)
    assert "write" in (caught.value.context or {})["hint"]


@given(st.decimals(min_value=0, max_value=100, places=4))
def test_a_share_is_the_same_as_number_text_and_percentage(share: Decimal) -> None:
    assert parse_share(float(share)) == parse_share(f"{share:f}") == parse_share(f"{share:f}%") == share


@given(ANYTHING)
def test_anything_else_is_a_clear_refusal(value: object) -> None:
    for parse in (parse_duration, parse_share, parse_fraction, parse_excess):
        try:
            read = parse(value)
        except PydanticCustomError:
            continue
        assert read >= 0


@pytest.mark.parametrize(("text", "fraction"), [(0.002, 0.002), ("0.2%", 0.002), (1, 1.0), (0, 0.0), ("100%", 1.0)])
def test_fractions_are_numbers_or_percentages(text: object, fraction: float) -> None:
    assert parse_fraction(text) == fraction


@pytest.mark.parametrize("text", ["0.2", 1.1, -0.1, "101%", True, "", float("nan")])
def test_what_is_no_fraction_is_refused(text: object) -> None:
    with pytest.raises(PydanticCustomError):
        parse_fraction(text)
