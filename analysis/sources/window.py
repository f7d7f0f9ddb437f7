"""The window: from raw counters to looks. Pure.

Rules, each because a naive reading got it wrong:

* Every series is differenced on its own. A series that is born after the first reading counts from zero (its first
  error is an error; `increase()` loses it). A value below the last one is a reset and counts from zero.
* A look ends at the latest time for which both arms have a sample, and begins where the last one ended. Without a
  new sample there is no look.
* An arm without any series had no requests, if the source as a whole answered and knows the metric.
* A look that holds a change of the share compares two different worlds: it is marked, and not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.model import Arm, Counts, Look
from analysis.sources.model import ROUTE, Key, Reading, Role, Sample, Trouble

OVERLAP = 0.8
"""The arms' windows must overlap by this part, else the look waits for the next reading (JUDGE.md, Alignment)."""

STALE_AFTER = 3
"""A newest sample older than this many intervals is stale."""

FORGET_AFTER = 900.0
"""Seconds after which a series that is gone is forgotten, so that the journal does not grow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoLook:
    """A reading that made no look.

    Attributes:
        missed: something is wrong; False when there is merely no new sample yet.
        code: a stable short word.
        sentence: the reason in words.
    """

    missed: bool
    code: str
    sentence: str


@dataclass(slots=True)
class _Series:
    time: float
    value: float


class Window:
    """Differences raw counters.

    Args:
        metrics: names of the metrics whose looks are wanted, with whether each has latency buckets.
        every: seconds between readings that are expected; decides what is stale.
        state: as `encode` gave it; None for a fresh window.
    """

    def __init__(self, *, metrics: Mapping[str, bool], every: float, state: Mapping[str, Any] | None = None) -> None:
        self._metrics = dict(metrics)
        self._every = every
        self._series: dict[tuple[Key, str], _Series] = {}
        self._pending: dict[Key, float] = {}
        self._end: dict[str, float] = {}
        self._changed: float | None = None
        self._started = False
        if state:
            self._decode(state)

    # Looks -------------------------------------------------------------------------------------------------

    def advance(self, reading: Reading) -> Look | NoLook:
        """Take one reading; a look if it completed one."""
        if reading.trouble is not None:
            return NoLook(missed=True, code=reading.trouble, sentence=reading.sentence)
        newest = _newest(reading.samples)
        if not newest:
            return NoLook(
                missed=True,
                code=Trouble.ABSENT,
                sentence="none of the series exists: is the gateway scraped, and does it serve this route?",
            )
        if not self._started:
            self._begin(reading.samples, newest)
            return NoLook(missed=False, code="FIRST", sentence="the first reading; looks begin with the next")
        moved = self._add(reading.samples)
        return self._close(reading, newest) if moved else self._idle(reading, newest)

    def _begin(self, samples: Iterable[Sample], newest: Mapping[str, float]) -> None:
        for sample in samples:
            self._series[sample.key, sample.series] = _Series(sample.time, sample.value)
        self._end = {group: max(newest.values()) for group in ("stable", "canary")} | dict(newest)
        self._started = True

    def _add(self, samples: Iterable[Sample]) -> bool:
        """Add increments; whether any sample was newer than what was known."""
        moved = False
        for sample in sorted(samples, key=lambda one: one.time):
            last = self._series.get((sample.key, sample.series))
            if last is None:
                self._series[sample.key, sample.series] = _Series(sample.time, sample.value)
                self._pending[sample.key] = self._pending.get(sample.key, 0.0) + sample.value
                moved = True
            elif sample.time > last.time:
                grown = sample.value - last.value if sample.value >= last.value else sample.value
                self._pending[sample.key] = self._pending.get(sample.key, 0.0) + grown
                last.time, last.value = sample.time, sample.value
                moved = True
        return moved

    def _idle(self, reading: Reading, newest: Mapping[str, float]) -> NoLook:
        age = reading.at - max(newest.values())
        if age > STALE_AFTER * self._every + 1.0:
            sentence = f"the newest sample is {age:.0f} s old: is the gateway still scraped?"
            return NoLook(missed=True, code=Trouble.STALE, sentence=sentence)
        return NoLook(missed=False, code="SAME", sentence="no new sample yet")

    def _close(self, reading: Reading, newest: Mapping[str, float]) -> Look | NoLook:
        """Make the look, unless one arm has no new sample yet while the other does."""
        stable, canary = newest.get("stable"), newest.get("canary")
        start = min(self._end.get("stable", 0.0), self._end.get("canary", 0.0))
        ends = [end for end in (stable, canary) if end is not None] or [max(newest.values())]
        low, high = min(ends), max(ends)
        if high > start and (low - start) < OVERLAP * (high - start):
            return NoLook(missed=False, code="UNALIGNED", sentence="one arm's samples are behind the other's")
        end = low
        if end <= start:
            return NoLook(missed=False, code="SAME", sentence="no new sample yet")
        spans = self._changed is not None and start <= self._changed <= end
        if self._changed is not None and end > self._changed:
            self._changed = None
        look = self._look(start, end, spans)
        self._pending.clear()
        self._end = dict.fromkeys(("stable", "canary"), end)
        self._forget(reading.at)
        return look

    def _look(self, start: float, end: float, spans: bool) -> Look:
        counts = {
            name: {arm: self._counts(name, arm, latency) for arm in Arm} for name, latency in self._metrics.items()
        }
        known = any(key.metric == ROUTE for key, _ in self._series)
        notes = ("a change of the share lies in this look",) if spans else ()
        return Look(
            start=start,
            end=end,
            counts=counts,
            route=self._counts(ROUTE, None, latency=False) if known else None,
            spans_change=spans,
            notes=notes,
        )

    def _counts(self, metric: str, arm: Arm | None, latency: bool) -> Counts:
        total = self._pending.get(Key(metric, arm, Role.TOTAL), 0.0)
        bad = self._pending.get(Key(metric, arm, Role.BAD), 0.0)
        if not latency:
            return Counts(total=round(total), bad=min(round(bad), round(total)))
        bounds = sorted({key.bound for key, _ in self._series if key.metric == metric and key.role is Role.BUCKET})
        buckets: list[tuple[float, int]] = []
        highest = 0
        for bound in bounds:
            highest = max(highest, round(self._pending.get(Key(metric, arm, Role.BUCKET, bound), 0.0)))
            buckets.append((bound, highest))
        return Counts(total=highest if buckets else round(total), buckets=tuple(buckets))

    def _forget(self, now: float) -> None:
        for known in [known for known, series in self._series.items() if now - series.time > FORGET_AFTER]:
            del self._series[known]

    def share_changed(self, at: float) -> None:
        """The weights changed at this time (the sampler's clock): the look that holds it is not judged."""
        self._changed = at

    # State -------------------------------------------------------------------------------------------------

    def encode(self) -> dict[str, Any]:
        """As JSON-able data: the last raw counters, and what was counted since the last look."""
        if not self._started:
            return {}
        keys = sorted({key for key, _ in self._series} | set(self._pending), key=_order)
        numbers = {key: index for index, key in enumerate(keys)}
        names = sorted({series for _, series in self._series})
        index = {name: position for position, name in enumerate(names)}
        return {
            # JSON has no infinity.
            "keys": [[key.metric, key.arm, key.role, str(key.bound)] for key in keys],
            "names": names,
            "series": [
                [numbers[key], index[name], series.time, series.value] for (key, name), series in self._series.items()
            ],
            "pending": [[numbers[key], value] for key, value in self._pending.items()],
            "end": self._end,
            "changed": self._changed,
        }

    def _decode(self, state: Mapping[str, Any]) -> None:
        try:
            keys = [
                Key(str(metric), Arm(arm) if arm else None, Role(role), float(bound))
                for metric, arm, role, bound in state["keys"]
            ]
            names = state["names"]
            for number, name, time, value in state["series"]:
                self._series[keys[number], str(names[name])] = _Series(float(time), float(value))
            self._pending = {keys[number]: float(value) for number, value in state["pending"]}
            self._end = {str(group): float(end) for group, end in state["end"].items()}
            self._changed = None if state["changed"] is None else float(state["changed"])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ValueError(f"the window's state is damaged: {error!r}") from error
        self._started = True


def _newest(samples: Iterable[Sample]) -> dict[str, float]:
    """Newest sample time per arm, and of the route's own counters."""
    newest: dict[str, float] = {}
    for sample in samples:
        group = str(sample.key.arm) if sample.key.arm is not None else "route"
        newest[group] = max(newest.get(group, 0.0), sample.time)
    return newest


def _order(key: Key) -> tuple[str, str, str, float]:
    return key.metric, str(key.arm or ""), key.role, key.bound
