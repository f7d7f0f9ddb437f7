"""An open-loop load generator: requests are due at a constant rate, whatever the answers do.

Latency is counted from when a request was due, so that a slow service cannot hide behind a waiting client. One JSON
line a second goes to the file; the newest line holds the totals.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from canary.sandbox.processes import end_with_input

TIMEOUT = 10.0
"""Seconds after which a request counts as failed."""

UNDER_WAY = 500
"""Requests under way at most; one that is due beyond it counts as failed (the service is saturated)."""


@dataclass(slots=True)
class Totals:
    """What happened so far.

    Attributes:
        sent, failed: requests sent, and those that got a 5xx or no answer.
        by: per version (empty: no version answered): requests, failed, first and last seen (seconds since the epoch).
        latencies: of this second, seconds.
        streams: long responses open now, by version.
    """

    sent: int = 0
    failed: int = 0
    by: dict[str, list[float]] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    streams: dict[str, int] = field(default_factory=dict)

    def done(self, version: str, *, failed: bool, due: float, now: float) -> None:
        """One request ended."""
        self.sent += 1
        self.failed += failed
        row = self.by.setdefault(version, [0, 0, now, now])
        row[0] += 1
        row[1] += failed
        row[3] = now
        self.latencies.append(now - due)

    def line(self) -> dict[str, Any]:
        """As written to the file."""
        ordered = sorted(self.latencies)
        self.latencies = []
        middle = ordered[len(ordered) // 2] if ordered else 0.0
        tail = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] if ordered else 0.0
        return {
            "at": time.time(),
            "sent": self.sent,
            "failed": self.failed,
            "by": {
                version: {"requests": row[0], "failed": row[1], "first": row[2], "last": row[3]}
                for version, row in self.by.items()
            },
            "p50": middle,
            "p99": tail,
            "streams": dict(self.streams),
        }


class Load:
    """Sends requests to one address.

    Args:
        url: where to.
        rate: requests a second.
        streams: clients that keep long responses open.
        seconds: ends by itself after that long.
    """

    def __init__(self, *, url: str, rate: float, streams: int, seconds: float) -> None:
        self._url, self._rate, self._streams, self._seconds = url, rate, streams, seconds
        self.totals = Totals()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event, out: Path) -> None:
        """Send until stopped or until the time is over."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        connector = aiohttp.TCPConnector(limit=UNDER_WAY)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            report = asyncio.create_task(self._report(out))
            streams = [asyncio.create_task(self._stream(session)) for _ in range(self._streams)]
            await self._send(session, stop)
            for task in (*streams, *self._tasks):
                task.cancel()
            report.cancel()
            await asyncio.gather(*streams, *self._tasks, report, return_exceptions=True)
        self._write(out)

    async def _send(self, session: aiohttp.ClientSession, stop: asyncio.Event) -> None:
        began, number = time.monotonic(), 0
        if self._rate <= 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._seconds)
            return
        while not stop.is_set() and (due := number / self._rate) < self._seconds:
            wait = began + due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            self._start(session, time.time())
            number += 1

    def _start(self, session: aiohttp.ClientSession, due: float) -> None:
        if len(self._tasks) >= UNDER_WAY:
            self.totals.done("", failed=True, due=due, now=due)
            return
        task = asyncio.create_task(self._request(session, due))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _request(self, session: aiohttp.ClientSession, due: float) -> None:
        version, failed = "", True
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with session.get(self._url) as answer:
                await answer.read()
                version, failed = answer.headers.get("x-version", ""), answer.status >= 500
        self.totals.done(version, failed=failed, due=due, now=time.time())

    async def _stream(self, session: aiohttp.ClientSession) -> None:
        """One client after another long response, each of which outlives a rollback."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=5)
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(f"{self._url}stream?seconds=15", timeout=timeout) as answer:
                    version = answer.headers.get("x-version", "")
                    self.totals.streams[version] = self.totals.streams.get(version, 0) + 1
                    try:
                        await answer.read()
                    finally:
                        self.totals.streams[version] -= 1
            await asyncio.sleep(0.2)

    async def _report(self, out: Path) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._write(out)

    def _write(self, out: Path) -> None:
        with out.open("a", encoding="utf-8") as sink:
            sink.write(json.dumps(self.totals.line(), separators=(",", ":")) + "\n")


def newest(out: Path) -> dict[str, Any]:
    """The newest totals in a load generator's file; empty before the first."""
    with contextlib.suppress(OSError, ValueError):
        lines = out.read_text(encoding="utf-8").splitlines()
        if lines:
            said: dict[str, Any] = json.loads(lines[-1])
            return said
    return {}


async def _main(given: argparse.Namespace) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    end_with_input(lambda: loop.call_soon_threadsafe(stop.set))
    load = Load(url=given.url, rate=given.rate, streams=given.streams, seconds=given.seconds)
    await load.run(stop, given.out)


def main(words: list[str] | None = None) -> int:
    """Run the generator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--streams", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--out", type=Path, required=True)
    asyncio.run(_main(parser.parse_args(words)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
