"""Settling, guard by guard and on both sides of each boundary."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from canary.core.settling import KEPT_LOOKS, Settling, compatible, interval, timeout, traffic_followed

SINCE = 100.0
WRITTEN = Settling(since=SINCE, accepted=True)


def test_a_look_that_ended_with_the_write_says_nothing() -> None:
    assert WRITTEN.look(start=SINCE - 1, end=SINCE, stable=9, canary=1) == WRITTEN
    assert WRITTEN.look(start=SINCE - 1, end=SINCE + 0.1, stable=9, canary=1).seen == 1


def test_a_look_that_spans_the_write_shows_the_canary_but_neither_the_share_nor_its_silence() -> None:
    across = WRITTEN.look(start=SINCE - 0.1, end=SINCE + 1, stable=9, canary=1)
    assert (across.looks, across.last_canary, across.seen) == ((), SINCE + 1, 1)
    silent = WRITTEN.look(start=SINCE - 0.1, end=SINCE + 1, stable=9, canary=0)
    assert (silent.quiet_from, silent.last_canary, silent.quiet) == (None, None, 0.0)
    whole = WRITTEN.look(start=SINCE, end=SINCE + 1, stable=9, canary=0)
    assert (whole.looks, whole.quiet) == (((0, 9),), 1.0)


def test_silence_lasts_until_a_request_and_begins_anew_after_it() -> None:
    silent = WRITTEN.look(start=SINCE, end=SINCE + 1, stable=9, canary=0)
    longer = silent.look(start=SINCE + 1, end=SINCE + 3, stable=9, canary=0)
    assert longer.quiet == 3.0
    broken = longer.look(start=SINCE + 3, end=SINCE + 4, stable=9, canary=1)
    assert (broken.quiet, broken.last_canary) == (0.0, SINCE + 4)
    assert broken.look(start=SINCE + 4, end=SINCE + 5, stable=9, canary=0).quiet == 1.0


@pytest.mark.parametrize("known", [{"quiet_from": SINCE}, {"quiet_to": SINCE + 9}, {}])
def test_a_silence_of_which_one_end_is_known_is_none(known: dict[str, float]) -> None:
    assert replace(WRITTEN, **known).quiet == 0.0


def test_looks_are_kept_up_to_a_number() -> None:
    settling = WRITTEN
    for second in range(KEPT_LOOKS + 1):
        settling = settling.look(start=SINCE + second, end=SINCE + second + 1, stable=second, canary=1)
    assert len(settling.looks) == KEPT_LOOKS
    assert settling.looks[0] == (1, 2)


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.532), (10, 10, 0.468, 1.0), (5, 10, 0.0773, 0.9227)],
)
def test_the_intervals_ends(hits: int, total: int, low: float, high: float) -> None:
    assert interval(hits, total) == pytest.approx((low, high), abs=1e-3)


@pytest.mark.parametrize(
    ("canary", "exact", "agrees"),
    [(500, True, True), (550, True, True), (600, True, False), (600, False, True), (650, False, False),
     (450, True, True), (400, True, False), (400, False, True), (350, False, False)],
)  # fmt: skip
def test_a_share_agrees_within_its_interval_and_the_gateways_slack(canary: int, exact: bool, agrees: bool) -> None:
    assert compatible(canary=canary, total=1000, share=Decimal(50), exact=exact) is agrees


def test_a_share_below_half_the_one_asked_for_never_agrees() -> None:
    assert not compatible(canary=0, total=1000, share=Decimal(2), exact=False)
    assert compatible(canary=4, total=1000, share=Decimal(2), exact=False)


def test_traffic_follows_only_where_the_gateway_accepts_and_the_canary_is_seen() -> None:
    seen = WRITTEN.look(start=SINCE, end=SINCE + 1, stable=50, canary=50)
    assert traffic_followed(seen, share=Decimal(50), exact=True)
    unaccepted = Settling(since=SINCE).look(start=SINCE, end=SINCE + 1, stable=50, canary=50)
    assert not traffic_followed(unaccepted, share=Decimal(50), exact=True)
    nobody = WRITTEN.look(start=SINCE, end=SINCE + 1, stable=0, canary=0)
    assert not traffic_followed(nobody, share=Decimal(50), exact=True)


def test_traffic_of_another_share_than_the_one_asked_for_has_not_followed() -> None:
    before = WRITTEN.look(start=SINCE, end=SINCE + 1, stable=900, canary=100)
    assert not traffic_followed(before, share=Decimal(50), exact=False)
    assert traffic_followed(before, share=Decimal(10), exact=True)
    after = before.look(start=SINCE + 1, end=SINCE + 2, stable=500, canary=500)
    assert traffic_followed(after, share=Decimal(50), exact=True), "the newest looks alone agree"
    assert not traffic_followed(after, share=Decimal(10), exact=True)


@pytest.mark.parametrize(
    ("now", "share", "limit"),
    [(SINCE + 10, 1, 150.0), (SINCE + 10, 50, 60.0), (SINCE, 1, 60.0), (SINCE + 10, 0, 60.0), (SINCE - 1, 1, 60.0)],
)
def test_how_long_traffic_is_waited_for(now: float, share: int, limit: float) -> None:
    settling = WRITTEN.look(start=SINCE, end=SINCE + 1, stable=100, canary=0)
    assert timeout(settling, now=now, share=Decimal(share), least=60.0) == pytest.approx(limit)
    assert timeout(WRITTEN, now=now, share=Decimal(share), least=60.0) == 60.0
