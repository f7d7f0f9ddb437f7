"""A third reference, to a fresh copy of stable's version: its weights, and what somebody else's hand on them means."""

from __future__ import annotations

import copy
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies import (
    Ambiguous,
    Direction,
    Malformed,
    NoRoom,
    NoSuchRule,
    Original,
    RefId,
    Rule,
    attach,
    baseline_moved,
    baseline_weight,
    canary_weight,
    choose,
    compare,
    detach,
    lower,
    rules_of,
    set_share,
    stamp,
)
from strategies.route.weights import ERROR_LIMIT, factor_for, rounding_error
from tests.strategies.small import BARE, NAMED, Release, ref
from tests.strategies.small import POOL as TWO

POOL = replace(TWO, baseline=RefId("Service", "", "shop", "app-baseline", 80))
SHARES = tuple(map(Decimal, (10, 50, 80, 100)))
SETTINGS = settings(derandomize=True, deadline=None, max_examples=100, database=None)


def rule(*weights: int) -> Rule:
    refs = [{"name": f"n{index}", "port": 1, "weight": weight} for index, weight in enumerate(weights)]
    return rules_of({"metadata": {"name": "r"}, "spec": {"rules": [{"backendRefs": refs}]}})[0]


def begun(kit: Any, *rules: Any) -> tuple[dict[str, Any], Original]:
    route: dict[str, Any] = {
        "metadata": {"name": "front", "namespace": "shop", "resourceVersion": "41"},
        "spec": {"rules": copy.deepcopy(list(rules))},
    }
    original = choose(route, POOL, selectors=None, shares=SHARES)
    notes = stamp(route, token=kit.token, release="r1", original=original)["metadata"]["annotations"]
    route["metadata"]["annotations"] = notes
    return route, original


def at(kit: Any, share: int, *rules: Any) -> tuple[dict[str, Any], Original]:
    route, original = begun(kit, *(rules or (NAMED,)))
    route = kit.apply(route, attach(route, pool=POOL, original=original, token=kit.token))
    return kit.apply(route, raised(kit, route, original, share)), original


def raised(kit: Any, route: Any, original: Original, share: int) -> Any:
    return set_share(route, pool=POOL, original=original, share=Decimal(share), token=kit.token)


def weights(route: Any) -> dict[str, int]:
    return {each["name"]: each["weight"] for each in route["spec"]["rules"][0]["backendRefs"]}


@pytest.mark.parametrize(
    ("share", "pool"), [(10, (80, 10, 10)), (50, (0, 50, 50)), (80, (0, 80, 20)), (100, (0, 100, 0))]
)
def test_it_gets_what_the_canary_gets_or_what_is_left(kit: Any, share: int, pool: tuple[int, int, int]) -> None:
    found = weights(at(kit, share)[0])
    whole = found["app"] + found["app-canary"] + found["app-baseline"]
    assert tuple(100 * found[name] / whole for name in ("app", "app-canary", "app-baseline")) == pool
    assert found["help"] * 9 == whole  # as before: nine to one


def test_all_three_weights_are_one_patch_behind_one_test_of_the_whole_list(kit: Any) -> None:
    route, original = at(kit, 10)
    patch = raised(kit, route, original, 50)
    listed = "/spec/rules/0/backendRefs"
    assert [op["path"] for op in patch if op["op"] == "test"][1:] == ["/spec/rules/0/name", listed]
    assert {op["path"] for op in patch if op["op"] == "add"} == {f"{listed}/{index}/weight" for index in (0, 2, 3)}


def test_a_lowering_takes_both_to_nothing_in_one_write_that_tests_no_weight(kit: Any) -> None:
    route, original = at(kit, 80)
    lowering = lower(route, pool=POOL, original=original, release="r1")
    assert all("weight" not in op["path"] for op in lowering.patch if op["op"] == "test")
    after = kit.apply(route, lowering.patch)
    assert weights(after) == {"app": 90, "help": 10, "app-canary": 0, "app-baseline": 0}


def test_a_lowering_takes_what_the_baseline_was_given_since_it_was_planned(kit: Any) -> None:
    """Found by seed 2411 of the simulation: somebody took its weight, and gave it another one a moment later."""
    route, original = at(kit, 10)
    refs = {each["name"]: each for each in route["spec"]["rules"][0]["backendRefs"]}
    refs["app-baseline"]["weight"] = 0
    lowering = lower(route, pool=POOL, original=original, release="r1")
    refs["app-baseline"]["weight"] = 14
    after = weights(kit.apply(route, lowering.patch))
    assert (after["app-canary"], after["app-baseline"]) == (0, 0)


def test_a_rule_that_somebody_left_to_the_baseline_alone_is_told(kit: Any) -> None:
    route, original = at(kit, 80)
    route["spec"]["rules"][0]["backendRefs"] = [ref("app-baseline", 3)]
    lowering = lower(route, pool=POOL, original=original, release="r1")
    assert lowering.patch == ()
    assert "sends to the baseline but not to stable app:80" in lowering.alarms[0]


def test_the_way_back_removes_both_wherever_they_stand(kit: Any) -> None:
    route, original = at(kit, 50, BARE)
    route["spec"]["rules"][0]["backendRefs"].reverse()
    after = kit.apply(route, detach(route, pool=POOL, original=original, release="r1").patch)
    assert {each["name"] for each in after["spec"]["rules"][0]["backendRefs"]} == {"app", "help"}


def test_a_reference_that_is_missing_is_appended_alone_and_weights_are_not_multiplied_twice(kit: Any) -> None:
    route, original = begun(kit, NAMED)
    route = kit.apply(route, attach(route, pool=POOL, original=original, token=kit.token))
    before = weights(route)
    del route["spec"]["rules"][0]["backendRefs"][-1]
    again = kit.apply(route, attach(route, pool=POOL, original=original, token=kit.token))
    assert weights(again) == before
    assert attach(again, pool=POOL, original=original, token=kit.token) == ()


def test_a_rule_needs_room_for_two_and_none_of_the_two_in_it(kit: Any) -> None:
    full = {"backendRefs": [ref("app", 1), *(ref(f"n{number}") for number in range(14))]}
    with pytest.raises(NoRoom, match="can hold no canary and baseline; 16 is the most"):
        begun(kit, full)
    with pytest.raises(Ambiguous, match=r"already sends to app-baseline:80; .* or leave out the baseline"):
        begun(kit, {"backendRefs": [ref("app", 1), ref("app-baseline", 0)]})


def test_a_rule_with_just_room_for_two_takes_both(kit: Any) -> None:
    route, original = begun(kit, {"backendRefs": [ref("app", 100), *(ref(f"n{number}") for number in range(13))]})
    route = kit.apply(route, attach(route, pool=POOL, original=original, token=kit.token))
    assert [each["name"] for each in route["spec"]["rules"][0]["backendRefs"][14:]] == ["app-canary", "app-baseline"]


def test_the_note_of_a_release_has_all_three_and_none_has_four(kit: Any) -> None:
    _, original = begun(kit, NAMED)
    assert Original.decode(original.encode()) == original
    assert original.pool == POOL
    data = original.encode()
    data["pool"] = [*data["pool"], data["pool"][0]]
    with pytest.raises(Malformed, match="damaged"):
        Original.decode(data)


# Somebody else's hand ------------------------------------------------------------------------------------------


def moved(kit: Any, share: int, weight: int | None) -> tuple[Any, Any, Original]:
    """The route before and after somebody wrote the baseline's weight; None takes the reference out."""
    route, original = at(kit, share)
    edited = copy.deepcopy(route)
    refs = edited["spec"]["rules"][0]["backendRefs"]
    [baseline] = [each for each in refs if each["name"] == "app-baseline"]
    refs.remove(baseline) if weight is None else baseline.update(weight=weight)
    return route, edited, original


@pytest.mark.parametrize(("share", "weight"), [(10, 40), (50, 80), (80, 30), (100, 9)])
def test_more_for_the_baseline_gives_the_canary_less(kit: Any, share: int, weight: int) -> None:
    before, after, original = moved(kit, share, weight)
    change = compare(before, after, pool=POOL, original=original, token=kit.token)
    assert change is not None
    assert change.direction is Direction.LOWERED
    assert f"to {weight}" in change.sentence
    here = [Decimal(share), Decimal(100)]
    assert baseline_moved(before, pool=POOL, original=original, shares=here) == ""
    assert f"a weight of {weight} beside" in baseline_moved(after, pool=POOL, original=original, shares=here)


def test_weight_for_the_baseline_before_the_first_raise_is_no_danger_and_stops_that(kit: Any) -> None:
    route, original = begun(kit, NAMED)
    before = kit.apply(route, attach(route, pool=POOL, original=original, token=kit.token))
    after = copy.deepcopy(before)
    after["spec"]["rules"][0]["backendRefs"][-1]["weight"] = 7
    change = compare(before, after, pool=POOL, original=original, token=kit.token)
    assert change is not None
    assert change.direction is Direction.FOREIGN
    assert "the baseline's weight went from 0 to 7, so no raise follows" in change.sentence
    written = [Decimal(0), Decimal(10)]
    assert baseline_moved(before, pool=POOL, original=original, shares=written) == ""
    assert "a weight of 7 beside" in baseline_moved(after, pool=POOL, original=original, shares=written)


@pytest.mark.parametrize("share", [10, 50, 80])
def test_less_for_the_baseline_gives_the_canary_more_and_is_a_raise(kit: Any, share: int) -> None:
    for weight in (0, None):
        before, after, original = moved(kit, share, weight)
        change = compare(before, after, pool=POOL, original=original, token=kit.token)
        assert change is not None
        assert change.direction is Direction.RAISED


def test_a_reference_without_weight_that_is_taken_out_stops_the_first_raise(kit: Any) -> None:
    before, after, original = moved(kit, 100, None)
    change = compare(before, after, pool=POOL, original=original, token=kit.token)
    assert change is not None
    assert change.direction is Direction.FOREIGN
    assert change.sentence.endswith("so no raise follows")
    assert "no longer sends to the baseline" in baseline_moved(after, pool=POOL, original=original, shares=SHARES)
    with pytest.raises(NoSuchRule, match="no longer sends to the baseline app-baseline:80"):
        raised(kit, after, original, 50)


def test_the_canarys_share_is_judged_by_direction_whatever_the_baseline_has(kit: Any) -> None:
    before, after, original = moved(kit, 10, 40)
    refs = {each["name"]: each for each in after["spec"]["rules"][0]["backendRefs"]}
    refs["app-canary"]["weight"] = 1
    change = compare(before, after, pool=POOL, original=original, token=kit.token)
    assert change is not None
    assert change.direction is Direction.LOWERED


def test_two_without_weight_beside_no_stable_are_no_alarm_when_lowering(kit: Any) -> None:
    route, original = begun(kit, NAMED)
    route = kit.apply(route, attach(route, pool=POOL, original=original, token=kit.token))
    refs = route["spec"]["rules"][0]["backendRefs"]
    refs[:] = [each for each in refs if each["name"] != "app"]
    lowering = lower(route, pool=POOL, original=original, release="r1")
    assert (lowering.patch, lowering.alarms) == ((), ())


def test_without_a_baseline_a_reference_that_has_nothing_is_not_touched_by_a_lowering(release: Release) -> None:
    release.refs().append(ref("app-canary", 0))
    written = [each["path"].split("/")[5] for each in release.lower().patch if each["path"].endswith("/weight")]
    names = [release.refs()[int(index)]["name"] for index in written]
    assert (names, str(len(release.refs()) - 1) in written) == (["app-canary", "app"], False)


def test_what_has_nothing_to_do_with_the_baseline_is_not_laid_to_it(kit: Any) -> None:
    before, original = at(kit, 10)
    after = copy.deepcopy(before)
    after["spec"]["hostnames"] = ["shop.example"]
    change = compare(before, after, pool=POOL, original=original, token=kit.token)
    assert change is not None
    assert change.sentence == "something else in the route changed; the shares stand"


def test_a_chosen_rule_that_went_or_came_back_says_nothing_of_the_baseline(kit: Any) -> None:
    whole, original = at(kit, 10)
    without = copy.deepcopy(whole)
    del without["spec"]["rules"][0]
    gone = compare(whole, without, pool=POOL, original=original, token=kit.token)
    back = compare(without, whole, pool=POOL, original=original, token=kit.token)
    assert gone is not None
    assert back is not None
    assert (gone.direction, back.direction) == (Direction.GONE, Direction.RAISED)
    assert "baseline" not in gone.sentence + back.sentence


# Rounding ------------------------------------------------------------------------------------------------------

PERCENT = st.one_of(
    st.integers(1, 999_999).map(lambda number: Decimal(number) / 10_000), st.integers(1, 99).map(Decimal)
)


@SETTINGS
@given(pool=st.integers(2, 100_000), share=PERCENT)
def test_the_error_is_the_larger_of_the_two(pool: int, share: Decimal) -> None:
    canary = canary_weight(pool, share)
    baseline, wanted = baseline_weight(pool, canary), Fraction(min(share, 100 - share)) / 100 * pool
    assert 0 <= baseline <= pool - canary
    error = rounding_error(pool, share, baseline=True)
    assert error == max(rounding_error(pool, share), abs(baseline - wanted) / wanted)


@SETTINGS
@given(
    pool=st.one_of(st.integers(1, 100), st.integers(300, 1_000_000)),
    shares=st.lists(PERCENT, min_size=1, max_size=4),
)
def test_the_factor_is_the_smallest_that_keeps_every_weight(pool: int, shares: list[Decimal]) -> None:
    def keeps(factor: int) -> bool:
        return all(rounding_error(pool * factor, share, baseline=True) <= ERROR_LIMIT for share in shares)

    most = 1_000_000 // pool
    some = {*range(1, min(most, 300) + 1), *range(max(1, most - 300), most + 1)}
    try:
        found = factor_for(rule(pool, 1), pool, [Decimal(0), *shares, Decimal(100)], baseline=True)
    except NoRoom:
        assert not any(keeps(factor) for factor in some)
        return
    assert found <= most
    assert keeps(found)
    assert not any(keeps(factor) for factor in range(max(1, found - 300), found))


def test_what_is_left_for_the_baseline_decides_the_factor_of_a_share_near_all() -> None:
    assert factor_for(rule(100), 100, [Decimal("99.5")]) == 1
    assert factor_for(rule(100), 100, [Decimal("99.5")], baseline=True) == 2
    with pytest.raises(NoRoom, match=r"cannot express 0.0001 % .* End with a smaller share, leave out the baseline"):
        factor_for(rule(600_000), 600_000, [Decimal("99.9999")], baseline=True)


def test_a_baseline_that_somebody_took_out_comes_back_to_weights_that_were_multiplied_already(kit: Any) -> None:
    """Multiplied once more they would be larger than weights may be, and nothing is multiplied a second time."""
    large = {**copy.deepcopy(NAMED), "backendRefs": [ref("app", weight=1), ref("help", weight=50_000)]}
    route, original = at(kit, 10, large)
    (factor,) = {each.factor for each in original.rules}
    assert 50_000 * factor * factor > 1_000_000
    listed = route["spec"]["rules"][0]["backendRefs"]
    route["spec"]["rules"][0]["backendRefs"] = [each for each in listed if each["name"] != "app-baseline"]
    after = kit.apply(route, attach(route, pool=POOL, original=original, token=kit.token))
    assert weights(after) == {**{each["name"]: each["weight"] for each in listed}, "app-baseline": 0}


@pytest.mark.parametrize(("pool", "whose"), [(POOL, "stable, canary and baseline in"), (TWO, "stable and canary in")])
def test_whoever_made_the_pool_too_coarse_is_told_whose_weights_are_meant(kit: Any, pool: Any, whose: str) -> None:
    route, original = at(kit, 10)
    for each in route["spec"]["rules"][0]["backendRefs"]:
        each["weight"] = 1
    with pytest.raises(NoRoom, match=f"^{whose} .* cannot express 10 %"):
        set_share(route, pool=pool, original=original, share=Decimal(10), token=kit.token)
