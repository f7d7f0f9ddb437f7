"""Lists and watches."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest

from canary.sandbox.apiserver import store as stores
from canary.sandbox.apiserver.watching import INITIAL_EVENTS_END

STREAMED = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}


def seen(events: Any, count: int) -> list[tuple[str, str]]:
    return [(event["type"], event["object"]["metadata"]["name"]) for event in islice(events, count)]


def test_a_list_carries_its_kind_and_a_version_from_which_a_watch_goes_on(api: Any, maps: str, make: Any) -> None:
    api.create(maps, make.config_map("before"))
    listed = api.get(maps)
    assert listed["kind"] == "ConfigMapList"
    api.create(maps, make.config_map("after"))
    with api.watch(maps, resourceVersion=listed["metadata"]["resourceVersion"]) as events:
        assert seen(events, 1) == [("ADDED", "after")]


def test_a_watch_tells_every_change_in_order_with_rising_versions(api: Any, maps: str, make: Any) -> None:
    with api.watch(maps, resourceVersion=api.version()) as events:
        api.create(maps, make.config_map("one"))
        api.patch(f"{maps}/one", {"data": {"a": "b"}})
        api.do("DELETE", f"{maps}/one")
        got = list(islice(events, 3))
    assert [event["type"] for event in got] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in got]
    assert versions == sorted(set(versions))
    assert got[2]["object"]["data"] == {"a": "b"}


@pytest.mark.parametrize("version", ["", "0"])
def test_a_watch_from_no_version_begins_with_what_is_there(api: Any, maps: str, make: Any, version: str) -> None:
    api.create(maps, make.config_map("here"))
    with api.watch(maps, resourceVersion=version) as events:
        assert seen(events, 1) == [("ADDED", "here")]


@pytest.mark.emulated  # a real server sends bookmarks about once a minute
def test_a_watch_ends_by_itself_after_timeoutseconds_with_a_bookmark_for_who_wants_one(api: Any, maps: str) -> None:
    version = api.version()
    with api.watch(maps, resourceVersion=version, timeoutSeconds="1", allowWatchBookmarks="true") as events:
        got = list(events)
    assert [event["type"] for event in got] == ["BOOKMARK"]
    assert got[0]["object"]["kind"] == "ConfigMap"
    assert int(got[0]["object"]["metadata"]["resourceVersion"]) >= int(version)
    with api.watch(maps, resourceVersion=version, timeoutSeconds="1") as events:
        assert list(events) == []


@pytest.mark.emulated
def test_bookmarks_come_while_nothing_changes(api: Any, maps: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canary.sandbox.apiserver.watching.BOOKMARK_EVERY", 0.01)
    with api.watch(maps, resourceVersion=api.version(), allowWatchBookmarks="true") as events:
        assert [event["type"] for event in islice(events, 3)] == ["BOOKMARK"] * 3


def test_a_streamed_list_is_ended_by_the_annotated_bookmark(api: Any, maps: str, make: Any) -> None:
    for name in ("a", "b"):
        api.create(maps, make.config_map(name))
    with api.watch(maps, **STREAMED) as events:
        first = list(islice(events, 3))
        api.create(maps, make.config_map("c"))
        later = next(events)
    assert [event["type"] for event in first] == ["ADDED", "ADDED", "BOOKMARK"]
    assert first[2]["object"]["metadata"]["annotations"] == {INITIAL_EVENTS_END: "true"}
    assert (later["type"], later["object"]["metadata"]["name"]) == ("ADDED", "c")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"watch": "1", "sendInitialEvents": "true"}, "resourceVersionMatch"),
        ({"watch": "1", "sendInitialEvents": "true", "resourceVersionMatch": "Exact"}, "resourceVersionMatch"),
        ({"watch": "1", "resourceVersionMatch": "NotOlderThan", "resourceVersion": "5"}, "resourceVersionMatch"),
        ({"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}, "sendInitialEvents"),
        ({"resourceVersionMatch": "NotOlderThan"}, "resourceVersionMatch"),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "0"}, "resourceVersionMatch"),
        ({"resourceVersionMatch": "Newest", "resourceVersion": "5"}, "resourceVersionMatch"),
    ],
)
def test_match_and_initial_events_must_go_together(api: Any, maps: str, query: Any, field: str) -> None:
    status = api.refuse(422, "GET", maps, **query)
    assert field in {cause["field"] for cause in status["details"]["causes"]}


def test_a_version_from_before_the_server_was_born_is_gone(api: Any, maps: str) -> None:
    with api.watch(maps, resourceVersion="5") as events:
        (event,) = events
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


def test_a_version_that_does_not_exist_yet_is_refused(api: Any, maps: str) -> None:
    future = str(int(api.version()) + 10**9)
    status = api.refuse(504, "GET", maps, resourceVersion=future)
    assert status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


@pytest.mark.emulated  # a real server waits for it, and then ends the watch without a word
def test_a_watch_from_a_version_that_does_not_exist_yet_is_refused(api: Any, maps: str) -> None:
    with api.watch(maps, resourceVersion=str(int(api.version()) + 10**9)) as events:
        assert next(events)["object"]["code"] == 504


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "\u0661", "9" * 40])
def test_a_version_that_is_none_is_refused(api: Any, maps: str, text: str) -> None:
    api.refuse(400, "GET", maps, resourceVersion=text)
    api.refuse(api.own_mistake, "GET", maps, resourceVersion=text, watch="true")


def test_a_version_whose_history_is_forgotten_is_gone() -> None:
    store = stores.Store()
    item = {"metadata": {"name": "x"}}
    first = store.put("configmaps", ("", "x"), item)
    for _ in range(stores.HISTORY):
        store.put("configmaps", ("", "x"), item)
    assert store.oldest("configmaps") >= int(first["metadata"]["resourceVersion"])
    assert len(store.since("configmaps", store.oldest("configmaps"))) == stores.HISTORY


def test_versions_never_restart_even_when_the_clock_stands_still() -> None:
    first = stores.Store()
    first.put("configmaps", ("", "x"), {"metadata": {"name": "x"}})
    again = stores.Store.load(first.dump())
    assert again.born > first.version
    assert stores.Store(version=10**18).born > 10**18


def test_what_leaves_a_selection_is_deleted_for_its_watchers_and_what_enters_is_added(
    api: Any, maps: str, make: Any
) -> None:
    with api.watch(maps, resourceVersion=api.version(), labelSelector="team=a") as events:
        api.create(maps, make.config_map("it"))
        api.patch(f"{maps}/it", {"metadata": {"labels": {"team": "a"}}})
        api.patch(f"{maps}/it", {"data": {"x": "y"}})
        api.patch(f"{maps}/it", {"metadata": {"labels": {"team": "b"}}})
        api.do("DELETE", f"{maps}/it")
        api.create(maps, {**make.config_map("last"), "metadata": {"name": "last", "labels": {"team": "a"}}})
        assert seen(events, 4) == [("ADDED", "it"), ("MODIFIED", "it"), ("DELETED", "it"), ("ADDED", "last")]


@pytest.mark.emulated
def test_a_watch_ends_with_its_client(api: Any, ns: str) -> None:
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{ns}/leases"
    key = "leases.coordination.k8s.io"
    with api.watch(leases, resourceVersion=api.version()):
        wait_for(lambda: api.server.store.watchers(key) == 1)
    wait_for(lambda: api.server.store.watchers(key) == 0)


def wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_watch_sees_only_its_namespace(api: Any, ns: str, maps: str, make: Any) -> None:
    elsewhere = f"not-{ns}"
    with api.watch(maps, resourceVersion=api.version()) as events:
        api.create("/api/v1/namespaces", {"metadata": {"name": elsewhere}})
        api.create(f"/api/v1/namespaces/{elsewhere}/configmaps", make.config_map("there"))
        api.create(maps, make.config_map("here"))
        assert seen(events, 1) == [("ADDED", "here")]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("owner!=helm", "a b"),
        ("owner=helm", "c"),
        ("owner==helm", "c"),
        ("tier in (x,y)", "a b"),
        ("tier notin (x)", "b c"),
        ("tier", "a b"),
        ("!tier", "c"),
        ("tier=x,owner!=helm", "a"),
        ("tier in (x, y),!owner", "a b"),
        ("", "a b c"),
    ],
)
def test_label_selectors(api: Any, maps: str, make: Any, selector: str, names: str) -> None:
    for name, labels in (("a", {"tier": "x"}), ("b", {"tier": "y"}), ("c", {"owner": "helm"})):
        api.create(maps, {**make.config_map(name), "metadata": {"name": name, "labels": labels}})
    listed = api.get(maps, labelSelector=selector)["items"]
    assert [item["metadata"]["name"] for item in listed] == names.split()


@pytest.mark.parametrize(
    ("selector", "names"),
    [("metadata.name=a", "a"), ("metadata.name!=a", "b"), ("status.phase=Running", "b"), ("spec.nodeName=n1", "a")],
)
def test_field_selectors(api: Any, ns: str, make: Any, selector: str, names: str) -> None:
    pods = f"/api/v1/namespaces/{ns}/pods"
    body = make.pod("a")
    body["spec"]["nodeName"] = "n1"
    api.create(pods, body)
    api.create(pods, make.pod("b"))
    api.patch(f"{pods}/b/status", {"status": {"phase": "Running"}})
    listed = api.get(pods, fieldSelector=selector)["items"]
    assert [item["metadata"]["name"] for item in listed] == names.split()


@pytest.mark.parametrize("watch", ["", "true"])
@pytest.mark.parametrize(
    "query", [{"fieldSelector": "spec.nothing=1"}, {"fieldSelector": "x"}, {"labelSelector": "a=b=c"}]
)
def test_selectors_that_are_none_are_refused(api: Any, maps: str, query: Any, watch: str) -> None:
    api.refuse(400, "GET", maps, **query, watch=watch)
