"""Where the counters are read: Prometheus, or the proxies themselves."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from canary.spec.base import ONE_OF, Part, wrong
from canary.spec.names import FilePath, Text, Url

_HEADER_HINT = "write a header such as X-Scope-OrgID: tenant-1"
_SECRET = re.compile(r"auth|cookie|secret|token|passw|credential|api[-_]?key", re.IGNORECASE)
_OURS = frozenset({"connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"})
"""Headers that say whom a request is for and where it ends."""


def _check_headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum() or "\n" in value:
            raise wrong("this is not an HTTP header", _HEADER_HINT)
        if name.lower() in _OURS:
            raise wrong("this header is the connection's own", _HEADER_HINT)
        if _SECRET.search(name):
            raise wrong(
                "a credential does not belong in a release file, which may come from a pull request",
                "use bearerTokenFile, whose file stays on the machine",
            )
    return headers


class Tls(Part):
    """How the server proves itself."""

    ca: FilePath = Field(description="File with the certificate authorities to trust, in PEM form.")


class Prometheus(Part):
    """A Prometheus, or anything that answers its query API."""

    url: Url = Field(description="Its address, without /api.")
    headers: Annotated[dict[str, Text], AfterValidator(_check_headers), Field(max_length=16)] = Field(
        default_factory=dict, description="Headers to send, such as X-Scope-OrgID. No credentials."
    )
    bearer_token_file: FilePath | None = Field(
        default=None,
        description="File with a bearer token, read anew at every request. Needs https, and the operator must have "
        "bound it to this address: see SECURITY.md. Left out: the one that is bound, if any.",
    )
    tls: Tls | None = Field(
        default=None, description="How an https server proves itself. Default: the system's authorities."
    )


class Scrape(Part):
    """The gateway's proxies, read directly."""

    urls: tuple[Url, ...] = Field(
        min_length=1, max_length=64, description="Metrics address of every proxy, such as http://traefik:8082/metrics."
    )


class Source(Part):
    """Exactly one place to read from."""

    model_config = ConfigDict(json_schema_extra=ONE_OF)

    prometheus: Prometheus | None = Field(default=None, description="A Prometheus server.")
    scrape: Scrape | None = Field(default=None, description="The proxies directly; no Prometheus needed.")
