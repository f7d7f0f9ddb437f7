"""Servers on loopback: one that says what a test tells it to, and a real Prometheus that scrapes it."""

from __future__ import annotations

import contextlib
import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import responses

from analysis.model import Arm
from analysis.packs import Feed, Target, custom
from analysis.sources.prometheus import PrometheusSource
from tests.sources.answering import SECRET, URL
from tests.sources.scraping import Prometheus

Handler = Callable[[http.server.BaseHTTPRequestHandler], None]


def sends(body: bytes, *, status: int = 200, **headers: str) -> Handler:
    """Answers with this."""

    def handle(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return handle


class Exposition:
    """Serves metrics, or whatever else a test wants."""

    def __init__(self) -> None:
        self.handler: Handler = sends(b"")
        self.requests: list[dict[str, str]] = []
        self.released = threading.Event()
        outer = self

        class Server(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.requests.append({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}})
                with contextlib.suppress(OSError):
                    outer.handler(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None:
                """Clients that give up are what many tests are about."""

        self._server = Quiet(("127.0.0.1", 0), Server)
        self._server.exposition = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.address = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.address}/metrics"

    def shows(self, text: str, kind: str = "text/plain; version=0.0.4") -> None:
        self.handler = sends(text.encode(), Content_Type=kind)

    def close(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Exposition]:
    one = Exposition()
    yield one
    one.close()


@pytest.fixture
def other() -> Iterator[Exposition]:
    one = Exposition()
    yield one
    one.close()


def closed_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def nobody() -> str:
    return f"127.0.0.1:{closed_port()}"


TARGET = Target(
    namespace="shop",
    route="shop-route",
    services={Arm.STABLE: "shop", Arm.CANARY: "shop-canary"},
    port=8080,
)


@pytest.fixture
def feeds() -> tuple[Feed, ...]:
    """One metric of one's own: the smallest thing that can be read."""
    return custom(
        "checkout",
        bad='requests_total{service="$arm",code=~"5.."}',
        total='requests_total{service="$arm"}',
        target=TARGET,
    )


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


class Scraping(Prometheus):
    """One whose exposition is at hand."""

    def __init__(self, home: Path, exposition: Exposition, *, jobs: tuple[str, ...] = ("proxy",)) -> None:
        self.exposition = exposition
        super().__init__(home, exposition.address, jobs=jobs)


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scraping]:
    exposition = Exposition()
    exposition.shows("up_at_all 1\n")
    one = Scraping(tmp_path_factory.mktemp("prometheus"), exposition)
    yield one
    one.close()
    exposition.close()
