"""What people decide about the pace: at gates, and by pause, resume, skip and promote. One function per table row.

None of it is evidence. An opened gate, a skipped wait and an early promotion go on only with what the judge says now; a
bad verdict rolls back whatever a person decided.
"""

from __future__ import annotations

from analysis.model import Verdict
from canary.core import events as on
from canary.core.forward import against_raising, hold, next_step, shift
from canary.core.gates import place_name
from canary.core.moves import PROMOTED, Step, enter, join, roll_back, tell, tell_once
from canary.core.outcome import ExitCode
from canary.core.release import Phase, Release
from canary.core.replacing import replace

UNREAD = 45.0
"""Seconds for which an expired gate that cannot be read is waited for: a decision may stand there unread."""

Asked = on.PauseRequested | on.ResumeRequested | on.SkipRequested | on.PromoteRequested


def gate_decided(release: Release, event: on.GateDecided) -> Step:
    """The first decision about this very gate wins; the machine leaves GATED with it."""
    if release.gate is None or event.gate not in {None, release.gate}:
        return release, ()
    if not event.approved:
        return roll_back(release, event.at, ExitCode.REJECTED, f"rejected by {event.by}: {event.reason}")
    release = replace(release, approved=release.gate)
    return join(tell(release, "GateOpened", f"approved by {event.by}: {event.reason}"), go_on, event.at)


def gate_troubled(release: Release, event: on.GateTroubled) -> Step:
    """People are told, and the gate waits on."""
    return tell_once(release, "GateTroubled", event.sentence, alarm=True)


def gate_unanswered(release: Release, event: on.GateUnanswered) -> Step:
    """A gate that nobody answered in time ends by its policy, once it was read after it had expired.

    Time alone does not say that nobody decided: the API server may have failed between the decision and its expiry.
    """
    expires = release.expires
    if expires is None or event.at < expires or release.gate is None or event.gate != release.gate:
        return release, ()
    lasts = f"{expires - release.since:.0f} s"
    match release.policy.on_gate_expiry:
        case "rollback":
            before = place_name(release, release.gate)
            why = f"nobody decided within {lasts} about the gate before {before}"
            return roll_back(release, event.at, ExitCode.GATE_EXPIRED, why)
        case "proceed":
            release = replace(release, approved=release.gate)
            return join(tell(release, "GateExpired", f"nobody decided within {lasts}; going on"), go_on, event.at)
        case "hold":
            return tell_once(release, "GateExpired", "the gate expired; holding until somebody decides")


def tick_while_gated(release: Release, event: on.Ticked) -> Step:
    """An answered gate may still wait for what stands against it; one that expired waits until it was read once more.

    What cannot be read for too long is no reason to go on; going back needs no decision.
    """
    if release.gate is None:
        return go_on(release, event.at)
    expires = release.expires
    if expires is None or event.at < max(expires, release.resumed) + UNREAD:
        return release, ()
    unread = f"the gate before {place_name(release, release.gate)} expired, and for {UNREAD:.0f} s it could not be read"
    if release.policy.on_gate_expiry == "rollback":
        return roll_back(release, event.at, ExitCode.GATE_EXPIRED, unread)
    said = f"{unread} whether somebody had decided; holding until it can be"
    return tell_once(release, "GateUnread", said, alarm=True)


def go_on(release: Release, at: float) -> Step:
    """Past an open gate: back to the step it follows, which may end by what the judge says now.

    An hour may have passed since it said HEALTHY. The wait at the gate is no part of the hold.
    """
    if release.pending is not None:
        return release, ()
    if release.step < 0:
        return next_step(release, at)
    phase = Phase.BAKING if release.baking else Phase.JUDGING
    return hold(replace(enter(release, phase, at), since=at - release.held), at)


def pause_requested(release: Release, event: on.PauseRequested) -> Step:
    """No step forward; judging goes on, and so does the deadline."""
    if _stale(release, event):
        return release, ()
    release = _heard(release, event)
    if not _forward(release):
        return tell(release, "NotPaused", f"{event.by} asked to pause: {_place(release)}, where nothing waits")
    return tell(replace(release, paused=True), "Paused", f"paused by {event.by}{_because(event)}")


def resume_requested(release: Release, event: on.ResumeRequested) -> Step:
    """Go on from where it stands."""
    if _stale(release, event):
        return release, ()
    release = replace(_heard(release, event), paused=False)
    return tell(release, "Resumed", f"resumed by {event.by}{_because(event)}")


def skip_requested(release: Release, event: on.SkipRequested) -> Step:
    """The present step's wait is over, its judging is not: it ends now if what the judge says now lets it.

    HEALTHY need not wait for the minimum hold. UNDECIDED need not wait for the maximum one, where every guard of the
    judge lets it proceed. A gate stays closed: it is opened by a decision about it.
    """
    if _stale(release, event):
        return release, ()
    release = _heard(release, event)
    may = release.verdict is Verdict.UNDECIDED and release.may_proceed and not release.absent
    why = _against(release, event.at, enough=release.verdict is Verdict.HEALTHY or may)
    if why:
        return tell(release, "NotSkipped", f"{event.by} asked to skip the wait; not done: {why}")
    said = f"{event.by} ends this step's wait at {release.verdict}{_because(event)}"
    return join(tell(release, "Skipped", said), next_step, event.at)


def promote_requested(release: Release, event: on.PromoteRequested) -> Step:
    """To the bake at once, or out of it; only at HEALTHY, and never past a gate."""
    if _stale(release, event):
        return release, ()
    release = _heard(release, event)
    why = _against(release, event.at, enough=release.verdict is Verdict.HEALTHY) or _gate_between(release)
    if why:
        return tell(release, "NotPromoted", f"{event.by} asked to promote; not done: {why}")
    said = f"{event.by} passes over what is left of the plan{_because(event)}"
    if release.baking:
        return join(tell(release, "PromotedEarly", said), next_step, event.at)
    return join(tell(release, "PromotedEarly", said), shift, event.at, len(release.policy.steps))


def out_of_turn(release: Release, event: on.SkipRequested | on.PromoteRequested) -> Step:
    """Where no step is judged there is nothing to skip and nothing to go by."""
    if _stale(release, event):
        return release, ()
    release = _heard(release, event)
    what = "skip the wait" if isinstance(event, on.SkipRequested) else "promote"
    why = "it waits at a gate: canary approve" if release.phase is Phase.GATED else _place(release)
    return tell(release, "NotDone", f"{event.by} asked to {what}; not done: {why}")


def _against(release: Release, at: float, *, enough: bool) -> str:
    """What stands against ending the step by a person's word; empty when nothing does."""
    if not enough:
        return f"the judge says {release.verdict}: {release.absence or release.sentence or 'no look in this step yet'}"
    return against_raising(replace(release, short=False) if release.baking else release, at)


def _gate_between(release: Release) -> str:
    places = range(release.step + 1, len(release.policy.steps) + 1)
    gates = [place for place in places if release.gate_before(place) is not None and release.approved < place]
    return f"there is a gate before {place_name(release, gates[0])}" if gates else ""


def _heard(release: Release, event: Asked) -> Release:
    return replace(release, heard=max(release.heard, event.number))


def _stale(release: Release, event: Asked) -> bool:
    """Whether it was answered already: what is read by level may be told twice."""
    return 0 < event.number <= release.heard


def _forward(release: Release) -> bool:
    return release.outcome is None and (release.phase, release.stage) not in PROMOTED


def _place(release: Release) -> str:
    if release.outcome is not None:
        return "it is being rolled back"
    return f"it is {release.phase}"


def _because(event: Asked) -> str:
    return f": {event.reason}" if event.reason else ""
