"""The engine's side of its Job: what it writes there, over several lives, and that a Job's release runs once."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from canary import __version__
from canary.adapters.kubernetes import Api, connect
from canary.adapters.kubernetes.own_job import JobReporter, recorded_end
from canary.cli.main import main
from canary.core.outcome import ExitCode
from canary.ports import Progress
from canary.report.lines import line
from canary.submitting.changes import CODE, STATUS, changes_of
from canary.submitting.job import MADE_FOR
from tests.submitting.conftest import Ci, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]


def progress(message: str, *, code: ExitCode | None = None) -> Progress:
    return Progress(
        at=1000.0,
        phase="JUDGING",
        stage="none",
        step=0,
        steps=2,
        share_wanted=Decimal(5),
        share_seen=None,
        entered=1000.0,
        message=message,
        code=code,
    )


@pytest.fixture
def job(ci: Ci) -> str:
    assert ci.start("a") == 0
    return str(ci.jobs()[0]["metadata"]["name"])


@pytest.fixture
def api(ci: Ci) -> Api:
    return connect(kubeconfig=ci.kubeconfig)


def told(ci: Ci, job: str) -> list[tuple[int, str]]:
    found = changes_of(ci.server.get(f"{ci.jobs_path}/{job}"))
    return [(one.number, one.line.rpartition("  ")[2]) for one in found]


def test_changes_are_numbered_on_over_lives_and_the_end_is_written_before_the_process_ends(
    ci: Ci, job: str, api: Api, tmp_path: Path
) -> None:
    message = tmp_path / "termination-log"
    first = JobReporter(api, namespace=ci.namespace, job=job, line=line, message=message)
    first.tell(progress("one"))
    first.tell(progress(""))  # a mere look
    first.tell(progress("two", code=ExitCode.HANDED_OVER))
    assert [number for number, _ in told(ci, job)] == [1, 2]
    assert recorded_end(api, namespace=ci.namespace, job=job) is None  # handed over is no end
    assert "two" in message.read_text()
    second = JobReporter(api, namespace=ci.namespace, job=job, line=line)
    second.tell(progress("three"))
    second.tell(progress("it was bad", code=ExitCode.JUDGED_BAD))
    assert [text.partition(" (")[0] for _, text in told(ci, job)] == ["one", "two", "three", "it was bad"]
    assert [number for number, _ in told(ci, job)] == [1, 2, 3, 4]
    notes = ci.server.get(f"{ci.jobs_path}/{job}")["metadata"]["annotations"]
    assert (notes[CODE], "it was bad" in notes[STATUS]) == ("10", True)
    assert recorded_end(api, namespace=ci.namespace, job=job) is ExitCode.JUDGED_BAD


@pytest.mark.parametrize("then", [{"status": 409, "reason": "Conflict"}, {"drop": "before"}, {"drop": "after"}])
def test_a_job_that_moves_or_a_server_that_fails_loses_no_change(
    ci: Ci, job: str, api: Api, then: dict[str, Any]
) -> None:
    match = {"verb": "patch", "resource": "jobs.batch", "namespace": ci.namespace}
    ci.server.create("/sandbox/faults", {"match": match, "then": then, "times": 1})
    reporter = JobReporter(api, namespace=ci.namespace, job=job, line=line)
    reporter.tell(progress("one"))
    until(lambda: told(ci, job))
    reporter.tell(progress("the end", code=ExitCode.PROMOTED))
    texts = [text.partition(" (")[0] for _, text in told(ci, job)]
    assert texts == ["one", "the end"]


def test_a_job_that_may_not_be_written_changes_nothing(ci: Ci, job: str) -> None:
    ci.log_in(ci.server.create("/sandbox/users", {"name": "engine-without-rights"})["token"])
    reporter = JobReporter(connect(kubeconfig=ci.kubeconfig), namespace=ci.namespace, job=job, line=line)
    reporter.tell(progress("one"))
    reporter.tell(progress("the end", code=ExitCode.PROMOTED))
    assert told(ci, job) == []


def test_a_second_pod_of_a_job_whose_release_has_ended_releases_nothing_and_ends_alike(
    ci: Ci, job: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ci.tell(job, "SUCCEEDED", "promoted", code=0)
    monkeypatch.setenv("JOB_NAME", job)
    words = ["run", str(ci.release), "--image", f"registry.test/shop@sha256:{'a' * 64}", "--lines"]
    assert main([*words, "--kubeconfig", str(ci.kubeconfig)]) == 0
    assert "has ended already" in capsys.readouterr().err
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{ci.namespace}/leases"
    assert ci.server.get(leases)["items"] == []


def test_an_image_that_holds_another_version_ends_at_once(
    ci: Ci, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(MADE_FOR, "9.9.9")
    assert main(["run", str(ci.release), "--image", f"registry.test/shop@sha256:{'a' * 64}"]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert f"holds canary {__version__}" in said
    assert "9.9.9" in said
