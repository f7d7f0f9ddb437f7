"""Sets of fields: their algebra, against sets of paths, and against the objects they come from."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.sandbox.apiserver.apply import Author, applied, merge, tracked
from canary.sandbox.apiserver.errors import ApiError
from canary.sandbox.apiserver.fields import bare, changed, common, minus, named, owned, paths, union

REPEATABLE = settings(derandomize=True, max_examples=200, deadline=None)

# One of each: a struct, a map, an atomic map, a list by keys, a set, an atomic list.
SCHEMA: Any = {
    "type": "object",
    "properties": {
        "metadata": {
            "type": "object",
            "properties": {"labels": {"type": "object", "additionalProperties": {"type": "string"}}},
        },
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer"},
                "inner": {"type": "object", "properties": {"a": {}, "b": {}}},
                "map": {"type": "object", "additionalProperties": {"type": "string"}},
                "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {}},
                "set": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
                "atoms": {"type": "array", "items": {}},
                "keyed": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "properties": {"name": {}, "x": {}, "y": {}}},
                },
            },
        },
    },
}
SMALL = st.sampled_from(["1", "2"])
LETTERS = st.sampled_from(["a", "b", "c"])
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "size": st.integers(0, 2),
        "inner": st.dictionaries(st.sampled_from(["a", "b"]), SMALL),
        "map": st.dictionaries(LETTERS, SMALL, max_size=3),
        "whole": st.dictionaries(LETTERS, SMALL, max_size=2),
        "set": st.lists(LETTERS, unique=True),
        "atoms": st.lists(SMALL, max_size=2),
        "keyed": st.lists(
            st.fixed_dictionaries({"name": LETTERS}, optional={"x": SMALL, "y": SMALL}),
            unique_by=lambda each: each["name"],
        ),
    },
)
LABELS = st.fixed_dictionaries({}, optional={"labels": st.dictionaries(LETTERS, SMALL, min_size=1, max_size=2)})
ITEMS = st.fixed_dictionaries(
    {}, optional={"spec": SPECS, "metadata": LABELS.map(lambda labels: {"name": "it", **labels})}
).map(lambda item: {"metadata": {"name": "it"}, **item})
Path = tuple[str, ...]


def members(fields: Any, path: Path = ()) -> set[Path]:
    """A set of fields as a set of paths: the plain model of it."""
    found = {path} if path and (not fields or "." in fields) else set()
    for key, each in fields.items():
        if key != ".":
            found |= members(each, (*path, key))
    return found


FIELDS = st.recursive(
    st.just({}),
    lambda inner: st.dictionaries(LETTERS.map("f:".__add__), inner, min_size=1, max_size=3).flatmap(
        lambda below: st.sampled_from([below, {".": {}, **below}])
    ),
    max_leaves=6,
).map(lambda fields: {key: each for key, each in fields.items() if key != "."})


@REPEATABLE
@given(FIELDS, FIELDS)
def test_union_minus_and_common_are_those_of_sets_of_paths(one: Any, other: Any) -> None:
    assert members(union(one, other)) == members(one) | members(other)
    assert members(minus(one, other) or {}) == members(one) - members(other)
    assert members(common(one, other) or {}) == members(one) & members(other)
    assert members(union(minus(one, other) or {}, common(one, other) or {})) == members(one)
    assert minus(one, one) is None


@REPEATABLE
@given(ITEMS, ITEMS)
def test_what_changed_is_owned_by_the_new_value_and_nothing_when_nothing_did(old: Any, new: Any) -> None:
    old, new = bare(old), bare(new)
    assert changed(new, new, SCHEMA) is None
    found = members(changed(old, new, SCHEMA) or {})
    assert found <= members(owned(new, SCHEMA))
    # What is newly there has changed.
    assert members(owned(new, SCHEMA)) - members(owned(old, SCHEMA)) <= found


def author(name: str, operation: str = "Update", version: str = "v1") -> Author:
    return Author(manager=name, operation=operation, api_version=version, subresource="", time="now")


def owners(item: Any) -> dict[tuple[str, str], set[Path]]:
    entries = item["metadata"].get("managedFields") or ()
    return {(entry["manager"], entry["operation"]): members(entry["fieldsV1"]) for entry in entries}


WRITES = st.lists(st.tuples(st.sampled_from(["ann", "bob"]), ITEMS), min_size=1, max_size=4)


@REPEATABLE
@given(WRITES)
def test_after_updates_every_field_has_one_owner_and_nobody_owns_what_is_gone(writes: Any) -> None:
    live: Any = None
    for name, item in writes:
        entries = tracked(live, item, author(name), SCHEMA)
        live = {**item, "metadata": {**item["metadata"], "managedFields": entries}}
        held = owners(live)
        there = members(owned(bare(live), SCHEMA))
        assert set().union(*held.values()) == there
        assert sum(map(len, held.values())) == len(there)


def apply(live: Any, name: str, item: Any, *, force: bool = True) -> Any:
    return applied(live, item, author(name, "Apply"), SCHEMA, force=force)


@REPEATABLE
@given(WRITES, ITEMS)
def test_applying_the_same_twice_is_as_once(writes: Any, item: Any) -> None:
    live: Any = None
    for name, each in writes:
        live = apply(live, name, each)
    once = apply(live, "eve", item)
    assert apply(once, "eve", item, force=False) == once
    assert owners(once).get(("eve", "Apply"), set()) == members(named(owned(bare(item), SCHEMA)))


@REPEATABLE
@given(ITEMS, ITEMS)
def test_an_applier_alone_gets_exactly_what_it_last_said(first: Any, second: Any) -> None:
    live = apply(apply(None, "ann", first), "ann", second)
    expected = apply(None, "ann", second)
    held, wanted = members(owned(bare(live), SCHEMA)), members(owned(bare(expected), SCHEMA))
    # Structs and lists that nobody owns may be left empty.
    assert wanted <= held
    assert not {path for path in held - wanted if len(path) > 2}
    assert merge(live, second, SCHEMA) == live


@REPEATABLE
@given(ITEMS, ITEMS)
def test_apply_conflicts_exactly_when_it_would_change_what_others_own(first: Any, second: Any) -> None:
    live = apply(None, "ann", first)
    forced = apply(live, "bob", second)
    differing = members(changed(bare(live), bare(forced), SCHEMA) or {}) & owners(live).get(("ann", "Apply"), set())
    if differing:
        with pytest.raises(ApiError) as refused:
            apply(live, "bob", second, force=False)
        assert refused.value.code == 409
        assert not differing & owners(forced).get(("ann", "Apply"), set())
    else:
        assert apply(live, "bob", second, force=False) == forced
        # What both said alike, both own.
        shared = members(named(owned(bare(first), SCHEMA))) & members(named(owned(bare(second), SCHEMA)))
        assert shared <= owners(forced).get(("ann", "Apply"), set())


@REPEATABLE
@given(ITEMS, ITEMS)
def test_giving_up_a_field_that_another_owns_leaves_it(first: Any, second: Any) -> None:
    both = apply(apply(None, "ann", first), "bob", second)
    left = apply(both, "bob", {"metadata": {"name": "it"}})
    assert ("bob", "Apply") not in owners(left)
    ann = owners(both).get(("ann", "Apply"), set())
    assert ann <= members(owned(bare(left), SCHEMA))


def test_an_applier_is_the_same_under_another_version_and_an_updater_is_not() -> None:
    live = apply(None, "ann", {"metadata": {"name": "it"}, "spec": {"size": 1}})
    again = applied(
        live, {"metadata": {"name": "it"}, "spec": {"size": 2}}, author("ann", "Apply", "v2"), SCHEMA, force=False
    )
    assert [(entry["manager"], entry["apiVersion"]) for entry in again["metadata"]["managedFields"]] == [("ann", "v2")]
    entries = tracked(live, {**live, "spec": {"size": 3}}, author("eve"), SCHEMA)
    old = {**live, "spec": {"size": 3}, "metadata": {"name": "it", "managedFields": entries}}
    entries = tracked(old, {**old, "spec": {"size": 3, "map": {"a": "1"}}}, author("eve", version="v2"), SCHEMA)
    assert [entry["apiVersion"] for entry in entries if entry["manager"] == "eve"] == ["v1", "v2"]


def test_paths_are_written_as_people_write_them() -> None:
    item = {"spec": {"size": 1, "keyed": [{"name": "a", "x": "1"}], "set": ["b"], "map": {"k": "1"}}}
    assert sorted(paths(owned(item, SCHEMA))) == [
        '.spec.keyed[name="a"].name',
        '.spec.keyed[name="a"].x',
        ".spec.map.k",
        '.spec.set[="b"]',
        ".spec.size",
    ]
    assert json.loads(json.dumps(owned(item, SCHEMA))) == owned(item, SCHEMA)
