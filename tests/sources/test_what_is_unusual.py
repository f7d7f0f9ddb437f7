"""Series that are reborn, doubled, long unseen, or on another clock: named in the finding, and not counted twice."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.judge import JudgeConfig, MetricConfig, begin_step, observe, start
from analysis.model import Arm, Look
from analysis.packs import Feed
from analysis.sources import Key, NoLook, Reading, Role, Sample, Trouble, Window
from analysis.sources.prometheus import PrometheusSource
from analysis.sources.twice import Once
from tests.sources.answering import QUERY, URL, matrix
from tests.sources.conftest import Scraping
from tests.sources.worlds import CALM, both, counted, errors, simple

ARM = {"service": "shop", "code": "200"}


def of(proxy: str, reading: Reading) -> Reading:
    """The same samples, of this proxy."""
    named = tuple(replace(one, series=f"{proxy}|{one.series}", origin=proxy) for one in reading.samples)
    return replace(reading, samples=named)


def together(*some: Reading, **changes: Any) -> Reading:
    return replace(some[0], samples=tuple(one for reading in some for one in reading.samples), **changes)


def look_of(window: Window, reading: Reading) -> Look:
    look = window.advance(reading)
    assert isinstance(look, Look), look
    return look


# Proxies ----------------------------------------------------------------------------------------------------------


@given(stable=st.integers(0, 10**9), canary=st.integers(0, 10**9), more=st.integers(0, 50))
@CALM
def test_a_proxy_seen_for_the_first_time_does_not_bring_its_past(stable: int, canary: int, more: int) -> None:
    """Its canary counters may be of last week's release of the same name."""
    window = simple()
    window.advance(of("a", both(100, 50, 10)))
    look = look_of(window, together(of("a", both(105, 60, 12)), of("b", both(105, stable, canary))))
    assert {arm: look.counts["errors"][arm].total for arm in Arm} == {Arm.STABLE: 10, Arm.CANARY: 2}
    assert look.notes == ("1 proxies were seen for the first time: they count from now on",)
    later = together(of("a", both(110, 61, 12)), of("b", both(110, stable + more, canary)))
    assert counted(window, later) == (1 + more, 0, 0)


def test_what_a_new_proxy_counted_within_one_answer_counts() -> None:
    """Prometheus brings two minutes at once: only what was before the first sample is left out."""
    window = simple()
    window.advance(of("a", both(100, 50, 10)))
    past = [of("b", both(101 + turn, 7000 + turn, 300)) for turn in range(4)]
    assert counted(window, together(of("a", both(105, 50, 10)), *past)) == (3, 0, 0)


def test_a_series_born_on_a_proxy_that_was_there_counts_from_zero() -> None:
    window = simple()
    window.advance(of("a", both(100, 50, 10)))
    first = of("a", Reading(at=105, samples=(errors(Arm.CANARY, Role.BAD, 3, 105),)))
    assert counted(window, together(of("a", both(105, 50, 14)), first)) == (0, 4, 3)


@pytest.mark.parametrize(("away", "told"), [(60, 110), (200, 0)])
def test_a_proxy_that_was_unseen_for_long_counts_from_now_on(away: int, told: int) -> None:
    """After a short gap its requests are counted late; after a long one they are of other shares, and left out."""
    window = simple()
    window.advance(together(of("a", both(100, 0, 0)), of("b", both(100, 10, 10))))
    for second in range(105, 100 + away, 5):
        window.advance(of("a", both(second, second, second)))
    seen = together(of("a", both(100 + away, 100 + away, 100 + away)), of("b", both(100 + away, 120, 10)))
    look = look_of(window, seen)
    assert look.counts["errors"][Arm.STABLE].total - told <= 5
    assert look.counts["errors"][Arm.STABLE].total >= told
    assert any("not seen for over" in note for note in look.notes) == (told == 0)


def test_an_outage_of_the_source_loses_nothing() -> None:
    """Nobody was seen meanwhile: one look holds it all, and says from when to when it is."""
    window = simple()
    window.advance(of("a", both(100, 0, 0)))
    look = look_of(window, of("a", both(700, 900, 90)))
    assert (look.start, look.end, look.counts["errors"][Arm.STABLE].total) == (100, 700, 900)


def test_who_was_there_is_known_after_a_restart_of_the_engine() -> None:
    window = simple()
    window.advance(of("a", both(100, 50, 10)))
    again = Window(metrics={"errors": False}, every=5.0, state=window.encode())
    born = of("a", Reading(at=105, samples=(errors(Arm.CANARY, Role.BAD, 3, 105),)))
    assert counted(again, together(of("a", both(105, 50, 14)), born)) == (0, 4, 3)


# Clocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skew", [-7200.0, -30.0, 30.0, 7200.0])
def test_a_source_on_another_clock_is_read_like_any_other(skew: float) -> None:
    """Samples are neither stale nor forgotten for being stamped by another clock, and the change is where it was."""
    window = simple()

    def read(at: float, count: int) -> Look | NoLook:
        return window.advance(replace(both(at + skew, count, count), at=at, skew=skew))

    read(10_000, 0)
    window.share_changed(10_003.0)
    spanning, after = read(10_005, 5), read(10_010, 9)
    assert isinstance(spanning, Look)
    assert isinstance(after, Look)
    assert (spanning.spans_change, after.spans_change) == (True, False)
    assert after.counts["errors"][Arm.STABLE].total == 4
    assert f"the source's clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}" in after.notes
    still = replace(both(10_010 + skew, 9, 9), at=10_050, skew=skew)
    stale = window.advance(still)
    assert isinstance(stale, NoLook)
    assert stale.code == Trouble.STALE


@pytest.mark.parametrize(("ahead", "seen"), [(0, False), (1, False), (-1, False), (90, True), (-90, True)])
def test_prometheus_clock_is_read_from_its_answers(feeds: tuple[Feed, ...], ahead: int, seen: bool) -> None:
    now = 1_700_000_000.0
    date = format_datetime(datetime.fromtimestamp(now + ahead, UTC), usegmt=True)
    with responses.RequestsMock() as mock:
        mock.post(QUERY, json=matrix((ARM, [[now, "1"]])), headers={"Date": date})
        mock.get(QUERY, json=matrix((ARM, [[now, "1"]])), headers={"Date": date})
        mock.assert_all_requests_are_fired = False
        reading = PrometheusSource(url=URL, feeds=feeds, now=lambda: now).read(timeout=5)
    assert reading.trouble is None, reading.sentence
    assert (abs(reading.skew - ahead) <= 1 and reading.skew != 0) == seen
    assert seen or reading.skew == 0


@pytest.mark.parametrize("header", ["", "yesterday", "Mon, 99 Foo 99999 99:99:99 GMT"])
def test_a_date_that_is_none_is_no_skew(feeds: tuple[Feed, ...], header: str) -> None:
    with responses.RequestsMock() as mock:
        for method in (mock.get, mock.post):
            method(QUERY, json=matrix((ARM, [[5.0, "1"]])), headers={"Date": header})
        mock.assert_all_requests_are_fired = False
        reading = PrometheusSource(url=URL, feeds=feeds).read(timeout=5)
    assert (reading.trouble, reading.skew) == (None, 0.0)


# Doubles ----------------------------------------------------------------------------------------------------------


def read_from(source: PrometheusSource, *series: tuple[dict[str, str], list[Any]]) -> Reading:
    with responses.RequestsMock() as mock:
        for method in (mock.get, mock.post):
            method(QUERY, json=matrix(*series))
        mock.assert_all_requests_are_fired = False
        reading = source.read(timeout=5)
    assert reading.trouble is None, reading.sentence
    return reading


@pytest.mark.parametrize("label", ["job", "prometheus_replica", "endpoint"])
def test_a_proxy_that_is_scraped_twice_is_counted_once_and_named(feeds: tuple[Feed, ...], label: str) -> None:
    source, window = (
        PrometheusSource(url=URL, feeds=feeds, now=lambda: 0.0),
        Window(metrics={"checkout": False}, every=5),
    )
    one, two = ({**ARM, "instance": "10.0.0.1:9100", label: name} for name in ("a", "b"))
    window.advance(read_from(source, (one, [[100, "7"]]), (two, [[101, "7"]])))
    look = look_of(window, read_from(source, (two, [[106, "11"]]), (one, [[105, "10"]])))
    assert look.counts["checkout"][Arm.STABLE].total == 3
    assert look.notes[0].startswith("10.0.0.1:9100 is scraped 2 times: counted once")


@given(seed=st.integers(0, 10**9))
@settings(CALM, max_examples=40)
def test_when_one_scraper_takes_over_from_another_nothing_is_counted_twice(seed: int) -> None:
    """A pair of Prometheus servers of which either may be away for minutes; each answer has the last two minutes."""
    chance, once = random.Random(seed), Once()
    window = Window(metrics={"errors": False}, every=15)
    up = {"a": True, "b": True}
    kept: dict[str, list[tuple[float, float]]] = {"a": [], "b": []}
    count = judged = 0
    for now in range(15, 3000, 15):
        count += chance.randrange(0, 9)
        for name, was in list(up.items()):
            up[name] = was != (chance.random() < 0.06)
            if up[name]:
                kept[name].append((now, count))
        held = {name: [point for point in points if point[0] > now - 120] for name, points in kept.items()}
        series = [({"instance": "i", "replica": name}, (name, points)) for name, points in held.items() if points]
        samples = [
            Sample(Key("errors", Arm.STABLE, Role.TOTAL), name + turn, time, value, name + turn)
            for (name, points), turn in once.kept("f", series)
            for time, value in points
        ]
        look = window.advance(Reading(at=now, samples=tuple(samples)))
        judged += look.counts["errors"][Arm.STABLE].total if isinstance(look, Look) else 0
        assert judged <= count


@pytest.mark.real
def test_a_real_prometheus_that_scrapes_one_proxy_by_two_jobs(
    tmp_path: Path, server: Any, feeds: tuple[Feed, ...]
) -> None:
    server.shows('requests_total{service="shop",code="200"} 7\n')
    one = Scraping(tmp_path, server, jobs=("proxy", "annotations"))
    try:
        one.until(lambda: len(one.query("requests_total")) == 2, "both jobs have scraped")
        reading = PrometheusSource(url=one.url, feeds=feeds).read(timeout=5)
    finally:
        one.close()
    assert reading.notes == (f"{server.address} is scraped 2 times: counted once",)
    assert len({sample.series for sample in reading.samples}) == 1
    assert {sample.value for sample in reading.samples} == {7.0}


@pytest.mark.parametrize("value", ["NaN", "-1", "+Inf"])
def test_values_that_no_counter_has_are_named(feeds: tuple[Feed, ...], value: str) -> None:
    source = PrometheusSource(url=URL, feeds=feeds, now=lambda: 0.0)
    reading = read_from(source, (ARM, [[100, "7"], [105, value], [110, "9"]]))
    assert [sample.value for sample in reading.samples] == [7.0, 9.0]
    assert reading.notes == ("requests_total has values that no counter has: left out",)


@given(
    series=st.lists(
        st.fixed_dictionaries(
            {"instance": st.sampled_from(["x", "y", ""]), "job": st.sampled_from("ab"), "code": st.sampled_from("12")}
        ),
        max_size=12,
    )
)
@settings(CALM, max_examples=100)
def test_exactly_one_of_each_counter_is_kept_and_all_that_say_not_who(series: list[dict[str, str]]) -> None:
    unique = [dict(pairs) for pairs in {tuple(sorted(one.items())) for one in series}]
    kept = Once().kept("f", [(one, (one["instance"], one["code"])) for one in unique])
    named = [thing for thing, _ in kept if thing[0]]
    assert sorted(named) == sorted({(one["instance"], one["code"]) for one in unique if one["instance"]})
    assert len(kept) - len(named) == sum(not one["instance"] for one in unique)


# The finding ------------------------------------------------------------------------------------------------------


def test_what_was_unusual_is_named_in_every_finding_of_its_look() -> None:
    config = JudgeConfig(
        metrics=(MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.01),), planned_looks=300
    )
    state = begin_step(config, start(config), share=50.0, last_share=50.0)
    window = simple()
    window.advance(both(100, 5000, 70))
    state, judgement = observe(config, state, look_of(window, both(105, 400, 475)))
    for sentence in (judgement.sentence, *(finding.sentence for finding in judgement.findings)):
        assert sentence.endswith("(in this look: 1 counters began again: a proxy restarted)")
    _, after = observe(config, state, look_of(window, both(110, 800, 875)))
    assert not any("in this look" in sentence for sentence in (after.sentence, *(f.sentence for f in after.findings)))
