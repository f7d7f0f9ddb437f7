"""What goes into the record, and when it is stored. One thread owns it: the decider's."""

from __future__ import annotations

from canary.core import effects as do
from canary.core import events as on
from canary.core.release import Release
from canary.engine.observer import Observer
from canary.engine.record import Recorder
from canary.ports import Clock, Conflict, PortError, Records, Refused

RECORD_EVERY = 60.0
"""Seconds between flushes of the record."""

CLOSINGS = 12
"""Tries to store the last chunk; the decider makes them five seconds apart."""


class Recording:
    """Collects what led to each decision, and stores it; what cannot be stored now is kept and stored later.

    Args:
        records: where chunks are stored.
        observer: whose looks and judgements are kept.
        clock: the engine's.
        mark: number of chunks that the journal knows of, and the hash of the newest.
    """

    def __init__(self, records: Records, observer: Observer, clock: Clock, *, mark: tuple[int, str]) -> None:
        self._records, self._observer, self._clock = records, observer, clock
        self._recorder = Recorder(*mark)
        self._flushed_at = clock.now()
        self._closings = 0

    @property
    def mark(self) -> tuple[int, str]:
        """Number of chunks that stand, and the hash of the newest; for the journal."""
        return self._recorder.index, self._recorder.digest

    def drain(self) -> None:
        """Keep what the observer counted and judged."""
        for kind, values in self._observer.drain():
            self._recorder.add(kind, **values)

    def note(self, event: on.Event, before: Release) -> None:
        """Keep an event; looks were kept when they were taken."""
        if isinstance(event, on.Ticked | on.LeaseRenewed | on.Looked):
            return
        values = {name: getattr(event, name) for name in event.__dataclass_fields__}
        if "baseline" in values and (values["baseline"] is None or values["baseline"] is False):
            del values["baseline"]  # what most releases do not have
        self._recorder.add("event", name=type(event).__name__, phase=before.phase, **values)

    def told(self, effect: do.Tell) -> None:
        """Keep what people were told."""
        self._recorder.add("told", at=self._clock.now(), reason=effect.reason, message=effect.message)

    def ended(self, effect: do.Finish, release: Release) -> None:
        """Keep how the release ended: the last entry of a whole record."""
        code, reason = int(effect.code), effect.reason
        self._recorder.add("end", at=self._clock.now(), code=code, reason=reason, phase=release.phase)

    @property
    def due(self) -> bool:
        """Whether it is time to store what was kept."""
        return self._clock.now() - self._flushed_at >= RECORD_EVERY

    def close(self, life: str) -> bool:
        """Store the last of it; whether that is done, or hopeless."""
        self._closings += 1
        return self.flush(life) or self._closings >= CLOSINGS

    def flush(self, life: str) -> bool:
        """Store what was kept.

        Args:
            life: incarnation of the engine that stores it.

        Returns:
            False where it may be stored later.
        """
        self._flushed_at = self._clock.now()
        self._recorder.life = life
        while (chunk := self._recorder.cut()) is not None:
            try:
                self._records.append(self._recorder.index, chunk)
            except Conflict:
                if not self._follow():
                    return False
            except Refused:
                return True
            except PortError:
                return False
            else:
                self._recorder.stored()
        return True

    def _follow(self) -> bool:
        """Go on after the chunks that stand: an engine before us stored some after it last wrote the journal.

        Returns:
            Whether there is somewhere else to go on.
        """
        try:
            return self._recorder.follow(self._records.read())
        except PortError:
            return False
