"""Start a release, follow the one that runs, or say how it ended: a pure decision.

The danger is the answer that was true yesterday. A was promoted, then B; whoever submits A again wants A back, so the
Job of yesterday's A must not answer. And what the judge condemned is not tried again because a pipeline was restarted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from canary.core.outcome import ExitCode
from canary.submitting.identity import pinned


class Standing(StrEnum):
    """How a Job stands."""

    RUNNING = "running"
    ENDED = "ended"
    LEAVING = "leaving"
    """It is being deleted, or suspended: nobody will carry it on."""


BAD = frozenset({int(ExitCode.JUDGED_BAD), int(ExitCode.REJECTED)})
"""Verdicts against the image: the judge's, and a person's."""

DECISIVE = BAD | {int(ExitCode.PROMOTED)}
"""Ends that say something about the image; after every other one the same release may simply be tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One Job of a release.

    Attributes:
        name: the Job's.
        number: from 1; 0 where the Job does not say it.
        identity: of its release; empty where the Job does not say it (it was not submitted).
        nonce: of the submission that made it.
        standing: how it stands.
        code: what it ended with; None while it runs, or when nothing says so.
        reason: why it ended so, or what it is doing.
        created: when, seconds since the epoch.
    """

    name: str
    number: int
    identity: str
    nonce: str = ""
    standing: Standing = Standing.RUNNING
    code: int | None = None
    reason: str = ""
    created: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What else is known.

    Attributes:
        newest: identity of the newest release of this route, as its journal has it; empty when there is none.
        code: what that one ended with; None while it has not.
        reason: why it ended so.
        stable_image: what stable's Deployment is told to run; empty when it cannot be known.
    """

    newest: str = ""
    code: int | None = None
    reason: str = ""
    stable_image: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Start it, as this attempt."""

    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """This very release runs: follow that Job."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Nothing is started: this is how it ended, and it still holds.

    Attributes:
        code: what to end with.
        name: of the Job, where it is still there.
        reason: why it ended so.
        hint: what to do about it; empty when nothing is to be done.
    """

    code: ExitCode
    name: str = ""
    reason: str = ""
    hint: str = ""


Decision = Create | Attach | Finished


def decide(
    identity: str, image: str | None, attempts: Sequence[Attempt], world: World, *, again: bool = False
) -> Decision:
    """What to do about a submission.

    Args:
        identity, image: of the release submitted.
        attempts: every Job of this service.
        world: what else is known.
        again: try it even though it ended, with whatever verdict. One that runs is followed all the same.
    """
    mine = sorted((one for one in attempts if one.identity == identity), key=lambda one: (one.number, one.created))
    running = [one for one in mine if one.standing is Standing.RUNNING]
    if running:
        return Attach(name=running[-1].name)
    last = mine[-1].name if mine else ""
    if not again and _still_holds(identity, image, world):
        return Finished(code=ExitCode.PROMOTED, name=last, reason=world.reason)
    verdict = _verdict(identity, mine, world)
    if not again and verdict is not None and verdict[0] in BAD:
        hint = "pass --again to release the same image with the same file once more"
        return Finished(code=ExitCode(verdict[0]), name=last, reason=verdict[1], hint=hint)
    return Create(attempt=1 + max((one.number for one in mine), default=0))


def _still_holds(identity: str, image: str | None, world: World) -> bool:
    """Promoted, nothing was released since, and stable runs it: there is nothing to ship."""
    if image is None or not pinned(image):
        return False  # the same words may mean another version by now
    return world.newest == identity and world.code == ExitCode.PROMOTED and world.stable_image == image


def _verdict(identity: str, mine: Sequence[Attempt], world: World) -> tuple[int, str] | None:
    """The newest word on this image: the journal's, whose release may have lost its Job, before the Jobs' own."""
    if world.newest == identity and world.code in DECISIVE:
        return int(world.code or 0), world.reason
    decisive = [one for one in mine if one.code in DECISIVE]
    return (int(decisive[-1].code or 0), decisive[-1].reason) if decisive else None
