"""The fallback by pod: what the official client library of Prometheus really writes, told apart by the pods' names."""

from __future__ import annotations

import prometheus_client
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from analysis.model import Arm
from analysis.packs import pack
from analysis.packs.pods import CODES, LABELS
from analysis.sources import Key, Role
from analysis.sources.read import Classifier
from tests.packs.counting import counted, target

COUNT = "http_request_duration_seconds_count"


def exposition(code: str, space: str, pod: str) -> str:
    """Two pods of stable, one of the canary, and one of a Deployment whose name begins like theirs."""
    registry = CollectorRegistry()
    app = Histogram(
        "http_request_duration_seconds", "x", [space, pod, code], registry=registry, buckets=(0.025, 0.5, float("inf"))
    )
    for name, status, times in (
        ("user-service-7d4b9c-abcde", "200", 5),
        ("user-service-7d4b9c-fghij", "503", 1),
        ("user-service-canary-6c8f7-abcde", "200", 3),
        ("user-service-canary-6c8f7-abcde", "500", 2),
        ("user-service-canary-two-6c8f7-abcde", "500", 50),
    ):
        for _ in range(times):
            app.labels("shop", name, status).observe(0.01)
    app.labels("elsewhere", "user-service-7d4b9c-abcde", "500").observe(0.01)
    return prometheus_client.generate_latest(registry).decode()


def test_pods_are_told_apart_under_every_usual_name_of_the_labels() -> None:
    for code in CODES:
        for space, pod in LABELS:
            found = counted(exposition(code, space, pod), pack("pods").feeds(target()))
            assert {key: count for key, count in found.items() if key.bound in {0.0, 0.025}} == {
                Key("errors", Arm.STABLE, Role.TOTAL): 6.0,
                Key("errors", Arm.STABLE, Role.BAD): 1.0,
                Key("errors", Arm.CANARY, Role.TOTAL): 5.0,
                Key("errors", Arm.CANARY, Role.BAD): 2.0,
                Key("latency", Arm.STABLE, Role.BUCKET, 0.025): 6.0,
                Key("latency", Arm.CANARY, Role.BUCKET, 0.025): 5.0,
            }


def test_a_series_with_two_names_for_one_thing_is_counted_once() -> None:
    labels = {
        "namespace": "shop",
        "pod": "user-service-a1-b2",
        "kubernetes_namespace": "shop",
        "kubernetes_pod_name": "user-service-a1-b2",
        "code": "500",
        "status": "500",
    }
    keys = Classifier(pack("pods").feeds(target())).keys(COUNT, labels)
    assert sorted(keys) == [Key("errors", Arm.STABLE, Role.BAD), Key("errors", Arm.STABLE, Role.TOTAL)]


NAME = st.from_regex(r"[a-z]([-a-z0-9]{0,12}[a-z0-9])?", fullmatch=True)
END = st.from_regex(r"[bcdfghjklmnpqrstvwxz2456789]{1,10}", fullmatch=True)


@given(names=st.lists(NAME, min_size=2, max_size=4, unique=True), ends=st.tuples(END, END))
@settings(derandomize=True, deadline=None, max_examples=100)
def test_no_deployments_pod_is_taken_for_anothers(names: list[str], ends: tuple[str, str]) -> None:
    workloads = {Arm.STABLE: names[0], Arm.CANARY: names[1]}
    classifier = Classifier(pack("pods").feeds(target(workloads=workloads)))
    for name in names:
        keys = classifier.keys(COUNT, {"namespace": "shop", "pod": f"{name}-{ends[0]}-{ends[1]}", "code": "200"})
        assert [key.arm for key in keys] == [arm for arm, workload in workloads.items() if workload == name]
