"""What a release file with a fresh baseline comes to: references, counters, the subject, the plan."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.model import Arm
from analysis.packs import PACKS
from analysis.sources.baseline import MARK
from canary.cli.counters import places_of_baseline, target_of, told_by
from canary.cli.question import judge_config
from canary.cli.reads import feeds_of, gauges_of, source_of, stable_alone
from canary.cli.resuming import subject_of
from canary.spec import Release, normalised, parse
from canary.spec.pool import pool_of
from strategies import RefId

EXAMPLES = Path(__file__).parents[2] / "examples"
FRESH = (EXAMPLES / "releases" / "fresh-baseline.yaml").read_text()
ROUTE = str(EXAMPLES / "routes" / "user-service-route.yaml")
IMAGE = "ghcr.io/acme/user-service@sha256:" + "1" * 64


def release(text: str = FRESH, **replaced: str) -> Release:
    for old, new in replaced.items():
        text = text.replace(old, new)
    return parse(text, image=IMAGE)


def without() -> Release:
    return release(FRESH.replace(", baseline: true", ""))


def a_route(*services: str) -> dict[str, Any]:
    refs = [{"name": service, "port": 8080} for service in services]
    parents = [{"name": "public"}]
    metadata = {"name": "user-service-route", "namespace": "shop"}
    rules = [{"matches": [{"path": {"type": "PathPrefix", "value": "/"}}], "backendRefs": refs}]
    return {"kind": "HTTPRoute", "metadata": metadata, "spec": {"parentRefs": parents, "rules": rules}}


def test_its_reference_is_called_after_stables_service_with_stables_port() -> None:
    assert pool_of(release()).baseline == RefId("Service", "", "shop", "user-service-baseline", 8080)
    assert pool_of(without()).baseline is None


def test_the_subject_in_the_journal_and_the_judge_know_it() -> None:
    workload = subject_of(release()).workload
    assert workload is not None
    assert workload.baseline == "user-service-baseline"
    assert [judge_config(each, looks=1).baseline for each in (release(), without())] == [True, False]


def test_a_file_that_does_not_say_it_is_the_release_that_it_always_was() -> None:
    said = normalised(release(FRESH.replace("baseline: true", "baseline: false")))
    assert said == normalised(without())
    assert "baseline" not in said["spec"]["workload"]
    assert normalised(release())["spec"]["workload"]["baseline"] is True


@pytest.mark.parametrize(
    ("there", "place"),
    [
        (("user-service", "legacy"), (0, 3)),
        (("user-service", "legacy", "user-service-canary"), (0, 3)),
        (("user-service", "user-service-baseline", "user-service-canary"), (0, 1)),
    ],
)
def test_its_place_is_where_it_is_or_where_it_will_be_appended(there: tuple[str, ...], place: tuple[int, int]) -> None:
    pool = pool_of(release())
    assert places_of_baseline(a_route(*there), pool=pool, selectors=None) == (place,)
    seen = told_by(a_route(*there), target_of(release()), pool=pool, selectors=None)
    assert seen.baseline is not None
    assert seen.baseline.places[Arm.STABLE] == (place,)
    assert (seen.baseline.gateways, seen.baseline.places[Arm.CANARY]) == (seen.gateways, seen.places[Arm.CANARY])


@pytest.mark.parametrize("gateway", sorted(PACKS))
def test_every_pack_reads_it_like_stable_under_numbers_of_its_own(gateway: str) -> None:
    errors_only = {} if PACKS[gateway].has_latency else {"      - latency: {limit: {p99: 800ms}}\n": ""}
    file = release(**{"gateway: envoy-gateway": f"gateway: {gateway}", **errors_only})
    target = told_by(a_route("user-service"), target_of(file), pool=pool_of(file), selectors=None)
    source: Any = source_of(file, target, now=lambda: 0.0)
    stable = {
        (feed.key.metric, feed.key.role, feed.where) for feed in feeds_of(file, target) if feed.key.arm is Arm.STABLE
    }
    mine = {
        (feed.key.metric.removeprefix(MARK), feed.key.role, feed.where)
        for feed in source._classifier.feeds
        if feed.key.metric.startswith(MARK)
    }
    assert {each[:2] for each in mine} == {each[:2] for each in stable}
    assert not mine & stable
    alone: Any = source_of(file, target.alone, now=lambda: 0.0)
    assert not any(feed.key.metric.startswith(MARK) for feed in alone._classifier.feeds)
    past: Any = stable_alone(file, target)
    assert not any(feed.key.metric.startswith(MARK) for feed in past._classifier.feeds)


def test_a_gauge_is_asked_of_it_in_stables_place() -> None:
    query = "{query: {name: queue, gauge: 'q{s=\"$arm\"}', threshold: {max: 5}}}"
    file = release(**{"      - latency: {limit: {p99: 800ms}}": f"      - {query}"})
    asked = {feed.arm: feed.query for feed in gauges_of(file, target_of(file))}
    assert asked == {Arm.STABLE: 'q{s="user-service-baseline"}', Arm.CANARY: 'q{s="user-service-canary"}'}
    alone = {feed.arm: feed.query for feed in gauges_of(file, target_of(file).alone)}
    assert alone[Arm.STABLE] == 'q{s="user-service"}'


def test_the_plan_has_its_weights_and_its_pods(canary: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "release.yaml"
    path.write_text(FRESH)
    live = tmp_path / "live.yaml"
    live.write_text(
        "kind: Deployment\nmetadata: {name: user-service, namespace: shop}\n"
        "spec: {replicas: 20, template: {spec: {containers: [{name: app, image: a}]}}}\n"
    )
    ran = canary("plan", str(path), "--route", ROUTE, "--workload", str(live), "--rate", "50", "--errors", "0.2%")
    assert (ran.code, ran.err) == (0, "")
    assert "user-service-canary=9 user-service-baseline=9  (9 % of this rule)" in ran.out
    assert "in 3, 8, 12 pods, step by step (stable has 20)" in ran.out
    assert "on the canary, 300 to 3,000 on the baseline" in ran.out
    assert "after the last write equals the one before the first" in ran.out
    plan = json.loads(canary("plan", str(path), "--route", ROUTE, "-o", "json").out)
    assert "--workload FILE" in plan["fresh"]
    alone = json.loads(canary("plan", str(EXAMPLES / "releases" / "minimal.yaml"), "-o", "json").out)
    assert "fresh" not in alone
