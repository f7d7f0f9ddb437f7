"""How a person's decision is written: read the gate object, decide on what it says, write, and read again on a race."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from canary.adapters.kubernetes import Api, KubernetesGates, KubernetesJournals, ServerClock
from canary.adapters.kubernetes.gates import gate_name
from canary.adapters.kubernetes.paths import named
from canary.adapters.kubernetes.people import lease_seen, person
from canary.cli.aborting import silent
from canary.cli.boundary import Failure
from canary.cli.target import Target
from canary.core import gates as at_gates
from canary.core.gates import Decided, NoGate, Operations, Person, Request, Wish
from canary.core.outcome import ExitCode
from canary.core.release import FINAL, Release
from canary.engine.journal import JournalError, decode
from canary.ports import Clock, Conflict, Gates, Journals, JsonObject, NotFound, PortError, Refused

TRIES = 8
"""How often is decided anew when somebody else wrote at the same moment."""

HEARD_WITHIN = 6.0
"""Seconds for which the engine's answer to a request is waited for; it takes about one."""

POLL = 0.5

SHOWN = ("release", "before", "image", "state", "decidedBy", "decidedAt", "reason")
"""Entries of the record that `-o json` shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a decision is made with.

    Attributes:
        gates, journals, clock: the ports.
        who: who decides.
        alive: whether an engine lives that will take it.
        status: the command that tells more.
    """

    gates: Gates
    journals: Journals
    clock: Clock
    who: Person
    alive: Callable[[], bool]
    status: str
    sleep: Callable[[float], None] = time.sleep


@contextlib.contextmanager
def told(target: Target, api: Api) -> Iterator[Desk]:
    """A desk; what goes wrong at it becomes a sentence and an exit code.

    Raises:
        Failure: nothing waits, somebody was first, it is not permitted, or nobody can tell.
    """
    here, route = target.namespace, target.route
    clock, who = ServerClock(api), person(api)

    def alive() -> bool:
        with contextlib.suppress(PortError):
            lease = lease_seen(api, namespace=here, route=route)
            return lease is not None and bool(lease.holder) and not silent(lease, clock.now())
        return True

    desk = Desk(
        gates=KubernetesGates(api, namespace=here, route=route),
        journals=KubernetesJournals(api, namespace=here, name=named("canary", route, "journal")),
        clock=clock,
        who=who,
        alive=alive,
        status=f"canary status {route} -n {here}",
    )
    try:
        yield desk
    except (NoGate, Decided) as error:
        raise Failure(f"{target}: {error}", code=ExitCode.PREFLIGHT_FAILED, hint=desk.status) from error
    except Refused as error:
        hint = (
            f"you are {who.name}; it takes get and patch on configmaps/{gate_name(route)}"
            " (the chart's approver role, rbac.approvers)"
        )
        raise Failure(f"not permitted: {error}", code=ExitCode.NOT_PERMITTED, hint=hint) from error
    except PortError as error:
        hint = f"whether it was written is not known; look first: {desk.status}"
        raise Failure(str(error), code=ExitCode.PREFLIGHT_FAILED, hint=hint) from error


def decide(desk: Desk, *, approved: bool, step: int | None, reason: str) -> dict[str, str]:
    """Write the decision; returns the record as it stands then.

    Raises:
        NoGate, Decided: nothing waits, or somebody was first.
        PortError: it was not written, or nobody can tell.
    """

    def plan(found: JsonObject) -> Operations:
        at = at_gates.moment(desk.clock.now(), full=True)
        return at_gates.decision(found, approved=approved, person=desk.who, at=at, reason=reason, step=step)

    return at_gates.data_of(_written(desk, plan))


def ask(desk: Desk, *, wish: Wish, reason: str) -> Request:
    """Write a request about the release that is under way; returns it.

    Raises:
        NoGate: no release is under way.
        PortError: it was not written, or nobody can tell.
    """
    release = _under_way(desk)

    def plan(found: JsonObject) -> Operations:
        at = at_gates.moment(desk.clock.now(), full=True)
        return at_gates.asking(found, wish=wish, release=release.uid, by=desk.who.name, reason=reason, at=at)

    return at_gates.requests_of(_written(desk, plan), release=release.uid)[-1]


def heard(desk: Desk, asked: Request) -> str:
    """What came of a request, as far as it can be told within a few seconds."""
    until = desk.clock.monotonic() + HEARD_WITHIN
    while desk.clock.monotonic() < until:
        release: Release | None = None
        with contextlib.suppress(PortError):  # it is written, whatever we can read now
            release = _release(desk)
        if release is not None and release.uid == asked.release and release.heard >= asked.number:
            paused = "paused" if release.paused else "not paused"
            return f"the engine has heard it: {release.phase}, {paused}; what came of it: {desk.status}"
        desk.sleep(POLL)
    return next_of(desk)


def next_of(desk: Desk) -> str:
    """What happens next."""
    if desk.alive():
        return f"the engine takes it within seconds: {desk.status}"
    return f"no engine is alive; the next one takes it: {desk.status}"


def _written(desk: Desk, plan: Callable[[JsonObject], Operations]) -> JsonObject:
    for tries in range(TRIES):
        found = desk.gates.read()
        if found is None:
            # Nobody installed the chart: whoever may make it decides. An empty one refuses a decision by itself.
            plan({"metadata": {}, "data": {}})
            with contextlib.suppress(Conflict):
                desk.gates.create({"about": "Written by the engine and by canary approve and its siblings."})
            continue
        try:
            return desk.gates.patch(plan(found))
        except (Conflict, NotFound):
            desk.sleep(0.05 * tries)
    raise NoGate("somebody else keeps writing the gate; try again")


def _under_way(desk: Desk) -> Release:
    release = _release(desk)
    if release is None or release.phase in FINAL:
        raise NoGate("no release is under way")
    return release


def _release(desk: Desk) -> Release | None:
    stored = desk.journals.load()
    try:
        return decode(stored.text).release if stored else None
    except JournalError as error:
        raise NoGate(str(error)) from error
