"""Another release holds the route: wait for its end, refuse, or roll it back and take its place (`onConcurrent`).

The later of two releases may supersede the earlier one, never the other way round: when each was asked for stands in
its journal. So two that come at once do not take turns in putting each other down, and neither does the replaced pod of
one that was superseded. The second one begins only when the journal says that the first has ended, by its own engine
or by whoever finishes it; until then it takes no lease, not even one that was handed over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

from canary.cli.boundary import Failure
from canary.cli.case import Nothing, Unknown
from canary.core.gates import moment
from canary.core.moves import PROMOTED
from canary.core.outcome import MEANING, ExitCode
from canary.core.release import FINAL, Policy, Release
from canary.engine.journal import Journal, JournalError, decode
from canary.ports import Clock, Journals, PortError

T = TypeVar("T")

POLL = 2.0
"""Seconds between looks at the other release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """The release that wants the route.

    Attributes:
        identity: hash of what is released.
        name: its name and image, for people.
        asked: when it was asked for, seconds since the epoch.
        does: what the release file says of another one.
        deadline: seconds from `asked` after which it must be over.
        least: seconds that it takes at the very least.
        job: name of the Job that runs it; empty outside of one.
    """

    identity: str
    name: str
    asked: float
    does: Literal["wait", "refuse", "supersede"]
    deadline: float
    least: float
    job: str = ""


@dataclass(frozen=True, slots=True)
class Taken(Generic[T]):
    """It is our turn; `value` is what there is to go on with."""

    value: T


class Over(Failure):
    """There is no turn to wait for: our release has ended, or a newer one came before it."""


def name_of(journal: Journal) -> str:
    """A release for people."""
    return f"release {journal.subject.name if journal.subject else journal.release.uid}"


def asked_of(journal: Journal) -> float:
    """When a release was asked for, seconds since the epoch; 0 where nobody said."""
    return journal.subject.asked if journal.subject else 0.0


def superseded(by: Journal) -> Over:
    """Why an older release does not begin."""
    return Over(
        f"superseded: {name_of(by)} was asked for later, at {moment(asked_of(by), full=True)}",
        code=ExitCode.HELD_BY_ANOTHER,
        hint="release this one again if it is the one you want",
    )


def not_over(journal: Journal, *, asked: float) -> None:
    """An older version never goes over a newer one by having waited longer, or by a Job that tries again.

    Args:
        journal: of another release.
        asked: when ours was asked for.

    Raises:
        Over: it was asked for later, and was promoted.
    """
    outcome = journal.release.outcome
    promoted = journal.release.phase in FINAL and outcome is not None and outcome.code is ExitCode.PROMOTED
    if promoted and asked_of(journal) > asked:
        raise superseded(journal)


def not_ended(journal: Journal, *, job: str, asked: float) -> None:
    """A release whose engine died before its Job knew the end is not begun once more when others came since.

    Args:
        journal: the route's.
        job: name of our Job; empty outside of one.
        asked: when ours was asked for.

    Raises:
        Over: the journal knows how it ended.
    """
    for one in journal.subject.before if journal.subject and job else ():
        if (one.job, one.asked) == (job, asked):
            ended = f"with {int(one.code)}: {MEANING[one.code]}"
            raise Over(f"this Job's release has ended already, {ended}", code=one.code)


class Line:
    """Waits for one release's turn.

    Args:
        ours: it.
        journals, clock: the ports.
        supersede: writes that it takes the other's place; may raise Nothing, Unknown, PortError.
        tell: gets a line for people.
        sleep: waits, seconds.

    Attributes:
        waited: another release was waited for.
    """

    def __init__(
        self,
        ours: Ours,
        *,
        journals: Journals,
        clock: Clock,
        supersede: Callable[[], None],
        tell: Callable[[str], None],
        sleep: Callable[[float], None],
    ) -> None:
        self.waited = False
        self._ours, self._journals, self._clock = ours, journals, clock
        self._supersede, self._tell, self._sleep = supersede, tell, sleep
        self._asked: set[str] = set()
        self._told = ""

    def take(self, take: Callable[[], tuple[str, ...]], resume: Callable[[tuple[str, ...]], T]) -> T:
        """Take the lease and read the journal when it is our turn.

        Args:
            take: takes the lease; raises Failure 13 beside a living holder that drives another release.
            resume: reads what to go on with, given the holders before; raises Failure 13 where that is another's.

        Raises:
            Failure: 13 where another release is refused or came later, 23 where too little time is left.
        """
        while (taken := self.turn(take, resume)) is None:
            self._sleep(POLL)
        return taken.value

    def turn(self, take: Callable[[], tuple[str, ...]], resume: Callable[[tuple[str, ...]], T]) -> Taken[T] | None:
        """One try of the same; None where we have to wait.

        Whether it is too late to wait is asked before anything is read: whoever slept in between reads once more.
        """
        if self._ours.does == "refuse":
            return Taken(resume(take()))
        late = self._too_late
        if not self._another(late=late):
            try:
                return Taken(resume(take()))
            except Over:
                raise
            except Failure as error:
                # Late, it may be our own release that another pod of our Job is just ending: no verdict then either.
                if error.code is not ExitCode.HELD_BY_ANOTHER or late:
                    raise
        self._wait(late=late)
        return None

    def shortened(self, policy: Policy) -> Policy:
        """The policy with what is left of the deadline, which counts from when the release was asked for."""
        if not self.waited:
            return policy
        waited = max(0.0, self._clock.now() - self._ours.asked)
        return replace(policy, deadline=policy.deadline - waited, last_call=policy.last_call - waited)

    def _another(self, *, late: bool) -> bool:
        """Whether another release is in our way, or may be; what is to be done about it is done.

        Raises:
            PortError: nobody can tell, and it is too late to wait. It may be our own that is under way: whoever ended
                with a verdict would end the Job, and the engine that lives with it.
        """
        try:
            other = self._other()
        except PortError:
            if late:
                raise
            return True
        if other is not None:
            self._meet(other)
        return other is not None

    def _other(self) -> Journal | None:
        """Another release that is under way here, as the journal says.

        Raises:
            PortError: it cannot be read: there may be one.
        """
        stored = self._journals.load()
        try:
            journal = decode(stored.text) if stored else None
        except JournalError:
            return None  # whoever resumes refuses it, with the reason
        if journal is None or journal.identity == self._ours.identity:
            return None
        not_ended(journal, job=self._ours.job, asked=self._ours.asked)
        not_over(journal, asked=self._ours.asked)
        return journal if journal.release.phase not in FINAL else None

    def _meet(self, other: Journal) -> None:
        name, release = name_of(other), other.release
        if self._ours.does == "wait":
            self._say(f"{name} holds the route: waiting until it ends")
        elif release.outcome is not None:
            self._say(f"{name} is going back: waiting until the route is clean")
        elif (release.phase, release.stage) in PROMOTED:
            self._say(f"{name} is past its point of no return: waiting until it ends")
        else:
            self._put_down(other, release, name)

    def _put_down(self, other: Journal, release: Release, name: str) -> None:
        asked = asked_of(other)
        if (asked, other.identity) > (self._ours.asked, self._ours.identity):
            raise superseded(other)
        if release.uid in self._asked:
            return
        try:
            self._supersede()
        except Nothing as error:
            self._say(f"{name}: {error}")
        except (Unknown, PortError) as error:
            self._say(f"{name} could not be superseded yet: {error}")
        else:
            self._asked.add(release.uid)
            self._say(f"{name} is superseded by this one: waiting until the route is clean")

    def _wait(self, *, late: bool) -> None:
        """It is not our turn yet.

        Raises:
            Failure: 23: it is no use to wait any longer.
        """
        self.waited = True
        if late:
            waited = self._clock.now() - self._ours.asked
            raise Failure(
                f"another release still holds the route after {waited:.0f} s, and what is left of the deadline is too"
                " short for this one",
                code=ExitCode.DEADLINE,
                hint="release again when the other one has ended, or write a longer spec.deadline",
            )

    @property
    def _too_late(self) -> bool:
        return self._clock.now() - self._ours.asked + self._ours.least >= self._ours.deadline

    def _say(self, line: str) -> None:
        if line != self._told:
            self._told = line
            self._tell(line)
