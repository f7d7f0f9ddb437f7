"""Judging a record again, look by look, by the functions that a live release is judged by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from analysis import judge
from analysis.judge import JudgeConfig, JudgeState
from analysis.model import Judgement, Look
from analysis.replay.form import look_of, notes_of, past_of, question_of, said_row

CLOSE = 1e-9
"""Numbers that differ by no more, absolutely or relatively, are the same: machines round a logarithm's last digit."""

Row = Mapping[str, Any]


class Unreplayable(ValueError):
    """A record cannot be judged again; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """One judged look.

    Attributes:
        life: which of the engine's lives judged it, from 0.
        step: of that life, from 1; 0 where a life goes on in a step that an earlier one began.
        share: percent then.
        baking: all traffic was on the canary.
        start, end: of the look, seconds since the epoch.
        recorded, again: the verdict then, and the verdict now.
        evidence: log of the evidence, now.
        differences: what is not the same, in words; empty when everything is.
        sentence: the reason, now.
    """

    life: int
    step: int
    share: float
    baking: bool
    start: float
    end: float
    recorded: str
    again: str
    evidence: float
    differences: tuple[str, ...]
    sentence: str


@dataclass(slots=True, kw_only=True)
class Life:
    """One life of the engine.

    Attributes:
        name: the incarnation.
        resumed: it began with a state from the journal.
        after: end of the last look in that state, where an earlier life recorded it; None otherwise.
        forgotten: looks that an earlier life judged after that one: they were judged anew, or not at all.
        lost: why what follows cannot be judged again; empty when everything was.
    """

    name: str
    resumed: bool = False
    after: float | None = None
    forgotten: int = 0
    lost: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A record judged again.

    Attributes:
        lives: of the engine, in order.
        looks: every judged look, in order.
        learned: looks that stable was learned from, without a judgement.
        end: how the record says that the release ended; None when it does not.
    """

    lives: tuple[Life, ...]
    looks: tuple[Again, ...]
    learned: int
    end: Row | None

    @property
    def differing(self) -> tuple[Again, ...]:
        """Looks at which something else is said now."""
        return tuple(look for look in self.looks if look.differences)

    @property
    def whole(self) -> bool:
        """Whether nothing is missing: every look of every life could be judged again, up to the end."""
        return self.end is not None and not any(life.lost for life in self.lives)


def replay(lives: Iterable[tuple[str, Iterable[Row]]]) -> Replayed:
    """Judge a record again.

    Args:
        lives: for each life of the engine its incarnation and its entries, oldest first. An entry of kind `lost`
            stands where entries were not kept.

    Raises:
        Unreplayable: another version of the judge wrote it, or an entry is damaged.
    """
    found = _Replay()
    for name, rows in lives:
        found.live(name, rows)
    return Replayed(lives=tuple(found.lives), looks=tuple(found.looks), learned=found.learned, end=found.end)


@dataclass(slots=True)
class _Replay:
    """Everything so far, over all lives."""

    lives: list[Life] = field(default_factory=list)
    looks: list[Again] = field(default_factory=list)
    learned: int = 0
    end: Row | None = None
    trail: list[tuple[float, JudgeState]] = field(default_factory=list)

    def live(self, name: str, rows: Iterable[Row]) -> None:
        """One more life."""
        life = Life(name=name)
        self.lives.append(life)
        one: _Life | None = None
        for row in rows:
            kind = row.get("kind")
            if kind == "end":
                self.end = row
            if life.lost:
                continue
            if kind == "lost":
                life.lost = str(row.get("reason", "entries are missing"))
            elif kind == "judge":
                one = self._begin(life, row)
            elif kind in {"step", "look", "past"}:
                if one is None:
                    life.lost = "the record does not say what the judge was asked: its first chunk is missing"
                    continue
                self._take(one, row)

    def _begin(self, life: Life, row: Row) -> _Life:
        _refuse_version(row)
        try:
            config, state = question_of(row), row["state"]
            one = _Life(config, float(row["last_share"]), judge.decode(state) if state else judge.start(config))
        except (KeyError, TypeError, ValueError) as error:
            raise Unreplayable(f"what the judge was asked is damaged in the record: {error}") from error
        life.resumed = bool(state)
        if state:
            self._join(life, state)
        self.trail = []
        return one

    def _join(self, life: Life, state: Mapping[str, Any]) -> None:
        """Find the look after which the earlier life wrote this state."""
        for back, (end, before) in enumerate(reversed(self.trail)):
            if before.looks == state["now"][0] and judge.encode(before) == state:
                life.after, life.forgotten = end, back
                return

    def _take(self, one: _Life, row: Row) -> None:
        try:
            judged = one.take(row)
            found = None if judged is None else self._again(one, row["said"], *judged)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise Unreplayable(f"an entry of the record is damaged: {row.get('kind')}: {error!r}") from error
        if row["kind"] != "look":
            return
        self.trail.append((one.end, one.state))
        if found is not None:
            self.looks.append(found)
        else:
            self.learned += row["as"] == "learned"

    def _again(self, one: _Life, said: Row, look: Look, judgement: Judgement) -> Again:
        return Again(
            life=len(self.lives) - 1,
            step=one.step,
            share=one.state.share,
            baking=one.state.baking,
            start=look.start,
            end=look.end,
            recorded=str(said["verdict"]),
            again=judgement.verdict.value,
            evidence=judgement.evidence,
            differences=tuple(_differences(said, judgement)),
            sentence=judgement.sentence,
        )


@dataclass(slots=True)
class _Life:
    """The judge in one life."""

    config: JudgeConfig
    last_share: float
    state: JudgeState
    step: int = 0
    end: float = -math.inf
    last: Look | None = None

    def take(self, row: Row) -> tuple[Look, Judgement] | None:
        """One more entry; a look and its judgement where it was judged."""
        if row["kind"] == "past":
            self.state = judge.recall(self.state, past_of(row))
            return None
        if row["kind"] == "step":
            share, baking = float(row["share"]), bool(row["baking"])
            self.state = judge.begin_step(
                self.config, self.state, share=share, last_share=self.last_share, baking=baking
            )
            self.step += 1
            return None
        look = self._again(row) if row["as"] == "again" else look_of(row)
        self.end = look.end
        if row["as"] == "counted":
            self.last, self.state = None, judge.drop(self.state, look)
            return None
        self.last = look if row["as"] != "again" else None
        if row["as"] == "learned":
            self.state = judge.learn(self.config, self.state, look)
            return None
        self.state, judgement = judge.observe(
            self.config, self.state, look, early=bool(row.get("early")), left_out=row.get("left_out", ())
        )
        return look, judgement

    def _again(self, row: Row) -> Look:
        """The look that was learned from before: now it is the step's first."""
        if self.last is None or self.last.end != row["end"]:
            raise ValueError(f"the look that ended at {row['end']} is not there")
        return replace(self.last, notes=notes_of(row))


def _refuse_version(row: Row) -> None:
    version, engine = row.get("version"), row.get("engine", "unknown")
    if not isinstance(version, int):
        raise Unreplayable("the record does not say which version of the judge wrote it")
    if version > judge.VERSION:
        raise Unreplayable(
            f"the record was judged by version {version} of the judge (canary {engine}), this one knows "
            f"{judge.VERSION}: replay it with that canary or a newer one"
        )
    if version < judge.VERSION:
        raise Unreplayable(
            f"the record was judged by version {version} of the judge (canary {engine}), this one judges by "
            f"{judge.VERSION}: replay it with that canary"
        )


def _differences(recorded: Row, judgement: Judgement) -> Iterator[str]:
    """What is not as it was recorded."""
    now = said_row(judgement, whole="numbers" in recorded)
    for name in ("verdict", "looks", "requests", "may_proceed"):
        if recorded[name] != now[name]:
            yield f"{name}: {recorded[name]} then, {now[name]} now"
    if not _close(recorded["evidence"], now["evidence"]):
        yield f"evidence: {recorded['evidence']!r} then, {now['evidence']!r} now"
    yield from _findings(recorded["findings"], now["findings"])
    for finding, then, numbers in zip(
        now["findings"], recorded.get("numbers", ()), now.get("numbers", ()), strict=False
    ):
        for name in sorted(then.keys() | numbers.keys()):
            if not _close(then.get(name), numbers.get(name)):
                yield f"{finding[0]}: {name}: {then.get(name)!r} then, {numbers.get(name)!r} now"


def _findings(then: Sequence[Sequence[Any]], now: Sequence[Sequence[Any]]) -> Iterator[str]:
    if len(then) != len(now):
        yield f"findings: {len(then)} then, {len(now)} now"
        return
    for (*words, evidence), (*again, later) in zip(then, now, strict=True):
        if words != again:
            yield f"{' '.join(words)} then, {' '.join(again)} now"
        elif not _close(evidence, later):
            yield f"{words[0]}: evidence: {evidence!r} then, {later!r} now"


def _close(then: float | None, now: float | None) -> bool:
    if then is None or now is None:
        return then is now
    return math.isclose(then, now, rel_tol=CLOSE, abs_tol=CLOSE)
