"""A real Envoy with one pair of weighted clusters per gateway, and two apps that count what they see."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.model import Arm

RETRIES = 3
"""At most, where a route retries."""

FLUSH = "0.5s"
"""`stats_flush_interval`; Envoy's own default is 5 s, which a test need not wait for."""


@dataclass
class App:
    """Answers, and counts by the host that was asked for.

    Attributes:
        fails: whether a request to a host, by its number there, is answered by 503.
        breaks: whether its connection is reset instead; this has failed, too.
    """

    fails: Callable[[str, int], bool]
    breaks: Callable[[int], bool] = lambda _: False
    saw: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    broke: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        app = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                host = self.headers["Host"]
                app.saw[host] += 1
                broken = app.breaks(app.saw[host])
                bad = broken or app.fails(host, app.saw[host])
                app.failed[host] += bad
                app.broke[host] += broken
                if broken:
                    self.close_connection = True
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    return
                self.send_response(503 if bad else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.port = self._server.server_port

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, port: int | None, called: str | None) -> dict[str, Any]:
    lb = [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}] if port else []
    assignment = {"cluster_name": name, "endpoints": lb}
    alt = {"alt_stat_name": called} if called else {}
    return {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": assignment, **alt}


def _host(name: str, clusters: Mapping[str, int], *, retries: bool) -> dict[str, Any]:
    weighted = {"clusters": [{"name": cluster, "weight": weight} for cluster, weight in clusters.items()]}
    route: dict[str, Any] = {"weighted_clusters": weighted}
    if retries:
        route["retry_policy"] = {"retry_on": "5xx", "num_retries": RETRIES}
    return {"name": name, "domains": [name], "routes": [{"match": {"prefix": "/"}, "route": route}]}


class Envoy:
    """Envoy 1.40 from its wheel.

    Args:
        home: for its configuration.
        hosts: virtual host to its clusters, stable's first, split 70/30; names of clusters are Envoy's own.
        apps: what the clusters' endpoints are.
        retries: hosts that retry failures.
        missing: clusters that routes name and nobody defines.
        called: clusters that are counted under another name, as by Envoy Gateway's clusterStatName.
    """

    def __init__(
        self,
        home: Path,
        hosts: Mapping[str, Mapping[Arm, str]],
        apps: Mapping[Arm, App],
        *,
        retries: set[str],
        missing: set[str],
        called: Mapping[str, str],
    ) -> None:
        self.admin, self.port = _free_port(), _free_port()
        manager = {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3"
            ".HttpConnectionManager",
            "stat_prefix": "http",
            "route_config": {
                "validate_clusters": False,
                "virtual_hosts": [
                    _host(host, {arms[Arm.STABLE]: 70, arms[Arm.CANARY]: 30}, retries=host in retries)
                    for host, arms in hosts.items()
                ],
            },
            "http_filters": [
                {
                    "name": "router",
                    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
                }
            ],
        }
        clusters = {
            name: apps[arm].port for arms in hosts.values() for arm, name in arms.items() if name not in missing
        }
        chain = {"filters": [{"name": "manager", "typed_config": manager}]}
        config = {
            "admin": {"address": _address(self.admin)},
            "stats_flush_interval": FLUSH,
            "static_resources": {
                "listeners": [{"name": "web", "address": _address(self.port), "filter_chains": [chain]}],
                "clusters": [_cluster(name, port, called.get(name)) for name, port in clusters.items()],
            },
        }
        path = home / "envoy.json"
        path.write_text(json.dumps(config))
        program = str(Path(sys.executable).with_name("envoy"))
        self._log = (home / "log").open("wb")
        self._process = subprocess.Popen(
            [program, "-c", str(path), "--concurrency", "2", "--disable-hot-restart", "-l", "error"],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.until(self._ready, "Envoy is ready")

    def _ready(self) -> bool:
        assert self._process.poll() is None, Path(self._log.name).read_text()
        with contextlib.suppress(OSError):
            return self._get("/ready").strip() == "LIVE"
        return False

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=5) as answer:
            return str(answer.read().decode())

    @staticmethod
    def until(holds: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + 20
        while not holds():
            assert time.monotonic() < end, f"not within 20 s: {what}"
            time.sleep(0.05)

    def ask(self, host: str, times: int) -> Counter[int]:
        """Ask one virtual host; the statuses that the client saw."""
        statuses: Counter[int] = Counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        for _ in range(times):
            connection.request("GET", "/", headers={"Host": host})
            answer = connection.getresponse()
            answer.read()
            statuses[answer.status] += 1
        connection.close()
        return statuses

    def exposition(self) -> str:
        return self._get("/stats/prometheus")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._log.close()


@contextlib.contextmanager
def running(
    home: Path,
    hosts: Mapping[str, Mapping[Arm, str]],
    *,
    retries: set[str],
    missing: set[str],
    called: Mapping[str, str],
) -> Iterator[tuple[Envoy, Mapping[Arm, App]]]:
    """An Envoy and its apps: stable's never fails; the canary's fails every fourth request, and breaks every seventh.

    Whatever is asked of the canary's under a host that is called hopeless fails.
    """
    apps = {
        Arm.STABLE: App(lambda _host, _number: False),
        Arm.CANARY: App(
            lambda host, number: host == "hopeless" or number % 4 == 0, breaks=lambda number: number % 7 == 3
        ),
    }
    try:
        envoy = Envoy(home, hosts, apps, retries=retries, missing=missing, called=called)
        try:
            yield envoy, apps
        finally:
            envoy.close()
    finally:
        for app in apps.values():
            app.close()
