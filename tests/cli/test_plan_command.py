"""`canary plan`."""

import json
import re
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ruamel.yaml import YAML

from canary.cli import traffic
from tests.sources.conftest import Exposition, sends

ROOT = Path(__file__).parents[2]
RELEASE = str(ROOT / "examples" / "releases" / "full.yaml")
ROUTE = ROOT / "examples" / "routes" / "user-service-route.yaml"


def test_a_plan_with_the_example_route_has_weights_and_ends_where_it_began(canary: Callable[..., Any]) -> None:
    ran = canary("plan", RELEASE, "--route", str(ROUTE))
    assert (ran.code, ran.err) == (0, "")
    assert "rule 0: user-service=171 user-service-legacy=20 user-service-canary=9  (4.5 % of this rule)" in ran.out
    assert "after the last write equals the one before the first" in ran.out


def test_json_carries_every_patch(canary: Callable[..., Any]) -> None:
    plan = json.loads(canary("plan", RELEASE, "--route", str(ROUTE), "-o", "json").out)
    assert [write["share"] for write in plan["writes"]] == ["0", "5", "20", "35", "50", "100", "0", "0"]
    assert all(write["patch"][0]["op"] == "test" for write in plan["writes"])
    assert plan["restored"] is True


def test_a_plan_without_a_route_is_printed(canary: Callable[..., Any]) -> None:
    ran = canary("plan", RELEASE)
    assert ran.code == 0
    assert "step 1 of 4  hold 1m to 10m" in ran.out


def test_without_the_rate_it_is_said_how_to_learn_what_each_step_sees(canary: Callable[..., Any]) -> None:
    ran = canary("plan", RELEASE)
    assert "--live" in ran.out
    assert "--rate REQUESTS_PER_SECOND --errors STABLE_RATE" in ran.out
    assert "sees" not in ran.out


def test_with_the_rate_each_step_says_what_it_sees(canary: Callable[..., Any]) -> None:
    ran = canary("plan", RELEASE, "--rate", "50", "--errors", "0.2%", "--route", str(ROUTE))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.count("  sees ") == ran.out.count("  errors  ") == 4
    assert "Stable: 50 requests/s, of which 0.20 % fail (as told)" in ran.out
    assert "--rate" not in ran.out
    assert canary("plan", RELEASE, "--rate", "50", "--errors", "0.002", "--route", str(ROUTE)).out == ran.out


def test_what_each_step_sees_is_data_too(canary: Callable[..., Any]) -> None:
    plan = json.loads(canary("plan", RELEASE, "--rate", "0.02", "-o", "json").out, parse_constant=pytest.fail)
    first = plan["writes"][1]["sees"]
    assert first["canary"] == pytest.approx([0.06, 0.6])
    assert first["sights"][0]["metric"] == "errors"
    assert first["sights"][0]["late"] is None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--rate", "0"), "--rate must be more than 0"),
        (("--rate", "nan"), "--rate must be more than 0"),
        (("--rate", "1e12"), "at most 1,000,000,000"),
        (("--rate", "5", "--errors", "2"), "write 0.1% or 0.001"),
        (("--rate", "5", "--errors", "few"), "write 0.1% or 0.001"),
        (("--rate", "5", "--errors", "-1%"), "write 0.1% or 0.001"),
        (("--rate", "5", "--see", "0"), "there is nothing to be seen"),
        (("--errors", "1%"), "--errors says nothing without --rate"),
        (("--live", "--errors", "1%"), "leave it out: --live reads it"),
        (("--latency", "100ms=90%,1s=100%"), "--latency says nothing without --rate"),
        (("--see", "1%"), "--see says nothing without traffic"),
        (("--scrape", "15s"), "--scrape says nothing without traffic"),
        (("--rate", "5", "--last", "2h"), "--last says nothing without --live"),
        (("--live", "--rate", "5"), "both tell the traffic"),
    ],
)
def test_traffic_that_cannot_be_is_wrong_usage(canary: Callable[..., Any], flags: tuple[str, ...], said: str) -> None:
    ran = canary("plan", RELEASE, *flags)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


TOLD = ("--rate", "50", "--errors", "0.2%")


def test_with_buckets_each_step_says_which_shift_in_time_it_sees(canary: Callable[..., Any]) -> None:
    ran = canary("plan", RELEASE, *TOLD, "--latency", "50ms=62%,100ms=91%,250ms=96%,500ms=99.2%,1s=99.9%")
    assert (ran.code, ran.err) == (0, "")
    assert "latency: p50 up to 50 ms, p95 100 ms to 250 ms, p99 250 ms to 500 ms" in ran.out
    assert "slower than 250 ms" in ran.out
    assert "2.5 times as long, or 150 ms longer" in ran.out


def test_what_is_to_be_seen_can_be_asked_for(canary: Callable[..., Any]) -> None:
    assert re.search(r"a hold of \S+ to see 1\.5 %", canary("plan", RELEASE, *TOLD, "--see", "1.5%").out)


def test_what_is_tolerated_is_not_said_to_be_seen(canary: Callable[..., Any]) -> None:
    out = canary("plan", RELEASE, *TOLD, "--see", "0.3%").out
    assert out.count("0.30 % is within what is tolerated") == 4
    assert "see 0.30 %" not in out


def test_a_hold_that_the_step_has_not_is_called_longer(canary: Callable[..., Any]) -> None:
    """A request a minute at 5 %: the hold that would do is told beside the one that there is."""
    out = canary("plan", RELEASE, "--rate", "0.02", "--errors", "0.1%").out
    assert re.search(
        r"nothing +nothing  more than a week to see \S+ %, a hold of \S+ to see 100 %: longer than 10m", out
    )
    assert "not within its longest hold of 10m; were it held on, back on stable after" in out
    quick = canary("plan", RELEASE, *TOLD).out
    assert "longest hold" not in quick.partition("Reaction")[2]


def test_the_reaction_is_told_part_by_part_and_adds_up(canary: Callable[..., Any]) -> None:
    plan = json.loads(canary("plan", RELEASE, *TOLD, "--scrape", "30s", "-o", "json").out)
    reaction = plan["writes"][1]["sees"]["reaction"]
    assert reaction == {"judging": 60.0, "looks": 2, "scrape": 30.0, "look": 10.0, "gateway": 2.0}
    text = canary("plan", RELEASE, *TOLD, "--scrape", "30s").out
    assert "back on stable after about 1m22s, at worst 1m42s" in text
    assert "2.0s  until the gateway has followed, usually" in text


def test_json_of_buckets_is_json(canary: Callable[..., Any]) -> None:
    ran = canary("plan", RELEASE, *TOLD, "--latency", "100ms=90%,1s=100%", "-o", "json")
    plan = json.loads(ran.out, parse_constant=pytest.fail)
    assert plan["traffic"]["latency"]["latency"] == {"0.1": 900000, "1.0": 1000000, "+Inf": 1000000}


def test_the_share_of_the_whole_route_is_told(canary: Callable[..., Any]) -> None:
    ran = canary("plan", RELEASE, "--route", str(ROUTE))
    assert "5 %  step 1 of 4  hold 1m to 10m  (4.5 to 5 % of the whole route)" in ran.out


def counted(service: str, requests: int) -> Iterator[tuple[str, dict[str, str], int]]:
    """So many requests of a Service as Traefik counts them: family, labels, value. One in a hundred failed."""
    name = {"service": f"httproute-{service}@kubernetesgateway", "method": "GET", "protocol": "http"}
    family = "traefik_service_requests_total"
    for code, part in (("200", 0.99), ("500", 0.01)):
        yield family, name | {"code": code}, round(requests * part)
    for bound, part in (("0.1", 0.9), ("0.25", 0.96), ("1", 1.0), ("+Inf", 1.0)):
        labels = name | {"code": "200", "le": bound}
        yield "traefik_service_request_duration_seconds_bucket", labels, round(requests * part)


SHOP = "shop-user-service-route-gw-shop-public-ep-web-0-0123456789abcdef0123-svc-shop-user-service-0"
OTHER = SHOP.replace("user-service-0", "user-service-legacy-0")
API = "default-api-gw-infra-public-ep-web-0-0123456789abcdef0123-svc-default-api-0"


class Prometheus:
    """Prometheus' API over some minutes of stable, scraped every 30 s at 40 requests a second, and of a sibling.

    Attributes:
        asked: (family, seconds of its past) of every question.
    """

    def __init__(self, server: Exposition, services: tuple[str, ...]) -> None:
        self.asked: list[tuple[str, float]] = []
        self.kept: dict[str, list[tuple[dict[str, str], list[tuple[float, str]]]]] = {}
        newest = time.time()
        turns = [[series for one in services for series in counted(one, 1200 * turn)] for turn in range(100)]
        for number, (family, labels, _) in enumerate(turns[0]):
            values = [(newest - 30.0 * (99 - turn), str(found[number][2])) for turn, found in enumerate(turns)]
            self.kept.setdefault(family, []).append((labels, values))
        server.handler = self.answer

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Which series of a family are wanted is left to the reader, which sorts them by their labels again."""
        asked = parse_qs(urlsplit(request.path).query)
        found = re.fullmatch(r"(\w+)\{.*\}\[(\d+)s\]", asked["query"][0])
        assert found is not None, asked
        family, seconds, end = found[1], float(found[2]), float(asked["time"][0])
        self.asked.append((family, seconds))
        result = [
            {"metric": {"__name__": family, "instance": "traefik:8082", **labels}, "values": inside}
            for labels, values in self.kept.get(family, ())
            if (inside := [pair for pair in values if end - seconds < pair[0] <= end])
        ]
        body = {"status": "success", "data": {"resultType": "matrix", "result": result}}
        sends(json.dumps(body).encode(), Content_Type="application/json")(request)


@pytest.fixture
def server() -> Iterator[Exposition]:
    one = Exposition()
    yield one
    one.close()


@pytest.fixture
def open_release(tmp_path: Path, server: Exposition) -> str:
    """The example with a Prometheus that asks for no credentials."""
    file = YAML(typ="safe").load(Path(RELEASE).read_text())
    file["spec"]["analysis"]["source"] = {"prometheus": {"url": f"http://{server.address}"}}
    (tmp_path / "release.yaml").write_text(json.dumps(file))
    return str(tmp_path / "release.yaml")


def test_live_reads_the_traffic_where_the_release_reads(
    canary: Callable[..., Any], open_release: str, server: Exposition
) -> None:
    prometheus = Prometheus(server, (SHOP, OTHER))
    ran = canary("plan", open_release, "--live", "--last", "2h", "--route", str(ROUTE))
    assert ran.code == 0, ran.err
    assert sum(seconds for family, seconds in prometheus.asked if family == "traefik_service_requests_total") == 7200
    assert "Stable: 40 requests/s, of which 1.0 % fail (read from Prometheus, the last 2h)" in ran.out
    assert "until it is scraped (every 30s)" in ran.out
    assert "latency: p50 up to 100 ms, p95 100 ms to 250 ms, p99 250 ms to 1 s" in ran.out


def test_live_without_traffic_ends_with_16(canary: Callable[..., Any], open_release: str, server: Exposition) -> None:
    Prometheus(server, (OTHER,))
    ran = canary("plan", open_release, "--live")
    assert ran.code == 16
    assert "--rate" in ran.err


def test_live_reads_the_proxies_where_they_are_read_directly(
    canary: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: Exposition
) -> None:
    began, slept = time.time(), list[float]()

    def passes(seconds: float) -> None:
        """Time, in which stable gets 40 requests a second."""
        slept.append(seconds)
        lines = [
            f"{family}{{{','.join(f'{name}={json.dumps(value)}' for name, value in labels.items())}}} {value}"
            for family, labels, value in counted(API, 4000 + round(40 * sum(slept)))
        ]
        server.shows("\n".join(lines) + "\n")

    monkeypatch.setattr(traffic, "time", SimpleNamespace(sleep=passes, time=lambda: began + sum(slept)))
    file = (ROOT / "examples" / "releases" / "scrape.yaml").read_text()
    (tmp_path / "release.yaml").write_text(file.replace("http://127.0.0.1:8082/metrics", server.url))
    ran = canary("plan", str(tmp_path / "release.yaml"), "--live")
    assert ran.code == 0, ran.err
    assert "Stable: 40 requests/s, of which 1.0 % fail (read from the proxies for 10 s)" in ran.out
    assert "the engine reads the proxies itself" in ran.out


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--live", "--rate", "5"), "both tell the traffic"),
        (("--live", "--last", "soon"), "--last"),
        (("--rate", "5", "--scrape", "often"), "--scrape"),
        (("--rate", "5", "--see", "2"), "--see is not a share"),
        (("--rate", "5", "--latency", "fast"), "--latency: 'fast'"),
        (("--rate", "5", "--latency", "1s=50%,2s=40%"), "fewer requests under a longer time"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(canary: Callable[..., Any], flags: tuple[str, ...], said: str) -> None:
    ran = canary("plan", RELEASE, *flags)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_an_invalid_release_ends_with_20(canary: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("a: 1")
    assert canary("plan", str(tmp_path / "r.yaml")).code == 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("kind: Service", "does not hold the HTTPRoute shop/user-service-route"),
        ("[1]", "does not hold"),
        ("{kind: HTTPRoute, metadata: 5}", "does not hold"),
        ("{kind: HTTPRoute, metadata: {name: other}}", "does not hold"),
        ("{kind: HTTPRoute, metadata: {name: user-service-route, namespace: other}}", "does not hold"),
    ],
)
def test_a_file_that_is_not_the_route_is_wrong_usage(
    canary: Callable[..., Any], tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "route.yaml").write_text(text)
    ran = canary("plan", RELEASE, "--route", str(tmp_path / "route.yaml"))
    assert ran.code == 2
    assert said in ran.err
    assert "kubectl get httproute" in ran.err


def test_a_missing_route_file_is_wrong_usage(canary: Callable[..., Any]) -> None:
    assert "cannot be read: No such file" in canary("plan", RELEASE, "--route", "/nope").err


def test_a_route_that_preflight_would_refuse_ends_with_22(canary: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "route.yaml").write_text(ROUTE.read_text().replace("name: checkout", "name: other"))
    ran = canary("plan", RELEASE, "--route", str(tmp_path / "route.yaml"))
    assert ran.code == 22
    assert 'has no rule named "checkout"' in ran.err


def test_a_route_as_kubectl_prints_it_with_nulls_is_read(canary: Callable[..., Any], tmp_path: Path) -> None:
    text = ROUTE.read_text().replace("namespace: shop}", "namespace: shop, creationTimestamp: null}")
    (tmp_path / "route.yaml").write_text(text)
    assert canary("plan", RELEASE, "--route", str(tmp_path / "route.yaml")).code == 0


def test_what_a_template_changes_in_the_running_deployment(canary: Callable[..., Any], tmp_path: Path) -> None:
    release = str(ROOT / "examples" / "releases" / "with-config.yaml")
    assert "What it changes: --workload FILE" in canary("plan", release).out
    live = tmp_path / "live.yaml"
    running = (ROOT / "examples" / "releases" / "deploy" / "user-service.yaml").read_text()
    live.write_text(running.replace("value: info", "value: hunter2").replace("cpu: 250m", "cpu: 100m"))
    ran = canary("plan", release, "--workload", str(live))
    assert ran.code == 0
    assert '~ spec.containers[app].resources.requests[cpu]: "100m" -> "250m"' in ran.out
    assert "~ spec.containers[app].env[LOG_LEVEL].value\n" in ran.out
    told = json.loads(canary("plan", release, "--workload", str(live), "-o", "json").out)
    assert [each["path"] for each in told["changes"]] == [
        "spec.containers[app].env[LOG_LEVEL].value",
        "spec.containers[app].resources.requests[cpu]",
    ]
    assert "hunter2" not in ran.out + json.dumps(told)
    ran = canary("plan", release, "--workload", str(ROUTE))
    assert ran.code == 2
    assert "does not hold the Deployment shop/user-service" in ran.err
