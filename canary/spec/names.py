"""Names, ports, images, addresses and queries: text that is passed on to other systems, checked before it is."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from canary.spec.base import wrong

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SERVICE = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"

RELEASE_NAME_LENGTH = 40
"""Names of what the engine makes are the release's name with a suffix, and labels end at 63 characters."""

MOST_RULES = 16
"""Gateway API lets a route have this many rules."""

_NAME_HINT = "write lowercase letters, digits and '-', beginning and ending with a letter or digit"

# The grammar of image references: https://pkg.go.dev/github.com/distribution/reference
_PATH_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_HOST_PART = r"[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?"
_HOST = rf"({_HOST_PART}(\.{_HOST_PART})*|\[[0-9a-fA-F:]+\])(:[0-9]{{1,5}})?"
_IMAGE = re.compile(
    rf"({_HOST}/)?{_PATH_PART}(/{_PATH_PART})*(:[A-Za-z0-9_][-.A-Za-z0-9_]{{0,127}})?(@sha256:[0-9a-f]{{64}})?"
)
_IMAGE_HINT = "write an image such as ghcr.io/acme/user-service@sha256:<64 hex digits> or acme/user-service:1.4.2"
_IMAGE_LENGTH = 512


def _name(pattern: str, longest: int, what: str, hint: str) -> tuple[AfterValidator, WithJsonSchema]:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if len(value) > longest:
            raise wrong(f"this {what} has {len(value)} characters", f"write at most {longest}")
        if not compiled.fullmatch(value):
            raise wrong(f"this is not a {what}", hint)
        return value

    schema = {"type": "string", "pattern": f"^{pattern}$", "maxLength": longest}
    return AfterValidator(check), WithJsonSchema(schema)


def check_image(value: str) -> str:
    """An image reference, as registries spell it.

    Raises:
        PydanticCustomError: it is not one.
    """
    if "$" in value or "{" in value:
        raise wrong("this looks like a variable that was not filled in", _IMAGE_HINT)
    if len(value) > _IMAGE_LENGTH or not _IMAGE.fullmatch(value):
        raise wrong("this is not an image reference", _IMAGE_HINT)
    return value


def check_url(value: str) -> str:
    """An http or https address without credentials in it.

    Raises:
        PydanticCustomError: it is not such an address. The message never repeats a password.
    """
    hint = "write an address such as http://prometheus.monitoring:9090"
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong("this is not an address", hint) from None
    if "@" in parts.netloc:
        raise wrong("this address carries a user or a password", "use bearerTokenFile, whose file stays on the machine")
    if parts.scheme not in {"http", "https"} or not host or port == 0 or not _spelled(value):
        raise wrong("this is not an http or https address", hint)
    if parts.query or parts.fragment:
        raise wrong("this address has a query or a fragment", hint)
    return value.rstrip("/")


def _spelled(url: str) -> bool:
    """Whether every program reads it as the same address: no backslash, nothing that looks like another character."""
    return url.isascii() and "\\" not in url and check_characters(url, spaces=False)


def check_characters(value: str, *, spaces: bool = True) -> bool:
    """Whether every character can be seen: no control, format, private or unassigned ones, no odd line ends.

    Args:
        value: the text.
        spaces: allow blanks, line feeds and tabs.
    """
    allowed = " \n\t" if spaces else ""
    return all(c in allowed or unicodedata.category(c)[0] not in "CZ" for c in value)


def _check_text(value: str) -> str:
    if not check_characters(value) or not value.strip():
        raise wrong("this text is empty or has characters that cannot be seen", "retype it without them")
    return value


def _check_path(value: str) -> str:
    if not value.startswith("/") or not check_characters(value):
        raise wrong(
            "this is not an absolute path", "write the file's whole path, such as /var/run/secrets/prometheus/token"
        )
    return value


def check_rule(value: object) -> int | str:
    """A rule of the route, by index from 0 or by name.

    Raises:
        PydanticCustomError: it is neither.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_RULES:
        return value
    if isinstance(value, str) and len(value) <= 253 and re.fullmatch(_SUBDOMAIN, value):
        return value
    raise wrong(
        "this is neither the name nor the index of a rule",
        f"write a rule's name, or its index from 0 to {MOST_RULES - 1}",
    )


ReleaseName = Annotated[str, *_name(_LABEL, RELEASE_NAME_LENGTH, "release name", _NAME_HINT)]
"""A DNS label, short enough to make other names from it."""

LabelName = Annotated[str, *_name(_LABEL, 63, "name", _NAME_HINT)]
"""A DNS label (RFC 1123): namespaces, containers."""

ServiceName = Annotated[str, *_name(_SERVICE, 63, "Service name", _NAME_HINT.replace("a letter or digit", "a letter"))]
"""A DNS label that begins with a letter (RFC 1035)."""

ObjectName = Annotated[str, *_name(_SUBDOMAIN, 253, "name", _NAME_HINT + "; dots may separate such names")]
"""A DNS subdomain (RFC 1123): routes, Deployments."""

MetricName = Annotated[
    str, *_name(r"[a-zA-Z0-9][-_.a-zA-Z0-9]{0,62}", 63, "metric name", "write letters, digits, '-', '_' and '.'")
]
"""What findings call a metric."""

RuleRef = Annotated[
    int | str,
    BeforeValidator(check_rule),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": MOST_RULES - 1},
                {"type": "string", "pattern": f"^{_SUBDOMAIN}$", "maxLength": 253},
            ]
        }
    ),
]
"""A rule by its index or by its name."""

Port = Annotated[int, Field(ge=1, le=65535)]
"""A Service's port number; routes know no port names."""

Image = Annotated[str, AfterValidator(check_image)]
"""An image reference; a digest says exactly what runs, a tag may move."""

Url = Annotated[str, AfterValidator(check_url)]
"""An http or https address, without credentials, query or trailing slash."""

FilePath = Annotated[str, AfterValidator(_check_path)]
"""An absolute path on the machine the engine runs on."""

Text = Annotated[str, AfterValidator(_check_text), Field(max_length=8192)]
"""Free text whose every character can be seen."""
