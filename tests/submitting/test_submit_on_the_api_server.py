"""`canary submit` against an API server: what it makes, when it attaches, what it refuses, and how it follows."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest

from canary.adapters.kubernetes.derive import fingerprint
from canary.adapters.kubernetes.history import REVISION
from canary.cli.main import main
from canary.core.outcome import ExitCode
from canary.core.release import Phase
from canary.submitting import job_name
from canary.submitting.changes import IDENTITY, NONCE
from canary.submitting.job import TEMPLATE_NOTE
from tests.apiserver.calling import ADMIN
from tests.submitting.conftest import Ci, image, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

Out = pytest.CaptureFixture[str]


def fault(ci: Ci, then: dict[str, Any], times: int = 1, **match: str) -> None:
    body = {"match": {"resource": "jobs.batch", "namespace": ci.namespace, **match}, "then": then, "times": times}
    ci.server.create("/sandbox/faults", body)


def only(ci: Ci) -> str:
    (job,) = until(ci.jobs)
    return str(job["metadata"]["name"])


# Making it --------------------------------------------------------------------------------------------------------


def test_one_job_is_made_that_carries_everything(ci: Ci, capsys: Out) -> None:
    assert ci.start("a") == 0
    told = json.loads(capsys.readouterr().out)
    (job,) = ci.jobs()
    notes = job["metadata"]["annotations"]
    assert job["metadata"]["name"] == told["job"] == job_name("shop", notes[IDENTITY], 1)
    assert (told["attached"], told["meaning"]) == (False, "under way")
    template = job["spec"]["template"]
    assert template["metadata"]["annotations"]["canary-engine.io/release-file"] == ci.release.read_text()
    assert template["spec"]["containers"][0]["args"][-1] == image("a")
    assert template["spec"]["serviceAccountName"] == "engine"
    assert ci.server.get(ci.maps)["items"][0]["metadata"]["name"] == "canary-shop-job"  # nothing else was made


@pytest.mark.parametrize("then", [{"drop": "after"}, {"drop": "before"}, {"status": 503}])
def test_a_create_whose_answer_was_lost_is_recognised(ci: Ci, capsys: Out, then: dict[str, Any]) -> None:
    fault(ci, then, verb="create")
    assert ci.start("a") == 0
    told = json.loads(capsys.readouterr().out)
    assert (len(ci.jobs()), told["attached"]) == (1, False)


def test_of_two_who_submit_at_once_one_makes_it_and_the_other_attaches(ci: Ci, capsys: Out) -> None:
    assert ci.start("a") == 0
    made = ci.jobs()[0]["metadata"]
    empty = '{"kind": "JobList", "apiVersion": "batch/v1", "metadata": {}, "items": []}'
    fault(ci, {"body": empty}, verb="list")  # as the other saw it, a moment before
    capsys.readouterr()
    assert ci.start("a") == 0
    told = json.loads(capsys.readouterr().out)
    (job,) = ci.jobs()
    assert (told["attached"], told["job"]) == (True, made["name"])
    assert job["metadata"]["annotations"][NONCE] == made["annotations"][NONCE]


def test_a_dry_run_prints_the_job_and_makes_none(ci: Ci, capsys: Out) -> None:
    assert ci.start("a", "--dry-run") == 0
    job = json.loads(capsys.readouterr().out)
    assert (job["kind"], ci.jobs()) == ("Job", [])
    ci.server.create(ci.jobs_path, job, fieldValidation="Strict")


# Which release ----------------------------------------------------------------------------------------------------


def test_a_then_b_then_a_ships_a_and_a_again_ships_nothing(ci: Ci, capsys: Out) -> None:
    made: set[str] = set()
    for letter in "aba":
        assert ci.start(letter) == 0
        (fresh,) = {job["metadata"]["name"] for job in ci.jobs()} - made
        made.add(fresh)
        ci.promote(fresh, letter)
    capsys.readouterr()
    assert ci.start("a") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["attached"], told["meaning"], told["reason"]) == (True, "promoted", "because of a")
    assert {job["metadata"]["name"] for job in ci.jobs()} == made
    assert ci.start("a", "--again") == 0
    assert len(ci.jobs()) == 4


def test_stable_that_was_changed_by_hand_is_shipped_again(ci: Ci) -> None:
    assert ci.start("a") == 0
    ci.promote(only(ci), "a")
    container = {"name": "app", "image": image("f")}
    ci.server.patch(f"{ci.deployments}/shop", {"spec": {"template": {"spec": {"containers": [container]}}}})
    assert ci.start("a") == 0
    assert len(ci.jobs()) == 2


def test_what_was_judged_bad_ends_so_again_until_somebody_insists(ci: Ci, capsys: Out) -> None:
    assert ci.start("a") == 0
    ci.tell(only(ci), "ROLLED_BACK", "errors everywhere", code=10)
    ci.finish(only(ci), "Failed")
    capsys.readouterr()
    assert ci.start("a") == ExitCode.JUDGED_BAD
    captured = capsys.readouterr()
    assert json.loads(captured.out)["reason"] == "errors everywhere"
    assert "--again" in captured.err
    assert len(ci.jobs()) == 1
    assert ci.start("a", "--again") == 0
    assert [job["metadata"]["annotations"]["canary-engine.io/attempt"] for job in ci.jobs()] == ["1", "2"]


# What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "settings", "says"),
    [
        (["--image", "registry.test/shop:1"], {}, "--allow-mutable-tags"),
        (["--engine-image", "registry.test/canary:1"], {}, "is not pinned"),
        ([], {"values.json": "{}"}, "no image of the engine"),
        ([], {"version": "9.9.9"}, "9.9.9"),
        ([], {"values.json": '{"surprise": 1}'}, "surprise"),
        ([], {"values.json": '{"image": "%s", "activeDeadlineSeconds": 60}'}, "at least 8430"),
    ],
)
def test_what_could_only_fail_later_is_refused(
    ci: Ci, capsys: Out, words: list[str], settings: dict[str, str], says: str
) -> None:
    if settings:
        given = {key: value.replace("%s", f"registry.test/canary@sha256:{'a' * 64}") for key, value in settings.items()}
        ci.server.patch(f"{ci.maps}/canary-shop-job", {"data": given})
    code = _with_tag(ci, words) if "--image" in words else ci.start("a", *words)
    assert code == ExitCode.USAGE
    assert says in capsys.readouterr().err
    assert ci.jobs() == []


def _with_tag(ci: Ci, words: list[str]) -> int:
    from canary.cli.main import main

    given = [word for word in ci.words("a", "--no-wait") if word not in {"--image", image("a")}]
    return int(main([*given, *words]))


def test_a_tag_is_taken_when_it_is_allowed(ci: Ci) -> None:
    assert _with_tag(ci, ["--image", "registry.test/shop:1", "--allow-mutable-tags"]) == 0
    assert only(ci)


def test_whoever_may_not_is_told_so(ci: Ci, capsys: Out) -> None:
    ci.log_in(ci.server.create("/sandbox/users", {"name": "stranger"})["token"])
    assert ci.start("a") == ExitCode.NOT_PERMITTED
    assert "submitter" in capsys.readouterr().err


# Following --------------------------------------------------------------------------------------------------------


def test_changes_are_told_once_each_through_broken_connections_and_the_verdict_ends_it(ci: Ci, capsys: Out) -> None:
    following = ci.follow("a")
    job = only(ci)
    for number in range(1, 4):
        ci.tell(job, "JUDGING", f"change {number}")
        fault(ci, {"drop": "before"}, verb="watch")
        fault(ci, {"status": 503}, times=2, verb="list")
        time.sleep(0.1)
    told = ""
    other = ci.follow("a")
    while "attached to" not in told or told.count("change 3") < 2:
        told += capsys.readouterr().err
        time.sleep(0.05)
    ci.tell(job, "ROLLED_BACK", "it was bad", code=10)
    ci.finish(job, "Failed")
    assert (following.ended(), other.ended()) == (10, 10)
    lines = (told + capsys.readouterr().err).splitlines()
    assert sorted(line for line in lines if line.startswith(("change", "it was"))) == sorted(
        [*("change 1", "change 2", "change 3", "it was bad") * 2]
    )


def test_files_for_the_pipeline_are_left_and_never_change_the_verdict(ci: Ci, capsys: Out, tmp_path: Path) -> None:
    summary, junit, report = (tmp_path / name for name in ("summary.md", "canary.xml", "canary.json"))
    summary.write_text("what another step said\n")
    files = ("--summary", str(summary), "--junit", str(junit), "--report", str(report))
    following = ci.follow("a", *files)
    job = only(ci)
    ci.journal("a", Phase.ROLLED_BACK, ExitCode.JUDGED_BAD)
    ci.tell(job, "ROLLED_BACK", "it was bad", code=10)
    ci.finish(job, "Failed")
    assert following.ended() == 10
    assert summary.read_text().startswith("what another step said\n## ❌ Release of ")
    assert 'failures="1"' in junit.read_text()
    told = json.loads(report.read_text())
    assert (told["code"], told["release"], told["image"]) == (10, "a" * 12, image("a"))
    nowhere = ("--junit", str(tmp_path), "--summary", str(tmp_path / "no" / "where"))
    assert ci.start("a", *nowhere) == 10  # as it ended before
    assert "cannot be written" in capsys.readouterr().err


def test_a_cluster_that_is_out_of_reach_at_the_end_changes_no_verdict(ci: Ci, capsys: Out, tmp_path: Path) -> None:
    following = ci.follow("a", "--junit", str(tmp_path / "canary.xml"))
    job = only(ci)
    until(lambda: "started" in capsys.readouterr().err)
    ci.tell(job, "ROLLED_BACK", "it was bad", code=10)
    ci.kubeconfig.unlink()  # as a job's short-lived login goes
    ci.finish(job, "Failed")
    assert following.ended() == 10
    assert "the verdict stands" in capsys.readouterr().err


@pytest.mark.parametrize("piped", [False, True])
def test_undo_releases_the_version_before(ci: Ci, capsys: Out, monkeypatch: pytest.MonkeyPatch, piped: bool) -> None:
    assert ci.start("a") == 0
    ci.promote(only(ci), "a")
    if piped:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(ci.release.read_bytes())))
    given = ("-" if piped else str(ci.release), "--no-wait", "--kubeconfig", str(ci.kubeconfig))
    assert main(["undo", *given]) == 0, capsys.readouterr().err
    made = [job["spec"]["template"]["spec"]["containers"][0]["args"][-1] for job in ci.jobs()]
    assert sorted(made) == [image("0"), image("a")]


def test_undo_gives_a_whole_template_back_from_the_deployments_history(ci: Ci, capsys: Out) -> None:
    old = ci.server.get(f"{ci.deployments}/shop")["spec"]["template"]
    assert ci.start("a") == 0
    ci.promote(only(ci), "a", template_before=fingerprint({"spec": {"template": old}}))
    ci.keep(old, revision=1)
    ci.server.patch(f"{ci.deployments}/shop", {"metadata": {"annotations": {REVISION: "2"}}})
    given = ("undo", str(ci.release), "--no-wait", "--kubeconfig", str(ci.kubeconfig))
    assert main(list(given)) == 0, capsys.readouterr().err
    (job,) = (job for job in ci.jobs() if image("0") in job["spec"]["template"]["spec"]["containers"][0]["args"])
    carried = job["spec"]["template"]["metadata"]["annotations"][TEMPLATE_NOTE]
    assert json.loads(carried)["spec"]["template"] == old
    assert "--template" in job["spec"]["template"]["spec"]["containers"][0]["args"]
    # Nobody may list them; somebody deployed since; the history ends earlier.
    fault(ci, {"status": 403}, resource="replicasets.apps", verb="list")
    assert main(list(given)) == ExitCode.PREFLIGHT_FAILED
    ci.server.patch(f"{ci.deployments}/shop", {"metadata": {"annotations": {REVISION: "3"}}})
    assert main(list(given)) == ExitCode.PREFLIGHT_FAILED
    ci.server.call("DELETE", f"{ci.deployments.replace('deployments', 'replicasets')}/shop-1")
    assert main(list(given)) == ExitCode.PREFLIGHT_FAILED
    said = capsys.readouterr().err
    for words in ("403", "somebody deployed", "revisionHistoryLimit"):
        assert words in said


def test_a_rotated_token_is_read_again(ci: Ci, capsys: Out) -> None:
    first, second = (
        ci.server.create("/sandbox/users", {"name": "ci", "groups": ["system:masters"]})["token"] for _ in "ab"
    )
    ci.log_in(first)
    following = ci.follow("a")
    job = only(ci)
    ci.tell(job, "JUDGING", "before")
    until(lambda: "before" in capsys.readouterr().err)
    ci.log_in(second)
    del ci.server.server.tokens[first]
    fault(ci, {"drop": "before"}, verb="watch")
    ci.tell(job, "SUCCEEDED", "after", code=0)
    ci.finish(job, "Complete")
    assert following.ended() == 0
    assert ADMIN in ci.server.server.tokens


def test_until_a_gate(ci: Ci, capsys: Out) -> None:
    following = ci.follow("a", "--until", "gate")
    ci.tell(only(ci), "GATED", "waits at the gate before 50 %")
    assert following.ended() == 0
    assert json.loads(capsys.readouterr().out)["meaning"] == "under way"


def test_a_job_that_ends_without_a_word_in_the_middle_is_an_incomplete_rollback(ci: Ci, capsys: Out) -> None:
    following = ci.follow("a")
    job = only(ci)
    ci.journal("a", Phase.JUDGING, None)
    ci.finish(job, "Failed", "DeadlineExceeded")
    assert following.ended() == ExitCode.ROLLBACK_INCOMPLETE
    assert "DeadlineExceeded" in capsys.readouterr().out


def test_the_word_of_an_earlier_attempt_is_not_this_ones(ci: Ci) -> None:
    ci.journal("a", Phase.SUCCEEDED, ExitCode.PROMOTED, since=1.0)
    following = ci.follow("a")
    ci.finish(only(ci), "Failed", "BackoffLimitExceeded")
    assert following.ended() == ExitCode.BUG


def test_a_job_that_is_deleted_ends_as_its_engine_puts_traffic_back(ci: Ci, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("canary.cli.following.CHECK", 0.5)
    following = ci.follow("a")
    job = only(ci)
    ci.tell(job, "JUDGING", "judging")
    ci.journal("a", Phase.JUDGING, None)
    ci.server.do("DELETE", f"{ci.jobs_path}/{job}")
    ci.journal("a", Phase.ROLLED_BACK, ExitCode.REJECTED)
    assert following.ended() == ExitCode.REJECTED
