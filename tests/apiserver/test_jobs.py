"""The Job controller, played against a cluster of dictionaries in which pods end as they are told: no time passes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.sandbox.jobs import DUPLICATE, DUPLICATES, TRACKING, _text, plan

POLICY = {
    "rules": [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailJob", "onExitCodes": {"containerName": "canary", "operator": "In", "values": [10, 22]}},
        {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [143]}},
        {"action": "Count", "onExitCodes": {"operator": "In", "values": [1]}},
    ]
}
BACKOFF = 2.0


@dataclass
class Played:
    """One Job and its pods."""

    spec: dict[str, Any]
    now: float = 1_800_000_000.0
    pods: dict[str, Any] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    started: int = 0
    removed: bool = False

    def __post_init__(self) -> None:
        base = {"parallelism": 1, "completions": 1, "backoffLimit": 6}
        self.job: dict[str, Any] = {"metadata": {"name": "j", "namespace": "n", "annotations": {}}}
        self.job |= {"spec": {**base, **self.spec}, "status": {}}

    def round(self, times: int = 6) -> None:
        """The controller's rounds, until nothing moves."""
        for _ in range(times):
            todo = plan(self.job, list(self.pods.values()), now=self.now, backoff=BACKOFF)
            self.job["status"] = todo.status
            for name in todo.release:
                pod = self.pods[name]
                pod["metadata"]["finalizers"] = []
                if "deletionTimestamp" in pod["metadata"]:
                    self.gone.append(self.pods.pop(name)["metadata"]["name"])
            for name in todo.delete:
                self.delete(name)
            for number in range(todo.create + todo.duplicates):
                self._start(duplicate=number >= todo.create)
            self.removed = self.removed or todo.remove

    def _start(self, *, duplicate: bool) -> None:
        self.started += 1
        name = f"p{self.started}"
        metadata = {"name": name, "namespace": "n", "uid": f"u-{name}", "finalizers": [TRACKING]}
        if duplicate:
            metadata["labels"] = {DUPLICATE: "true"}
        self.pods[name] = {"metadata": metadata, "spec": {}, "status": {"phase": "Running"}}

    def end(self, name: str, code: int) -> None:
        terminated = {"exitCode": code, "finishedAt": _text(self.now)}
        status = self.pods[name]["status"]
        status["phase"] = "Failed" if code else "Succeeded"
        status["containerStatuses"] = [{"name": "canary", "state": {"terminated": terminated}}]

    def delete(self, name: str) -> None:
        self.pods[name]["metadata"].setdefault("deletionTimestamp", _text(self.now))

    def disrupt(self, name: str) -> None:
        self.pods[name]["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
        self.delete(name)

    @property
    def alive(self) -> list[str]:
        return [name for name, pod in self.pods.items() if pod["status"]["phase"] == "Running"]

    @property
    def end_of(self) -> str:
        """How it ended: the condition and its reason."""
        found = [one for one in self.job["status"].get("conditions", ()) if one["type"] in {"Complete", "Failed"}]
        return f"{found[0]['type']}: {found[0]['reason']}" if found else ""


def played(**spec: Any) -> Played:
    job = Played({"podFailurePolicy": POLICY, "podReplacementPolicy": "Failed", **spec})
    job.round()
    assert job.alive == ["p1"]
    return job


def test_a_pod_that_succeeds_completes_its_job_and_is_counted_once() -> None:
    job = played()
    job.end("p1", 0)
    job.round(1)
    assert job.end_of == ""  # named in the status first, then freed, then a number
    assert job.job["status"]["uncountedTerminatedPods"]["succeeded"] == ["u-p1"]
    job.round()
    assert job.end_of == "Complete: CompletionsReached"
    assert (job.job["status"]["succeeded"], job.job["status"]["failed"], job.started) == (1, 0, 1)
    assert job.job["status"]["completionTime"]


def test_a_failed_pod_is_replaced_after_a_backoff_that_doubles_until_the_limit() -> None:
    job = played(backoffLimit=3)
    for failure, wait in enumerate((BACKOFF, 2 * BACKOFF, 4 * BACKOFF), start=1):
        job.end(f"p{failure}", 1)
        job.round()
        assert job.alive == []
        job.now += wait - 1
        job.round()
        assert job.alive == []
        job.now += 1.0
        job.round()
        assert job.alive == [f"p{failure + 1}"]
    job.end("p4", 1)
    job.round()
    assert job.end_of == "Failed: BackoffLimitExceeded"
    assert (job.job["status"]["failed"], job.started) == (4, 4)


def test_failjob_ends_the_job_and_every_other_pod_of_it() -> None:
    job = played()
    job.job["metadata"]["annotations"][DUPLICATES] = "1"
    job.round()
    assert job.alive == ["p1", "p2"]
    job.end("p1", 10)
    job.round()
    assert "deletionTimestamp" in job.pods["p2"]["metadata"]
    assert job.end_of == ""  # only when the last pod has ended
    job.end("p2", 143)
    job.round()
    assert job.end_of == "Failed: PodFailurePolicy"
    message = job.job["status"]["conditions"][-1]["message"]
    assert message == "Container canary for pod n/p1 failed with exit code 10 matching FailJob rule at index 1"


def test_ignored_failures_use_up_no_try() -> None:
    job = played(backoffLimit=0)
    for number in range(1, 6):
        job.end(f"p{number}", 143)
        job.round()
        job.now += 60
        job.round()
    assert (job.alive, job.job["status"]["failed"], job.end_of) == (["p6"], 0, "")


def test_rules_are_tried_in_order_so_that_a_disrupted_pods_code_is_no_verdict() -> None:
    job = played(backoffLimit=0)
    job.disrupt("p1")
    job.end("p1", 10)
    job.round()
    job.now += 60
    job.round()
    assert (job.alive, job.end_of) == (["p2"], "")
    job.end("p2", 10)
    job.round()
    assert job.end_of == "Failed: PodFailurePolicy"


def test_codes_that_no_rule_names_count() -> None:
    job = played(backoffLimit=0)
    job.end("p1", 137)
    job.round()
    assert job.end_of == "Failed: BackoffLimitExceeded"


@pytest.mark.parametrize(("policy", "at_once"), [("Failed", False), ("TerminatingOrFailed", True)])
def test_a_terminating_pod_is_replaced_when_it_has_ended_or_at_once(policy: str, at_once: bool) -> None:
    job = Played({"podReplacementPolicy": policy})
    job.round()
    job.delete("p1")
    job.now += 60
    job.round()
    assert ("p2" in job.pods) is at_once
    if not at_once:
        job.end("p1", 143)
        job.round()
        job.now += 60
        job.round()
        assert job.alive == ["p2"]


def test_a_pod_that_was_deleted_goes_only_when_it_was_counted() -> None:
    job = played()
    job.delete("p1")
    job.round()
    assert job.gone == []
    job.end("p1", 1)
    job.round()
    assert (job.gone, job.job["status"]["failed"]) == (["p1"], 1)


def test_the_deadline_ends_the_pods_and_then_the_job_whatever_tries_are_left() -> None:
    job = played(activeDeadlineSeconds=100)
    job.now += 99
    job.round()
    assert job.alive == ["p1"]
    assert "deletionTimestamp" not in job.pods["p1"]["metadata"]
    job.now += 2
    job.round()
    assert "deletionTimestamp" in job.pods["p1"]["metadata"]
    job.end("p1", 143)
    job.round()
    assert job.end_of == "Failed: DeadlineExceeded"


def test_suspending_ends_the_pods_and_resuming_starts_anew_with_a_new_clock() -> None:
    job = played(activeDeadlineSeconds=100)
    job.now += 90
    job.job["spec"]["suspend"] = True
    job.round()
    assert "deletionTimestamp" in job.pods["p1"]["metadata"]
    job.end("p1", 143)
    job.now += 90
    job.round()
    assert (job.alive, job.end_of) == ([], "")
    assert [one["type"] for one in job.job["status"]["conditions"]] == ["Suspended"]
    assert "startTime" not in job.job["status"]
    job.job["spec"]["suspend"] = False
    job.round()
    job.now += 90
    job.round()
    assert (job.alive, job.end_of) == (["p2"], "")


def test_a_finished_job_goes_after_its_time() -> None:
    job = played(ttlSecondsAfterFinished=60)
    job.end("p1", 0)
    job.round()
    job.now += 59
    job.round()
    assert not job.removed
    job.now += 1
    job.round()
    assert job.removed


def test_a_job_may_be_given_a_pod_too_many() -> None:
    job = played()
    job.job["metadata"]["annotations"][DUPLICATES] = "1"
    job.round()
    assert job.alive == ["p1", "p2"]
    job.end("p2", 0)
    job.round()
    assert "deletionTimestamp" in job.pods["p1"]["metadata"]
    job.end("p1", 143)
    job.round()
    assert (job.end_of, job.started) == ("Complete: CompletionsReached", 2)


def test_a_job_that_is_being_deleted_starts_nothing_and_lets_its_pods_go() -> None:
    job = played()
    job.job["metadata"]["deletionTimestamp"] = _text(job.now)
    job.end("p1", 1)
    job.now += 60
    job.round()
    assert (job.alive, job.started, job.pods["p1"]["metadata"]["finalizers"]) == ([], 1, [])


MOVE = st.tuples(st.sampled_from(["end", "disrupt", "delete", "wait", "round"]), st.sampled_from([0, 1, 10, 137, 143]))


@settings(max_examples=60)
@given(st.lists(MOVE, max_size=40), st.sampled_from(["Failed", "TerminatingOrFailed"]), st.integers(0, 3))
def test_whatever_pods_do_each_is_counted_once_and_an_end_is_final(
    moves: list[tuple[str, int]], policy: str, limit: int
) -> None:
    spec = {"podReplacementPolicy": policy, "backoffLimit": limit}
    job = Played(spec | ({"podFailurePolicy": POLICY} if policy == "Failed" else {}))
    ended: list[str] = []
    clock = itertools.count(1)
    for what, code in moves:
        job.now += next(clock) * (20.0 if what == "wait" else 0.1)
        alive = job.alive
        if alive and what == "end":
            job.end(alive[0], code)
        elif alive and what in {"disrupt", "delete"}:
            getattr(job, what)(alive[-1])
        if what in {"wait", "round"}:
            job.round(3)
        if job.end_of:
            ended.append(job.end_of)
            assert job.alive == []
        assert len(job.alive) <= (1 if policy == "Failed" else 1 + limit + len(moves))
        status = job.job["status"]
        assert status.get("failed", 0) + status.get("succeeded", 0) <= job.started
        assert status.get("failed", 0) <= limit + 1 or policy != "Failed"
    assert len(set(ended)) <= 1
