"""What a Job controller would do next: a pure function from a Job and its pods to what is to be done.

Rules from https://kubernetes.io/docs/concepts/workloads/controllers/job/ (version 1.34): pod backoff failure policy,
pod failure policy, delayed creation of replacement pods, termination and cleanup, suspending a Job, TTL, and tracking
by finalizers. One-pod Jobs of the kind that the engine runs as are what it is for: no indexes, no elastic parallelism.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Object = Mapping[str, Any]

TRACKING = "batch.kubernetes.io/job-tracking"
"""Finalizer of a Job's pods: none goes before it was counted."""

DUPLICATES = "sandbox.canary-engine.io/duplicates"
"""Annotation of a Job: so many pods beyond what it asks for are started, once. The documentation warns of it: "even if
you specify .spec.parallelism = 1 [...] the same program may sometimes be started twice"."""

DUPLICATE = "sandbox.canary-engine.io/duplicate"
"""Label of such a pod."""

BACKOFF, BACKOFF_LIMIT = 0.5, 8.0
"""Seconds before the pod after a failed one, doubled with each; a real controller waits 10 s to 6 min."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do for one Job.

    Attributes:
        create: pods to start, and how many of them as duplicates.
        delete: names of pods to end.
        release: names of pods that have been counted: their finalizer goes.
        status: the Job's status as it should be.
        remove: the Job's time after its end is over: it goes, with its pods.
    """

    create: int = 0
    duplicates: int = 0
    delete: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    status: dict[str, Any] = field(default_factory=dict)
    remove: bool = False


def plan(job: Object, pods: Sequence[Object], *, now: float, backoff: float = BACKOFF) -> Plan:
    """What a Job needs now.

    Args:
        job: as the API server has it.
        pods: those that it controls.
        now: seconds since the epoch.
        backoff: seconds after the first failure.
    """
    if "deletionTimestamp" in job["metadata"]:
        return Plan(status=dict(job.get("status") or {}), release=_names(pods))
    status = dict(job.get("status") or {})
    if (finished := _condition(status, "Complete") or _condition(status, "Failed")) is not None:
        return _after(job, status, finished, pods, now)
    counts = _counted(job, status, pods)
    status["failed"], status["succeeded"] = counts.failed, counts.succeeded
    status["uncountedTerminatedPods"] = counts.uncounted
    status["conditions"] = [dict(one) for one in status.get("conditions") or ()]
    if not _suspended(job, status, now):
        status.setdefault("startTime", _text(now))
    _decide(job, status, counts, now)
    alive = [pod for pod in pods if not _ended(pod)]
    leaving = [pod for pod in alive if "deletionTimestamp" in pod["metadata"]]
    staying = [pod for pod in alive if pod not in leaving]
    status["active"], status["terminating"] = len(staying), len(leaving)
    status["ready"] = sum(_is(pod, "Ready") for pod in staying)
    target = _condition(status, "FailureTarget") or _condition(status, "SuccessCriteriaMet")
    if target is not None:
        _finish(status, target, alive, now)
        return Plan(delete=_names(staying), release=counts.release, status=status)
    if job["spec"].get("suspend"):
        return Plan(delete=_names(staying), release=counts.release, status=status)
    create, duplicates = _wanted(job, counts, pods, now, backoff)
    return Plan(create=create, duplicates=duplicates, release=counts.release, status=status)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counts:
    """The Job's pods, counted: each exactly once, whatever is lost in between."""

    failed: int
    succeeded: int
    uncounted: dict[str, list[str]]
    release: tuple[str, ...]
    fail_job: str
    last_failure: float
    failures: int

    @property
    def all_failed(self) -> int:
        return self.failed + len(self.uncounted["failed"])

    @property
    def all_succeeded(self) -> int:
        return self.succeeded + len(self.uncounted["succeeded"])


def _counted(job: Object, status: Object, pods: Sequence[Object]) -> _Counts:
    """Ended pods are named in the status first, then lose their finalizer, then become a number."""
    told = status.get("uncountedTerminatedPods") or {}
    uncounted = {key: list(told.get(key) or ()) for key in ("failed", "succeeded")}
    failed, succeeded = int(status.get("failed") or 0), int(status.get("succeeded") or 0)
    tracked = {pod["metadata"]["uid"] for pod in pods if TRACKING in (pod["metadata"].get("finalizers") or ())}
    folded = {key: [uid for uid in uids if uid not in tracked] for key, uids in uncounted.items()}
    uncounted = {key: [uid for uid in uids if uid in tracked] for key, uids in uncounted.items()}
    release, fail_job, last, failures = [], "", 0.0, 0
    for pod in pods:
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
        kind = _end(job, pod)
        if kind == "failed":
            failures, last = failures + 1, max(last, _ended_at(pod))
        if not kind or uid not in tracked:
            continue
        action, message = _policy(job, pod) if kind == "failed" else ("", "")
        if uid in uncounted["failed"] or uid in uncounted["succeeded"] or action == "Ignore":
            release.append(name)
        else:
            uncounted[kind].append(uid)
        if action == "FailJob" and not fail_job:
            fail_job = message
    return _Counts(
        failed=failed + len(folded["failed"]),
        succeeded=succeeded + len(folded["succeeded"]),
        uncounted=uncounted,
        release=tuple(release),
        fail_job=fail_job,
        last_failure=last,
        failures=failures,
    )


def _end(job: Object, pod: Object) -> str:
    """What a pod counts as: `failed`, `succeeded`, or nothing yet."""
    phase = (pod.get("status") or {}).get("phase")
    if phase == "Succeeded":
        return "succeeded"
    # Without a policy a pod that is being deleted has failed already, and is replaced beside the one that goes.
    early = _replacement(job) == "TerminatingOrFailed" and "deletionTimestamp" in pod["metadata"]
    return "failed" if phase == "Failed" or early else ""


def _replacement(job: Object) -> str:
    default = "Failed" if job["spec"].get("podFailurePolicy") else "TerminatingOrFailed"
    return str(job["spec"].get("podReplacementPolicy") or default)


def _policy(job: Object, pod: Object) -> tuple[str, str]:
    """The action of the first rule that matches a failed pod, and the sentence for it."""
    rules = (job["spec"].get("podFailurePolicy") or {}).get("rules") or ()
    where = f"{pod['metadata'].get('namespace')}/{pod['metadata']['name']}"
    for index, rule in enumerate(rules):
        for wanted in rule.get("onPodConditions") or ():
            found = _condition(pod.get("status") or {}, wanted["type"])
            if found is not None and found["status"] == wanted.get("status", "True"):
                what = f"Pod {where} has condition {wanted['type']}"
                return rule["action"], f"{what} matching {rule['action']} rule at index {index}"
        codes = rule.get("onExitCodes")
        for name, code in _codes(pod) if codes else ():
            if codes.get("containerName") not in {None, name} or not code:
                continue
            if (code in codes["values"]) is (codes["operator"] == "In"):
                what = f"Container {name} for pod {where} failed with exit code {code}"
                return rule["action"], f"{what} matching {rule['action']} rule at index {index}"
    return "Count", ""


def _decide(job: Object, status: dict[str, Any], counts: _Counts, now: float) -> None:
    """Whether the Job's end is decided now: only the first decision counts."""
    if _condition(status, "FailureTarget") or _condition(status, "SuccessCriteriaMet"):
        return
    spec, limit = job["spec"], job["spec"].get("activeDeadlineSeconds")
    if counts.fail_job:
        _set(status, "FailureTarget", now, "PodFailurePolicy", counts.fail_job)
    elif counts.all_succeeded >= spec.get("completions", 1):
        _set(status, "SuccessCriteriaMet", now, "CompletionsReached", "Reached expected number of succeeded pods")
    elif counts.all_failed > spec.get("backoffLimit", 6):
        _set(status, "FailureTarget", now, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    elif limit is not None and "startTime" in status and now - _seconds(status["startTime"]) >= limit:
        _set(status, "FailureTarget", now, "DeadlineExceeded", "Job was active longer than specified deadline")


def _finish(status: dict[str, Any], target: Object, alive: Sequence[Object], now: float) -> None:
    """Since 1.31 a Job is Complete or Failed only when its last pod has ended and was counted."""
    if alive or any(status["uncountedTerminatedPods"].values()):
        return
    complete = target["type"] == "SuccessCriteriaMet"
    _set(status, "Complete" if complete else "Failed", now, target["reason"], target["message"])
    if complete:
        status["completionTime"] = _text(now)


def _wanted(job: Object, counts: _Counts, pods: Sequence[Object], now: float, backoff: float) -> tuple[int, int]:
    """How many pods to start, and how many duplicates."""
    spec = job["spec"]
    staying = [pod for pod in pods if not _ended(pod) and "deletionTimestamp" not in pod["metadata"]]
    leaving = [pod for pod in pods if not _ended(pod) and "deletionTimestamp" in pod["metadata"]]
    asked = (job["metadata"].get("annotations") or {}).get(DUPLICATES, "0")
    made = sum(DUPLICATE in (pod["metadata"].get("labels") or {}) for pod in pods)
    duplicates = max(0, int(asked) - made) if asked.isdecimal() and staying else 0
    counted = sum(DUPLICATE not in (pod["metadata"].get("labels") or {}) for pod in staying)
    there = counted + (len(leaving) if _replacement(job) == "Failed" else 0)
    missing = min(spec.get("parallelism", 1), spec.get("completions", 1) - counts.all_succeeded) - there
    wait = min(backoff * 2.0 ** (counts.failures - 1), BACKOFF_LIMIT) if counts.failures else 0.0
    return (max(0, missing) if now - counts.last_failure >= wait else 0), duplicates


def _after(job: Object, status: dict[str, Any], finished: Object, pods: Sequence[Object], now: float) -> Plan:
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    over = ttl is not None and now - _seconds(finished["lastTransitionTime"]) >= ttl
    tracked = [pod for pod in pods if TRACKING in (pod["metadata"].get("finalizers") or ()) and _ended(pod)]
    return Plan(status=status, remove=over, release=_names(tracked))


def _suspended(job: Object, status: dict[str, Any], now: float) -> bool:
    """Keeps the condition, and the clock of activeDeadlineSeconds, which begins anew when the Job is resumed."""
    if job["spec"].get("suspend"):
        status.pop("startTime", None)
        if _condition(status, "Suspended") is None:
            status["conditions"] = [one for one in status["conditions"] if one["type"] != "Suspended"]
            _set(status, "Suspended", now, "JobSuspended", "Job suspended")
        return True
    if _condition(status, "Suspended") is not None:
        status["conditions"] = [one for one in status["conditions"] if one["type"] != "Suspended"]
    return False


# Reading -----------------------------------------------------------------------------------------------------


def _ended(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def _codes(pod: Object) -> list[tuple[str, int]]:
    states = (pod.get("status") or {}).get("containerStatuses") or ()
    ended = [(one["name"], (one.get("state") or {}).get("terminated")) for one in states]
    return [(name, terminated["exitCode"]) for name, terminated in ended if terminated]


def _ended_at(pod: Object) -> float:
    states = (pod.get("status") or {}).get("containerStatuses") or ()
    times = [((one.get("state") or {}).get("terminated") or {}).get("finishedAt") for one in states]
    return max((_seconds(time) for time in times if time), default=0.0)


def _condition(status: Object, kind: str) -> Object | None:
    """A condition that is true."""
    found = [one for one in status.get("conditions") or () if one["type"] == kind and one["status"] == "True"]
    return found[0] if found else None


def _is(pod: Object, kind: str) -> bool:
    return _condition(pod.get("status") or {}, kind) is not None


def _set(status: dict[str, Any], kind: str, now: float, reason: str, message: str) -> None:
    told = {"type": kind, "status": "True", "reason": reason, "message": message}
    status["conditions"] = [
        *status["conditions"],
        {**told, "lastProbeTime": _text(now), "lastTransitionTime": _text(now)},
    ]


def _names(pods: Sequence[Object]) -> tuple[str, ...]:
    return tuple(pod["metadata"]["name"] for pod in pods)


def _text(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
