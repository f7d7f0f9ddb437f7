"""Plans ascend, stay between 0 and 100, end where they were told to, and refuse the rest with a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies import Plan, Step, explicit, exponential, linear
from strategies.plan import MOST_STEPS, PRECISION

SETTINGS = settings(derandomize=True, deadline=None, max_examples=150, database=None)
SHARES = st.integers(1, 999_999).map(lambda number: number * PRECISION)
HOLD: dict[str, Any] = {"hold_min": 60.0, "hold_max": 600.0}
ANYTHING = st.one_of(
    SHARES, st.decimals(), st.sampled_from(["9e999999", "1e-999999", "1.00000001", "0", "-1"]).map(Decimal)
)


def check(plan: Plan, first: Decimal, last: Decimal) -> None:
    assert 1 <= len(plan) <= MOST_STEPS
    assert all(before.share < after.share for before, after in pairwise(plan))
    assert all(0 < step.share < 100 and step.share == step.share.quantize(PRECISION) for step in plan)
    assert plan[-1].share == last
    assert plan[0].share == first
    assert all((step.hold_min, step.hold_max) == (60.0, 600.0) for step in plan)


@SETTINGS
@given(ends=st.tuples(SHARES, SHARES).map(sorted), by=SHARES)
def test_linear_plans_add_the_same_in_every_step_but_the_last(ends: list[Decimal], by: Decimal) -> None:
    first, last = ends
    if (last - first) / by > MOST_STEPS - 1:
        with pytest.raises(ValueError, match="100 steps"):
            linear(first=first, by=by, last=last, **HOLD)
        return
    plan = linear(first=first, by=by, last=last, **HOLD)
    check(plan, first, last)
    assert all(after.share - before.share == by for before, after in pairwise(plan[:-1]))
    assert len(plan) < 2 or plan[-1].share - plan[-2].share <= by


@SETTINGS
@given(
    ends=st.tuples(SHARES, SHARES).map(sorted),
    factor=st.one_of(st.integers(105, 1000).map(lambda number: Decimal(number) / 100), st.just(Decimal(2))),
)
def test_exponential_plans_multiply_the_first_share_again_and_again(ends: list[Decimal], factor: Decimal) -> None:
    first, last = ends
    try:
        plan = exponential(first=first, factor=factor, last=last, **HOLD)
    except ValueError as refusal:
        said = str(refusal)
    else:
        check(plan, first, last)
        powers = [Fraction(first) * Fraction(factor) ** power for power in range(400)]
        for step in plan[:-1]:
            assert any(abs(Fraction(step.share) - power) <= Fraction(PRECISION) / 2 for power in powers)
        return
    assert "100 steps" in said
    distinct = {round(Fraction(first) * Fraction(factor) ** power, 4) for power in range(MOST_STEPS**2)[:400]}
    assert sum(share < last for share in distinct) >= MOST_STEPS


def test_the_default_plans_are_what_their_description_says() -> None:
    shares = [
        str(step.share.normalize())
        for step in exponential(first=Decimal(1), factor=Decimal(2), last=Decimal(50), **HOLD)
    ]
    assert shares == ["1", "2", "4", "8", "16", "32", "5E+1"]
    assert [step.share for step in linear(first=Decimal(5), by=Decimal(15), last=Decimal(50), **HOLD)] == [
        5,
        20,
        35,
        50,
    ]


@SETTINGS
@given(first=ANYTHING, by=ANYTHING, last=ANYTHING)
def test_parameters_that_make_no_plan_are_refused_with_a_sentence(first: Decimal, by: Decimal, last: Decimal) -> None:
    makers: list[Callable[[], Plan]] = [
        lambda: linear(first=first, by=by, last=last, **HOLD),
        lambda: exponential(first=first, factor=by, last=last, **HOLD),
    ]
    for make in makers:
        try:
            plan = make()
        except ValueError as refusal:
            said = str(refusal)
        else:
            check(plan, first, last)
            continue
        assert len(said.split()) > 4


def test_a_factor_next_to_one_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="more than 100 steps"):
        exponential(first=Decimal(1), factor=Decimal("1.0000000001"), last=Decimal(50), **HOLD)


@pytest.mark.parametrize(
    ("share", "hold_min", "hold_max"),
    [
        *((share, 1, 2) for share in ("0", "100", "-1", "nan", "inf", "1.00001", "1e999")),
        *(("1", low, high) for low, high in ((2, 1), (-1, 1), (math.nan, 1), (1, math.nan), (1, math.inf))),
    ],
)
def test_a_step_that_cannot_be_taken_is_refused(share: str, hold_min: float, hold_max: float) -> None:
    with pytest.raises(ValueError, match=r"share|hold"):
        Step(share=Decimal(share), hold_min=hold_min, hold_max=hold_max)


@SETTINGS
@given(shares=st.lists(SHARES, max_size=5))
def test_explicit_plans_are_taken_as_written_or_not_at_all(shares: list[Decimal]) -> None:
    steps = [Step(share=share, **HOLD) for share in shares]
    if shares and all(before < after for before, after in pairwise(shares)):
        assert explicit(iter(steps)) == tuple(steps)
    else:
        with pytest.raises(ValueError, match=r"ascend|1 to 100 steps"):
            explicit(steps)


def test_a_plan_may_have_as_many_steps_as_the_journal_can_hold_and_no_more() -> None:
    steps = [Step(share=Decimal(number) / 10, **HOLD) for number in range(1, MOST_STEPS + 2)]
    assert len(explicit(steps[:-1])) == MOST_STEPS
    with pytest.raises(ValueError, match="got 101"):
        explicit(steps)
