"""The engine's /metrics: what a scrape of a release under way shows."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from canary.cli.boundary import Failure
from canary.cli.gauges import served
from canary.core.outcome import ExitCode
from canary.spec import load
from tests.report.conftest import TOLD

FILE = load(Path(__file__).parents[2] / "examples" / "releases" / "minimal.yaml", image="a/b@sha256:" + "a" * 64)
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def scraped(port: int) -> dict[tuple[str, ...], float]:
    with OPENER.open(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        samples = [sample for family in families for sample in family.samples]
    own = {"namespace": "shop", "route": "user-service-route", "release": "user-service"}
    found = {}
    for sample in samples:
        if not sample.name.endswith("_created"):
            assert own.items() <= sample.labels.items()
            rest = (value for key, value in sample.labels.items() if key not in own)
            found[sample.name.removeprefix("canary_release_"), *rest] = sample.value
    return found


def test_a_scrape_shows_where_the_release_stands_and_how_it_ended() -> None:
    port = free_port()
    with served(FILE, "127.0.0.1", port) as (gauges,):
        for progress in TOLD[:4]:
            gauges.tell(progress)
        seen = scraped(port)
        assert {key[1] for key, value in seen.items() if key[0] == "phase" and value} == {"JUDGING"}
        assert (seen["share_percent", "wanted"], seen["share_percent", "seen"]) == (20.0, 19.74)
        assert (seen["requests", "canary"], seen["requests", "stable"]) == (4012, 76220)
        assert [seen["verdict", "errors", each] for each in ("HEALTHY", "UNDECIDED", "UNHEALTHY")] == [0, 1, 0]
        assert seen["verdict", "latency", "NO_DATA"] == 1
        assert (seen["looks_total",], seen["alarms_total",]) == (1, 0)
        assert ("exit_code",) not in seen
        for progress in TOLD[4:]:
            gauges.tell(progress)
        seen = scraped(port)
        assert (seen["exit_code",], seen["alarms_total",]) == (ExitCode.JUDGED_BAD, 1)
        with pytest.raises(urllib.error.HTTPError, match="404") as refused:
            OPENER.open(f"http://127.0.0.1:{port}/", timeout=10)
        refused.value.close()
    with pytest.raises(urllib.error.URLError):
        OPENER.open(f"http://127.0.0.1:{port}/metrics", timeout=10)


def test_any_progress_can_be_told() -> None:
    port = free_port()
    with served(FILE, "127.0.0.1", port) as (gauges,):
        gauges.tell(replace(TOLD[3], share_seen=None, phase="NEW", judgement=replace(TOLD[3].judgement, findings=())))  # type: ignore[arg-type, type-var]  # it has one
        assert ("share_percent", "seen") not in scraped(port)


def test_a_page_holds_names_and_numbers_and_no_sentence() -> None:
    """Whoever reaches the port reads no more than that, whatever people are told meanwhile."""
    port, sentence = free_port(), "told-to-people-only"
    with served(FILE, "127.0.0.1", port) as (gauges,):
        for progress in TOLD:
            gauges.tell(replace(progress, message=sentence, reason=sentence))
        with OPENER.open(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            page = answer.read().decode()
        assert "canary_release_phase" in page
        assert sentence not in page
        for path, method in (("/", "GET"), ("/metrics", "POST"), ("/metrics/../", "GET")):
            asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
            with pytest.raises(urllib.error.HTTPError) as refused:
                OPENER.open(asked, timeout=10)
            refused.value.close()


def test_without_a_port_nothing_listens_and_a_taken_one_is_said() -> None:
    with served(FILE, "127.0.0.1", 0) as gauges:
        assert gauges == ()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Failure, match="cannot be listened on"), served(FILE, "127.0.0.1", port):
            pass
