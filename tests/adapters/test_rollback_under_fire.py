"""Going back while the API server is down, slow, throttled, refuses, or loses answers; and while the ground moves.

Each line of the issue once, on the real adapters: the traffic goes back as soon as it can, people are told in the log
and by Events, nothing is given up before the last call, and whoever comes after goes on.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from canary.adapters.kubernetes.budget import Budget
from canary.core.outcome import ExitCode
from canary.core.release import Phase
from canary.core.vigil import Ended
from canary.engine.leasekeeper import LeaseKeeper
from tests.adapters.fire import HOLDER, LAST_CALL, Fire, endpoints

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

ROUTES = {"resource": "httproutes.gateway.networking.k8s.io"}
WRITES = {**ROUTES, "verb": "patch"}
DOWN = {"drop": "before"}
FREEZE = 'admission webhook "freeze.example" denied the request: no changes on Friday'
TERMINATING = "unable to create new content in namespace shop because it is being terminated"


@pytest.fixture
def fire(cluster: Any, tmp_path: Path) -> Callable[..., Fire]:
    def make(budget: Budget | None = None) -> Fire:
        return Fire(cluster, tmp_path, budget=budget or Budget(total=5.0, attempt=2.0))

    return make


def test_without_any_fire_it_is_back_at_once_and_cleaned_up(fire: Callable[..., Fire]) -> None:
    at = fire()
    assert at.before["shop"] == at.canary > 0
    at.condemned()
    assert at.canary == 0
    assert at.to_the_end() is ExitCode.REJECTED
    assert at.as_before()
    assert "all traffic is back on stable" in at.event_words()


# The API server ------------------------------------------------------------------------------------------------------


def test_down_and_up_again(fire: Callable[..., Fire]) -> None:
    at = fire()
    at.fault(DOWN)
    at.condemned()
    for _ in range(4):
        at.second(30.0)
    assert at.canary > 0
    assert "will try again" in at.words(alarm=True)
    at.calm()
    at.second(10.0)  # the longest time between two tries
    assert at.canary == 0
    assert at.to_the_end() is ExitCode.REJECTED
    assert at.as_before()
    assert "will try again" in at.event_words()


def test_down_until_the_last_call_is_30_and_the_watchdog_finishes(fire: Callable[..., Fire]) -> None:
    at = fire()
    at.fault(DOWN)
    began = at.passed
    at.condemned()
    assert at.to_the_end(every=10.0) is ExitCode.ROLLBACK_INCOMPLETE
    assert at.passed - began >= LAST_CALL - 20.0
    assert at.told[-1].alarm
    assert at.told[-1].code is ExitCode.ROLLBACK_INCOMPLETE
    at.calm()
    assert at.canary > 0
    # Why it went back could be written nowhere; that it must go back nobody has to be told.
    assert at.rescued() == (Ended.DONE, ExitCode.ENGINE_LOST)
    assert at.as_before()


def test_slow(fire: Callable[..., Fire]) -> None:
    """Each answer takes longer than a call may: written all the same, and found out by reading again."""
    at = fire(Budget(total=0.3, attempt=0.15))
    at.fault({"delay": 1.0}, times=2, **WRITES)
    at.condemned()
    for _ in range(6):
        at.second()
    assert at.canary == 0
    assert at.to_the_end() is ExitCode.REJECTED


@pytest.mark.parametrize(("asked", "within"), [(1, 5.0), (3600, 5.0)])
def test_throttled_is_honoured_and_still_quick(fire: Callable[..., Fire], asked: int, within: float) -> None:
    at = fire()
    at.fault({"status": 429, "reason": "TooManyRequests", "retryAfter": asked}, times=3, **WRITES)
    began = at.passed
    at.condemned()
    while at.canary > 0:
        at.second(0.2)
        assert at.passed - began <= within + 2.0
    assert at.to_the_end() is ExitCode.REJECTED


def test_throttled_where_nothing_presses_the_server_is_left_alone_as_long_as_it_asks(fire: Callable[..., Fire]) -> None:
    at = fire()
    at.condemned()
    at.fault({"status": 429, "reason": "TooManyRequests", "retryAfter": 30}, **WRITES)
    for _ in range(100):
        at.second()
    seen = [each for each in at.cluster.requests() if each["code"] == 429]
    assert 3 <= len(seen) <= 5
    at.calm()
    assert at.to_the_end() is ExitCode.REJECTED


@pytest.mark.parametrize(("status", "reason"), [(403, "Forbidden"), (422, "Invalid")])
def test_refused_is_told_with_the_servers_words_and_tried_until_it_is_let_through(
    fire: Callable[..., Fire], status: int, reason: str
) -> None:
    at = fire()
    at.fault({"status": status, "reason": reason, "message": FREEZE}, **WRITES)
    at.condemned()
    for _ in range(30):
        at.second()
    assert at.canary > 0
    told = [one for one in at.told if one.reason == "Refused"]
    assert [("no changes on Friday" in one.message, one.alarm) for one in told] == [(True, True)]
    assert "somebody must let it through" in at.event_words()
    at.calm()
    at.second(10.0)
    assert at.canary == 0
    assert at.to_the_end() is ExitCode.REJECTED
    assert at.as_before()


def test_committed_but_the_answer_is_lost(fire: Callable[..., Fire]) -> None:
    at = fire()
    at.fault({"drop": "after"}, times=2, **WRITES)
    at.condemned()
    assert at.canary == 0
    assert at.to_the_end() is ExitCode.REJECTED
    assert at.as_before()


def test_the_journal_cannot_be_written_and_the_traffic_goes_back_all_the_same(fire: Callable[..., Fire]) -> None:
    at = fire()
    at.fault({"status": 500, "reason": "InternalError"}, resource="configmaps")
    at.condemned()
    assert at.canary == 0
    at.calm()
    assert at.to_the_end() is ExitCode.REJECTED
    assert at.as_before()


# Stable has nobody ---------------------------------------------------------------------------------------------------


def no_endpoints(at: Fire) -> None:
    at.cluster.merge("endpointslices", "shop-1", {"endpoints": []})
    at.sees()


def test_stable_without_endpoints_is_held_paged_and_looked_at_every_second(fire: Callable[..., Fire]) -> None:
    at = fire()
    no_endpoints(at)
    assert "stable has no ready endpoint" in at.words(alarm=True)
    at.condemned()
    for _ in range(20):
        at.second()
        at.sees()
        assert at.canary > 0, "users were sent to nobody"
    assert "the canary keeps its traffic" in at.event_words()
    at.cluster.merge("endpointslices", "shop-1", {"endpoints": endpoints("shop", 1)["endpoints"]})
    at.sees()
    assert at.canary == 0
    assert at.to_the_end() is ExitCode.REJECTED


def test_the_watchdog_sends_users_to_nobody_either_and_goes_on_when_somebody_is_there(
    fire: Callable[..., Fire],
) -> None:
    at = fire()
    at.cluster.merge("endpointslices", "shop-1", {"endpoints": []})  # its engine died with stable's node
    passed = [0]

    def later() -> None:
        passed[0] += 1
        if passed[0] == 25:  # the lease is taken after ten seconds of marks
            assert "the canary keeps its traffic" in "\n".join(at.said)
            assert at.canary > 0, "users were sent to nobody"
            at.cluster.merge("endpointslices", "shop-1", {"endpoints": endpoints("shop", 4)["endpoints"]})

    assert at.rescued(each=later) == (Ended.DONE, ExitCode.ENGINE_LOST)
    assert passed[0] >= 25
    assert at.as_before()


def test_with_neither_arm_there_the_route_goes_back(fire: Callable[..., Fire]) -> None:
    at = fire()
    at.cluster.merge("endpointslices", "shop-1", {"endpoints": []})
    at.cluster.merge("endpointslices", "shop-canary-1", {"endpoints": []})
    at.sees()
    assert at.canary == 0
    assert at.to_the_end() is ExitCode.JUDGED_BAD


# The ground moves ----------------------------------------------------------------------------------------------------


def replaced(at: Fire, *, copied: bool) -> None:
    """Somebody deletes the route and makes it again: from their file, or as it stood."""
    route = copy.deepcopy(at.cluster.get("httproutes", "shop"))
    at.cluster.request("DELETE", at.cluster.path("httproutes", "shop"))
    metadata = {"name": "shop", **({"annotations": route["metadata"]["annotations"]} if copied else {})}
    rules = route["spec"]["rules"]
    if not copied:
        refs = rules[0]["backendRefs"]
        rules[0]["backendRefs"] = [dict(refs[0], weight=9), dict(refs[1], weight=1)]
    spec = {**route["spec"], "rules": rules}
    kinds = {"apiVersion": route["apiVersion"], "kind": "HTTPRoute"}
    at.cluster.create(at.cluster.path("httproutes"), {**kinds, "metadata": metadata, "spec": spec})


@pytest.mark.parametrize("copied", [True, False])
def test_a_route_that_was_made_again(fire: Callable[..., Fire], copied: bool) -> None:
    at = fire()
    replaced(at, copied=copied)
    at.sees()
    assert at.canary == 0
    assert at.to_the_end() is ExitCode.CHANGED_BY_OTHERS
    assert at.as_before()
    assert "made again" in at.event_words() or "removed what the release stands on" in at.event_words()


def test_a_route_that_is_gone_is_told_and_the_canary_goes(fire: Callable[..., Fire]) -> None:
    at = fire()
    at.cluster.request("DELETE", at.cluster.path("httproutes", "shop"))
    at.sees()
    assert at.to_the_end() is ExitCode.CHANGED_BY_OTHERS
    assert at.cluster.get("deployments", "shop-canary") is None
    assert "nothing to restore" in at.words(alarm=True)


def test_the_canarys_service_is_deleted(fire: Callable[..., Fire]) -> None:
    at = fire()
    for plural, name in (("services", "shop-canary"), ("endpointslices", "shop-canary-1")):
        at.cluster.request("DELETE", at.cluster.path(plural, name))
    at.sees()
    assert at.canary == 0
    assert at.to_the_end() is ExitCode.JUDGED_BAD
    assert at.as_before()


def test_stables_service_is_deleted(fire: Callable[..., Fire]) -> None:
    at = fire()
    for plural, name in (("services", "shop"), ("endpointslices", "shop-1")):
        at.cluster.request("DELETE", at.cluster.path(plural, name))
    at.sees()
    at.condemned()
    assert at.to_the_end(every=10.0) is ExitCode.ROLLBACK_INCOMPLETE
    assert at.canary > 0
    assert "stable has no ready endpoint" in at.event_words()


def test_a_namespace_that_is_being_deleted(fire: Callable[..., Fire]) -> None:
    at = fire()
    at.fault({"status": 403, "reason": "Forbidden", "message": TERMINATING}, verb="create")
    at.cluster.request("DELETE", at.cluster.path("configmaps", "canary-shop-journal"))
    at.condemned()
    assert at.canary == 0
    for plural, name in (("httproutes", "shop"), ("services", "shop-canary"), ("deployments", "shop-canary")):
        at.cluster.request("DELETE", at.cluster.path(plural, name))
    # Nothing more is done without a journal, and none can be made here; the traffic went back first.
    assert at.to_the_end(every=10.0) is ExitCode.ROLLBACK_INCOMPLETE
    assert "being terminated" in at.words(alarm=True)


def test_what_has_another_uid_by_the_time_it_is_deleted_is_left_alone(fire: Callable[..., Fire]) -> None:
    at = fire()
    theirs: list[Any] = []

    def replace() -> None:
        """Somebody puts their own Service in place of the canary's, after it was listed and before it is deleted."""
        if not theirs:
            path = at.cluster.path("services", "shop-canary")
            spec = at.cluster.get("services", "shop-canary")["spec"]
            body = {key: value for key, value in spec.items() if not key.startswith("clusterIP")}
            at.cluster.request("DELETE", path)
            made = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop-canary"}, "spec": body}
            theirs.append(at.cluster.create(at.cluster.path("services"), made))

    at.meanwhile = replace
    throttled = {"status": 429, "reason": "TooManyRequests", "retryAfter": 1}
    at.fault(throttled, times=1, verb="delete", resource="services")
    at.condemned()
    assert at.to_the_end() is ExitCode.REJECTED
    refused = [each for each in at.cluster.requests() if (each["verb"], each["code"]) == ("delete", 409)]
    assert [each["resource"] for each in refused] == ["services"]
    assert at.cluster.get("services", "shop-canary")["metadata"]["uid"] == theirs[0]["metadata"]["uid"]
    assert at.cluster.get("deployments", "shop-canary") is None


# Nothing burns -------------------------------------------------------------------------------------------------------


def test_holding_costs_the_api_server_at_most_12_requests_a_minute(fire: Callable[..., Fire]) -> None:
    """Besides the two watches, which are opened anew every four minutes."""
    at = fire()
    keeper = LeaseKeeper(
        leases=at.ports.leases, holder=HOLDER, clock=at.clock, beat=at.clock.monotonic, tell=at.decider.handle
    )
    before, due = len(at.cluster.requests()), 0.0
    for second in range(96):
        if second >= due:
            due = second + keeper.once()
        at.decider.release = replace(at.decider.release, sentence=f"look {second}")
        at.decider._recording._recorder.add("look", number=second)
        at.second()
    made = len(at.cluster.requests()) - before
    assert 10 <= made <= 12 * 96 / 60
    assert at.decider.release.phase is Phase.JUDGING


# A healthy lease -----------------------------------------------------------------------------------------------------


def test_a_lease_that_moved_meanwhile_is_nobodys_to_take(fire: Callable[..., Fire]) -> None:
    at = fire()
    stale = at.lease()
    at.passed += 10.0
    at.ports.leases.renew(HOLDER)
    assert at.rescued(lease=stale) == (Ended.DONE, None)
    assert at.canary > 0
