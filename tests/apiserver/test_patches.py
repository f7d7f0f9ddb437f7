"""The four kinds of patches, over HTTP and as functions against what others make of them."""

from __future__ import annotations

import copy
from typing import Any

import jsonpatch
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from canary.sandbox.apiserver.errors import ApiError
from canary.sandbox.apiserver.kinds import built_in
from canary.sandbox.apiserver.patch import json_patch, merge_patch, same
from canary.sandbox.apiserver.strategic import strategic_merge

KEYS = st.sampled_from(["a", "b", "c", "x/y", "m~n", "0", "-", ""])
SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "s", "1", 0.5])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)
REPEATABLE = settings(derandomize=True, max_examples=200, deadline=None)


def pointers(value: Any, path: str = "") -> list[str]:
    """Every place in a value."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [path]
    for key, each in below:
        found += pointers(each, f"{path}/" + str(key).replace("~", "~0").replace("/", "~1"))
    return found


@st.composite
def patches(draw: st.DrawFn) -> tuple[Any, list[Any]]:
    """An object, and operations that mostly name places that it had at the beginning."""
    document = draw(OBJECTS)
    places = pointers(document)
    near = st.sampled_from(places) | st.builds(
        lambda place, more: f"{place}/{more}", st.sampled_from(places), st.sampled_from(["a", "0", "1", "2", "-", "b"])
    )
    operation = st.one_of(
        st.fixed_dictionaries({"op": st.sampled_from(["add", "replace", "test"]), "path": near, "value": VALUES}),
        st.fixed_dictionaries({"op": st.just("remove"), "path": near}),
        st.fixed_dictionaries({"op": st.sampled_from(["move", "copy"]), "path": near, "from": near}),
    )
    return document, draw(st.lists(operation, max_size=4))


def attempt(document: Any, operations: Any) -> tuple[Any, int]:
    try:
        return json_patch(document, operations), 0
    except ApiError as error:
        return None, error.code


@REPEATABLE
@given(patches())
def test_json_patch_does_what_the_jsonpatch_package_does(drawn: tuple[Any, list[Any]]) -> None:
    document, operations = drawn
    # Where an API server departs: a test for null of an absent member holds, one that is absent is replaced all the
    # same, 01 is 1, and the root stays an object.
    assume(all(each["op"] != "replace" for each in operations))
    assume(not any(each["op"] == "test" and each.get("value") is None for each in operations))
    assume(all(each["path"] and each.get("from", "x") for each in operations))
    assume(not any(each["op"] == "move" and each["path"].startswith(each["from"] + "/") for each in operations))
    before = copy.deepcopy(document)
    try:
        expected = jsonpatch.apply_patch(document, operations)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError):
        expected = None
    got, code = attempt(document, operations)
    assert code in {0, 422}
    assert document == before
    # The package takes 1 for true and tests it so: there, only a refusal of ours is allowed to differ.
    if got is None and expected is not None:
        assert any(each["op"] == "test" for each in operations)
    else:
        assert got == expected


def test_a_json_patch_replaces_what_is_absent_and_reads_indices_generously() -> None:
    assert json_patch({"a": {}}, [{"op": "replace", "path": "/a/b", "value": 1}]) == {"a": {"b": 1}}
    assert json_patch({"a": [1, 2]}, [{"op": "replace", "path": "/a/01", "value": 3}]) == {"a": [1, 3]}
    assert json_patch({"a": [1, 2]}, [{"op": "replace", "path": "/a/-1", "value": 3}]) == {"a": [1, 3]}
    with pytest.raises(ApiError):
        json_patch({"a": [1, 2]}, [{"op": "replace", "path": "/a/2", "value": 3}])
    with pytest.raises(ApiError):
        json_patch({}, [{"op": "replace", "path": "/a/b", "value": 3}])


def test_a_test_in_a_json_patch_tells_true_from_one_and_takes_absent_for_null() -> None:
    assert json_patch({"a": True}, [{"op": "test", "path": "/a", "value": True}]) == {"a": True}
    assert json_patch({"a": {}}, [{"op": "test", "path": "/a/b", "value": None}]) == {"a": {}}
    for value, wanted in ((True, 1), (1, True), ([True], [1]), ({"a": 0}, {"a": False}), (None, 0)):
        assert not same(value, wanted)
        with pytest.raises(ApiError):
            json_patch({"a": value}, [{"op": "test", "path": "/a", "value": wanted}])


def test_a_move_into_what_is_moved_takes_away_first() -> None:
    with pytest.raises(ApiError):
        json_patch({"a": {"b": 1}}, [{"op": "move", "from": "/a", "path": "/a/b"}])
    moved = json_patch({"a": [[1], []]}, [{"op": "move", "from": "/a/0", "path": "/a/0/0"}])
    assert moved == {"a": [[[1]]]}


@REPEATABLE
@given(VALUES, VALUES)
def test_merge_patch_is_that_of_rfc_7386(target: Any, patch: Any) -> None:
    def rfc(target: Any, patch: Any) -> Any:  # the pseudocode of section 2, word by word
        if not isinstance(patch, dict):
            return patch
        if not isinstance(target, dict):
            target = {}
        for name, value in patch.items():
            if value is None:
                if name in target:
                    del target[name]
            else:
                target[name] = rfc(target.get(name), value)
        return target

    before = copy.deepcopy(target)
    assert same(merge_patch(target, patch), rfc(copy.deepcopy(target), patch))
    assert same(target, before)


@REPEATABLE
@given(VALUES, VALUES)
def test_a_merge_patch_carried_out_twice_is_as_once(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert same(merge_patch(once, patch), once)


POD = built_in("v1", "Pod")
NAMES = st.sampled_from(["a", "b", "c"])
CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": NAMES}, optional={"image": st.sampled_from(["x:1", "x:2"])}),
    unique_by=lambda each: each["name"],
    max_size=3,
)
PODS = st.fixed_dictionaries({"spec": st.fixed_dictionaries({"containers": CONTAINERS})})


@REPEATABLE
@given(PODS, PODS)
def test_strategic_merge_merges_lists_by_their_key(target: Any, patch: Any) -> None:
    got = strategic_merge(target, patch, POD)["spec"]["containers"]
    old, new = ({each["name"]: each for each in side["spec"]["containers"]} for side in (target, patch))
    assert {each["name"]: each for each in got} == {
        name: {**old.get(name, {}), **new.get(name, {})} for name in old.keys() | new.keys()
    }
    assert [each["name"] for each in got][: len(old)] == list(old)
    assert strategic_merge({"spec": {"containers": got}}, patch, POD)["spec"]["containers"] == got


@REPEATABLE
@given(PODS, st.permutations(["a", "b", "c"]))
def test_setelementorder_puts_a_list_in_order(target: Any, order: list[str]) -> None:
    names = [{"name": name} for name in order]
    patch = {"spec": {"$setElementOrder/containers": names}}
    got = [each["name"] for each in strategic_merge(target, patch, POD)["spec"]["containers"]]
    there = {each["name"] for each in target["spec"]["containers"]}
    assert got == [name for name in order if name in there]


def test_the_directives_of_strategic_merge() -> None:
    spec = {
        "containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}],
        "nodeSelector": {"a": "1", "b": "2"},
    }
    pod = {"metadata": {"finalizers": ["x/a", "x/b"]}, "spec": spec}

    def merged(patch: Any) -> Any:
        return strategic_merge(pod, patch, POD)

    assert merged({"spec": {"containers": [{"name": "a", "$patch": "delete"}]}})["spec"]["containers"] == [
        {"name": "b", "image": "y"}
    ]
    replaced = merged({"spec": {"containers": [{"$patch": "replace"}, {"name": "c"}]}})
    assert replaced["spec"]["containers"] == [{"name": "c"}]
    assert merged({"spec": {"nodeSelector": {"$patch": "replace", "c": "3"}}})["spec"]["nodeSelector"] == {"c": "3"}
    assert merged({"spec": {"nodeSelector": {"$retainKeys": ["a"]}}})["spec"]["nodeSelector"] == {"a": "1"}
    assert merged({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/a"]}})["metadata"] == {"finalizers": ["x/b"]}
    assert merged({"metadata": {"finalizers": ["x/c"]}})["metadata"] == {"finalizers": ["x/a", "x/b", "x/c"]}
    for wrong in (
        {"$patch": "eat"},
        {"spec": {"containers": [{"image": "no name"}]}},
        {"spec": {"containers": ["x"]}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": 3}},
        {"spec": {"$setElementOrder/containers": 3}},
    ):
        with pytest.raises(ApiError) as refused:
            merged(wrong)
        assert refused.value.code == 400


# Over HTTP ---------------------------------------------------------------------------------------------------


def test_a_json_patch_is_carried_out_whole_or_not_at_all(api: Any, routes: str, make: Any) -> None:
    made = api.create(routes, make.route())
    weight = "/spec/rules/0/backendRefs/{}/weight"
    swap = [
        {"op": "test", "path": weight.format(0), "value": 90},
        {"op": "replace", "path": weight.format(0), "value": 10},
        {"op": "replace", "path": weight.format(1), "value": 90},
    ]
    wrong_last = [*swap[1:], {"op": "test", "path": "/spec/rules/0/name", "value": "another"}]
    status = api.refuse(422, "PATCH", f"{routes}/shop", wrong_last, kind="json")
    assert status["reason"] == "Invalid"
    assert api.get(f"{routes}/shop") == made
    refs = api.patch(f"{routes}/shop", swap, "json")["spec"]["rules"][0]["backendRefs"]
    assert [each["weight"] for each in refs] == [10, 90]
    api.refuse(422, "PATCH", f"{routes}/shop", swap, kind="json")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([{"op": "replace", "path": "/nothing/there", "value": 1}], 422),
        ([{"op": "replace", "path": "/spec/rules/7", "value": {}}], 422),
        ([{"op": "remove", "path": "/spec/rules/7"}], 422),
        ([{"op": "remove", "path": "/spec/nothing"}], 422),
        ([{"op": "add", "path": "/spec/rules/x", "value": {}}], 422),
        ([{"op": "test", "path": "/spec/rules/0/name", "value": None}], 422),
        ([{"op": "dance", "path": "/spec"}], 422),
        ([{"op": ["add"], "path": "/spec"}], 400),
        ([{"op": "add", "path": "spec", "value": 1}], 422),
        ([{"op": "add", "path": 3, "value": 1}], 400),
        ([{"op": "add", "path": "", "value": 3}], 422),
        ({"op": "add"}, 400),
        ([3], 400),
        ([{"op": "test", "path": "/kind", "value": "HTTPRoute"}] * 10_001, 413),
        ([{"op": "replace", "path": "/metadata/name", "value": "another"}], 400),
        ([{"op": "replace", "path": "/kind", "value": "GRPCRoute"}], 422),
    ],
)
def test_json_patches_that_are_refused(api: Any, routes: str, make: Any, body: Any, code: int) -> None:
    made = api.create(routes, make.route())
    api.refuse(code, "PATCH", f"{routes}/shop", body, kind="json")
    assert api.get(f"{routes}/shop") == made


def test_a_merge_patch_removes_with_null_and_replaces_lists(api: Any, routes: str, make: Any) -> None:
    api.create(routes, make.route(hostnames=["a.example", "b.example"]))
    patched = api.patch(f"{routes}/shop", {"spec": {"hostnames": ["c.example"]}})
    assert patched["spec"]["hostnames"] == ["c.example"]
    assert "hostnames" not in api.patch(f"{routes}/shop", {"spec": {"hostnames": None}})["spec"]
    api.refuse(400, "PATCH", f"{routes}/shop", [1], kind="merge")


def test_strategic_merge_is_for_built_in_kinds_alone(api: Any, routes: str, deployments: str, make: Any) -> None:
    api.create(routes, make.route())
    refused = api.refuse(415, "PATCH", f"{routes}/shop", {"spec": {}}, kind="strategic")
    assert refused["reason"] == "UnsupportedMediaType"
    api.create(deployments, make.deployment())
    image = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "shop:2"}]}}}}
    (container,) = api.patch(f"{deployments}/shop", image, "strategic")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "shop:2"
    assert container["ports"] == [{"containerPort": 8080, "protocol": "TCP"}]


def test_a_patch_in_no_format_of_patches_is_refused(api: Any, maps: str, make: Any) -> None:
    api.create(maps, make.config_map())
    api.refuse(415, "PATCH", f"{maps}/settings", {"data": {}})
    api.refuse(415, "PATCH", f"{maps}/settings", {"data": {}}, headers={"Content-Type": "text/plain"})


def test_a_patch_of_nothing_is_not_found(api: Any, maps: str) -> None:
    for kind in ("json", "merge", "strategic"):
        api.refuse(404, "PATCH", f"{maps}/none", [] if kind == "json" else {}, kind=kind)
