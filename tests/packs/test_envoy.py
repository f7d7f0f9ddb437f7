"""Envoy's counters, as Envoy wrote them, under the names that each gateway gives its clusters."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from analysis.model import RETRIES, Arm
from analysis.packs import PackError, Target, pack
from analysis.sources import Key, Role
from analysis.sources.read import Classifier
from tests.packs.counting import counted, target

CAPTURED = Path(__file__).with_name("captured") / "envoy-1.40.0.txt"
"""Of a real Envoy with one pair of clusters per gateway, asked 200 times each, weights 70/30; the canary's app failed
every fourth request and broke the connection of every seventh. Under kgateway's names Envoy retried."""

# Requests of clients to each arm, errors of the canary's that they saw, and attempts at it that were retried.
SAW = {
    "kgateway": (144, 56, 0, 30),
    "contour": (129, 71, 25, 0),
    "cilium": (139, 61, 22, 0),
    "envoy-gateway": (137, 63, 22, 0),
}


def read(name: str, of: Target) -> dict[Key, float]:
    return counted(CAPTURED.read_text(), pack(name).feeds(of))


@pytest.mark.parametrize("name", sorted(SAW))
def test_what_clients_saw_is_counted_and_every_attempt_beside_it(name: str) -> None:
    stable, canary, failed, retried = SAW[name]
    found = read(name, target())
    assert found[Key("errors", Arm.STABLE, Role.TOTAL)] == found[Key(RETRIES, Arm.STABLE, Role.TOTAL)] == stable
    assert found[Key("errors", Arm.CANARY, Role.TOTAL)] == canary
    assert found.get(Key("errors", Arm.CANARY, Role.BAD), 0) == failed
    assert Key("errors", Arm.STABLE, Role.BAD) not in found
    assert found[Key(RETRIES, Arm.CANARY, Role.TOTAL)] == canary + retried
    assert found[Key(RETRIES, Arm.CANARY, Role.BAD)] == retried
    assert found[Key(RETRIES, Arm.STABLE, Role.BAD)] == 0


@pytest.mark.parametrize("name", sorted(SAW))
def test_milliseconds_become_seconds(name: str) -> None:
    found = read(name, target())
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
    assert read(name, target(**changes)) == {}


def test_cilium_reads_one_gateway_when_it_is_known() -> None:
    assert read("cilium", target(gateways=(("infra", "public"),))) == read("cilium", target())
    assert read("cilium", target(gateways=(("infra", "private"),))) == {}


def test_an_arm_may_have_another_port() -> None:
    """The canary's Service is its own, and so is its port."""
    moved = read("kgateway", target(ports={Arm.CANARY: 9090}))
    assert moved[Key("errors", Arm.STABLE, Role.TOTAL)] == SAW["kgateway"][0]
    assert moved[Key("errors", Arm.CANARY, Role.TOTAL)] == 139


def test_one_reference_cannot_count_for_both_arms() -> None:
    places = {Arm.STABLE: ((0, 0),), Arm.CANARY: ((0, 0),)}
    with pytest.raises(PackError, match="reference of its own"):
        pack("envoy-gateway").feeds(target(places=places))


PLACES = {Arm.STABLE: ((0, 0), (2, 1)), Arm.CANARY: ((0, 1), (2, 2))}


@pytest.mark.parametrize("name", sorted(SAW))
def test_what_is_read_is_pinned(name: str) -> None:
    known = target(gateways=(("infra", "public.web"),), places=PLACES)
    queries = Classifier(pack(name).feeds(known)).selectors()
    golden = Path(__file__).with_name("golden") / f"{name}.txt"
    told = "".join(f"{query}\n" for _, query in sorted(queries.items()))
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(told)
    assert told == golden.read_text()
