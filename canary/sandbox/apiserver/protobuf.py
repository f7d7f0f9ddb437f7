"""As much of Kubernetes' protobuf as `kubectl auth` sends: reviews of one's own access. Answers are JSON.

Sources: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding (the envelope), and the
generated.proto files of k8s.io/api/authorization/v1 and k8s.io/api/authentication/v1 (the field numbers).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from canary.sandbox.apiserver.errors import Json, unsupported_media_type

MAGIC = b"k8s\x00"
CONTENT = "application/vnd.kubernetes.protobuf"

Fields = dict[int, tuple[str, "Fields | None"]]
"""Number of a field to its name, and the fields of a message; None for text."""

_ATTRIBUTES: Fields = {
    number: (name, None)
    for number, name in enumerate(("namespace", "verb", "group", "version", "resource", "subresource", "name"), start=1)
}
_REVIEWS: dict[str, Fields] = {
    "SelfSubjectAccessReview": {
        2: ("spec", {1: ("resourceAttributes", _ATTRIBUTES), 2: ("nonResourceAttributes", {1: ("path", None), 2: ("verb", None)})})
    },
    "SelfSubjectRulesReview": {2: ("spec", {1: ("namespace", None)})},
    "SelfSubjectReview": {},
}  # fmt: skip


def decode(raw: bytes) -> Json:
    """The object in an envelope.

    Raises:
        ApiError: 415 for anything but a review of one's own access.
    """
    try:
        envelope = dict(_fields(raw[len(MAGIC) :]))
        of = dict(_fields(envelope[1]))
        api_version, kind = of[1].decode(), of[2].decode()
        if raw.startswith(MAGIC) and kind in _REVIEWS:
            return {"apiVersion": api_version, "kind": kind, **_read(envelope.get(2, b""), _REVIEWS[kind])}
    except (KeyError, IndexError, ValueError):
        pass
    raise unsupported_media_type(["application/json", "application/yaml"])


def _read(raw: bytes, known: Fields) -> Json:
    found: Json = {}
    for number, value in _fields(raw):
        if number in known:
            name, below = known[number]
            found[name] = value.decode() if below is None else _read(value, below)
    return found


def _fields(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and content of each field of length-delimited type; others are passed over.

    Raises:
        ValueError, IndexError: this is no message.
    """
    place = 0
    while place < len(raw):
        tag, place = _varint(raw, place)
        match tag & 7:
            case 0:
                _, place = _varint(raw, place)
            case 2:
                size, place = _varint(raw, place)
                if place + size > len(raw):
                    raise ValueError("a field goes beyond the end")
                yield tag >> 3, raw[place : place + size]
                place += size
            case 1 | 5 as kind:
                place += 8 if kind == 1 else 4
            case _:
                raise ValueError("an unknown wire type")


def _varint(raw: bytes, place: int) -> tuple[int, int]:
    value: Any = 0
    for shift in range(0, 70, 7):
        byte = raw[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, place
    raise ValueError("a number that does not end")
