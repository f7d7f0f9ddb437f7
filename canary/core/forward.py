"""The way forward: from the first check to the promoted service. One function per row of the machine's table."""

from __future__ import annotations

from analysis.model import Verdict
from analysis.plural import counted
from canary.core import effects as do
from canary.core import events as on
from canary.core.absence import no_data, unseen
from canary.core.alerts import alerts, ended
from canary.core.gates import waiting
from canary.core.moves import (
    Step,
    ask,
    chain,
    end,
    enter,
    join,
    lower,
    nobody_there,
    percent,
    roll_back,
    tell,
    tell_once,
)
from canary.core.outcome import ExitCode
from canary.core.release import FULL, Phase, Release, Stage
from canary.core.replacing import replace
from canary.core.settling import Settling, timeout, traffic_followed

BASELINE = (
    "in each step the canary is compared with a fresh baseline: stable's version in pods of the canary's age and size"
)

FIRST = "there is no stable version yet: this one is deployed directly, without a canary and without a comparison"


def start(release: Release, event: on.Started) -> Step:
    """Nothing is touched before preflight has passed."""
    release = replace(release, started=event.at, renewed=event.at)
    step = ask(enter(release, Phase.PREFLIGHT, event.at), do.RunPreflight)
    return chain(step, do.Tell, reason="Started", message="checking what the release needs; nothing is touched yet")


def preflight_passed(release: Release, event: on.PreflightPassed) -> Step:
    """The first touch is the fence."""
    release = replace(release, first=event.first)
    step: Step = (enter(release, Phase.PROVISIONING, event.at, Stage.FENCING), ())
    for warning in event.warnings:
        step = chain(step, do.Tell, reason="Warning", message=f"warning: {warning}")
    return chain(step, do.TakeFence)


def preflight_failed(release: Release, event: on.PreflightFailed) -> Step:
    """Nothing was touched: the world is as before."""
    return end(release, Phase.ROLLED_BACK, event.at, event.code, event.reason)


def fence_taken(release: Release, event: on.FenceTaken) -> Step:
    """Go on with what was pending before the takeover, or build the canary's workload."""
    release = replace(release, fenced=True)
    if release.suspended is not None:
        return ask_again(replace(release, pending=release.suspended, suspended=None), event.at)
    if release.stage is not Stage.FENCING:
        return replace(release, pending=None), ()
    if release.policy.has_workload:
        release = enter(release, Phase.PROVISIONING, event.at, Stage.BUILDING)
        if release.first:
            step = ask(release, do.ProvisionWorkload, share=FULL, first=True)
            return chain(step, do.Tell, reason="Checked", message=f"nothing stands against it; {FIRST}")
        step = ask(release, do.ProvisionWorkload, share=release.policy.steps[0].share)
        return chain(
            step, do.Tell, reason="Checked", message="nothing stands against it; the canary's pods are started"
        )
    return ask(enter(release, Phase.PROVISIONING, event.at, Stage.ATTACHING), do.AttachCanary)


def workload_ready(release: Release, event: on.WorkloadReady) -> Step:
    """A reference before its endpoints would turn the rule into 500s on some gateways; a share likewise.

    A first version is ready where the route sends already: there is nothing to move, and nothing to go back to.
    """
    if release.first:
        step = ask(enter(release, Phase.CLEANING, event.at, Stage.DETACHING), do.DetachCanary)
        return chain(step, do.Tell, reason="FirstReady", message="the first version is ready; the route sends to it")
    if release.phase is Phase.PROVISIONING:
        step = ask(enter(release, Phase.PROVISIONING, event.at, Stage.ATTACHING), do.AttachCanary)
        return step if event.baseline is None else chain(step, do.Tell, reason="BaselineReady", message=BASELINE)
    return write_share(release, event.at)


def write_share(release: Release, at: float) -> Step:
    """Raise to the share of the step it is at, as soon as nothing stands against it."""
    release, _ = ask(enter(release, Phase.SHIFTING, at, Stage.WRITING), do.RaiseShare, share=release.current.share)
    return ask_again(release, at)


def ask_again(release: Release, at: float) -> Step:
    """Hand the pending effect out; a raise only while nothing stands against it, else look again in a second."""
    if release.pending is None:
        return release, ()
    if isinstance(release.pending, do.LowerShare) and release.stable_gone:
        return nobody_there(release, at)
    against = against_raising(release, at) if isinstance(release.pending, do.RaiseShare) else ""
    if against:
        return tell_once(replace(release, retry_at=at + 1.0), "Waiting", f"not raised: {against}")
    return replace(release, retry_at=None), (release.pending,)


def shift(release: Release, at: float, step: int) -> Step:
    """Begin a step: first make the canary large enough for its share, then raise."""
    release = replace(release, step=step, may_proceed=False, sentence="", basis="", alerted=())
    if release.policy.has_workload:
        release = enter(release, Phase.SHIFTING, at, Stage.BUILDING)
        return ask(release, do.ProvisionWorkload, share=release.current.share)
    return write_share(release, at)


def workload_failed(release: Release, event: on.WorkloadFailed) -> Step:
    """A canary that does not become ready is a verdict with the cluster's reason, not a wait.

    A fresh baseline that does not is none on the new version: there is nothing to compare it with.
    """
    if event.baseline:
        return roll_back(
            release, event.at, ExitCode.NO_EVIDENCE, f"the fresh baseline did not become ready: {event.reason}"
        )
    what = "the first version" if release.first else "the canary"
    return roll_back(release, event.at, ExitCode.JUDGED_BAD, f"{what} did not become ready: {event.reason}")


def canary_attached(release: Release, event: on.CanaryAttached) -> Step:
    """The first raise waits until the gateway has accepted the reference."""
    settling = Settling(since=event.at)
    release = replace(release, pending=None, generation=event.generation, settling=settling, lives=1)
    return tell(release, "CanaryAttached", "the canary's reference stands in the route with weight 0")


def route_accepted(release: Release, event: on.RouteAccepted) -> Step:
    """Remember the gateway's word about our newest generation; after attaching it opens the first step."""
    if release.settling is None or event.generation < release.generation or release.pending is not None:
        return release, ()
    release = replace(release, settling=replace(release.settling, accepted=event.good))
    if not event.good:
        return tell_once(release, "NotAccepted", f"the gateway does not accept the route: {event.reason}")
    if release.phase is Phase.PROVISIONING:
        return next_step(release, event.at)
    return release, ()


def tick_while_provisioning(release: Release, event: on.Ticked) -> Step:
    """The gateway's word about the reference is waited for as long as for traffic to follow a raise."""
    settling = release.settling
    if settling is None or release.pending is not None or release.stage is not Stage.ATTACHING:
        return release, ()
    if settling.accepted:
        return next_step(release, event.at)
    waited = event.at - settling.since
    if waited < release.policy.settle_least:
        return release, ()
    finding = (
        f"NOT_SETTLED: the gateway did not accept the canary's reference within {release.policy.settle_least:.0f} s"
    )
    if release.policy.no_traffic == "rollback":
        return roll_back(release, event.at, ExitCode.NO_EVIDENCE, finding)
    return tell_once(release, "NotAccepted", finding)


def next_step(release: Release, at: float) -> Step:
    """Open the next step, or say once what stands against raising; the bake follows the last step."""
    following = release.step + 1
    promoting = following > len(release.policy.steps)
    against = against_raising(replace(release, short=False) if promoting else release, at)
    if against:
        return tell_once(release, "Waiting", f"not {'promoted' if promoting else 'raised'}: {against}")
    gate = release.gate_before(following)
    if gate is not None and release.approved < following:
        held = at - release.since if release.step >= 0 else 0.0
        release = replace(enter(release, Phase.GATED, at), held=held)
        return tell(release, "GateWaiting", waiting(release))
    return promote(release, at) if promoting else shift(release, at, following)


def against_raising(release: Release, at: float) -> str:
    """What stands against giving the canary more traffic now; empty when nothing does."""
    if release.paused:
        return "paused"
    if not release.fenced:
        return "our token is not on the route yet"
    if release.suspect:
        return f"somebody else changed the route ({release.suspect})"
    if release.short:
        return "stable has fewer ready endpoints than at the start, and must be able to take everything back"
    if at - release.renewed > release.policy.lease_grace:
        return f"the lease was last confirmed {at - release.renewed:.0f} s ago"
    # It goes back with the next tick, and a request that comes late would raise after that.
    return "its deadline has passed" if at - release.started >= release.policy.deadline else ""


def raised(release: Release, event: on.ShareWritten) -> Step:
    """A raise counts only when traffic is seen to follow."""
    release = replace(release, share=event.share, generation=event.generation, lives=1)
    release = replace(enter(release, Phase.SETTLING, event.at), settling=Settling(since=event.at))
    return tell(release, "ShareRaised", f"canary raised to {percent(event.share)}")


def look_while_settling(release: Release, event: on.Looked) -> Step:
    """Looks count for the judge only after traffic was seen to follow."""
    release = _with_look(release, event)
    settling = release.settling
    if settling is None or not traffic_followed(settling, share=release.share, exact=release.policy.exact_split):
        return release, ()
    return settled(release, event.at)


def settled(release: Release, at: float) -> Step:
    """Begin to judge the step."""
    phase = Phase.BAKING if release.baking else Phase.JUDGING
    release = replace(enter(release, phase, at), verdict=Verdict.NO_DATA, may_proceed=False, sentence="", absent="")
    release = replace(release, alerted=())
    step = ask(release, do.RestartJudge, step=release.step, share=release.share, baking=release.baking)
    return chain(step, do.Tell, reason="Settled", message=f"traffic follows {percent(release.share)}")


def tick_while_settling(release: Release, event: on.Ticked) -> Step:
    """Traffic that does not follow in time is a finding; the policy says what then."""
    settling = release.settling
    if settling is None:
        return release, ()
    limit = timeout(settling, now=event.at, share=release.share, least=release.policy.settle_least)
    if event.at - settling.since < limit:
        return release, ()
    why = "the gateway has not accepted the change"
    if settling.accepted:
        why = f"{counted(settling.seen, 'canary request')} seen" + (f"; {settling.unseen}" if settling.unseen else "")
    finding = f"NOT_SETTLED: traffic did not follow {percent(release.share)} within {limit:.0f} s ({why})"
    match release.policy.no_traffic:
        case "rollback":
            return roll_back(release, event.at, ExitCode.NO_EVIDENCE, finding)
        case "proceed" if settling.accepted:
            return join(tell(release, "NotSettled", finding), settled, event.at)
        case _:
            return tell_once(release, "NotSettled", finding)


def look_while_judging(release: Release, event: on.Looked) -> Step:
    """UNHEALTHY rolls back at once, whatever else is waiting; HEALTHY opens the next step after the hold."""
    judgement = event.judgement
    if judgement is None:
        return release, ()
    release = replace(
        release,
        verdict=judgement.verdict,
        may_proceed=judgement.may_proceed,
        sentence=judgement.sentence,
        absent=judgement.absent,
        absence=judgement.absence,
        basis=judgement.basis,
    )
    if judgement.verdict is Verdict.UNHEALTHY:
        return roll_back(release, event.at, ExitCode.JUDGED_BAD, judgement.sentence)
    return join(alerts(release, judgement), hold, event.at)


def look_missed(release: Release, event: on.LookMissed) -> Step:
    """Nothing new to judge is NO_DATA, never healthy; the evidence so far is kept by the judge."""
    release = replace(release, verdict=Verdict.NO_DATA, may_proceed=False, sentence=event.reason)
    return hold(replace(release, absent=unseen(release.policy, event.cause), absence=event.reason), event.at)


def tick_while_judging(release: Release, event: on.Ticked) -> Step:
    """Holds end by time, too."""
    return hold(release, event.at)


def hold(release: Release, at: float) -> Step:
    """End the step if it may end: HEALTHY after the minimum hold, otherwise by policy at the maximum."""
    if release.phase is Phase.GATED or release.paused:
        return release, ()
    step, held = release.current, at - release.since
    if release.verdict is Verdict.HEALTHY and held >= step.hold_min:
        after, done = next_step(release, at)
        if after.phase is release.phase:
            return after, done
        return join(tell(release, "Healthy", ended(release, "HEALTHY")), next_step, at)
    if held < step.hold_max:
        return release, ()
    unseen = release.absent or release.verdict is Verdict.NO_DATA
    return no_data(release, at) if unseen else undecided(release, at)


def undecided(release: Release, at: float) -> Step:
    """An UNDECIDED step at its maximum hold; it proceeds only when every guard of the judge lets it."""
    match release.policy.undecided:
        case "proceed" if release.may_proceed:
            against = against_raising(release, at)
            if against:
                return tell_once(release, "Waiting", f"not raised: {against}")
            step = tell_once(release, "ProceedingUndecided", ended(release, "proceeding UNDECIDED"))
            return join(step, next_step, at)
        case "rollback":
            return roll_back(release, at, ExitCode.NO_EVIDENCE, ended(release, "undecided by the end of the hold"))
        case "pause":
            return tell(replace(release, paused=True), "Paused", ended(release, "paused, undecided"))
        case _:
            return tell_once(release, "Extending", "still undecided at the maximum hold, looking on")


def promote(release: Release, at: float) -> Step:
    """Stable gets the new version at 0 % traffic; without a workload of ours the traffic stays where it is."""
    if not release.policy.has_workload:
        return ask(enter(release, Phase.CLEANING, at, Stage.DETACHING), do.DetachCanary, keep=True)
    step = ask(enter(release, Phase.PROMOTING, at, Stage.UPDATING), do.UpdateStable)
    hook = release.policy.hook
    message = "stable gets the new version while it carries no traffic"
    if hook is not None:
        message = f"stable is to get the new version from your own tool; waiting for it, {hook:.0f} s at most"
    return chain(step, do.Tell, reason="Promoting" if hook is None else "HookWaiting", message=message)


def look_while_promoting(release: Release, event: on.Looked) -> Step:
    """Until stable is updated a bad canary still goes back; afterwards the return of traffic is watched."""
    if release.stage is Stage.UPDATING:
        if event.judgement is not None and event.judgement.verdict is Verdict.UNHEALTHY:
            return roll_back(release, event.at, ExitCode.JUDGED_BAD, event.judgement.sentence)
        return release, ()
    if release.stage is not Stage.RETURNING:
        return release, ()
    return returned(_with_look(release, event), event.at)


def stable_updated(release: Release, event: on.StableUpdated) -> Step:
    """From here on only forward: all traffic goes to stable, which runs the new version."""
    release = replace(enter(release, Phase.PROMOTING, event.at, Stage.RETURNING), lives=1)
    return lower(release, event.at)


def stable_reverted(release: Release, event: on.StableReverted) -> Step:
    """Stable runs its old version again; now the traffic goes back to it."""
    return lower(enter(release, Phase.ROLLING_BACK, event.at, Stage.WRITING), event.at)


def traffic_returning(release: Release, event: on.ShareWritten) -> Step:
    """The weights are back on stable; wait until no new canary request is seen."""
    release = replace(release, share=event.share, generation=event.generation, pending=None)
    release = replace(release, settling=Settling(since=event.at))
    if event.alarms:
        return not_lowered(release, event)
    return tell(release, "TrafficReturning", "traffic goes back to stable, which runs the new version")


def not_lowered(release: Release, event: on.ShareWritten) -> Step:
    """A rule without stable cannot give its traffic back; a person is asked, and the canary goes on serving it."""
    return tell_once(release, "NotLowered", " ".join(event.alarms), alarm=True)


def returned(release: Release, at: float) -> Step:
    """Clean up once the canary is quiet, or once the drain has passed."""
    if release.pending is not None or release.settling is None or not drained(release, at):
        return release, ()
    return ask(enter(release, Phase.CLEANING, at, Stage.DETACHING), do.DetachCanary)


def tick_while_promoting(release: Release, event: on.Ticked) -> Step:
    """A drain ends by time, too, and so does the wait for somebody else to update stable, unless it is put back."""
    if release.stage is Stage.RETURNING:
        return returned(release, event.at)
    hook = release.policy.hook
    if hook is not None and event.at - release.since >= hook:
        reason = f"nobody gave stable the new version within {hook:.0f} s"
        return roll_back(release, event.at, ExitCode.GATE_EXPIRED, reason)
    return release, ()


def drained(release: Release, at: float) -> bool:
    """Whether a lowering is done: accepted and quiet for one settle window, or the drain has passed."""
    settling = release.settling
    if settling is None:
        return False
    quiet = settling.accepted and settling.quiet >= release.policy.settle_window
    return quiet or at - settling.since >= release.policy.drain


def _with_look(release: Release, event: on.Looked) -> Release:
    if release.settling is None:
        return release
    seen = release.settling.look(
        start=event.start, end=event.end, stable=event.stable, canary=event.canary, unseen=event.unseen
    )
    return replace(release, settling=seen)
