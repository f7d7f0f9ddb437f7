"""The observer: makes looks of readings and judgements of looks, and remembers what the journal must keep.

It joins the pure halves of `analysis` (the window over raw counters, the judge) and decides nothing: which phases
are judged is said here, what a verdict means is the machine's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from analysis import judge
from analysis.judge.words import absence
from analysis.model import Arm, Judgement, Look
from analysis.replay import form
from analysis.sources import NoLook, Reading, Trouble, Window, baseline, gauges
from canary import __version__
from canary.core import events as on
from canary.core.release import FULL, NONE, Phase, Release, Stage
from canary.engine.warming import Warming

GAUGES = "gauges"
"""Where the journal's window keeps what was read of gauges."""

CAUSES: Mapping[str, Literal["absent", "stale", "down"]] = {Trouble.ABSENT: "absent", Trouble.STALE: "stale"}
"""What a reading's trouble is for the policy; every other is a source that does not tell."""

JUDGED = frozenset({Phase.JUDGING, Phase.GATED, Phase.BAKING})
"""Phases in which every look is judged; PROMOTING is judged too until stable is updated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Requests counted since the canary was attached; stable's with those of a baseline, which is its version."""

    stable: int = 0
    canary: int = 0
    route_bad: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is observed, fixed for the release.

    Attributes:
        config: what the judge is asked.
        every: seconds between readings.
        last_share: percent of the plan's last step.
        alone: metrics of which an arm without series may have requests all the same.
    """

    config: judge.JudgeConfig
    every: float
    last_share: float
    alone: frozenset[str] = frozenset()


class Observer:
    """Makes events of readings.

    Args:
        question: what is observed.
        window: the window's state from the journal; empty for a fresh one.
        state: the judge's state from the journal; empty for a fresh one.
        totals: (stable, canary, bad on the route) from the journal.

    Attributes:
        totals: requests counted since the canary was attached.
        pods: ready pods of each arm, as far as somebody counts them.
        fresh: ready pods of the baseline; None where there is none.

    Raises:
        ValueError: a state is damaged.
    """

    def __init__(
        self,
        question: Question,
        *,
        window: Mapping[str, Any] | None = None,
        state: Mapping[str, Any] | None = None,
        totals: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        self.totals = Totals(stable=totals[0], canary=totals[1], route_bad=totals[2] or None)
        self._question = question
        latency = question.config.latency
        metrics = {metric.name: metric.name in latency for metric in question.config.metrics}
        metrics |= {metric.name: False for metric in question.config.classical if metric.counts}
        if question.config.baseline:
            metrics = baseline.with_baseline(metrics)
        counted = {key: value for key, value in (window or {}).items() if key != GAUGES}
        alone = baseline.with_baseline(dict.fromkeys(question.alone, False))
        self._window = Window(metrics=metrics, every=question.every, alone=alone, state=counted or None)
        self._gauges = gauges.decode((window or {}).get(GAUGES, {}))
        self._judge = judge.decode(state) if state else judge.start(question.config)
        self.pods: Mapping[Arm, int] = {}
        self.fresh: int | None = None
        self._missed: dict[str, int] = {}
        self._seen = (0, 0)
        self._skew = 0.0
        self._last: tuple[Look, int] | None = None
        self._warming = Warming(warmup=question.config.warmup, latency=question.config.latency)
        begun = form.begun(question.config, last_share=question.last_share, state=state)
        self._entries: list[tuple[str, dict[str, Any]]] = [("judge", {"engine": __version__, **begun})]
        self._said = form.Said()

    def drain(self) -> list[tuple[str, dict[str, Any]]]:
        """What the record must keep of everything since the last call, as (kind, values)."""
        entries, self._entries = self._entries, []
        return entries

    @property
    def share_seen(self) -> Decimal | None:
        """Percent of the pool's requests that the canary served since the last change of share; None before any.

        Where it shall have none, of the newest look: the requests of the first moments say nothing of now.
        """
        canary, every = self._seen
        return round(Decimal(100 * canary) / every, 4) if every else None

    @property
    def config(self) -> judge.JudgeConfig:
        """What the judge is asked."""
        return self._question.config

    @property
    def past(self) -> judge.Past:
        """What is known of stable's recorded past."""
        return self._judge.past

    def recall(self, past: judge.Past, *, at: float) -> None:
        """Stable's recorded past is known, or known to be unknown; the record keeps it."""
        self._judge = judge.recall(self._judge, past)
        self._entries.append(("past", {"at": at, **form.past_row(past)}))

    def take(self, reading: Reading, *, release: Release, at: float) -> on.Event | None:
        """The event that a reading amounts to; None when it holds no new sample and none was due."""
        self._skew = reading.skew if reading.trouble is None else self._skew
        result = self._window.advance(reading)
        self._gauges.advance(reading)
        if isinstance(result, NoLook):
            if result.missed or result.code == "UNALIGNED":
                self._missed[result.code] = self._missed.get(result.code, 0) + 1
            cause = CAUSES.get(result.code, "down")
            return on.LookMissed(at=at, reason=result.sentence, cause=cause) if result.missed else None
        result, old = self._arms(result, release)
        result = replace(result, gauges=self._gauges.take(), missed=self._missed)
        self._missed = {}
        self._warming.learn(result)
        judged = release.phase in JUDGED or (release.phase is Phase.PROMOTING and release.stage is Stage.UPDATING)
        self._count(result, old, wanted=release.share)
        self._last = None if result.spans_change else (result, old)
        judgement = None
        if result.spans_change:
            self._judge = judge.drop(self._judge, result)
            self._keep(result, "counted", at)
        elif judged:
            judgement = self._judge_look(result, "judged", at)
        else:
            self._judge = judge.learn(self._question.config, self._judge, result)
            self._keep(result, "learned", at)
        return self._looked(result, old, judgement, at)

    def _arms(self, look: Look, release: Release) -> tuple[Look, int]:
        """A look's two arms, with their pods, and the requests that the old version had.

        While the canary's share is in a step, it is compared with the baseline, where there is one.
        """
        if not self._question.config.baseline:
            return replace(look, pods=self.pods), look.requests(Arm.STABLE)
        compared = NONE < release.share < FULL
        look, old = baseline.apart(look, compared=compared)
        fresh = {} if self.fresh is None or not compared else {Arm.STABLE: self.fresh}
        return replace(look, pods={**self.pods, **fresh}), old

    def judge_last(self, at: float) -> on.Event | None:
        """Judge the look that proved that traffic followed: it is a whole look at the new share."""
        last, self._last = self._last, None
        if last is None:
            return None
        look, old = last
        return self._looked(look, old, self._judge_look(look, "again", at), at)

    def _judge_look(self, look: Look, treated: form.Treated, at: float) -> Judgement:
        if self._warming.changed < 0:  # another life of the engine wrote the raise, and nobody knows when
            self._warming.changed = at + self._skew
        first, early = judge.first_request(self._judge, look), self._warming.early(look)
        left_out = self._warming.left_out(look, look.start if first is None else first)
        self._judge, judgement = judge.observe(self._question.config, self._judge, look, early=early, left_out=left_out)
        self._keep(look, treated, at, left_out=left_out, early=early, judgement=judgement)
        return judgement

    def _keep(
        self,
        look: Look,
        treated: form.Treated,
        at: float,
        *,
        left_out: frozenset[str] = frozenset(),
        early: bool = False,
        judgement: Judgement | None = None,
    ) -> None:
        """Remember a look for the record, with enough to judge it again."""
        row = form.look_row(look, treated=treated, left_out=left_out, early=early)
        if treated == "again":  # its counts were kept when it was learned from
            del row["counts"]
        if judgement is not None:
            row["said"] = self._said.row(judgement)
        self._entries.append(("look", {"at": at, **row}))

    def _count(self, look: Look, stable: int, *, wanted: Decimal) -> None:
        canary = look.requests(Arm.CANARY)
        bad = self.totals.route_bad
        if look.route is not None:
            bad = (bad or 0) + look.route.bad
        self.totals = Totals(stable=self.totals.stable + stable, canary=self.totals.canary + canary, route_bad=bad)
        if not look.spans_change:
            before = self._seen if wanted else (0, 0)
            self._seen = (before[0] + canary, before[1] + canary + stable)

    def share_changed(self, *, at: float) -> None:
        """The weights changed just now: the look that holds this moment compares nothing."""
        self._window.share_changed(at)
        self._gauges.share_changed(at)
        self._warming.changed = at + self._skew  # looks are on the source's clock
        self._seen, self._last = (0, 0), None

    def restart(self, *, share: Decimal, baking: bool, at: float) -> None:
        """A step begins to be judged: HEALTHY starts anew."""
        self._judge = judge.begin_step(
            self._question.config,
            self._judge,
            share=float(share),
            last_share=self._question.last_share,
            baking=baking,
        )
        self._entries.append(("step", {"at": at, "share": float(share), "baking": baking}))

    def encode(self) -> dict[str, Any]:
        """What the journal keeps of it, by the journal's own field names."""
        totals = self.totals
        return {
            "judge": judge.encode(self._judge),
            "window": self._window.encode() | ({GAUGES: measured} if (measured := self._gauges.encode()) else {}),
            "totals": (totals.stable, totals.canary, totals.route_bad or 0),
            "attempt": self._question.config.attempt,
        }

    def _looked(self, look: Look, old: int, judgement: Judgement | None, at: float) -> on.Looked:
        """A look's times are the source's; what happened when is said in the server's, as everything else is."""
        return on.Looked(
            at=at,
            start=look.start - self._skew,
            end=look.end - self._skew,
            stable=old,
            canary=look.requests(Arm.CANARY),
            judgement=judgement,
            unseen=absence(look, Arm.CANARY, "the canary"),
        )
