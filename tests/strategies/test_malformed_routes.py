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
