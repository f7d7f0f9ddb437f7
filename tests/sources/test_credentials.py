"""Nothing secret is sent to where it does not belong, or shown."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import responses

from analysis.packs import Feed
from analysis.sources import Trouble
from analysis.sources.prometheus import PrometheusSource
from tests.sources.answering import QUERY, SECRET, URL, matrix, troubled


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
