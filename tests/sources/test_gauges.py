"""Gauges: what is asked, what an answer means, and that every value is judged once."""

from __future__ import annotations

import math
from typing import Any

import pytest
import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.model import Arm, Gauge
from analysis.packs import GaugeFeed, PackError, Target, gauge
from analysis.sources import GaugeWindow, Measured, Reading, gauges
from analysis.sources.measuring import Measuring, understood
from analysis.sources.prometheus import PrometheusSource
from analysis.sources.read import Classifier

CALM = settings(derandomize=True, deadline=None, max_examples=100)
TARGET = Target(namespace="shop", route="r", services={Arm.STABLE: "cart", Arm.CANARY: "cart-canary"}, port=80)
URL = "http://prometheus.test:9090"
NOW = 1_700_000_000.0


def feed(*, raw: bool = False, every: float = 10.0, arm: Arm = Arm.CANARY) -> GaugeFeed:
    return GaugeFeed(metric="queue", arm=arm, query='queue{service="cart-canary"}', raw=raw, every=every)


def vector(*series: tuple[dict[str, str], str]) -> list[dict[str, Any]]:
    return [{"metric": labels, "value": [NOW, value]} for labels, value in series]


def matrix(*series: tuple[dict[str, str], list[tuple[float, str]]]) -> list[dict[str, Any]]:
    return [{"metric": labels, "values": [list(point) for point in points]} for labels, points in series]


# What an answer means -----------------------------------------------------------------------------------------------


def test_one_value_is_a_value() -> None:
    assert understood(feed(), vector(({}, "4.5")), at=NOW).points == ((NOW, 4.5),)
    assert understood(feed(), [NOW, "7"], at=NOW).points == ((NOW, 7.0),), "a scalar"


def test_no_series_is_told() -> None:
    found = understood(feed(), [], at=NOW)
    assert (found.code, found.points) == ("SERIES_ABSENT", ())
    assert "no series on the canary arm" in found.sentence


def test_several_series_are_refused_with_the_labels_that_tell_them_apart() -> None:
    found = understood(feed(), vector(({"pod": "a", "job": "x"}, "1"), ({"pod": "b", "job": "x"}, "2")), at=NOW)
    assert (found.code, found.points) == ("SEVERAL_SERIES", ())
    assert "2 series on the canary arm (pod=a, b)" in found.sentence
    assert "sum() or avg()" in found.sentence


def test_raw_series_that_follow_each_other_are_one_and_those_at_once_are_several() -> None:
    one, later = [(NOW, "1"), (NOW + 15, "2")], [(NOW + 30, "3")]
    joined = understood(feed(raw=True), matrix(({"pod": "b"}, later), ({"pod": "a"}, one)), at=NOW + 31)
    assert [value for _, value in joined.points] == [1, 2, 3]
    at_once = understood(feed(raw=True), matrix(({"pod": "a"}, one), ({"pod": "b"}, [(NOW + 15, "9")])), at=NOW)
    assert at_once.code == "SEVERAL_SERIES"


ODD = [None, {}, [1], [{"metric": {}}], vector(({}, "much")), [{"metric": {}, "value": 3}]]


@pytest.mark.parametrize("result", ODD)
def test_what_is_no_answer_is_that_metrics_trouble_alone(result: Any) -> None:
    (found,) = Measuring((feed(),)).measure(lambda *_: result, at=NOW, end=math.inf)
    assert (found.code, found.points) == ("SOURCE_NONSENSE", ())


def test_each_gauge_is_asked_for_at_its_own_pace() -> None:
    asked: list[str] = []
    measuring = Measuring((feed(every=10.0), feed(every=60.0, arm=Arm.STABLE)))

    def ask(query: str, left: float) -> Any:
        asked.append(query)
        assert left > 0
        return vector(({}, "1"))

    for second in range(0, 120, 5):
        measuring.measure(ask, at=NOW + second, end=math.inf)
    assert len(asked) == 12 + 3


def test_without_time_left_nothing_is_asked() -> None:
    (found,) = Measuring((feed(),)).measure(lambda *_: pytest.fail("asked"), at=NOW, end=0.0)
    assert found.code == "SOURCE_SLOW"


# The window ---------------------------------------------------------------------------------------------------------


def reading(at: float, *points: tuple[float, float], every: float = 10.0, **parts: Any) -> Reading:
    return Reading(at=at, gauges=(Measured(metric="queue", arm=Arm.CANARY, points=points, every=every, **parts),))


def taken(window: GaugeWindow) -> Gauge:
    return window.take().get("queue", {}).get(Arm.CANARY, Gauge())


@given(
    times=st.lists(st.integers(0, 600), min_size=1, max_size=60, unique=True).map(sorted),
    cuts=st.lists(st.integers(0, 600), max_size=10).map(sorted),
)
@CALM
def test_every_sample_is_taken_once_however_readings_overlap(times: list[int], cuts: list[int]) -> None:
    """Each reading brings two minutes of samples again."""
    window, found = GaugeWindow(changed=-1.0), []
    for at in [*cuts, 600]:
        points = [(float(t), float(t)) for t in times if at - 120 < t <= at]
        window.advance(reading(float(at), *points, every=0.0))
        found += taken(window).points
        window = gauges.decode(window.encode())
    assert len(found) == len(set(found))
    assert found == sorted(found)
    assert set(found) <= {float(t) for t in times}


def test_what_was_before_the_release_read_it_is_not_taken() -> None:
    window = GaugeWindow()
    window.advance(reading(NOW, (NOW - 40, 1.0), (NOW - 25, 2.0), (NOW - 10, 3.0)))
    assert taken(window).points == (3.0,)


def test_what_was_before_a_change_of_the_share_is_not_taken() -> None:
    window = GaugeWindow()
    window.advance(reading(NOW, (NOW - 1, 1.0)))
    window.share_changed(NOW + 20)
    window.advance(reading(NOW + 30, (NOW + 15, 5.0), (NOW + 30, 6.0)))
    assert taken(window).points == (6.0,)


@pytest.mark.parametrize(("back", "found"), [(600.0, (6.0, 7.0)), (60.0, ())])
def test_a_reader_whose_clock_was_set_back_takes_what_is_new_by_the_new_one(back: float, found: Any) -> None:
    window = GaugeWindow()
    window.advance(reading(NOW, (NOW, 1.0)))
    window.share_changed(NOW + 20)
    window.advance(reading(NOW + 30, (NOW + 30, 5.0)))
    taken(window)
    now = NOW + 40 - back
    for later, value in ((0.0, 6.0), (10.0, 7.0)):
        window.advance(reading(now + later, (now + later, value)))
    assert taken(window).points == found


def test_values_closer_than_the_metrics_interval_are_left_out() -> None:
    window = GaugeWindow(changed=NOW - 100)
    window.advance(reading(NOW + 60, *((NOW + second, float(second)) for second in range(0, 61, 5)), every=30.0))
    assert taken(window).points == (0.0, 30.0, 60.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_dropped_counted_and_named(value: float) -> None:
    window = GaugeWindow(changed=NOW - 100)
    window.advance(reading(NOW, (NOW, value)))
    found = taken(window)
    assert (found.points, found.dropped, found.code) == ((), 1, "NOT_A_NUMBER")
    window.advance(reading(NOW + 10, (NOW, value), (NOW + 10, 2.0)))
    assert taken(window) == Gauge(points=(2.0,)), "and counted once"


def test_samples_that_are_no_longer_new_are_named() -> None:
    window = GaugeWindow()
    window.advance(reading(NOW, (NOW, 1.0)))
    taken(window)
    window.advance(reading(NOW + 100, (NOW, 1.0)))
    found = taken(window)
    assert (found.points, found.code) == ((), "SCRAPE_STALE")
    assert "100 s old" in found.sentence


def test_a_trouble_is_carried_and_over_with_the_next_value() -> None:
    window = GaugeWindow(changed=NOW - 100)
    window.advance(reading(NOW, code="SERIES_ABSENT", sentence="gone"))
    assert taken(window).sentence == "gone"
    window.advance(reading(NOW + 10, (NOW + 10, 2.0)))
    assert taken(window) == Gauge(points=(2.0,))


DAMAGED = [{"last": 3}, {"last": [[1]]}, {"last": [["q", "none", 1.0]]}, {"changed": "soon"}]


@pytest.mark.parametrize("damaged", DAMAGED)
def test_a_damaged_state_is_refused(damaged: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        gauges.decode(damaged)


# What is asked ------------------------------------------------------------------------------------------------------


@given(query=st.text(st.sampled_from("ab$arm{}()[]\"'`\\=~ "), max_size=20))
@CALM
def test_no_text_makes_it_fall(query: str) -> None:
    try:
        assert gauge("q", query=query, every=1.0, target=TARGET)
    except PackError as refusal:
        assert str(refusal).startswith("q: ")  # noqa: PT017 - a refusal is as good


def test_one_query_for_both_arms_is_asked_once() -> None:
    (one,) = gauge("q", query='a{s="$stable"} - b{s="${canary}"}', every=1.0, target=TARGET)
    assert (one.arm, one.query) == (Arm.CANARY, 'a{s="cart"} - b{s="cart-canary"}')


# Through HTTP -------------------------------------------------------------------------------------------------------


def answers(query: str, document: dict[str, Any], *, status: int = 200) -> None:
    asked = responses.matchers.query_param_matcher({"query": query}, strict_match=False)
    responses.get(f"{URL}/api/v1/query", match=[asked], json=document, status=status)


@responses.activate
def test_a_query_that_prometheus_refuses_is_a_finding_and_everything_else_is_still_read(feeds: Any) -> None:
    (counters,) = Classifier(feeds).selectors().values()
    labels = {"__name__": "requests_total", "service": "shop", "code": "200"}
    counted = [{"metric": labels, "values": [[NOW, "7"]]}]
    answers(f"{counters}[120s]", {"status": "success", "data": {"resultType": "matrix", "result": counted}})
    answers("avg(", {"status": "error", "error": "parse error: unclosed left parenthesis"}, status=400)
    answers("up", {"status": "success", "data": {"resultType": "vector", "result": vector(({}, "1"))}})
    wrong, right = (
        GaugeFeed(metric=name, arm=Arm.CANARY, query=query, raw=False, every=1.0)
        for name, query in (("wrong", "avg("), ("right", "up"))
    )
    found = PrometheusSource(url=URL, feeds=feeds, gauges=(wrong, right), now=lambda: NOW).read(timeout=5)
    assert found.trouble is None
    assert [sample.value for sample in found.samples] == [7.0]
    refused, read = found.gauges
    assert refused.code == "QUERY_REFUSED"
    assert "unclosed left parenthesis" in refused.sentence
    assert read.points == ((NOW, 1.0),)


@pytest.mark.real
def test_a_real_prometheus_answers_as_is_understood(prometheus: Any) -> None:
    lines = [f'queue{{service="{name}"}} {value}' for name, value in (("cart", 3), ("cart-canary", 5))]
    lines += ['many{service="cart",pod="a"} 1', 'many{service="cart",pod="b"} 1', 'undefined{service="cart"} NaN']
    lines += ["gauges 1"]
    prometheus.exposition.shows("\n".join(lines) + "\n")
    prometheus.until(lambda: prometheus.value("gauges") == 1, "the gauges are scraped")
    queries = {
        "raw": 'queue{service="$arm"}',
        "computed": 'sum(queue{service="$arm"}) * 2',
        "scalar": "scalar(vector(4))",
        "together": 'sum(queue{service="$canary"}) / sum(queue{service="$stable"})',
        "many": 'many{service="$stable"}',
        "nan": 'undefined{service="$stable"} + 0',
        "none": 'nothing{service="$arm"}',
        "wrong": "sum(queue) by by",
    }
    feeds = tuple(one for name, query in queries.items() for one in gauge(name, query=query, every=1.0, target=TARGET))
    found = PrometheusSource(url=prometheus.url, feeds=(), gauges=feeds).read(timeout=20)
    read = {(one.metric, one.arm): one for one in found.gauges}
    values = {key: [value for _, value in one.points][-1:] for key, one in read.items()}
    assert values["raw", Arm.STABLE] == [3.0]
    assert values["raw", Arm.CANARY] == [5.0]
    assert values["computed", Arm.CANARY] == [10.0]
    assert values["scalar", Arm.CANARY] == [4.0]
    assert values["together", Arm.CANARY] == [pytest.approx(5 / 3)]
    assert math.isnan(values["nan", Arm.CANARY][0])
    codes = {name: read[name, Arm.CANARY].code for name in ("many", "none", "wrong")}
    assert codes == {"many": "SEVERAL_SERIES", "none": "SERIES_ABSENT", "wrong": "QUERY_REFUSED"}
    assert "pod=a, b" in read["many", Arm.CANARY].sentence
