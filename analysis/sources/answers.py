"""What an answer of Prometheus' query API means, when it is not samples.

Loaded where it is used, because `requests` is not light.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import requests

from analysis.sources.exchange import Session, Unusable, clean
from analysis.sources.model import Trouble


class QuerySession(Session):
    """A session that refuses what is no whole answer, before the client library looks at it.

    Attributes:
        date: when the last answer was sent, seconds since the epoch on the server's clock, in whole seconds; None when
            it did not say.
    """

    date: float | None = None

    def send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:
        """Send, read and check.

        Raises:
            requests.RequestException: of any kind; `Unusable` with what to do.
        """
        answer = super().send(request, **settings)
        self.date = _date(answer.headers.get("Date"))
        _check(answer, [str(value).removeprefix("Bearer ") for value in request.headers.values()])
        return answer


def _date(header: str | None) -> float | None:
    try:
        return parsedate_to_datetime(header).timestamp() if header else None
    except (ValueError, TypeError, OverflowError):
        return None


def _check(answer: requests.Response, secrets: list[str]) -> None:
    """Refuse what is no whole answer.

    Raises:
        Unusable: with what to do. Only Prometheus' own `error` and `warnings` are quoted, never a page's text.
    """
    status = answer.status_code
    said = ""
    if status != 200 or b'"warnings"' in answer.content:
        said = clean(_said(answer), [secret for secret in secrets if len(secret) > 3])
    if status == 200:
        if said:
            raise Unusable(Trouble.PARTIAL, f"says that its answer is not whole: {said}")
        return
    told = f" ({status}: {said})" if said else f" ({status})"
    if 300 <= status < 400:
        raise Unusable(
            Trouble.NONSENSE, f"redirects elsewhere{told}: is a login page before it? Redirects are not followed"
        )
    if status in {401, 403}:
        raise Unusable(Trouble.DOWN, f"does not let us ask{told}: give a token that may query in bearerTokenFile")
    if status in {404, 405}:
        raise Unusable(
            Trouble.NONSENSE, f"has no query API there{told}: is the url right, with its prefix, without /api?"
        )
    if status in {400, 422}:
        raise Unusable(Trouble.NONSENSE, f"refuses the query{told}: correct the metric's selectors")
    if status == 429 or status >= 500:
        raise Unusable(Trouble.DOWN, f"cannot answer now{told}: is it overloaded, or starting?")
    raise Unusable(Trouble.NONSENSE, f"answers in a way that is not understood{told}: is the url right?")


def _said(answer: requests.Response) -> str:
    """Prometheus' own words about what is wrong; empty when there are none."""
    try:
        document = answer.json()
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    warnings = document.get("warnings")
    if answer.status_code == 200:
        return "; ".join(map(str, warnings)) if isinstance(warnings, list) else str(warnings or "")
    error = document.get("error")
    return error if isinstance(error, str) else ""
