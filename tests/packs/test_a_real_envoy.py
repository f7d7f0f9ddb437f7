"""The Envoy family against a running Envoy: weighted clusters, retries, names with dots, a cluster that is not there.

What each pack reads is compared with what the apps themselves counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
import responses

from analysis.judge import JudgeConfig, MetricConfig, begin_step, observe, start
from analysis.model import RETRIES, Arm, Look, Verdict
from analysis.packs import Target, pack
from analysis.sources import ROUTE, Key, Reading, Role, Window
from analysis.sources.scrape import ScrapeSource
from tests.packs.counting import SERVICES, counted, scraped, target
from tests.packs.envoy import RETRIES as MOST_RETRIES
from tests.packs.envoy import App, Envoy, running

REQUESTS = 60


def by_filter(route: str) -> dict[Arm, str]:
    return {arm: f"httproute/shop/{route}/rule/0/backend/{index}" for index, arm in enumerate(Arm)}


PLACES = {arm: ((0, index),) for index, arm in enumerate(Arm)}
GATEWAYS = (("infra", "public"),)
CLUSTERS = {
    "kgateway": {arm: f"kube_shop_{service}_8080" for arm, service in SERVICES.items()},
    "contour": {arm: f"shop_{service}_8080" for arm, service in SERVICES.items()},
    "cilium": {arm: f"infra/cilium-gateway-public/shop:{service}:8080" for arm, service in SERVICES.items()},
    "envoy-gateway": by_filter("r"),
    "merged": {arm: f"service/shop/{service}/8080/http" for arm, service in SERVICES.items()},
    "hopeless": {arm: f"kube_hopeless_{service}_8080" for arm, service in SERVICES.items()},
    "hidden": {arm: f"kube_hidden_{service}_8080" for arm, service in SERVICES.items()},
    "seen": {arm: f"kube_seen_{service}_8080" for arm, service in SERVICES.items()},
    # Nobody's, and easily taken for ours.
    "sibling": by_filter("r.x"),
    "default": dict.fromkeys(Arm, "httproute/shop/r/rule/0"),
    "longer": {arm: f"kube_shop_{service}_80801" for arm, service in SERVICES.items()},
    # A custom clusterStatName: Envoy Gateway gives the same to each cluster of a rule.
    "renamed": by_filter("other"),
    # The canary's cluster is not there.
    "lost": {Arm.STABLE: "elsewhere", Arm.CANARY: "invalid-backend-cluster"},
}
RENAMED = dict.fromkeys(CLUSTERS["renamed"].values(), "shop/other")
RETRYING = {"kgateway", "merged", "hopeless", "hidden"}
JUDGED, LOOKS = ("hidden", "seen"), 8
"""Hosts that are asked again and again, and expositions read of them."""

READ_AS = {"merged": "envoy-gateway", "hopeless": "kgateway"}
PACKS = ["kgateway", "contour", "cilium", "envoy-gateway", "merged"]


NOBODY = {arm: f"nobody-{arm}" for arm in Arm}


def whose(host: str) -> Target:
    """Both of Envoy Gateway's namings are under one gateway here; each is read on its own."""
    named = {"merged": {"places": {}}, "envoy-gateway": {"services": NOBODY}, "hopeless": {"namespace": "hopeless"}}
    return target(**({"gateways": GATEWAYS, "places": PLACES} | named.get(host, {})))


@dataclass
class Served:
    """What was asked, answered and counted."""

    text: str
    first: str
    answers: Mapping[str, Counter[int]]
    apps: Mapping[Arm, App]
    looks: list[str]


def latencies(text: str, host: str) -> dict[Arm, float]:
    found = counted(text, pack(READ_AS.get(host, host)).feeds(whose(host)))
    return {arm: found.get(Key("latency", arm, Role.BUCKET, float("inf")), 0.0) for arm in Arm}


def requests(text: str, host: str) -> dict[Arm, float]:
    """Whole requests, not attempts."""
    found = counted(text, pack(READ_AS.get(host, host)).feeds(whose(host)))
    return {arm: found.get(Key("errors", arm, Role.TOTAL), 0.0) for arm in Arm}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("envoy")
    missing = {"invalid-backend-cluster"}
    with running(home, CLUSTERS, retries=RETRYING, missing=missing, called=RENAMED) as (envoy, apps):
        answers = {host: envoy.ask(host, REQUESTS) for host in CLUSTERS if host not in JUDGED}
        first = envoy.exposition()
        text = flushed(envoy, apps)
        looks = []
        for _ in range(LOOKS):
            looks.append(envoy.exposition())
            for host in JUDGED:
                answers[host] = answers.get(host, Counter()) + envoy.ask(host, REQUESTS)
        yield Served(text, first, answers, apps, looks)


def timed(text: str, host: str, apps: Mapping[Arm, App]) -> dict[Arm, float]:
    """Requests that an app answered at last: what broke, and was not retried, took no time that is counted."""
    return {
        arm: count - (0 if host in RETRYING else apps[arm].broke[host]) for arm, count in requests(text, host).items()
    }


def flushed(envoy: Envoy, apps: Mapping[Arm, App]) -> str:
    text = envoy.exposition()

    def whole() -> bool:
        nonlocal text
        text = envoy.exposition()
        return all(latencies(text, host) == timed(text, host, apps) for host in PACKS)

    envoy.until(whole, "every request's latency is published")
    return text


def plain(found: Mapping[Key, float], metric: str = "errors") -> dict[Any, float]:
    return {(key.arm, key.role): count for key, count in found.items() if key.metric == metric}


def read(served: Served, host: str) -> dict[Key, float]:
    return counted(served.text, pack(READ_AS.get(host, host)).feeds(whose(host)))


@pytest.mark.parametrize("host", PACKS)
def test_errors_are_what_clients_see_and_every_attempt_is_counted_once(served: Served, host: str) -> None:
    """With and without retries; the sibling, the longer port and the default cluster are somebody else's."""
    found, stable, canary = read(served, host), served.apps[Arm.STABLE], served.apps[Arm.CANARY]
    retried = canary.failed[host] if host in RETRYING else 0
    errors, attempts = plain(found), plain(found, RETRIES)
    assert errors[Arm.STABLE, Role.TOTAL] + errors[Arm.CANARY, Role.TOTAL] == REQUESTS
    assert errors.get((Arm.CANARY, Role.BAD), 0) == served.answers[host][503] == canary.failed[host] - retried
    assert errors.get((Arm.STABLE, Role.BAD), 0) == 0
    assert attempts == {
        (Arm.STABLE, Role.TOTAL): stable.saw[host],
        (Arm.STABLE, Role.BAD): 0,
        (Arm.CANARY, Role.TOTAL): canary.saw[host],
        (Arm.CANARY, Role.BAD): retried,
    }
    assert canary.failed[host] > 0


def test_retries_hide_from_clients_what_only_attempts_show(served: Served) -> None:
    """Connections that broke are among them, though Envoy counts no answer of theirs, not even as a retried one."""
    for host in ("kgateway", "merged"):
        assert served.answers[host] == {200: REQUESTS}
        assert (Arm.CANARY, Role.BAD) not in plain(read(served, host))
    canary = served.apps[Arm.CANARY]
    answered = re.search(r'retry_upstream_rq_xx{.*"5".*"kube_shop_user-service-canary_8080"} (\d+)', served.text)
    assert answered is not None
    assert 0 < int(answered.group(1)) < canary.failed["kgateway"]
    beside = counted(served.text, pack("kgateway").beside(whose("kgateway")))
    assert beside[Key(RETRIES, Arm.CANARY, Role.STARTED)] == canary.saw["kgateway"]
    assert beside[Key(RETRIES, Arm.STABLE, Role.STARTED)] == served.apps[Arm.STABLE].saw["kgateway"]


def test_a_request_that_failed_to_the_last_is_one_error_and_all_its_attempts(served: Served) -> None:
    found, lost = read(served, "hopeless"), served.answers["hopeless"][503]
    assert lost > 0
    assert plain(found)[Arm.CANARY, Role.TOTAL] == plain(found)[Arm.CANARY, Role.BAD] == lost
    assert plain(found, RETRIES)[Arm.CANARY, Role.BAD] == MOST_RETRIES * lost
    assert plain(found, RETRIES)[Arm.CANARY, Role.TOTAL] == (MOST_RETRIES + 1) * lost


@pytest.mark.parametrize(("host", "guilty", "innocent"), [("hidden", RETRIES, "errors"), ("seen", "errors", RETRIES)])
def test_the_judge_finds_the_same_canary_by_what_clients_see_and_by_what_retries_hide(
    served: Served, host: str, guilty: str, innocent: str
) -> None:
    assert set(served.answers[host]) == ({200} if host == "hidden" else {200, 503})
    metrics = tuple(
        MetricConfig(name=name, kind="counts", relative=0.5, absolute=0.002) for name in ("errors", RETRIES)
    )
    config = JudgeConfig(metrics=metrics, planned_looks=100)
    window = Window(metrics={"errors": False, RETRIES: False}, every=1.0)
    feeds = pack("kgateway").feeds(target(namespace=host)) + pack("kgateway").beside(target(namespace=host))
    state = begin_step(config, start(config), share=30.0, last_share=50.0)
    judgement = None
    for number, text in enumerate(served.looks):
        samples = tuple(replace(one, time=100.0 + number) for one in scraped(text, feeds).samples)
        look = window.advance(Reading(at=100.0 + number, samples=samples))
        if isinstance(look, Look):
            state, judgement = observe(config, state, look)
    assert judgement is not None
    assert judgement.verdict is Verdict.UNHEALTHY
    verdicts = {one.metric: one.verdict for one in judgement.findings}
    assert verdicts[guilty] is Verdict.UNHEALTHY
    assert verdicts[innocent] is not Verdict.UNHEALTHY
    assert ("unseen by clients" in judgement.sentence) is (host == "hidden")
    assert not {"HUNG", "SHARE_MISMATCH"} & {one.code for one in judgement.findings}


@pytest.mark.parametrize("host", PACKS)
def test_all_latencies_come_with_the_next_flush_and_each_once(served: Served, host: str) -> None:
    """A scrape before it has fewer, which is why half of them once seemed to be lost; retried requests have one."""
    assert latencies(served.text, host) == timed(served.text, host, served.apps)
    broken = 0 if host in RETRYING else served.apps[Arm.CANARY].broke[host]
    assert sum(latencies(served.text, host).values()) == REQUESTS - broken
    early = latencies(served.first, host)
    assert all(early[arm] <= count for arm, count in latencies(served.text, host).items())


def test_a_cluster_that_is_not_there_is_seen_on_the_route(served: Served) -> None:
    found = counted(served.text, pack("kgateway").feeds(target()))
    lost = served.answers["lost"][503]
    assert lost > 0
    assert found[Key(ROUTE, None, Role.TOTAL)] == found[Key(ROUTE, None, Role.BAD)] == lost


def test_a_route_whose_name_has_a_dot_is_read_by_none(served: Served) -> None:
    """Envoy cuts its clusters' names at the dot and makes the rest part of the family: what is read stays merged."""
    assert 'envoy_cluster_x_rule_0_backend_1_upstream_rq_xx{envoy_response_code_class="5"' in served.text
    dotted = target(route="r.x", gateways=GATEWAYS, places=PLACES, services=NOBODY)
    assert plain(counted(served.text, pack("envoy-gateway").feeds(dotted))) == {}


def test_the_default_naming_tells_no_arms_apart_and_says_why(served: Served) -> None:
    assert 'envoy_cluster_name="httproute/shop/r/rule/0"' in served.text
    moved = target(places={Arm.STABLE: ((5, 0),), Arm.CANARY: ((5, 1),)}, services=NOBODY)
    assert plain(counted(served.text, pack("envoy-gateway").feeds(moved))) == {}
    for word in ("filter", "mergeBackends", "clusterStatName"):
        assert word in pack("envoy-gateway").missing


def listed(text: str) -> tuple[str, ...]:
    """What Envoy's clusters are called, as preflight asks for it."""
    family, label = pack("envoy-gateway").listed[0]
    with responses.RequestsMock() as mock:
        mock.get("http://proxy/metrics", body=text)
        return ScrapeSource(urls=("http://proxy/metrics",), feeds=()).names(family, label, timeout=5)


def test_a_custom_cluster_stat_name_is_detected_by_what_envoy_then_calls_both_clusters(served: Served) -> None:
    explain, names = pack("envoy-gateway").explain, listed(served.text)
    assert explain is not None
    assert "shop/other" in names
    assert not any(name.startswith("httproute/shop/other/") for name in names), "both clusters have the one name"
    why = explain(target(route="other"), names)
    assert why.startswith("The route's cluster is called shop/other, by a custom clusterStatName (EnvoyProxy")
    assert "cannot be told apart" in why
    assert (
        plain(counted(served.text, pack("envoy-gateway").feeds(target(route="other", places=PLACES, services=NOBODY))))
        == {}
    )


def test_the_default_naming_is_detected_before_there_is_any_traffic(served: Served) -> None:
    explain = pack("envoy-gateway").explain
    assert explain is not None
    why = explain(target(), listed(served.text))
    assert why.startswith(
        "Both arms are counted in one cluster, httproute/shop/r/rule/0: give stable's reference a filter"
    )


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), ""),
        (("httproute/shop/r/rule/0/backend/0", "xds_cluster"), "the references are not where the release takes them"),
        (("r-shop", "xds_cluster"), "The route's cluster is called r-shop, by a custom clusterStatName"),
        (("rx", "shop_r2_80"), "No cluster is called as Envoy Gateway calls them (there are rx, shop_r2_80)"),
        (("httproute/shop/else/rule/0", "something"), ""),
        (("service/shop/user-service/8080/http", "xds_cluster"), ""),
    ],
)
def test_what_the_names_of_clusters_tell(names: tuple[str, ...], said: str) -> None:
    explain = pack("envoy-gateway").explain
    assert explain is not None
    why = explain(target(), names)
    assert said in why
    assert bool(why) == bool(said)
