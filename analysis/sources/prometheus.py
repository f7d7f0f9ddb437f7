"""Reading from a Prometheus: raw samples with their own timestamps, never `increase()`.

`increase()` extrapolates and loses births (166 for 154 real errors, and a series' first error counted as none), so
each family is asked for as a range vector of raw samples, and differenced by the window.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.model import Note
from analysis.packs.base import Feed, selector
from analysis.packs.own import GaugeFeed
from analysis.sources.measuring import Measuring
from analysis.sources.model import MOST, Reading, Sample, Trouble
from analysis.sources.read import Classifier
from analysis.sources.twice import Once, origin_of

if TYPE_CHECKING:
    from analysis.sources.answers import QuerySession
    from analysis.sources.exchange import Patience

RANGE = 120
"""Seconds of raw samples asked for: two scrapes at the common 60 s."""

SKEW_SEEN = 2.0
"""Seconds; below this a difference of clocks is not told from a slow answer and whole seconds."""

POINTS_LIMIT = 2_000_000
"""Samples in one answer; more is not what was asked for."""

STRETCH = 1800.0
"""Seconds of the past asked for at once."""

PAST_LIMIT = 3_000_000
"""Samples of the past in all: some hundreds of MiB."""

SHORT_STRETCH = 900.0
"""The same where time and memory are short: an engine that is about to release."""

IN_TIME = 0.8
"""Part of the time for it after which no further stretch is asked for, so that what was read is not lost."""

RECENT_LIMIT = 150_000
"""Samples of the recent past in all: some tens of MiB for a moment; an hour of 600 series scraped every 15 s."""

TOKEN_LIMIT = 65536
"""Characters of a bearer token."""


class PrometheusSource:
    """Reads from one Prometheus, with the client library's own session.

    Args:
        url: address, without /api.
        feeds: what is needed.
        gauges: series that count nothing.
        headers: headers to send.
        token_file: file with a bearer token, read anew at each reading.
        ca: file with authorities to trust.
        now: the clock, seconds since the epoch.
    """

    def __init__(
        self,
        *,
        url: str,
        feeds: tuple[Feed, ...],
        gauges: tuple[GaugeFeed, ...] = (),
        headers: Mapping[str, str] | None = None,
        token_file: str | None = None,
        ca: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._url, self._now, self._ca = url.rstrip("/"), now, ca
        self._headers, self._token_file = dict(headers or {}), token_file
        self._classifier, self._measuring = Classifier(feeds), Measuring(gauges)
        self._queries = {family: f"{text}[{RANGE}s]" for family, text in self._classifier.selectors().items()}
        self._client: Any = None
        self._session: QuerySession | None = None
        self._patience: Patience | None = None
        self._once = Once()
        self._odd: dict[str, int] = {}

    def read(self, *, timeout: float) -> Reading:
        """One reading; never longer than `timeout` seconds in all, and never an exception for what a server does."""
        import requests

        from analysis.sources.exchange import Patience, refused

        at = self._now()
        if self._patience is None:
            self._patience = Patience()
        slow = refused(requests.Timeout(), timeout=timeout)
        return self._patience.wait(
            lambda: self._read(at, timeout), timeout=timeout, slow=lambda: self._trouble(at, *slow)
        )

    def _read(
        self, at: float, timeout: float, *, queries: Mapping[str, str] | None = None, at_time: float | None = None
    ) -> Reading:
        import requests
        from prometheus_api_client.exceptions import PrometheusApiClientException

        from analysis.sources.exchange import Unusable, refused

        end = time.monotonic() + timeout
        samples: list[Sample] = []
        skew = 0.0
        try:
            client = self._connected()
            for family, query in (self._queries if queries is None else queries).items():
                asked = self._now()
                answer = _ask(client, query, max(end - time.monotonic(), 0.01), at=at_time)
                skew = self._ahead(asked, self._now())
                samples += self._understood(family, answer)
        except requests.RequestException as error:
            return self._trouble(at, *refused(error, timeout=timeout))
        except (PrometheusApiClientException, LookupError, TypeError, AttributeError, ValueError, ArithmeticError):
            wrong = Unusable(Trouble.NONSENSE, "answered with something else than samples: is the url a Prometheus's?")
            return self._trouble(at, *refused(wrong, timeout=timeout))
        except RecursionError:
            return self._trouble(at, Trouble.NONSENSE, "answered with JSON that is nested too deeply")
        gauges = self._measuring.measure(partial(_ask, client), at=at, end=end, skew=skew) if at_time is None else ()
        notes = (*self._once.notes(), *self._taken())
        return Reading(at=at, samples=tuple(samples), gauges=gauges, skew=skew, notes=notes)

    def _taken(self) -> tuple[Note, ...]:
        """What was odd about the values since this was asked, in one note."""
        odd, self._odd = self._odd, {}
        said = "; ".join(f"{family} has values that no counter has: left out" for family in odd)
        return (Note("values_odd", sum(odd.values()), said),) if odd else ()

    def _ahead(self, asked: float, answered: float) -> float:
        """Seconds by which Prometheus' clock is ahead of ours; 0 when it is not known, or too little to tell."""
        date = self._session.date if self._session else None
        if date is None:
            return 0.0
        # The header has whole seconds, so that half a second is missing on average.
        ahead = date + 0.5 - (asked + answered) / 2
        return ahead if abs(ahead) > SKEW_SEEN + (answered - asked) else 0.0

    def past(self, *, seconds: float, timeout: float, done: Callable[[float], None] | None = None) -> Reading:
        """All raw samples of the last `seconds`, in one reading.

        Args:
            seconds: how far back.
            timeout: seconds for one request; there is one for each family and stretch of `STRETCH` seconds.
            done: told the part that was read, 0 to 1.
        """
        now = self._now()
        found: list[Sample] = []
        stretches = max(1, math.ceil(seconds / STRETCH))
        texts = self._classifier.selectors()
        for number in range(stretches):
            end = now - (stretches - 1 - number) * STRETCH
            length = min(STRETCH, seconds - (stretches - 1 - number) * STRETCH)
            queries = {family: f"{text}[{math.ceil(length)}s]" for family, text in texts.items()}
            one = self._read(now, timeout, queries=queries, at_time=end)
            if one.trouble is not None:
                return one
            found += one.samples
            if len(found) > PAST_LIMIT:
                sentence = f"holds more than {PAST_LIMIT:,} samples of that time: ask for less of the past"
                return self._trouble(now, Trouble.NONSENSE, sentence)
            if done is not None:
                done((number + 1) / stretches)
        return Reading(at=now, samples=tuple(found))

    def recent(self, *, seconds: float, timeout: float) -> Reading:
        """As much of the last `seconds` as can be read in time: the newest first, at most `RECENT_LIMIT` samples.

        Args:
            seconds: how far back at most.
            timeout: seconds for all of it.
        """
        import requests

        from analysis.sources.exchange import Patience, refused

        slow = refused(requests.Timeout(), timeout=timeout)
        return Patience().wait(
            lambda: self._recent(seconds, IN_TIME * timeout),
            timeout=timeout,
            slow=lambda: self._trouble(self._now(), *slow),
        )

    def _recent(self, seconds: float, timeout: float) -> Reading:
        now, end = self._now(), time.monotonic() + timeout
        found: list[Sample] = []
        texts = self._classifier.selectors()
        for number in range(max(1, math.ceil(seconds / SHORT_STRETCH))):
            length = min(SHORT_STRETCH, seconds - number * SHORT_STRETCH)
            queries = {family: f"{text}[{math.ceil(length)}s]" for family, text in texts.items()}
            left = max(end - time.monotonic(), 0.01)
            one = self._read(now, left, queries=queries, at_time=now - number * SHORT_STRETCH)
            if one.trouble is not None and not found:
                return one
            if one.trouble is not None or len(found) + len(one.samples) > RECENT_LIMIT:
                break
            found += one.samples
        if not found:
            sentence = "has no samples of stable, or more than can be read at once"
            return self._trouble(now, Trouble.ABSENT, sentence)
        return Reading(at=now, samples=tuple(found))

    def names(self, family: str, label: str, *, timeout: float) -> tuple[str, ...]:
        """The values of a label of a family, sorted; none where the server does not tell, for whatever reason."""
        import requests
        from prometheus_api_client.exceptions import PrometheusApiClientException

        query = f"count by ({label}) ({selector(family, {})})"
        try:
            answer = _ask(self._connected(), query, timeout)
            return tuple(sorted(name for one in answer if (name := _labels(one).get(label))))
        except (requests.RequestException, PrometheusApiClientException, LookupError, TypeError, AttributeError):
            return ()

    def _trouble(self, at: float, trouble: Trouble, sentence: str) -> Reading:
        from analysis.sources.exchange import shown

        return Reading(at=at, trouble=trouble, sentence=f"Prometheus at {shown(self._url)} {sentence}")

    def _connected(self) -> Any:
        """The client, with its retries off: the next reading is the retry."""
        from prometheus_api_client import PrometheusConnect
        from urllib3.util import Retry

        from analysis.sources.answers import QuerySession
        from analysis.sources.exchange import Unusable

        if self._ca is not None and not Path(self._ca).is_file():
            raise Unusable(Trouble.DOWN, f"was not asked: the authorities' file {self._ca} is not there; mount it")
        token = self._token()
        if self._client is None:
            session = self._session = QuerySession()
            session.verify = self._ca or True
            self._client = PrometheusConnect(url=self._url, retry=Retry(total=0, read=False), session=session)
        self._client.headers = {**self._headers, **({"Authorization": f"Bearer {token}"} if token else {})}
        return self._client

    def _token(self) -> str | None:
        """The bearer token, if there is a file for it.

        Raises:
            Unusable: it cannot be read, or cannot be a token. Nothing of it is quoted.
        """
        from analysis.sources.exchange import Unusable, clean

        if self._token_file is None:
            return None
        try:
            with Path(self._token_file).open(encoding="ascii") as file:
                token = file.read(TOKEN_LIMIT + 1).strip()
        except UnicodeDecodeError:
            token = ""
        except OSError as error:
            reason = clean(error.strerror or type(error).__name__)
            sentence = f"was not asked: the token file {self._token_file} cannot be read ({reason}); mount it"
            raise Unusable(Trouble.DOWN, sentence) from None
        if not token or len(token) > TOKEN_LIMIT or any(not "!" <= character <= "~" for character in token):
            sentence = (
                f"was not asked: {self._token_file} holds no token (one word of printable characters); correct it"
            )
            raise Unusable(Trouble.DOWN, sentence)
        return token

    def _understood(self, family: str, answer: Any) -> list[Sample]:
        from analysis.sources.exchange import Unusable
        from analysis.sources.read import BothArms

        if not isinstance(answer, list):
            raise TypeError("not a list")
        samples: list[Sample] = []
        points = 0
        labelled = [(_labels(one), one) for one in answer]
        for (labels, series), turn in self._once.kept(family, [(labels, (labels, one)) for labels, one in labelled]):
            if "values" not in series and "histograms" in series:
                sentence = f"keeps {family} as a native histogram: keep the classic buckets (le) as well"
                raise Unusable(Trouble.NONSENSE, sentence)
            values = series["values"]
            points += len(values)
            if points > POINTS_LIMIT:
                raise ValueError("too many samples")
            raw = [(float(moment), float(value)) for moment, value in values]
            odd = [moment for moment, value in raw if not 0 <= value <= MOST]
            if odd:
                self._odd[family] = self._odd.get(family, 0) + len(odd)
            # What another scraper counted already, or what had a value before its first good one, is not born now.
            known = turn or (odd and odd[0] == raw[0][0])
            sampled = origin_of(labels) + (f"#{turn}#{family}{sorted(labels.items())}" if known else "")
            try:
                samples += self._classifier.samples(family, labels, raw, turn, sampled=sampled)
            except BothArms as error:
                raise Unusable(Trouble.NONSENSE, f"has a series that {error}") from None
        return samples


def _labels(series: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in series["metric"].items() if key != "__name__"}


def _ask(client: Any, query: str, left: float, *, at: float | None = None) -> Any:
    """Query within so many seconds, as of a moment or of now.

    Prometheus gives up as well: what nobody waits for need not be computed.
    """
    moment = {} if at is None else {"time": f"{at:.3f}"}
    return client.custom_query(query, params={"timeout": f"{left:.3f}", **moment}, timeout=left)
