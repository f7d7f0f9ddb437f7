"""What an engine that is told to end (SIGTERM) leaves behind: it depends on whether its Job will start another one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any


class JobFate(StrEnum):
    """What becomes of the engine's own Job."""

    REPLACED = "replaced"
    """It lives: another pod is started as soon as this one has ended."""
    UNKNOWN = "unknown"
    """Nobody could tell in time, or there is no Job: whoever finds the lease handed over goes on."""
    GONE = "gone"
    DELETED = "being deleted"
    FAILED = "failed"
    COMPLETE = "complete"
    SUSPENDED = "suspended"


ENDED: Mapping[JobFate, str] = {
    JobFate.GONE: "its Job is gone",
    JobFate.DELETED: "its Job is being deleted",
    JobFate.FAILED: "its Job has failed",
    JobFate.COMPLETE: "its Job counts as complete",
    JobFate.SUSPENDED: "its Job is suspended",
}
"""Where no other engine follows, and how it is said. Everything else is handed over."""

_CONDITIONS = {
    "Failed": JobFate.FAILED,
    "FailureTarget": JobFate.FAILED,
    "Complete": JobFate.COMPLETE,
    "SuccessCriteriaMet": JobFate.COMPLETE,
}


def fate_of(job: Mapping[str, Any] | None, *, now: float) -> JobFate:
    """What a Job as the API server shows it is going to do once its pod has ended.

    Args:
        job: the object; None when there is none.
        now: seconds since the epoch on the server's clock. A controller older than Kubernetes 1.31 ends the pods of
            a Job that ran past `activeDeadlineSeconds` before it says so.
    """
    if job is None:
        return JobFate.GONE
    spec, status = _table(job.get("spec")), _table(job.get("status"))
    if _table(job.get("metadata")).get("deletionTimestamp"):
        return JobFate.DELETED
    conditions = status.get("conditions")
    for one in conditions if isinstance(conditions, list) else []:
        kind = _table(one).get("type")
        if isinstance(kind, str) and kind in _CONDITIONS and _table(one).get("status") == "True":
            return _CONDITIONS[kind]
    if spec.get("suspend") is True:
        return JobFate.SUSPENDED
    return JobFate.FAILED if _overdue(spec, status, now) else JobFate.REPLACED


def _overdue(spec: Mapping[str, Any], status: Mapping[str, Any], now: float) -> bool:
    seconds, began = spec.get("activeDeadlineSeconds"), status.get("startTime")
    if not isinstance(seconds, int) or not isinstance(began, str):
        return False
    try:
        return now >= datetime.fromisoformat(began).timestamp() + seconds
    except ValueError:
        return False


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
