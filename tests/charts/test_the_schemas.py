"""Every manifest of the chart, and the Job of `canary submit`, against the published schemas of Kubernetes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from canary.spec import parse
from canary.submitting.job import Submission, job_of
from canary.submitting.values import JobValues
from tests.charts.conftest import ENGINE_IMAGE, EXAMPLES, NEW_IMAGE, documents

GOLDEN = Path(__file__).with_name("golden")
VERSIONS = ("1.31", kubernetes_validate.latest_version())
"""The oldest that the chart is for, and the newest that is known."""

CRDS = {"PodMonitor"}
"""Kinds without a published schema here: custom resources of others. What is in them is pinned by its golden file."""


def rendered() -> list[tuple[str, dict[str, Any]]]:
    return [(path.stem, each) for path in sorted(GOLDEN.glob("*.yaml")) for each in documents(path.read_text())]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_rendered_object_keeps_to_the_schema_of_its_kind(version: str) -> None:
    kinds = set()
    for _, each in rendered():
        if each["kind"] not in CRDS:
            kubernetes_validate.validate(each, version, strict=True)
            kinds.add(each["kind"])
    workloads = {"Job", "CronJob", "Deployment", "PodDisruptionBudget"}
    assert {"ConfigMap", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", *workloads} <= kinds


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("release", ["minimal", "full"])
def test_so_does_the_job_of_submit(version: str, release: str) -> None:
    text = (EXAMPLES / f"{release}.yaml").read_text()
    given = Submission(
        file=parse(text.encode(), file="x", image=NEW_IMAGE),
        text=text,
        values=JobValues(image=ENGINE_IMAGE, metrics_port=9090, priority_class_name="high"),
        name="x",
        identity="0" * 64,
        attempt=1,
        nonce="n",
        account="canary",
        version="1",
    )
    job = job_of(given)
    kubernetes_validate.validate(job, version, strict=True)
    job["spec"]["podFailurePolicy"]["rules"][0]["onPodCondition"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="onPodCondition"):
        kubernetes_validate.validate(job, version, strict=True)
