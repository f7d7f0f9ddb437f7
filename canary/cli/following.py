"""Following a Job until its release has ended: through broken connections, pods that move and tokens that rotate."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from canary.core.outcome import ExitCode
from canary.core.release import FINAL
from canary.submitting.changes import code_of
from canary.submitting.following import Seen, heartbeat, news
from canary.submitting.reading import attempt_of, end_of, verdict

if TYPE_CHECKING:
    from canary.adapters.kubernetes import Api
    from canary.adapters.kubernetes.submissions import Submissions
    from canary.adapters.kubernetes.watching import News
    from canary.core.release import Release
    from canary.ports import JsonObject

CHECK = 15.0
"""Seconds between reads of the Job beside the watch: what a proxy swallowed is seen, and refused credentials are."""

TICK = 1.0

REFUSED_FOR = 300.0
"""Seconds for which refused credentials are tried anew, each time from their file or plugin, before we give up."""

AFTER_DELETION = 120.0
"""Seconds in which the engine of a Job that was deleted may still write how it put traffic back: twice its grace."""


class LostSight(Exception):
    """The release goes on, and we may not look any more; the message says why."""


class Followed:
    """A Job that is followed.

    Args:
        reach: makes a connection with the credentials as they are now.
        submissions: requests over a connection.
        name: the Job's.
        journal: reads the journal's release if it is this one's; None where it is not, or cannot be read.
        say: gets each line.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        reach: Callable[[], Api],
        submissions: Callable[[Api], Submissions],
        name: str,
        journal: Callable[[Api], Release | None],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reach, self._make, self._name, self._journal = reach, submissions, name, journal
        self._say, self._clock = say, clock
        self._news: queue.Queue[JsonObject | None] = queue.Queue()
        self._stop = threading.Event()
        self._job: JsonObject = {}
        self._seen = Seen(spoke=clock(), asked=clock())
        self._refused_since: float | None = None
        self._gone = False
        self._connect()

    def until_end(self, *, waits: Collection[str] = ()) -> tuple[ExitCode | None, str]:
        """Blocks until the release has ended, or waits for somebody.

        Args:
            waits: phases in which it does, to end at as well.

        Returns:
            The exit code, None when it waits, and why.

        Raises:
            LostSight: our credentials have been refused for too long.
        """
        try:
            while True:
                if self._read():
                    return self._ended()
                if self._seen.phase in waits:
                    return None, self._seen.line
                if self._gone:
                    return self._deleted()
                self._seen, line = heartbeat(self._seen, now=self._clock(), moment=_moment())
                if line:
                    self._say(line)
        finally:
            self._stop.set()

    # Looking -------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        from canary.adapters.kubernetes.paths import JOB
        from canary.adapters.kubernetes.watching import Follower

        self._stop.set()
        self._stop = threading.Event()
        self._api = self._reach()
        self._submissions = self._make(self._api)
        self._checked = float("-inf")
        follower = Follower(
            self._api,
            JOB.path(self._submissions.namespace),
            selector={"fieldSelector": f"metadata.name={self._name}"},
            doing=f"watching Job {self._name}",
            on_news=self._take,
        )
        threading.Thread(target=follower.follow, args=(self._stop,), daemon=True, name="follow").start()

    def _take(self, told: News) -> None:
        from canary.adapters.kubernetes.watching import Changed, Listed

        match told:
            case Listed(items=items):
                for item in items:
                    self._news.put(item)
            case Changed(item=item):
                self._news.put(item)
            case _:
                self._news.put(None)

    def _read(self) -> bool:
        """Wait a moment for news; whether the Job has ended."""
        try:
            job = self._news.get(timeout=TICK)
        except queue.Empty:
            job = None
        if job is None and self._clock() - self._checked >= CHECK:
            job = self._check()
        if job is None:
            return False
        self._job = job
        self._seen, lines = news(self._seen, job, now=self._clock())
        for line in lines:
            self._say(line)
        # Superseded: its Job only starts pods that end at once, until it has no more tries.
        return end_of(job) is not None or code_of(job) == ExitCode.HELD_BY_ANOTHER

    def _check(self) -> JsonObject | None:
        from canary.adapters.kubernetes.submissions import unauthorised
        from canary.ports import NotFound, PortError

        self._checked = self._clock()
        try:
            job = self._submissions.job(self._name)
        except NotFound:
            self._seen = replace(self._seen, asked=self._clock())
            self._gone = True
            return None
        except PortError as error:
            if unauthorised(error):
                self._renew(str(error))
            return None
        self._refused_since = None
        return job

    def _renew(self, why: str) -> None:
        now = self._clock()
        if self._refused_since is None:
            self._refused_since = now
        elif now - self._refused_since >= REFUSED_FOR:
            raise LostSight(why)
        self._connect()
        self._checked = now

    # Ending --------------------------------------------------------------------------------------------------

    def _ended(self) -> tuple[ExitCode, str]:
        release = self._journal(self._api)
        code, why = verdict(
            self._job,
            journal=self._outcome(release),
            begun=release is not None and release.phase not in FINAL and release.fenced,
            pods=self._submissions.pods(self._name),
        )
        return code, why or self._seen.line

    def _outcome(self, release: Release | None) -> int | None:
        """The journal's word, unless it is about an attempt before this one."""
        if release is None or release.phase not in FINAL or release.outcome is None:
            return None
        return int(release.outcome.code) if release.since >= attempt_of(self._job).created else None

    def _deleted(self) -> tuple[ExitCode, str]:
        self._say("the Job was deleted; waiting for its engine to put traffic back")
        until = self._clock() + AFTER_DELETION
        while True:
            release = self._journal(self._api)
            over = release is None or release.phase in FINAL
            if over or self._clock() >= until:
                code, why = verdict({}, journal=self._outcome(release), begun=not over)
                return code, why or (release.outcome.reason if release and release.outcome else "")
            self._stop.wait(TICK)


def _moment() -> str:
    from canary.report.words import clock

    return clock(time.time())
