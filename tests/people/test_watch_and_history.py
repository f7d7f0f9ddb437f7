"""`canary watch` and `canary history`: the same journal and records as status, to their end."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from canary.core.outcome import ExitCode
from canary.report.history import past, text
from tests.people.conftest import Stage, may

pytestmark = [pytest.mark.timeout(120), pytest.mark.real]

Canary = Callable[..., Any]
WHERE = ("-n", "shop")


def test_a_release_is_watched_to_its_end_and_then_is_history(stage: Stage, canary: Canary) -> None:
    stage.holding()
    listed = canary("history", "shop", *WHERE)
    assert listed.code == 0
    aborted = canary("abort", "shop", *WHERE, "--reason", "too slow")
    assert aborted.code == ExitCode.REJECTED
    watched = canary("watch", "shop", *WHERE, "--every", "1")
    assert watched.code == ExitCode.REJECTED
    lines = watched.out.splitlines()
    assert lines
    assert len(set(lines)) == len(lines)  # one for each change
    assert lines[-1].startswith("shop/shop  ROLLED_BACK")
    assert lines[-1].endswith("(exit 11): aborted by sandbox-admin: too slow")
    assert stage.ended() == ExitCode.REJECTED
    uid = stage.journal()["uid"]
    past_releases = canary("history", "shop", *WHERE)
    assert past_releases.code == 0
    assert f"{uid}  rejected or aborted by a person (exit 11)" in past_releases.out
    told = json.loads(canary("history", "shop", *WHERE, "-o", "json").out)
    (newest,) = [one for one in told if one["uid"] == uid]
    assert (newest["code"], newest["running"], newest["damage"]) == (11, False, "")
    assert newest["reason"] == "aborted by sandbox-admin: too slow"
    assert newest["began"] <= newest["ended"]


def test_nothing_to_watch_is_said_and_what_may_not_be_read_is_refused(stage: Stage, canary: Canary) -> None:
    nothing = canary("watch", "shop", *WHERE)
    assert (nothing.code, nothing.out) == (ExitCode.PREFLIGHT_FAILED, "shop/shop  no release\n")
    nobody = stage.user("nobody-of-history", may("gateway.networking.k8s.io", "httproutes", "get"))
    refused = canary("history", "shop", *WHERE, by=nobody)
    assert refused.code == ExitCode.NOT_PERMITTED
    assert "configmaps" in refused.err


def test_a_record_without_an_end_says_so_and_the_newest_comes_first() -> None:
    first = past("aaa", [{"kind": "told", "at": 100.0}, {"kind": "end", "at": 160.0, "code": 0, "reason": "well"}])
    second = past("bbb", [{"kind": "told", "at": 200.0}], damage="chunk 1 is gone")
    third = past("ccc", [{"kind": "told", "at": 300.0}])
    assert text("shop/web", [first, second, third], running="ccc").splitlines() == [
        "shop/web: 3 releases, newest first",
        "  1970-01-01 00:05:00Z  ccc  under way",
        "  1970-01-01 00:03:20Z  bbb  its record has no end",
        "      chunk 1 is gone",
        "  1970-01-01 00:01:40Z  aaa  promoted (exit 0) after 1m",
        "      well",
    ]
    assert text("shop/web", []) == "shop/web: no release has left a record\n"
