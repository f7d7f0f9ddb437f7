"""Single cuts: what each write tests, what it refuses, and what others' edits leave of it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from canary.adapters.memory.patching import PatchFailed
from strategies import (
    RELEASE,
    TOKEN,
    NoRoom,
    NoSuchRule,
    Pool,
    RefId,
    attach,
    lower,
    swap_token,
)
from tests.strategies.small import NAMED, POOL, Release, matching, ref

# Raising -------------------------------------------------------------------------------------------------------


def test_the_first_stamp_holds_for_the_version_just_read_only(kit: Any) -> None:
    begun = Release(kit, NAMED)
    assert begun.stamped["resourceVersion"] == "41"
    assert begun.stamped["annotations"][TOKEN] == kit.token
    assert begun.stamped["annotations"][RELEASE] == kit.release


def test_a_raise_tests_the_token_first_then_the_rule_and_all_its_references(release: Release) -> None:
    patch = release.raise_to(100)
    assert patch[0] == {
        "op": "test",
        "path": "/metadata/annotations/canary-engine.io~1token",
        "value": release.kit.token,
    }
    writes = [operation["path"] for operation in patch if operation["op"] != "test"]
    assert writes == ["/spec/rules/0/backendRefs/2/weight", "/spec/rules/0/backendRefs/0/weight"]
    tested = [operation["path"] for operation in patch[1:] if operation["op"] == "test"]
    rule = release.route["spec"]["rules"][0]
    if "name" in rule:
        assert tested == ["/spec/rules/0/name", "/spec/rules/0/backendRefs"]
    elif "matches" in rule:
        assert tested == ["/spec/rules/0/matches", "/spec/rules/0/backendRefs"]
    else:
        assert tested == ["/spec/rules/0"]


@pytest.mark.parametrize("edit", ["token", "no token", "first rule", "identity", "weight", "backend", "no rules"])
def test_a_raise_that_somebody_outran_fails(release: Release, edit: str) -> None:
    patch = release.raise_to(100)
    route = copy.deepcopy(release.route)
    rules = route["spec"]["rules"]
    if edit == "token":
        route["metadata"]["annotations"][TOKEN] = "r1/i2"
    elif edit == "no token":
        del route["metadata"]["annotations"]
    elif edit == "first rule":
        rules.insert(
            0, {"name": "new", "matches": matching("/new"), "backendRefs": copy.deepcopy(rules[0]["backendRefs"])}
        )
    elif edit == "identity":
        rules[0] |= {"name": "other"} if "name" in rules[0] else {"matches": matching("/new")}
    elif edit == "weight":
        rules[0]["backendRefs"][1]["weight"] += 1
    elif edit == "backend":
        rules[0]["backendRefs"].append(ref("more"))
    else:
        rules.clear()
    with pytest.raises(PatchFailed):
        release.kit.apply(route, patch)


def test_an_attachment_is_fenced(kit: Any) -> None:
    begun = Release(kit, copy.deepcopy(NAMED))
    begun.route["metadata"]["annotations"][TOKEN] = "r1/i2"
    with pytest.raises(PatchFailed):
        begun.attach()


def test_attaching_twice_attaches_once(release: Release) -> None:
    assert release.attach() == ()


def test_stables_own_filters_hold_for_the_canary(kit: Any) -> None:
    filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": ["x"]}}]
    begun = Release(kit, {"backendRefs": [ref("app", filters=filters)]})
    begun.attach()
    assert begun.refs()[-1]["filters"] == filters


def test_the_canarys_namespace_is_written_where_it_is_another(kit: Any) -> None:
    pool = Pool(stable=POOL.stable, canary=RefId("Service", "", "elsewhere", "app-canary", None))
    begun = Release(kit, NAMED)
    patch = attach(begun.route, pool=pool, original=begun.original, token=kit.token)
    expected = {"group": "", "kind": "Service", "name": "app-canary", "namespace": "elsewhere", "weight": 0}
    assert patch[-1] == {"op": "add", "path": "/spec/rules/0/backendRefs/-", "value": expected}


@pytest.mark.parametrize(
    ("edit", "error", "sentence"),
    [
        (lambda refs: refs.pop(0), NoSuchRule, "no longer sends to stable app:80"),
        (lambda refs: refs.extend(ref(f"n{number}") for number in range(14)), NoRoom, "16 references by now"),
        (lambda refs: refs[1].update(weight=200_000), NoRoom, "weights end at 1000000; start the release again"),
        (lambda refs: refs[0].update(weight=0), NoRoom, "gives stable no weight by now"),
    ],
)
def test_an_attachment_that_found_no_room_is_refused_before_it_is_sent(
    kit: Any, edit: Any, error: type[Exception], sentence: str
) -> None:
    begun = Release(kit, copy.deepcopy(NAMED))
    edit(begun.refs())
    with pytest.raises(error) as caught:
        begun.attach()
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("edit", "error", "sentence"),
    [
        (lambda refs: refs.pop(2), NoSuchRule, "no longer sends to the canary app-canary:80"),
        (lambda refs: refs.pop(0), NoSuchRule, "no longer sends to stable app:80"),
        # The pool became coarse: 1 % of it, rounded to a whole weight, would have been a third.
        (lambda refs: (refs[0].update(weight=3), refs[2].update(weight=0)), NoRoom, "cannot express 10 %"),
        (lambda refs: (refs[0].update(weight=0), refs[2].update(weight=0)), NoRoom, "give stable its weight back"),
        (lambda refs: (refs[0].update(weight=10**6), refs[2].update(weight=1)), NoRoom, "give them smaller ones"),
    ],
)
def test_a_pool_that_somebody_changed_beyond_use_is_refused(
    release: Release, edit: Any, error: type[Exception], sentence: str
) -> None:
    edit(release.refs())
    with pytest.raises(error) as caught:
        release.raise_to(10)
    assert sentence in str(caught.value)


def test_a_rule_with_a_name_and_no_matches_is_known_by_its_name_alone(kit: Any) -> None:
    rule = {key: value for key, value in copy.deepcopy(NAMED).items() if key != "matches"}
    begun = Release(kit, rule)
    begun.attach()
    patch = begun.raise_to(10)
    begun.route["spec"]["rules"][0]["timeouts"] = {"request": "9s"}  # somebody else's, meanwhile: no reason to refuse
    after = kit.apply(begun.route, patch)
    assert after["spec"]["rules"][0]["timeouts"] == {"request": "9s"}


def test_a_pool_of_one_can_still_be_given_to_the_canary_whole(release: Release) -> None:
    release.refs()[0].update(weight=1)
    release.refs()[2].update(weight=0)
    written = {operation["path"]: operation.get("value") for operation in release.raise_to(100)}
    assert written["/spec/rules/0/backendRefs/2/weight"] == 1
    assert written["/spec/rules/0/backendRefs/0/weight"] == 0


def test_a_rule_that_is_gone_or_there_twice_takes_no_raise(release: Release) -> None:
    rules = release.route["spec"]["rules"]
    rules.append(copy.deepcopy(rules[0]))
    with pytest.raises(NoSuchRule, match="stands there more than once"):
        release.raise_to(100)
    rules.clear()
    with pytest.raises(NoSuchRule, match="is gone"):
        release.raise_to(100)


# The fence -----------------------------------------------------------------------------------------------------


def test_a_token_is_swapped_only_against_the_one_that_was_read(release: Release) -> None:
    patch = swap_token(release.route, token="r1/i2", release=release.kit.release)  # noqa: S106 - no secret
    taken = release.kit.apply(release.route, patch)
    assert taken["metadata"]["annotations"][TOKEN] == "r1/i2"
    with pytest.raises(PatchFailed):
        release.kit.apply(taken, patch)
    other = copy.deepcopy(release.route)
    other["metadata"]["annotations"][RELEASE] = "r2"
    with pytest.raises(PatchFailed):
        release.kit.apply(other, patch)


def test_where_no_token_stands_there_is_none_to_swap(release: Release) -> None:
    del release.route["metadata"]["annotations"][TOKEN]
    patch = swap_token(release.route, token="r1/i2", release=release.kit.release)  # noqa: S106 - no secret
    with pytest.raises(PatchFailed):
        release.kit.apply(release.route, patch)


# Lowering ------------------------------------------------------------------------------------------------------


def test_a_lowering_does_not_reach_into_another_release(release: Release) -> None:
    release.route["metadata"]["annotations"][RELEASE] = "r2"
    with pytest.raises(PatchFailed):
        release.kit.apply(release.route, release.lower().patch)


def test_a_lowering_goes_through_where_somebody_took_our_annotations_off(release: Release) -> None:
    del release.route["metadata"]["annotations"]
    release.roll_back()
    assert release.route["spec"] == release.before["spec"]


def test_references_that_somebody_wrote_twice_are_lowered_all_the_same(release: Release) -> None:
    release.refs().extend(copy.deepcopy(release.refs()))
    release.roll_back()
    assert "app-canary" not in release.weights()
    assert sum(one["weight"] for one in release.refs() if one["name"] == "app") == 9 * 2 * 10


def test_a_pool_heavier_than_a_weight_may_be_is_lowered_to_the_heaviest(release: Release) -> None:
    release.refs()[0]["weight"] = release.refs()[2]["weight"] = release.kit.limit
    lowering = release.lower()
    route = release.kit.apply(release.route, lowering.patch)
    assert [one["weight"] for one in route["spec"]["rules"][0]["backendRefs"]] == [release.kit.limit, 10, 0]


def test_where_nothing_has_a_weight_any_more_stable_gets_its_own_back(release: Release) -> None:
    release.give(100)
    for one in release.refs():
        one["weight"] = 0
    after = release.kit.apply(release.route, release.lower().patch)
    assert [one["weight"] for one in after["spec"]["rules"][0]["backendRefs"]] == [90, 0, 0]
    restore = release.detach()
    release.route = release.kit.apply(release.route, restore.patch)
    assert release.weights() == {"app": 9, "help": 0}
    assert "somebody took every weight" in restore.kept[0]


@pytest.mark.parametrize("kept", [(), 0])
def test_there_a_note_that_does_not_say_stables_weight_leaves_no_rule_without_any(release: Release, kept: Any) -> None:
    for one in release.refs():
        one["weight"] = 0
    (known,) = release.original.rules
    weights = tuple((ref, 0) for ref, _ in known.weights) if kept == 0 else kept
    note = replace(release.original, rules=(replace(known, weights=weights),))
    plan = lower(release.route, pool=POOL, original=note, release=release.kit.release)
    after = release.kit.apply(release.route, plan.patch)
    assert after["spec"]["rules"][0]["backendRefs"][0]["weight"] == known.factor


def test_a_rule_without_stable_is_told_and_left_alone(release: Release) -> None:
    release.refs().pop(0)
    before = copy.deepcopy(release.route["spec"])
    lowering = release.lower()
    assert lowering.patch == ()
    assert "sends to the canary but not to stable" in lowering.alarms[0]
    restore = release.roll_back()
    assert "no longer sends to stable" in restore.alarms[0]
    assert release.route["spec"] == before


def test_a_canary_without_weight_beside_no_stable_is_no_alarm_when_lowering(release: Release) -> None:
    release.refs()[2].update(weight=0)
    release.refs().pop(0)
    lowering = release.lower()
    assert (lowering.patch, lowering.alarms) == ((), ())


def test_a_weight_that_was_written_out_is_written_out_again(kit: Any) -> None:
    rule = copy.deepcopy(NAMED)
    rule["backendRefs"][0]["weight"], rule["backendRefs"][1]["weight"] = 1000, 1
    begun = Release(kit, rule)
    begun.attach()
    del begun.refs()[1]["weight"]
    begun.route = kit.apply(begun.route, begun.detach().patch)
    assert begun.refs()[1]["weight"] == 1


def test_a_new_rule_in_which_nothing_has_a_weight_is_left_alone(release: Release) -> None:
    new = {"name": "new", "matches": matching("/new"), "backendRefs": [ref("app", 0), ref("app-canary", 0)]}
    release.route["spec"]["rules"].append(new)
    assert not any("/rules/1/" in operation["path"] for operation in release.lower().patch)
    release.roll_back()
    assert release.weights(1) == {"app": 1}


def test_a_new_rule_that_sends_to_both_is_lowered_although_it_was_not_chosen(release: Release) -> None:
    new = {"name": "new", "matches": matching("/new"), "backendRefs": [ref("app", 1), ref("app-canary", 1)]}
    release.route["spec"]["rules"].append(new)
    restore = release.roll_back()
    assert release.weights(1) == {"app": 2}
    assert any('rule "new"' in sentence for sentence in restore.kept)


def test_the_canary_at_everything_is_lowered_in_one_write(release: Release) -> None:
    release.give(100)
    assert release.weights() == {"app": 0, "help": 10, "app-canary": 90}
    lowering = release.lower()
    assert [op for op in lowering.patch if op["op"] != "test"] == [
        {"op": "add", "path": "/spec/rules/0/backendRefs/2/weight", "value": 0},
        {"op": "add", "path": "/spec/rules/0/backendRefs/0/weight", "value": 90},
    ]


def test_where_the_weights_are_fine_enough_attaching_writes_none_of_them(kit: Any) -> None:
    release = Release(kit, {"backendRefs": [{"name": "app", "port": 80, "weight": 100}]})
    writes = [one for one in release.attach() if one["op"] != "test"]
    assert [one["path"] for one in writes] == ["/spec/rules/0/backendRefs/-"]
