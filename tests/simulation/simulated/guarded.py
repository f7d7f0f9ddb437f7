"""Histories with watchdogs: two look on, and the Job may be gone, so that nobody takes a dead engine's place."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from canary.adapters.memory import Fault, MemoryFleets, MemoryLeftovers
from canary.core import events as on
from canary.core import vigil
from canary.core.outcome import ExitCode
from canary.core.release import FINAL, Release
from canary.core.vigil import Ended, Vigil
from canary.engine.journal import Journal, decode
from canary.engine.rescue import Rescue, Scene
from canary.engine.surroundings import Ports
from canary.engine.sweeper import Sweeper
from canary.engine.watchdog import Watchdog
from canary.ports import LeaseNews, Unavailable
from simulated.oracles import check_end, check_route, played
from simulated.process import Killed, OwnWorkloads, Process
from simulated.scenario import Scenario
from simulated.simulation import RETRIED, Simulation

KEY = "shop/canary-shop"
INCOMPLETE = 3
"""After so many rescues that ended 30 a history is over: a watchdog would go on for ever."""


class Hand:
    """One rescue: who writes, for the ledger; and the background of its decider."""

    def __init__(self, dog: Dog, wanted: vigil.Rescue, name: str) -> None:
        self.dog, self.name, self.hopeless = dog, name, True
        self._tasks: deque[Callable[[], on.Event | None]] = deque()
        self.rescue = Rescue(wanted, dog.scene(self), holder=name, background=self)

    @property
    def release(self) -> Release | None:
        return self.rescue.decider.release if self.rescue.decider is not None else None

    @property
    def paused(self) -> bool:
        return self.dog.paused

    @paused.setter
    def paused(self, value: bool) -> None:
        self.dog.paused = value

    def submit(self, lane: str, task: Callable[[], on.Event | None]) -> None:
        """See Background."""
        del lane
        self._tasks.append(task)

    def turn(self) -> Ended | None:
        while self._tasks:
            event = self._tasks.popleft()()
            self.dog.sim.check_answer(event)
            if event is not None:
                self.rescue.answer(event)
        return self.rescue.turn()

    def tell(self, progress: Any) -> None:
        """See Reporters."""
        self.dog.sim.told(self, progress)  # type: ignore[arg-type]  # it has a name, which is all that is used


class Dog:
    """One watchdog's process."""

    def __init__(self, sim: Guarded, number: int) -> None:
        self.sim, self.name, self.number = sim, f"dog{number}", number
        self.paused = False
        self.hands: dict[str, Hand] = {}
        self.begun: list[float] = []
        self._stop = threading.Event()
        self._count = 0
        self.watchdog = Watchdog(
            fleets=sim.fleet,
            clock=sim.clock,
            start=self._start,
            vigil=Vigil(salt=self.name, limit=2),
            tell=lambda line: sim.log(f"{self.name}: {line}"),
        )
        self.sweeper = Sweeper(
            leftovers=sim.leftovers,
            fleets=sim.fleet,
            clock=sim.clock,
            tell=lambda line: sim.log(f"{self.name}: {line}"),
        )
        sim.fleet.watch(self._heard, self._stop)

    @property
    def dog(self) -> Dog:
        return self

    @property
    def release(self) -> Release | None:
        return None

    def turn(self) -> None:
        self.watchdog.turn()
        self.sweeper.turn()
        for key, hand in tuple(self.hands.items()):
            before, self.sim.current = self.sim.current, hand  # type: ignore[assignment]  # writes are the hand's
            began, renewed = hand.rescue.decider is None, self.sim.leases.renewed
            try:
                how = hand.turn()
                if began and hand.rescue.decider is not None and self.sim.now - renewed < vigil.SILENT - 1.0:
                    self.sim.complain(f"a lease was taken that was renewed {self.sim.now - renewed:.0f} s ago")
            finally:
                self.sim.current = before
            if how is not None:
                del self.hands[key]
                self.sim.rescued(hand)
                self.watchdog.finished(key, how)

    def die(self) -> None:
        self._stop.set()

    def scene(self, hand: Hand) -> Scene:
        sim = self.sim

        def furnish(journal: Journal) -> Ports:
            del journal
            return Ports(
                clock=sim.clock,
                routes=sim.routes,
                leases=sim.leases,
                journals=sim.journals,
                records=sim.records,
                preflights=sim.preflights,
                sources=None,  # type: ignore[arg-type]  # nobody reads
                workloads=OwnWorkloads(sim.workloads, lambda: None) if sim.scenario.policy.has_workload else None,
                reporters=(hand,),
            )

        def tell(sentence: str, alarm: bool) -> None:
            sim.log(f"{hand.name}: {sentence}{' (ALARM)' if alarm else ''}")
            if alarm:
                sim.alarms.append(sentence)

        return Scene(
            clock=sim.clock,
            routes=sim.routes,
            leases=sim.leases,
            journals=sim.journals,
            manager="canary-engine",
            furnish=furnish,
            tell=tell,
        )

    def _heard(self, news: LeaseNews) -> None:
        if not self.sim.cut_off(self):
            self.watchdog.heard(news)

    def _start(self, wanted: vigil.Rescue) -> None:
        self._count += 1
        self.begun.append(self.sim.now)
        self.sim.log(f"{self.name} takes up {wanted.holder}'s release, silent for {wanted.silent:.0f} s")
        self.sim.check_taken_up(vigil.SUSPECTED)
        self.hands[wanted.key] = Hand(self, wanted, f"{self.name}-{self._count}")


class Guarded(Simulation):
    """A history with two watchdogs.

    Attributes:
        lonely: the Job is gone: no engine takes a dead one's place.
    """

    def __init__(self, scenario: Scenario, *, lonely: bool | None = None) -> None:
        self.lonely = Random(scenario.seed * 13).random() < 0.7 if lonely is None else lonely
        self.dogs: list[Dog] = []
        self._first = True
        self._known: tuple[str, bool] = ("", False)
        super().__init__(scenario)
        self.fleet = MemoryFleets(self.world)
        self.fleet.add(KEY, self.leases)
        self.leftovers = MemoryLeftovers(self.world, self.workloads, release="r1", namespace="shop")
        self.dogs = [Dog(self, number) for number in (1, 2)]

    def start(self, seconds: float, like: Process | None = None) -> None:
        """See Simulation: where the Job is gone only the first engine ever starts."""
        if self._first or not self.lonely:
            self._first = False
            super().start(seconds, like)

    def second(self) -> None:
        """See Simulation."""
        super().second()
        for number, dog in enumerate(self.dogs):
            if dog.paused:
                continue
            before, self.current = self.current, dog  # type: ignore[assignment]  # who calls, for the faults
            try:
                dog.turn()
            except Killed as killed:
                self.log(f"{dog.name} is killed {killed}")
                dog.die()
                self.dogs[number] = Dog(self, dog.number + 2)
            finally:
                self.current = before

    def rescued(self, hand: Hand) -> None:
        """A rescue has ended, in one way or another."""
        if hand.rescue.code is not None:
            self.log(f"{hand.name} ends {hand.rescue.code!r}")
            self.codes.append(hand.rescue.code)

    def check_taken_up(self, least: float) -> None:
        """Whoever renewed within the lease's time, and can still, is left alone."""
        silent = self.now - self.leases.renewed
        if silent < least - 1.0:
            self.complain(f"a release was taken up whose lease was renewed {silent:.0f} s ago")

    def cut_off(self, process: Any) -> bool:
        """See Simulation; what a watchdog's rescue calls is cut off as its watchdog is."""
        who = getattr(process, "dog", process)
        return any(self.now < until and (cut is None or cut is who) for until, cut in self.outages)

    def _fault(self, call: str, number: int) -> Fault | None:
        if call.startswith(("fleets.", "leftovers.")) and not call.endswith(".watch"):
            cut = self.current is not None and self.cut_off(self.current)
            noise = self.scenario.noise and self.chance.random() < self.scenario.noise / 10
            return Fault(error=Unavailable("the API server does not answer")) if cut or noise else None
        return super()._fault(call, number)

    def cut(self, who: Any, seconds: float) -> None:
        """Somebody cannot reach the API server for a while."""
        self.outages.append((self.now + seconds, who))

    def _alive(self) -> bool:
        return super()._alive() or any(dog.hands for dog in self.dogs) or self._owed() or self._left()

    def _left(self) -> bool:
        """Whether something stands there that was made after the release had ended: a watchdog looks once a minute."""
        late = self.workloads.exists or self.workloads.deployed
        return late and bool(self.leases.copy) and decode(self.leases.copy).release.phase in FINAL

    def _owed(self) -> bool:
        """Whether a release stands in the journal that nobody has finished, and a lease says so."""
        stored, copy = self.journals.stored, self.leases.copy
        text = stored.text if stored else copy
        if not text or not (self.leases.holder or self.leases.handover):
            return False
        if self._known[0] != text:
            self._known = (text, decode(text).release.phase not in FINAL)
        return self._known[1] and self.codes.count(ExitCode.ROLLBACK_INCOMPLETE) < INCOMPLETE


def play_guarded(given: Scenario, *, lonely: bool | None = None) -> Guarded:
    """The history of a scenario with two watchdogs, with every violation found during it and at its end."""
    return played(Guarded(given, lonely=lonely), check_guarded)


def check_guarded(sim: Guarded) -> None:
    """What must hold when neither an engine nor a watchdog is left to act."""
    final = [code for code in sim.codes if code not in RETRIED]
    stored = sim.journals.stored
    release = decode(stored.text).release if stored else None
    if not final and release is not None and release.phase in FINAL and release.outcome is not None:
        # Its engine was killed after the journal's last word, and nobody came to ask.
        sim.codes.append(release.outcome.code)
    if not final and release is None:
        check_route(sim, promoted=False)
        return
    check_end(sim)
