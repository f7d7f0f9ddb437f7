"""A real Prometheus on loopback, scraping one address four times a second; it can be killed and started again."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from canary.sandbox.processes import Child, free_port


class Prometheus:
    """One of them.

    Args:
        home: where its configuration, its data and its log are.
        address: host and port of the exposition that it scrapes.
        jobs: names of the jobs that scrape it, each on its own.
    """

    def __init__(self, home: Path, address: str, *, jobs: tuple[str, ...] = ("proxy",)) -> None:
        self.home, self.port = home, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        scraped = {
            "scrape_interval": "250ms",
            "scrape_timeout": "250ms",
            "static_configs": [{"targets": [address]}],
        }
        config = {"scrape_configs": [{"job_name": job, **scraped} for job in jobs]}
        (home / "prometheus.yml").write_text(json.dumps(config))
        self.start()

    def start(self) -> None:
        """Start it, on the same port and with what it knew, and wait until it answers."""
        beside = Path(sys.executable).with_name("prometheus")
        program = str(beside) if beside.exists() else shutil.which("prometheus")
        assert program is not None, "the tests need 'prometheus': run .ci/needs"
        command = [
            program,
            f"--config.file={self.home / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.home / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--scrape.discovery-reload-interval=100ms",
            "--log.level=warn",
        ]
        self._child = Child(command, log=self.home / "log", env={"PATH": os.environ["PATH"], "GOMAXPROCS": "1"})
        self.until(self._ready, "Prometheus is ready")

    def kill(self) -> None:
        """SIGKILL."""
        self._child.process.kill()
        self._child.stop()

    def close(self) -> None:
        """End it."""
        self._child.stop()

    def _ready(self) -> bool:
        assert self._child.code is None, self._child.last_words()
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
