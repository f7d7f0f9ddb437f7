"""Bytes to and from the API server, on the official client's configuration, credentials and connection pool.

The pool is used directly: the client's own call path retries writes by itself, reads bodies of any size, and builds
typed models that drop fields it does not know. Here nothing is retried and no redirect is followed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from canary import __version__
from canary.adapters.kubernetes.budget import Deadline
from canary.adapters.kubernetes.errors import Answer, clean
from canary.ports import PortError, Refused, Unavailable

CHUNK = 65536
CONNECT = 2.0
"""Seconds that making a connection may take; a second try then still fits into a critical call."""


class NotSent(Unavailable):
    """No connection was made, so nothing was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request.

    Attributes:
        method: GET, POST, PATCH or DELETE.
        target: path and query.
        payload: the body; None for none.
        content_type: of the body.
        doing: what it is for, in words.
    """

    method: str
    target: str
    payload: bytes | None
    content_type: str
    doing: str

    @property
    def reads(self) -> bool:
        """It changes nothing and may be repeated."""
        return self.method == "GET"


class Stream(Protocol):
    """An answer whose body is still to be read. Leaving its context closes what is left of it."""

    status: int

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def drain(self, limit: int, deadline: Deadline) -> Answer:
        """The whole answer.

        Raises:
            Unavailable: it broke off, came too slowly or is longer than `limit` bytes.
        """
        ...

    def lines(self, limit: int) -> Iterator[bytes]:
        """The body's lines as they come; ends when the server ends it.

        Raises:
            Unavailable: it broke off, was silent for too long, or a line is longer than `limit` bytes.
        """
        ...

    def interrupt(self) -> None:
        """Make a blocked read end soon; safe from any thread."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


class Transport(Protocol):
    """Makes exchanges."""

    def send(self, request: Request, patience: float) -> Stream:
        """Send a request and return the answer once its head is there, within `patience` seconds.

        Raises:
            NotSent: no connection was made.
            Unavailable: no answer came.
            Refused: the server cannot be trusted.
        """
        ...

    def open(self, request: Request, *, head: float, quiet: float) -> Stream:
        """Send a GET whose body is read for as long as it lasts.

        Args:
            request: the GET.
            head: seconds until the head of the answer must be there.
            quiet: seconds of silence after that, at most.
        """
        ...


class PoolTransport:
    """A transport on the `kubernetes` package.

    Args:
        configuration: a `kubernetes.client.Configuration`: address, TLS, credentials and how they are refreshed.
    """

    def __init__(self, configuration: Any) -> None:
        from kubernetes.client.rest import RESTClientObject

        self._configuration = configuration
        self._pool = RESTClientObject(configuration).pool_manager
        self._base = str(configuration.host).rstrip("/")
        self._host = urlsplit(self._base).netloc.rpartition("@")[2]
        self._lock = threading.Lock()

    def send(self, request: Request, patience: float) -> Stream:
        """See Transport."""
        return self._request(request, patience)

    def open(self, request: Request, *, head: float, quiet: float) -> Stream:
        """See Transport."""
        stream = self._request(request, head)
        stream.be_patient(quiet)
        return stream

    def close(self) -> None:
        """Close every idle connection."""
        self._pool.clear()

    def _request(self, request: Request, patience: float) -> PoolStream:
        import urllib3

        headers = {"Accept": "application/json", "User-Agent": f"canary-engine/{__version__}", **self._credentials()}
        if request.payload is not None:
            headers["Content-Type"] = request.content_type
        with _translated(self._host, patience):
            response = self._pool.request(
                request.method,
                self._base + request.target,
                body=request.payload,
                headers=headers,
                timeout=urllib3.Timeout(connect=min(CONNECT, patience), read=patience),
                preload_content=False,
                redirect=False,
                retries=False,
            )
        return PoolStream(response, self._host, patience)

    def _credentials(self) -> dict[str, str]:
        """The Authorization header, refreshed when it is due (a rotated token is read from its file again)."""
        from kubernetes.config import ConfigException

        try:
            with self._lock:
                settings = self._configuration.auth_settings()
        except OSError as error:
            raise NotSent(f"the token cannot be read: {clean(error)}") from error
        except (ConfigException, ValueError):
            # Their messages may quote what a credential plugin printed, or what stands in the file.
            raise NotSent("the credentials cannot be refreshed; try kubectl with the same kubeconfig") from None
        headers: dict[str, str] = {}
        for setting in settings.values():
            value = setting.get("value")
            if setting.get("in") == "header" and value:
                headers[str(setting["key"])] = text = str(value).strip()
                # What is refused later is quoted in the refusal.
                if not (text.isascii() and text.isprintable()):
                    raise NotSent("the token has characters that no token has; write it anew")
        return headers


class PoolStream:
    """An answer from the pool; see Stream."""

    def __init__(self, response: Any, host: str, read: float) -> None:
        self.status = int(response.status)
        self._response, self._host, self._read = response, host, read

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.close()

    def be_patient(self, quiet: float) -> None:
        """Allow this many seconds of silence from now on."""
        connection = self._response.connection
        # A server that announces to close the connection takes the socket away from it; the shorter limit stays then.
        if connection is not None and connection.sock is not None:
            connection.sock.settimeout(quiet)
            self._read = quiet

    def drain(self, limit: int, deadline: Deadline) -> Answer:
        """See Stream. Read to its end, the connection goes back to the pool."""
        parts: list[bytes] = []
        size = 0
        with _translated(self._host, self._read):
            while part := self._response.read1(CHUNK):
                parts.append(part)
                size += len(part)
                if size > limit:
                    self.close()
                    raise Unavailable(f"{self._host} sent more than {limit // 1024} KiB")
                if deadline.left() <= 0:
                    self.close()
                    raise Unavailable(f"{self._host} did not finish its answer within {self._read:.1f} s")
        headers = {name.lower(): value for name, value in self._response.headers.items()}
        return Answer(status=self.status, headers=headers, body=b"".join(parts))

    def lines(self, limit: int) -> Iterator[bytes]:
        """See Stream."""
        rest = b""
        with _translated(self._host, self._read):
            while part := self._response.read1(CHUNK):
                *whole, rest = (rest + part).split(b"\n")
                yield from whole
                if len(rest) > limit:
                    self.close()
                    raise Unavailable(f"{self._host} sent a line of more than {limit // 1024} KiB")

    def interrupt(self) -> None:
        """See Stream."""
        with suppress(ValueError, OSError):  # it ended by itself
            self._response.shutdown()

    def close(self) -> None:
        """See Stream."""
        self._response.close()


@contextmanager
def _translated(host: str, patience: float) -> Iterator[None]:
    """The client's many exceptions as ours; messages never quote headers."""
    import urllib3.exceptions as http
    from kubernetes.client.exceptions import ApiException

    try:
        yield
    except PortError:
        raise
    except (http.NewConnectionError, http.ConnectTimeoutError, http.ProxyError) as error:
        raise NotSent(f"no connection to {host}: {_reason(error)}") from error
    except (http.SSLError, ApiException) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            fix = "check certificate-authority in the kubeconfig"
            raise Refused(f"the certificate of {host} cannot be verified: {clean(error)}; {fix}") from error
        raise Unavailable(f"TLS with {host} failed: {clean(error)}") from error
    except http.ReadTimeoutError as error:
        raise Unavailable(f"no answer from {host} within {patience:.1f} s") from error
    except (http.HTTPError, OSError) as error:
        raise Unavailable(f"the connection to {host} broke: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """The innermost cause that has words, without memory addresses of connection objects."""
    cause = error.__cause__ or error.__context__
    text = cause.strerror if isinstance(cause, OSError) and cause.strerror else ""
    return clean(text or type(cause or error).__name__)
