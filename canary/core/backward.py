"""The way back, and everything that can force it: failures, other people, time. One function per table row."""

from __future__ import annotations

from analysis.model import Verdict
from canary.core import effects as do
from canary.core import events as on
from canary.core.ending import sweep
from canary.core.forward import ask_again, drained, not_lowered, returned
from canary.core.moves import (
    LAST_ASKED,
    PROMOTED,
    SWEPT,
    Step,
    ask,
    backoff,
    end,
    enter,
    join,
    lower_again,
    lowered,
    roll_back,
    tell,
    tell_once,
)
from canary.core.outcome import ExitCode
from canary.core.release import FULL, NONE, Phase, Release, Stage
from canary.core.replacing import replace
from canary.core.settling import Settling

LIVES = 3
"""From the third incarnation without progress on, rolling back is the only action allowed (invariant 4)."""

LEAST_LIFE = 60.0
"""Seconds that every incarnation, and every decision, has for its rollback, however late it begins."""

UNANSWERED = 3
"""A preflight that the API server leaves unanswered this often fails: nothing was touched, and CI waits."""

LOOKS_AGAIN = 4
"""Looks after a restart: the first may span the change of share and is not judged, and one may be missed."""

REFUSALS = 2
"""A write refused this often on an unchanged object is a refusal by admission (invariant 6)."""


def handed_over(release: Release) -> Release:
    """As it is left to the process that goes on: an engine that was evicted in good order has not died.

    Otherwise two drained nodes within one long hold would roll back a good release.
    """
    return replace(release, lives=max(0, release.lives - 1))


def resumed(release: Release, event: on.Resumed) -> Step:
    """A new incarnation fences itself before it goes on; until then only lowering is allowed."""
    release = replace(
        _not_later(release, event.at),
        incarnation=event.incarnation,
        lives=release.lives + 1,
        fenced=False,
        renewed=event.at,
        resumed=event.at,
        suspect="",
        told="",
        unsure=event.at if release.phase not in {Phase.PENDING, Phase.PREFLIGHT} else release.unsure,
    )
    if event.stable is not None and event.canary is not None:
        release = counted(release, stable=event.stable, canary=event.canary)
    if event.lost and release.outcome is None and (release.phase, release.stage) not in PROMOTED:
        return _abandoned(release, event)
    if release.phase in {Phase.PENDING, Phase.PREFLIGHT}:
        return ask(enter(release, Phase.PREFLIGHT, event.at), do.RunPreflight)
    hopeless = release.lives >= LIVES and (release.phase, release.stage) not in PROMOTED
    if hopeless and release.outcome is None:
        return roll_back(
            release,
            event.at,
            ExitCode.ENGINE_LOST,
            f"the engine died {release.lives - 1} times without progress",
        )
    if release.stage is Stage.REMOVING:
        return _clean_up_again(release, event.at)
    release = _look_again(release, event.at)
    # An earlier takeover may have died while it took the fence: what was pending before that one still is.
    suspended = release.suspended if isinstance(release.pending, do.TakeFence) else release.pending
    release, asked = ask(release, do.TakeFence)
    return replace(release, suspended=suspended), asked


def _not_later(release: Release, at: float) -> Release:
    """Nothing that a journal tells of is later than now, whatever the server's clock was then.

    Where it was set back between two lives, holds, the drain and the deadline last at most their whole from here.
    """
    settling = release.settling
    if settling is not None and settling.since > at:
        settling = Settling(since=at, accepted=settling.accepted)
    return replace(release, started=min(release.started, at), since=min(release.since, at), settling=settling)


def _abandoned(release: Release, event: on.Resumed) -> Step:
    """A watchdog decides to go back, and fences: an engine that was thought dead and is not shall raise nothing.

    Whoever carries this out takes the fence before the decision is written, so that no decision stands without it.
    """
    release, done = roll_back(release, event.at, ExitCode.ENGINE_LOST, event.lost)
    if release.pending is None:
        return release, done
    way_back, said = release.pending, tuple(one for one in done if isinstance(one, do.Tell))
    release, asked = ask(release, do.TakeFence)
    return replace(release, suspended=way_back), (*said, *asked)


def _clean_up_again(release: Release, at: float) -> Step:
    """The route was the user's own again: our token must not come back to it. What was not put back is tried again."""
    if release.pending is not None:
        return ask_again(release, at)
    return ask(enter(release, release.phase, at, Stage.DETACHING), do.DetachCanary, keep=_kept(release))


def _kept(release: Release) -> bool:
    """Whether a release without a workload of ours ends with its traffic on the canary's Service."""
    return release.outcome is None and not release.policy.has_workload


def _look_again(release: Release, at: float) -> Release:
    """What the journal holds of the judge may be old: the step goes on for its minimum hold, and for a few looks."""
    if release.phase is Phase.GATED and release.step >= 0:
        return replace(release, verdict=Verdict.NO_DATA, may_proceed=False, sentence="no look since the restart")
    if release.phase not in {Phase.JUDGING, Phase.BAKING}:
        return release
    step = release.current
    least = max(step.hold_min, LOOKS_AGAIN * release.policy.look_every)
    since = max(release.since, at - (step.hold_max - least))
    return replace(
        release, since=since, verdict=Verdict.NO_DATA, may_proceed=False, sentence="no look since the restart"
    )


def effect_failed(release: Release, event: on.EffectFailed) -> Step:
    """Ask again after a while; a refusal that stands, or an object that is gone, ends the way forward."""
    release = replace(release, failures=release.failures + 1)
    pending = release.pending
    if isinstance(pending, SWEPT) and event.failure is on.Failure.UNAVAILABLE:
        release = replace(release, unsure=event.at)
    if isinstance(pending, do.TakeFence) and release.outcome is not None and release.suspended is not None:
        # On the way back the fence is worth a try, never a wait.
        return ask_again(replace(release, pending=release.suspended, suspended=None), event.at)
    forward = release.outcome is None and (release.phase, release.stage) not in PROMOTED
    if event.failure is on.Failure.GONE and isinstance(pending, do.LowerShare | do.DetachCanary):
        return _nothing_to_restore(release, event)
    if forward and (final := _hopeless(release, event)) is not None:
        return roll_back(release, event.at, *final)
    if release.phase is Phase.PROMOTING and release.stage is Stage.UPDATING and event.failure is on.Failure.REFUSED:
        return roll_back(release, event.at, ExitCode.JUDGED_BAD, event.message)
    wait = 0.0 if event.failure is on.Failure.CONFLICT and release.failures == 1 else backoff(release.failures)
    if not isinstance(pending, do.LowerShare):
        wait = max(wait, min(event.after, LAST_ASKED))
    release = replace(release, retry_at=event.at + wait)
    alarm = release.outcome is not None
    if event.failure is on.Failure.REFUSED and release.failures >= REFUSALS:
        refused = f"refused again and again, somebody must let it through: {event.message}"
        return tell_once(release, "Refused", refused, alarm=True)
    return tell_once(release, "Retrying", f"will try again: {event.message}", alarm=alarm)


def _hopeless(release: Release, event: on.EffectFailed) -> tuple[ExitCode, str] | None:
    """Why trying again makes no sense, with the exit code; None when it does."""
    match event.failure:
        case on.Failure.BROKEN:
            return ExitCode.BUG, f"our bug: {event.message}"
        case on.Failure.GONE:
            return ExitCode.CHANGED_BY_OTHERS, event.message
        case on.Failure.REFUSED if release.failures >= REFUSALS:
            return ExitCode.NOT_PERMITTED, f"refused by the API server: {event.message}"
        case on.Failure.UNAVAILABLE if release.phase is Phase.PREFLIGHT and release.failures >= UNANSWERED:
            return ExitCode.PREFLIGHT_FAILED, f"the API server does not answer: {event.message}"
        case _:
            return None


def _nothing_to_restore(release: Release, event: on.EffectFailed) -> Step:
    left = (*release.leftovers, f"the route is gone, nothing to restore: {event.message}")
    release = replace(enter(release, release.phase, event.at, Stage.REMOVING), leftovers=left, share=NONE)
    if release.phase is Phase.PROMOTING:
        release = enter(release, Phase.CLEANING, event.at, Stage.REMOVING)
    said = tell(release, "RouteGone", left[-1], alarm=True)
    if release.policy.has_workload:
        return join(said, sweep, event.at)
    return join(said, _end_without_route, event.at)


def _end_without_route(release: Release, at: float) -> Step:
    if release.outcome is not None:
        return end(release, Phase.ROLLED_BACK, at, release.outcome.code, release.outcome.reason)
    return end(release, Phase.SUCCEEDED, at, ExitCode.PROMOTED, "promoted; the route was deleted by somebody else")


def stable_update_failed(release: Release, event: on.WorkloadFailed) -> Step:
    """A stable that does not get ready with the new version is put back to its old template: minutes."""
    if release.stage is Stage.REVERTING:
        return effect_failed(
            release,
            on.EffectFailed(at=event.at, effect=event.effect, failure=on.Failure.UNAVAILABLE, message=event.reason),
        )
    reason = f"stable did not become ready with the new version: {event.reason}"
    return roll_back(release, event.at, ExitCode.JUDGED_BAD, reason)


def write_lowered(release: Release, event: on.ShareWritten) -> Step:
    """The write is acknowledged; the rollback is done when no new canary request is seen."""
    release = enter(release, Phase.ROLLING_BACK, event.at, Stage.DRAINING)
    release = replace(release, share=event.share, generation=event.generation, settling=Settling(since=event.at))
    if event.alarms:
        return not_lowered(release, event)
    return tell(release, "TrafficBack", "all traffic is back on stable")


def look_while_draining(release: Release, event: on.Looked) -> Step:
    """Watch the canary's requests die away."""
    if release.settling is None:
        return release, ()
    seen = release.settling.look(start=event.start, end=event.end, stable=event.stable, canary=event.canary)
    return _drain(replace(release, settling=seen), event.at)


def tick_while_rolling_back(release: Release, event: on.Ticked) -> Step:
    """The drain ends by time; so does patience."""
    return _drain(release, event.at)


def _drain(release: Release, at: float) -> Step:
    if release.stage is not Stage.DRAINING or not drained(release, at):
        return release, ()
    settling = release.settling
    left = release.leftovers
    if settling is not None and settling.quiet < release.policy.settle_window:
        last = "requests were still being counted" if settling.last_canary else "the counters could not be read"
        left = (*left, f"after the drain of {release.policy.drain:.0f} s {last} on the canary")
    release = replace(enter(release, Phase.ROLLING_BACK, at, Stage.DETACHING), leftovers=left)
    return ask(release, do.DetachCanary)


def tick(release: Release, event: on.Ticked) -> Step:
    """What time does in every phase, before what it does in this one: retries, the deadline, the last call."""
    late = event.at - release.started >= release.policy.last_call
    # A machine that slept past its last call decides then, and has as much time as whoever takes over.
    began = max(release.resumed, release.outcome.decided if release.outcome else 0.0)
    if late and event.at - began >= LEAST_LIFE and _incomplete(release):
        reason = release.outcome.reason if release.outcome else "the release could not be completed"
        return ask(release, do.Finish, code=ExitCode.ROLLBACK_INCOMPLETE, reason=f"incomplete: {reason}")
    if release.started and event.at - release.started >= release.policy.deadline:
        passed = f"the deadline of {release.policy.deadline:.0f} s has passed in {release.phase}"
        after, done = roll_back(release, event.at, ExitCode.DEADLINE, passed)
        if done:
            return after, done
    if release.retry_at is not None and event.at >= release.retry_at:
        return ask_again(release, event.at)
    return release, ()


def _incomplete(release: Release) -> bool:
    return release.phase in {Phase.ROLLING_BACK, Phase.CLEANING, Phase.PROMOTING}


def fence_lost(release: Release, event: on.FenceLost) -> Step:
    """Somebody else drives this release: raise nothing, and end with the code that they record."""
    return ask(replace(release, fenced=False), do.StandBy, holder=event.holder)


def route_changed(release: Release, event: on.RouteChanged) -> Step:
    """Outside changes are judged by direction; nobody is fought (invariant 8)."""
    by = event.by or "somebody"
    match event.direction:
        case on.Direction.FOREIGN:
            cleared = replace(release, suspect="") if event.confirmed else release
            return (
                (cleared, ()) if not event.sentence else tell_once(cleared, "RouteChanged", f"{by}: {event.sentence}")
            )
        case on.Direction.LOWERED if not event.confirmed:
            return ask(replace(release, suspect=event.sentence), do.ConfirmChange)
        case on.Direction.GONE:
            said = tell(
                release,
                "RouteBroken",
                f"{by} removed what the release stands on: {event.sentence}",
                alarm=True,
            )
            return join(said, roll_back, event.at, ExitCode.CHANGED_BY_OTHERS, f"{by}: {event.sentence}")
        case on.Direction.LOWERED | on.Direction.RAISED:
            return roll_back(release, event.at, ExitCode.CHANGED_BY_OTHERS, f"{by} changed the route: {event.sentence}")


def route_changed_on_the_way_back(release: Release, event: on.RouteChanged) -> Step:
    """Only a raise is answered: the canary's weight never rises again after the decision."""
    if event.direction is not on.Direction.RAISED or release.stage in {
        Stage.REVERTING,
        Stage.REMOVING,
        Stage.UPDATING,
    }:
        return release, ()
    said = tell(release, "LoweredAgain", f"{event.by or 'somebody'} raised the canary: {event.sentence}", alarm=True)
    return join(said, lower_again, event.at)


def stable_changed(release: Release, event: on.StableChanged) -> Step:
    """Stable is no longer what the canary was compared with: stop, with the name."""
    return roll_back(release, event.at, ExitCode.CHANGED_BY_OTHERS, f"{event.by or 'somebody'}: {event.sentence}")


def capacity_changed(release: Release, event: on.CapacityChanged) -> Step:
    """A canary or a baseline without endpoints fails everybody sent to it; a short stable forbids raising."""
    known = release.stable_gone
    release = counted(release, stable=event.stable, canary=event.canary)
    if why := _canary_fails(release, event):
        return roll_back(release, event.at, ExitCode.JUDGED_BAD, why)
    if event.baseline == 0 and NONE < release.share < FULL:
        # Users are sent to it as well, and it says nothing of the new version.
        gone = "the fresh baseline has no ready endpoints left, so there is nothing to compare the canary with"
        return roll_back(release, event.at, ExitCode.NO_EVIDENCE, gone)
    if release.stable_gone and not known:
        return tell(
            release, "StableGone", "stable has no ready endpoint left; no traffic is moved meanwhile", alarm=True
        )
    return release, ()


def capacity_while_leaving(release: Release, event: on.CapacityChanged) -> Step:
    """A lowering that was held because nobody was there goes out at once when somebody is."""
    held = release.stable_gone
    release = counted(release, stable=event.stable, canary=event.canary)
    lowering = isinstance(release.pending, do.LowerShare)
    # Stable's pods are being replaced, perhaps for an hour by a hook; the canary has all the traffic meanwhile.
    if release.stage is Stage.UPDATING and (why := _canary_fails(release, event)):
        return roll_back(release, event.at, ExitCode.JUDGED_BAD, why)
    return ask_again(release, event.at) if held and lowering and not release.stable_gone else (release, ())


def _canary_fails(release: Release, event: on.CapacityChanged) -> str:
    """Why the canary, which has traffic, cannot serve it; empty when it can."""
    if lowered(release):
        return ""
    if event.canary == 0:
        why = f": {event.missing or event.trouble}" if event.missing or event.trouble else ""
        return f"the canary has no ready endpoints left{why}"
    return f"a pod of the canary fails: {event.trouble}" if event.trouble else ""


def counted(release: Release, *, stable: int, canary: int) -> Release:
    """What the ready endpoints of both arms allow. A stable without any, from the first count on, says nothing."""
    first = release.stable_ready or stable
    gone = first > 0 and stable == 0 and canary > 0
    return replace(release, stable_ready=first, short=stable < first, stable_gone=gone)


def lease_renewed(release: Release, event: on.LeaseRenewed) -> Step:
    """Raising needs a lease confirmed lately."""
    return replace(release, renewed=event.at), ()


def abort_requested(release: Release, event: on.AbortRequested) -> Step:
    """A person's word is enough; another release that takes this one's place says so likewise."""
    if event.superseded:
        return roll_back(release, event.at, ExitCode.HELD_BY_ANOTHER, f"superseded by {event.by}: {event.reason}")
    return roll_back(release, event.at, ExitCode.REJECTED, f"aborted by {event.by}: {event.reason}")


def accepted_while_leaving(release: Release, event: on.RouteAccepted) -> Step:
    """The gateway's word about a lowering."""
    if release.settling is None or event.generation < release.generation:
        return release, ()
    release = replace(release, settling=replace(release.settling, accepted=event.good))
    if release.phase is Phase.PROMOTING:
        return returned(release, event.at) if release.stage is Stage.RETURNING else (release, ())
    return _drain(release, event.at)
