"""Standing by: follow the journal of a release that another engine drives, until it ends or nobody drives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from canary.core import effects as do
from canary.core import events as on
from canary.core.outcome import ExitCode
from canary.core.release import FINAL, Phase, Release
from canary.engine.chores import CalledOff, workload
from canary.engine.copying import recorded
from canary.engine.journal import Journal, JournalError, decode
from canary.engine.leasekeeper import holder_instead
from canary.engine.surgeon import Surgeon
from canary.engine.surroundings import Background, Ports
from canary.ports import Journals, Leases, NotFound, PortError

STANDBY_EVERY = 5.0
"""Seconds between looks at the journal."""

STANDBY_SILENT = 90.0
"""Seconds without a new journal, read again and again, after which nobody drives the release: three of its writes."""

SWEEP = "sweep"
"""Stands for an effect's id where an engine that stood by takes away what it made too late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Our release is over.

    Attributes:
        code: what to end with.
        keep: a reference of ours may carry what was promoted: it stays.
        told: what people are told; empty where the other engine told them.
    """

    code: ExitCode
    keep: bool
    told: str = ""


class Holder:
    """The engine that drives our release, as its journal shows it.

    Args:
        journals, leases: the ports.
        release: ours, when we began to stand by.
        identity: of our release file.
    """

    def __init__(self, journals: Journals, leases: Leases, release: Release, identity: str) -> None:
        self._journals, self._leases, self._release, self._identity = journals, leases, release, identity
        self._looked_at, self._version, self._written_at = float("-inf"), "", float("-inf")

    def look(self, now: float) -> Ended | ExitCode | None:
        """What is to be learnt now.

        Returns:
            How our release ended, once it has; the code to end with when there is nobody to wait for; else None.
        """
        if now - self._looked_at < STANDBY_EVERY:
            return None
        self._looked_at = now
        try:
            stored = recorded(self._journals, self._leases)
            journal = decode(stored.text) if stored else None
            if stored and journal and not stored.version and not self._is_ours(journal):
                journal = None  # of a release before: the one that drives ours had no journal yet
        except (PortError, JournalError):
            self._written_at = now  # silence is what is read, not what cannot be
            return None
        if journal is not None and (ended := self._ended(journal)) is not None:
            return ended
        version = stored.version if stored else ""
        if version != self._version or self._written_at == float("-inf"):
            self._version, self._written_at = version, now
        if now - self._written_at >= STANDBY_SILENT:
            # Two engines may stand by for each other: a new process, which takes the lease first, ends that.
            return ExitCode.HANDED_OVER
        late = now - self._release.started > self._release.policy.last_call
        return ExitCode.HELD_BY_ANOTHER if late else None

    def _is_ours(self, journal: Journal) -> bool:
        found, ours = journal.release, self._release
        in_our_place = journal.identity == self._identity and found.started >= ours.started
        return found.uid == ours.uid or in_our_place

    def _ended(self, journal: Journal) -> Ended | None:
        """How our release ended, as a journal shows it; None while it has not.

        The journal is ours, or that of the same file, begun by another process in our place. One that was there before
        us, or of a release that was begun after ours, has another end than ours, which stands on our Job at most.
        """
        found, ours = journal.release, self._release
        if not self._is_ours(journal):
            told = "nobody drives this release any more: the journal is another one's"
            return Ended(code=ExitCode.HELD_BY_ANOTHER, keep=not ours.policy.has_workload, told=told)
        if found.phase not in FINAL or found.outcome is None:
            return None
        promoted = found.phase is Phase.SUCCEEDED
        return Ended(code=found.outcome.code, keep=promoted and not found.policy.has_workload)


class StandingBy:
    """Waits for the end of a release that another engine drives, and takes away what we made too late.

    Args:
        ports, surgeon, background: as the decider has them.
        chores: what was asked of our workers; called off once the release has ended.
        release, identity: ours, when we began to stand by, and of its file.
        tell: people are told when there is nobody to wait for.
    """

    def __init__(
        self,
        *,
        ports: Ports,
        surgeon: Surgeon,
        background: Background,
        chores: CalledOff,
        release: Release,
        identity: str,
        tell: Callable[[str], None],
    ) -> None:
        self._ports, self._surgeon, self._background, self._chores = ports, surgeon, background, chores
        self._release, self._tell = release, tell
        self._holder = Holder(ports.journals, ports.leases, release, identity)
        self._ended: Ended | None = None
        self._sweeping = False

    def turn(self, now: float) -> ExitCode | None:
        """Look after the other engine; the code to end with, once there is nothing more to wait for."""
        if self._sweeping:
            return None
        match self._holder.look(now):
            case Ended() as ended:
                if ended.told and self._ended is None:
                    self._tell(ended.told)
                self._ended = ended
                return self._sweep(ended)
            case ExitCode() as code:
                self._tell("nobody else ends this release")
                return code
            case _:
                return None

    def hear(self, event: on.Event) -> ExitCode | None:
        """Only what a worker of ours took away is of interest; where it could not, the journal is looked at again."""
        if getattr(event, "effect", "") != SWEEP:
            return None
        self._sweeping = False
        return self._ended.code if self._ended and isinstance(event, on.WorkloadRemoved) else None

    def _sweep(self, ended: Ended) -> ExitCode | None:
        """Take away what we, or a worker of ours, made after the other engine had cleaned up; then end as it did."""
        leases, name = self._ports.leases, self._release.incarnation
        try:
            effect = do.DetachCanary(id=SWEEP, keep=ended.keep)
            self._surgeon.carry_out(effect, release=self._release, still_ours=lambda: holder_instead(leases, name))
        except NotFound:
            pass
        except PortError:
            return None  # looked at again in a while
        workloads, clock = self._ports.workloads, self._ports.clock
        if workloads is None:
            return ended.code
        self._chores.call_off()
        workloads.cancel()
        self._sweeping = True
        off, removal = self._chores.ticket(), do.RemoveWorkload(id=SWEEP)
        self._background.submit("workload", lambda: workload(workloads, removal, token="", clock=clock, off=off))
        return None
