"""One counter that Prometheus keeps twice: scraped by two jobs, or by two replicas of a pair. Pure.

Both series hold the same requests; together they would be twice as much evidence as there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from analysis.model import Note

SCRAPERS = ("job", "endpoint", "prometheus", "prometheus_replica", "replica")
"""Labels that say who scraped, not who was scraped. Two series that differ only here, of one `instance`, are one."""

T = TypeVar("T")

Group = tuple[str, tuple[tuple[str, str], ...]]
"""A counter: its family, and its labels but for the scraper's."""


PAIRED = ("prometheus", "prometheus_replica", "replica")
"""Those of them by which the servers of a pair differ: they scrape the same things, each at its own moments."""


def origin_of(labels: Mapping[str, str]) -> str:
    """Who was sampled, whichever server of a pair did it: a first error that the other one saw first is a birth."""
    return ",".join(
        f"{label}={labels[label]}" for label in ("instance", *SCRAPERS) if labels.get(label) and label not in PAIRED
    )


def server_of(labels: Mapping[str, str]) -> str:
    """Which server of a pair sampled it."""
    return ",".join(labels.get(label, "") for label in PAIRED if label in labels)


def _scraper_of(labels: Mapping[str, str]) -> str:
    """By whom it was sampled."""
    return ",".join(f"{label}={labels[label]}" for label in SCRAPERS if labels.get(label))


NOTES = 4
"""Notes of one reading."""

MOST = 50_000
"""Counters whose scraper is remembered."""


@dataclass(slots=True)
class _Choice:
    scraper: str
    turns: int = 0


@dataclass(slots=True)
class Once:
    """Keeps one of several series of the same counter, and the same one for as long as it is there."""

    _chosen: dict[Group, _Choice] = field(default_factory=dict)
    _told: dict[str, None] = field(default_factory=dict)

    def kept(self, family: str, series: Iterable[tuple[Mapping[str, str], T]]) -> list[tuple[T, str]]:
        """What stands beside the labels of each series that is kept, and a mark of who scraped it.

        The mark is another one after each change of the scraper: what a later one counted has been counted, and its
        series is a new one.

        Args:
            family: whose series they are.
            series: labels, and anything.
        """
        groups: dict[Group, dict[str, tuple[Mapping[str, str], T]]] = {}
        kept: list[tuple[T, str]] = []
        for labels, thing in series:
            if not labels.get("instance"):
                kept.append((thing, ""))  # aggregated: nobody says who was scraped
                continue
            rest = tuple(sorted(pair for pair in labels.items() if pair[0] not in SCRAPERS))
            groups.setdefault((family, rest), {})[_scraper_of(labels)] = (labels, thing)
        for group, found in groups.items():
            choice = self._chosen.get(group)
            if choice is None:
                choice = self._chosen[group] = _Choice(min(found))
            elif choice.scraper not in found:
                choice.scraper, choice.turns = min(found), choice.turns + 1
            labels, thing = found[choice.scraper]
            kept.append((thing, f"{choice.turns}" if choice.turns else ""))
            if len(found) > 1:
                self._told[f"{labels['instance']} is scraped {len(found)} times: counted once"] = None
        if len(self._chosen) > MOST:
            self._chosen.clear()
        return kept

    def notes(self) -> tuple[Note, ...]:
        """What was found since this was asked, each once, in one note; the first few by name."""
        told, number = tuple(self._told)[:NOTES], len(self._told)
        self._told.clear()
        return (Note("scraped_twice", number, "; ".join(told)),) if told else ()
