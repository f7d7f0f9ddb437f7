"""Servers on loopback: one that says what a test tells it to, and a real Prometheus that scrapes it."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import responses

from analysis.model import Arm
from analysis.packs import Feed, Target, custom
from analysis.sources.prometheus import PrometheusSource
from tests.sources.answering import SECRET, URL

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


class Prometheus:
    """A real Prometheus, scraping one exposition four times a second, by each of the jobs."""

    def __init__(self, home: Path, exposition: Exposition, *, jobs: tuple[str, ...] = ("proxy",)) -> None:
        self.exposition = exposition
        self.port = closed_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = home / "prometheus.yml"
        scraped = {
            "scrape_interval": "250ms",
            "scrape_timeout": "250ms",
            "static_configs": [{"targets": [exposition.address]}],
        }
        config.write_text(json.dumps({"scrape_configs": [{"job_name": job, **scraped} for job in jobs]}))
        beside = Path(sys.executable).with_name("prometheus")
        program = str(beside) if beside.exists() else shutil.which("prometheus")
        assert program is not None, "the tests need 'prometheus': run .ci/needs"
        self._log = (home / "log").open("wb")
        self._process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={home / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--scrape.discovery-reload-interval=100ms",
                "--log.level=warn",
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "GOMAXPROCS": "1"},
        )
        self.until(self._ready, "Prometheus is ready")

    def _ready(self) -> bool:
        assert self._process.poll() is None, Path(self._log.name).read_text()
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/-/ready", timeout=1) as answer:  # noqa: S310
            return bool(answer.status == 200)
        return False

    def until(self, holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < end, f"not within 20 s: {what}"
            time.sleep(0.03)

    def query(self, text: str) -> list[dict[str, Any]]:
        """The series that an instant query finds.

        Raises:
            urllib.error.HTTPError: Prometheus does not understand it.
        """
        asked = urllib.parse.urlencode({"query": text})
        with urllib.request.urlopen(f"{self.url}/api/v1/query", data=asked.encode(), timeout=5) as answer:  # noqa: S310
            return list(json.load(answer)["data"]["result"])

    def value(self, text: str) -> float | None:
        found = self.query(text)
        return float(found[0]["value"][1]) if found else None

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    exposition = Exposition()
    exposition.shows("up_at_all 1\n")
    one = Prometheus(tmp_path_factory.mktemp("prometheus"), exposition)
    yield one
    one.close()
    exposition.close()
