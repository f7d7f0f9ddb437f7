"""The decider: hands events to the machine, writes its intent to the journal, and has the effects carried out.

One thread owns it. Critical effects (route, fence, journal) happen right here; everything that may wait goes to a
`Background`, whose answers come back as events. It holds no thread, no timer and no clock of its own, so that the
same code runs in a Job and in a simulation in virtual time.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import asdict

from analysis.model import Arm
from canary.core import effects as do
from canary.core import events as on
from canary.core.backward import handed_over
from canary.core.machine import advance
from canary.core.outcome import ExitCode
from canary.core.release import FINAL, Phase, Release
from canary.engine import fence, recalling
from canary.engine.capacity import ready_now
from canary.engine.chores import CalledOff, Chore, failed, preflight, workload
from canary.engine.desk import Desk
from canary.engine.journal import Journal
from canary.engine.keeping import JournalKeeper
from canary.engine.leasekeeper import holder_instead
from canary.engine.observer import JUDGED, Observer
from canary.engine.recording import Recording
from canary.engine.standby import StandingBy
from canary.engine.subject import Subject
from canary.engine.surgeon import Operation, Surgeon
from canary.engine.surroundings import (
    Background,
    EndpointsObserved,
    Observation,
    Ports,
    ReadingTaken,
    RouteObserved,
)
from canary.engine.telling import progress_of
from canary.ports import PortError, Workloads

ENDING_EVERY = 5.0
"""Seconds between tries of the journal's last write."""

ENDING_PATIENCE = 900.0
"""Seconds for which the last write of the journal is tried again."""

ENDS_A_STEP = on.Looked | on.Ticked | on.GateDecided | on.GateUnanswered | on.SkipRequested | on.PromoteRequested
"""Events with which a step may end, by what the judge has said of it."""


class Decider:
    """Owns one release in this process.

    Args:
        release: where it stands (fresh, or from the journal).
        ports: the world.
        surgeon: plans and carries out what touches the route.
        observer: makes looks and judgements of readings.
        background: runs what may wait.
        identity, subject: hash of the normalised release file, and what it is about (None: as the journal says).
        stored: version of the journal read, None when there is none yet.
        journal: the journal read, None when the release is new.

    Attributes:
        release: where the release stands.
        code: the exit code, once the release is over for this process.
        leaving: this process is about to end; what would go forward is left to the next one.
        desk: where people's decisions come in.
        share_changed: called right after the weights changed, so that a reading can be taken soon.
    """

    def __init__(
        self,
        *,
        release: Release,
        ports: Ports,
        surgeon: Surgeon,
        observer: Observer,
        background: Background,
        identity: str,
        stored: str | None = None,
        journal: Journal | None = None,
        subject: Subject | None = None,
    ) -> None:
        self.release = release
        self.code: ExitCode | None = None
        self.leaving = False
        self._ports, self._surgeon, self._observer, self._background = ports, surgeon, observer, background
        self._journal = JournalKeeper(
            ports, identity=identity, subject=subject, release=release, stored=stored, journal=journal
        )
        self.desk = Desk(ports.gates, ports.clock, subject or (journal.subject if journal else None))
        self._recording = Recording(ports.records, observer, ports.clock, mark=journal.record if journal else (0, ""))
        self._standby: StandingBy | None = None
        self._identity = identity
        self._ended_at = 0.0
        self._still_ours = lambda: holder_instead(ports.leases, self.release.incarnation)
        self._ending: do.Finish | None = None
        self._chores = CalledOff()
        self._queue: deque[on.Event] = deque()
        self._weights: tuple[str, ...] = ()
        self.share_changed: Callable[[], None] = lambda: None

    # What comes in -----------------------------------------------------------------------------------------

    def handle(self, item: on.Event | Observation) -> None:
        """Take one event or observation, and everything that follows from it at once."""
        match item:
            case RouteObserved():
                self._queue.extend(self._surgeon.examine(item.route, release=self.release, at=item.at))
            case EndpointsObserved():
                self._observer.pods = {Arm.STABLE: item.endpoints.stable, Arm.CANARY: item.endpoints.canary}
                self._observer.fresh = item.endpoints.baseline
                self._queue.append(on.CapacityChanged(at=item.at, **asdict(item.endpoints)))
            case ReadingTaken():
                event = self._observer.take(item.reading, release=self.release, at=item.at)
                self._recording.drain()
                if event is not None:
                    self._queue.append(event)
            case recalling.PastRead():
                self._observer.recall(item.past, at=item.at)
            case on.Started() | on.Resumed():
                recalling.begin(self._ports, self._observer, self.release, self._background)
                self._queue.append(item)
            case _:
                self._queue.append(item)
        while self._queue and not self.over:
            self._decide(self._queue.popleft())

    @property
    def standing_by(self) -> bool:
        """Whether another engine drives the release, so that only its end is waited for."""
        return self._standby is not None

    @property
    def over(self) -> bool:
        """Whether there is nothing more to do in this process."""
        return self.code is not None

    def tick(self) -> None:
        """Time has passed: deadlines, holds, the journal's and the record's own rhythm."""
        now = self._ports.clock.now()
        if self._standby is not None:
            self.code = self._standby.turn(now)
            return
        if self._ending is not None:
            if now - self._ended_at >= ENDING_EVERY:
                self._ended_at = now
                self._finish(self._ending)
            return
        self.handle(on.Ticked(at=now))
        if self.over:
            return
        self.desk.attend(self.release, self._background)
        if self._recording.due:
            self.flush()
        if self._journal.due(now) and self.release.started:
            self._write_journal()

    def put_traffic_back(self) -> None:
        """The last thing before a mistake of ours ends the process: one write, and no questions."""
        if self.standing_by:
            return
        with contextlib.suppress(Exception):
            self._surgeon.carry_out(do.LowerShare(id="last"), release=self.release, still_ours=self._still_ours)

    def hand_over(self) -> ExitCode:
        """Write down where the release stands, for the process that goes on with it."""
        if not self.standing_by:
            self.flush()
            self.release = handed_over(self.release)
            self._write_journal()
        self._report(message="handed over to the next process", reason="HandedOver", code=ExitCode.HANDED_OVER)
        return ExitCode.HANDED_OVER

    def _decide(self, event: on.Event) -> None:
        before = self.release
        if self._standby is not None:
            self.code = self._standby.hear(event)
            return
        if before.phase in FINAL:
            return
        self.release, effects = advance(before, event)
        self._recording.note(event, before)
        intended = self._journal.intends(self.release)
        decided = before.phase in JUDGED and isinstance(event, ENDS_A_STEP) and not intended
        if decided and any(isinstance(effect, do.RaiseShare) for effect in effects):
            self.flush()  # no raise rests on looks that nobody could judge again; lowering waits for nothing
            decided = False
        early = [effect for effect in effects if _before_it_is_written(effect, before, self.release)]
        for effect in early:
            self._carry_out(effect)
        effects = tuple(effect for effect in effects if effect not in early)
        if self.standing_by or (not intended and not self._intend(effects)):
            return
        for effect in effects:
            self._carry_out(effect)
        if decided:
            self.flush()
        if isinstance(event, on.Looked):
            self._report(on_look=event)

    def _intend(self, effects: tuple[do.Effect, ...]) -> bool:
        """Write the journal before the world is touched; a lowering does not wait for it."""
        error = self._write_journal()
        if error is None or self.standing_by:
            return not self.standing_by
        for effect in effects:
            if isinstance(effect, do.LowerShare | do.Tell | do.Finish):
                self._carry_out(effect)
            elif isinstance(effect, do.ConfirmChange | do.StandBy):
                continue
            else:
                message = f"the journal could not be written, so nothing was done: {error}"
                self._fail(effect.id, on.Failure.UNAVAILABLE, message)
        return False

    # What goes out -----------------------------------------------------------------------------------------

    def _carry_out(self, effect: do.Effect) -> None:
        if self.leaving and isinstance(effect, do.RaiseShare | do.ProvisionWorkload | do.UpdateStable):
            return  # it stands in the journal as pending: whoever goes on does it
        match effect:
            case do.Tell():
                self._recording.told(effect)
                self._report(message=effect.message, reason=effect.reason, alarm=effect.alarm)
            case do.RestartJudge():
                self._restart_judge(effect)
            case do.StandBy():
                self._stand_by(effect.holder)
            case do.Finish():
                self._finish(effect)
            case do.RunPreflight():
                checks, clock = self._ports.preflights, self._ports.clock
                self._background.submit("checks", lambda: preflight(checks, effect, clock=clock))
            case do.ProvisionWorkload() | do.UpdateStable() | do.RevertStable() | do.RemoveWorkload():
                self._work(effect)
            case _:
                self._operate(effect)

    def _restart_judge(self, effect: do.RestartJudge) -> None:
        now = self._now()
        self._observer.restart(share=effect.share, baking=effect.baking, at=now)
        event = self._observer.judge_last(now)
        self._recording.drain()
        if event is not None:
            self._queue.append(event)

    def _operate(self, effect: Operation) -> None:
        try:
            # Stable first: what is believed of the route is read after the token stands everywhere.
            if isinstance(effect, do.TakeFence) and self._held_instead(fence.take):
                return
            events = self._surgeon.carry_out(effect, release=self.release, still_ours=self._still_ours)
        except PortError as error:
            self._queue.append(failed(effect.id, error, at=self._now()))
            return
        if isinstance(effect, do.LowerShare) and self._ports.workloads is not None:
            self._call_off(self._ports.workloads)
        if isinstance(effect, do.RaiseShare | do.LowerShare):
            self._observer.share_changed(at=self._now())
            self.share_changed()
        self._weights = self._surgeon.weights()
        self._queue.extend(events)

    def _work(self, effect: Chore) -> None:
        workloads, clock = self._ports.workloads, self._ports.clock
        if workloads is None:
            self._fail(effect.id, on.Failure.REFUSED, "this release has no workload of its own")
            return
        try:
            if isinstance(effect, do.UpdateStable | do.RevertStable) and self._held_instead(fence.confirm):
                return
            if isinstance(effect, do.RemoveWorkload) and self._held_instead(fence.outrun):
                return
        except PortError as error:
            self._queue.append(failed(effect.id, error, at=self._now()))
            return
        if isinstance(effect, do.RevertStable | do.RemoveWorkload):
            self._call_off(workloads)
        off, token = self._chores.ticket(), self.release.token
        self._background.submit("workload", lambda: workload(workloads, effect, token=token, clock=clock, off=off))

    def _held_instead(self, ask: Callable[..., str | None]) -> bool:
        """Whether somebody else holds the fence on stable; then only their end is waited for."""
        if self._ports.workloads is None:
            return False
        holder = ask(self._ports.workloads, self.release, still_ours=self._still_ours)
        if holder is not None:
            self._queue.append(on.FenceLost(at=self._now(), holder=holder))
        return holder is not None

    def _call_off(self, workloads: Workloads) -> None:
        """What was asked of the workload on the way forward must not happen on the way back."""
        self._chores.call_off()
        workloads.cancel()

    def _finish(self, effect: do.Finish) -> None:
        """End; but a release that is over has ended only when its journal says so, else nobody could begin another."""
        if self._ending is None:
            self._recording.ended(effect, self.release)
        stored = self._recording.close(self.release.incarnation)
        error = self._write_journal()
        if self.standing_by:
            return
        outcome = self.release.outcome
        patient = outcome is None or self._now() - outcome.decided < ENDING_PATIENCE
        if self.release.phase in FINAL and ((error is not None and patient) or not stored):
            self._ending = effect
            return
        self.code, self._ending = effect.code, None
        alarm = effect.code is ExitCode.ROLLBACK_INCOMPLETE
        self._report(message=effect.reason, reason="Finished", alarm=alarm, code=effect.code)

    def _fail(self, effect: str, failure: on.Failure, message: str) -> None:
        self._queue.append(on.EffectFailed(at=self._now(), effect=effect, failure=failure, message=message))

    # Journal, record, standing by --------------------------------------------------------------------------

    def _write_journal(self) -> str | None:
        """Write it; the reason why it could not be written, else None. A foreign writer makes us stand by."""
        unwritten = self._journal.write(
            self.release,
            record=self._recording.mark,
            surgery=self._surgeon.encode(),
            observed=self._observer.encode(),
        )
        if unwritten is None:
            return None
        if unwritten.holder:
            self._stand_by(unwritten.holder)
        return unwritten.why

    def flush(self) -> None:
        """Store what is recorded; what cannot be stored now is kept and stored later."""
        self._recording.flush(self.release.incarnation)

    def _stand_by(self, holder: str) -> None:
        self._standby = StandingBy(
            ports=self._ports,
            surgeon=self._surgeon,
            background=self._background,
            chores=self._chores,
            release=self.release,
            identity=self._identity,
            tell=lambda message: self._report(message=message, reason="HandedOver"),
        )
        self._report(message=f"another engine drives this release: {holder}", reason="StandingBy")

    # People ------------------------------------------------------------------------------------------------

    def _report(
        self,
        *,
        message: str = "",
        reason: str = "",
        alarm: bool = False,
        code: ExitCode | None = None,
        on_look: on.Looked | None = None,
    ) -> None:
        progress = progress_of(
            self.release,
            self._observer,
            at=self._now(),
            message=message,
            reason=reason,
            alarm=alarm,
            judgement=on_look.judgement if on_look else None,
            weights=self._weights,
            code=code,
        )
        for reporter in self._ports.reporters:
            reporter.tell(progress)

    def _now(self) -> float:
        return self._ports.clock.now()


def started(release: Release, *, at: float, incarnation: str, workloads: Workloads | None = None) -> on.Event:
    """The first event of this incarnation; where it takes over, ready endpoints are counted just before."""
    if release.phase is Phase.PENDING:
        return on.Started(at=at)
    stable, canary = ready_now(workloads)
    return on.Resumed(at=at, incarnation=incarnation, stable=stable, canary=canary)


def _before_it_is_written(effect: do.Effect, before: Release, after: Release) -> bool:
    """What the journal's next word rests on.

    The judge of a step, so that whoever goes on judges the gap in it. The fence of whoever decides as it takes over, so
    that no decision stands while a raise of the engine before, which may only sleep, would still be accepted.
    """
    decided = before.outcome is None and after.outcome is not None
    return isinstance(effect, do.RestartJudge) or (decided and isinstance(effect, do.TakeFence))
