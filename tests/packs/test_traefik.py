"""Traefik's counters, as Traefik wrote them; and names of every kind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.model import RETRIES, Arm
from analysis.packs import PACKS, PackError, Target, pack
from analysis.sources import ROUTE, Key, Role
from analysis.sources.read import Classifier
from analysis.sources.scrape import ScrapeSource

CAPTURED = Path(__file__).with_name("captured") / "traefik-3.7.15.txt"
"""Of a real Traefik that split 90/10 over two Services, one request in twenty answered with 503; services and
router named as its kubernetesGateway provider names them."""

SERVICES = {Arm.STABLE: "user-service", Arm.CANARY: "user-service-canary"}


def target(**changes: object) -> Target:
    values = {"namespace": "shop", "route": "user-service-route", "services": SERVICES, "port": 8080, "gateways": ()}
    return Target(**{**values, **changes})  # type: ignore[arg-type]


def counted(text: str, of: Target) -> dict[Key, float]:
    with responses.RequestsMock() as mock:
        mock.get("http://proxy/metrics", body=text)
        reading = ScrapeSource(urls=("http://proxy/metrics",), feeds=pack("traefik").feeds(of)).read(timeout=5)
    assert reading.trouble is None, reading.sentence
    totals: dict[Key, float] = {}
    for one in reading.samples:
        totals[one.key] = totals.get(one.key, 0.0) + one.value
    return totals


CAPTURED_COUNTS = {
    Key("errors", Arm.STABLE, Role.TOTAL): 89.0,
    Key("errors", Arm.STABLE, Role.BAD): 4.0,
    Key("errors", Arm.CANARY, Role.TOTAL): 10.0,
    Key(ROUTE, None, Role.TOTAL): 99.0,
    Key(ROUTE, None, Role.BAD): 4.0,
    Key("latency", Arm.STABLE, Role.BUCKET, 0.005): 87.0,
    Key("latency", Arm.STABLE, Role.BUCKET, 0.05): 89.0,
    Key("latency", Arm.STABLE, Role.BUCKET, 0.5): 89.0,
    Key("latency", Arm.STABLE, Role.BUCKET, float("inf")): 89.0,
    Key("latency", Arm.CANARY, Role.BUCKET, 0.005): 9.0,
    Key("latency", Arm.CANARY, Role.BUCKET, 0.05): 10.0,
    Key("latency", Arm.CANARY, Role.BUCKET, 0.5): 10.0,
    Key("latency", Arm.CANARY, Role.BUCKET, float("inf")): 10.0,
}


SANDBOX: dict[str, tuple[dict[tuple[str, Arm | None, Role], float], float]] = {
    "traefik-3.7.15-sandbox.txt": (
        {
            ("errors", Arm.STABLE, Role.TOTAL): 1378.0,
            ("errors", Arm.STABLE, Role.BAD): 4.0,
            ("errors", Arm.CANARY, Role.TOTAL): 13.0,
            ("errors", Arm.CANARY, Role.BAD): 2.0,
            (ROUTE, None, Role.TOTAL): 1552.0,
            (ROUTE, None, Role.BAD): 14.0,
        },
        153.0 + 8.0,
    ),
    "traefik-3.7.5-sandbox.txt": (
        {
            ("errors", Arm.STABLE, Role.TOTAL): 3279.0,
            ("errors", Arm.STABLE, Role.BAD): 3.0,
            ("errors", Arm.CANARY, Role.TOTAL): 34.0,
            ("errors", Arm.CANARY, Role.BAD): 4.0,
            (ROUTE, None, Role.TOTAL): 3691.0,
            (ROUTE, None, Role.BAD): 20.0,
        },
        365.0 + 13.0,
    ),
}
"""What two Traefiks counted of each arm, and of the route's second backend and before any pod was ready."""


def test_a_captured_exposition_is_read_to_the_last_request() -> None:
    assert counted(CAPTURED.read_text(), target()) == CAPTURED_COUNTS


@pytest.mark.parametrize("gateways", [(), (("shop", "web"),)])
@pytest.mark.parametrize("capture", SANDBOX)
def test_what_the_gateway_provider_itself_wrote_adds_up(capture: str, gateways: tuple[tuple[str, str], ...]) -> None:
    """From the sandbox, a canary failing; before 3.7.6 services have no route in their names, routers do."""
    shop = target(route="shop", services={Arm.STABLE: "shop", Arm.CANARY: "shop-canary"}, gateways=gateways)
    found = counted(CAPTURED.with_name(capture).read_text(), shop)
    plain = {(key.metric, key.arm, key.role): count for key, count in found.items() if key.role is not Role.BUCKET}
    of_arms, of_others = SANDBOX[capture]
    assert plain == of_arms
    ended = [plain["errors", arm, Role.TOTAL] for arm in Arm]
    assert plain[ROUTE, None, Role.TOTAL] == sum(ended) + of_others
    assert [found[Key("latency", arm, Role.BUCKET, float("inf"))] for arm in Arm] == ended


def test_the_gateways_may_be_known() -> None:
    known = target(gateways=(("elsewhere", "other"), ("shop", "public")))
    assert counted(CAPTURED.read_text(), known) == CAPTURED_COUNTS
    assert counted(CAPTURED.read_text(), target(gateways=(("elsewhere", "other"),))) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"namespace": "sho"},
        {"namespace": "shop2"},
        {"route": "user-service"},
        {"route": "user-service-route-2"},
        {"services": {Arm.STABLE: "service", Arm.CANARY: "service-canary"}},
        {"services": {Arm.STABLE: "user", Arm.CANARY: "user-service-canary-1"}},
    ],
)
def test_nobody_elses_service_is_read(changes: dict[str, object]) -> None:
    found = counted(CAPTURED.read_text(), target(**changes))
    assert {key for key in found if key.arm is not None} == set()


def test_a_traefik_before_3_7_6_names_services_otherwise() -> None:
    text = (
        'traefik_service_requests_total{code="200",service="shop-user-service-http-8080@kubernetesgateway"} 7\n'
        'traefik_service_requests_total{code="200",service="shop-user-service-canary-http-8080@kubernetesgateway"} 2\n'
        'traefik_service_requests_total{code="200",service="shop-user-service-http-9090@kubernetesgateway"} 50\n'
        'traefik_service_requests_total{code="200",service="shop-user-service-http-8080@kubernetescrd"} 50\n'
    )
    found = counted(text, target())
    assert found == {Key("errors", Arm.STABLE, Role.TOTAL): 7.0, Key("errors", Arm.CANARY, Role.TOTAL): 2.0}


def test_what_is_read_is_pinned() -> None:
    """The queries as Prometheus gets them: a change of them is a change of what releases are judged by."""
    known = target(gateways=(("infra", "public.web"),))
    queries = Classifier(pack("traefik").feeds(known)).selectors()
    golden = Path(__file__).with_name("golden") / "traefik.txt"
    told = "".join(f"{query}\n" for _, query in sorted(queries.items()))
    assert told == golden.read_text()


LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)
DOTTED = st.lists(LABEL, min_size=1, max_size=3).map(".".join)


def normal(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]", "-", name)


@given(
    namespace=LABEL,
    route=DOTTED,
    names=st.lists(LABEL, min_size=2, max_size=5, unique=True),
    gateway=DOTTED,
    index=st.integers(0, 15),
    digest=st.from_regex(r"[0-9a-f]{20}", fullmatch=True),
)
@settings(derandomize=True, deadline=None, max_examples=300)
def test_each_arm_reads_its_own_service_and_no_other(  # noqa: PLR0917 - hypothesis gives them by name
    namespace: str, route: str, names: list[str], gateway: str, index: int, digest: str
) -> None:
    """Services of one namespace never share a label: their names have no dots, and the index follows at the end."""
    head = f"httproute-{namespace}-{normal(route)}-gw-{namespace}-{normal(gateway)}-ep-web-{index}-{digest}"
    services = {Arm.STABLE: names[0], Arm.CANARY: names[1]}
    known = target(namespace=namespace, route=route, services=services, gateways=((namespace, gateway),), port=80)
    classifier = Classifier(pack("traefik").feeds(known))
    for number, name in enumerate(names):
        for label in (f"{head}-svc-{namespace}-{name}-{number}", f"{namespace}-{name}-http-80"):
            keys = classifier.keys(
                "traefik_service_requests_total", {"service": f"{label}@kubernetesgateway", "code": "200"}
            )
            arms = [arm for arm, service in services.items() if service == name]
            assert [key.arm for key in keys] == arms, (label, services)


@pytest.mark.parametrize("name", sorted(PACKS))
def test_every_pack_feeds_what_the_judge_needs(name: str) -> None:
    feeds = pack(name).feeds(target())
    for arm in Arm:
        needed = [("errors", Role.TOTAL), ("errors", Role.BAD)]
        for metric, role in needed + [("latency", Role.BUCKET)] * pack(name).has_latency:
            assert any((feed.key.metric, feed.key.arm, feed.key.role) == (metric, arm, role) for feed in feeds)
    for feed in feeds:
        for _, pattern in feed.where:
            re.compile(pattern)
    one = pack(name)
    assert one.blind
    assert all(sentence.endswith(".") for sentence in (*one.blind, one.verified))
    assert len(one.missing) > 40
    bounds = {feed.scale for feed in feeds if feed.key.role is Role.BUCKET}
    assert bounds == {"ms": {0.001}, "s": {1.0}, "": set()}[one.unit]
    assert {feed.key.role for feed in one.beside(target())} <= {Role.STARTED}
    assert {feed.key.role for feed in feeds if feed.key.metric == RETRIES} == set(
        (Role.TOTAL, Role.BAD) if one.retries else ()
    )
    assert any("rrors are what" in sentence or "errors are failed attempts" in sentence for sentence in one.blind)


@pytest.mark.parametrize("name", ["kong", "nginx-gateway-fabric"])
def test_a_gateway_that_cannot_tell_the_arms_apart_is_refused_with_the_way_out(name: str) -> None:
    with pytest.raises(PackError, match=r"(?s)(stable from canary|nothing per upstream).*gateway: pods.*query"):
        pack(name)


def test_an_unknown_gateway_is_refused_with_those_there_are() -> None:
    with pytest.raises(PackError, match="traefik"):
        pack("caddy")
