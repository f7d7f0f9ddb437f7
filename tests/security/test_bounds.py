"""Never more than a bounded time and memory: readers of the route, the journal and expositions, given a mebibyte.

Measured in calls and bytes, so that a slow machine is no failure; release files, records and tables of counts are
measured in `test_fuzzed_readers`.
"""

from __future__ import annotations

import base64
import json
import zlib
from decimal import Decimal
from typing import Any

import pytest

from analysis.packs import Feed
from analysis.sources.scrape import LONGEST_LINE, ScrapeSource
from analysis.sources.state import decode as decode_window
from canary.adapters.kubernetes.errors import Answer, document
from canary.engine.journal import Journal, JournalError, decode, encode
from strategies import Pool, RefId, SurgeryError, choose, detach, lower, stamp
from tests.security.fuzzing import MIB, calls_of, memory_of
from tests.security.test_fuzzed_readers import JOURNAL, told

CALLS, BYTES = 3_000_000, 24 * MIB
"""What may be spent on a mebibyte: a second or two, and memory that a pod has beside everything else."""


def bounded(work: Any) -> None:
    """Twice, because a profiler is no bookkeeper of memory."""
    assert calls_of(work) < CALLS
    assert memory_of(work) < BYTES


# The route -----------------------------------------------------------------------------------------------------------

POOL = Pool(stable=RefId("Service", "", "shop", "app", 80), canary=RefId("Service", "", "shop", "app-canary", 80))


def ref(name: str, weight: int = 1) -> dict[str, Any]:
    return {"group": "", "kind": "Service", "name": name, "port": 80, "weight": weight}


def route(*rules: Any) -> dict[str, Any]:
    metadata = {"name": "front", "namespace": "shop", "resourceVersion": "1", "generation": 1, "uid": "u"}
    return {"metadata": {**metadata, "annotations": {}}, "spec": {"rules": list(rules)}}


def nested(depth: int) -> Any:
    return json.loads('{"a":' * depth + "1" + "}" * depth)


ROUTES = {
    "rules": route(*({"name": f"r{number}", "backendRefs": [ref("app", 9)]} for number in range(9_000))),
    "rules without a name": route(*({"backendRefs": [ref("app", 9)]} for _ in range(9_000))),
    "references": route({"name": "r", "backendRefs": [ref("app", 9), *(ref(f"h{n}") for n in range(14_000))]}),
    "matches": route(
        {"matches": [{"path": {"type": "Exact", "value": f"/{n}"}} for n in range(20_000)], "backendRefs": [ref("app")]}
    ),
    "annotations": {
        **route({"name": "r", "backendRefs": [ref("app", 9)]}),
        "metadata": {"name": "front", "namespace": "shop", "annotations": {f"a{n}": "x" * 30 for n in range(25_000)}},
    },
    "deep matches": route({"matches": [{"x": nested(900)}], "backendRefs": [ref("app")]}),
    "deep filters": route({"name": "r", "filters": [nested(900)], "backendRefs": [ref("app")]}),
    "a long name": route({"name": "r" * MIB, "backendRefs": [ref("app")]}),
}


@pytest.mark.parametrize("name", ROUTES)
def test_a_route_of_a_mebibyte_is_read_or_refused_cheaply(name: str) -> None:
    given = ROUTES[name]

    def release() -> None:
        try:
            original = choose(given, POOL, selectors=None, shares=[Decimal(5), Decimal(50)])
            fence = "r/i"
            notes = stamp(given, token=fence, release="r", original=original)["metadata"]["annotations"]
            ours = {**given, "metadata": {**given["metadata"], "annotations": {**notes}}}
            lower(ours, pool=POOL, original=original, release="r")
            detach(ours, pool=POOL, original=original, release="r")
        except SurgeryError as error:
            told(error)

    bounded(release)


@pytest.mark.parametrize("text", ['{"a":' * 170_000, "[" * MIB, '{"a":' * 170_000 + "1" + "}" * 170_000])
def test_an_answer_that_is_too_deep_is_none(text: str) -> None:
    def read() -> None:
        assert document(Answer(status=200, headers={}, body=text.encode())) is None

    bounded(read)


# The journal ---------------------------------------------------------------------------------------------------------

PARTS = ("judge", "window", "surgery")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("depth", [150, 500, 900, 5_000, 170_000])
def test_a_journal_that_is_too_deep_is_refused_and_one_that_is_read_can_be_written_again(part: str, depth: int) -> None:
    hole = json.dumps({**JOURNAL, part: "@"})
    text = hole.replace('"@"', '{"a":' * depth + "1" + "}" * depth)

    def read() -> None:
        try:
            assert isinstance(decode(encode(decode(text))), Journal)
        except JournalError as error:
            told(error)

    bounded(read)


def packed(text: bytes) -> str:
    return base64.b64encode(zlib.compress(text, 9)).decode()


BOMBS = {
    "zeros": b'{"a":"' + b"0" * (100 * MIB) + b'"}',
    "deep": b'{"a":' * 700_000 + b"1" + b"}" * 700_000,
    "deep enough": b'{"a":' * 900 + b"1" + b"}" * 900,
    "many": b"{" + b",".join(b'"%d":[]' % number for number in range(80_000)) + b"}",
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("part", PARTS)
def test_what_a_journal_holds_compressed_is_unpacked_to_a_bound(part: str, bomb: str) -> None:
    text = json.dumps({**JOURNAL, part: {"packed": packed(BOMBS[bomb])}})

    def read() -> None:
        try:
            found = decode(text)
            decode_window(found.window) if found.window else None
        except (JournalError, ValueError) as error:
            told(error)

    assert calls_of(read) < CALLS
    assert memory_of(read) < 64 * MIB


# Expositions ---------------------------------------------------------------------------------------------------------


def line(labels: str) -> str:
    return f'requests_total{{service="shop",code="200",{labels}}} 1\n'


LINES = {
    "series": "".join(line(f'pod="{number:0360}"') for number in range(2_500)),
    "a value": line('x="' + "a" * MIB + '"'),
    "labels": line(",".join(f'l{number}="x"' for number in range(90_000))),
    "backslashes": line('x="' + "\\\\" * (MIB // 2) + '"'),
    "quotes": line('x="' + '\\"' * (MIB // 2) + '"'),
    "braces": "requests_total" + "{" * MIB + "\n",
    "commas": line("," * MIB),
    "a number": 'requests_total{service="shop"} ' + "9" * MIB + "\n",
    "lines at the bound": line('x="' + '\\"' * (LONGEST_LINE // 2 - 40) + '"') * 4,
}


@pytest.mark.parametrize("open_metrics", [False, True])
@pytest.mark.parametrize("name", LINES)
def test_an_exposition_of_a_mebibyte_is_read_or_refused_cheaply(
    feeds: tuple[Feed, ...], name: str, open_metrics: bool
) -> None:
    """The parser's work grows with the square of a line: one of a mebibyte took it half a minute."""
    source = ScrapeSource(urls=("http://proxy/metrics",), feeds=feeds)
    body = (LINES[name] + ("# EOF\n" if open_metrics else "")).encode()

    def read() -> None:
        try:
            source._parsed("http://proxy/metrics", body, 1.0, open_metrics=open_metrics)
        except ValueError as error:
            told(error)

    bounded(read)
