"""Stable's past as a real Prometheus keeps it."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.model import Arm
from analysis.packs import Feed
from analysis.sources import Key, Role
from analysis.sources.prometheus import PrometheusSource

pytestmark = pytest.mark.real


def test_stretches_hold_every_sample_that_one_question_holds(
    prometheus: Any, feeds: tuple[Feed, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    for turn in range(200, 206):
        counts = f'requests_total{{service="shop",code="200"}} {10 * turn}\n'
        prometheus.exposition.shows(f"turn {turn}\n{counts}")
        prometheus.until(lambda turn=turn: prometheus.value("turn") == turn, f"turn {turn} is scraped")
    now = float(prometheus.query("time()")[1])
    source = PrometheusSource(url=prometheus.url, feeds=feeds, now=lambda: now)
    told: list[float] = []
    whole = source.past(seconds=60.0, timeout=5, done=told.append)
    monkeypatch.setattr("analysis.sources.prometheus.STRETCH", 7.0)
    parts = source.past(seconds=60.0, timeout=5, done=told.append)
    assert whole.trouble is parts.trouble is None
    assert {(one.time, one.value) for one in whole.samples} == {(one.time, one.value) for one in parts.samples}
    key = Key("checkout", Arm.STABLE, Role.TOTAL)
    seen = [one.value for one in whole.samples if one.key == key]
    assert {2000.0, 2010.0, 2020.0, 2030.0, 2040.0, 2050.0} <= set(seen)
    assert told == [1.0, *(pytest.approx((number + 1) / 9) for number in range(9))]


def test_a_past_that_is_too_large_or_not_there_is_told(
    prometheus: Any, feeds: tuple[Feed, ...], nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.sources.prometheus.PAST_LIMIT", 0)
    prometheus.exposition.shows('turn 300\nrequests_total{service="shop",code="200"} 1\n')
    prometheus.until(lambda: prometheus.value("turn") == 300, "turn 300 is scraped")
    assert (
        "ask for less of the past"
        in PrometheusSource(url=prometheus.url, feeds=feeds).past(seconds=60.0, timeout=5).sentence
    )
    assert PrometheusSource(url=nobody, feeds=feeds).past(seconds=60.0, timeout=5).trouble is not None


def test_the_recent_past_is_the_newest_that_fits(
    prometheus: Any, feeds: tuple[Feed, ...], nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for turn in range(400, 404):
        prometheus.exposition.shows(f'turn {turn}\nrequests_total{{service="shop",code="200"}} {10 * turn}\n')
        prometheus.until(lambda turn=turn: prometheus.value("turn") == turn, f"turn {turn} is scraped")
    now = float(prometheus.query("time()")[1])
    source = PrometheusSource(url=prometheus.url, feeds=feeds, now=lambda: now)
    monkeypatch.setattr("analysis.sources.prometheus.SHORT_STRETCH", 2.0)
    whole = source.recent(seconds=60.0, timeout=5)
    assert {(one.time, one.value) for one in whole.samples} == {
        (one.time, one.value) for one in source.past(seconds=60.0, timeout=5).samples
    }
    newest = source.recent(seconds=2.0, timeout=5)
    monkeypatch.setattr("analysis.sources.prometheus.RECENT_LIMIT", len(newest.samples))
    assert source.recent(seconds=60.0, timeout=5).samples == newest.samples
    monkeypatch.setattr("analysis.sources.prometheus.RECENT_LIMIT", 0)
    assert "more than can be read at once" in source.recent(seconds=60.0, timeout=5).sentence
    assert PrometheusSource(url=nobody, feeds=feeds).recent(seconds=60.0, timeout=5).trouble is not None
