"""A release that ended just before its engine was killed: what is left to do is to say so, with its own code."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from canary.core.outcome import ExitCode, Outcome
from canary.core.release import Release
from canary.ports import Leases, Progress, Reporters


def tell_the_end(
    release: Release, outcome: Outcome, *, leases: Leases, holder: str, reporters: Sequence[Reporters]
) -> Callable[[], ExitCode]:
    """What runs in place of an engine: reports the recorded end, and gives the lease back.

    Args:
        release: as the journal has it, in a final phase.
        outcome: its own.
        leases, holder: the lease, which was taken over from the engine that ended the release.
        reporters: who wants to know.
    """

    def run() -> ExitCode:
        progress = Progress(
            at=outcome.decided,
            phase=release.phase,
            stage=release.stage,
            step=release.step,
            steps=len(release.policy.steps),
            share_wanted=release.share,
            share_seen=None,
            entered=release.since,
            message=outcome.reason,
            reason="Finished",
            code=outcome.code,
        )
        for reporter in reporters:
            reporter.tell(progress)
        leases.release(holder)
        return outcome.code

    return run
