"""Gateways that the tests cannot run, on expositions written from their documentation (see documented/README.md)."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.model import Arm
from analysis.packs import pack
from analysis.sources import ROUTE, Key, Role
from tests.packs.counting import counted, shown, target

DOCUMENTED = Path(__file__).with_name("documented")

# What the files say; the same for all four, so that a slip of one of them shows.
ARMS = {
    ("errors", Arm.STABLE, Role.TOTAL): 904.0,
    ("errors", Arm.STABLE, Role.BAD): 4.0,
    ("errors", Arm.CANARY, Role.TOTAL): 99.0,
    ("errors", Arm.CANARY, Role.BAD): 9.0,
}
ROUTES = {
    "istio": {(ROUTE, None, Role.TOTAL): 3.0, (ROUTE, None, Role.BAD): 3.0},
    "linkerd": {(ROUTE, None, Role.TOTAL): 1003.0, (ROUTE, None, Role.BAD): 13.0},
}
NAMES = sorted(path.stem for path in DOCUMENTED.glob("*.txt"))


@pytest.mark.parametrize("name", NAMES)
def test_each_arm_has_its_own_requests_and_no_siblings(name: str) -> None:
    found = counted((DOCUMENTED / f"{name}.txt").read_text(), pack(name).feeds(target(gateways=(("infra", "public"),))))
    plain = {(key.metric, key.arm, key.role): count for key, count in found.items() if key.role is not Role.BUCKET}
    assert plain == ARMS | ROUTES.get(name, {})


@pytest.mark.parametrize("name", [name for name in NAMES if pack(name).has_latency])
def test_latencies_are_seconds_whatever_the_gateway_says(name: str) -> None:
    found = counted((DOCUMENTED / f"{name}.txt").read_text(), pack(name).feeds(target(gateways=(("infra", "public"),))))
    for arm, fast, whole in ((Arm.STABLE, 700.0, 904.0), (Arm.CANARY, 60.0, 99.0)):
        buckets = {
            round(key.bound, 9): count for key, count in found.items() if key.arm is arm and key.role is Role.BUCKET
        }
        assert buckets == {0.025: fast, float("inf"): whole}


@pytest.mark.parametrize("name", ["linkerd", "nginx-gateway-fabric-plus"])
def test_what_was_sent_and_never_came_back_is_counted_beside(name: str) -> None:
    """The canary holds sixteen requests: it has started more than it has finished."""
    found = counted((DOCUMENTED / f"{name}.txt").read_text(), pack(name).beside(target()))
    assert found == {Key("errors", Arm.STABLE, Role.STARTED): 905.0, Key("errors", Arm.CANARY, Role.STARTED): 115.0}


def test_istio_counts_each_request_once_and_only_this_gateways() -> None:
    """The sidecar reports the same requests, and another gateway others."""
    text = (DOCUMENTED / "istio.txt").read_text()
    nobody = counted(text, pack("istio").feeds(target(gateways=(("elsewhere", "public"),))))
    assert nobody == {}
    either = counted(text, pack("istio").feeds(target()))
    assert either[Key("errors", Arm.STABLE, Role.TOTAL)] == 50904.0


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_written_of_the_series_that_the_pack_reads(name: str) -> None:
    families = {feed.family for one in (pack(name).feeds, pack(name).beside) for feed in one(target())}
    assert families <= shown((DOCUMENTED / f"{name}.txt").read_text())


def test_hubble_reads_workloads_and_not_services() -> None:
    named = target(
        services={Arm.STABLE: "front", Arm.CANARY: "front-new"},
        workloads={Arm.STABLE: "user-service", Arm.CANARY: "user-service-canary"},
    )
    text = (DOCUMENTED / "hubble.txt").read_text()
    assert counted(text, pack("hubble").feeds(named)) == counted(text, pack("hubble").feeds(target()))
    assert counted(text, pack("hubble").feeds(target(services=named.services))) == {}
