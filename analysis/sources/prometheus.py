"""Reading from a Prometheus: raw samples with their own timestamps, never `increase()`.

`increase()` extrapolates and loses births (166 for 154 real errors, and a series' first error counted as none), so
each family is asked for as a range vector of raw samples, and differenced by the window.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from analysis.packs.base import Feed
from analysis.sources.model import Reading, Sample, Trouble
from analysis.sources.read import Classifier

RANGE = 120
"""Seconds of raw samples asked for: two scrapes at the common 60 s."""

POINTS_LIMIT = 2_000_000
"""Samples in one answer; more is not what was asked for."""


class PrometheusSource:
    """Reads from one Prometheus, with the client library's own session.

    Args:
        url: address, without /api.
        feeds: what is needed.
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
        headers: Mapping[str, str] | None = None,
        token_file: str | None = None,
        ca: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._url, self._now, self._ca = url, now, ca
        self._headers, self._token_file = dict(headers or {}), token_file
        self._classifier = Classifier(feeds)
        self._queries = {family: f"{text}[{RANGE}s]" for family, text in self._classifier.selectors().items()}
        self._client: Any = None

    def read(self, *, timeout: float) -> Reading:
        """One reading; never longer than `timeout` seconds in all, and never an exception for what a server does."""
        import requests
        from prometheus_api_client.exceptions import PrometheusApiClientException

        at = self._now()
        samples: list[Sample] = []
        for family, query in self._queries.items():
            left = timeout - (self._now() - at)
            if left <= 0:
                return _trouble(at, Trouble.SLOW, f"Prometheus at {self._url} did not answer within {timeout:.1f} s")
            try:
                answer = self._connected().custom_query(query, timeout=left)
            except requests.Timeout:
                return _trouble(at, Trouble.SLOW, f"Prometheus at {self._url} did not answer within {timeout:.1f} s")
            except (requests.ConnectionError, OSError) as error:
                sentence = f"Prometheus at {self._url} cannot be reached ({type(error).__name__}): is the url right?"
                return _trouble(at, Trouble.DOWN, sentence)
            except (PrometheusApiClientException, requests.RequestException, ValueError, KeyError, TypeError) as error:
                what = str(error)[:200].replace("\n", " ")
                return _trouble(at, Trouble.NONSENSE, f"Prometheus at {self._url} answered nonsense: {what}")
            try:
                samples += self._understood(family, answer)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                sentence = (
                    f"Prometheus at {self._url} answered with something else than samples ({type(error).__name__})"
                )
                return _trouble(at, Trouble.NONSENSE, sentence)
        return Reading(at=at, samples=tuple(samples))

    def _connected(self) -> Any:
        """The client, with its retries off and no redirects (they carry headers away)."""
        import requests
        from prometheus_api_client import PrometheusConnect
        from urllib3.util import Retry

        if self._client is None:
            session = requests.Session()
            session.trust_env = False
            session.max_redirects = 0
            session.verify = self._ca or True
            self._client = PrometheusConnect(
                url=self._url, headers=dict(self._headers), retry=Retry(total=0), session=session, timeout=5
            )
        if self._token_file is not None:
            token = Path(self._token_file).read_text(encoding="utf-8").strip()
            self._client.headers = {**self._headers, "Authorization": f"Bearer {token}"}
        return self._client

    def _understood(self, family: str, answer: Any) -> list[Sample]:
        if not isinstance(answer, list):
            raise TypeError("not a list")
        samples: list[Sample] = []
        points = 0
        for series in answer:
            labels = {str(key): str(value) for key, value in series["metric"].items() if key != "__name__"}
            values = series["values"]
            points += len(values)
            if points > POINTS_LIMIT:
                raise ValueError("too many samples")
            raw = [(float(moment), float(value)) for moment, value in values]
            samples += self._classifier.samples(family, labels, raw)
        return samples


def _trouble(at: float, trouble: Trouble, sentence: str) -> Reading:
    return Reading(at=at, trouble=trouble, sentence=sentence)
