"""`canary submit` against the API server: the Job that it takes, and the verdict that the Job's controller leads to.

The Job controller and the engine in its pod are played; the engine tells its Job with the adapter that it has for that.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from canary import __version__
from canary.adapters.kubernetes.own_job import JobReporter, own_fate, recorded_end
from canary.cli.main import main
from canary.core.leaving import JobFate
from canary.core.outcome import ExitCode
from canary.ports import Progress
from tests.cluster import play
from tests.cluster.conftest import Ran, deployment
from tests.cluster.place import Place, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

Canary = Callable[..., Ran]
ENGINE_IMAGE = "example.test/canary@sha256:" + "a" * 64


@pytest.fixture
def file(place: Place, release_file: Callable[..., Path]) -> Path:
    """A release file; the chart's settings and stable's Deployment are there."""
    settings = {"account": "engine", "version": __version__, "values.json": json.dumps({"image": ENGINE_IMAGE})}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "canary-shop-job"}, "data": settings}
    place.make(place.path("configmaps"), body)
    place.make(place.path("deployments"), deployment(replicas=1))
    return release_file("workload: {name: shop, container: app}")


def only_job(place: Place) -> str:
    (job,) = until(lambda: place.list("jobs"))
    return str(job["metadata"]["name"])


def tell(place: Place, job: str, phase: str, line: str, code: ExitCode | None = None) -> None:
    """As the engine in the Job's pod would."""
    reporter = JobReporter(place.api(), namespace=place.namespace, job=job, line=lambda progress: progress.message)
    told = Progress(
        at=1_800_000_000.0,
        phase=phase,
        stage=phase,
        step=0,
        steps=1,
        share_wanted=Decimal(5),
        share_seen=None,
        entered=1_800_000_000.0,
        message=line,
        reason="Told",
        code=code,
    )
    reporter.tell(told)
    until(lambda: place.get("jobs", job)["metadata"]["annotations"].get("canary-engine.io/status") == line)


def follow(place: Place, file: Path, codes: list[int], capsys: pytest.CaptureFixture[str]) -> threading.Thread:
    """`canary submit` in a thread, once it has attached; its code is appended."""
    words = ["submit", str(file), "-o", "json", "--kubeconfig", str(place.kubeconfig)]
    follower = threading.Thread(target=lambda: codes.append(main(words)), daemon=True)
    follower.start()
    until(lambda: "attached to" in capsys.readouterr().err)
    return follower


def fate(place: Place, job: str) -> JobFate:
    return own_fate(place.api(), namespace=place.namespace, job=job, now=time.time)


def test_the_job_that_is_made_is_the_job_that_was_meant(place: Place, file: Path, canary: Canary) -> None:
    dry = canary("submit", str(file), "--dry-run")
    assert (dry.code, place.list("jobs")) == (0, []), dry.err
    ran = canary("submit", str(file), "--no-wait", "-o", "json")
    assert ran.code == 0, ran.err
    (job,) = place.list("jobs")
    meant = json.loads(dry.out)
    assert job["metadata"]["name"] == meant["metadata"]["name"] == ran.json["job"]
    assert differences(meant["spec"], job["spec"], "spec") == []
    text = job["spec"]["template"]["metadata"]["annotations"]["canary-engine.io/release-file"]
    assert text == file.read_text()


def differences(meant: Any, made: Any, where: str) -> list[str]:
    """What was asked for and is not there; what the server added by itself is its own."""
    if isinstance(meant, dict) and isinstance(made, dict):
        return [each for key, value in meant.items() for each in differences(value, made.get(key), f"{where}.{key}")]
    if isinstance(meant, list) and isinstance(made, list) and len(meant) == len(made):
        pairs = enumerate(zip(meant, made, strict=True))
        return [each for number, (one, other) in pairs for each in differences(one, other, f"{where}[{number}]")]
    # An unlimited emptyDir, an empty list of causes: what is empty may be left out.
    return [] if meant == made or (not meant and not made) else [f"{where}: {meant!r} became {made!r}"]


def test_a_second_submit_attaches_and_both_end_with_the_releases_verdict(
    place: Place, uncontrolled: None, file: Path, canary: Canary, capsys: pytest.CaptureFixture[str]
) -> None:
    assert canary("submit", str(file), "--no-wait").code == 0
    job, codes = only_job(place), list[int]()
    play.run_job(place, job)
    tell(place, job, "JUDGING", "canary raised to 50 %")

    followers = [follow(place, file, codes, capsys) for _ in range(2)]
    tell(place, job, "ROLLED_BACK", "errors: the canary is worse", ExitCode.JUDGED_BAD)
    play.finish_job(place, job, failed=True)
    for each in followers:
        each.join(60)
    assert codes == [10, 10]
    assert [each["metadata"]["name"] for each in place.list("jobs")] == [job]
    again = canary("submit", str(file), "--no-wait", "-o", "json")
    assert (again.code, again.json["attached"]) == (ExitCode.JUDGED_BAD, True)
    insisted = canary("submit", str(file), "--no-wait", "--again", "-o", "json")
    assert (insisted.code, insisted.json["attached"]) == (0, False)
    assert len(place.list("jobs")) == 2


def test_a_promoted_release_ends_well_and_its_job_keeps_the_word(
    place: Place, uncontrolled: None, file: Path, canary: Canary, capsys: pytest.CaptureFixture[str]
) -> None:
    assert canary("submit", str(file), "--no-wait").code == 0
    job, api, codes = only_job(place), place.api(), list[int]()
    play.run_job(place, job)
    follower = follow(place, file, codes, capsys)
    assert fate(place, job) is JobFate.REPLACED
    assert recorded_end(api, namespace=place.namespace, job=job) is None
    tell(place, job, "SUCCEEDED", "promoted", ExitCode.PROMOTED)
    play.finish_job(place, job, failed=False)
    follower.join(60)
    assert codes == [0]
    assert recorded_end(api, namespace=place.namespace, job=job) is ExitCode.PROMOTED
    assert fate(place, job) is JobFate.COMPLETE


def test_a_job_that_is_deleted_is_gone_for_its_engine(place: Place, file: Path, canary: Canary) -> None:
    assert canary("submit", str(file), "--no-wait").code == 0
    job = only_job(place)
    place.do(
        "DELETE",
        place.path("jobs", job),
        {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"},
    )
    until(lambda: place.get("jobs", job) is None)
    assert fate(place, job) is JobFate.GONE


def test_the_jobs_pod_is_admitted_where_pod_security_is_restricted(
    place: Place, pod_security: None, file: Path, canary: Canary
) -> None:
    """Only where it is enforced; tests/charts/test_the_job.py reads the fields."""
    place.ensure_account("engine")
    template = json.loads(canary("submit", str(file), "--dry-run").out)["spec"]["template"]
    status, answer = place.admits(template["spec"], template["metadata"])
    assert status == 201, answer
