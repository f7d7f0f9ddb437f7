"""Single cuts: what each write tests, what it refuses, and what others' edits leave of it."""

from __future__ import annotations

import copy
from decimal import Decimal
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
    choose,
    detach,
    lower,
    rules_of,
    set_share,
    stamp,
    swap_token,
)

POOL = Pool(stable=RefId("Service", "", "shop", "app", 80), canary=RefId("Service", "", "shop", "app-canary", 80))
Route = dict[str, Any]


class Release:
    """A release on a small route, write by write."""

    def __init__(self, kit: Any, *rules: Route, shares: tuple[int, ...] = (10, 100)) -> None:
        self.kit = kit
        self.before: Route = {
            "metadata": {"name": "front", "namespace": "shop", "resourceVersion": "41"},
            "spec": {"rules": list(rules)},
        }
        self.route = copy.deepcopy(self.before)
        self.shares = [Decimal(share) for share in shares]
        self.original = choose(self.route, POOL, selectors=None, shares=self.shares)
        note = stamp(self.route, token=kit.token, release=kit.release, original=self.original)
        self.stamped = note["metadata"]
        self.route["metadata"]["annotations"] = dict(self.stamped["annotations"])

    def attach(self) -> Any:
        return self._write(attach(self.route, pool=POOL, original=self.original, token=self.kit.token))

    def give(self, share: int) -> Any:
        return self._write(self.raise_to(share))

    def raise_to(self, share: int) -> Any:
        return set_share(self.route, pool=POOL, original=self.original, share=Decimal(share), token=self.kit.token)

    def lower(self) -> Any:
        return lower(self.route, pool=POOL, original=self.original, release=self.kit.release)

    def detach(self, **more: Any) -> Any:
        return detach(self.route, pool=POOL, original=self.original, **{"release": self.kit.release, **more})

    def roll_back(self) -> Any:
        self._write(self.lower().patch)
        restore = self.detach()
        self._write(restore.patch)
        return restore

    def _write(self, patch: Any) -> Any:
        self.route = self.kit.apply(self.route, patch)
        return patch

    def refs(self, index: int = 0) -> list[Route]:
        found: list[Route] = self.route["spec"]["rules"][index]["backendRefs"]
        return found

    def weights(self, index: int = 0) -> dict[str, int]:
        return {ref["name"]: ref.get("weight", 1) for ref in self.refs(index)}


def ref(name: str, weight: int | None = None, **more: Any) -> Route:
    return {"name": name, "port": 80, **more} | ({} if weight is None else {"weight": weight})


def matching(path: str) -> list[Any]:
    return [{"path": {"type": "Exact", "value": path}}]


NAMED: Route = {"name": "main", "matches": matching("/a"), "backendRefs": [ref("app", 9), ref("help", 1)]}
UNNAMED: Route = {"matches": matching("/b"), "backendRefs": [ref("app", 9), ref("help", 1)]}
BARE: Route = {"backendRefs": [ref("app", 9), ref("help", 1)]}


@pytest.fixture(params=[NAMED, UNNAMED, BARE], ids=["named", "unnamed", "bare"])
def release(kit: Any, request: pytest.FixtureRequest) -> Release:
    """In the middle of a release, the canary at 10 %."""
    begun = Release(kit, copy.deepcopy(request.param))
    begun.attach()
    begun.give(10)
    return begun


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


def test_a_rule_without_stable_is_told_and_left_alone(release: Release) -> None:
    release.refs().pop(0)
    before = copy.deepcopy(release.route["spec"])
    lowering = release.lower()
    assert lowering.patch == ()
    assert "sends to the canary but not to stable" in lowering.alarms[0]
    restore = release.roll_back()
    assert "no longer sends to stable" in restore.alarms[0]
    assert release.route["spec"] == before


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


# Detaching -----------------------------------------------------------------------------------------------------


def test_detaching_what_somebody_detached_already_is_done(release: Release) -> None:
    release.route = copy.deepcopy(release.before)
    restore = release.detach()
    assert (restore.patch, restore.kept, restore.alarms) == ((), (), ())


def test_a_rule_that_somebody_renamed_is_known_by_what_it_holds(release: Release) -> None:
    release.route["spec"]["rules"][0] |= {"name": "renamed", "matches": matching("/moved")}
    restore = release.roll_back()
    assert release.weights() == {"app": 9, "help": 1}
    assert restore.kept == ()


def test_a_rule_that_somebody_renamed_and_weighed_anew_still_loses_the_canary(release: Release) -> None:
    release.route["spec"]["rules"][0]["name"] = "renamed"
    release.refs()[1]["weight"] = 7
    restore = release.roll_back()
    assert release.weights() == {"app": 90, "help": 7}
    assert len(restore.kept) == 2


def test_a_rule_that_somebody_copied_loses_the_canary_in_both(release: Release) -> None:
    release.route["spec"]["rules"].append(copy.deepcopy(release.route["spec"]["rules"][0]))
    release.roll_back()
    assert [release.weights(0), release.weights(1)] == [{"app": 9, "help": 1}] * 2


def test_a_rule_that_somebody_removed_stays_removed_and_is_named(release: Release) -> None:
    key = rules_of(release.route)[0].key
    release.route["spec"]["rules"].clear()
    restore = release.roll_back()
    assert release.route["spec"]["rules"] == []
    assert restore.kept == (f"the rule {key} was removed or changed by somebody else and stays so",)


def test_a_second_reference_of_somebody_elses_keeps_its_weight(release: Release) -> None:
    release.refs().insert(1, ref("help", 77))
    restore = release.roll_back()
    assert [one["weight"] for one in release.refs()] == [90, 77, 10]
    assert "their change stays" in restore.kept[0]


def test_stable_without_weight_next_to_others_is_an_alarm(release: Release) -> None:
    # At 100 % somebody takes the canary out: whether stable is meant to get nothing, only people know.
    release.give(100)
    release.refs().pop(2)
    restore = release.roll_back()
    assert release.weights() == {"app": 0, "help": 10}
    assert "gives stable app:80 no weight" in restore.alarms[0]


def test_weights_that_a_reverter_wrote_back_are_left_as_they_are(release: Release) -> None:
    release.refs()[0]["weight"], release.refs()[1]["weight"], release.refs()[2]["weight"] = 9, 1, 0
    release.roll_back()
    assert release.route["spec"] == release.before["spec"]


def test_a_route_of_another_release_holds_nothing_of_ours(release: Release) -> None:
    # Our own detachment went through and its answer was lost; the next release was waiting.
    release.route["metadata"]["annotations"] |= {RELEASE: "r2", TOKEN: "r2/i1"}
    restore = release.detach()
    assert restore.patch == ()
    assert "another release's by now: r2" in restore.kept[0]


def test_an_annotation_that_came_after_the_reading_is_not_lost(release: Release) -> None:
    patch = release.detach().patch
    release.route["metadata"]["annotations"]["team"] = "x"
    with pytest.raises(PatchFailed):
        release.kit.apply(release.route, patch)
    after = release.kit.apply(release.route, release.detach().patch)
    assert after["metadata"]["annotations"] == {"team": "x"}


def test_keeping_takes_only_the_annotations(release: Release) -> None:
    spec = copy.deepcopy(release.route["spec"])
    after = release.kit.apply(release.route, release.detach(keep=True).patch)
    assert after["spec"] == spec
    assert "annotations" not in after["metadata"]


def test_a_canary_that_still_has_traffic_is_detached_with_its_weight_given_to_stable(release: Release) -> None:
    release.refs()[1]["weight"] = 7
    after = release.kit.apply(release.route, release.detach().patch)
    assert [one["weight"] for one in after["spec"]["rules"][0]["backendRefs"]] == [90, 7]


def test_where_the_weights_are_fine_enough_attaching_writes_none_of_them(kit: Any) -> None:
    release = Release(kit, {"backendRefs": [{"name": "app", "port": 80, "weight": 100}]})
    writes = [one for one in release.attach() if one["op"] != "test"]
    assert [one["path"] for one in writes] == ["/spec/rules/0/backendRefs/-"]
