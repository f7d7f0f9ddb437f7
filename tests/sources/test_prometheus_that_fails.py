"""Whatever Prometheus does, reading ends in time, with a sentence that says what to do and no secret."""

from __future__ import annotations

import contextlib
import json
import math
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.model import Arm
from analysis.packs import Feed
from analysis.packs.base import Target, custom
from analysis.sources import Reading, Role, Trouble
from analysis.sources import exchange as exchanges
from analysis.sources.prometheus import PrometheusSource

URL = "http://prometheus.test:9090"
QUERY = f"{URL}/api/v1/query"
SECRET = "s3cr3t-t0ken-that-must-not-be-shown"  # noqa: S105 - tests look for it in every sentence


@pytest.fixture
def mocked() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def token(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(SECRET + "\n")
    return str(path)


@pytest.fixture
def source(feeds: tuple[Feed, ...], token: str) -> PrometheusSource:
    return PrometheusSource(url=URL, feeds=feeds, token_file=token, headers={"X-Scope-OrgID": "tenant-one"})


def matrix(*series: tuple[dict[str, str], list[Any]], **more: Any) -> dict[str, Any]:
    result = [{"metric": {"__name__": "requests_total"} | labels, "values": values} for labels, values in series]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}


def troubled(reading: Reading, trouble: Trouble, *words: str) -> str:
    assert reading.trouble is trouble, reading
    assert reading.samples == ()
    for word in words:
        assert word in reading.sentence
    assert SECRET not in reading.sentence
    assert "\n" not in reading.sentence
    assert len(reading.sentence) < 500
    return reading.sentence


def test_samples_come_with_their_own_times(mocked: responses.RequestsMock, source: PrometheusSource) -> None:
    good = {"service": "shop", "code": "200", "pod": "a"}
    bad = {"service": "shop-canary", "code": "503", "pod": "a"}
    mocked.get(QUERY, json=matrix((good, [(100.5, "7"), (115.5, "9")]), (bad, [(100.5, "1")])))
    reading = source.read(timeout=2)
    assert reading.trouble is None
    found = {(one.key.arm, one.key.role, one.time, one.value) for one in reading.samples}
    assert found == {
        (Arm.STABLE, Role.TOTAL, 100.5, 7.0),
        (Arm.STABLE, Role.TOTAL, 115.5, 9.0),
        (Arm.CANARY, Role.TOTAL, 100.5, 1.0),
        (Arm.CANARY, Role.BAD, 100.5, 1.0),
    }
    asked = mocked.calls[0].request
    assert asked.headers["Authorization"] == f"Bearer {SECRET}"
    assert asked.headers["X-Scope-OrgID"] == "tenant-one"
    assert (
        parse_qs(urlsplit(str(asked.url)).query)["query"][0]
        == 'requests_total{service=~"(?:shop)|(?:shop\\\\-canary)"}[120s]'
    )


def test_an_empty_answer_is_an_answer(mocked: responses.RequestsMock, source: PrometheusSource) -> None:
    """That no series exists is for the window to say, which knows what there was before."""
    mocked.get(QUERY, json=matrix())
    reading = source.read(timeout=2)
    assert (reading.trouble, reading.samples) == (None, ())


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "-1", "1e300"])
def test_values_that_no_counter_has_are_left_out(
    mocked: responses.RequestsMock, source: PrometheusSource, value: str
) -> None:
    mocked.get(QUERY, json=matrix(({"service": "shop", "code": "200"}, [(100, value), (101, "5")])))
    reading = source.read(timeout=2)
    assert reading.trouble is None
    assert [one.value for one in reading.samples] == [5.0]


@pytest.mark.parametrize(
    "case",
    [
        (400, Trouble.NONSENSE, "selectors"),
        (401, Trouble.DOWN, "bearerTokenFile"),
        (403, Trouble.DOWN, "bearerTokenFile"),
        (404, Trouble.NONSENSE, "is the url right"),
        (418, Trouble.NONSENSE, "is the url right"),
        (422, Trouble.NONSENSE, "selectors"),
        (429, Trouble.DOWN, "overloaded"),
        (500, Trouble.DOWN, "overloaded"),
        (503, Trouble.DOWN, "overloaded"),
    ],
)
@pytest.mark.parametrize(
    "body", ["", f"<html>{SECRET}</html>", json.dumps({"status": "error", "error": SECRET + " why"})]
)
def test_each_refusal_says_what_to_do(
    mocked: responses.RequestsMock, source: PrometheusSource, case: tuple[int, Trouble, str], body: str
) -> None:
    """Also when the server repeats the token that it was given."""
    status, trouble, words = case
    mocked.get(QUERY, body=body, status=status)
    sentence = troubled(source.read(timeout=2), trouble, words, str(status), "prometheus.test:9090")
    assert ("why" in sentence) == (body.startswith("{"))
    assert "<html>" not in sentence


@pytest.mark.parametrize(
    "body",
    [
        "<html><body>Sign in</body></html>",
        "",
        "null",
        "[]",
        "7",
        '"text"',
        "{}",
        '{"data": null}',
        '{"data": {"result": {}}}',
        '{"data": {"result": null}}',
        '{"data": {"result": [1]}}',
        '{"data": {"result": [{}]}}',
        '{"data": {"result": [{"metric": [], "values": []}]}}',
        '{"data": {"result": [{"metric": {}, "value": [1, "2"]}]}}',
        '{"data": {"result": [{"metric": {}, "values": {"a": 1}}]}}',
        '{"data": {"result": [{"metric": {}, "values": [1]}]}}',
        '{"data": {"result": [{"metric": {}, "values": [["x", "y"]]}]}}',
        '{"data": {"result": [{"metric": {}, "values": [[1, null]]}]}}',
        '{"data": {"result": [{"metric": {}, "values": [[1, 1' + "0" * 400 + "]]}]}}",
        '{"data": {"result": ' + "[" * 100_000,
        '{"data": {"result": [{"metric": {}, "histograms": []}]}}',
        '{"warnings": [[[[]]]], "data": {"result": [1]}}',
        "\xff\xfe",
    ],
)
def test_an_answer_of_another_shape_is_nonsense(
    mocked: responses.RequestsMock, source: PrometheusSource, body: str
) -> None:
    mocked.get(QUERY, body=body.encode("latin-1"))
    reading = source.read(timeout=2)
    assert reading.trouble in {Trouble.NONSENSE, Trouble.PARTIAL}
    troubled(reading, reading.trouble, "Prometheus at http://prometheus.test:9090")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
SHAPED = st.fixed_dictionaries(
    {
        "data": st.fixed_dictionaries(
            {
                "result": st.lists(
                    st.fixed_dictionaries(
                        {
                            "metric": JSON | st.dictionaries(st.sampled_from(["service", "code", "le"]), JSON),
                            "values": JSON | st.lists(st.tuples(JSON, JSON), max_size=3),
                        }
                    ),
                    max_size=3,
                )
            }
        )
    },
    optional={"warnings": JSON},
)


@given(body=JSON | SHAPED)
@settings(derandomize=True, deadline=None, max_examples=200)
def test_no_json_makes_it_fall(body: Any) -> None:
    services = {Arm.STABLE: "shop", Arm.CANARY: "shop-canary"}
    target = Target(namespace="n", route="r", services=services, port=1)
    feeds = custom("m", bad='t{service="$arm",code="5"}', total='t{service=~"$arm|0"}', target=target)
    with responses.RequestsMock() as mock:
        mock.get(QUERY, body=json.dumps(body))
        reading = PrometheusSource(url=URL, feeds=feeds).read(timeout=5)
    assert reading.trouble in {None, Trouble.NONSENSE, Trouble.PARTIAL}
    assert (reading.trouble is None) == (reading.sentence == "")
    assert all(math.isfinite(one.time) and one.value >= 0 for one in reading.samples)


@pytest.mark.parametrize("warnings", [["one store is down"], "one store is down", ["a", "one store is down"]])
def test_an_answer_that_is_not_whole_is_not_read(
    mocked: responses.RequestsMock, source: PrometheusSource, warnings: Any
) -> None:
    """Series that are missing from half an answer would look like an arm without requests."""
    whole = matrix(({"service": "shop", "code": "200"}, [(100, "5")]), warnings=warnings)
    mocked.get(QUERY, json=whole)
    troubled(source.read(timeout=2), Trouble.PARTIAL, "not whole", "one store is down")


@pytest.mark.parametrize("warnings", [[], None])
def test_no_warnings_are_no_warnings(mocked: responses.RequestsMock, source: PrometheusSource, warnings: Any) -> None:
    mocked.get(QUERY, json=matrix(({"service": "shop", "code": "200"}, [(100, "5")]), warnings=warnings))
    assert source.read(timeout=2).trouble is None


def test_a_series_of_both_arms_is_refused(mocked: responses.RequestsMock) -> None:
    target = Target(namespace="n", route="r", services={Arm.STABLE: "a", Arm.CANARY: "b"}, port=1)
    feeds = custom("mine", bad='t{s=~"$arm|c",x="1"}', total='t{s=~"$arm|c"}', target=target)
    mocked.get(QUERY, json=matrix(({"s": "c"}, [(1, "5")])))
    reading = PrometheusSource(url=URL, feeds=feeds).read(timeout=2)
    troubled(reading, Trouble.NONSENSE, "both arms", "mine", "tell the arms apart")


# Credentials --------------------------------------------------------------------------------------------------------


def test_a_redirect_is_not_followed(other: Any, server: Any, feeds: tuple[Feed, ...], token: str) -> None:
    location = f"http://{other.address}/api/v1/query?then={SECRET}"

    def away(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", location)
        request.send_header("Content-Length", "0")
        request.end_headers()

    server.handler = away
    source = PrometheusSource(url=f"http://{server.address}", feeds=feeds, token_file=token)
    troubled(source.read(timeout=2), Trouble.NONSENSE, "redirect", "login page")
    assert len(server.requests) == 1
    assert other.requests == []


def test_cookies_and_the_environment_are_not_used(
    server: Any, feeds: tuple[Feed, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nobody: str
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {SECRET}")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", f"http://{nobody}")
    body = json.dumps(matrix()).encode()

    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Set-Cookie", "session=1; Path=/")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    server.handler = handle
    source = PrometheusSource(url=f"http://{server.address}", feeds=feeds)
    for _ in range(2):
        assert source.read(timeout=2).trouble is None
    for asked in server.requests:
        assert "cookie" not in asked
        assert "authorization" not in asked


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"", "holds no token"),
        (b"\n\n", "holds no token"),
        (SECRET.encode() + b"\nX-Evil: 1\n", "holds no token"),
        (SECRET.encode() + b"\xff", "holds no token"),
        (SECRET.encode() + " für".encode(), "holds no token"),
        (b"a" * 100_000, "holds no token"),
    ],
)
def test_a_bad_token_file_is_named_and_not_quoted(
    feeds: tuple[Feed, ...], tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with responses.RequestsMock():
        reading = PrometheusSource(url=URL, feeds=feeds, token_file=str(path)).read(timeout=2)
    troubled(reading, Trouble.DOWN, words, str(path))


def test_a_token_is_read_anew(mocked: responses.RequestsMock, source: PrometheusSource, token: str) -> None:
    mocked.get(QUERY, json=matrix())
    source.read(timeout=2)
    Path(token).write_text("rotated")
    source.read(timeout=2)
    assert [call.request.headers["Authorization"] for call in mocked.calls] == [f"Bearer {SECRET}", "Bearer rotated"]


def test_a_missing_authority_is_named(feeds: tuple[Feed, ...], tmp_path: Path) -> None:
    path = str(tmp_path / "ca.pem")
    reading = PrometheusSource(url="https://127.0.0.1:1", feeds=feeds, ca=path).read(timeout=2)
    troubled(reading, Trouble.DOWN, path, "mount it")


def test_a_user_in_the_address_is_not_shown(feeds: tuple[Feed, ...], nobody: str) -> None:
    reading = PrometheusSource(url=f"http://me:{SECRET}@{nobody}", feeds=feeds).read(timeout=2)
    troubled(reading, Trouble.DOWN, nobody)


@pytest.mark.parametrize("value", [f"a\n{SECRET}", f" {SECRET}"])
def test_a_header_that_is_none_is_not_quoted(feeds: tuple[Feed, ...], value: str) -> None:
    reading = PrometheusSource(url=URL, feeds=feeds, headers={"X-Tenant": value}).read(timeout=2)
    troubled(reading, Trouble.NONSENSE, "header")


# Down, slow, huge ---------------------------------------------------------------------------------------------------


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
