"""What can be between the engine and the gateway's metrics, and be gone while the gateway serves."""

from __future__ import annotations

import contextlib
import socketserver
import threading
import urllib.request
from pathlib import Path
from typing import Any, Protocol

from canary.sandbox.processes import free_port
from tests.sources.scraping import Prometheus


class Metrics(Protocol):
    """Attributes:
    source: as the release file says it.
    """

    @property
    def source(self) -> str: ...

    def kill(self) -> None: ...

    def start(self) -> None: ...

    def counts(self) -> bool:
        """Whether there is something to judge stable by, as there is behind every service that users have."""
        ...

    def close(self) -> None: ...


class Relay(socketserver.ThreadingTCPServer):
    """Stands between the engine and the gateway's metrics, which it reads directly."""

    allow_reuse_address, daemon_threads = True, True

    def __init__(self, behind: str) -> None:
        self.behind, port = behind, free_port()
        relay = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while self.rfile.readline().strip():
                    pass
                if relay.gone:
                    return  # as a scrape sees a server that died: the connection ends without an answer
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
                try:
                    with opener.open(relay.behind, timeout=2.0) as answer:
                        body = answer.read()
                except OSError:
                    return
                head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n"
                self.wfile.write(head.encode() + b"Connection: close\r\n\r\n" + body)

        super().__init__(("127.0.0.1", port), Handler)
        self.gone = False
        self.source = f'{{scrape: {{urls: ["http://127.0.0.1:{port}/metrics"]}}}}'
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        self._thread.start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A scrape that ended early is no news."""

    def kill(self) -> None:
        """From now on it does not answer."""
        self.gone = True

    def start(self) -> None:
        """It answers again."""
        self.gone = False

    def counts(self) -> bool:
        return True  # what is read there is as new as the users' last request

    def close(self) -> None:
        """End it."""
        self.shutdown()
        self.server_close()
        self._thread.join()


class RealPrometheus(Prometheus):
    """A Prometheus that scrapes the gateway, killed with SIGKILL."""

    def __init__(self, home: Path, behind: str) -> None:
        home.mkdir()
        super().__init__(home, behind.removeprefix("http://").removesuffix("/metrics"))
        self.source = f"{{prometheus: {{url: {self.url}}}}}"

    def counts(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.query('traefik_service_requests_total{service=~".*-svc-shop-shop-.*"} > 0'))
        return False
