"""Against a real Prometheus: it brings what a scrape brings, and understands what we ask."""

from __future__ import annotations

import itertools
import random
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.model import Arm, Look
from analysis.packs import PACKS, Feed, Target, custom, escape_regex, pack, selector
from analysis.sources import NoLook, Window
from analysis.sources.prometheus import PrometheusSource
from analysis.sources.read import Classifier
from analysis.sources.scrape import ScrapeSource
from tests.packs.test_pods import exposition as of_pods

pytestmark = pytest.mark.real

GATEWAY = "httproute-shop-user-service-route-gw-infra-public-ep-web-0-0123456789abcdef0123"
TARGET = Target(
    namespace="shop",
    route="user-service-route",
    services={Arm.STABLE: "user-service", Arm.CANARY: "user-service-canary"},
    port=8080,
)
BOUNDS = ("0.1", "0.5", "+Inf")


def exposition(counts: dict[tuple[str, str], list[int]], turn: int) -> str:
    """As Traefik writes it; (Service, code) to cumulative bucket counts."""
    lines = [f"turn {turn}"]
    for (service, code), buckets in counts.items():
        labels = f'code="{code}",method="GET",protocol="http",service="{GATEWAY}-svc-shop-{service}@kubernetesgateway"'
        lines.append(f"traefik_service_requests_total{{{labels}}} {buckets[-1]}")
        family = "traefik_service_request_duration_seconds_bucket"
        lines += [f'{family}{{{labels},le="{le}"}} {n}' for le, n in zip(BOUNDS, buckets, strict=True)]
        router = f'code="{code}",method="GET",protocol="http",router="{GATEWAY}@kubernetesgateway",service="{service}"'
        lines.append(f"traefik_router_requests_total{{{router}}} {buckets[-1]}")
    return "\n".join(lines) + "\n"


def story(seed: int, turns: int) -> list[dict[tuple[str, str], list[int]]]:
    """Growth, births, a restart, and a gap in the middle."""
    chance = random.Random(seed)
    counts: dict[tuple[str, str], list[int]] = {("user-service-0"[:-2] + "-0", "200"): [500, 900, 1000]}
    told = []
    for turn in range(turns):
        if turn == 2:
            counts["user-service-canary-1", "200"] = [0, 0, 0]
        if turn == 4:
            counts["user-service-canary-1", "500"] = [0, 0, 0]
        if turn == 6:
            counts = {series: [0, 0, 0] for series in counts}
        for series, buckets in counts.items():
            fast, medium, slow = (chance.randrange(0, 30) for _ in BOUNDS)
            counts[series] = [buckets[0] + fast, buckets[1] + fast + medium, buckets[2] + fast + medium + slow]
        told.append(dict(counts))
    return told


def test_it_brings_the_same_increments_as_scraping_does(prometheus: Any) -> None:
    feeds = pack("traefik").feeds(TARGET)
    metrics = {"errors": False, "latency": True}
    through, direct = Window(metrics=metrics, every=1.0), Window(metrics=metrics, every=1.0)
    slow = PrometheusSource(url=prometheus.url, feeds=feeds)
    fast = ScrapeSource(urls=(prometheus.exposition.url,), feeds=feeds)
    compared = 0
    for turn, counts in enumerate(story(11, 9)):
        prometheus.exposition.shows(exposition(counts, turn))
        prometheus.until(lambda turn=turn: prometheus.value("turn") == turn, f"turn {turn} is scraped")
        one, other = direct.advance(fast.read(timeout=5)), through.advance(slow.read(timeout=5))
        assert isinstance(one, NoLook) == isinstance(other, NoLook) == (turn == 0), (turn, one, other)
        if isinstance(one, Look) and isinstance(other, Look):
            assert one.counts == other.counts
            assert one.route == other.route
            compared += one.requests(Arm.STABLE) > 0
    assert compared == 8


def test_read_again_at_once_it_brings_no_second_look(prometheus: Any) -> None:
    """Prometheus scrapes at its own pace; every sample is counted once, however often it is read."""
    prometheus.exposition.shows(exposition(story(5, 5)[-1], 100))
    prometheus.until(lambda: prometheus.value("turn") == 100, "turn 100 is scraped")
    source = PrometheusSource(url=prometheus.url, feeds=pack("traefik").feeds(TARGET))
    window = Window(metrics={"errors": False}, every=1.0)
    window.advance(source.read(timeout=5))
    for _ in range(5):
        result = window.advance(source.read(timeout=5))
        if isinstance(result, Look):
            assert result.requests(Arm.STABLE) == result.requests(Arm.CANARY) == 0


# Selectors ----------------------------------------------------------------------------------------------------------

NASTY = (
    "a.b",
    'a"b',
    "a{b}",
    "a\\b",
    "a\\\\b",
    "a\nb",
    "a\tb",
    "$arm",
    "${arm}",
    "a$",
    "^a",
    "a|b",
    "(a)",
    "a*",
    "a+",
    "a?",
    "[a]",
    "a b",
    " ",
    "'",
    "`",
    "zürich",
    "東京",
    "🐤",
    "é",
    "e\u0301",
    "\u0001",
    "\u007f",
    "\ufffd",
    "\ufeff",
    "-",
    "_",
    ".",
    "..",
    ".*",
    "a/b:c@d",
    "#",
    "~",
    "&",
    "%",
    "a,b=c",
    "%41",
    "\\d",
    "\\x{41}",
    "\\u0041",
    "A",
    "a",
    "ab",
    "axb",
)


def labelled(values: tuple[str, ...]) -> str:
    """An exposition with one series per value."""
    escaped = (one.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for one in values)
    return "".join(f'nasty_total{{name="{one}",number="{number}"}} 1\n' for number, one in enumerate(escaped))


@pytest.fixture(scope="module")
def nasty(prometheus: Any) -> Any:
    prometheus.exposition.shows(labelled(NASTY))
    prometheus.until(lambda: len(prometheus.query("nasty_total")) == len(NASTY), "the nasty names are scraped")
    return prometheus


def seen(nasty: Any, selected: str) -> list[str]:
    """Names of the series found; one late scrape, on a machine that has other work, must not make them absent."""
    return [one["metric"]["name"] for one in nasty.query(f"last_over_time({selected}[5m])")]


@pytest.mark.parametrize("name", NASTY)
def test_the_selector_of_a_name_finds_just_that_name(nasty: Any, name: str) -> None:
    assert seen(nasty, selector("nasty_total", {"name": escape_regex(name)})) == [name]


@pytest.mark.parametrize("name", NASTY)
def test_python_reads_the_expression_as_prometheus_does(name: str) -> None:
    found = [other for other in NASTY if re.fullmatch(escape_regex(name), other, re.ASCII)]
    assert found == [name]


@given(name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=12))
@settings(derandomize=True, deadline=None, max_examples=150)
def test_whatever_the_name_prometheus_understands_the_selector(nasty: Any, name: str) -> None:
    found = seen(nasty, selector("nasty_total", {"name": escape_regex(name)}))
    assert found == ([name] if name in NASTY else [])


@pytest.mark.parametrize(("stable", "canary"), [("a.b", "a\\b"), ("$arm", "a"), ("🐤", "東京"), ('a"b', "a{b}")])
@pytest.mark.parametrize("matcher", ['name="$arm"', 'name=~"$arm"', 'name=~"(?i:${arm})"', 'name=~"$arm|none"'])
def test_queries_of_ones_own_find_the_arms(nasty: Any, stable: str, canary: str, matcher: str) -> None:
    target = Target(namespace="n", route="r", services={Arm.STABLE: stable, Arm.CANARY: canary}, port=1)
    query = f"nasty_total{{{matcher}}}"
    feeds = custom("mine", bad=query, total=query, target=target)
    (covering,) = Classifier(feeds).selectors().values()
    names = set(seen(nasty, covering))
    wide = {stable, canary} | ({"A"} if "(?i" in matcher and canary == "a" else set())
    assert names == wide
    assert _classified(feeds, NASTY) == {arm: sorted(_wide(name, matcher)) for arm, name in target.services.items()}


def _wide(name: str, matcher: str) -> set[str]:
    return {name} | ({"A"} if "(?i" in matcher and name == "a" else set())


def _classified(feeds: tuple[Feed, ...], names: tuple[str, ...]) -> dict[Arm | None, list[str]]:
    classifier = Classifier(feeds)
    found: dict[Arm | None, list[str]] = {}
    for name in names:
        for arm in {key.arm for key in classifier.keys("nasty_total", {"name": name})}:
            found.setdefault(arm, []).append(name)
    return {arm: sorted(one) for arm, one in found.items()}


PIECES = (
    "a",
    "b",
    "x",
    ".",
    ".*",
    "a|b",
    "[ab]",
    "[^a]",
    "\\\\d",
    "\\\\.",
    "(a|)",
    "a?",
    "\\\\w+",
    "(?i:A)",
    "\\\\s",
    "b{1,2}",
)


def test_expressions_of_ones_own_mean_the_same_here_and_there(nasty: Any) -> None:
    """The classifier runs Python's expressions over what Prometheus' RE2 selected: they must agree."""
    for pieces in itertools.product(PIECES, repeat=2):
        pattern = "".join(pieces).replace("\\\\", "\\")
        theirs = set(seen(nasty, selector("nasty_total", {"name": pattern})))
        # Prometheus 2 lets the dot stand for no line feed, 3 for any character; names have none.
        ours = {one for one in NASTY if re.fullmatch(pattern, one, re.ASCII)}
        assert theirs == ours, pattern


PACKS_TESTS = Path(__file__).parents[1] / "packs"


def of_gateway(name: str) -> str:
    """What a gateway writes: captured from a real one where the tests can run one, else as it is documented."""
    if name == "pods":
        return of_pods("code", "namespace", "pod")
    written = PACKS_TESTS / "documented" / f"{name}.txt"
    captured = "traefik-3.7.15" if name == "traefik" else "envoy-1.40.0"
    return (written if written.exists() else PACKS_TESTS / "captured" / f"{captured}.txt").read_text()


@pytest.mark.parametrize("name", sorted(PACKS))
def test_prometheus_finds_what_a_scrape_of_the_gateway_finds(prometheus: Any, name: str) -> None:
    """Every gateway's exposition, through a real Prometheus and directly."""
    prometheus.exposition.shows(of_gateway(name) + f'turn{{pack="{name}"}} 1\n')
    shown = time.time()
    scraped = f'timestamp(turn{{pack="{name}"}})'
    prometheus.until(lambda: (prometheus.value(scraped) or 0.0) > shown, "it is scraped")
    feeds = pack(name).feeds(TARGET if name == "traefik" else replace(TARGET, route="r"))
    through = PrometheusSource(url=prometheus.url, feeds=feeds).read(timeout=5)
    direct = ScrapeSource(urls=(prometheus.exposition.url,), feeds=feeds).read(timeout=5)
    latest = {(one.key, one.series): one.value for one in through.samples if one.time > shown}
    assert sorted(latest.values()) == sorted(one.value for one in direct.samples)
    assert {key for key, _ in latest} == {one.key for one in direct.samples}
    assert {key.arm for key, _ in latest} >= set(Arm)
