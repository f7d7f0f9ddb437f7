"""The vigil, guard by guard and on both sides of each boundary."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from canary.core.vigil import (
    GAP,
    MORE,
    SUSPECT,
    SUSPECTED,
    Ended,
    Sighting,
    Vigil,
    Watched,
    confirmed,
    decide,
    ended,
    listed,
    seen,
    suspicious,
)

AT = 100.0
LEASE = Watched(version="1", holder="e", beat="1", since=AT)


def watching(read: float | None = AT, *, failing: bool = False, begun: tuple[float, ...] = (), **lease: Any) -> Vigil:
    return Vigil(leases={"a": replace(LEASE, **lease)}, read=read, failing=failing, begun=begun)


def shown(version: str = "2", holder: str = "e", *, handover: bool = False) -> Sighting:
    return Sighting(key="a", version=version, holder=holder, handover=handover)


@pytest.mark.parametrize(("after", "more"), [(GAP, False), (GAP + 0.1, True)])
def test_reads_too_far_apart_begin_the_count_anew_with_more_time(after: float, more: bool) -> None:
    lease = confirmed(watching(), AT + after).leases["a"]
    assert lease.since == (AT + after if more else AT)
    assert (lease.more >= MORE) is more


def test_a_read_after_a_failed_one_and_the_first_of_all_begin_the_count_anew() -> None:
    assert confirmed(watching(failing=True), AT + 1).leases["a"].since == AT + 1
    assert confirmed(watching(None), AT + 1).leases["a"].since == AT + 1
    assert not confirmed(watching(failing=True), AT + 1).failing


@pytest.mark.parametrize("busy", [True, False])
def test_a_lease_that_a_list_does_not_show_is_forgotten_unless_it_is_being_finished(busy: bool) -> None:
    assert ("a" in listed(watching(busy=busy), [], AT).leases) is busy
    assert ("a" in listed(watching(busy=busy), [shown(holder="")], AT).leases) is busy
    assert listed(watching(busy=busy), [shown()], AT).leases["a"].version == "2"


@pytest.mark.parametrize("busy", [True, False])
def test_a_lease_that_was_given_back_is_forgotten_unless_it_is_being_finished(busy: bool) -> None:
    left = seen(watching(busy=busy), shown(holder=""), AT + 1).leases
    assert ("a" in left) is busy
    assert seen(watching(busy=busy), shown(holder="", handover=True), AT + 1).leases["a"].version == "2"
    assert seen(Vigil(), shown(holder=""), AT).leases == {}


@pytest.mark.parametrize("busy", [True, False])
def test_a_lease_that_moves_is_counted_anew_and_stays_as_busy_as_it_was(busy: bool) -> None:
    lease = seen(watching(busy=busy), shown(), AT + 1).leases["a"]
    assert (lease.since, lease.busy) == (AT + 1, busy)
    assert seen(watching(busy=busy), shown("1"), AT + 1).leases["a"].since == AT


@pytest.mark.parametrize("how", Ended)
def test_how_an_attempt_ended_decides_what_follows(how: Ended) -> None:
    vigil = ended(watching(busy=True), "a", how, AT + 1)
    assert vigil.leases["a"] == replace(LEASE, since=AT + 1, settled=how is Ended.SETTLED)
    assert vigil.failing is (how is Ended.UNAVAILABLE)
    assert ended(Vigil(read=AT), "a", how, AT + 1).leases == {}


def test_when_a_watchs_word_is_not_enough() -> None:
    assert suspicious(watching(None), AT)
    assert suspicious(watching(failing=True), AT)
    assert suspicious(watching(), AT + SUSPECT)
    assert not suspicious(watching(), AT + SUSPECT - 0.1)
    assert not suspicious(watching(busy=True), AT + SUSPECT)
    assert not suspicious(watching(settled=True), AT + SUSPECT)


def due(vigil: Vigil, at: float = AT) -> list[str]:
    return [one.key for one in decide(vigil, at)[1]]


def test_when_a_lease_counts_as_abandoned() -> None:
    silent = AT - SUSPECTED
    assert due(watching(since=silent)) == ["a"]
    assert due(watching(since=silent + 0.1)) == []
    assert due(watching(since=silent, more=0.1)) == []
    assert due(watching(since=silent, busy=True)) == []
    assert due(watching(since=silent, settled=True)) == []
    assert due(watching(None, since=silent)) == []
    assert due(watching(since=silent, failing=True)) == []
    assert due(watching(since=silent), AT + GAP) == ["a"]
    assert due(watching(since=silent), AT + GAP + 0.1) == []


@pytest.mark.parametrize(("ago", "many"), [(0.9, 0), (1.0, 1)])
def test_so_many_are_begun_in_a_window_and_no_more(ago: float, many: int) -> None:
    vigil = watching(since=AT - SUSPECTED, begun=(AT - ago,) * 5)
    assert len(due(vigil)) == many
