"""Shares as integers: within 1 % of themselves, by the smallest factor there is, or refused."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from strategies import NoRoom, Rule, canary_weight, rules_of
from strategies.route.weights import ERROR_LIMIT, factor_for, rounding_error

SETTINGS = settings(derandomize=True, deadline=None, max_examples=150, database=None)
SHARES = st.one_of(
    st.integers(1, 999_999).map(lambda number: Decimal(number) / 10_000), st.integers(1, 99).map(Decimal)
)


def rule(*weights: int) -> Rule:
    refs = [{"name": f"n{index}", "port": 1, "weight": weight} for index, weight in enumerate(weights)]
    return rules_of({"metadata": {"name": "r"}, "spec": {"rules": [{"backendRefs": refs}]}})[0]


@SETTINGS
@given(pool=st.integers(2, 1_000_000), share=SHARES)
def test_a_share_is_neither_nothing_nor_the_whole_pool(pool: int, share: Decimal) -> None:
    weight = canary_weight(pool, share)
    assert 1 <= weight <= pool - 1
    exact = Fraction(share) / 100 * pool
    assert abs(weight - exact) <= Fraction(1, 2) or weight in {1, pool - 1}
    assert rounding_error(pool, share) == abs(weight - exact) / exact


@pytest.mark.parametrize("pool", [0, 1, 2, 10, 1_000_000])
def test_nothing_is_nothing_and_all_is_all(pool: int) -> None:
    assert canary_weight(pool, Decimal(0)) == 0
    assert canary_weight(pool, Decimal(100)) == pool
    assert rounding_error(pool, Decimal(0)) == 0


@pytest.mark.parametrize("share", ["0.0001", "50", "99.9999"])
@pytest.mark.parametrize("pool", [0, 1])
def test_a_pool_that_cannot_be_split_stays_with_stable_and_says_how_far_off_that_is(pool: int, share: str) -> None:
    assert canary_weight(pool, Decimal(share)) == 0
    assert rounding_error(pool, Decimal(share)) == 1


def test_a_pool_without_weight_does_not_express_all() -> None:
    assert rounding_error(0, Decimal(100)) == 1


@SETTINGS
@example(pool=7, other=7, shares=[Decimal("0.0001")])  # 142,857 is the only factor, and no power of ten
@example(pool=1, other=1, shares=[Decimal("99.5")])  # 1 of 1 is within 1 %, and leaves stable nothing
@given(
    pool=st.one_of(st.integers(1, 100), st.integers(300, 1_000_000)),
    other=st.integers(0, 1_000_000),
    shares=st.lists(SHARES, min_size=1, max_size=4),
)
def test_the_factor_is_the_smallest_that_keeps_every_share(pool: int, other: int, shares: list[Decimal]) -> None:
    def keeps(factor: int) -> bool:
        return all(rounding_error(pool * factor, share) <= ERROR_LIMIT for share in shares)

    most = 1_000_000 // max(pool, other)
    try:
        found = factor_for(rule(pool, other), pool, [Decimal(0), *shares, Decimal(100)])
    except NoRoom as refusal:
        said = str(refusal)
    else:
        assert found <= most
        assert keeps(found)
        assert not any(keeps(factor) for factor in range(max(1, found - 300), found))
        return
    assert f"{min(shares).normalize():f} %" in said
    assert not any(keeps(factor) for factor in {*range(1, min(most, 300) + 1), *range(max(1, most - 300), most + 1)})


def test_weights_beyond_the_limit_are_refused_with_the_number() -> None:
    with pytest.raises(NoRoom, match="weight of 1000001; weights end at 1000000"):
        factor_for(rule(1, 1_000_001), 1, [Decimal(50)])


def test_a_bake_alone_needs_no_factor() -> None:
    arguments: Any = (rule(1), 1, [Decimal(100)])
    assert factor_for(*arguments) == 1
