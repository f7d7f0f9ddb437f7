"""Where a release stands, what happens, and what follows, for the tests of the table's rows.

What follows is written as `PHASE/stage: what is asked for`; an alarm ends with `!`, and `-` is nothing at all.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from analysis.model import Judgement, Verdict
from canary.core import effects as do
from canary.core import events as on
from canary.core.machine import advance
from canary.core.outcome import ExitCode, Outcome
from canary.core.release import NONE, Phase, Policy, Release, Stage, StepPolicy
from canary.core.settling import Settling

P, S = Phase, Stage
NOW = 2000.0
GATE = 25.0
BACK = Outcome(code=ExitCode.JUDGED_BAD, reason="worse", decided=NOW - 60)
WORK: dict[str, do.Work] = {
    "preflight": do.RunPreflight(id="w"),
    "fence": do.TakeFence(id="w"),
    "provision": do.ProvisionWorkload(id="w", share=Decimal(5)),
    "attach": do.AttachCanary(id="w"),
    "raise": do.RaiseShare(id="w", share=Decimal(5)),
    "lower": do.LowerShare(id="w"),
    "update": do.UpdateStable(id="w"),
    "revert": do.RevertStable(id="w"),
    "detach": do.DetachCanary(id="w"),
    "remove": do.RemoveWorkload(id="w"),
}


def policy(**changes: Any) -> Policy:
    steps = tuple(StepPolicy(share=Decimal(share), hold_min=10, hold_max=60) for share in (5, 50))
    given = Policy(
        steps=steps, bake_min=10, bake_max=30, settle_window=2, settle_least=60, drain=20, deadline=3600, last_call=4000
    )
    return replace(given, exact_split=True, **changes)


GATED = policy(steps=(StepPolicy(share=Decimal(5), hold_min=10, hold_max=60, gate=GATE),))


def at(phase: Phase, stage: Stage = S.NONE, pending: str = "", *, held: float = 0.0, **changes: Any) -> Release:
    """A release in a phase for so many seconds, at its first step, against which nothing stands."""
    release = Release(
        uid="r", incarnation="i", policy=policy(), phase=phase, stage=stage, pending=WORK.get(pending), started=1000.0,
        since=NOW - held, renewed=NOW, fenced=True, step=0, share=Decimal(5), generation=7, numbered=9, stable_ready=3,
    )  # fmt: skip
    return replace(release, **changes)


def settling(ago: float = 0.0, *, accepted: bool = True, quiet: float = 0.0, **more: Any) -> Settling:
    """What was seen since a write some seconds ago."""
    return Settling(since=NOW - ago, accepted=accepted, quiet_from=NOW - 5, quiet_to=NOW - 5 + quiet, **more)


def judged(verdict: Verdict, **more: Any) -> Judgement:
    given = {"findings": (), "evidence": 0.0, "threshold": 4.6, "looks": 30, "requests": 1000, "may_proceed": False}
    return Judgement(verdict=verdict, **{"sentence": "the word", **given, **more})


def answered(event: type, **values: Any) -> on.Event:
    return event(at=NOW, effect="w", **values)  # type: ignore[no-any-return]


def looked(verdict: Verdict | None = None, *, canary: int = 5, stable: int = 95, **more: Any) -> on.Event:
    said = None if verdict is None else judged(verdict, **more)
    return on.Looked(at=NOW, start=NOW - 1, end=NOW, stable=stable, canary=canary, judgement=said)


def failed(failure: on.Failure) -> on.Event:
    return answered(on.EffectFailed, failure=failure, message="said")


def changed(direction: on.Direction, *, confirmed: bool = True, sentence: str = "by hand") -> on.Event:
    return on.RouteChanged(at=NOW, direction=direction, confirmed=confirmed, by="ann", sentence=sentence)


TICK = on.Ticked(at=NOW)
MISSED = on.LookMissed(at=NOW, reason="down")
ACCEPTED = on.RouteAccepted(at=NOW, generation=7, good=True)
WRITTEN = answered(on.ShareWritten, share=Decimal(5), generation=8)
LOWERED = answered(on.ShareWritten, share=NONE, generation=8)
NOT_LOWERED = answered(on.ShareWritten, share=NONE, generation=8, alarms=("no stable",))
READY, UNREADY = answered(on.WorkloadReady), answered(on.WorkloadFailed, reason="crash loop")
RESUMED = on.Resumed(at=NOW, incarnation="i2")
STABLE = on.StableChanged(at=NOW, by="ann", sentence="another image")


def told(release: Release, effects: tuple[do.Effect, ...]) -> str:
    said = []
    for effect in effects:
        match effect:
            case do.Tell():
                said.append(f"tell {effect.reason}" + "!" * effect.alarm)
            case do.Finish():
                said.append(f"finish {effect.code:d}")
            case do.RaiseShare():
                said.append(f"{effect.kind} {effect.share}")
            case do.ProvisionWorkload():
                said.append(f"{effect.kind} {effect.share}" + " first" * effect.first)
            case do.DetachCanary() | do.RemoveWorkload():
                said.append(effect.kind + " keep" * effect.keep)
            case _:
                said.append(effect.kind)
    return f"{release.phase}/{release.stage}: " + (", ".join(said) or "-")


Case = tuple[Release, on.Event, str]
ROLLED = "ROLLING_BACK/writing: lower-share, tell RollingBack"
ENDED = "ROLLED_BACK/none: finish"


def follows(case: Case) -> None:
    """Whether that follows."""
    release, event, expected = case
    found = told(*advance(release, event))
    assert found == expected, found
