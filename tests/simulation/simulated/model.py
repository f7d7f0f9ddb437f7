"""A small model around the pure machine, explored exhaustively: one step and the bake, an abstract world, every event.

A state is the release, what the world looks like (share, stable's version, the canary, the token), the effect in
flight, and what the judge has said of the step. Times count relative to now and only as far as a rule of the machine
can tell them apart, so the states are finitely many and exploring them all to a depth explores every history that long.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from analysis.model import Judgement, Verdict
from canary.core import effects as do
from canary.core import events as on
from canary.core.machine import advance
from canary.core.moves import ANSWERED, LATE_CREATE
from canary.core.outcome import ExitCode
from canary.core.release import FINAL, FULL, NONE, Phase, Policy, Release, StepPolicy
from canary.core.replacing import replace

SHORT, LONG, DEADLINE, LAST = 1.0, 61.0, 4000.0, 6000.0
"""Steps of time: a tick, every hold and wait over, the deadline over, the last call over."""


def policy(**changes: Any) -> Policy:
    """One step of 50 % and the bake."""
    given = Policy(
        steps=(StepPolicy(share=Decimal(50), hold_min=0.5, hold_max=60.0),),
        bake_min=0.5,
        bake_max=60.0,
        settle_window=2.0,
        settle_least=60.0,
        drain=20.0,
        deadline=DEADLINE - 10,
        last_call=LAST - 10,
        exact_split=True,
    )
    return dataclasses.replace(given, **changes)


@dataclass(frozen=True)  # no slots: see `replacing`
class State:
    """One state of the model.

    Attributes:
        release: as the machine has it, and as the journal has it.
        now: the time.
        flight: the effect handed out and not answered; None when none is.
        share, updated, canary: the world: the canary's share, whether stable runs the new version, whether the
            canary's workload is there.
        passed: the judge, or the policy, has let the step pass that the world stands at.
        opened: the newest step whose gate a person opened; -1 for none.
        decided: somebody decided to roll back.
        over: the exit code handed out; None while there is none.
        first: there is no stable version when the release begins.
        made, kept: the release has made stable's workload; it has let go of it.
    """

    release: Release
    now: float = 1000.0
    flight: do.Work | None = None
    share: Decimal = NONE
    updated: bool = False
    canary: bool = False
    passed: bool = False
    opened: int = -1
    decided: bool = False
    over: ExitCode | None = None
    first: bool = False
    made: bool = False
    kept: bool = False


class Violation(AssertionError):
    """An invariant does not hold; the message names it."""


def begin(given: Policy, *, first: bool = False) -> State:
    """Before anything."""
    return State(Release(uid="r1", incarnation="i1", policy=given), first=first)


def moves(state: State) -> Iterator[tuple[str, State]]:
    """Everything that can happen next, with its name."""
    if state.over is not None and state.over is not ExitCode.ROLLBACK_INCOMPLETE:
        return
    if state.release.phase is Phase.PENDING:
        yield "started", step(state, on.Started(at=state.now))
        return
    yield from _answers(state)
    yield from _time(state)
    yield from _seen(state)
    yield from _people(state)


def _answers(state: State) -> Iterator[tuple[str, State]]:
    flight = state.flight
    if flight is not None:
        done = applied(state, flight)
        for event in answers(flight, state):
            yield f"{flight.kind} done", step(replace(done, flight=None), event)
        for failure in on.Failure:
            failed = on.EffectFailed(at=state.now, effect=flight.id, failure=failure, message=failure)
            # A route that is gone sends nobody anywhere; that one that is there is said to be gone is not played.
            gone = failure is on.Failure.GONE and isinstance(flight, do.LowerShare | do.DetachCanary)
            left = replace(state, flight=None, share=NONE if gone else state.share)
            yield f"{flight.kind} {failure}", step(left, failed)
        lost = on.EffectFailed(at=state.now, effect=flight.id, failure=on.Failure.UNAVAILABLE, message="lost")
        yield f"{flight.kind} done, answer lost", step(replace(done, flight=None), lost)
        if isinstance(flight, do.ProvisionWorkload | do.UpdateStable | do.RevertStable):
            bad = on.WorkloadFailed(at=state.now, effect=flight.id, reason="crash loop")
            yield f"{flight.kind} hopeless", step(replace(done, flight=None), bad)
        yield "crash after", crash(done)
    yield "crash", crash(state)


def crash(state: State) -> State:
    """A new incarnation goes on from the journal."""
    return step(replace(state, flight=None, over=None), on.Resumed(at=state.now, incarnation="i2"))


def applied(state: State, effect: do.Work) -> State:  # noqa: PLR0911 - one line per effect
    """The world after an effect."""
    match effect:
        case do.RaiseShare():
            if effect.share > state.share and state.decided:
                raise Violation("raised after a decision to roll back")
            return replace(state, share=effect.share, passed=False)
        case do.LowerShare():
            return replace(state, share=NONE)
        case do.ProvisionWorkload(first=True):
            if state.kept or not state.first:
                raise Violation("stable's workload is made where there is one")
            return replace(state, made=True)
        case do.ProvisionWorkload():
            return replace(state, canary=True)
        case do.RemoveWorkload():
            if state.share > 0:
                raise Violation("the canary is removed while it has traffic")
            kept = state.kept or (state.made and effect.keep)
            return replace(state, canary=False, kept=kept, made=kept)
        case do.UpdateStable():
            if state.decided:
                raise Violation("stable is updated after a decision to roll back")
            return replace(state, updated=True)
        case do.RevertStable():
            return replace(state, updated=False)
        case _:
            return state


def answers(effect: do.Work, state: State) -> list[on.Event]:  # noqa: PLR0911 - one line per effect
    """What a world that did it says."""
    at, generation = state.now, 7
    match effect:
        case do.RunPreflight():
            refused = on.PreflightFailed(at=at, effect=effect.id, code=ExitCode.PREFLIGHT_FAILED, reason="no")
            return [on.PreflightPassed(at=at, effect=effect.id, first=state.first), refused]
        case do.TakeFence():
            return [on.FenceTaken(at=at, effect=effect.id)]
        case do.ProvisionWorkload():
            return [on.WorkloadReady(at=at, effect=effect.id)]
        case do.AttachCanary():
            return [on.CanaryAttached(at=at, effect=effect.id, generation=generation)]
        case do.RaiseShare():
            return [on.ShareWritten(at=at, effect=effect.id, share=effect.share, generation=generation)]
        case do.LowerShare():
            return [on.ShareWritten(at=at, effect=effect.id, share=NONE, generation=generation)]
        case do.UpdateStable():
            return [on.StableUpdated(at=at, effect=effect.id)]
        case do.RevertStable():
            return [on.StableReverted(at=at, effect=effect.id)]
        case do.DetachCanary():
            return [on.CanaryDetached(at=at, effect=effect.id, generation=generation)]
        case do.RemoveWorkload():
            return [on.WorkloadRemoved(at=at, effect=effect.id)]


def _time(state: State) -> Iterator[tuple[str, State]]:
    for name, seconds in (("tick", SHORT), ("wait", LONG), ("deadline", DEADLINE), ("last call", LAST)):
        now = state.now + seconds
        later = step(replace(state, now=now), on.LeaseRenewed(at=now))
        yield name, step(later, on.Ticked(at=now))
    yield "lease silent", step(replace(state, now=state.now + LONG), on.Ticked(at=state.now + LONG))


def _seen(state: State) -> Iterator[tuple[str, State]]:
    now, share = state.now + SHORT, float(state.share) / 100
    moved = replace(state, now=now)
    canary = round(1000 * share)
    counts = {"start": state.now, "end": now, "stable": 1000 - canary, "canary": canary}
    yield "look", step(moved, on.Looked(at=now, **counts))
    for verdict, may in ((Verdict.HEALTHY, False), (Verdict.UNHEALTHY, False), (Verdict.UNDECIDED, True)):
        told = Judgement(
            verdict=verdict,
            findings=(),
            evidence=0.0,
            threshold=4.6,
            looks=9,
            requests=canary,
            may_proceed=may,
            sentence=verdict,
        )
        if state.release.phase in {Phase.JUDGING, Phase.GATED, Phase.BAKING}:
            heard = replace(moved, passed=moved.passed or _passes(state, verdict, may))
            yield f"look {verdict}", step(heard, on.Looked(at=now, judgement=told, **counts))
    yield "look missed", step(state, on.LookMissed(at=state.now, reason="down"))
    for good in (True, False):
        event = on.RouteAccepted(at=state.now, generation=state.release.generation, good=good)
        yield f"accepted {good}", step(state, event)


def _passes(state: State, verdict: Verdict, may: bool) -> bool:
    permitted = may and state.release.policy.undecided == "proceed"
    return verdict is Verdict.HEALTHY or (verdict is Verdict.UNDECIDED and permitted)


def _people(state: State) -> Iterator[tuple[str, State]]:
    at = state.now
    yield "abort", step(state, on.AbortRequested(at=at, by="ann", reason="no"))
    yield "pause", step(state, on.PauseRequested(at=at, by="ann"))
    yield "resume", step(state, on.ResumeRequested(at=at, by="ann"))
    yield "canary gone", step(state, on.CapacityChanged(at=at, stable=3, canary=0))
    yield "stable short", step(state, on.CapacityChanged(at=at, stable=2, canary=3))
    yield "stable changed", step(state, on.StableChanged(at=at, by="ann", sentence="another image"))
    if state.release.phase is Phase.GATED:
        for yes in (True, False):
            told = replace(state, opened=state.release.step + 1) if yes else state
            yield f"gate {yes}", step(told, on.GateDecided(at=at, approved=yes, by="bob", reason=""))
        yield "gate unanswered", step(state, on.GateUnanswered(at=at, gate=state.release.gate))
    if state.share > 0:
        lowered = replace(state, share=NONE)
        change = {"at": at, "by": "ann", "sentence": "by hand"}
        for confirmed in (True, False):
            event = on.RouteChanged(direction=on.Direction.LOWERED, confirmed=confirmed, **change)  # type: ignore[arg-type]
            yield f"lowered by hand {confirmed}", step(lowered, event)


def step(state: State, event: on.Event) -> State:
    """The state after an event, with every invariant of a transition checked."""
    if state.release.phase in FINAL:
        return state
    before = state.release
    after, effects = advance(before, event)
    if before.outcome is not None and (after.outcome is None or after.outcome.code is not before.outcome.code):
        raise Violation(f"the decision {before.outcome.code!r} was taken back")
    decided = state.decided or (after.outcome is not None and after.outcome.code is not ExitCode.PROMOTED)
    state = replace(state, release=after, decided=decided)
    for effect in effects:
        state = _handed_out(state, effect, event)
    return state


def _handed_out(state: State, effect: do.Effect, event: on.Event) -> State:
    release = state.release
    if isinstance(effect, do.RaiseShare):
        _may_raise(state, effect, event)
    if isinstance(effect, do.UpdateStable) and state.share == FULL and not state.passed:
        raise Violation("promoted although nothing let the bake pass")
    if isinstance(effect, ANSWERED):
        return replace(state, flight=effect)
    if isinstance(effect, do.StandBy):
        return replace(state, flight=None, over=ExitCode.HELD_BY_ANOTHER)
    if isinstance(effect, do.Finish):
        _may_end(state, effect)
        return replace(state, flight=None, over=effect.code)
    assert release is not None
    return state


def _may_raise(state: State, effect: do.RaiseShare, event: on.Event) -> None:
    release = state.release
    if state.decided or release.outcome is not None:
        raise Violation("raised after a decision to roll back")
    if not release.fenced or release.paused or release.short or release.suspect:
        raise Violation("raised although something stands against it")
    if event.at - release.renewed > release.policy.lease_grace:
        raise Violation("raised without a lease")
    if effect.share == FULL and state.share not in {FULL, NONE} and not state.passed:
        raise Violation("raised although nothing let the step pass")
    if release.current.gate and release.policy.on_gate_expiry != "proceed" and state.opened < release.step:
        raise Violation("raised past a gate that nobody opened")


def _may_end(state: State, effect: do.Finish) -> None:
    if effect.code is ExitCode.ROLLBACK_INCOMPLETE:
        return
    kept = state.release.phase is Phase.SUCCEEDED and not state.release.policy.has_workload
    gone = any("the route is gone" in sentence for sentence in state.release.leftovers)
    if state.share > 0 and not kept and not gone:
        raise Violation("ended with traffic on the canary")
    if state.release.policy.has_workload:
        if state.canary:
            raise Violation("ended with the canary's workload")
        if state.first:
            promoted = state.release.phase is Phase.SUCCEEDED
            if (state.made, state.kept, state.share) != (promoted, promoted, NONE):
                raise Violation(f"a first version ended {state.release.phase}: made {state.made}, kept {state.kept}")
            return
        if state.updated is not (state.release.phase is Phase.SUCCEEDED):
            raise Violation(f"ended {state.release.phase}, and stable is updated: {state.updated}")


def key(state: State) -> Any:
    """The state without what no rule can tell apart."""
    release, now = state.release, state.now

    def ago(at: float | None) -> float | None:
        if at is None or at == 0.0:
            return at
        passed = now - at
        return next(
            (bound for bound in (0.0, SHORT, 2 * SHORT, 3 * SHORT, 20.0, LONG, DEADLINE) if passed <= bound), LAST
        )

    settling = release.settling
    seen = settling and (
        ago(settling.since),
        settling.accepted,
        tuple(canary > 0 for canary, _ in settling.looks[-1:]),
        min(settling.quiet, 3.0),
        settling.last_canary is None,
    )
    pending = release.pending and (release.pending.kind, getattr(release.pending, "share", None))
    suspended = release.suspended and (release.suspended.kind, getattr(release.suspended, "share", None))
    flight = state.flight and (state.flight.kind, state.release.pending == state.flight)
    return (
        release.phase,
        release.stage,
        release.step,
        ago(release.started),
        ago(release.resumed),
        ago(release.since),
        ago(release.renewed),
        release.unsure and now - release.unsure >= LATE_CREATE,
        release.share,
        release.fenced,
        seen,
        pending,
        suspended,
        release.retry_at is not None and release.retry_at > now,
        release.retry_at is None,
        min(release.failures, 2),
        release.outcome and release.outcome.code,
        release.paused,
        release.short,
        release.stable_ready,
        bool(release.suspect),
        release.verdict,
        release.may_proceed,
        release.approved,
        min(release.lives, 3),
        any("gone" in sentence for sentence in release.leftovers),
        flight,
        state.share,
        state.updated,
        state.canary,
        state.passed,
        state.opened,
        state.decided,
        state.over,
        (state.first, state.made, state.kept, release.first),
    )
