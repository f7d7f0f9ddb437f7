"""Retries are judged beside errors where the gateway counts them, and refused where it does not."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from analysis.judge import JudgeConfig, MetricConfig
from analysis.model import RETRIES, Arm
from analysis.packs import PACKS
from analysis.sources import Role
from canary.cli.counters import target_of
from canary.cli.question import judge_config
from canary.cli.reads import feeds_of
from canary.spec import Release, ReleaseFileError, parse

COUNTING = {name for name, one in PACKS.items() if one.retries}


def release(minimal: str, gateway: str, *metrics: dict[str, Any]) -> Release:
    return parse(minimal.replace("gateway: traefik", f"gateway: {gateway}\n    metrics: {json.dumps(metrics)}"))


def refused(minimal: str, gateway: str, *metrics: dict[str, Any]) -> list[str]:
    with pytest.raises(ReleaseFileError) as caught:
        release(minimal, gateway, *metrics)
    return [str(problem) for problem in caught.value.problems]


def by_name(config: JudgeConfig) -> dict[str, MetricConfig]:
    return {metric.name: metric for metric in config.metrics}


@pytest.mark.parametrize("gateway", sorted(PACKS))
def test_they_are_judged_beside_errors_without_being_asked_for(minimal: str, gateway: str) -> None:
    file = release(minimal, gateway, {"errors": {}})
    assert set(by_name(judge_config(file, looks=1))) == {"errors"} | ({RETRIES} if gateway in COUNTING else set())
    read = {(feed.key.arm, feed.key.role) for feed in feeds_of(file, target_of(file)) if feed.key.metric == RETRIES}
    roles = (Role.TOTAL, Role.BAD, Role.STARTED) if gateway in COUNTING else ()
    assert read == {(arm, role) for arm in Arm for role in roles}


def test_those_with_envoy_count_them() -> None:
    assert {"envoy-gateway", "kgateway", "contour", "cilium"} == COUNTING


def test_they_are_judged_as_errors_are_and_their_weight_is_their_own(minimal: str) -> None:
    errors = {
        "tolerance": {"relative": 1, "absolute": "1%"},
        "limit": {"rate": 0.1},
        "weight": 3,
        "critical": True,
        "dryRun": False,
        "minRequests": 70,
        "initialDelay": "20s",
        "every": "30s",
        "noData": "hold",
    }
    found = by_name(judge_config(release(minimal, "kgateway", {"errors": errors}), looks=1))
    like, own = asdict(found["errors"]), asdict(found[RETRIES])
    differs = {name for name in like if like[name] != own[name]}
    assert differs == {"name", "kind", "weight", "critical", "rate_limit"}
    assert (own["weight"], own["critical"], own["rate_limit"], own["kind"]) == (1.0, False, None, "counts")
    plain = by_name(judge_config(release(minimal, "kgateway", {"errors": {}}), looks=1))
    assert plain["errors"].part == pytest.approx(5 * plain[RETRIES].part)


def test_errors_that_only_report_make_retries_report(minimal: str) -> None:
    file = release(minimal, "kgateway", {"errors": {"dryRun": True}}, {"latency": {}})
    assert by_name(judge_config(file, looks=1))[RETRIES].dry_run


def test_what_the_file_says_of_them_holds(minimal: str) -> None:
    asked = {"tolerance": {"absolute": "5%"}, "dryRun": True, "weight": 2}
    file = release(minimal, "envoy-gateway", {"errors": {}}, {"retries": asked})
    found = by_name(judge_config(file, looks=1))
    assert len(found) == 2
    assert (found[RETRIES].absolute, found[RETRIES].dry_run, found[RETRIES].weight) == (0.05, True, 2.0)


def test_without_errors_they_are_not_added(minimal: str) -> None:
    assert set(by_name(judge_config(release(minimal, "kgateway", {"latency": {}}), looks=1))) == {"latency"}


@pytest.mark.parametrize(
    ("gateway", "metrics", "key", "said"),
    [
        ("traefik", [{"errors": {}}, {"retries": {}}], "spec.analysis.metrics[1]", "does not count retries"),
        ("none", [{"errors": {}}, {"retries": {}}], "spec.analysis.metrics[1]", "nobody counts retries"),
        ("kgateway", [{"retries": {}}], "spec.analysis.metrics[0].retries", "hide errors, which are not judged"),
        ("kgateway", [{"errors": {}}, {"retries": {"limit": {"rate": 1}}}], "metrics[1].retries.limit", "no such key"),
        ("kgateway", [{"errors": {}, "retries": {}}], "metrics[0].retries", "already given"),
    ],
)
def test_what_cannot_be_judged_is_refused_at_its_key(
    minimal: str, gateway: str, metrics: list[dict[str, Any]], key: str, said: str
) -> None:
    assert any(key in one and said in one for one in refused(minimal, gateway, *metrics))
