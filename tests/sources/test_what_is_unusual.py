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


def said(what: Look | Reading) -> tuple[str, ...]:
    return tuple(note.said for note in what.notes if note.said)


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
    assert said(look) == ("1 proxy was seen for the first time: it counts from now on",)
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
    assert any("not seen for over" in note for note in said(look)) == (told == 0)


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
    assert f"the source's clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}" in said(after)
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
    assert said(look) == ("10.0.0.1:9100 is scraped 2 times: counted once",)


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
    assert said(reading) == (f"{server.address} is scraped 2 times: counted once",)
    assert len({sample.series for sample in reading.samples}) == 1
    assert {sample.value for sample in reading.samples} == {7.0}


@pytest.mark.parametrize("value", ["NaN", "-1", "+Inf"])
def test_values_that_no_counter_has_are_named(feeds: tuple[Feed, ...], value: str) -> None:
    source = PrometheusSource(url=URL, feeds=feeds, now=lambda: 0.0)
    reading = read_from(source, (ARM, [[100, "7"], [105, value], [110, "9"]]))
    assert [sample.value for sample in reading.samples] == [7.0, 9.0]
    assert said(reading) == ("requests_total has values that no counter has: left out",)


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


# Names ------------------------------------------------------------------------------------------------------------


def cluster(time: float, *names: str, count: float, pod: str = "") -> Reading:
    """The canary's requests at one proxy that is there, under these names."""
    total = Key("errors", Arm.CANARY, Role.TOTAL)
    here = tuple(Sample(total, f"p|{name}", time, count, "p", pod, vector=f"p|{name}") for name in names)
    stable = Sample(Key("errors", Arm.STABLE, Role.TOTAL), "p|stable", time, time, "p", vector="p|stable")
    return Reading(at=time, samples=(stable, *here))


@given(count=st.integers(0, 10**6), more=st.integers(0, 50), fresh=st.booleans())
@CALM
def test_a_series_under_another_name_does_not_bring_its_past_again(count: int, more: int, fresh: bool) -> None:
    """Whether the counter goes on, as after a relabelling, or begins anew, as after a change of Envoy's index."""
    window = simple()
    window.advance(cluster(100, "rule/0", count=count))
    began = min(count, more) if fresh else count
    look = look_of(window, cluster(105, "rule/1", count=began))
    assert look.counts["errors"][Arm.CANARY].total == 0
    assert said(look) == ("1 series of a proxy took the place of others, as if renamed: it counts from now on",)
    assert counted(window, cluster(110, "rule/1", count=began + more)) == (5, more, 0)


@pytest.mark.parametrize(
    ("names", "pod"), [(("rule/0", "rule/1"), ""), (("rule/1",), "another")], ids=["a birth beside", "a pod replaced"]
)
def test_a_series_that_is_new_on_a_proxy_counts_from_zero(names: tuple[str, ...], pod: str) -> None:
    window = simple()
    window.advance(cluster(100, "rule/0", count=3, pod="one"))
    look = look_of(window, cluster(105, *names, count=3, pod=pod))
    assert look.counts["errors"][Arm.CANARY].total == 3
    assert said(look) == ()


def test_a_relabelled_series_of_a_prometheus_is_counted_once(feeds: tuple[Feed, ...]) -> None:
    source = PrometheusSource(url=URL, feeds=feeds, now=lambda: 0.0)
    window = Window(metrics={"checkout": False}, every=5)
    old, new = ({**ARM, "instance": "i", "cluster": name} for name in ("one", "two"))
    window.advance(read_from(source, (old, [[100, "50000"]])))
    look = look_of(window, read_from(source, (old, [[100, "50000"], [105, "50001"]]), (new, [[110, "50003"]])))
    assert look.counts["checkout"][Arm.STABLE].total == 1
    assert [note.name for note in look.notes] == ["series_renamed", "series_stable"]
    assert [note.value for note in look.notes] == [1, 2]


def test_a_forgotten_series_that_comes_back_is_named_and_counts_from_now_on() -> None:
    window = simple()
    window.advance(both(100, 5000, 70, errors(Arm.CANARY, Role.TOTAL, 300, 100, "far")))
    for time in range(105, 1105, 5):
        assert not look_of(window, both(time, 5000 + time, 70 + time)).notes
    window = Window(metrics={"errors": False}, every=5.0, state=window.encode())
    back = [
        both(time, 5000 + time, 70 + time, errors(Arm.CANARY, Role.TOTAL, 280 + time, time, "far"))
        for time in (1105, 1110)
    ]
    look = look_of(window, back[0])
    assert look.counts["errors"][Arm.CANARY].total == 5
    assert said(look)[0] == "1 series came back after more than 900 s: it counts from now on"
    assert look_of(window, back[1]).counts["errors"][Arm.CANARY].total == 10


# Pace -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scrape", "told"), [(15, True), (5, False)])
def test_samples_that_come_less_often_than_looks_are_told(scrape: int, told: bool) -> None:
    window, seen = simple(every=5.0), []
    for now in range(100, 200, 5):
        last = now - now % scrape
        found = window.advance(both(last, last, last, at=now))
        seen += found.notes if isinstance(found, Look) else ()
    assert {note.said for note in seen} == ({"samples every 15 s, so looks are as far apart"} if told else set())
    assert all(note.steady and note.value == 15 for note in seen)


def test_a_source_that_is_read_less_often_than_asked_is_not_called_slow() -> None:
    """The readings of a long step are further apart, and each brings what was just scraped."""
    window = simple(every=5.0)
    window.advance(both(100, 0, 0))
    assert not any(look_of(window, both(now, now, now)).notes for now in range(130, 400, 30))


@pytest.mark.parametrize("pace", [25, 60, 90])
def test_one_sample_in_a_reading_is_stale_by_the_pace_that_samples_come_at(pace: int) -> None:
    """A Prometheus that scrapes every 90 s shows one sample in two minutes: that is how it must be."""
    window, codes = simple(every=5.0), set()
    for now in range(0, 8 * pace, 5):
        last = now - now % pace
        found = window.advance(both(last, last, last, at=now))
        if isinstance(found, NoLook) and now >= 2 * pace:
            codes.add(found.code)
    assert codes == {"SAME"}
    gone = window.advance(both(last, last, last, at=last + 3 * pace + 2))
    assert isinstance(gone, NoLook)
    assert gone.code == Trouble.STALE


def test_an_outage_is_not_the_pace_of_what_comes_after_it() -> None:
    window = simple(every=5.0)
    for now in (100, 105, 110, 700, 705):
        window.advance(both(now, now, now))
    stale = window.advance(both(705, 705, 705, at=725))
    assert isinstance(stale, NoLook)
    assert stale.code == Trouble.STALE
