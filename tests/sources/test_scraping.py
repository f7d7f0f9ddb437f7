"""Scraping proxies: what they say is understood or refused; never taken for something that did not happen."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.model import Arm, Look
from analysis.packs import Feed, Target, custom
from analysis.sources import NoLook, Reading, Role, Trouble, Window
from analysis.sources import exchange as exchanges
from analysis.sources.scrape import ScrapeSource

PLAIN = "text/plain; version=0.0.4"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def text(stable: float, canary: float, bad: float) -> str:
    return (
        "# HELP requests_total Requests.\n"
        "# TYPE requests_total counter\n"
        f'requests_total{{service="shop",code="200"}} {stable}\n'
        f'requests_total{{service="shop-canary",code="200"}} {canary}\n'
        f'requests_total{{service="shop-canary",code="503"}} {bad}\n'
        'requests_total_of_another{service="shop",code="200"} 99\n'
        'requests_total{service="shop-two",code="200"} 77\n'
    )


def summed(reading: Reading) -> dict[tuple[Arm | None, Role], float]:
    assert reading.trouble is None, reading.sentence
    total: dict[tuple[Arm | None, Role], float] = {}
    for one in reading.samples:
        total[one.key.arm, one.key.role] = total.get((one.key.arm, one.key.role), 0.0) + one.value
    return total


GOOD = {(Arm.STABLE, Role.TOTAL): 7.0, (Arm.CANARY, Role.TOTAL): 5.0, (Arm.CANARY, Role.BAD): 1.0}


def troubled(reading: Reading, trouble: Trouble, *words: str) -> None:
    assert (reading.trouble, reading.samples) == (trouble, ()), reading
    for word in words:
        assert word in reading.sentence


def test_only_our_series_are_read(server: Any, feeds: tuple[Feed, ...]) -> None:
    server.shows(text(7, 4, 1))
    reading = ScrapeSource(urls=(server.url,), feeds=feeds, now=lambda: 1234.5).read(timeout=2)
    assert summed(reading) == GOOD
    assert {one.time for one in reading.samples} == {1234.5}


@pytest.mark.parametrize("coding", ["gzip", "deflate", "identity"])
def test_packed_answers_are_unpacked(server: Any, feeds: tuple[Feed, ...], coding: str) -> None:
    import zlib

    body = text(7, 4, 1).encode()
    packed = {"gzip": gzip.compress(body), "deflate": zlib.compress(body), "identity": body}[coding]

    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Encoding", coding)
        request.send_header("Content-Length", str(len(packed)))
        request.end_headers()
        request.wfile.write(packed)

    server.handler = handle
    assert summed(ScrapeSource(urls=(server.url,), feeds=feeds).read(timeout=2)) == GOOD


def test_a_bomb_is_not_unpacked(server: Any, feeds: tuple[Feed, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanges, "BODY_LIMIT", 2**20)
    bomb = gzip.compress(b"#" * 2**26)

    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Encoding", "gzip")
        request.send_header("Content-Length", str(len(bomb)))
        request.end_headers()
        request.wfile.write(bomb)

    server.handler = handle
    troubled(ScrapeSource(urls=(server.url,), feeds=feeds).read(timeout=5), Trouble.NONSENSE, "larger than 1 MiB")


def test_garbage_that_says_it_is_packed(server: Any, feeds: tuple[Feed, ...]) -> None:
    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Encoding", "gzip")
        request.send_header("Content-Length", "9")
        request.end_headers()
        request.wfile.write(b"not gzip!")

    server.handler = handle
    troubled(ScrapeSource(urls=(server.url,), feeds=feeds).read(timeout=2), Trouble.NONSENSE, "unpacked")


def test_open_metrics_is_the_same(server: Any, feeds: tuple[Feed, ...]) -> None:
    """With exemplars at the ends of lines, times in seconds, and birth times beside the counters."""
    body = (
        "# TYPE requests counter\n"
        'requests_total{service="shop",code="200"} 7.0 1700000000.5 # {trace_id="a}b\\"{"} 1.0 1700000000.1\n'
        'requests_created{service="shop",code="200"} 1.6e9\n'
        'requests_total{service="shop-canary",code="200",note="# {x} "} 4.0 1700000000.5 # {} 1.0\n'
        'requests_total{service="shop-canary",code="503"} 1.0 1700000000.5\n'
        "# EOF\n"
    )
    server.shows(body, OPEN)
    reading = ScrapeSource(urls=(server.url,), feeds=feeds).read(timeout=2)
    assert summed(reading) == GOOD
    assert {one.time for one in reading.samples} == {1700000000.5}
    assert server.requests[0]["accept"].startswith("text/plain")


def test_times_of_the_plain_format_are_milliseconds(server: Any, feeds: tuple[Feed, ...]) -> None:
    server.shows('requests_total{service="shop",code="200"} 7 1700000000500\n')
    reading = ScrapeSource(urls=(server.url,), feeds=feeds).read(timeout=2)
    assert [one.time for one in reading.samples] == [1700000000.5]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (text(7, 4, 1)[:-3], PLAIN),
        ('requests_total{service="shop",code="200"} 123', PLAIN),
        (text(7, 4, 1), OPEN),
    ],
)
def test_half_an_exposition_is_no_reset(server: Any, feeds: tuple[Feed, ...], body: str, kind: str) -> None:
    """A counter of 123456 cut off after 123 would look like a proxy that began again."""
    server.shows(body, kind)
    troubled(ScrapeSource(urls=(server.url,), feeds=feeds).read(timeout=2), Trouble.NONSENSE, "metrics address")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("<html><body>requests_total</body></html>\n", "text/html"),
        ('{"requests_total": 1}\n', "application/json"),
        ("\n", ""),
        ("", ""),
        ("hello\n", PLAIN),
        ("requests_total\n", PLAIN),
        ("requests_total{service\n", PLAIN),
        ('requests_total{service="shop"} \n', PLAIN),
        ('requests_total{service="shop"} many\n', PLAIN),
        ("requests_total\x00\x01\n", PLAIN),
    ],
)
def test_garbage_is_called_so(server: Any, feeds: tuple[Feed, ...], body: str, kind: str) -> None:
    server.shows(body, kind)
    reading = ScrapeSource(urls=(server.url,), feeds=feeds).read(timeout=2)
    if reading.trouble is None:
        # What the parser forgives must at least not be a number of ours.
        assert reading.samples == ()
        return
    troubled(reading, Trouble.NONSENSE, "metrics address", server.address)


@given(
    lines=st.lists(
        st.binary(max_size=30) | st.text(alphabet='{}="\\,le1NaN \x00#', max_size=30).map(str.encode), max_size=5
    )
)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_no_exposition_makes_it_fall(lines: list[bytes]) -> None:
    target = Target(namespace="n", route="r", services={Arm.STABLE: "1", Arm.CANARY: "le"}, port=1)
    feeds = custom("m", bad='t{N="$arm",a="1"}', total='t{N="$arm"}', target=target)
    with responses.RequestsMock() as mock:
        mock.get("http://proxy/metrics", body=b"".join(b"t" + line + b"\n" for line in lines))
        reading = ScrapeSource(urls=("http://proxy/metrics",), feeds=feeds).read(timeout=5)
    assert reading.trouble in {None, Trouble.NONSENSE}


def test_another_gateways_metrics_are_an_answer_without_our_series(server: Any, feeds: tuple[Feed, ...]) -> None:
    server.shows("# TYPE envoy_cluster_upstream_rq counter\nenvoy_cluster_upstream_rq{} 1\n")
    reading = ScrapeSource(urls=(server.url,), feeds=feeds).read(timeout=2)
    assert (reading.trouble, reading.samples) == (None, ())
    result = Window(metrics={"checkout": False}, every=1.0).advance(reading)
    assert isinstance(result, NoLook)
    assert result.code == Trouble.ABSENT


@pytest.mark.parametrize("status", [302, 401, 404, 500])
def test_every_other_status_is_said(server: Any, other: Any, feeds: tuple[Feed, ...], status: int) -> None:
    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Location", other.url)
        request.send_header("Content-Length", "0")
        request.end_headers()

    server.handler = handle
    troubled(ScrapeSource(urls=(server.url,), feeds=feeds).read(timeout=2), Trouble.NONSENSE, str(status), server.url)
    assert other.requests == []


def test_a_proxy_that_says_nothing_is_given_up(server: Any, feeds: tuple[Feed, ...]) -> None:
    server.handler = lambda _: server.released.wait(30)
    done: list[Reading] = []
    source = ScrapeSource(urls=(server.url,), feeds=feeds)
    thread = threading.Thread(target=lambda: done.append(source.read(timeout=0.2)), daemon=True)
    thread.start()
    thread.join(15)
    troubled(done[0], Trouble.SLOW, server.url, "0.2 s")


def test_one_proxy_down_is_no_reading_and_no_reset_afterwards(
    server: Any, other: Any, feeds: tuple[Feed, ...], nobody: str
) -> None:
    time = [1000.0]
    source = ScrapeSource(urls=(server.url, other.url), feeds=feeds, now=lambda: time[0])
    window = Window(metrics={"checkout": False}, every=1.0)
    server.shows(text(1000, 100, 10))
    other.shows(text(2000, 200, 20))
    window.advance(source.read(timeout=2))

    time[0] += 1
    server.shows(text(1010, 101, 10))
    good = other.handler
    other.handler = lambda request: request.send_error(503)
    reading = source.read(timeout=2)
    troubled(reading, Trouble.NONSENSE, other.url, "503", "the other 1 are not used")
    missed = window.advance(reading)
    assert isinstance(missed, NoLook)
    assert missed.missed

    time[0] += 1
    other.handler = good
    other.shows(text(2020, 202, 21))
    look = window.advance(source.read(timeout=2))
    assert isinstance(look, Look)
    counts = look.counts["checkout"]
    assert (counts[Arm.STABLE].total, counts[Arm.CANARY].total, counts[Arm.CANARY].bad) == (30, 4, 1)


def test_one_proxy_that_cannot_be_reached_is_named(server: Any, feeds: tuple[Feed, ...], nobody: str) -> None:
    server.shows(text(1, 1, 1))
    gone = f"http://{nobody}/metrics"
    reading = ScrapeSource(urls=(server.url, gone), feeds=feeds).read(timeout=2)
    troubled(reading, Trouble.DOWN, gone, "Connection refused")


def test_the_same_series_of_two_proxies_are_two_series(server: Any, other: Any, feeds: tuple[Feed, ...]) -> None:
    server.shows(text(5, 1, 1))
    other.shows(text(2, 3, 0))
    reading = ScrapeSource(urls=(server.url, other.url), feeds=feeds).read(timeout=2)
    assert summed(reading) == GOOD
    assert len({one.series for one in reading.samples}) == 6


def test_labels_that_look_like_several_are_one(server: Any, feeds: tuple[Feed, ...]) -> None:
    server.shows(
        'requests_total{service="shop",code="200",x="1,y=2"} 3\n'
        'requests_total{service="shop",code="200",x="1",y="2"} 4\n'
    )
    reading = ScrapeSource(urls=(server.url,), feeds=feeds).read(timeout=2)
    assert len({one.series for one in reading.samples}) == 2
    assert summed(reading) == {(Arm.STABLE, Role.TOTAL): 7.0}
