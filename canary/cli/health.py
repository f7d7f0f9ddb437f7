"""What a watchdog says of itself over HTTP: /metrics for Prometheus, /healthz for the kubelet."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from canary.core.outcome import ExitCode
    from canary.core.vigil import Ended
    from canary.engine.watchdog import Watchdog

Answer = Callable[[str], tuple[int, str, bytes]]
"""From a path to status, content type and body."""

HANGS = 30.0
"""Seconds without a turn after which the watchdog counts as hung. One without an API server turns, and is well."""


class Health:
    """The numbers, and the server that shows them."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge

        self.registry = CollectorRegistry()
        self._turned = time.monotonic()
        self._leases = Gauge("canary_watchdog_leases", "Leases that somebody has to renew", registry=self.registry)
        self._busy = Gauge("canary_watchdog_rescues", "Releases being finished now", registry=self.registry)
        self._reads = Gauge("canary_watchdog_reads", "Reads made since the start", registry=self.registry)
        self._misses = Gauge("canary_watchdog_reads_failed", "Reads failed since the start", registry=self.registry)
        self._ended = Counter(
            "canary_watchdog_attempts", "Attempts, by how they ended", ["how"], registry=self.registry
        )
        self._codes = Counter(
            "canary_watchdog_finished", "Releases finished, by their exit code", ["code"], registry=self.registry
        )
        self._alarms = Counter("canary_watchdog_alarms", "Releases that need a person", registry=self.registry)

    def seen(self, watchdog: Watchdog) -> None:
        """The watchdog has taken a turn."""
        self._turned = time.monotonic()
        leases = watchdog.vigil.leases.values()
        self._leases.set(len(leases))
        self._busy.set(sum(lease.busy for lease in leases))
        self._reads.set(watchdog.reads)
        self._misses.set(watchdog.misses)

    def rescued(self, how: Ended) -> None:
        """An attempt has ended."""
        self._ended.labels(how=how.value).inc()

    def finished(self, code: ExitCode) -> None:
        """A release has ended by us."""
        self._codes.labels(code=str(int(code))).inc()

    def alarm(self) -> None:
        """A person must act."""
        self._alarms.inc()

    @property
    def well(self) -> bool:
        """Whether the watchdog turns."""
        return time.monotonic() - self._turned < HANGS

    def serve(self, address: str, port: int) -> ThreadingHTTPServer:
        """Serve on a thread of its own, until `shutdown`."""
        return serve(self.answer, address, port)

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body for a path."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        match path.partition("?")[0]:
            case "/metrics":
                return 200, CONTENT_TYPE_LATEST, generate_latest(self.registry)
            case "/healthz" if self.well:
                return 200, "text/plain", b"ok\n"
            case "/healthz":
                return 503, "text/plain", b"no turn for 30 s\n"
            case _:
                return 404, "text/plain", b"/metrics or /healthz\n"


def serve(answer: Answer, address: str, port: int) -> ThreadingHTTPServer:
    """Serve GET on a thread of its own, until `shutdown`.

    Raises:
        OSError: nothing can listen there.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0

        def do_GET(self) -> None:
            status, kind, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Probes are no news."""

    server = ThreadingHTTPServer((address, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    return server
