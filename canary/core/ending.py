"""The end of a release, promoted or rolled back: the route is the user's own again, and what was made is taken away."""

from __future__ import annotations

from canary.core import effects as do
from canary.core import events as on
from canary.core.moves import LATE_CREATE, Step, ask, chain, end, enter, join, tell_once
from canary.core.outcome import ExitCode
from canary.core.release import Phase, Release, Stage
from canary.core.replacing import replace

EVERY_STEP = "every step held; the new version serves all traffic"
FIRST_STANDS = "there was no stable version: this one was deployed directly, and compared with nothing"


def detached(release: Release, event: on.CanaryDetached) -> Step:
    """The route is the user's own again; the workload goes last, unless users may still be sent to it."""
    left = (*release.leftovers, *event.kept, *event.alarms)
    release = replace(enter(release, release.phase, event.at, Stage.REMOVING), leftovers=left)
    said: Step = (release, ())
    for sentence in event.alarms:
        said = chain(said, do.Tell, reason="NotRestored", message=sentence, alarm=True)
    if event.alarms:
        reason = f"the route could not be put back: {' '.join(event.alarms)}"
        return chain(said, do.Finish, code=ExitCode.ROLLBACK_INCOMPLETE, reason=reason)
    if release.policy.has_workload:
        return join(said, sweep, event.at)
    return join(said, finish, event.at)


def sweep(release: Release, at: float) -> Step:
    """Ask for what was made to be taken away; a sweep that begins when nothing can come any more is the last one."""
    if at >= release.unsure + LATE_CREATE:
        release = replace(release, unsure=0.0)
    return ask(release, do.RemoveWorkload, keep=keeps(release))


def keeps(release: Release) -> bool:
    """Whether stable's workload, which the release made, stays: no decision to roll back was taken."""
    return release.first and release.outcome is None


def workload_removed(release: Release, event: on.WorkloadRemoved) -> Step:
    """Nothing of ours is left, unless a create came after the sweep had looked: then a second one confirms it.

    However late the answer: what counts is when the sweep began.
    """
    if not release.unsure:
        return finish(release, event.at)
    until = release.unsure + LATE_CREATE
    release, asked = sweep(release, max(event.at, until))
    if event.at >= until:
        return release, asked
    wait = f"a second look in {until - event.at:.0f} s: a request of before may still make something"
    return tell_once(replace(release, retry_at=until), "LookingAgain", wait)


def finish(release: Release, at: float) -> Step:
    """End with what was decided; without a decision to roll back the release is promoted."""
    if release.outcome is not None:
        return end(release, Phase.ROLLED_BACK, at, release.outcome.code, release.outcome.reason)
    return end(release, Phase.SUCCEEDED, at, ExitCode.PROMOTED, FIRST_STANDS if release.first else EVERY_STEP)
