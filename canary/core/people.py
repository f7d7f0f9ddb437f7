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
class GateUnanswered:
    """The gate's object was read after the gate had expired, and nobody had decided in time.

    Attributes:
        gate: place of the gate that was read.
    """

    at: float
    gate: int | None


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
class _Requested:
    """A person asks for something about the pace.

    Attributes:
        number: of the request among all those written; 0 where it is not written anywhere.
    """

    at: float
    by: str
    reason: str = ""
    number: int = 0


class PauseRequested(_Requested):
    """A person wants no step forward until resumed; judging goes on."""

    __slots__ = ()


class ResumeRequested(_Requested):
    """A person lets a paused release go on."""

    __slots__ = ()


class SkipRequested(_Requested):
    """A person ends the wait of the present step, not its judging."""

    __slots__ = ()


class PromoteRequested(_Requested):
    """A person wants the steps that are left passed over."""

    __slots__ = ()


Said = (
    GateDecided
    | GateTroubled
    | GateUnanswered
    | AbortRequested
    | PauseRequested
    | ResumeRequested
    | SkipRequested
    | PromoteRequested
)
