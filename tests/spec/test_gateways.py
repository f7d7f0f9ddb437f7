"""The gateways by name: those there are, and those that cannot be, with the reason and the way out."""

from __future__ import annotations

from typing import get_args

import pytest

from analysis.packs import PACKS, REFUSED
from canary.spec import ReleaseFileError, parse, unsupported
from canary.spec.analysis import Gateway


def problems(text: str) -> list[str]:
    with pytest.raises(ReleaseFileError) as caught:
        parse(text)
    return [str(problem) for problem in caught.value.problems]


def test_every_pack_can_be_named_and_nothing_else() -> None:
    assert set(get_args(Gateway)) == {*PACKS, "none"}
    refused = unsupported.REFUSED["spec.analysis.gateway"]
    assert set(REFUSED) <= set(refused)
    assert not set(refused) & set(get_args(Gateway))


@pytest.mark.parametrize("name", sorted(PACKS))
def test_every_gateway_is_taken(minimal: str, name: str) -> None:
    metrics = "" if PACKS[name].has_latency else "\n    metrics: [{errors: {}}]"
    assert parse(minimal.replace("gateway: traefik", f"gateway: {name}{metrics}")).spec.analysis.gateway == name


@pytest.mark.parametrize(("name", "reason"), [("kong", "per rule"), ("nginx-gateway-fabric", "nothing per backend")])
def test_a_gateway_that_cannot_work_is_refused_with_the_way_out(minimal: str, name: str, reason: str) -> None:
    told = problems(minimal.replace("gateway: traefik", f"gateway: {name}"))
    assert len(told) == 1
    assert reason in told[0]
    assert "pods" in told[0]
    assert "query metrics" in told[0]


@pytest.mark.parametrize(
    ("kind", "reason"), [("StatefulSet", "volumes of their own"), ("DaemonSet", "each node"), ("Rollout", "fight")]
)
def test_a_workload_that_can_have_no_canary_is_refused_with_the_reason(minimal: str, kind: str, reason: str) -> None:
    told = problems(minimal.replace("workload: {", f"workload: {{kind: {kind}, ", 1))
    assert [reason in each for each in told] == [True], told


@pytest.mark.parametrize(
    ("metrics", "place"),
    [("", "spec.analysis.gateway"), ("\n    metrics: [{errors: {}}, {latency: {}}]", "spec.analysis.metrics[1]")],
)
def test_latency_without_a_histogram_is_refused(minimal: str, metrics: str, place: str) -> None:
    told = problems(minimal.replace("gateway: traefik", f"gateway: nginx-gateway-fabric-plus{metrics}"))
    assert len(told) == 1
    assert f" {place}: nginx-gateway-fabric-plus keeps no histogram" in told[0]
    assert "metrics: [{errors: {}}]" in told[0]


def test_pods_are_not_told_apart_by_what_they_serve_themselves(minimal: str) -> None:
    told = problems(
        minimal.replace("gateway: traefik", "gateway: pods").replace(
            'prometheus: {url: "http://prometheus.monitoring:9090"}', 'scrape: {urls: ["http://app:8080/metrics"]}'
        )
    )
    assert len(told) == 1
    assert "Prometheus" in told[0]
