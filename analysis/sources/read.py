"""From labelled values to samples: which number a series feeds. Pure, and the same for every source."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from analysis.packs.base import Feed, selector
from analysis.packs.expressions import LONGEST_VALUE
from analysis.sources.baseline import MARK
from analysis.sources.model import MOST, Key, Role, Sample
from analysis.sources.twice import server_of

_PLAIN = re.compile(r"[-\w.@/:+]*")
"""Label values that cannot be taken for more than one label."""


class BothArms(ValueError):
    """One series would count for both arms: the comparison would compare a thing with itself."""


@dataclass(frozen=True, slots=True)
class _Matcher:
    where: tuple[tuple[str, re.Pattern[str]], ...]
    feed: Feed

    def key(self, labels: Mapping[str, str]) -> Key | None:
        for label, pattern in self.where:
            value = labels.get(label, "")
            if len(value) > LONGEST_VALUE:
                raise ValueError(f"the label {label} has {len(value)} characters")
            if not pattern.fullmatch(value):
                return None
        key = self.feed.key
        if key.role is not Role.BUCKET:
            return key
        try:
            bound = float(labels.get("le", ""))
        except ValueError:
            return None
        return None if math.isnan(bound) else Key(key.metric, key.arm, key.role, bound * self.feed.scale)


@dataclass(slots=True)
class Classifier:
    """Tells which numbers a labelled value feeds.

    Attributes:
        feeds: what is needed.
    """

    feeds: tuple[Feed, ...]
    _by_family: dict[str, tuple[_Matcher, ...]] = field(init=False)
    _fed_twice: frozenset[Key] = field(init=False)
    _pods: dict[str, tuple[str, str]] = field(init=False)
    _within: dict[str, frozenset[str]] = field(init=False)
    _seen: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[Key, ...]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        by_family: dict[str, tuple[_Matcher, ...]] = {}
        for feed in self.feeds:
            # Prometheus' \d, \w and \s are ASCII.
            where = tuple((label, re.compile(pattern, re.ASCII)) for label, pattern in feed.where)
            by_family[feed.family] = (*by_family.get(feed.family, ()), _Matcher(where, feed))
        self._by_family = by_family
        self._pods = {feed.family: (feed.pod, feed.node) for feed in self.feeds if feed.pod}
        self._within = {family: _varying(matchers) for family, matchers in by_family.items()}
        pairs = {(feed.key, feed.family) for feed in self.feeds}
        keys = [key for key, _ in pairs]
        self._fed_twice = frozenset(key for key in keys if keys.count(key) > 1)

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the series that are needed, sorted."""
        return tuple(sorted(self._by_family))

    def keys(self, family: str, labels: Mapping[str, str]) -> tuple[Key, ...]:
        """The numbers that this series feeds; none when it is somebody else's.

        Raises:
            BothArms: it feeds the same number of both arms.
        """
        identity = (family, tuple(sorted(labels.items())))
        known = self._seen.get(identity)
        if known is None:
            if len(self._seen) > 20_000:
                self._seen.clear()
            matchers = self._by_family.get(family, ())
            known = tuple(dict.fromkeys(key for matcher in matchers if (key := matcher.key(labels)) is not None))
            _refuse_both(family, labels, known)
            self._seen[identity] = known
        return known

    def samples(
        self,
        family: str,
        labels: Mapping[str, str],
        points: Iterable[tuple[float, float]],
        origin: str = "",
        sampled: str = "",
    ) -> list[Sample]:
        """Samples of one series; values that no counter can have are left out.

        Raises:
            BothArms: the series feeds the same number of both arms.

        Args:
            family: name of the series.
            labels: its labels.
            points: (time, value) pairs.
            origin: which proxy it was scraped from, where the labels do not tell.
            sampled: who was sampled; the origin unless given.
        """
        keys = self.keys(family, labels)
        if not keys:
            return []
        named = ",".join(f"{k}={_plain(v)}" for k, v in sorted(labels.items()) if k != "le")
        own, shared = f"{origin}|{named}", f"{origin}|{family}|{named}"
        # Where two families feed one number, their series may have the same labels.
        pod, node = (labels.get(label, "") for label in self._pods.get(family, ("", "")))
        names = [(key, shared if replace(key, bound=0.0) in self._fed_twice else own) for key in keys]
        apart = self._within[family]
        vector = (
            f"{origin}|{family}|{','.join(f'{k}={_plain(v)}' for k, v in sorted(labels.items()) if k not in apart)}"
        )
        found, whose, by = [], sampled or origin, server_of(labels)
        for time, value in points:
            if 0 <= value <= MOST and math.isfinite(time):
                found += [Sample(key, name, time, value, whose, pod, node, vector, by) for key, name in names]
        return found

    def selectors(self) -> dict[str, str]:
        """One PromQL selector per family that covers every feed of it."""
        covering = {}
        for family, matchers in self._by_family.items():
            shared = set.intersection(*({label for label, _ in matcher.feed.where} for matcher in matchers))
            where = {}
            for label in shared:
                patterns = sorted({dict(matcher.feed.where)[label] for matcher in matchers})
                where[label] = patterns[0] if len(patterns) == 1 else "|".join(f"(?:{one})" for one in patterns)
            covering[family] = selector(family, where)
        return covering


def _varying(matchers: Iterable[_Matcher]) -> frozenset[str]:
    """Labels by which a vector's series differ: those that tell how a request ended, and a histogram's bounds."""
    named = [{label for label, _ in matcher.where} for matcher in matchers]
    every: set[str] = set().union(*named)
    return frozenset({label for label in every if not all(label in labels for labels in named)} | {"le"})


def _plain(value: str) -> str:
    return value if _PLAIN.fullmatch(value) else json.dumps(value)


def _refuse_both(family: str, labels: Mapping[str, str], keys: Iterable[Key]) -> None:
    arms: dict[tuple[str, Role], set[str | None]] = {}
    for key in keys:
        who = MARK if key.metric.startswith(MARK) else key.arm
        arms.setdefault((key.metric.removeprefix(MARK), key.role), set()).add(who)
    for (metric, _), both in arms.items():
        if len(both) > 1:
            shown = ", ".join(f"{name}={value!r}" for name, value in sorted(labels.items()) if name != "le")
            raise BothArms(
                f"counts for both arms of {metric or 'the route'} ({family}: {shown[:150]}): "
                "make the selectors tell the arms apart"
            )
