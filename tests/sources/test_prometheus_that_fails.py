"""Whatever Prometheus does, reading ends in time, with a sentence that says what to do and no secret."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import requests
import responses

from analysis.model import Arm
from analysis.packs import Feed
from analysis.packs.base import Target, custom
from analysis.sources import Reading, Trouble
from analysis.sources import exchange as exchanges
from analysis.sources.prometheus import PrometheusSource
from tests.sources.answering import QUERY, SECRET, matrix, troubled


def test_nobody_there(feeds: tuple[Feed, ...], nobody: str) -> None:
    reading = PrometheusSource(url=f"http://{nobody}", feeds=feeds).read(timeout=2)
    troubled(reading, Trouble.DOWN, "Connection refused", "is the url right", nobody)


def test_a_name_that_does_not_exist(mocked: responses.RequestsMock, source: PrometheusSource) -> None:
    mocked.get(QUERY, body=requests.ConnectionError("HTTPConnectionPool object at 0x7f: " + SECRET))
    troubled(source.read(timeout=2), Trouble.DOWN, "cannot be reached")


def silent(request: BaseHTTPRequestHandler) -> None:
    _server_of(request).released.wait(30)


def dribbled_head(request: BaseHTTPRequestHandler) -> None:
    _dribble(request, b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 10_000)


def dribbled_body(request: BaseHTTPRequestHandler) -> None:
    _dribble(request, b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n", b"a" * 10_000)


def _dribble(request: BaseHTTPRequestHandler, *parts: bytes) -> None:
    """Always a byte before a read's own timeout strikes."""
    head = parts[0] if len(parts) > 1 else b""
    request.wfile.write(head)
    for byte in parts[-1]:
        request.wfile.write(bytes([byte]))
        if _server_of(request).released.wait(0.05):
            return


def _server_of(request: BaseHTTPRequestHandler) -> Any:
    return request.server.exposition  # type: ignore[attr-defined]


@pytest.mark.parametrize("handler", [silent, dribbled_head, dribbled_body])
def test_a_slow_one_is_given_up_in_time(server: Any, feeds: tuple[Feed, ...], handler: Any) -> None:
    """Again and again: readings that hang are not heaped up, and none delays the next."""
    server.handler = handler
    source = PrometheusSource(url=f"http://{server.address}", feeds=feeds)
    done = threading.Event()
    readings: list[Reading] = []

    def read() -> None:
        readings.extend(source.read(timeout=0.2) for _ in range(8))
        done.set()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    # Not how fast it is, but that it ends at all while the server holds on.
    assert done.wait(15)
    for reading in readings:
        troubled(reading, Trouble.SLOW, "0.2 s")
    assert sum(one.name == "reading" for one in threading.enumerate()) <= exchanges.HANGING
    server.released.set()
    thread.join()


def test_silence_is_slow_and_not_down(server: Any, feeds: tuple[Feed, ...]) -> None:
    """Without the outer bound, which would say so anyway: the client library calls it a broken connection."""
    server.handler = silent
    source = PrometheusSource(url=f"http://{server.address}", feeds=feeds)
    troubled(source._read(0.0, 0.2), Trouble.SLOW, "0.2 s")


def test_a_huge_answer_is_not_swallowed(server: Any, feeds: tuple[Feed, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    sent = [0]
    monkeypatch.setattr(exchanges, "BODY_LIMIT", 4 * 2**20)

    def flood(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Connection", "close")
        request.end_headers()
        with contextlib.suppress(OSError):
            while sent[0] < 2**30:
                sent[0] += request.wfile.write(b" " * 2**16)

    server.handler = flood
    reading = PrometheusSource(url=f"http://{server.address}", feeds=feeds).read(timeout=20)
    troubled(reading, Trouble.NONSENSE, "larger than 4 MiB")
    assert sent[0] < 2**28


def test_an_answer_that_breaks_off_is_no_answer(server: Any, feeds: tuple[Feed, ...]) -> None:
    body = json.dumps(matrix(({"service": "shop", "code": "200"}, [(100, "5")]))).encode()

    def torn(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(body) + 10))
        request.end_headers()
        request.wfile.write(body)
        request.close_connection = True

    server.handler = torn
    reading = PrometheusSource(url=f"http://{server.address}", feeds=feeds).read(timeout=2)
    troubled(reading, Trouble.DOWN, "cannot be reached")


def test_it_recovers_by_itself(server: Any, feeds: tuple[Feed, ...]) -> None:
    source = PrometheusSource(url=f"http://{server.address}", feeds=feeds)
    server.handler = lambda request: request.connection.shutdown(socket.SHUT_RDWR)
    troubled(source.read(timeout=2), Trouble.DOWN)
    server.shows(json.dumps(matrix(({"service": "shop", "code": "200"}, [(100, "5")]))))
    reading = source.read(timeout=2)
    assert reading.trouble is None
    assert len(reading.samples) == 1


def test_every_family_shares_the_time_there_is(server: Any) -> None:
    """Ten families must not be given ten times the timeout."""
    target = Target(namespace="n", route="r", services={Arm.STABLE: "a", Arm.CANARY: "b"}, port=1)
    feeds: tuple[Feed, ...] = ()
    for number in range(10):
        feeds += custom(f"m{number}", bad=f't{number}{{s="$arm",x="1"}}', total=f't{number}{{s="$arm"}}', target=target)
    body = json.dumps(matrix()).encode()

    def late(request: BaseHTTPRequestHandler) -> None:
        time.sleep(0.15)
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    server.handler = late
    reading = PrometheusSource(url=f"http://{server.address}", feeds=feeds).read(timeout=0.5)
    troubled(reading, Trouble.SLOW)
    assert len(server.requests) < 10
