"""A release played by hand through the machine alone, for tests of what follows from what."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from analysis.model import Judgement, Verdict
from canary.core import effects as do
from canary.core import events as on
from canary.core.machine import advance
from canary.core.release import Phase, Policy, Release
from tests.core.rows import judged, policy


class Play:
    """A release played by hand: answers work as a willing world would, unless a test says otherwise."""

    def __init__(self, given: Policy | None = None) -> None:
        self.release = Release(uid="r1", incarnation="i1", policy=given or policy())
        self.now = 1000.0
        self.done: list[do.Effect] = []
        self.generation = 7

    def happens(self, event: type, **values: Any) -> tuple[do.Effect, ...]:
        self.release, effects = advance(self.release, event(at=self.now, **values))
        self.done.extend(effects)
        return effects

    def answer(self, event: type, **values: Any) -> tuple[do.Effect, ...]:
        assert self.release.pending is not None
        return self.happens(event, effect=self.release.pending.id, **values)

    def wait(self, seconds: float) -> tuple[do.Effect, ...]:
        self.now += seconds
        self.release = replace(self.release, renewed=self.now)
        return self.happens(on.Ticked)

    def written(self) -> None:
        self.generation += 1
        pending = self.release.pending
        share = pending.share if isinstance(pending, do.RaiseShare) else Decimal(0)
        self.answer(on.ShareWritten, share=share, generation=self.generation)
        self.happens(on.RouteAccepted, generation=self.generation, good=True)

    def look(self, *, canary: int, stable: int, judged: Judgement | None = None) -> tuple[do.Effect, ...]:
        start, self.now = self.now, self.now + 1
        return self.happens(on.Looked, start=start, end=self.now, stable=stable, canary=canary, judgement=judged)

    def settle(self) -> None:
        share = int(self.release.share)
        self.look(canary=share * 2, stable=(100 - share) * 2)

    def to_first_step(self) -> None:
        self.happens(on.Started)
        self.answer(on.PreflightPassed)
        self.answer(on.FenceTaken)
        self.answer(on.WorkloadReady)
        self.answer(on.CanaryAttached, generation=self.generation)
        self.happens(on.RouteAccepted, generation=self.generation, good=True)

    def to_judging(self) -> None:
        if self.release.phase is Phase.PENDING:
            self.to_first_step()
        self.answer(on.WorkloadReady)
        self.written()
        self.settle()

    def healthy_step(self) -> None:
        self.to_judging()
        self.now += 11
        self.release = replace(self.release, renewed=self.now)
        self.look(canary=10, stable=10, judged=judged(Verdict.HEALTHY))

    def to_promoting(self) -> None:
        for _ in range(3):
            self.healthy_step()

    def kinds(self) -> list[str]:
        return [effect.kind for effect in self.done if not isinstance(effect, do.Tell)]
