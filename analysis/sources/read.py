"""From labelled values to samples: which number a series feeds. Pure, and the same for every source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from analysis.packs.base import Feed, selector
from analysis.sources.model import Key, Role, Sample


@dataclass(frozen=True, slots=True)
class _Matcher:
    where: tuple[tuple[str, re.Pattern[str]], ...]
    feed: Feed

    def key(self, labels: Mapping[str, str]) -> Key | None:
        for label, pattern in self.where:
            if not pattern.fullmatch(labels.get(label, "")):
                return None
        key = self.feed.key
        if key.role is not Role.BUCKET:
            return key
        try:
            bound = float(labels.get("le", ""))
        except ValueError:
            return None
        return Key(key.metric, key.arm, key.role, bound * self.feed.scale)


@dataclass(slots=True)
class Classifier:
    """Tells which numbers a labelled value feeds.

    Attributes:
        families: names of the series that are needed.
    """

    feeds: tuple[Feed, ...]
    _by_family: dict[str, tuple[_Matcher, ...]] = field(init=False)
    _seen: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[Key, ...]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        by_family: dict[str, tuple[_Matcher, ...]] = {}
        for feed in self.feeds:
            where = tuple((label, re.compile(pattern)) for label, pattern in feed.where)
            by_family[feed.family] = (*by_family.get(feed.family, ()), _Matcher(where, feed))
        self._by_family = by_family

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the series that are needed, sorted."""
        return tuple(sorted(self._by_family))

    def keys(self, family: str, labels: Mapping[str, str]) -> tuple[Key, ...]:
        """The numbers that this series feeds; none when it is somebody else's."""
        identity = (family, tuple(sorted(labels.items())))
        known = self._seen.get(identity)
        if known is None:
            if len(self._seen) > 20_000:
                self._seen.clear()
            matchers = self._by_family.get(family, ())
            known = tuple(key for matcher in matchers if (key := matcher.key(labels)) is not None)
            self._seen[identity] = known
        return known

    def samples(
        self, family: str, labels: Mapping[str, str], points: Iterable[tuple[float, float]], origin: str = ""
    ) -> list[Sample]:
        """Samples of one series; values that no counter can have are left out.

        Args:
            family: name of the series.
            labels: its labels.
            points: (time, value) pairs.
            origin: which proxy it was scraped from, where there are several.
        """
        keys = self.keys(family, labels)
        if not keys:
            return []
        series = origin + "|" + ",".join(f"{k}={v}" for k, v in sorted(labels.items()) if k != "le")
        found = []
        for time, value in points:
            if value >= 0 and value != float("inf"):
                found += [Sample(key, series, time, value) for key in keys]
        return found

    def selectors(self) -> dict[str, str]:
        """One PromQL selector per family that covers every feed of it."""
        covering = {}
        for family, matchers in self._by_family.items():
            shared = set.intersection(*({label for label, _ in matcher.feed.where} for matcher in matchers))
            where = {}
            for label in shared:
                patterns = sorted({dict(matcher.feed.where)[label] for matcher in matchers})
                where[label] = patterns[0] if len(patterns) == 1 else "(" + "|".join(patterns) + ")"
            covering[family] = selector(family, where)
        return covering
