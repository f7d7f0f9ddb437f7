"""Run the emulator: `python -m canary.sandbox.apiserver [--port N] [--crds DIR] [--state FILE]`.

Prints one line of JSON with its address and the tokens of its users, and ends when its standard input closes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import signal
import sys
from pathlib import Path

from aiohttp import web

from canary.sandbox.apiserver import rbac
from canary.sandbox.apiserver.errors import ApiError
from canary.sandbox.apiserver.keeping import restored
from canary.sandbox.apiserver.server import Server, load_definitions
from canary.sandbox.processes import end_with_input

USERS = {
    "admin": rbac.User("sandbox-admin", (rbac.MASTERS, "system:authenticated")),
    "engine": rbac.User("system:serviceaccount:shop:canary-engine", ("system:serviceaccounts", "system:authenticated")),
}
"""Who there is from the start; more with POST /sandbox/users."""


DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"


def _server(crds: Path | None, state: Path | None) -> tuple[Server, dict[str, str]]:
    """The server, new or as its file has it, and the tokens of its users by name.

    Raises:
        ValueError: the definitions or the file cannot be read.
    """
    fresh = {name: secrets.token_hex(24) for name in USERS}
    if state is None:
        server, tokens = Server({fresh[name]: user for name, user in USERS.items()}), fresh
        load_definitions(server, crds)
        return server, tokens
    store, known = restored(state)
    tokens = known or fresh
    server = Server({tokens[name]: user for name, user in USERS.items()}, store)
    if known:
        for definition in store.items(DEFINITIONS):
            server.registry.define(definition)
    else:
        load_definitions(server, crds)
    store.keep(state, tokens)
    return server, tokens


async def _main(port: int, crds: Path | None, state: Path | None) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    end_with_input(lambda: loop.call_soon_threadsafe(stop.set))
    server, tokens = _server(crds, state)
    runner = server.runner()
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    bound = runner.addresses[0][1]
    print(json.dumps({"url": f"http://127.0.0.1:{bound}", "tokens": tokens}), flush=True)
    await stop.wait()
    await runner.cleanup()


def main(words: list[str] | None = None) -> int:
    """Run the emulator until told to end."""
    parser = argparse.ArgumentParser(prog="python -m canary.sandbox.apiserver", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 for a free one")
    parser.add_argument(
        "--crds", type=Path, help="directory of CustomResourceDefinitions, in place of the packaged ones"
    )
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="keep everything in this file, and go on with what it holds"
    )
    given = parser.parse_args(words)
    try:
        asyncio.run(_main(given.port, given.crds, given.state))
    except (ValueError, ApiError) as error:  # of --crds and --state
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
