"""The building blocks of transitions: enter a phase, ask for an effect, tell people, decide to roll back.

Each takes a release and returns a new one with the effects asked for. Nothing here looks at an event's type.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from canary.core import effects as do
from canary.core.outcome import MEANING, ExitCode, Outcome
from canary.core.release import NONE, Phase, Release, Stage
from canary.core.replacing import replace

Step = tuple[Release, tuple[do.Effect, ...]]
"""What a transition gives: the release after it, and what is to be done, in this order."""

ANSWERED: tuple[type[do.Work], ...] = (
    do.RunPreflight,
    do.TakeFence,
    do.ProvisionWorkload,
    do.AttachCanary,
    do.RaiseShare,
    do.LowerShare,
    do.UpdateStable,
    do.RevertStable,
    do.DetachCanary,
    do.RemoveWorkload,
)
"""The members of `Work`: pending until answered."""

PROMOTED = {
    (Phase.PROMOTING, Stage.RETURNING),
    (Phase.CLEANING, Stage.DETACHING),
    (Phase.CLEANING, Stage.REMOVING),
}
"""Where the promotion is confirmed: stable runs the new version, and only forward is safe."""

SWEPT: tuple[type[do.Work], ...] = (do.ProvisionWorkload, do.TakeFence)
"""What may come late and is not fenced: what they make, or the stamp on stable, is looked for once more at the end."""

FIRST_RETRY = 0.25
"""Seconds before a failed effect is asked for again; doubled with each failure."""

LATE_CREATE = 10.0
"""Seconds for which a create that nobody waits for any more may still come: creates cannot be fenced, only swept."""

LAST_RETRY = 10.0
"""Cap of that wait, seconds."""

LAST_ASKED = 60.0
"""Seconds for which a server is left alone at most, when it asked for it (429, Retry-After); a lowering never waits."""

HELD = 1.0
"""Seconds between tries of a lowering that would send users to nobody."""


def ask(release: Release, kind: type[do.Effect], **values: Any) -> Step:
    """Number an effect and ask for it; work becomes pending and replaces what was pending before."""
    effect = kind(id=f"{release.uid}/{release.numbered}", **values)
    release = replace(release, numbered=release.numbered + 1)
    if isinstance(effect, ANSWERED):
        release = replace(release, pending=effect, suspended=None, retry_at=None, failures=0)
    return release, (effect,)


def chain(step: Step, kind: type[do.Effect], **values: Any) -> Step:
    """A step followed by one more effect."""
    release, done = step
    release, more = ask(release, kind, **values)
    return release, (*done, *more)


def enter(release: Release, phase: Phase, at: float, stage: Stage = Stage.NONE) -> Release:
    """The release in another phase; nothing is pending there until asked for."""
    since = at if phase is not release.phase else release.since
    return replace(release, phase=phase, stage=stage, since=since, pending=None, retry_at=None, failures=0, told="")


def tell(release: Release, reason: str, message: str, *, alarm: bool = False) -> Step:
    """Say something once."""
    return ask(release, do.Tell, reason=reason, message=message, alarm=alarm)


def tell_once(release: Release, reason: str, message: str, *, alarm: bool = False) -> Step:
    """Say why we wait, but only when it is not what was said last in this phase; numbers may have moved on."""
    gist = re.sub(r"[0-9.]+", "#", message)
    if release.told == gist:
        return release, ()
    return tell(replace(release, told=gist), reason, message, alarm=alarm)


def join(first: Step, then: Any, *args: Any, **kwargs: Any) -> Step:
    """One step after another: `then` is called with the release that `first` leaves."""
    release, done = first
    release, more = then(release, *args, **kwargs)
    return release, (*done, *more)


def end(release: Release, phase: Phase, at: float, code: ExitCode, reason: str) -> Step:
    """The release is over."""
    release = replace(enter(release, phase, at), outcome=Outcome(code=code, reason=reason, decided=at))
    return ask(release, do.Finish, code=code, reason=reason)


def roll_back(release: Release, at: float, code: ExitCode, reason: str) -> Step:
    """Decide to roll back and begin with it; a decision that stands already is not changed.

    Before anything was touched this ends the release. Once the promotion is confirmed there is nothing to go
    back to: the release goes forward, and people are told. While stable is being updated it is put back first.
    """
    if release.outcome is not None:
        return release, ()
    if (release.phase, release.stage) in PROMOTED:
        return tell_once(
            release, "TooLateToRollBack", f"not rolled back, stable already runs the new version: {reason}"
        )
    if release.phase in {Phase.PENDING, Phase.PREFLIGHT}:
        return end(release, Phase.ROLLED_BACK, at, code, reason)
    unsure = at if isinstance(release.pending, SWEPT) else release.unsure
    decided = replace(release, outcome=Outcome(code=code, reason=reason, decided=at), suspect="", unsure=unsure)
    if release.phase is Phase.PROMOTING:
        step = ask(enter(decided, Phase.PROMOTING, at, Stage.REVERTING), do.RevertStable)
    else:
        step = lower(enter(decided, Phase.ROLLING_BACK, at, Stage.WRITING), at)
    return chain(step, do.Tell, reason="RollingBack", message=f"{MEANING[code]}: {reason}", alarm=False)


def lower_again(release: Release, at: float) -> Step:
    """Take the canary's traffic off once more, from wherever it is on the way back."""
    if release.outcome is None:
        return lower(enter(release, Phase.PROMOTING, at, Stage.RETURNING), at)
    return lower(enter(release, Phase.ROLLING_BACK, at, Stage.WRITING), at)


def lower(release: Release, at: float) -> Step:
    """Ask for the canary's traffic to be taken off, as soon as there is anybody to take it (invariant 7)."""
    release, asked = ask(release, do.LowerShare)
    return nobody_there(release, at) if release.stable_gone else (release, asked)


def nobody_there(release: Release, at: float) -> Step:
    """Stable has no ready endpoint at all: the canary, bad as it is, serves more than nobody. Hold, page, retry."""
    held = "the canary keeps its traffic: stable has no ready endpoint to take it; looked at again every second"
    return tell_once(replace(release, retry_at=at + HELD), "StableGone", held, alarm=True)


def backoff(failures: int) -> float:
    """Seconds until the next try after this many failures in a row (1 is the first)."""
    return min(LAST_RETRY, FIRST_RETRY * 2.0 ** min(failures - 1, 20))


def lowered(release: Release) -> bool:
    """Whether the last acknowledged share gives the canary nothing."""
    return release.share == NONE


def percent(share: Decimal) -> str:
    """A share as people write it."""
    return f"{share.normalize():f} %"
