"""Plays a scenario: virtual seconds, one after another, until nobody is left to act."""

from __future__ import annotations

import heapq
import itertools
import traceback
from collections.abc import Callable
from random import Random
from typing import Any

from analysis.sources import Reading
from canary.adapters.memory import (
    Fault,
    MemoryGates,
    MemoryLeases,
    MemoryPreflights,
    MemoryRecords,
    World,
)
from canary.core import events as on
from canary.core.moves import LATE_CREATE, PROMOTED
from canary.core.outcome import ExitCode
from canary.core.release import Phase, Release
from canary.ports import Conflict, NotFound, Refused, Unavailable, WorkloadFailure
from simulated import happenings, people
from simulated.ledger import Ledger
from simulated.process import Killed, Process
from simulated.scenario import Happening, Scenario
from simulated.world import AuditedRoutes, Counters, Gateway, Journals, Object, Workloads, a_route

HORIZON = 9_000.0
"""Virtual seconds after which a release that has not ended never will."""

RETRIED = frozenset({ExitCode.ROLLBACK_INCOMPLETE, ExitCode.HANDED_OVER, ExitCode.HELD_BY_ANOTHER})
"""Codes after which the Job starts another pod, as long as nobody else finished the release."""

LIVES = 8
"""Pods that a Job starts at most after failures of its own; the simulation plans fewer kills than that."""


OF_COPIES = frozenset({"leases.keep", "leases.copied"})
"""Calls that are counted by themselves, so that the faults of all others stay where a seed put them."""

LATEST = 20.0
"""Seconds for which a request of a dead process may lie in the network: the lease less the time between renewals."""

LATEST_CREATE = LATE_CREATE - 1.0
"""Seconds for which a create, or the stamp on stable, may lie in the network: nothing fences it, and it is swept up for
as long as that."""


class Simulation:
    """One history.

    Attributes:
        violations: what must not have happened, one sentence each.
        lines: what happened, for people.
        relaxed: somebody changed the pool by hand, so that its weights at the end are theirs.
        broken: somebody took away what the release stands on.
        ahead: seconds by which the API server's clock is ahead of true time.
        leapt: seconds by which it was set forward in all.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.chance = scenario, Random(scenario.seed * 7 + 1)
        self.violations: list[str] = []
        self.lines: list[str] = []
        self.alarms: list[str] = []
        self.relaxed = self.broken = False
        self.ahead = self.leapt = 0.0
        self.codes: list[ExitCode] = []
        self.gates: MemoryGates | None = None
        self.processes: list[Process] = []
        self.current: Process | None = None
        self.world = World()
        self.clock = self.world.clock
        self.began = self.now
        self.every = 2.0 if scenario.rate < 100 else 1.0
        self.shadow = a_route(scenario)
        self.ledger = Ledger(scenario.policy, lambda: self.now, self.complain)
        self.routes = AuditedRoutes(self.world, a_route(scenario), self._audit)
        self.gateway = self.a_gateway()
        self.gateway.answer_in_status()
        self.workloads = self.a_workload()
        self.workloads.promoting = self._promoting
        self.journals, self.records = Journals(self.world), MemoryRecords(self.world)
        self.journals.written = self.ledger.journalled
        self.leases, self.preflights = MemoryLeases(self.world), MemoryPreflights(self.world)
        self.world.faults.hook = self._fault
        self._calls = self._copies = 0
        self._planned = {fault.number: fault for fault in scenario.calls}
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self.outages: list[tuple[float, Process | None]] = []
        self.differs_since: float | None = None
        self.source_down_until = 0.0
        self.answer = self.chance.choice(["approve", "approve", "approve", "reject", "none"])
        for happening in scenario.script:
            self.at(happening.at, lambda one=happening: self._happen(one))  # type: ignore[misc]
        self.start(0.0)

    # Time ----------------------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        return self.clock.now()

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        """Do it `seconds` from now."""
        heapq.heappush(self._agenda, (self.now + seconds, next(self._numbers), action))

    def start(self, seconds: float, like: Process | None = None) -> None:
        """A new process, some seconds from now, in the place of another one."""

        def begin() -> None:
            if len(self.processes) < 3 * LIVES:
                self.processes.append(self.a_process(len(self.processes) + 1, like))

        self.at(seconds, begin)

    def a_process(self, number: int, like: Process | None) -> Process:
        """A process of the only release that there is."""
        del like
        return Process(self, number)

    def a_workload(self) -> Workloads:
        """Both arms' workloads."""
        return Workloads(self.world, fresh=self.scenario.baseline)

    def a_gateway(self) -> Gateway:
        """Who sends requests by the route."""
        return Gateway(self.world, self.routes, self.scenario)

    def answered_at(self, process: Process, event: on.Event) -> float:
        """When an adapter returns that did what it was asked for: at once."""
        del process, event
        return self.now

    def check_workload(self, *, promoted: bool) -> bool:
        """Look at both arms' workloads at the end, where they are other ones than usual; whether that was done."""
        del promoted
        return False

    def run(self) -> None:
        """Until nobody is left, and then the last that was under way."""
        while self._alive() or self._agenda:
            if self.now - self.began > HORIZON:
                self.complain("it never ends: " + ", ".join(self._standing()))
                return
            if not self._alive() and self._agenda:
                self.clock.advance(max(0.0, self._agenda[0][0] - self.now - 1.0))
            self.second()

    def second(self) -> None:
        """One second of everybody's."""
        self.clock.advance(1.0)
        self.gateway.serve()
        self.gateway.answer_in_status()
        while self._agenda and self._agenda[0][0] <= self.now:
            heapq.heappop(self._agenda)[2]()
        people.quality(self)
        people.revert(self)
        people.approve(self)
        for process in tuple(self.processes):
            if not process.ended and not process.paused:
                self._turn(process)

    def _turn(self, process: Process) -> None:
        before, self.current = self.current, process
        try:
            process.turn()
        except Killed as killed:
            process.die(f"is killed {killed}")
            self.start(self.chance.choice([0.0, 3.0, 20.0, 60.0, 120.0]), process)
        except Exception:  # noqa: BLE001 - whatever it is, it is a finding
            self.complain(f"{process.name} fails: {traceback.format_exc(limit=-6)}")
            process.die("fails")
        finally:
            self.current = before
        if process.ended and process.code is not None:
            self.codes.append(process.code)
            if process.code in RETRIED and self.wanted(process) and self.codes.count(process.code) < LIVES:
                self.start(self.chance.choice([2.0, 30.0]), process)

    def wanted(self, process: Process) -> bool:
        """Whether the Job of a process that ended so starts another one."""
        del process
        return not self._finished()

    def _alive(self) -> bool:
        return any(not process.ended for process in self.processes)

    def _finished(self) -> bool:
        return any(code not in RETRIED for code in self.codes)

    def _standing(self) -> list[str]:
        return [
            f"{p.name} at {p.release.phase}/{p.release.stage}" if p.release else f"{p.name} waits"
            for p in self.processes
            if not p.ended
        ]

    def ledger_of(self, process: Process) -> Ledger:
        """What is noted of the release that a process drives."""
        del process
        return self.ledger

    # What engines ask ----------------------------------------------------------------------------------------

    def fresh(self, name: str) -> Release:
        return Release(uid="r1", incarnation=name, policy=self.scenario.policy)

    def hopeless(self, release: Release) -> bool:
        early = release.phase in {Phase.PENDING, Phase.PREFLIGHT}
        return not early and (release.phase, release.stage) not in PROMOTED

    def reading(self) -> Reading | Counters:
        if self.now < self.source_down_until:
            return Reading(at=self.now, samples=()) if self.scenario.real_judge else Counters(at=self.now, totals=None)
        return self.gateway.reading() if self.scenario.real_judge else self.gateway.counters()

    def cut_off(self, process: Process) -> bool:
        """Whether this process cannot reach the API server."""
        return any(self.now < until and (who is None or who is process) for until, who in self.outages)

    def told(self, process: Process, progress: Any) -> None:
        if progress.message:
            self.log(f"{process.name} {progress.phase}: {progress.message}{' (ALARM)' if progress.alarm else ''}")
        if progress.alarm:
            self.alarms.append(progress.message)

    def check_answer(self, event: on.Event | None) -> None:
        """A worker's answer: whatever the world does to it, a mistake of ours is none of it."""
        if isinstance(event, on.EffectFailed) and event.failure is on.Failure.BROKEN:
            self.complain(f"a worker is broken: {event.message}")

    def log(self, line: str) -> None:
        self.lines.append(f"{self.now - self.began:7.0f} {line}")

    def complain(self, sentence: str) -> None:
        self.log("VIOLATION " + sentence)
        self.violations.append(sentence)

    # Faults --------------------------------------------------------------------------------------------------

    def _fault(self, call: str, number: int) -> Fault | None:
        del number
        who = self.current
        if who is None or call.endswith(".watch"):
            return None
        copies = call in OF_COPIES
        self._copies += copies
        self._calls += not copies and not call.startswith("sources.")
        if self.cut_off(who):
            return Fault(error=Unavailable("the API server does not answer"))
        if self.scenario.quality == "never-ready" and call in {"workloads.provision", "workloads.deploy"}:
            return Fault(
                error=WorkloadFailure("CrashLoopBackOff: back-off restarting failed container"), committed=True
            )
        planned = self._planned.pop(-self._copies if copies else self._calls, None)
        if planned is not None:
            self.log(f"{who.name} {call}: {planned.kind} {planned.seconds:g}")
            return self._play(planned.kind, planned.seconds, who, call)
        if self.scenario.noise and not copies and self.chance.random() < self.scenario.noise:
            return Fault(error=Unavailable("try again later"), committed=self.chance.random() < 0.4)
        return None

    def _play(self, kind: str, seconds: float, who: Process, call: str) -> Fault | None:  # noqa: PLR0911 - one line per fault
        match kind:
            case "kill-before":
                raise Killed(f"before {call}")
            case "kill-after":
                return Fault(error=Killed(f"after {call}"), committed=True)
            case "kill-late":
                return Fault(error=Killed(f"while {call} is under way"), late=self._later(min(seconds, LATEST), call))
            case "pause":
                self.stand_still(who, seconds)
                return Fault(error=Unavailable("no answer")) if self.cut_off(who) else None
            case "slow-answer":
                return Fault(delay=lambda: self.stand_still(who, min(seconds, 12.0)))
            case "conflict":
                return Fault(error=Conflict("the object has been modified"))
            case "refused":
                return Fault(error=Refused("denied by a webhook", status=403))
            case "not-found" if not call.startswith("routes.") and call not in OF_COPIES:
                return Fault(error=NotFound("it is not there (HTTP 404)"))
            case "throttled":
                return Fault(error=Unavailable("too many requests (HTTP 429)", retry_after=seconds))
            case "answer-lost":
                return Fault(error=Unavailable("the connection broke"), committed=True)
            case "late":
                return Fault(error=Unavailable("no answer within 5 s"), late=self._later(min(seconds, 45.0), call))
            case _:
                return Fault(error=Unavailable("HTTP 503"))

    def stand_still(self, who: Process, seconds: float) -> None:
        """This process stands still in the middle of what it does, and the world goes on."""
        if who.paused or sum(process.paused for process in self.processes) > 1:
            return
        if seconds > 30.0:
            self.start(self.chance.choice([1.0, 30.0]), who)
        who.paused, saved = True, self.current
        for _ in range(int(seconds)):
            self.second()
        who.paused, self.current = False, saved
        self.log(f"{who.name} wakes")

    def _later(self, seconds: float, call: str) -> Callable[[Callable[[], object]], None]:
        who = self.current
        if call in {"workloads.provision", "workloads.deploy", "workloads.put_mark"}:
            seconds = min(seconds, LATEST_CREATE)

        def keep(action: Callable[[], object]) -> None:
            def act() -> None:
                before, self.current = self.current, who
                try:
                    action()
                except (Conflict, NotFound, Refused, WorkloadFailure) as error:
                    self.log(f"a late request is refused: {error}")
                finally:
                    self.current = before

            self.at(seconds, act)

        return keep

    def by_people(self, write: Callable[[], object]) -> None:
        """A person's call, which no fault of an engine's hits."""
        before, self.current = self.current, None
        try:
            write()
        finally:
            self.current = before

    def _happen(self, one: Happening) -> None:
        if self._alive() or not self._finished():
            self.log(f"-- {one.kind} {one.seconds:g} {one.value:g}")
            happenings.happen(self, one)

    # Audit ---------------------------------------------------------------------------------------------------

    def _writer(self) -> Process:
        assert self.current is not None
        return self.current

    def _audit(self, before: Object | None, after: Object, ours: bool) -> None:
        if not ours:
            self.ledger.by_others(before, after)
        elif before is not None:
            self.ledger_of(self._writer()).by_engine(self._writer(), before, after)

    def _promoting(self) -> None:
        self.ledger_of(self._writer()).promoting(self._writer(), self.workloads.token)
