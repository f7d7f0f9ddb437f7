"""Two releases of one service on one route: the second is asked for while the first is under way, or just after.

Everything that can go wrong with one may go wrong with either. The second waits, is refused or takes over, by the
`Line` that `canary run` stands in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal
from random import Random
from typing import Any, Literal

from canary.adapters.memory import MemoryRecords, World
from canary.cli.aborting import World as Bystander
from canary.cli.aborting import supersede
from canary.cli.boundary import Failure
from canary.cli.queueing import POLL, Line, Ours, Over
from canary.cli.resuming import ended_before, resumable
from canary.cli.taking import given_back
from canary.core.outcome import ExitCode
from canary.core.release import FINAL, Policy, Release
from canary.engine.copying import UNTOUCHED, restored
from canary.engine.journal import Journal, decode
from canary.ports import Endpoints, LeaseView, Stored, WorkloadFailure
from simulated.ledger import Ledger
from simulated.oracles import check_incomplete, check_route, played
from simulated.process import LEASE_DURATION, Process
from simulated.scenario import Happening, Scenario, scenario
from simulated.simulation import RETRIED, Simulation
from simulated.world import POOL, SUBJECT, Object, Workloads

Does = Literal["wait", "refuse", "supersede"]

UNPLAYED = frozenset({"edit:stable-image", "edit:drop-stable", "edit:delete-route"})
UNPLAYED |= {"edit:recreate-route"}
"""What is played with one release, and would leave none to the second."""


@dataclass(slots=True, kw_only=True)
class Rival:
    """One of the two.

    Attributes:
        name: its identity, and its uid.
        does: what its file says of another one.
        after: when it is asked for, seconds after the first.
        asked: the same on the server's clock.
        recorded: the end that stands on its Job; None while none does.
        told: it was its engine that said so, and not a pod that could not begin.
        put_aside: one of its pods was told that a newer release came before it, or that its own was over by that.
        codes: of its processes.
        begun: how often it was begun from nothing.
        touched: its journal said that something of it may be in the world.
        ended: its journal said its end.
    """

    name: str
    does: Does
    after: float
    asked: float = 0.0
    recorded: ExitCode | None = None
    told: bool = False
    put_aside: bool = False
    codes: list[ExitCode] = field(default_factory=list)
    begun: int = 0
    touched: bool = False
    ended: ExitCode | None = None


class Waits(Exception):
    """Somebody else's lease is looked at again in a moment."""


class Contender(Process):
    """A process of one of them."""

    sim: Rivals

    def __init__(self, sim: Rivals, number: int, rival: Rival) -> None:
        self.rival, self.identity = rival, rival.name
        self.subject = SUBJECT.model_copy(update={"name": rival.name, "job": rival.name, "asked": rival.asked})
        super().__init__(sim, number)
        self._seen: dict[str, None] = {}
        policy = sim.scenario.policy
        self._line = Line(
            Ours(
                identity=rival.name,
                name=f"release {rival.name}",
                asked=rival.asked,
                does=rival.does,
                deadline=policy.deadline,
                least=policy.bake_min + sum(step.hold_min for step in policy.steps),
                job=rival.name,
            ),
            journals=sim.journals,
            clock=sim.clock,
            supersede=self._put_down,
            tell=lambda line: sim.log(f"{self.name} ({rival.name}): {line}"),
            sleep=sim.clock.advance,
        )

    def _boot_now(self, now: float) -> None:
        if self.rival.recorded is not None:
            self._give_up(self.rival.recorded)
            return
        try:
            taken = self._line.turn(self._take, self._resume)
        except Failure as failure:
            self.sim.log(f"{self.name} ({self.rival.name}): {failure}")
            over = isinstance(failure, Over) and failure.code is ExitCode.HELD_BY_ANOTHER
            self.rival.put_aside |= over
            self.sim.fails(self, failure.code)
            self._give_up(failure.code)
            return
        except Waits:
            taken = None
        if taken is None:
            self._boot_at = now + POLL
            return
        stored, journal = taken.value
        if journal is not None and journal.release.phase in FINAL:
            assert journal.release.outcome is not None
            self._give_up(journal.release.outcome.code)
            return
        if journal is None:
            self.sim.begins(self, stored)
            self.subject = self.subject.model_copy(update={"before": ended_before(stored)})
        policy = self._line.shortened(self.sim.scenario.policy)
        fresh = Release(uid=self.rival.name, incarnation=self.name, policy=policy)
        self._begin(journal.release if journal else fresh, stored, journal, now)

    def _give_up(self, code: ExitCode) -> None:
        self.code = code
        self._leave(handover=False)

    def _take(self) -> tuple[str, ...]:
        """As `take_lease` does, without its waiting."""
        now, view = self.sim.now, self.sim.leases.acquire(self.name)
        if view.ours:
            return tuple(self._seen)
        self._seen[view.holder] = None
        if self._first is None or view.sign != self._first.sign:
            alive = self._first is not None
            self._first, self._asked = view, now
            if alive and not self._same():
                raise Failure("another engine drives a release on this route", code=ExitCode.HELD_BY_ANOTHER)
        elif now - self._asked >= LEASE_DURATION:
            stolen: LeaseView = self.sim.leases.acquire(self.name, steal=self._first.version)
            if stolen.ours:
                return tuple(self._seen)
        raise Waits

    def _same(self) -> bool:
        stored = self.sim.journals.load()
        journal = decode(stored.text) if stored else None
        return journal is not None and journal.identity == self.identity and journal.release.phase not in FINAL

    def _resume(self, seen: tuple[str, ...]) -> tuple[Stored | None, Journal | None]:
        stored = restored(self.sim.journals, self.sim.leases, holder=self.name, clock=self.clock)
        journal = decode(stored.text) if stored else None
        if journal is not None and journal.identity == self.identity and journal.release.phase in FINAL:
            return stored, journal  # in its journal stands our own Job
        with given_back(self.sim.leases, self.name):
            found = resumable(stored, self.identity, asked=self.rival.asked, seen=seen, job=self.rival.name)
            if self.rival.recorded is not None:
                raise Over("this Job's release has ended already", code=self.rival.recorded)
            return found

    def _put_down(self) -> None:
        bystander = Bystander(
            routes=self.sim.routes,
            journals=self.sim.journals,
            clock=self.sim.clock,
            lease=lambda: None,
            dead=lambda _: False,
            pool=POOL,
            sleep=self.sim.clock.advance,
            say=lambda _: None,
        )
        supersede(bystander, by=f"release {self.rival.name}", reason="onConcurrent: supersede")


class Shared(Workloads):
    """What the two releases share: each takes away only what it made.

    Attributes:
        owner: the release that made the canary; empty while there is none.
        live: the releases that stable was given, the newest last.
    """

    def __init__(self, world: World, who: Callable[[], str]) -> None:
        super().__init__(world)
        self.owner = ""
        self.live: list[str] = []
        self._who = who

    def provision(self, *, share: Decimal) -> Endpoints:
        """See Workloads."""

        def act() -> Endpoints:
            if self.exists and self.owner != self._who():
                raise WorkloadFailure(f"the canary was made by release {self.owner}, not by this release")
            wanted = int((self._replicas * share / 100).to_integral_value(ROUND_CEILING))
            self.exists, self.owner = True, self._who()
            self.set_endpoints(canary=max(1, wanted, self.endpoints.canary))
            return self.endpoints

        return self._world.perform("workloads.provision", act)

    def remove(self, *, keep: bool = False) -> None:
        """See Workloads; no release is a first one here."""
        del keep
        self._world.perform("workloads.remove", lambda: self.sweep(self._who()))

    def sweep(self, release: str) -> None:
        """Everything of a release off."""
        if self.owner == release:
            self.exists, self.owner = False, ""
            self.set_endpoints(canary=0)
        if self.token.partition("/")[0] == release:
            self._mark("")

    def _promote(self, *, promoted: bool) -> None:
        who = self._who()
        if promoted and who not in self.live:
            self.live.append(who)
            self.promoting()
        elif not promoted and self.live[-1:] == [who]:
            self.live.pop()


class Rivals(Simulation):
    """A history of two releases."""

    def __init__(self, given: Scenario) -> None:
        chance = Random(f"rivals/{given.seed}")
        does: tuple[Does, ...] = ("supersede", "supersede", "supersede", "wait", "refuse")
        after = chance.choice([chance.uniform(0.0, 10.0), chance.uniform(0.0, 60.0), chance.uniform(0.0, 200.0)])
        self.rivals = [
            Rival(name="r1", does=chance.choice(does), after=0.0),
            Rival(name="r2", does=chance.choice(does), after=after),
        ]
        super().__init__(given)
        self.ledgers = {rival.name: self.ledger if rival.name == "r1" else self._a_ledger() for rival in self.rivals}
        for rival in self.rivals:
            rival.asked = self.now + rival.after
        self.journals.written = self._journalled
        self.start_of(self.rivals[1], after)

    def _a_ledger(self) -> Ledger:
        return Ledger(self.scenario.policy, lambda: self.now, self.complain)

    def start_of(self, rival: Rival, seconds: float) -> None:
        """The first process of a release."""
        self.at(seconds, lambda: self.processes.append(Contender(self, len(self.processes) + 1, rival)))

    def a_process(self, number: int, like: Process | None) -> Process:
        """See Simulation: of the same release as the one whose place it takes."""
        return Contender(self, number, like.rival if isinstance(like, Contender) else self.rivals[0])

    def a_workload(self) -> Workloads:
        """See Simulation."""
        return Shared(self.world, lambda: self._rival_of(self._writer()).name)

    def _rival_of(self, process: Any) -> Rival:
        assert isinstance(process, Contender)
        return process.rival

    def ledger_of(self, process: Process) -> Ledger:
        """See Simulation."""
        return self.ledgers[self._rival_of(process).name]

    def begins(self, process: Contender, stored: Stored | None) -> None:
        """A release is begun from nothing: the one before has ended, and what its dead left is swept."""
        before, rival = decode(stored.text).release if stored else None, process.rival
        if before is not None:
            if before.phase not in FINAL:
                self.complain(f"{rival.name} begins although {before.uid} has not ended")
            assert isinstance(self.workloads, Shared)
            self.workloads.sweep(before.uid)
        rival.begun += 1
        if rival.recorded is not None:
            self.complain(f"{rival.name} is released once more")
        if rival.ended is not None:  # also where its engine was killed before it could tell the Job
            self.complain(f"{rival.name} ended {rival.ended!r}, and is begun once more")
        if rival is self.rivals[0] and self.rivals[1].ended is ExitCode.PROMOTED:
            self.complain("the older release is begun after the newer one was promoted")
        self.ledger, self.records = self.ledger_of(process), MemoryRecords(self.world)

    def fails(self, process: Contender, code: ExitCode) -> None:
        """A process ends before it began; with a verdict it ends its Job, and every other pod of that."""
        rival = process.rival
        if code in RETRIED or rival.recorded is not None:
            return
        if any(one.release is not None and not one.ended for one in self.processes if self._rival_of(one) is rival):
            self.complain(f"{process.name} ends the Job of {rival.name}, which lives, with {code!r}")
        rival.recorded, rival.told = code, False

    def _journalled(self, text: str) -> None:
        release = decode(text).release
        self.ledgers[release.uid].journalled(text)
        rival = next(one for one in self.rivals if one.name == release.uid)
        rival.touched |= release.phase not in UNTOUCHED
        if release.phase in FINAL and release.outcome is not None:
            rival.ended = release.outcome.code

    def told(self, process: Process, progress: Any) -> None:
        """See Simulation; the end stands on the release's Job as well."""
        super().told(process, progress)
        code = progress.code
        if code is not None and code is not ExitCode.HANDED_OVER:
            self._rival_of(process).recorded, self._rival_of(process).told = code, True

    def wanted(self, process: Process) -> bool:
        """See Simulation."""
        rival = self._rival_of(process)
        assert process.code is not None
        rival.codes.append(process.code)
        return rival.codes.count(process.code) < 5 and not any(code not in RETRIED for code in rival.codes)

    def _finished(self) -> bool:
        return all(rival.ended is not None for rival in self.rivals)

    def _turn(self, process: Process) -> None:
        super()._turn(process)
        rival = self._rival_of(process)
        if process.ended and process.code is not None and process.code not in RETRIED:
            rival.codes.append(process.code)

    def _audit(self, before: Object | None, after: Object, ours: bool) -> None:
        super()._audit(before, after, ours)
        writer = self.current
        if ours and writer is not None and self.ledger_of(writer) is not self.ledger:
            self.ledger.by_others(before, after)


def rivalry(seed: int) -> Scenario:
    """The scenario of a seed for two releases."""
    plain = scenario(seed)
    policy: Policy = replace(plain.policy, has_workload=True)
    script: tuple[Happening, ...] = tuple(one for one in plain.script if one.kind not in UNPLAYED)
    return replace(plain, policy=policy, script=script)


def play_rivals(given: Scenario) -> Rivals:
    """The history of a scenario with two releases, with every violation found during it and at its end."""
    return played(Rivals(given), _check_end)


def _check_end(sim: Rivals) -> None:
    for rival in sim.rivals:
        ends = {code for code in rival.codes if code not in RETRIED}
        if len(ends) > 1 or ends & {ExitCode.BUG, ExitCode.USAGE}:
            sim.complain(f"{rival.name} ended {rival.codes}")
        if rival.told and ends and rival.ended is not None and ends != {rival.ended}:
            sim.complain(f"{rival.name} ended {ends}, and its journal said {rival.ended!r}")
    first, second = sim.rivals
    # A journal that was deleted before anything was touched ends nowhere; then its Job must know how it went.
    if any(one.begun and one.ended is None and (one.touched or not one.codes) for one in sim.rivals):
        check_incomplete(sim)
        return
    if second.put_aside and not second.begun:
        sim.complain("the newer release was superseded by the older one")
    check_route(sim, promoted=False)
    shared = sim.workloads
    assert isinstance(shared, Shared)
    if shared.exists or shared.token:
        sim.complain(f"the canary of {shared.owner} is left, or the token {shared.token}")
    wanted = [rival.name for rival in (first, second) if rival.ended is ExitCode.PROMOTED]
    if shared.live != wanted:
        sim.complain(f"stable was given {shared.live}, and promoted were {wanted}")
