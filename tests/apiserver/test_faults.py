"""Faults on demand, and the log of requests."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from canary.sandbox.apiserver.errors import ApiError
from canary.sandbox.apiserver.faults import Faults

SOMEONE: Any = {"token": "a-users-token"}


def fault(api: Any, then: Any, match: Any = None, **counts: int) -> None:
    api.do("POST", "/sandbox/faults", {"match": match or {}, "then": then, **counts})


def test_a_status_with_its_reason_message_and_retry_after(api: Any, maps: str, make: Any) -> None:
    fault(
        api, {"status": 429, "reason": "TooManyRequests", "message": "slow down", "retryAfter": 7}, {"verb": "create"}
    )
    answer = api.call("POST", maps, make.config_map())
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert (answer.json()["reason"], answer.json()["message"]) == ("TooManyRequests", "slow down")
    assert api.get(maps)["items"] == []  # it was not carried out, and other verbs are not met


def test_times_and_skip_count_the_requests_that_match(api: Any, maps: str) -> None:
    fault(api, {"status": 503}, {"verb": "list", "resource": "configmaps"}, times=2, skip=1)
    assert [api.call("GET", maps).status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    assert api.call("GET", "/api/v1/namespaces").status_code == 200


def test_the_second_patch_of_one_route(api: Any, routes: str, make: Any) -> None:
    for name in ("shop", "other"):
        api.create(routes, make.route(name))
    match = {"verb": "patch", "resource": "httproutes.gateway.networking.k8s.io", "name": "shop", "subresource": ""}
    fault(api, {"status": 500}, match, skip=1, times=1)
    codes = [
        api.call("PATCH", f"{routes}/{name}", {"metadata": {"labels": {"a": "b"}}}, kind="merge").status_code
        for name in ("shop", "other", "shop/status", "shop", "shop")
    ]
    assert codes == [200, 200, 200, 500, 200]


def test_the_first_fault_that_matches_is_the_one(api: Any, maps: str) -> None:
    fault(api, {"status": 500}, {"verb": "list"}, times=1)
    fault(api, {"status": 503}, {"verb": "list"}, times=1)
    assert [api.call("GET", maps).status_code for _ in range(3)] == [500, 503, 200]


def test_a_connection_dropped_before_is_one_write_less_and_after_is_one_more(api: Any, maps: str, make: Any) -> None:
    fault(api, {"drop": "before"}, {"verb": "create"}, times=1)
    with pytest.raises(requests.ConnectionError):
        api.call("POST", maps, make.config_map("before"))
    fault(api, {"drop": "after"}, {"verb": "create"}, times=1)
    with pytest.raises(requests.ConnectionError):
        api.call("POST", maps, make.config_map("after"))
    assert [item["metadata"]["name"] for item in api.get(maps)["items"]] == ["after"]


def test_a_delay_comes_before_the_request_is_carried_out(api: Any, maps: str, make: Any) -> None:
    fault(api, {"delay": 0.3}, {"verb": "create"})
    begin = time.monotonic()
    api.create(maps, make.config_map())
    assert time.monotonic() - begin >= 0.3  # silence of at least what was asked for, whatever the machine
    fault(api, {"delay": 0.01, "status": 418}, {"verb": "list"})
    assert api.call("GET", maps).status_code == 418


def test_a_body_is_sent_as_it_is(api: Any, maps: str) -> None:
    fault(api, {"body": "<html>proxy"}, {"verb": "list"}, times=1)
    answer = api.call("GET", maps)
    assert (answer.status_code, answer.text) == (200, "<html>proxy")
    fault(api, {"body": "", "status": 502}, {"verb": "list"}, times=1)
    assert api.call("GET", maps).status_code == 502


def test_faults_are_cleared(api: Any, maps: str) -> None:
    fault(api, {"status": 500})
    assert api.call("GET", maps).status_code == 500
    api.do("DELETE", "/sandbox/faults")
    api.get(maps)


def test_faults_may_be_for_one_user(api: Any, maps: str) -> None:
    fault(api, {"status": 500}, {"user": "someone"})
    api.get(maps)
    assert api.call("GET", maps, **SOMEONE).status_code == 500


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"then": {}},
        {"then": {"statsu": 500}},
        {"then": {"status": "500"}},
        {"then": {"status": 99}},
        {"then": {"delay": "long"}},
        {"then": {"delay": -1}},
        {"then": {"drop": "sometimes"}},
        {"then": {"body": {"a": 1}}},
        {"match": {"verbs": "get"}, "then": {"status": 500}},
        {"match": [], "then": "x"},
        {"then": {"status": 500}, "times": "1"},
        {"then": {"status": 500}, "skip": -1},
        {"then": {"status": 500}, "count": 1},
    ],
)
def test_faults_that_cannot_be_understood_are_refused(api: Any, maps: str, body: Any) -> None:
    api.refuse(400, "POST", "/sandbox/faults", body)
    api.get(maps)


def test_a_fault_that_is_used_up_meets_nothing() -> None:
    faults = Faults()
    faults.add({"then": {"status": 500}, "times": 1})
    assert [faults.meeting({}) for _ in range(3)] == [{"status": 500}, None, None]
    with pytest.raises(ApiError):
        faults.add(None)


# The log -----------------------------------------------------------------------------------------------------


def test_the_log_says_who_asked_for_what_and_what_came_of_it(api: Any, ns: str, routes: str, make: Any) -> None:
    before = len(api.get("/sandbox/requests")["requests"])
    last = api.get("/sandbox/requests")["requests"][-1]["number"] if before else 0
    api.create(routes, make.route(), dryRun="All")
    api.refuse(404, "PATCH", f"{routes}/shop/status", {}, kind="merge")
    api.refuse(403, "GET", routes, **SOMEONE)
    fault(api, {"status": 503}, {"verb": "list"})
    api.refuse(503, "GET", routes)
    entries = api.get("/sandbox/requests", since=str(last))["requests"]
    wanted = ("user", "verb", "subresource", "name", "dryRun", "code")
    assert [tuple(entry[key] for key in wanted) for entry in entries] == [
        ("admin", "create", "", "", "All", 201),
        ("admin", "patch", "status", "shop", "", 404),
        ("someone", "list", "", "", "", 403),
        ("admin", "list", "", "", "", 503),
    ]
    assert {(entry["namespace"], entry["resource"]) for entry in entries} == {
        (ns, "httproutes.gateway.networking.k8s.io")
    }
    numbers = [entry["number"] for entry in entries]
    assert numbers == list(range(last + 1, last + 5))
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)
    api.refuse(400, "GET", "/sandbox/requests", since="yesterday")
