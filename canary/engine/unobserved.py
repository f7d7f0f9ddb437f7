"""An observer without eyes: a watchdog finishes a release and judges nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from analysis.judge import Past
from analysis.sources import Reading
from canary.core import events as on
from canary.core.release import Release
from canary.engine.journal import Journal
from canary.engine.observer import Observer, Totals


class Unobserved(Observer):
    """See `Observer`. What the journal knew of counters and of the judge is kept as it is.

    Args:
        journal: the one that is gone on with.
    """

    def __init__(self, journal: Journal) -> None:
        stable, canary, bad = journal.totals
        self.totals = Totals(stable=stable, canary=canary, route_bad=bad or None)
        self.recorded: dict[str, Any] = {}
        self._kept: dict[str, Any] = {"judge": journal.judge, "window": journal.window, "totals": journal.totals}

    @property
    def share_seen(self) -> Decimal | None:
        """Nobody looks."""
        return None

    @property
    def past(self) -> Past:
        """Nothing is judged, so nothing need be known."""
        return Past(told="nothing is judged")

    def recall(self, past: Past, *, at: float) -> None:
        """See Observer."""

    def take(self, reading: Reading, *, release: Release, at: float) -> on.Event | None:  # noqa: ARG002
        """See Observer."""
        return None

    def judge_last(self, at: float) -> on.Event | None:  # noqa: ARG002
        """See Observer."""
        return None

    def share_changed(self, *, at: float) -> None:
        """See Observer."""

    def restart(self, *, share: Decimal, baking: bool, at: float) -> None:
        """See Observer."""

    def encode(self) -> dict[str, Any]:
        """See Observer."""
        return dict(self._kept)
