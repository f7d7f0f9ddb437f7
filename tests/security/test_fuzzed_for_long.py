"""Every reader by the same rule, for long: a value, or its own clear error."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.model import Arm
from analysis.packs import Target, custom
from analysis.sources.scrape import ScrapeSource
from canary.engine.journal import JournalError, decode
from canary.engine.record import RecordError
from canary.engine.recordfile import parse as parse_record
from canary.spec import ReleaseFileError, parse
from strategies import Malformed, Original, Pool, RefId, SurgeryError, choose, compare, detach, lower
from tests.security.fuzzing import FUZZ
from tests.security.test_fuzzed_readers import FILE, JOURNAL, RULE, junked, told

FILE_OF_A_RELEASE = {
    "apiVersion": "canary/v1", "kind": "Release", "metadata": {"name": "shop", "namespace": "shop"},
    "spec": {
        "route": {"name": "shop"}, "stable": {"service": "shop", "port": 8080},
        "workload": {"name": "shop", "container": "app"}, "image": "example.test/shop:2",
        "strategy": {"steps": [{"share": 5, "hold": {"min": "1m", "max": "10m"}}, {"share": "50%"}]},
        "analysis": {
            "source": {"prometheus": {"url": "http://prometheus:9090"}}, "gateway": "traefik", "every": "10s",
            "metrics": [
                {"errors": {"tolerance": {"relative": 0.5, "absolute": 0.002}}}, {"latency": {"limit": {"p99": "1s"}}},
            ],
        },
        "gates": [{"before": 50, "expires": "1h", "onExpiry": "rollback"}], "deadline": "2h",
    },
}  # fmt: skip
FENCE = "r/i"
OF_A_ROUTE: dict[str, Any] = {
    "metadata": {
        "name": "shop", "namespace": "shop", "generation": 3, "annotations": {"canary-engine.io/token": FENCE},
    },
    "spec": {"parentRefs": [{"name": "web"}], "rules": [
        {"name": "a", "matches": [{"path": {"type": "Exact", "value": "/"}}], "filters": [{"type": "URLRewrite"}],
         "backendRefs": [{"name": "app", "port": 80, "weight": 9}, {"name": "help", "port": 80}]}]},
    "status": {"parents": [{"parentRef": {"name": "web"}, "conditions": [{"type": "Accepted", "status": "True"}]}]},
}  # fmt: skip
SERIES = ['requests_total{service="shop",code="200"} 7', 'requests_total{service="shop-canary",code="503"} 1.5e3 17']
SERIES += ["# TYPE requests_total counter", 'requests_total{service="shop"} 9 # {trace_id="a"} 0.5', "# EOF"]
POOL = Pool(stable=RefId("Service", "", "shop", "app", 80), canary=RefId("Service", "", "shop", "new", 80))
SCRAPED = ScrapeSource(
    urls=("http://proxy",),
    feeds=custom(
        "m", bad='requests_total{service="$arm",code=~"5.."}', total='requests_total{service="$arm"}',
        target=Target(namespace="shop", route="r", services={Arm.STABLE: "shop", Arm.CANARY: "shop-canary"}, port=80),
    ),
)  # fmt: skip


def _plan(route: Any) -> None:
    """Everything that is made of a route by a release that goes back at once."""
    original = choose(route, POOL, selectors=None, shares=[Decimal(5)])
    lower(route, pool=POOL, original=original, release="r")
    detach(route, pool=POOL, original=original, release="r")
    compare(route, OF_A_ROUTE, pool=POOL, original=original, token=FENCE)
    compare(OF_A_ROUTE, route, pool=POOL, original=original, token=FENCE)


def _scrape(lines: Any) -> None:
    """What a scrape does; what it takes for no exposition is its own affair."""
    body = "\n".join(map(str, lines)) if isinstance(lines, list) else str(lines)
    for open_metrics in (False, True):
        with contextlib.suppress(ValueError, LookupError, ArithmeticError, NameError, TypeError):
            SCRAPED._parsed("http://proxy", (body + "\n").encode(errors="replace"), 1.0, open_metrics=open_metrics)


READERS: dict[str, tuple[Any, Callable[[Any], object], type[Exception]]] = {
    "journal": (JOURNAL, lambda value: decode(json.dumps(value)), JournalError),
    "record": (FILE, lambda value: parse_record(json.dumps(value)), RecordError),
    "note": (RULE, lambda value: Original.decode(value) if isinstance(value, dict) else None, Malformed),
    "release file": (FILE_OF_A_RELEASE, lambda value: parse(json.dumps(value)), ReleaseFileError),
    "route": (OF_A_ROUTE, _plan, SurgeryError),
    "exposition": (SERIES, _scrape, ValueError),
}


def _junk_is_read_or_refused(data: st.DataObject, reader: str) -> None:
    document, read, refusal = READERS[reader]
    try:
        read(data.draw(junked(document)))
    except refusal as error:
        told(error)


@pytest.mark.parametrize("reader", READERS)
@given(st.data())
@FUZZ
def test_every_reader_reads_or_refuses(reader: str, data: st.DataObject) -> None:
    _junk_is_read_or_refused(data, reader)


@pytest.mark.soak
@pytest.mark.parametrize("reader", READERS)
@given(st.data())
@settings(FUZZ, max_examples=20_000)
def test_every_reader_for_long(reader: str, data: st.DataObject) -> None:
    _junk_is_read_or_refused(data, reader)


@pytest.mark.parametrize("reader", READERS)
def test_what_is_damaged_is_whole_before(reader: str) -> None:
    document, read, _ = READERS[reader]
    read(document)
