"""Reading the proxies themselves: seconds sooner than through Prometheus, and with nothing to install."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from analysis.packs.base import Feed
from analysis.sources.model import Reading, Sample, Trouble
from analysis.sources.read import Classifier

if TYPE_CHECKING:
    import requests

BODY_LIMIT = 32 * 1024 * 1024
"""Bytes of one exposition; a proxy with more series than that is not scraped by a Job."""


class ScrapeSource:
    """Scrapes one or several proxies.

    Args:
        urls: metrics addresses.
        feeds: what is needed.
        now: the clock, seconds since the epoch.
    """

    def __init__(self, *, urls: tuple[str, ...], feeds: tuple[Feed, ...], now: Callable[[], float] = time.time) -> None:
        self._urls, self._now = urls, now
        self._classifier = Classifier(feeds)
        self._prefixes = tuple(family.encode() for family in self._classifier.families)
        self._session: requests.Session | None = None

    def read(self, *, timeout: float) -> Reading:
        """One scrape of every proxy; if one of them does not answer the reading is no reading.

        Counters of the proxies that did answer would look like a drop of traffic on one arm and not the other.
        """
        at = self._now()
        samples: list[Sample] = []
        for url in self._urls:
            left = timeout - (self._now() - at)
            reading = self._scrape(url, at, max(left, 0.05))
            if reading.trouble is not None:
                return reading
            samples += reading.samples
        return Reading(at=at, samples=tuple(samples))

    def _scrape(self, url: str, at: float, timeout: float) -> Reading:
        import requests

        if self._session is None:
            self._session = requests.Session()
            self._session.trust_env = False
        try:
            with self._session.get(url, timeout=timeout, stream=True, allow_redirects=False) as answer:
                body = answer.raw.read(BODY_LIMIT + 1, decode_content=True)
                status = answer.status_code
        except requests.Timeout:
            return _trouble(at, Trouble.SLOW, f"{url} did not answer within {timeout:.1f} s")
        except (requests.RequestException, OSError) as error:
            return _trouble(at, Trouble.DOWN, f"{url} cannot be reached ({_short(error)}): is the address right?")
        if status != 200:
            return _trouble(at, Trouble.NONSENSE, f"{url} answered {status}; is it the metrics address?")
        if len(body) > BODY_LIMIT:
            return _trouble(at, Trouble.NONSENSE, f"{url} sent more than {BODY_LIMIT // 2**20} MiB")
        return self._parse(url, body, self._now(), at)

    def _parse(self, url: str, body: bytes, when: float, at: float) -> Reading:
        """Only the lines of needed families are parsed: an exposition has thousands of others."""
        from prometheus_client.parser import text_string_to_metric_families

        wanted = b"\n".join(line for line in body.split(b"\n") if line.startswith(self._prefixes))
        samples: list[Sample] = []
        try:
            for family in text_string_to_metric_families(wanted.decode()):
                for one in family.samples:
                    moment = float(one.timestamp) if one.timestamp is not None else when
                    samples += self._classifier.samples(one.name, one.labels, [(moment, one.value)], origin=url)
        except (ValueError, UnicodeDecodeError, IndexError, KeyError) as error:
            return _trouble(at, Trouble.NONSENSE, f"{url} does not speak the Prometheus text format ({_short(error)})")
        if not wanted and not body.lstrip().startswith((b"#", b"go_", b"process_")):
            return _trouble(at, Trouble.NONSENSE, f"{url} does not speak the Prometheus text format")
        return Reading(at=at, samples=tuple(samples))


def _trouble(at: float, trouble: Trouble, sentence: str) -> Reading:
    return Reading(at=at, trouble=trouble, sentence=sentence)


def _short(error: Exception) -> str:
    """An error's kind, without addresses and object ids that its text may carry."""
    return type(error).__name__
