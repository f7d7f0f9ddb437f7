"""From an HTTP answer to one of the four kinds of `PortError`; a pure function of status, headers and body.

The hard case is 422. The API server answers a JSON Patch that does not apply (a `test` that failed, a path that is
gone) with a fixed sentence and no details, while validation and admission name the object or the field; servers
before 1.13 answered 500 with the patch library's own words (kubernetes/kubernetes#68202, #68346).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canary.core.redaction import redacted
from canary.ports import Conflict, NotFound, PortError, Refused, Unavailable

LONGEST = 500
"""Characters of the server's message that are kept: enough for a webhook's sentence, not for a page."""

FOREIGN = 8192
"""Characters of it that are looked at at all."""

PATCH_DID_NOT_APPLY = "the server rejected our request due to an error in our request"
OLD_PATCH_ERRORS = ("testing value", "testing path", "test failed", "operation does not apply", "missing path")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer as it came.

    Attributes:
        status: the HTTP status.
        headers: its headers, names in lower case.
        body: the whole body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def document(answer: Answer) -> dict[str, Any] | None:
    """The body as a JSON object; None when it is not one."""
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def failure(answer: Answer, *, doing: str, json_patch: bool = False) -> PortError:
    """The error that an answer of status 300 or more amounts to.

    Args:
        answer: what the server said.
        doing: what was asked, e.g. `patching HTTPRoute shop/web`; begins the message.
        json_patch: the request was a JSON Patch.
    """
    status = _status_object(answer)
    code = answer.status
    message = f"{doing}: {_message(status, answer)}"
    if code in {409, 412} or (json_patch and _did_not_apply(code, status)):
        return Conflict(message)
    if code in {404, 410} and status is not None:
        return NotFound(message)
    if code in {404, 408, 410, 429} or code >= 500:
        # A 404 without a Status is a proxy's, or an API server that does not serve this resource (yet): whether
        # the object is there is not known.
        return Unavailable(message, retry_after=_retry_after(answer, status))
    return Refused(message, status=code)


def clean(text: object) -> str:
    """Text from outside as one printable line of bounded length, without what looks like a credential."""
    line = " ".join(redacted(str(text)[:FOREIGN]).split())
    line = "".join(character for character in line if character.isprintable())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _status_object(answer: Answer) -> dict[str, Any] | None:
    body = document(answer)
    return body if body is not None and body.get("kind") == "Status" else None


def _message(status: dict[str, Any] | None, answer: Answer) -> str:
    if status is not None:
        return f"{clean(status.get('message') or status.get('reason') or 'no message')} (HTTP {answer.status})"
    kind = clean(answer.headers.get("content-type") or "no content type")
    if 300 <= answer.status < 400:
        return f"redirected (HTTP {answer.status}); is there a login proxy before the API server?"
    if kind.startswith("text/plain") and len(answer.body) <= LONGEST:
        return f"{clean(answer.body.decode(errors='replace'))} (HTTP {answer.status})"
    return f"HTTP {answer.status} with {kind}; is there a proxy before the API server?"


def _did_not_apply(code: int, status: dict[str, Any] | None) -> bool:
    if status is None or code not in {422, 500}:
        return False
    text = str(status.get("message") or "").lower()
    old = any(words in text for words in OLD_PATCH_ERRORS)
    if code == 500:
        return old
    details = status.get("details")
    details = details if isinstance(details, dict) else {}
    named = any(details.get(key) for key in ("name", "kind", "causes"))
    return not named and (old or PATCH_DID_NOT_APPLY in text)


def _retry_after(answer: Answer, status: dict[str, Any] | None) -> float | None:
    details = (status or {}).get("details")
    candidates = [
        answer.headers.get("retry-after"),
        details.get("retryAfterSeconds") if isinstance(details, dict) else 0,
    ]
    for value in candidates:
        try:
            seconds = float(value or 0)
        except (TypeError, ValueError):
            continue
        if 0 < seconds < 86400:
            return seconds
    return None
