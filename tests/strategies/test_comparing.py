"""What changed between two readings, where little tells one answer from another."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from strategies import Direction, compare, last_writer, parents, rules_of
from tests.strategies.small import POOL, Release, ref


def changed(release: Release, before: Any, after: Any) -> Any:
    return compare(before, after, pool=POOL, original=release.original, token=release.kit.token)


@pytest.mark.parametrize(("was", "now", "gone"), [("u1", "u2", True), ("u1", None, False), (None, "u2", False)])
def test_only_two_uids_that_differ_say_that_a_route_was_made_again(
    release: Release, was: str | None, now: str | None, gone: bool
) -> None:
    before, after = copy.deepcopy(release.route), copy.deepcopy(release.route)
    for route, uid in ((before, was), (after, now)):
        route["metadata"] |= {"uid": uid} if uid else {}
    found = changed(release, before, after)
    assert (found is not None and found.direction is Direction.GONE) == gone


def test_a_new_rule_is_held_against_the_rules_that_went_and_not_against_those_that_stayed(release: Release) -> None:
    release.give(100)
    after = copy.deepcopy(release.route)
    both = [ref("app", 1), ref("app-canary", 1)]
    after["spec"]["rules"].append({"name": "new", "backendRefs": both})
    found = changed(release, release.route, after)
    assert found is not None
    assert found.direction is Direction.RAISED


@pytest.mark.parametrize("gone", ["app", "app-canary"])
def test_what_was_missing_already_is_no_change(release: Release, gone: str) -> None:
    before = copy.deepcopy(release.route)
    refs = before["spec"]["rules"][0]["backendRefs"]
    refs[:] = [each for each in refs if each["name"] != gone]
    assert changed(release, before, copy.deepcopy(before)) is None


def test_an_entry_of_the_status_alone_tells_no_writer_of_the_route() -> None:
    entries = [
        {"manager": "ann", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:metadata": {}}},
        {"manager": "gateway", "time": "2026-01-02T00:00:00Z", "fieldsV1": {"f:status": {}}},
    ]
    assert last_writer({"metadata": {"managedFields": entries}}, ours="canary-engine") == "ann"


def test_each_condition_is_read_by_its_own_type() -> None:
    said = {"status": "True", "observedGeneration": 3}
    conditions = [
        {**said, "type": "Accepted"},
        {**said, "type": "ResolvedRefs", "status": "False", "reason": "BackendNotFound"},
        {**said, "type": "Programmed"},
    ]
    (parent,) = parents({"status": {"parents": [{"parentRef": {"name": "web"}, "conditions": conditions}]}})
    assert (parent.accepted, parent.resolved, parent.reason) == (True, False, "BackendNotFound")


def test_a_rule_that_sends_nowhere_has_no_references() -> None:
    (rule,) = rules_of({"metadata": {"name": "front", "namespace": "shop"}, "spec": {"rules": [{"name": "none"}]}})
    assert (tuple(rule.refs), list(rule.raw)) == ((), [])
