"""The note about the original weights: what it says is read back, and what is damaged is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from strategies import Malformed, NoRoom, Original, RefId, choose
from strategies.route.original import ANNOTATION_LIMIT, RULES_LIMIT, OriginalRule
from tests.strategies.small import POOL, ref

RULE = OriginalRule(key="name:main", factor=7, weights=((POOL.stable, 9), (RefId("Service", "", "shop", "b", None), 0)))
REF: list[Any] = ["Service", "", "shop", "app", 80]


@pytest.mark.parametrize("pool", [POOL, None])
def test_a_note_is_read_back_as_it_was_also_an_older_one_that_does_not_say_whose_traffic_it_is(pool: Any) -> None:
    original = Original(rules=(RULE,), pool=pool)
    assert Original.decode(json.loads(original.text())) == original
    assert ("pool" in original.encode()) is (pool is not None)


def test_a_note_may_be_as_long_as_an_annotation_of_ours_and_no_longer() -> None:
    def noted(length: int) -> str:
        return Original(rules=(OriginalRule(key="k" * length, factor=1, weights=()),)).text()

    most = ANNOTATION_LIMIT - len(noted(0))
    assert len(noted(most)) == ANNOTATION_LIMIT
    with pytest.raises(NoRoom):
        noted(most + 1)


def note(**changes: Any) -> dict[str, Any]:
    return {"rules": [{"key": "name:main", "factor": 2, "weights": [[*REF, 9]], **changes}]}


def test_the_least_numbers_are_read() -> None:
    original = Original.decode(note(factor=1, weights=[["Service", "", "shop", "app", 0, 0]]))
    assert original.rules[0] == OriginalRule(
        key="name:main", factor=1, weights=((RefId("Service", "", "shop", "app", 0), 0),)
    )


@pytest.mark.parametrize(
    "changes",
    [
        *({"factor": value} for value in (True, 0, -1, 1.0, "1", None)),
        *({"weights": [[*REF, value]]} for value in (True, False, -1, 9.0, "9")),
        *({"weights": [[*REF[:-1], value, 9]]} for value in (True, False, -1, "80")),
        {"key": 3},
        {"weights": [[]]},
        {"weights": [REF]},
        {"weights": 7},
    ],
)
def test_a_note_with_something_else_in_it_is_damaged(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match="damaged"):
        Original.decode(note(**changes))


@pytest.mark.parametrize("pool", [None, [], [REF], [REF, REF, REF], "ab", [REF, ["Service", "", "shop", 3, 80]]])
def test_a_pool_with_something_else_in_it_is_damaged(pool: Any) -> None:
    with pytest.raises(Malformed, match="damaged"):
        Original.decode({**note(), "pool": pool})


@pytest.mark.parametrize(("many", "taken"), [(RULES_LIMIT, True), (RULES_LIMIT + 1, False)])
def test_more_rules_than_can_be_noted_are_refused_before_they_are_gone_through(many: int, taken: bool) -> None:
    named = [{"name": f"r{number}", "backendRefs": [ref("app", 9)]} for number in range(many)]
    others = [{"name": f"o{number}", "backendRefs": [ref("help", 1)]} for number in range(2 * RULES_LIMIT)]
    route = {"metadata": {"name": "front", "namespace": "shop"}, "spec": {"rules": [*named, *others]}}
    if taken:
        assert len(choose(route, POOL, selectors=None, shares=[Decimal(50)]).rules) == many
        return
    with pytest.raises(NoRoom, match="choose fewer rules"):
        choose(route, POOL, selectors=None, shares=[Decimal(50)])
