"""Reading the proxies themselves: seconds sooner than through Prometheus, and with nothing to install."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from analysis.packs.base import Feed
from analysis.sources.model import Reading, Sample, Trouble
from analysis.sources.read import BothArms, Classifier

if TYPE_CHECKING:
    import requests

    from analysis.sources.exchange import Patience, Session

ACCEPT = "text/plain;version=0.0.4;q=1, application/openmetrics-text;version=1.0.0;q=0.5"
"""The plain text format by preference; proxies that know only OpenMetrics are understood as well."""

LONGEST_LINE = 16 * 1024
"""Bytes of a line that is needed; those of gateways have some hundred."""

_EXEMPLAR = re.compile(rb' # \{(?:[^"\\}]|"(?:[^"\\]|\\.)*")*\}[^"]*$')
"""At the end of a line of OpenMetrics: an example request, such as ` # {trace_id="a"} 0.5 1700000000`."""


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
        self._session: Session | None = None
        self._patience: Patience | None = None
        self._asking = ""

    def read(self, *, timeout: float) -> Reading:
        """One scrape of every proxy within `timeout` seconds; if one does not answer the reading is no reading.

        Counters of the proxies that did answer would look like a drop of traffic on one arm and not the other.
        """
        import requests

        from analysis.sources.exchange import Patience, refused

        at = self._now()
        if self._patience is None:
            self._patience = Patience()
        slow = refused(requests.Timeout(), timeout=timeout)
        return self._patience.wait(
            lambda: self._read(at, timeout), timeout=timeout, slow=lambda: self._trouble(at, *slow)
        )

    def _read(self, at: float, timeout: float) -> Reading:
        import requests

        from analysis.sources.exchange import refused

        end = time.monotonic() + timeout
        samples: list[Sample] = []
        for url in self._urls:
            self._asking = url
            try:
                samples += self._scraped(url, max(end - time.monotonic(), 0.01))
            except requests.RequestException as error:
                return self._trouble(at, *refused(error, timeout=timeout))
        return Reading(at=at, samples=tuple(samples))

    def names(self, family: str, label: str, *, timeout: float) -> tuple[str, ...]:
        """The values of a label of a family on any proxy, sorted; none where they do not tell, for whatever reason."""
        import requests
        from prometheus_client.parser import text_string_to_metric_families

        found: set[str] = set()
        try:
            for url in self._urls:
                lines = self._body(url, timeout).content.split(b"\n")
                wanted = _wanted(lines, family.encode() + b"{")
                for one in text_string_to_metric_families(b"\n".join(wanted).decode()):
                    found |= {sample.labels[label] for sample in one.samples if sample.labels.get(label)}
        except (requests.RequestException, ValueError, LookupError, TypeError):
            return ()
        return tuple(sorted(found))

    def _body(self, url: str, timeout: float) -> requests.Response:
        from analysis.sources.exchange import Session

        if self._session is None:
            self._session = Session()
        return self._session.get(url, timeout=timeout, headers={"Accept": ACCEPT})

    def _trouble(self, at: float, trouble: Trouble, sentence: str) -> Reading:
        from analysis.sources.exchange import shown

        rest = f"; without it the other {len(self._urls) - 1} are not used" if len(self._urls) > 1 else ""
        return Reading(at=at, trouble=trouble, sentence=f"{shown(self._asking)} {sentence}{rest}")

    def _scraped(self, url: str, timeout: float) -> list[Sample]:
        from analysis.sources.exchange import Unusable

        answer = self._body(url, timeout)
        when = self._now()
        if answer.status_code != 200:
            raise Unusable(Trouble.NONSENSE, f"answered {answer.status_code}: is it the metrics address?")
        kind = answer.headers.get("Content-Type", "")
        try:
            return self._parsed(url, answer.content, when, open_metrics="openmetrics" in kind)
        except BothArms as error:
            raise Unusable(Trouble.NONSENSE, f"has a series that {error}") from None
        except (ValueError, LookupError, ArithmeticError, NameError, TypeError) as error:
            raise Unusable(Trouble.NONSENSE, f"does not speak the Prometheus text format{_as(kind)}") from error

    def _parsed(self, url: str, body: bytes, when: float, *, open_metrics: bool) -> list[Sample]:
        """Only the lines of needed families are parsed: an exposition has thousands of others.

        Raises:
            ValueError: it is not the text format, or was cut off (half a number would look like a reset).
        """
        from prometheus_client.parser import text_string_to_metric_families

        lines = body.split(b"\n")
        if lines.pop().strip() or (open_metrics and not body.rstrip().endswith(b"# EOF")):
            raise ValueError("cut off")
        wanted = _wanted(lines, self._prefixes)
        if not wanted and not _looks_like_metrics(lines):
            raise ValueError("no exposition")
        if open_metrics:
            wanted = [_EXEMPLAR.sub(b"", line) for line in wanted]
        # The parser reads milliseconds; OpenMetrics has seconds.
        unit = 1000.0 if open_metrics else 1.0
        samples: list[Sample] = []
        for family in text_string_to_metric_families(b"\n".join(wanted).decode()):
            for one in family.samples:
                moment = when if one.timestamp is None else float(one.timestamp) * unit
                samples += self._classifier.samples(one.name, one.labels, [(moment, one.value)], origin=url)
        return samples


def _wanted(lines: list[bytes], begin: bytes | tuple[bytes, ...]) -> list[bytes]:
    """The lines that begin so.

    Raises:
        ValueError: one is so long that the parser, whose work grows with a line's square, would be at it for minutes.
    """
    wanted = [line for line in lines if line.startswith(begin)]
    if max(map(len, wanted), default=0) > LONGEST_LINE:
        raise ValueError("a line without an end")
    return wanted


def _looks_like_metrics(lines: list[bytes]) -> bool:
    """Whether the first line could be of an exposition: another gateway's, or one that has served nothing yet."""
    first = next((line.strip() for line in lines if line.strip()), b"")
    return (
        first.startswith(b"#")
        or re.match(rb"[a-zA-Z_:][a-zA-Z0-9_:]*(\{.*\})?\s+[-+0-9.eEnNaAiIfF]+", first) is not None
    )


def _as(kind: str) -> str:
    from analysis.sources.exchange import clean

    return (
        f" (it sent {clean(kind.partition(';')[0])}): is it the metrics address?"
        if kind
        else ": is it the metrics address?"
    )
