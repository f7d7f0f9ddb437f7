"""The four readers of the largest foreign texts under atheris, whose guesses are guided by the code that they reach.

No part of the tests' environment, for its size; with `pip install atheris` beside it, for as long as you like:

    python -m tests.security.guided journal -max_total_time=600

It ends with a traceback and the bytes for anything but a value or the reader's own error. `test_guided.py` keeps the
targets alive.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace

POOL = ("shop", "shop-canary")


def release(data: bytes) -> None:
    """A release file."""
    from canary.spec import ReleaseFileError, parse

    with contextlib.suppress(ReleaseFileError):
        parse(data, folder=None)


def journal(data: bytes) -> None:
    """What stands in the journal's ConfigMap."""
    from canary.engine.journal import JournalError, decode

    with contextlib.suppress(JournalError):
        decode(data.decode(errors="replace"))


def route(data: bytes) -> None:
    """A route, as the API server may answer."""
    from strategies import Malformed, Pool, RefId, SurgeryError, attach, choose

    stable, canary = (RefId("Service", "", "shop", name, 8080) for name in POOL)
    pool = Pool(stable=stable, canary=canary)
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return
    with contextlib.suppress(Malformed, SurgeryError):
        original = choose(found, pool, selectors=None, shares=[Decimal(5)])
        attach(found, pool=pool, original=original, token="t")  # noqa: S106 - the fence's


def exposition(data: bytes) -> None:
    """A proxy's metrics: a reading, or one that says what is wrong with it; never an error."""
    from analysis.model import Arm
    from analysis.packs import PACKS, Target
    from analysis.sources.scrape import ScrapeSource

    services = dict(zip((Arm.STABLE, Arm.CANARY), POOL, strict=True))
    target = Target(namespace="shop", route="shop", services=services, port=8080)
    source = ScrapeSource(urls=("http://gateway/metrics",), feeds=PACKS["traefik"].feeds(target))
    source._body = lambda *_: SimpleNamespace(status_code=200, content=data, headers={})  # type: ignore[method-assign,assignment,return-value]
    reading = source._read(0.0, 60.0)  # without the thread in which it waits
    assert (reading.trouble is None) is (reading.sentence == "")
    assert {one.key.arm for one in reading.samples} <= {*Arm, None}


TARGETS: dict[str, Callable[[bytes], None]] = {
    "release": release,
    "journal": journal,
    "route": route,
    "exposition": exposition,
}


def main() -> None:
    """Fuzz one of the targets until it fails or its time is over."""
    import atheris  # type: ignore[import-not-found]  # only here

    name, *options = sys.argv[1:]
    with atheris.instrument_imports(include=["canary", "strategies", "analysis", "prometheus_client"]):
        TARGETS[name](b"{}")
    atheris.Setup([sys.argv[0], *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
