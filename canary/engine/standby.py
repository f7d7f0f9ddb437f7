"""Standing by: follow the journal of a release that another engine drives, until it ends or nobody drives it."""

from __future__ import annotations

from canary.core.outcome import ExitCode
from canary.core.release import FINAL, Release
from canary.engine.journal import JournalError, decode
from canary.ports import Journals, PortError

STANDBY_EVERY = 5.0
"""Seconds between looks at the journal."""

STANDBY_SILENT = 90.0
"""Seconds without a new journal, read again and again, after which nobody drives the release: three of its writes."""


class Holder:
    """The engine that drives our release, as its journal shows it.

    Args:
        journals: the port.
        release: ours, when we began to stand by.
    """

    def __init__(self, journals: Journals, release: Release) -> None:
        self._journals, self._release = journals, release
        self._looked_at, self._version, self._written_at = float("-inf"), "", float("-inf")

    def look(self, now: float) -> Release | ExitCode | None:
        """What is to be learnt now.

        Returns:
            The release once it has ended; the code to end with when there is nobody to wait for; else None.
        """
        if now - self._looked_at < STANDBY_EVERY:
            return None
        self._looked_at = now
        try:
            stored = self._journals.load()
            found = decode(stored.text).release if stored else None
        except (PortError, JournalError):
            self._written_at = now  # silence is what is read, not what cannot be
            return None
        if found is not None and found.phase in FINAL and found.outcome is not None:
            return found
        version = stored.version if stored else ""
        if version != self._version or self._written_at == float("-inf"):
            self._version, self._written_at = version, now
        if now - self._written_at >= STANDBY_SILENT:
            # Two engines may stand by for each other: a new process, which takes the lease first, ends that.
            return ExitCode.HANDED_OVER
        late = now - self._release.started > self._release.policy.last_call
        return ExitCode.HELD_BY_ANOTHER if late else None
