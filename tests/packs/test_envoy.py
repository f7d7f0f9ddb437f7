"""Envoy's counters, as Envoy wrote them, under the names that each gateway gives its clusters."""

from __future__ import annotations

from pathlib import Path

import pytest
import responses

from analysis.model import Arm
from analysis.packs import Target, pack
from analysis.sources import Key, Role
from analysis.sources.read import Classifier
from analysis.sources.scrape import ScrapeSource

CAPTURED = Path(__file__).with_name("captured") / "envoy-1.40.0.txt"
"""Of a real Envoy with one pair of clusters per gateway, weights 80/20; the canary's app failed every fifth request.
Under kgateway's names Envoy retried failures once. (Envoy published about half of the latencies.)"""

SERVICES = {Arm.STABLE: "user-service", Arm.CANARY: "user-service-canary"}

# Requests that the two apps saw, and how many the canary's failed, by the apps' own count.
SAW = {
    "kgateway": (159, 51, 10),
    "contour": (145, 55, 11),
    "cilium": (153, 47, 9),
    "envoy-gateway": (161, 39, 7),
}


def counted(name: str, target: Target) -> dict[Key, float]:
    with responses.RequestsMock() as mock:
        mock.get("http://proxy/metrics", body=CAPTURED.read_text())
        reading = ScrapeSource(urls=("http://proxy/metrics",), feeds=pack(name).feeds(target)).read(timeout=5)
    assert reading.trouble is None, reading.sentence
    totals: dict[Key, float] = {}
    for one in reading.samples:
        totals[one.key] = totals.get(one.key, 0.0) + one.value
    return totals


def target(**changes: object) -> Target:
    values = {"namespace": "shop", "route": "r", "services": SERVICES, "port": 8080}
    return Target(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(SAW))
def test_every_attempt_that_the_apps_saw_is_counted(name: str) -> None:
    """Also those that Envoy retried, which its clients never saw fail."""
    stable, canary, failed = SAW[name]
    found = counted(name, target())
    assert found[Key("errors", Arm.STABLE, Role.TOTAL)] == stable
    assert found[Key("errors", Arm.CANARY, Role.TOTAL)] == canary
    assert found[Key("errors", Arm.CANARY, Role.BAD)] == failed
    assert Key("errors", Arm.STABLE, Role.BAD) not in found


@pytest.mark.parametrize("name", sorted(SAW))
def test_milliseconds_become_seconds(name: str) -> None:
    found = counted(name, target())
    bounds = sorted(key.bound for key in found if key.metric == "latency" and key.arm is Arm.CANARY)
    assert bounds == pytest.approx([0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3600.0, float("inf")])
    assert found[Key("latency", Arm.STABLE, Role.BUCKET, float("inf"))] > 0


@pytest.mark.parametrize("name", sorted(SAW))
@pytest.mark.parametrize(
    "changes",
    [
        {"namespace": "hop"},
        {"namespace": "sho."},
        {"port": 80},
        {"services": {Arm.STABLE: "service", Arm.CANARY: "user-servic."}},
    ],
)
def test_nobody_elses_cluster_is_read(name: str, changes: dict[str, object]) -> None:
    assert counted(name, target(**changes)) == {}


def test_cilium_reads_one_gateway_when_it_is_known() -> None:
    assert counted("cilium", target(gateways=(("infra", "public"),))) == counted("cilium", target())
    assert counted("cilium", target(gateways=(("infra", "private"),))) == {}


@pytest.mark.parametrize("name", sorted(SAW))
def test_what_is_read_is_pinned(name: str) -> None:
    queries = Classifier(pack(name).feeds(target(gateways=(("infra", "public.web"),)))).selectors()
    golden = Path(__file__).with_name("golden") / f"{name}.txt"
    assert "".join(f"{query}\n" for _, query in sorted(queries.items())) == golden.read_text()
