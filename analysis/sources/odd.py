"""What was unusual about the counters that a look is made of: counted while they are read, told as notes. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median_low

from analysis.model import Arm, Note
from analysis.plural import counted
from analysis.sources.model import Key, Role, Sample

Vectors = dict[str, tuple[str, set[Key]]]
"""What one proxy was seen with at one scrape: each vector's pod, and the numbers that it feeds."""


def vector_of(sample: Sample) -> str:
    """The series that can only begin anew together with this sample's."""
    return sample.vector or sample.series


SLOWER = 1.2
"""Times the readings' interval that samples are apart when that is told: it is what looks wait for."""

APART = 0.1
"""Part of a look by which the arms' newest samples are apart when that is told."""

RECENT = 256
"""Gaps between samples from which the usual one is known: of some scrapes, not of an hour ago."""


@dataclass(slots=True, kw_only=True)
class Pace:
    """How far apart the samples of one series are.

    Attributes:
        every: seconds between readings.
        longest: seconds between two samples beyond which something was lost in between.
        waits: a reading has brought no new sample: it is the samples that are late, not the readings.
    """

    every: float
    longest: float
    waits: bool = False
    _gaps: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    def gap(self, seconds: float) -> None:
        """Two samples of one series are so far apart."""
        if 0 < seconds <= self.longest:
            self._gaps.append(seconds)

    @property
    def typical(self) -> float:
        """Seconds; 0 where that is not known."""
        return median_low(self._gaps) if self._gaps else 0.0

    def notes(self, *, apart: float, of: float) -> Iterator[Note]:
        """What is unusual about when the arms are sampled, at this look and others alike.

        Args:
            apart: seconds between the arms' newest samples.
            of: the longer of the arms' windows, seconds.
        """
        if self.waits and (typical := self.typical) >= SLOWER * self.every:
            said = f"samples every {typical:.0f} s, so looks are as far apart"
            yield Note("samples_every", typical, said, steady=True)
        if apart > APART * of:
            yield Note("arms_apart", apart, f"the arms are scraped {apart:.1f} s apart", steady=True)


@dataclass(slots=True)
class Names:
    """Remembers what each proxy had at its last scrape, so that a series under a new name is told from a birth."""

    _had: dict[tuple[str, str], tuple[float, Vectors]] = field(default_factory=dict)

    def renamed(self, moment: float, scraped: Iterable[Sample]) -> set[str]:
        """Vectors that stand where another one of the same proxy and pod stood at the scrape before.

        Args:
            moment: of the scrape; nothing is learned from one that is not newer.
            scraped: everything of it.
        """
        has: dict[tuple[str, str], Vectors] = {}
        for sample in scraped:
            scrape = sample.origin, sample.by
            if sample.origin and self._had.get(scrape, (moment, {}))[0] <= moment:
                has.setdefault(scrape, {}).setdefault(vector_of(sample), (sample.pod, set()))[1].add(sample.key)
        found = set()
        for scrape, now in has.items():
            _, before = self._had.get(scrape, (moment, now))
            lost = [before[vector] for vector in before.keys() - now.keys()]
            for vector in now.keys() - before.keys():
                pod, keys = now[vector]
                if any(pod == old and keys & fed for old, fed in lost):
                    found.add(vector)
            self._had[scrape] = moment, now
        return found

    def forget(self, before: float) -> None:
        """Let go of who was not scraped since then."""
        self._had = {scrape: had for scrape, had in self._had.items() if had[0] >= before}


@dataclass(slots=True)
class Odd:
    """Counted since the last look.

    Attributes:
        resets: counters that began again.
        newcomers: proxies that were seen for the first time, by their marks.
        lost: counters that could not be read for long.
        reborn: forgotten series that came back, by their marks.
        renamed: series under another name, by their marks.
    """

    resets: int = 0
    newcomers: set[str] = field(default_factory=set)
    lost: int = 0
    reborn: set[str] = field(default_factory=set)
    renamed: set[str] = field(default_factory=set)

    def notes(self, *, lost_after: float, forget_after: float) -> Iterator[Note]:
        """In words, and as numbers.

        Args:
            lost_after, forget_after: seconds after which a counter counts as lost, and as forgotten.
        """
        if self.resets:
            said = f"{counted(self.resets, 'counter')} began again: a proxy restarted"
            yield Note("counters_reset", self.resets, said)
        if new := len(self.newcomers):
            said = f"{counted(new, 'proxy', 'proxies')} {_was(new)} seen for the first time: {_from_now(new)}"
            yield Note("proxies_new", new, said)
        if self.lost:
            said = f"{counted(self.lost, 'counter')} {_was(self.lost)} not seen for over {lost_after:.0f} s"
            yield Note("counters_lost", self.lost, f"{said}: {_from_now(self.lost)}")
        if back := len(self.reborn):
            said = f"{counted(back, 'series', 'series')} came back after more than {forget_after:.0f} s"
            yield Note("series_reborn", back, f"{said}: {_from_now(back)}")
        if renamed := len(self.renamed):
            said = f"{counted(renamed, 'series', 'series')} of a proxy took the place of others, as if renamed"
            yield Note("series_renamed", renamed, f"{said}: {_from_now(renamed)}")


def several(samples: Iterable[Sample]) -> Iterator[Note]:
    """Of how many series the requests of each arm are the sum, where it is more than one."""
    found: dict[Arm, set[str]] = {}
    for sample in samples:
        if sample.key.role is Role.TOTAL and sample.key.arm is not None:
            found.setdefault(sample.key.arm, set()).add(sample.series)
    for arm, series in found.items():
        if len(series) > 1:
            yield Note(f"series_{arm}", len(series), "", steady=True)


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _from_now(number: int) -> str:
    return "it counts from now on" if number == 1 else "they count from now on"
