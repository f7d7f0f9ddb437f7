"""HTTP with a server that is not trusted: bounded in time and size, following no redirect, remembering no cookie.

Loaded where it is used, because `requests` is not light.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from analysis.sources.model import Reading, Trouble

BODY_LIMIT = 32 * 1024 * 1024
"""Bytes of one answer, unpacked; more series than that are not read by a Job."""

CHUNK = 65536

HANGING = 4
"""Readings given up that may still be in flight (a name server that does not answer cannot be interrupted)."""

LONGEST = 200
"""Characters of a foreign text that are shown."""


class Unusable(requests.RequestException):
    """An answer that cannot be used.

    Attributes:
        trouble: the kind.
        sentence: what is wrong, without the server's name, with what to do.
    """

    def __init__(self, trouble: Trouble, sentence: str) -> None:
        super().__init__(sentence)
        self.trouble, self.sentence = trouble, sentence


class Session(requests.Session):
    """A session whose answers have been read, within the request's timeout and `BODY_LIMIT`, when they are returned.

    Proxies and .netrc of the environment are not used: a credential from there would go to whatever the url names.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: headers are not carried to another host, and `requests` does not read a redirect's body unbounded."""

    def send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:
        """Send and read.

        Raises:
            requests.RequestException: of any kind; never another exception of the libraries below.
        """
        timeout = float(settings["timeout"])
        end = time.monotonic() + timeout
        answer = super().send(request, **{**settings, "stream": True, "allow_redirects": False})
        try:
            body = _drained(answer, end)
        except requests.RequestException:
            raise  # of our own; they are OSErrors too
        except urllib3.exceptions.ReadTimeoutError as error:
            raise requests.Timeout("slow") from error
        except urllib3.exceptions.DecodeError as error:
            raise Unusable(
                Trouble.NONSENSE, "its answer cannot be unpacked: is there a broken proxy before it?"
            ) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise requests.ConnectionError("broke off") from error
        finally:
            answer.close()
        answer.raw = io.BytesIO(body)
        return answer


def _drained(answer: requests.Response, end: float) -> bytes:
    """The body, unpacked."""
    parts, size = [], 0
    while part := answer.raw.read1(CHUNK, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > BODY_LIMIT:
            raise Unusable(
                Trouble.NONSENSE,
                f"its answer is larger than {BODY_LIMIT // 2**20} MiB: are that many series meant? "
                "Name fewer, or let Prometheus aggregate them",
            )
        if time.monotonic() > end:
            raise requests.Timeout("slow")
    return b"".join(parts)


class Patience:
    """Ends waiting for a reading after a time, whatever holds it up: name lookups have no timeout of their own."""

    def __init__(self) -> None:
        self._hanging: list[threading.Thread] = []

    def wait(self, read: Callable[[], Reading], *, timeout: float, slow: Callable[[], Reading]) -> Reading:
        """What `read` returns, or `slow()` when it takes longer than `timeout` seconds."""
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        if len(self._hanging) >= HANGING:
            return slow()
        result: Future[Reading] = Future()
        thread = threading.Thread(target=_into, args=(read, result), name="reading", daemon=True)
        thread.start()
        try:
            return result.result(timeout)
        except TimeoutError:
            self._hanging.append(thread)
            return slow()


def _into(read: Callable[[], Reading], result: Future[Reading]) -> None:
    try:
        result.set_result(read())
    except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
        result.set_exception(error)


def refused(error: requests.RequestException, *, timeout: float) -> tuple[Trouble, str]:
    """What went wrong, without the server's name, and what to do; never the error's own text (it may quote headers)."""
    if isinstance(error, Unusable):
        return error.trouble, error.sentence
    for kind, trouble, sentence in _SENTENCES:
        if isinstance(error, kind):
            return trouble, sentence.format(timeout=timeout, cause=_cause(error))
    return Trouble.NONSENSE, f"answered in a way that is not understood ({type(error).__name__}): is the url right?"


_SENTENCES = (
    (
        requests.Timeout,
        Trouble.SLOW,
        "did not answer within {timeout:.1f} s: is it overloaded, or a firewall before it?",
    ),
    (
        requests.exceptions.SSLError,
        Trouble.DOWN,
        "cannot prove who it is (TLS): is the url right, and its authority in tls.ca?",
    ),
    (
        requests.exceptions.InvalidHeader,
        Trouble.NONSENSE,
        "was not asked: one of the headers is not a header's value; correct it",
    ),
    (
        requests.ConnectionError,
        Trouble.DOWN,
        "cannot be reached ({cause}): is the url right, and does it run?",
    ),
    (
        requests.exceptions.JSONDecodeError,
        Trouble.NONSENSE,
        "did not answer in JSON: is the url a Prometheus's, with its prefix, and no login page before it?",
    ),
)


def _cause(error: BaseException) -> str:
    """The innermost cause's own words where the system gave them; libraries put addresses of objects into theirs."""
    seen: set[int] = set()
    inner: BaseException | None = error
    words = "connection broken"
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        if isinstance(inner, OSError) and inner.strerror:
            words = clean(inner.strerror)
        reason = getattr(inner, "reason", None)
        inner = reason if isinstance(reason, BaseException) else inner.__cause__ or inner.__context__
    return words


def clean(text: object, secrets: Iterable[str] = ()) -> str:
    """Foreign text as one printable line of bounded length, without any of the secrets."""
    line = str(text)
    for secret in sorted(secrets, key=len, reverse=True):
        line = line.replace(secret, "***") if secret else line
    line = "".join(character for character in " ".join(line.split()) if character.isprintable())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def shown(url: str) -> str:
    """An address as it may be shown: without user, password and query."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "an address that is none"
    return clean(f"{parts.scheme}://{host}{parts.path}")
