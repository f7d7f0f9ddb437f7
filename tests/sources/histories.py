"""A true history of requests, counted by proxies, scraped by a Prometheus, and read by the real source."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analysis.model import Arm
from analysis.packs import Feed, Target, custom, histogram
from analysis.sources.prometheus import RANGE, PrometheusSource

BOUNDS = (0.1, 0.5, math.inf)
START = 1_700_000_000.0
TARGET = Target(namespace="shop", route="r", services={Arm.STABLE: "user", Arm.CANARY: "user-canary"}, port=80)
FEEDS: tuple[Feed, ...] = (
    *custom("errors", bad='hits_total{service="$arm",code=~"5.."}', total='hits_total{service="$arm"}', target=TARGET),
    *histogram("latency", buckets='seconds_bucket{service="$arm"}', unit="s", target=TARGET),
)

Number = tuple[Arm, str | float]
"""An arm with `total`, `bad`, or the bound of a bucket: what is counted."""

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A family, and its labels."""


@dataclass(slots=True)
class Proxy:
    """Counts requests, and forgets them when it restarts.

    Attributes:
        unread: what it counted since it was scraped last, by the true history.
    """

    name: str
    counters: dict[Series, float] = field(default_factory=dict)
    unread: Counter[Number] = field(default_factory=Counter)
    restarted: bool = False

    def serve(self, arm: Arm, code: str, seconds: float, times: int = 1) -> None:
        here = ("service", TARGET.services[arm])
        self._count("hits_total", (("code", code), here), times)
        self.unread[arm, "total"] += times
        self.unread[arm, "bad"] += times if code.startswith("5") else 0
        for bound in BOUNDS:
            within = times if seconds <= bound else 0
            self._count("seconds_bucket", (here, ("le", "+Inf" if bound == math.inf else f"{bound}")), within)
            self.unread[arm, bound] += within

    def _count(self, family: str, labels: tuple[tuple[str, str], ...], more: int) -> None:
        self.counters[family, labels] = self.counters.get((family, labels), 0.0) + more

    def restart(self) -> None:
        """What nobody read is lost for good."""
        self.restarted = True
        self.counters.clear()
        self.unread.clear()


@dataclass(slots=True)
class Scraper:
    """A Prometheus, or one of a pair: scrapes each proxy at its own moments, and answers range queries."""

    replica: str
    interval: int
    phases: Mapping[str, int]
    skew: float = 0.0
    points: dict[Series, list[tuple[float, float]]] = field(default_factory=dict)

    def due(self, proxy: Proxy, second: int) -> bool:
        return second % self.interval == self.phases[proxy.name]

    def scrape(self, proxy: Proxy, now: float, *, spoiled: bool = False) -> None:
        more = (("instance", proxy.name), *((("replica", self.replica),) if self.replica else ()))
        for (family, labels), value in proxy.counters.items():
            points = self.points.setdefault((family, (*labels, *more)), [])
            points.append((now + self.skew, math.nan if spoiled and points else value))


@dataclass(slots=True)
class Answers:
    """Stands for the client library: a range vector of one family from every scraper, in any order."""

    scrapers: list[Scraper]
    chance: random.Random
    now: float = START

    def custom_query(self, query: str, **_: Any) -> list[dict[str, Any]]:
        family = query.partition("{")[0]
        found = []
        for scraper in self.scrapers:
            since = self.now + scraper.skew - RANGE
            for (name, labels), points in scraper.points.items():
                if name == family and (here := [[time, str(value)] for time, value in points[-RANGE:] if time > since]):
                    found.append({"metric": {"__name__": name, **dict(labels)}, "values": here})
        self.chance.shuffle(found)
        return found


def source_of(answers: Answers) -> PrometheusSource:
    """The real source, with a server that is not there."""
    source = PrometheusSource(url="http://prometheus.invalid", feeds=FEEDS, now=lambda: answers.now)
    source._connected = lambda: answers  # type: ignore[method-assign]
    return source
