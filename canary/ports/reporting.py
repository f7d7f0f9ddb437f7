"""What people are told, and who tells it."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from analysis.model import Judgement
from canary.core.outcome import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What the release is doing, for people: one of these at every change and every look.

    Attributes:
        at: seconds since the epoch on the server's clock.
        phase, stage: where it stands, DESIGN's words.
        step, steps: index of the step (-1 before the first; `steps` for the bake) and how many there are.
        share_wanted, share_seen: percent of the pool; seen is None before any request was counted in this step.
        entered: when the phase was entered.
        hold_min, hold_max: of the current step, seconds; None outside of one.
        stable_requests, canary_requests: counted since the canary's reference was attached.
        route_bad: bad requests that the route itself counted since then (they include those that reached no arm).
        message: one line about what changed; empty for a mere look.
        reason: CamelCase word for machines; empty for a mere look.
        alarm: a person must act.
        judgement: the newest, if looks count now.
        weights: the route's weights as last acknowledged, as "rule: backend=weight ..." lines.
        waits: for whom it waits, until when and how to answer, while it stands at a gate or is paused; else empty.
        code: the exit code, with the last Progress only.
    """

    at: float
    phase: str
    stage: str
    step: int
    steps: int
    share_wanted: Decimal
    share_seen: Decimal | None
    entered: float
    hold_min: float | None = None
    hold_max: float | None = None
    stable_requests: int = 0
    canary_requests: int = 0
    route_bad: int | None = None
    message: str = ""
    reason: str = ""
    alarm: bool = False
    judgement: Judgement | None = None
    weights: tuple[str, ...] = field(default=())
    waits: str = ""
    code: ExitCode | None = None


class Reporters(Protocol):
    """Whoever wants to know: the terminal, the log, Kubernetes Events. Must not block; may drop mere looks."""

    def tell(self, progress: Progress) -> None:
        """Show or send it."""
        ...
