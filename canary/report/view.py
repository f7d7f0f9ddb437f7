"""What the screen knows: the newest progress, the newest judgement, the last events. A value, renewed by progress."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from analysis.model import Judgement
from canary.ports import Progress

KEPT_EVENTS = 8
"""Events on the screen: what fits below the tables on a terminal of 24 lines."""

UNJUDGED = frozenset({"PENDING", "PREFLIGHT", "PROVISIONING", "SHIFTING", "SETTLING"})
"""Phases in which an older judgement would mislead: it is about another share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing that happened, in one line."""

    at: float
    message: str
    alarm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything that is on the screen.

    Attributes:
        release, namespace, route: their names.
        plan: the shares of the steps, percent.
        progress: the newest; None before the first.
        judgement: the newest that is still about the present share.
        happenings: the last few, oldest first.
        started: when the first progress came, seconds since the epoch.
    """

    release: str
    namespace: str
    route: str
    plan: tuple[Decimal, ...]
    progress: Progress | None = None
    judgement: Judgement | None = None
    happenings: tuple[Happening, ...] = ()
    started: float | None = None


def advance(view: View, progress: Progress) -> View:
    """The view after one more progress."""
    kept = None if progress.phase in UNJUDGED else view.judgement
    happenings = view.happenings
    if progress.message:
        happening = Happening(at=progress.at, message=progress.message, alarm=progress.alarm)
        happenings = (*happenings, happening)[-KEPT_EVENTS:]
    return replace(
        view,
        progress=progress,
        judgement=progress.judgement or kept,
        happenings=happenings,
        started=progress.at if view.started is None else view.started,
    )
