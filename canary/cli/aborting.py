"""How an abort is done: one write on the route, then the gateway's word, then the engine's.

Only the route is needed. The journal and the lease are read where they can be; they make the answer better, and decide
one thing: while stable is just being updated its traffic is not moved by hand, the engine puts it back first.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import strategies as cut
from canary.cli.case import Case, Nothing, NotYet, Unknown, case_of, journal_of
from canary.core.moves import PROMOTED
from canary.core.outcome import ExitCode
from canary.core.release import FINAL, Phase, Release
from canary.ports import Clock, Conflict, Journals, JsonObject, PortError, Routes, Unavailable

if TYPE_CHECKING:
    from canary.adapters.kubernetes.people import LeaseSeen

POLL = 0.25
"""Seconds between looks at the route."""

REJECTED_FOR = 3.0
"""Seconds for which the gateway must say no before it counts: a status may be between two states."""

REACTS_WITHIN = 10.0
"""Seconds that a live engine has to say that it has seen the abort; its watch takes less than one."""

SILENT = 30.0
"""Seconds without renewal after which a lease's holder counts as dead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What an abort works with.

    Attributes:
        routes, journals, clock: the ports.
        lease: the engine's lease; None when there is none.
        dead: whether the process of an origin is known to be dead.
        pool: stable and canary, as the caller's release file says them; None without one.
        sleep: waits, seconds.
        say: gets a line of progress.
    """

    routes: Routes
    journals: Journals
    clock: Clock
    lease: Callable[[], LeaseSeen | None]
    dead: Callable[[str], bool]
    pool: cut.Pool | None
    sleep: Callable[[float], None]
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How an abort went.

    Attributes:
        code: 11 when all traffic is back on stable, 30 when it is not, 22 when there was nothing to abort.
        sentence: that in words.
        release: the release's uid; empty when there was none.
        by, reason: as they stand on the route.
        weights: the rules' weights at the end, one line each.
        engine: `ended`, `stopping` (it has seen the abort), `told` (it lives, or may), or `gone`.
        ends: the exit code that the release ends with, once that is decided; 11 unless it was rolled back already.
        todo: what a person has to do now, one sentence each.
    """

    code: ExitCode
    sentence: str
    release: str = ""
    by: str = ""
    reason: str = ""
    weights: tuple[str, ...] = ()
    engine: str = ""
    ends: int | None = None
    todo: tuple[str, ...] = ()


def abort(world: World, *, by: str, reason: str, timeout: float) -> Done:
    """Put the traffic back and tell the engine.

    Args:
        world: what it is done with.
        by, reason: who wants it, and why.
        timeout: seconds until an unfinished abort is reported as such; the write itself is tried for as long.

    Raises:
        PortError: the route could not be read or written; no traffic was moved.
    """
    until = world.clock.monotonic() + timeout
    try:
        case, route, alarms = _write(world, cut.Abort(by=by, reason=reason), until=until)
    except Nothing as nothing:
        return Done(code=ExitCode.PREFLIGHT_FAILED, sentence=f"nothing to abort: {nothing}")
    except Unknown as error:
        fix = "name the release file instead of the route: canary abort RELEASE.yaml"
        return Done(code=ExitCode.ROLLBACK_INCOMPLETE, sentence=f"no traffic was moved: {error}", todo=(fix,))
    if case.updating and not alive(world):
        fix = "run the release again with its own file (canary run): it puts stable back first, then the traffic"
        sentence = "no traffic was moved: the engine died while it was updating stable, which may be half new"
        return Done(code=ExitCode.ROLLBACK_INCOMPLETE, sentence=sentence, release=case.uid, engine="gone", todo=(fix,))
    world.say("written; waiting for the gateway" if not case.updating else "told the engine; stable is put back first")
    route, trouble = _settle(world, case, route, until=world.clock.monotonic() + timeout)
    engine, ends = _reaction(world, case)
    said = _said(route, case) or cut.Abort(by=by, reason=reason)
    done = Done(
        code=ExitCode.REJECTED,
        sentence="aborted: all traffic is back on stable",
        release=case.uid,
        by=said.by or by,
        reason=said.reason or reason,
        weights=cut.weights_shown(route, original=case.original),
        engine=engine,
        ends=ends,
        todo=_todo(case, engine),
    )
    trouble = (*alarms, *trouble)
    if engine == "late":
        return replace(
            done,
            code=ExitCode.PREFLIGHT_FAILED,
            engine="ended",
            todo=(),
            sentence="nothing to abort: the release was promoted before it could be stopped; release the old image",
        )
    if trouble:
        sentence = f"NOT all traffic is known to be back on stable: {' '.join(trouble)}"
        return replace(done, code=ExitCode.ROLLBACK_INCOMPLETE, sentence=sentence)
    return done


def supersede(world: World, *, by: str, reason: str) -> None:
    """The same one write, for a release that takes another's place; its engine says and does the rest.

    Args:
        world: what it is done with.
        by, reason: which release, and what it releases.

    Raises:
        Nothing: there is none to supersede, or not yet, or it is too late.
        Unknown, PortError: it was not written, or nobody can tell.
    """
    until = world.clock.monotonic() + POLL
    _write(world, cut.Abort(by=by, reason=reason, superseded=True), until=until)


def _write(world: World, note: cut.Abort, *, until: float) -> tuple[Case, JsonObject, tuple[str, ...]]:
    told = False
    while True:
        try:
            route = world.routes.read()
            case = case_of(route, journal_of(world.journals), world.pool)
            said = replace(note, at=_stamp(world.clock.now()), release=case.uid)
            plan = cut.abort(
                route,
                pool=case.pool,
                original=case.original,
                release=case.uid,
                said=said,
                keep_weights=case.updating,
            )
            if plan.patch:
                route = world.routes.patch(plan.patch)
        except NotYet as wait:
            if world.clock.monotonic() >= until or not alive(world):
                raise
            if not told:
                world.say(f"{wait}; waiting for it to begin, to stop it there")
            told = True
        except (Conflict, Unavailable):
            # Read again and decide by comparison: the write may have been done, or somebody else may have written.
            if world.clock.monotonic() >= until:
                raise
        except cut.SurgeryError as error:
            raise Unknown(str(error)) from error
        else:
            return case, route, plan.alarms
        world.sleep(POLL)


def _settle(world: World, case: Case, route: JsonObject, *, until: float) -> tuple[JsonObject, tuple[str, ...]]:
    """Wait until no rule sends to the canary and every parent that was good has accepted that."""
    generation = cut.generation_of(route)
    good = {parent.key for parent in cut.parents(route) if parent.good(0)}
    rejected: float | None = None
    while True:
        now = world.clock.monotonic()
        missing = _missing(route, good, generation)
        left = case.share_left(route)
        if not left and not missing:
            return route, ()
        bad = [reason for spoken, reason in missing if spoken]
        rejected = (rejected or now) if bad else None
        if rejected is not None and now - rejected >= REJECTED_FOR:
            return route, (f"the gateway does not accept the route: {bad[0]}.",)
        if now >= until:
            what = "the canary still has a weight" if left else "the gateway has not said that it took the change"
            return route, (f"{what} within the time given.",)
        world.sleep(POLL)
        with suppress(PortError):
            found = world.routes.read()
            if cut.RELEASE in cut.annotations_of(route) and not _stands(found, case):
                return found, ()  # the engine has cleaned up; what stands there now is not its release any more
            route = _again(world, case, found)
            generation = max(generation, cut.generation_of(route))


def _stands(route: JsonObject, case: Case) -> bool:
    return cut.annotations_of(route).get(cut.RELEASE) == case.uid


def _again(world: World, case: Case, route: JsonObject) -> JsonObject:
    """What somebody raised meanwhile is lowered once more, unless stable is just being updated."""
    if case.updating or not case.share_left(route):
        return route
    plan = cut.lower(route, pool=case.pool, original=case.original, release=case.uid)
    return world.routes.patch(plan.patch) if plan.patch else route


def _missing(route: JsonObject, good: set[str], generation: int) -> list[tuple[bool, str]]:
    """Parents that were good and are not known to be so: whether they have spoken, and what they said."""
    seen = {parent.key: parent for parent in cut.parents(route)}
    found = []
    for key in good:
        parent = seen.get(key)
        if parent is None or not parent.good(generation):
            spoken = parent is not None and parent.generation >= generation
            found.append((spoken, parent.reason if parent else ""))
    return found


def _reaction(world: World, case: Case) -> tuple[str, int | None]:
    """Whether the engine has seen it, as `Done.engine` has it, and what it ends with; `late`: promoted before."""
    until = world.clock.monotonic() + REACTS_WITHIN
    while True:
        found = journal_of(world.journals)
        release = found[0] if found is not None and found[0].uid == case.uid else None
        ends = int(release.outcome.code) if release and release.outcome else None
        if release is not None and _promoted(release):
            return "late", ends
        if release is not None and release.phase in FINAL:
            return "ended", ends
        if not alive(world):
            return "gone", ends
        if ends is not None:
            return "stopping", ends
        if release is None or world.clock.monotonic() >= until:
            return "told", None
        world.sleep(POLL)


def _promoted(release: Release) -> bool:
    there = (release.phase, release.stage) in PROMOTED
    return release.phase is Phase.SUCCEEDED or (release.outcome is None and there)


def alive(world: World) -> bool:
    """Whether somebody may be driving a release on the route; where nobody can tell, it is assumed."""
    try:
        lease = world.lease()
    except PortError:
        return True
    if lease is None or not lease.holder:
        return False
    return not silent(lease, world.clock.now()) and not world.dead(lease.origin)


def silent(lease: LeaseSeen, now: float) -> bool:
    """Whether its holder has not renewed it for so long that it counts as dead."""
    return lease.renewed is None or now - lease.renewed > SILENT


def _said(route: JsonObject, case: Case) -> cut.Abort | None:
    with suppress(cut.SurgeryError):
        return cut.abort_of(route, release=case.uid)
    return None


def _todo(case: Case, engine: str) -> tuple[str, ...]:
    match engine:
        case "gone":
            return (
                "No engine is alive: what it made is still there, without traffic.",
                "To remove it, run the release again with its own file (canary run), or add --finish to this command.",
            )
        case "told":
            return ("The engine has not said yet that it saw this; watch it: canary status.",)
        case "stopping" if case.updating:
            return ("Stable is put back to the old version first, which takes minutes: canary status.",)
        case _:
            return ()


def _stamp(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
