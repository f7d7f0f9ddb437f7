"""Which credential goes to which server: the operator's word, because a release file may come from a pull request.

A release file that could name any file and any address could have a pod's own token sent to a stranger. So the
operator binds each credential to an address, in a file that the variable `CANARY_CREDENTIALS` names:

    apiVersion: canary/v1
    kind: Credentials
    prometheus:
      - url: https://prometheus.monitoring:9090
        bearerTokenFile: /var/run/secrets/prometheus/token
        ca: /etc/prometheus/ca.crt      # left out: the system's authorities

The token is sent to that address and to what lies below it, to nothing else, whether the release file names it or not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from canary.cli.boundary import Failure
from canary.core.outcome import ExitCode
from canary.spec import Release, ReleaseFileError
from canary.spec.base import Part
from canary.spec.names import FilePath, Url
from canary.spec.source import Prometheus

VARIABLE = "CANARY_CREDENTIALS"
"""Names the operator's file; unset or empty, no credential is sent to any Prometheus."""

HINT = f"the operator binds a token to an address in the file that {VARIABLE} names; see SECURITY.md"

_PLAIN = re.compile(r"https://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?(/[A-Za-z0-9_~./-]*)?")
"""Addresses that every program reads alike."""


class Bound(Part):
    """One credential and where it may go."""

    url: Url = Field(description="Address of the server, https; everything below its path is meant as well.")
    bearer_token_file: FilePath = Field(description="File with a bearer token, read anew at every request.")
    ca: FilePath | None = Field(default=None, description="Authorities to trust. Default: the system's.")


class Credentials(Part):
    """The operator's file."""

    api_version: Literal["canary/v1"]
    kind: Literal["Credentials"]
    prometheus: tuple[Bound, ...] = Field(default=(), max_length=64)


@dataclass(frozen=True, slots=True)
class Trust:
    """What a Prometheus gets from us and how it proves itself.

    Attributes:
        token_file: file with the bearer token; None for none.
        ca: file with authorities; None for the system's.
    """

    token_file: str | None
    ca: str | None


def trust_of(asked: Prometheus, bindings: Sequence[Bound]) -> Trust:
    """What the operator lets a release file have.

    Args:
        asked: the release file's source.
        bindings: the operator's.

    Raises:
        Failure: it asks for a credential that is not bound to its address, or for other authorities than the bound.
    """
    wanted, ca = asked.bearer_token_file, asked.tls.ca if asked.tls else None
    found = next((one for one in bindings if _below(asked.url, one.url)), None)
    if found is None or (wanted is not None and wanted != found.bearer_token_file):
        if wanted is None:
            return Trust(None, ca)
        raise _refused(f"bearerTokenFile {wanted} is not bound to {_origin(asked.url)}")
    if ca is not None and ca != found.ca:
        # Whoever chooses the authorities chooses who may answer in that server's name.
        raise _refused(f"tls.ca {ca} is not the authority that is bound to {_origin(asked.url)}")
    return Trust(found.bearer_token_file, found.ca)


def bound() -> tuple[Bound, ...]:
    """The operator's bindings; none where the variable is not set.

    Raises:
        Failure: the file cannot be read, or is not such a file.
    """
    name = os.environ.get(VARIABLE, "")
    return _parsed(name) if name else ()


def refuse_unbound(file: Release) -> None:
    """Refuse a release file that asks for what the operator did not bind, before anything is touched.

    Raises:
        Failure: it does, or the operator's file cannot be used.
    """
    if (prometheus := file.spec.analysis.source.prometheus) is not None:
        trust_of(prometheus, bound())


def _parsed(name: str) -> tuple[Bound, ...]:
    from canary.spec import document
    from canary.spec.load import read_bytes

    try:
        found = document.read(read_bytes(Path(name)).decode(), file=name)
        made = Credentials.model_validate(found.root.value)
    except ReleaseFileError as error:
        raise _unusable(str(error)) from None
    except UnicodeDecodeError:
        raise _unusable(f"{name} is not UTF-8 text") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        hint = "begin with apiVersion: canary/v1, a mapping" if not where else ""
        raise _unusable(f"{name}: {where or hint}: {first['msg']}") from None
    if found.problems:
        raise _unusable(str(found.problems[0]))
    for one in made.prometheus:
        if not _PLAIN.fullmatch(one.url) or ".." in one.url:
            raise _unusable(f"{name}: {one.url} is no plain https address")
    return made.prometheus


def _unusable(message: str) -> Failure:
    return Failure(f"{VARIABLE}: {message}", code=ExitCode.NOT_PERMITTED, hint="nothing was touched; " + HINT)


def _refused(message: str) -> Failure:
    return Failure(message, code=ExitCode.NOT_PERMITTED, hint="nothing was touched; " + HINT)


def _below(url: str, root: str) -> bool:
    """Whether an address is this one, or lies below it, read the same way by everybody."""
    if not _PLAIN.fullmatch(url) or any(part in {".", ".."} for part in url.split("/")):
        return False
    given, wanted = urlsplit(url), urlsplit(root)
    same = (given.hostname, given.port or 443) == (wanted.hostname, wanted.port or 443)
    path = wanted.path.rstrip("/")
    return same and (given.path == path or given.path.startswith(path + "/") or not path)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
