"""The window: from raw counters to looks. Pure.

Rules, each because a naive reading got it wrong:

* Every series is differenced on its own. A series that is born after the first reading, of a proxy that was there
  before, counts from zero (its first error is an error; `increase()` loses it). A value below the last one is a reset
  and counts from zero; so do the series of the same vector, which may have passed their last values meanwhile (two
  errors before a restart, five after it: five).
* A proxy that is seen for the first time may have run for years before: its counters count from the values that they
  come with. So do series that could not be read for longer than `LOST_AFTER` while looks went on: their counts are of
  other shares, and one look would hold minutes of them; and series that were forgotten and come back.
* A look ends at the latest time for which both arms have a sample, and begins where the last one ended. Without a
  new sample there is no look.
* An arm without any series had no requests where the same proxies count both arms, if the source as a whole answered
  and knows the metric. Where each arm's pods count for themselves, or series are the user's own, it may merely not be
  scraped: then the look knows nothing of it. Either way the look says that they are absent.
* A series under another name, which takes another one's place on its proxy, may go on from where that one was: it
  counts from the value that it comes with.
* A look that holds a change of the share compares two different worlds: it is marked, and not judged. What a proxy
  counted over such a change is left out of later looks, too: proxies are scraped at different moments.
* Samples far older than the last look's end come from a clock that was set back: the window begins anew.
* Errors wait for the requests that they are among, where both are scraped at different moments: for one look.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from analysis.model import Arm, Counts, Look, Note, Pod
from analysis.sources.model import MOST, ROUTE, Key, Reading, Role, Sample, Trouble
from analysis.sources.odd import Names, Odd, Pace, several, vector_of
from analysis.sources.state import Last, State, decode, encode, mark

OVERLAP = 0.8
"""The arms' windows must overlap by this part, else the look waits for the next reading (JUDGE.md, Alignment)."""

STALE_AFTER = 3
"""A newest sample older than this many intervals is stale."""

FORGET_AFTER = 900.0
"""Seconds after which a series that is gone is forgotten, so that the journal does not grow."""

LOST_AFTER = 120.0
"""Seconds without a sample, while others had some, after which what a series counted meanwhile is left out. Prometheus
is asked for this much of the past at every reading, so that shorter gaps are filled when they can be."""

REMEMBERED = 256
"""Forgotten series that are known again when they come back."""

_OF_PODS = (Role.TOTAL, Role.BAD)

CHANGES = 16
"""Changes of the share that one look can hold; more are not made between two readings."""


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


class Window:
    """Differences raw counters.

    Args:
        metrics: names of the metrics whose looks are wanted, with whether each has latency buckets.
        every: seconds between readings that are expected; decides what is stale.
        alone: metrics of which each arm's series are scraped for themselves, so that an arm without any may have
            requests all the same.
        state: as `encode` gave it; None for a fresh window.

    Raises:
        ValueError: the state is damaged.
    """

    def __init__(
        self,
        *,
        metrics: Mapping[str, bool],
        every: float,
        alone: Collection[str] = (),
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self._metrics = dict(metrics)
        self._every = every
        self._alone = frozenset(alone)
        self._state = decode(state) if state else State()
        self._odd, self._names = Odd(), Names()
        self._other_names: set[str] = set()
        self._pace = Pace(every=every, longest=LOST_AFTER)
        self._fell: dict[str, float] = {}
        self._waited: dict[Key, float] = {}
        self._skew = 0.0

    # Looks -------------------------------------------------------------------------------------------------

    def advance(self, reading: Reading) -> Look | NoLook:
        """Take one reading; a look if it completed one."""
        if reading.trouble is not None:
            return NoLook(missed=True, code=reading.trouble, sentence=reading.sentence)
        self._skew = reading.skew
        newest = _newest(reading.samples)
        if not newest:
            return NoLook(
                missed=True,
                code=Trouble.ABSENT,
                sentence="none of the series exists: is the gateway scraped, and does it serve this route?",
            )
        latest = max(newest.values())
        if self._state.end is not None and latest < self._state.end - LOST_AFTER:
            # Their clock was set back since: they would be no news until it is again what it was.
            self._state = State(changes=[change for change in self._state.changes if change <= latest])
        if self._state.end is None:
            self._begin(reading.samples, newest)
            return NoLook(missed=False, code="FIRST", sentence="the first reading; looks begin with the next")
        moved = self._add(reading.samples)
        return self._close(self._state.end, reading, newest) if moved else self._idle(reading, newest)

    def _begin(self, samples: Iterable[Sample], newest: Mapping[str, float]) -> None:
        for sample in self._in_order(samples):
            known = (sample.key, mark(sample.series))
            if known in self._state.series:
                self._pace.gap(sample.time - self._state.series[known].time)
            self._state.series[known] = Last(sample.time, sample.value)
            self._state.origins[mark(sample.origin)] = sample.time
        latest = max(newest.values())
        self._state.end = min(newest.get(arm, latest) for arm in Arm)

    def _add(self, samples: Iterable[Sample]) -> bool:
        """Add increments; whether any sample was newer than what was known."""
        moved = False
        there = dict(self._state.origins)
        for sample in self._in_order(samples):
            name, origin = mark(sample.series), mark(sample.origin)
            self._state.origins[origin] = max(sample.time, self._state.origins.get(origin, sample.time))
            last = self._state.series.get((sample.key, name))
            since = there.get(origin, sample.time) if last is None else last.time
            if last is None:
                self._state.series[sample.key, name] = Last(sample.time, sample.value)
                grown = sample.value
                if self._is_old(sample, name, newcomer=origin not in there):
                    grown = 0.0
            elif sample.time > last.time:
                self._pace.gap(sample.time - last.time)
                grown = self._grown(last, sample)
                last.time, last.value = sample.time, sample.value
            else:
                continue
            moved = True
            if any(since < change <= sample.time for change in self._state.changes):
                self._state.astray[sample.key] = min(MOST, self._state.astray.get(sample.key, 0.0) + grown)
                continue
            self._state.pending[sample.key] = min(MOST, self._state.pending.get(sample.key, 0.0) + grown)
            if sample.pod and sample.key.arm is not None and sample.key.role in _OF_PODS:
                of_pod = (sample.key.metric, sample.key.arm, sample.pod, sample.node)
                self._state.pods.setdefault(of_pod, [0.0, 0.0])[_OF_PODS.index(sample.key.role)] += grown
        for name in self._odd.reborn:
            self._state.gone.pop(name, None)
        return moved

    def _is_old(self, sample: Sample, name: str, *, newcomer: bool) -> bool:
        """Whether a series that was unknown may have counted before it was; what was unusual is noted."""
        if name in self._state.gone or name in self._odd.reborn:
            self._odd.reborn.add(name)
        elif newcomer:
            self._odd.newcomers.add(mark(sample.origin))
        elif vector_of(sample) in self._other_names:
            self._odd.renamed.add(name)
        else:
            return False
        return True

    def _grown(self, last: Last, sample: Sample) -> float:
        end = self._state.end
        if end is not None and min(end, sample.time) - last.time > LOST_AFTER:
            self._odd.lost += 1
            return 0.0
        if sample.value >= last.value and self._fell.get(vector_of(sample), -math.inf) < last.time:
            return sample.value - last.value
        self._odd.resets += 1
        return sample.value

    def _in_order(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """By time; before a scrape's samples are given, which vectors began again or were renamed in it is known."""
        for moment, scraped in itertools.groupby(sorted(samples, key=_time), key=_time):
            together = list(scraped)
            self._other_names = self._names.renamed(moment, together)
            for sample in together:
                last = self._state.series.get((sample.key, mark(sample.series)))
                if last is not None and moment > last.time and sample.value < last.value:
                    # Series of the vector that were read since then have begun anew already, or were born after it.
                    vector = vector_of(sample)
                    self._fell[vector] = max(last.time, self._fell.get(vector, last.time))
            yield from together

    def _idle(self, reading: Reading, newest: Mapping[str, float]) -> NoLook:
        self._pace.waits = True
        age = reading.at + reading.skew - max(_arms(newest))
        if age > self._patience(reading.samples):
            sentence = f"the newest sample is {age:.0f} s old: is the gateway still scraped?"
            return NoLook(missed=True, code=Trouble.STALE, sentence=sentence)
        return NoLook(missed=False, code="SAME", sentence="no new sample yet")

    def _patience(self, samples: Iterable[Sample]) -> float:
        """Seconds without a new sample that are no reason to worry: the source may be sampled less often than read.

        How often it is, is known from earlier readings, and from this one: a new window may find nothing newer in it.
        """
        times: dict[str, set[float]] = {}
        for sample in samples:
            times.setdefault(sample.series, set()).add(sample.time)
        newest = (sorted(moments)[-2:] for moments in times.values() if len(moments) > 1)
        gaps = sorted(later - earlier for earlier, later in newest)
        pace = gaps[len(gaps) // 2] if gaps else 0.0
        return STALE_AFTER * max(self._every, self._pace.typical, pace) + 1.0

    def _close(self, start: float, reading: Reading, newest: Mapping[str, float]) -> Look | NoLook:
        """Make the look, unless one arm has no new sample yet while the other does."""
        ends = _arms(newest)
        end, high = min(ends), max(ends)
        if high > start and (end - start) < OVERLAP * (high - start):
            return self._unaligned(end, reading, newest)
        if end <= start:
            return self._idle(reading, newest)
        # The arm that is ahead was counted up to `high`: a change before that is in its counts.
        spans = any(start <= change <= high for change in self._state.changes)
        self._state.changes = [change for change in self._state.changes if change >= end - LOST_AFTER]
        if spans:
            for key, grown in self._state.astray.items():
                self._state.pending[key] = self._state.pending.get(key, 0.0) + grown
        notes = [*reading.notes, *self._pace.notes(apart=high - end, of=high - start)]
        look = self._of_series(self._look(start, end, spans, notes), reading.samples)
        self._leave(waiting=not spans)
        self._state.end = end
        self._odd = Odd()
        self._forget(self._state.end)
        return look

    def _leave(self, *, waiting: bool) -> None:
        """Begin the next look with nothing but errors whose requests are still to come."""
        pending = self._state.pending
        left: dict[Key, float] = {}
        for key, bad in pending.items() if waiting else ():
            if key.role is not Role.BAD or key.arm is None:
                continue
            among = pending.get(replace(key, role=Role.TOTAL), 0.0)
            # Once: what waits longer is not among the requests at all.
            more = min(bad - among, bad - self._waited.get(key, 0.0))
            if more > 0:
                left[key] = more
        self._waited = left
        self._state.pending = dict(left)
        self._state.astray.clear()
        self._state.pods.clear()

    def _unaligned(self, end: float, reading: Reading, newest: Mapping[str, float]) -> NoLook:
        lag = reading.at + reading.skew - end
        behind = min((arm for arm in Arm if arm in newest), key=lambda arm: newest[arm])
        if lag > self._patience(reading.samples):
            sentence = (
                f"the newest sample of the {behind} arm is {lag:.0f} s old, the other arm's is not: is it scraped?"
            )
            return NoLook(missed=True, code=Trouble.STALE, sentence=sentence)
        sentence = f"the {behind} arm's samples are behind the other's"
        return NoLook(missed=False, code="UNALIGNED", sentence=sentence)

    def _of_series(self, look: Look, samples: Iterable[Sample]) -> Look:
        """The look that says of how many series it is, and of which arms there is none.

        It knows nothing of those of them that are `alone`.
        """
        look = replace(look, notes=(*look.notes, *several(samples)))
        there = {(sample.key.metric, sample.key.arm) for sample in samples}
        there |= {(key.metric, key.arm) for key, grown in self._state.pending.items() if grown}
        lacking = {name: tuple(arm for arm in Arm if (name, arm) not in there) for name in self._metrics}
        absent = {name: arms for name, arms in lacking.items() if arms}
        if not absent:
            return look
        unknown = {(name, arm) for name, arms in absent.items() for arm in arms if name in self._alone}
        counts = {
            name: {arm: one for arm, one in arms.items() if (name, arm) not in unknown}
            for name, arms in look.counts.items()
        }
        return replace(look, counts=counts, absent=absent)

    def _look(self, start: float, end: float, spans: bool, notes: list[Note]) -> Look:
        counts = {
            name: {arm: self._counts(name, arm, latency) for arm in Arm} for name, latency in self._metrics.items()
        }
        known = any(key.metric == ROUTE for key, _ in self._state.series)
        if self._state.astray and not spans:
            said = "what some proxies counted over the change of the share is left out"
            notes.append(Note("counters_astray", len(self._state.astray), said))
        if self._skew:
            said = f"the source's clock is {abs(self._skew):.0f} s {'ahead' if self._skew > 0 else 'behind'}"
            notes.append(Note("clock_ahead", self._skew, said))
        if spans:
            notes.append(Note("share_change", 1, "a change of the share lies in this look"))
        notes += self._odd.notes(lost_after=LOST_AFTER, forget_after=FORGET_AFTER)
        return Look(
            start=start,
            end=end,
            counts=counts,
            route=self._counts(ROUTE, None, latency=False) if known else None,
            spans_change=spans,
            notes=tuple(notes),
        )

    def _counts(self, metric: str, arm: Arm | None, latency: bool) -> Counts:
        pending, series = self._state.pending, self._state.series
        total = pending.get(Key(metric, arm, Role.TOTAL), 0.0)
        bad = pending.get(Key(metric, arm, Role.BAD), 0.0)
        if not latency:
            begun = pending.get(Key(metric, arm, Role.STARTED))
            tells = any(key.role is Role.STARTED and key.metric == metric for key, _ in series)
            return Counts(
                total=round(total),
                bad=min(round(bad), round(total)),
                started=round(begun or 0.0) if tells else None,
                pods=self._pods(metric, arm),
            )
        # Both arms on the same bounds, also when one of them has no series.
        bounds = sorted({key.bound for key, _ in series if key.metric == metric and key.role is Role.BUCKET})
        buckets: list[tuple[float, int]] = []
        highest = 0
        for bound in bounds:
            highest = max(highest, round(pending.get(Key(metric, arm, Role.BUCKET, bound), 0.0)))
            buckets.append((bound, highest))
        return Counts(total=highest if buckets else round(total), buckets=tuple(buckets))

    def _pods(self, metric: str, arm: Arm | None) -> tuple[Pod, ...]:
        """What each pod of an arm had."""
        mine = sorted((key[2:], both) for key, both in self._state.pods.items() if key[:2] == (metric, arm))
        return tuple(
            Pod(name, node, round(total), min(round(bad), round(total))) for (name, node), (total, bad) in mine
        )

    def _forget(self, now: float) -> None:
        series, gone = self._state.series, self._state.gone
        for known in [known for known, last in series.items() if now - last.time > FORGET_AFTER]:
            del series[known]
            gone[known[1]] = None
        origins = self._state.origins
        for origin in [origin for origin, seen in origins.items() if now - seen > FORGET_AFTER]:
            del origins[origin]
        for name in list(gone)[: max(0, len(gone) - REMEMBERED)]:
            del gone[name]
        self._names.forget(now - FORGET_AFTER)
        self._fell = {vector: moment for vector, moment in self._fell.items() if now - moment <= FORGET_AFTER}

    def share_changed(self, at: float) -> None:
        """The weights changed at this time (the reader's clock): the look that holds it is not judged."""
        self._state.changes = [*self._state.changes, at + self._skew][-CHANGES:]

    # State -------------------------------------------------------------------------------------------------

    def encode(self) -> dict[str, Any]:
        """As JSON-able data: the last raw counters, and what was counted since the last look.

        Empty before the first reading, and when it would be larger than a journal has room for: then the window
        begins anew after a restart, and what happened between the last look and that moment is not judged.
        """
        return encode(self._state)


def _time(sample: Sample) -> float:
    return sample.time


def _arms(newest: Mapping[str, float]) -> list[float]:
    """Newest sample time of each arm; of the route where no arm has a sample."""
    return [newest[arm] for arm in Arm if arm in newest] or [max(newest.values())]


def _newest(samples: Iterable[Sample]) -> dict[str, float]:
    """Newest sample time per arm, and of the route's own counters."""
    newest: dict[str, float] = {}
    for sample in samples:
        group = str(sample.key.arm) if sample.key.arm is not None else "route"
        newest[group] = max(newest.get(group, sample.time), sample.time)
    return newest
