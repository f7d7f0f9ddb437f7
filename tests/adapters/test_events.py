"""Events tell people what happens to the route; they are never waited for, and their failure is nobody's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from canary.adapters.kubernetes import Api, EventReporter
from canary.adapters.kubernetes.events import WAITING
from canary.core.outcome import ExitCode
from canary.ports import Progress

AT = 1_800_000_000.25


def progress(**changes: Any) -> Progress:
    given: dict[str, Any] = {
        "at": AT,
        "phase": "SHIFTING",
        "stage": "",
        "step": 0,
        "steps": 3,
        "share_wanted": Decimal(5),
        "share_seen": None,
        "entered": AT,
    }
    return Progress(**{**given, **changes})


@pytest.mark.real
def test_changes_become_events_about_the_route_and_looks_do_not(shop: Any, eventually: Callable[..., Any]) -> None:
    reporter = EventReporter(shop.api(), namespace=shop.namespace, route="shop")
    reporter.tell(progress())
    reporter.tell(progress(message="canary raised to 5 %", reason="ShareRaised"))
    reporter.tell(progress(message="rolled back: 15 % errors", reason="Finished", code=ExitCode.JUDGED_BAD))
    eventually(lambda: len(shop.list("events")) == 2)
    events = shop.list("events")
    events.sort(key=lambda event: event["type"])
    assert [(each["type"], each["reason"], each["message"]) for each in events] == [
        ("Normal", "ShareRaised", "canary raised to 5 %"),
        ("Warning", "Finished", "rolled back: 15 % errors"),
    ]
    for event in events:
        about = event["involvedObject"]
        assert (about["kind"], about["name"]) == ("HTTPRoute", "shop")
        assert about["uid"] == shop.get("httproutes", "shop")["metadata"]["uid"]
        assert event["firstTimestamp"] == "2027-01-15T08:00:00Z"
        assert event["reportingComponent"] == "canary-engine"


@pytest.mark.real
def test_an_alarm_is_a_warning_and_a_promotion_is_not(shop: Any, eventually: Callable[..., Any]) -> None:
    reporter = EventReporter(shop.api(), namespace=shop.namespace, route="shop")
    reporter.tell(progress(message="a person must act", reason="Retrying", alarm=True))
    reporter.tell(progress(message="promoted", reason="Finished", code=ExitCode.PROMOTED))
    eventually(lambda: len(shop.list("events")) == 2)
    assert {each["message"]: each["type"] for each in shop.list("events")} == {
        "a person must act": "Warning",
        "promoted": "Normal",
    }


@pytest.mark.real
def test_the_same_words_twice_are_two_events_and_any_words_are_sendable(
    shop: Any, eventually: Callable[..., Any]
) -> None:
    reporter = EventReporter(shop.api(), namespace=shop.namespace, route="shop")
    for message in ("again", "again", "x" * 5000, "ü" * 600, "line\nbreak\x00 and ünïcode"):
        reporter.tell(progress(message=message, reason="Told" * 60))
    eventually(lambda: len(shop.list("events")) == 5)
    assert all(len(each["message"].encode()) <= 1024 and len(each["reason"]) <= 128 for each in shop.list("events"))


def test_telling_returns_while_the_server_is_silent_and_drops_what_is_too_much(
    server: Any, make_api: Callable[..., Api]
) -> None:
    server.script = [lambda *_: server.released.wait(60) and None]
    reporter = EventReporter(make_api(), namespace="space", route="shop")
    done = threading.Event()

    def tell() -> None:
        for number in range(20 * WAITING):
            reporter.tell(progress(message=f"change {number}", reason="Told"))
        done.set()

    threading.Thread(target=tell, daemon=True).start()
    assert done.wait(30)
    assert reporter._queue.qsize() <= WAITING


def test_a_missing_permission_is_asked_for_once_and_raises_nothing(
    server: Any, say: Any, make_api: Callable[..., Api]
) -> None:
    server.script = [say.status(403, "events is forbidden", "Forbidden")]
    reporter = EventReporter(make_api(), namespace="space", route="shop")
    for number in range(10):
        reporter.tell(progress(message=f"change {number}", reason="Told"))
    reporter.flush(20.0)
    posts = [line for line, _, _ in server.requests if line.startswith("POST")]
    assert len(posts) == 1
