"""One life of an engine's process: what `canary run` does around the decider, second by second in virtual time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

from analysis.judge import JudgeConfig, MetricConfig
from analysis.model import Judgement
from canary.core import events as on
from canary.core.outcome import ExitCode
from canary.core.release import FINAL, Release
from canary.engine.copying import restored
from canary.engine.decider import Decider, started
from canary.engine.journal import decode
from canary.engine.leasekeeper import LeaseKeeper
from canary.engine.observer import Question
from canary.engine.surgeon import Surgeon
from canary.engine.surroundings import EndpointsObserved, Ports, ReadingTaken, RouteObserved
from canary.ports import Endpoints, LeaseView, Mark, PortError, Workloads
from simulated.clocks import as_read, clock_of
from simulated.observing import ScriptedObserver, WatchedObserver
from simulated.world import FRESH_POOL, FRESH_SUBJECT, POOL, SUBJECT

if TYPE_CHECKING:
    from simulated.simulation import Simulation

LEASE_DURATION, LEASE_POLL = 30.0, 2.0
LATE = 11.0
"""Seconds without a look after which the engine itself says so: three intervals and the reading's own limit."""


class Killed(BaseException):
    """The process is gone, in the middle of whatever it did."""


class OwnWorkloads:
    """The port as one process has it: `cancel` reaches the calls of this process only."""

    def __init__(self, shared: Workloads, cancel: Callable[[], None]) -> None:
        self._shared, self.cancel = shared, cancel

    def provision(self, *, share: Decimal) -> Endpoints:
        return self._shared.provision(share=share)

    def ready(self) -> Endpoints:
        return self._shared.ready()

    def mark(self) -> Mark:
        return self._shared.mark()

    def put_mark(self, token: str, *, over: Mark) -> None:
        self._shared.put_mark(token, over=over)

    def update_stable(self, *, token: str) -> None:
        self._shared.update_stable(token=token)

    def revert_stable(self) -> None:
        self._shared.revert_stable()

    def deploy(self) -> Endpoints:
        return self._shared.deploy()

    def remove(self, *, keep: bool = False) -> None:
        self._shared.remove(keep=keep)

    def watch(self, on_change: Callable[[Endpoints], None], stop: threading.Event) -> None:
        self._shared.watch(on_change, stop)


@dataclass(slots=True)
class Lane:
    """A serial worker: tasks wait for the one before; an answer takes its time."""

    waiting: deque[tuple[float, Callable[[], on.Event | None]]] = field(default_factory=deque)
    answer: tuple[float, on.Event] | None = None


class Process:
    """One incarnation.

    Attributes:
        name: the holder's name and the incarnation's.
        paused: it stands still; others go on.
        terminating: SIGTERM came.
        code: how it ended; None while it runs or when it was killed.
        ended: it is no more.
        lives: as its journal said at boot, itself included; 0 before.
    """

    identity, subject = "same", SUBJECT

    def __init__(self, sim: Simulation, number: int) -> None:
        self.sim, self.name = sim, f"i{number}"
        if sim.scenario.baseline:
            self.subject = FRESH_SUBJECT
        self.paused = self.ended = False
        self.code: ExitCode | None = None
        self.decider: Decider | None = None
        self.hopeless = self.terminating = False
        self.no_looks_until = 0.0
        self._chance = Random(sim.scenario.seed * 1000 + number)
        self._stop = threading.Event()
        self._lanes: dict[str, Lane] = {}
        self._inbox: deque[Any] = deque()
        self._routes: deque[tuple[float, Any]] = deque()
        self._endpoints: deque[Any] = deque()
        self._renew_at = self._read_at = self._late_at = 0.0
        self._beat = 0.0
        self._first: LeaseView | None = None
        self._asked = 0.0
        self._boot_at = 0.0
        self.clock = clock_of(sim)

    # Life ----------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """What it does within a second of its life."""
        if self.terminating:
            self._hand_over()
            return
        if self.decider is None:
            self._boot(self.sim.now)
            return
        parts = [self._lease, self._lanes_turn, self._watches, self._look]
        self._chance.shuffle(parts)
        for part in parts:
            part(self.sim.now)
            while self._inbox and not self.over:
                self.decider.handle(self._inbox.popleft())
        if not self.over:
            self._beat = self.clock.monotonic()
            self.decider.tick()
        if self.over:
            self._end()

    @property
    def over(self) -> bool:
        return self.decider is None or self.decider.over

    @property
    def release(self) -> Release | None:
        return self.decider.release if self.decider is not None else None

    def die(self, why: str) -> None:
        """Gone, without a last word."""
        self.ended = True
        self._stop.set()
        self.sim.log(f"{self.name} {why}")

    def hear(self, event: on.Event) -> None:
        """Something comes in from outside, now."""
        self._inbox.append(replace(event, at=self.clock.now()))

    def _hand_over(self) -> None:
        if self.decider is None:
            self.die("is terminated before it began")
            return
        self.code = self.decider.hand_over()
        self._leave(handover=not self.decider.standing_by)

    def _end(self) -> None:
        assert self.decider is not None
        self.code = self.decider.code
        self._leave(handover=False)

    def _leave(self, *, handover: bool) -> None:
        self.ended = True
        self._stop.set()
        self.sim.log(f"{self.name} ends {self.code!r}")
        if self.decider is not None and not self.decider.standing_by:
            try:
                self.sim.leases.release(self.name, handover=handover)
            except PortError:
                return

    # Boot ----------------------------------------------------------------------------------------------------

    def _boot(self, now: float) -> None:
        if now < self._boot_at:
            return
        try:
            self._boot_now(now)
        except PortError as error:
            self.sim.log(f"{self.name} cannot begin: {error}")
            self._boot_at = now + LEASE_POLL

    def _boot_now(self, now: float) -> None:
        leases = self.sim.leases
        view = leases.acquire(self.name)
        if not view.ours:
            if self._first is None:
                self._first, self._asked = view, now
            elif view.version != self._first.version:
                self._first, self._asked = view, now  # it drives this very release: we stand by
            elif now - self._asked >= LEASE_DURATION:
                view = leases.acquire(self.name, steal=self._first.version)
        if not view.ours:
            self._boot_at = now + LEASE_POLL
            return
        stored = restored(self.sim.journals, leases, holder=self.name, clock=self.clock)
        journal = decode(stored.text) if stored else None
        if journal is not None and journal.release.phase in FINAL:
            self.code = journal.release.outcome.code if journal.release.outcome else None
            self._leave(handover=False)
            return
        self._begin(journal.release if journal else self.sim.fresh(self.name), stored, journal, now)

    def _begin(self, release: Release, stored: Any, journal: Any, now: float) -> None:
        self.hopeless = release.lives >= 2 and self.sim.hopeless(release)
        self._assemble(release, stored, journal)
        self.sim.log(f"{self.name} begins at {release.phase}/{release.stage}, life {release.lives}")
        assert self.decider is not None
        self._late_at = self._read_at = now
        self.decider.handle(started(release, at=self.clock.now(), incarnation=self.name))
        self.sim.routes.watch(lambda route: self._routes.append((now, route)), self._stop)
        if self.sim.gates is not None:
            self.sim.gates.watch(self.decider.desk.changed, self._stop)
        if release.policy.has_workload:
            self.sim.workloads.watch(self._endpoints.append, self._stop)

    def _assemble(self, release: Release, stored: Any, journal: Any) -> None:
        sim, scenario = self.sim, self.sim.scenario
        workloads = OwnWorkloads(sim.workloads, self._cancel) if release.policy.has_workload else None
        ports = Ports(
            clock=self.clock,
            routes=sim.routes,
            leases=sim.leases,
            journals=sim.journals,
            records=sim.records,
            preflights=sim.preflights,
            sources=None,  # type: ignore[arg-type]  # the simulation reads
            workloads=workloads,
            reporters=(self,),
            gates=sim.gates,
        )
        observer: Any
        if scenario.real_judge:
            errors = MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.005)
            config = JudgeConfig(metrics=(errors,), planned_looks=90, baseline=scenario.baseline)
            last = float(release.policy.steps[-1].share)
            observer = WatchedObserver(
                Question(config=config, every=1.0, last_share=last),
                window=journal.window if journal else None,
                state=journal.judge if journal else None,
                totals=journal.totals if journal else (0, 0, 0),
            )
            observer.heard = self._judged
        else:
            observer = ScriptedObserver(scenario, self._judged, state=journal.judge if journal else None)
        surgeon = Surgeon(
            routes=sim.routes,
            clock=self.clock,
            pool=FRESH_POOL if scenario.baseline else POOL,
            selectors=None,
            manager="canary-engine",
            state=journal.surgery if journal else None,
        )
        self.decider = Decider(
            release=release,
            ports=ports,
            surgeon=surgeon,
            observer=observer,
            background=self,
            identity=self.identity,
            stored=stored.version if stored else None,
            journal=journal,
            subject=self.subject,
        )
        self._beat = self.clock.monotonic()
        self._keeper = LeaseKeeper(
            leases=sim.leases, holder=self.name, clock=self.clock, beat=lambda: self._beat, tell=self._inbox.append
        )

    # The engine's threads ------------------------------------------------------------------------------------

    def _lease(self, now: float) -> None:
        if now >= self._renew_at and not (self.decider and self.decider.standing_by):
            self._renew_at = now + self._keeper.once()

    def submit(self, lane: str, task: Callable[[], on.Event | None]) -> None:
        """See Background."""
        begins = self.sim.now + self._chance.choice([0.0, 0.0, 1.0, 6.0])
        self._lanes.setdefault(lane, Lane()).waiting.append((begins, task))

    def _cancel(self) -> None:
        lane = self._lanes.get("workload")
        if lane is not None and lane.answer is not None:
            event = lane.answer[1]
            failed = on.WorkloadFailed(at=self.clock.now(), effect=getattr(event, "effect", ""), reason="cancelled")
            lane.answer = (self.sim.now, failed)

    def _lanes_turn(self, now: float) -> None:
        for lane in self._lanes.values():
            if lane.answer is not None:
                due, event = lane.answer
                if now < due:
                    continue
                lane.answer = None
                self._inbox.append(event)
                if self._chance.random() < 0.1:
                    self._inbox.append(event)  # an answer that comes twice
            if lane.waiting and now >= lane.waiting[0][0]:
                _, task = lane.waiting.popleft()
                event_or_none = task()
                self.sim.check_answer(event_or_none)
                if event_or_none is not None:
                    due = self.sim.answered_at(self, event_or_none)
                    lane.answer = (due + self._chance.choice([0.0, 0.0, 1.0, 5.0]), event_or_none)

    def _watches(self, _: float) -> None:
        if self.sim.cut_off(self):
            return
        while self._routes:
            _, route = self._routes.popleft()
            if not self._routes or self._chance.random() < 0.5:  # a watch may skip versions
                self._inbox.append(RouteObserved(at=self.clock.now(), route=route))
            if self._chance.random() < 0.2:
                break
        while self._endpoints:
            self._inbox.append(EndpointsObserved(at=self.clock.now(), endpoints=self._endpoints.popleft()))

    def _look(self, now: float) -> None:
        if now < self.no_looks_until:
            if now - self._late_at >= LATE:
                self._late_at = now
                self._inbox.append(on.LookMissed(at=self.clock.now(), reason="no look was taken"))
            return
        if now < self._read_at:
            return
        self._read_at, self._late_at = now + self.sim.every, now
        reading = as_read(self.sim.reading(), self.clock, scraped=self.sim.scenario.scraped)
        self._inbox.append(ReadingTaken(at=self.clock.now(), reading=reading))  # type: ignore[arg-type]

    def tell(self, progress: Any) -> None:
        """See Reporters."""
        self.sim.told(self, progress)

    def _judged(self, judgement: Judgement) -> None:
        self.sim.ledger_of(self).judged(self, judgement)
