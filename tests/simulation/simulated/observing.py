"""Two observers: one whose judge is a script, and the engine's own, watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from analysis.judge import Past
from analysis.model import Judgement, Verdict
from analysis.sources.window import LOST_AFTER
from canary.core import events as on
from canary.core.release import Phase, Release, Stage
from canary.engine.observer import JUDGED, Observer, Totals
from simulated.scenario import Scenario
from simulated.world import Counters

Heard = Callable[[Judgement], None]
"""Told of every judgement in the moment in which the engine gets it."""


class WatchedObserver(Observer):
    """The engine's own observer; every judgement is heard."""

    heard: Heard

    def take(self, reading: Any, *, release: Release, at: float) -> on.Event | None:
        return self._hear(super().take(reading, release=release, at=at))

    def judge_last(self, at: float) -> on.Event | None:
        return self._hear(super().judge_last(at))

    def _hear(self, event: on.Event | None) -> on.Event | None:
        if isinstance(event, on.Looked) and event.judgement is not None:
            self.heard(event.judgement)
        return event


class ScriptedObserver:
    """The observer's face with a judge that says what the scenario says of the canary."""

    def __init__(self, scenario: Scenario, heard: Heard, *, state: Mapping[str, Any] | None = None) -> None:
        self.totals = Totals()
        self.share_seen: Decimal | None = None
        self._scenario, self._heard = scenario, heard
        state = state or {}
        self._looks: int = state.get("looks", 0)
        self._step: list[Any] = state.get("step", [])
        self._last: list[Any] = state.get("last", [])
        self._changed, self._skew = float("-inf"), 0.0

    def drain(self) -> list[tuple[str, dict[str, Any]]]:
        """A script is not judged again."""
        return []

    @property
    def past(self) -> Past:
        """A script knows what it says."""
        return Past(told="scripted")

    def take(self, reading: Counters, *, release: Release, at: float) -> on.Event | None:
        self._skew = reading.skew
        if reading.totals is None:
            return on.LookMissed(at=at, reason="the source is down")
        if not self._last:
            self._last = [reading.at, *reading.totals]
            return None
        start, *before = self._last
        if reading.at < start - LOST_AFTER:  # as the engine's window does it
            self._last = []
        if reading.at <= start:
            return None
        self._last = [reading.at, *reading.totals]
        stable, canary = (now - was for now, was in zip(reading.totals, before, strict=True))
        spans = start <= self._changed <= reading.at
        judged = release.phase in JUDGED or (release.phase is Phase.PROMOTING and release.stage is Stage.UPDATING)
        judgement = None
        if judged and self._step != [str(release.share), release.baking]:
            self.restart(share=release.share, baking=release.baking, at=at)
            spans = True
        if judged and not spans:
            self._looks += 1
            judgement = self._judge(release, canary)
            self._heard(judgement)
        return on.Looked(
            at=at,
            start=start - self._skew,
            end=reading.at - self._skew,
            stable=stable,
            canary=canary,
            judgement=judgement,
        )

    def judge_last(self, at: float) -> on.Event | None:
        del at
        return None

    def share_changed(self, *, at: float) -> None:
        self._changed = at + self._skew

    def restart(self, *, share: Decimal, baking: bool, at: float) -> None:
        del at
        self._step, self._looks = [str(share), baking], 0

    def encode(self) -> dict[str, Any]:
        state = {"looks": self._looks, "step": self._step, "last": self._last}
        return {"judge": state, "window": {}, "totals": (0, 0, 0)}

    def _judge(self, release: Release, canary: int) -> Judgement:
        scenario, sure = self._scenario, self._looks >= self._scenario.looks
        bad = scenario.quality == "bad" or (scenario.quality == "slow" and release.step >= scenario.onset)
        may = not bad and scenario.may_proceed and self._looks >= 2
        verdict = Verdict.UNDECIDED
        if canary == 0:
            verdict, may = Verdict.NO_DATA, False
        elif sure and bad:
            verdict = Verdict.UNHEALTHY
        elif sure and (scenario.quality in {"good", "slow"} or (scenario.quality == "fickle" and self._looks % 3)):
            verdict = Verdict.HEALTHY
        return Judgement(
            verdict=verdict,
            findings=(),
            evidence=0.0,
            threshold=4.6,
            looks=self._looks,
            requests=canary,
            may_proceed=may and verdict is Verdict.UNDECIDED,
            sentence=f"script: {scenario.quality}, look {self._looks}",
        )
