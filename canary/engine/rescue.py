"""Finishing a release whose engine is gone: the same machine, from its journal, under a new token.

Back before stable is updated; where that had begun, stable first and then the traffic; forward once the promotion is
confirmed. Without a journal that can be read the canary's weight goes to 0 and nothing is deleted.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import strategies as cut
from canary.core import events as on
from canary.core.outcome import ExitCode
from canary.core.release import FINAL
from canary.core.vigil import Ended
from canary.core.vigil import Rescue as Wanted
from canary.engine import blind
from canary.engine.capacity import ready_now
from canary.engine.copying import recorded, restored
from canary.engine.decider import Decider
from canary.engine.journal import Journal, JournalError, decode
from canary.engine.leasekeeper import LeaseKeeper
from canary.engine.surgeon import Surgeon
from canary.engine.surroundings import Background, Observation, Ports, RouteObserved
from canary.engine.suspicion import CONFIRM, Suspicion
from canary.engine.unobserved import Unobserved
from canary.ports import Clock, Journals, Leases, NotFound, PortError, Routes, Stored, Unavailable, Workloads

LOOK_EVERY = 2.0
"""Seconds between reads of the route, for the gateway's word and for what others write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One release's world, as a watchdog reaches it.

    Attributes:
        clock, routes, leases, journals: the ports.
        manager: our field manager.
        furnish: all ports, once the journal says what the release is about.
        tell: gets a sentence for people and whether one of them must act; for what no release says itself.
    """

    clock: Clock
    routes: Routes
    leases: Leases
    journals: Journals
    manager: str
    furnish: Callable[[Journal], Ports]
    tell: Callable[[str, bool], None]


class Rescue:
    """One attempt to finish one release; `turn` is to be called again and again until it says how it ended.

    Args:
        wanted: the lease as it stood unchanged.
        scene: the release's world.
        holder: our name on the lease, and the incarnation's.
        background: runs what may wait; its answers go to `answer`.
        confirm: seconds for which the lease is marked before it is taken.

    Attributes:
        code: the release's exit code, once it ended by us.
        decider: owns the release, once it is ours.
    """

    def __init__(
        self, wanted: Wanted, scene: Scene, *, holder: str, background: Background, confirm: float = CONFIRM
    ) -> None:
        self.code: ExitCode | None = None
        self.alarmed = False
        self.decider: Decider | None = None
        self._wanted, self._scene, self._holder, self._background = wanted, scene, holder, background
        self._begun = scene.clock.monotonic()
        self._suspicion = Suspicion(scene.leases, scene.clock, version=wanted.version, confirm=confirm)
        self._answers: queue.SimpleQueue[on.Event | Observation] = queue.SimpleQueue()
        self._keeper = LeaseKeeper(
            leases=scene.leases, holder=holder, clock=scene.clock, beat=scene.clock.monotonic, tell=self._answers.put
        )
        self._workloads: Workloads | None = None
        self._renew_at = self._look_at = 0.0

    def answer(self, event: on.Event | Observation) -> None:
        """Where the background's answers go; from any thread."""
        self._answers.put(event)

    def turn(self) -> Ended | None:
        """Do what is to be done now; None as long as there is more to do."""
        try:
            return self._begin() if self.decider is None else self._go_on(self.decider)
        except Unavailable as error:
            self._scene.tell(f"not finished yet: {error}", False)
            return Ended.UNAVAILABLE
        except PortError as error:
            self._alarm(f"the release cannot be finished: {error}")
            return Ended.REFUSED
        except Exception as error:  # noqa: BLE001 - one release's bug must not end the others' watchdog
            traceback.print_exception(error, file=sys.stderr)
            if self.decider is not None:
                self.decider.put_traffic_back()
            self._alarm(f"our bug: {type(error).__name__}: {error}")
            return Ended.REFUSED

    def _begin(self) -> Ended | None:
        if self._suspicion.began is None and _over(self._scene.journals.load()):
            return Ended.SETTLED  # nobody needs to know whether its engine lives
        dead = self._suspicion.turn()
        if dead:
            return self._dead()
        return None if dead is None else Ended.DONE

    def _dead(self) -> Ended | None:
        scene = self._scene
        stored = recorded(scene.journals, scene.leases)
        journal, why = _readable(stored)
        if journal is None:
            return self._blind(why)
        if journal.release.phase in FINAL:
            return Ended.SETTLED  # its engine died after the last word; the lease stays, for whoever asks how it ended
        if not scene.leases.acquire(self._holder, steal=self._suspicion.version).ours:
            return Ended.DONE
        # What is believed is read after the lease was taken: the engine may have written until then.
        stored = restored(scene.journals, scene.leases, holder=self._holder, clock=scene.clock)
        journal, why = _readable(stored)
        if stored is None or journal is None:
            scene.leases.release(self._holder)
            return self._blind(why)
        if journal.release.phase in FINAL:  # somebody else finished it while we asked for the lease
            scene.leases.release(self._holder)
            return Ended.DONE
        self._take_over(stored, journal)
        return self._ended()

    def _take_over(self, stored: Stored, journal: Journal) -> None:
        scene, now = self._scene, self._scene.clock
        ports = scene.furnish(journal)
        surgeon = Surgeon(
            routes=ports.routes,
            clock=now,
            pool=_pool(journal),
            selectors=None,
            manager=scene.manager,
            state=journal.surgery,
        )
        self.decider = Decider(
            release=journal.release,
            ports=ports,
            surgeon=surgeon,
            observer=Unobserved(journal),
            background=self._background,
            identity=journal.identity,
            stored=stored.version,
            journal=journal,
        )
        self._renew_at, self._look_at = now.monotonic() + self._keeper.once(), now.monotonic() + LOOK_EVERY
        wanted = self._wanted
        whose = f"the lease of {wanted.holder} stood" if wanted.holder else "it was handed over, and the lease stood"
        silent = wanted.silent + (now.monotonic() - self._begun)
        lost = f"{whose} unchanged for {silent:.0f} s"
        stable, canary = ready_now(ports.workloads)
        resumed = on.Resumed(at=now.now(), incarnation=self._holder, lost=lost, stable=stable, canary=canary)
        self._workloads = ports.workloads
        self.decider.handle(resumed)

    def _go_on(self, decider: Decider) -> Ended | None:
        now = self._scene.clock.monotonic()
        while not self._answers.empty() and not decider.over:
            decider.handle(self._answers.get())
        if now >= self._renew_at and not decider.over:
            self._renew_at = now + self._keeper.once()
        if now >= self._look_at and not decider.over:
            self._look_at = now + LOOK_EVERY
            self._look(decider)
        if not decider.over and not decider.standing_by:
            decider.tick()
        return self._ended()

    def _look(self, decider: Decider) -> None:
        if decider.release.stable_gone:
            stable, canary = ready_now(self._workloads)
            if stable is not None and canary is not None:
                decider.handle(on.CapacityChanged(at=self._scene.clock.now(), stable=stable, canary=canary))
        try:
            route = self._scene.routes.read()
        except NotFound:
            decider.handle(RouteObserved(at=self._scene.clock.now(), route=None))
        except PortError:
            return
        else:
            decider.handle(RouteObserved(at=self._scene.clock.now(), route=route))

    def _ended(self) -> Ended | None:
        decider = self.decider
        if decider is None or decider.standing_by:
            return Ended.DONE  # somebody else drives it, and renews the lease
        if decider.code is None:
            return None
        self.code = decider.code
        # Incomplete: the lease says that somebody must go on, and after its time that is one of us again.
        with contextlib.suppress(PortError):  # the journal says how it ended; the lease is only silent then
            self._scene.leases.release(self._holder, handover=decider.code is ExitCode.ROLLBACK_INCOMPLETE)
        return Ended.DONE

    def _blind(self, why: str) -> Ended:
        done = blind.put_back(self._scene.routes, why=why, now=self._scene.clock.now())
        if done.alarm:
            self._alarm(done.sentence)
        else:
            self._scene.tell(done.sentence, False)
        return Ended.SETTLED

    def _alarm(self, sentence: str) -> None:
        self.alarmed = True
        self._scene.tell(sentence, True)


def _readable(stored: Stored | None) -> tuple[Journal | None, str]:
    """The journal, or why nothing can be done by it."""
    if stored is None:
        return None, "there is no journal"
    try:
        journal = decode(stored.text)
    except JournalError as error:
        return None, str(error)
    if journal.subject is None and journal.release.phase not in FINAL:
        return None, "the journal does not say what the release is about; an older engine wrote it"
    return journal, ""


def _over(stored: Stored | None) -> bool:
    journal, _ = _readable(stored)
    return journal is not None and journal.release.phase in FINAL


def _pool(journal: Journal) -> cut.Pool:
    subject = journal.subject
    if subject is None:
        raise NotFound("the journal does not say what the release is about")
    here, fresh = subject.namespace, subject.workload.baseline if subject.workload else ""
    return cut.Pool(
        stable=cut.RefId("Service", "", here, subject.stable, subject.stable_port),
        baseline=cut.RefId("Service", "", here, fresh, subject.stable_port) if fresh else None,
        canary=cut.RefId("Service", "", here, subject.canary, subject.canary_port),
    )
