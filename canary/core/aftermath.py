"""What a Job does with each exit code, and who acts next: one table for the chart, the documentation and people.

`python -m canary.core.aftermath` prints it as the chart's `files/exit-codes.yaml`; a test compares the two. What the
actions mean: https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy. FailJob ends *all* pods
of the Job, also a healthy one beside the one that exited, so it stands only where no other pod can be carrying the
release on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from canary.core.outcome import MEANING, ExitCode

KILLED = 137
"""128 + SIGKILL: out of memory, or not ended within its grace. Nobody exits so; it is seen from outside."""


class JobAction(StrEnum):
    """What the Job does when its pod ends with a code."""

    COMPLETE = "Complete"
    """Nothing is left to do."""
    FAIL_JOB = "FailJob"
    """The Job is over, whatever other pods it has."""
    COUNT = "Count"
    """Another pod is started, as often as backoffLimit allows."""
    IGNORE = "Ignore"
    """Another pod is started, and it does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aftermath:
    """What follows an exit code.

    Attributes:
        job: what the Job does.
        next: who acts next, and how: one clause without a full stop.
    """

    job: JobAction
    next: str


_FAIL, _COUNT = JobAction.FAIL_JOB, JobAction.COUNT

AFTERMATH: Mapping[int, Aftermath] = MappingProxyType(
    {
        ExitCode.PROMOTED: Aftermath(job=JobAction.COMPLETE, next="nobody: stable runs the new version"),
        ExitCode.BUG: Aftermath(job=_COUNT, next="the Job: another pod goes on or rolls back; report the traceback"),
        ExitCode.USAGE: Aftermath(job=_FAIL, next="whoever wrote the command: correct it"),
        ExitCode.JUDGED_BAD: Aftermath(job=_FAIL, next="the developer: repair what the reason names, then a new image"),
        ExitCode.REJECTED: Aftermath(job=_FAIL, next="whoever rejected or aborted it: the reason says who"),
        ExitCode.GATE_EXPIRED: Aftermath(job=_FAIL, next="the approvers: release again when one can answer"),
        # A duplicate of the Job's own pod finds the lease held as well; FailJob would end the pod that holds it.
        ExitCode.HELD_BY_ANOTHER: Aftermath(job=_COUNT, next="the Job tries again; or a person aborts the other one"),
        ExitCode.ENGINE_LOST: Aftermath(job=_FAIL, next="the platform team: find why it was lost"),
        ExitCode.CHANGED_BY_OTHERS: Aftermath(job=_FAIL, next="whoever the reason names: agree with them first"),
        ExitCode.NO_EVIDENCE: Aftermath(job=_FAIL, next="the developer: more traffic, longer holds or working metrics"),
        ExitCode.INVALID_RELEASE_FILE: Aftermath(job=_FAIL, next="the developer: correct the release file"),
        ExitCode.NOT_PERMITTED: Aftermath(job=_FAIL, next="the platform team: add the rule that the message names"),
        ExitCode.PREFLIGHT_FAILED: Aftermath(job=_FAIL, next="the developer: each finding says its fix"),
        ExitCode.DEADLINE: Aftermath(job=_FAIL, next="the developer: see where the time went, then release again"),
        ExitCode.ROLLBACK_INCOMPLETE: Aftermath(job=_COUNT, next="on-call at once; the Job's next pod rolls back on"),
        KILLED: Aftermath(job=_COUNT, next="the Job: another pod goes on; see whether memory ran out"),
        # Sent by somebody to a pod that was well, and answered in good order: it must not use up the tries.
        ExitCode.HANDED_OVER: Aftermath(job=JobAction.IGNORE, next="the Job: another pod goes on at once"),
    }
)
"""Every code that a process of ours can end with, by rising number; any other counts, as Kubernetes does by itself."""


def codes_for(action: JobAction) -> tuple[int, ...]:
    """The codes with an action, rising."""
    return tuple(int(code) for code, after in AFTERMATH.items() if after.job is action)


def meaning(code: int) -> str:
    """What a code of the table means, in a few words."""
    return "killed from outside" if code == KILLED else MEANING[ExitCode(code)]


def as_yaml() -> str:
    """The table as the chart reads it: a list of {code, job, meaning, next}."""
    head = "# Written by `python -m canary.core.aftermath`; edit canary/core/aftermath.py instead.\ncodes:\n"
    rows = (
        f'  - {{code: {int(code)}, job: {after.job}, meaning: "{meaning(code)}", next: "{after.next}"}}\n'
        for code, after in AFTERMATH.items()
    )
    return head + "".join(rows)


if __name__ == "__main__":
    print(as_yaml(), end="")
