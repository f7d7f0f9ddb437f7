"""The state machine: every transition of a release is in the table below, and nowhere else.

How to read it. A row says: in these phases, when this happened, this function decides, and the release may then
be in these phases (or stay). The functions live in `forward`, `gating`, `backward`, `ending`; they are pure, and time
comes with the event. `advance` is total: what has no row is ignored (an answer that comes too late, a look in a phase
without judging), except in a final phase, where an event is an error of the caller. An answer counts only when it names
the effect that is pending. Three things are true in every phase that is not final, whatever the row says:

* a decision to roll back is never undone, and after it the canary's weight never rises;
* nothing is raised without a fence, a lease confirmed lately, enough stable endpoints and a clear word of the judge
  (or of the policy that the user wrote for the lack of one);
* time is judged first: the last call, the deadline and retries come before what a tick means in a phase.

The diagram in this package's README is drawn from this table (`python -m canary.core.diagram`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from canary.core import backward, ending, forward, gating
from canary.core import effects as do
from canary.core import events as on
from canary.core.moves import Step
from canary.core.release import FINAL, Phase, Release
from canary.core.replacing import replace

P = Phase
LIVE = frozenset(Phase) - FINAL
TOUCHED = frozenset({P.PROVISIONING, P.SHIFTING, P.SETTLING, P.JUDGING, P.GATED, P.BAKING})
"""Phases on the way forward in which something of ours is in the world: from here back is ROLLING_BACK."""
LEAVING = frozenset({P.PROMOTING, P.CLEANING, P.ROLLING_BACK})
"""Phases in which traffic goes back to stable."""
BACK = frozenset({P.ROLLING_BACK, P.ROLLED_BACK})
"""Where a decision to roll back leads from any phase: before PROVISIONING there is nothing to undo."""

PAST_GATE = frozenset({P.JUDGING, P.SHIFTING, P.BAKING, P.PROMOTING, P.CLEANING})
"""Where an open gate leads: back to the step it follows, which may end in the same moment."""
WAITED = frozenset({P.JUDGING, P.BAKING})
"""Phases whose wait a person may end."""


class ReleaseEnded(Exception):
    """An event came for a release that is over."""


class IllegalTransition(Exception):
    """A handler went where its row does not allow; a bug of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table: in `phases`, `event` is handled by `handle` and may lead `to` (or stay)."""

    phases: frozenset[Phase]
    event: type[on.Event]
    handle: Callable[[Release, Any], Step]
    to: frozenset[Phase]


def _row(phases: Any, event: Any, handle: Callable[[Release, Any], Step], *to: Any) -> Row:
    targets = frozenset(p for t in to for p in (t if isinstance(t, frozenset) else (t,)))
    return Row(
        phases=phases if isinstance(phases, frozenset) else frozenset({phases}),
        event=event,
        handle=handle,
        to=targets,
    )


TABLE: tuple[Row, ...] = (
    _row(P.PENDING, on.Started, forward.start, P.PREFLIGHT),
    _row(P.PREFLIGHT, on.PreflightPassed, forward.preflight_passed, P.PROVISIONING),
    _row(P.PREFLIGHT, on.PreflightFailed, forward.preflight_failed, P.ROLLED_BACK),
    _row(P.PROVISIONING, on.WorkloadReady, forward.workload_ready, P.CLEANING),
    _row(P.PROVISIONING, on.WorkloadFailed, forward.workload_failed, P.ROLLING_BACK),
    _row(P.PROVISIONING, on.CanaryAttached, forward.canary_attached),
    _row(P.PROVISIONING, on.RouteAccepted, forward.route_accepted, P.SHIFTING, P.GATED),
    _row(P.PROVISIONING, on.Ticked, forward.tick_while_provisioning, P.SHIFTING, P.GATED, P.ROLLING_BACK),
    _row(P.SHIFTING, on.WorkloadReady, forward.workload_ready),
    _row(P.SHIFTING, on.WorkloadFailed, forward.workload_failed, P.ROLLING_BACK),
    _row(P.SHIFTING, on.ShareWritten, forward.raised, P.SETTLING),
    _row(P.SETTLING, on.RouteAccepted, forward.route_accepted),
    _row(P.SETTLING, on.Looked, forward.look_while_settling, P.JUDGING, P.BAKING),
    _row(P.SETTLING, on.Ticked, forward.tick_while_settling, P.JUDGING, P.BAKING, P.ROLLING_BACK),
    _row(P.JUDGING, on.Looked, forward.look_while_judging, P.SHIFTING, P.GATED, P.ROLLING_BACK),
    _row(P.JUDGING, on.LookMissed, forward.look_missed, P.ROLLING_BACK),
    _row(P.JUDGING, on.Ticked, forward.tick_while_judging, P.SHIFTING, P.GATED, P.ROLLING_BACK),
    _row(P.GATED, on.Looked, forward.look_while_judging, P.ROLLING_BACK),
    _row(P.GATED, on.LookMissed, forward.look_missed),
    _row(P.GATED, on.GateDecided, gating.gate_decided, PAST_GATE, P.ROLLING_BACK),
    _row(P.GATED, on.GateTroubled, gating.gate_troubled),
    _row(P.GATED, on.GateUnanswered, gating.gate_unanswered, PAST_GATE, P.ROLLING_BACK),
    _row(P.GATED, on.Ticked, gating.tick_while_gated, PAST_GATE, P.ROLLING_BACK),
    _row(P.BAKING, on.Looked, forward.look_while_judging, P.GATED, P.PROMOTING, P.CLEANING, P.ROLLING_BACK),
    _row(P.BAKING, on.LookMissed, forward.look_missed, P.ROLLING_BACK),
    _row(P.BAKING, on.Ticked, forward.tick_while_judging, P.GATED, P.PROMOTING, P.CLEANING, P.ROLLING_BACK),
    _row(P.PROMOTING, on.StableUpdated, forward.stable_updated),
    _row(P.PROMOTING, on.WorkloadFailed, backward.stable_update_failed),
    _row(P.PROMOTING, on.StableReverted, forward.stable_reverted, P.ROLLING_BACK),
    _row(P.PROMOTING, on.ShareWritten, forward.traffic_returning),
    _row(P.PROMOTING, on.RouteAccepted, backward.accepted_while_leaving, P.CLEANING),
    _row(P.PROMOTING, on.Looked, forward.look_while_promoting, P.CLEANING),
    _row(P.PROMOTING, on.Ticked, forward.tick_while_promoting, P.CLEANING),
    _row(P.CLEANING, on.CanaryDetached, ending.detached, P.SUCCEEDED),
    _row(P.CLEANING, on.WorkloadRemoved, ending.workload_removed, P.SUCCEEDED),
    _row(P.ROLLING_BACK, on.ShareWritten, backward.write_lowered),
    _row(P.ROLLING_BACK, on.RouteAccepted, backward.accepted_while_leaving),
    _row(P.ROLLING_BACK, on.Looked, backward.look_while_draining),
    _row(P.ROLLING_BACK, on.Ticked, backward.tick_while_rolling_back),
    _row(P.ROLLING_BACK, on.CanaryDetached, ending.detached, P.ROLLED_BACK),
    _row(P.ROLLING_BACK, on.WorkloadRemoved, ending.workload_removed, P.ROLLED_BACK),
    _row(TOUCHED, on.RouteChanged, backward.route_changed, P.ROLLING_BACK),
    _row(TOUCHED, on.StableChanged, backward.stable_changed, P.ROLLING_BACK),
    _row(TOUCHED, on.CapacityChanged, backward.capacity_changed, P.ROLLING_BACK),
    _row(LEAVING, on.CapacityChanged, backward.capacity_while_leaving),
    _row(P.PROMOTING, on.RouteChanged, backward.route_changed_on_the_way_back),
    _row(P.CLEANING, on.RouteChanged, backward.route_changed_on_the_way_back, P.PROMOTING),
    _row(P.ROLLING_BACK, on.RouteChanged, backward.route_changed_on_the_way_back),
    _row(LIVE, on.Resumed, backward.resumed, P.PREFLIGHT, BACK),
    _row(LIVE, on.FenceTaken, forward.fence_taken),
    _row(LIVE, on.FenceLost, backward.fence_lost),
    _row(LIVE, on.EffectFailed, backward.effect_failed, P.CLEANING, FINAL, BACK),
    _row(LIVE, on.LeaseRenewed, backward.lease_renewed),
    _row(LIVE, on.AbortRequested, backward.abort_requested, BACK),
    _row(LIVE, on.PauseRequested, gating.pause_requested),
    _row(LIVE, on.ResumeRequested, gating.resume_requested),
    _row(P.JUDGING, on.SkipRequested, gating.skip_requested, P.SHIFTING, P.GATED),
    _row(P.BAKING, on.SkipRequested, gating.skip_requested, P.GATED, P.PROMOTING, P.CLEANING),
    _row(LIVE - WAITED, on.SkipRequested, gating.out_of_turn),
    _row(P.JUDGING, on.PromoteRequested, gating.promote_requested, P.SHIFTING),
    _row(P.BAKING, on.PromoteRequested, gating.promote_requested, P.GATED, P.PROMOTING, P.CLEANING),
    _row(LIVE - WAITED, on.PromoteRequested, gating.out_of_turn),
)


def _index(table: tuple[Row, ...]) -> dict[tuple[Phase, type[on.Event]], Row]:
    index: dict[tuple[Phase, type[on.Event]], Row] = {}
    for row in table:
        for phase in row.phases:
            if (phase, row.event) in index:
                raise IllegalTransition(f"two rows for {row.event.__name__} in {phase}")
            index[phase, row.event] = row
    return index


_ROWS = _index(TABLE)


def advance(release: Release, event: on.Event) -> Step:
    """What the release is after an event, and what is to be done.

    Args:
        release: where it stands; never changed.
        event: what happened, with its time.

    Returns:
        The release afterwards and the effects, in the order in which they are to be carried out.

    Raises:
        ReleaseEnded: the release is in a final phase.
        IllegalTransition: a bug of ours; nothing has been done.
    """
    if release.phase in FINAL:
        raise ReleaseEnded(f"{type(event).__name__} came for a release that is {release.phase}")
    if _late(release, event):
        return release, ()
    if isinstance(event, on.Ticked):
        release, effects = backward.tick(release, event)
        if effects:
            return release, effects
    row = _ROWS.get((release.phase, type(event)))
    if row is None:
        return release, ()
    after, effects = row.handle(release, event)
    if after.phase is not release.phase and after.phase not in row.to:
        raise IllegalTransition(f"{type(event).__name__} led from {release.phase} to {after.phase}")
    return after, effects


ANSWERS: dict[type[on.Event], tuple[type[do.Work], ...]] = {
    on.PreflightPassed: (do.RunPreflight,),
    on.PreflightFailed: (do.RunPreflight,),
    on.FenceTaken: (do.TakeFence,),
    on.WorkloadReady: (do.ProvisionWorkload,),
    on.WorkloadFailed: (do.ProvisionWorkload, do.UpdateStable, do.RevertStable),
    on.CanaryAttached: (do.AttachCanary,),
    on.ShareWritten: (do.RaiseShare, do.LowerShare),
    on.StableUpdated: (do.UpdateStable,),
    on.StableReverted: (do.RevertStable,),
    on.CanaryDetached: (do.DetachCanary,),
    on.WorkloadRemoved: (do.RemoveWorkload,),
}
"""Which effects an event can answer; EffectFailed answers any."""


def _late(release: Release, event: on.Event) -> bool:
    """Whether this answers an effect that is not pending any more."""
    effect = getattr(event, "effect", None)
    if effect is None:
        return False
    pending = release.pending
    if pending is None or pending.id != effect:
        return True
    return not isinstance(pending, ANSWERS.get(type(event), type(pending)))


def begin(release: Release, incarnation: str) -> Release:
    """A release as a given incarnation begins it."""
    return replace(release, incarnation=incarnation)
