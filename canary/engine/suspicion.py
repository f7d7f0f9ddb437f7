"""From a silent lease to a dead engine: marks on the lease itself, which an engine that lives would write over.

A lease that stands unchanged while it can be read says little where writes are refused (etcd's disk is full, a webhook
fails): the engine lives and cannot renew. So whoever suspects it writes first: a note on that very lease, conditional
on the version that stood, again and again. Each one that succeeds proves that writes go through; an engine that lives
tries every two seconds, renews between two of them, and is left alone.
"""

from __future__ import annotations

from canary.ports import Clock, Conflict, Leases, NotFound

CONFIRM = 10.0
"""Seconds for which every mark must succeed: an engine's slowest try (5 s, then 2 s until the next) fits in."""

MARKS = 5
"""Marks in that time; the last one is the taking of the lease itself."""


class Suspicion:
    """About one version of one lease.

    Args:
        leases, clock: the ports.
        version: that stood unchanged.
        confirm: seconds that it must stand, but for our marks.

    Attributes:
        version: the newest, ours: what is to be taken must still have it.
        began: when the first mark was made, monotonic seconds; None before.
    """

    def __init__(self, leases: Leases, clock: Clock, *, version: str, confirm: float = CONFIRM) -> None:
        self.version, self.began = version, None if confirm else clock.monotonic()
        self._leases, self._clock, self._confirm = leases, clock, confirm
        self._next = 0.0

    def turn(self) -> bool | None:
        """Whether its holder is dead; None as long as that is not known, False once the lease moved.

        Raises:
            PortError: a mark could not be made: nobody can renew either, and nobody is dead.
        """
        now = self._clock.monotonic()
        if self.began is not None and now - self.began >= self._confirm:
            return True
        if self.began is not None and now < self._next:
            return None
        try:
            self.version = self._leases.mark(self.version)
        except (Conflict, NotFound):
            return False
        self._next = now + self._confirm / MARKS
        self.began = now if self.began is None else self.began
        return None
