"""A small service with faults on demand: what runs in the sandbox's pods.

`python -m canary.sandbox.app --host 127.64.0.2 --port 8080 --version v1 --faults '{"errors": 0.15}'`
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from canary.sandbox.processes import end_with_input


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What is wrong with a version. Rates are parts of requests, times are seconds.

    Attributes:
        errors: part of requests answered with 500.
        delay: added to every request.
        tail, tail_delay: part of requests that take that much longer.
        leak_after, leak_errors: from this age on, that part of requests fails.
        crash: ends before it is ready.
        vanish_after: stops being ready at this age.
        outage: while this file exists, `outage_errors` of requests fail.
        outage_errors: see `outage`.
    """

    errors: float = 0.0
    delay: float = 0.0
    tail: float = 0.0
    tail_delay: float = 0.0
    leak_after: float = 0.0
    leak_errors: float = 0.0
    crash: bool = False
    vanish_after: float = 0.0
    outage: str = ""
    outage_errors: float = 0.6

    def failing(self, age: float) -> float:
        """Part of requests that fail now."""
        if self.outage and Path(self.outage).exists():
            return self.outage_errors
        if self.leak_after and age >= self.leak_after:
            return self.leak_errors
        return self.errors

    def ready(self, age: float) -> bool:
        """Whether it says that it is ready."""
        return not self.vanish_after or age < self.vanish_after


BASE_DELAY = (0.002, 0.006)
"""Seconds that a request takes when nothing is wrong, uniformly."""

LONGEST_STREAM = 120.0
"""Seconds that a streaming response may last."""


class App:
    """Serves requests.

    Args:
        version: what the header `x-version` says.
        faults: what is wrong.
        seed: of the chances taken.
    """

    def __init__(self, *, version: str, faults: Faults, seed: int) -> None:
        self._version, self._faults = version, faults
        self._chance = random.Random(f"pod {seed}")  # noqa: S311 - faults, not secrets
        self._born = time.monotonic()

    def routes(self) -> web.Application:
        """The application: health, streams, and everything else."""
        application = web.Application()
        application.router.add_get("/healthz", self._health)
        application.router.add_get("/readyz", self._ready)
        application.router.add_get("/stream", self._stream)
        application.router.add_route("*", "/{path:.*}", self._answer)
        return application

    @property
    def _age(self) -> float:
        return time.monotonic() - self._born

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _ready(self, _: web.Request) -> web.Response:
        return web.Response(status=200 if self._faults.ready(self._age) else 503)

    async def _answer(self, _: web.Request) -> web.Response:
        await asyncio.sleep(self._takes())
        failed = self._chance.random() < self._faults.failing(self._age)
        return web.json_response(
            {"version": self._version}, status=500 if failed else 200, headers={"x-version": self._version}
        )

    def _takes(self) -> float:
        takes = self._chance.uniform(*BASE_DELAY) + self._faults.delay
        return takes + (self._faults.tail_delay if self._chance.random() < self._faults.tail else 0.0)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """A response that lasts `seconds`, a chunk a second: it outlives any change of weights."""
        seconds = min(float(request.query.get("seconds", "10")), LONGEST_STREAM)
        answer = web.StreamResponse(headers={"x-version": self._version})
        await answer.prepare(request)
        end = time.monotonic() + seconds
        with contextlib.suppress(ConnectionResetError):
            while time.monotonic() < end:
                await answer.write(b".")
                await asyncio.sleep(1.0)
        return answer


async def serve(app: App, host: str, port: int) -> None:
    """Serve until SIGTERM or until standard input closes, then finish what is under way for a moment."""
    runner = web.AppRunner(app.routes(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    end_with_input(lambda: loop.call_soon_threadsafe(stop.set))
    print(json.dumps({"ready": True}), flush=True)
    await stop.wait()
    await runner.cleanup()


def main(words: list[str] | None = None) -> int:
    """Run the app."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--faults", default="{}")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(words)
    values: dict[str, Any] = json.loads(given.faults)
    faults = Faults(**values)
    if faults.crash:
        print("panic: cannot read configuration key 'payments.url'", file=sys.stderr)
        return 1
    asyncio.run(serve(App(version=given.version, faults=faults, seed=given.seed), given.host, given.port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
