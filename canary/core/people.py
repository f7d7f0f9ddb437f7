"""What people say about a release while it runs, as events; what follows stands in `gating` and `backward`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecided:
    """A person opened or closed a gate.

    Attributes:
        by: who, with how far that is proven.
        gate: place of the gate that is meant; None where whoever tells it has made sure that it is this one.
    """

    at: float
    approved: bool
    by: str
    reason: str
    gate: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateTroubled:
    """Something keeps the gate from being decided, or a decision about it does not count; the sentence says what."""

    at: float
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortRequested:
    """A person wants the release rolled back, or another release takes its place.

    Attributes:
        superseded: another release takes its place; `by` names it.
    """

    at: float
    by: str
    reason: str
    superseded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRequested:
    """A person wants no step forward until resumed; judging goes on.

    Attributes:
        number: of the request among all those written; 0 where it is not written anywhere.
    """

    at: float
    by: str
    reason: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequested:
    """A person lets a paused release go on; see PauseRequested."""

    at: float
    by: str
    reason: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SkipRequested:
    """A person ends the wait of the present step, not its judging; see PauseRequested."""

    at: float
    by: str
    reason: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteRequested:
    """A person wants the steps that are left passed over; see PauseRequested."""

    at: float
    by: str
    reason: str = ""
    number: int = 0


Said = GateDecided | GateTroubled | AbortRequested | PauseRequested | ResumeRequested | SkipRequested | PromoteRequested
