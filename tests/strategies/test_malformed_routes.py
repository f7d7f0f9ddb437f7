"""What a route may be instead of a route: each is refused, or read as what the API server makes of it."""

from __future__ import annotations

from typing import Any

import pytest

from strategies.route.model import Malformed, annotations_of, generation_of, rules_of


def route(**rule: Any) -> dict[str, Any]:
    return {"metadata": {"name": "front", "namespace": "shop"}, "spec": {"rules": [rule]}}


@pytest.mark.parametrize("notes", [{"a": 1}, {"a": None}, {"a": "b", "c": []}])
def test_annotations_that_are_no_texts_are_refused(notes: Any) -> None:
    with pytest.raises(Malformed):
        annotations_of({"metadata": {"annotations": notes}})


@pytest.mark.parametrize(("value", "read"), [(7, 7), ("7", 0), (None, 0)])
def test_a_generation_that_is_none_is_older_than_all(value: Any, read: int) -> None:
    assert generation_of({"metadata": {"generation": value}}) == read


@pytest.mark.parametrize("port", [True, "80"])
def test_a_port_that_is_no_number_is_refused(port: Any) -> None:
    with pytest.raises(Malformed):
        rules_of(route(backendRefs=[{"name": "app", "port": port}]))


@pytest.mark.parametrize("matches", [{"path": {}}, "all", 3])
def test_matches_that_are_no_list_are_refused(matches: Any) -> None:
    with pytest.raises(Malformed):
        rules_of(route(matches=matches))


def test_a_match_is_known_by_all_that_its_path_says() -> None:
    keys = [
        rules_of(route(matches=[{"path": path}]))[0].key
        for path in ({"value": "/a"}, {"type": "PathPrefix", "value": "/a"}, {"value": "/a", "later": "x"})
    ]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize("key", ["headers", "queryParams"])
def test_a_match_is_known_by_all_that_its_headers_and_parameters_say(key: str) -> None:
    keys = [
        rules_of(route(matches=[{key: [entry]}]))[0].key
        for entry in (
            {"name": "x-user", "value": "ann"},
            {"type": "Exact", "name": "x-user", "value": "ann"},
            {"type": "RegularExpression", "name": "x-user", "value": "ann"},
            {"name": "x-user", "value": "bob"},
            {"name": "x-team", "value": "ann"},
        )
    ]
    assert keys[0] == keys[1]
    assert len(set(keys[1:])) == 4


@pytest.mark.parametrize("value", [{}, "", 0, 7, None])
def test_rules_that_are_no_list_are_refused(value: Any) -> None:
    with pytest.raises(Malformed, match=r"spec\.rules is not a list"):
        rules_of({"spec": {"rules": value}})


@pytest.mark.parametrize("value", [{"app": 9}, "app", 7])
def test_references_filters_and_headers_that_are_no_lists_are_refused(value: Any) -> None:
    for rule in (
        {"backendRefs": value},
        {"backendRefs": [{"name": "app", "filters": value}]},
        {"matches": [{"headers": value}]},
    ):
        with pytest.raises(Malformed, match="is not a list"):
            rules_of(route(**rule))
