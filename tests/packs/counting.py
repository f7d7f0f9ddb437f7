"""What a pack's feeds make of an exposition."""

from __future__ import annotations

from typing import Any

import responses

from analysis.model import Arm
from analysis.packs import Feed, Target
from analysis.sources import Key, Reading
from analysis.sources.scrape import ScrapeSource

SERVICES = {Arm.STABLE: "user-service", Arm.CANARY: "user-service-canary"}


def target(**changes: Any) -> Target:
    return Target(**({"namespace": "shop", "route": "r", "services": SERVICES, "port": 8080} | changes))


def scraped(text: str, feeds: tuple[Feed, ...]) -> Reading:
    """What a scrape of this exposition gives."""
    with responses.RequestsMock() as mock:
        mock.get("http://proxy/metrics", body=text)
        reading = ScrapeSource(urls=("http://proxy/metrics",), feeds=feeds).read(timeout=5)
    assert reading.trouble is None, reading.sentence
    return reading


def counted(text: str, feeds: tuple[Feed, ...]) -> dict[Key, float]:
    """The sums of it."""
    totals: dict[Key, float] = {}
    for one in scraped(text, feeds).samples:
        totals[one.key] = totals.get(one.key, 0.0) + one.value
    return totals


def shown(text: str) -> set[str]:
    """The names of an exposition's series."""
    return {line.partition("{")[0].partition(" ")[0] for line in text.splitlines() if line and not line.startswith("#")}
