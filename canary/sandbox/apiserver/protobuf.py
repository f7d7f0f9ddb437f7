"""As much of Kubernetes' protobuf as kubectl sends: reviews of one's own access, and the small kinds that it creates.

`kubectl create -f` and `kubectl apply` speak JSON; `kubectl auth` and `kubectl create configmap NAME` do not. Answers
are JSON. Sources: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding (the envelope), and
the generated.proto files of k8s.io/api and k8s.io/apimachinery (the field numbers).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from canary.sandbox.apiserver.errors import Json, unsupported_media_type

MAGIC = b"k8s\x00"
CONTENT = "application/vnd.kubernetes.protobuf"

TEXT, BYTES, TEXTS, BYTESES = "text", "bytes", "map of texts", "map of bytes"

Fields = dict[int, tuple[str, "str | Fields"]]
"""Number of a field to its name, and to what it is: one of the words above, or the fields of a message."""


def _texts(*names: str) -> Fields:
    return {number: (name, TEXT) for number, name in enumerate(names, start=1)}


_META: Fields = {**_texts("name", "generateName", "namespace"), 11: ("labels", TEXTS), 12: ("annotations", TEXTS)}
_ATTRIBUTES = _texts("namespace", "verb", "group", "version", "resource", "subresource", "name")
_PATH = _texts("path", "verb")
_KINDS: dict[str, Fields] = {
    "SelfSubjectAccessReview": {
        2: ("spec", {1: ("resourceAttributes", _ATTRIBUTES), 2: ("nonResourceAttributes", _PATH)})
    },
    "SelfSubjectRulesReview": {2: ("spec", {1: ("namespace", TEXT)})},
    "SelfSubjectReview": {},
    "Namespace": {1: ("metadata", _META)},
    "ServiceAccount": {1: ("metadata", _META)},
    "ConfigMap": {1: ("metadata", _META), 2: ("data", TEXTS), 3: ("binaryData", BYTESES)},
    "Secret": {1: ("metadata", _META), 2: ("data", BYTESES), 3: ("type", TEXT), 4: ("stringData", TEXTS)},
}


def decode(raw: bytes) -> Json:
    """The object in an envelope.

    Raises:
        ApiError: 415 for a kind that is not read here.
    """
    try:
        envelope = dict(_fields(raw[len(MAGIC) :]))
        of = dict(_fields(envelope[1]))
        api_version, kind = of[1].decode(), of[2].decode()
        if raw.startswith(MAGIC) and kind in _KINDS:
            return {"apiVersion": api_version, "kind": kind, **_read(envelope.get(2, b""), _KINDS[kind])}
    except (KeyError, IndexError, ValueError):
        pass
    raise unsupported_media_type(["application/json", "application/yaml"])


def _read(raw: bytes, known: Fields) -> Json:
    found: Json = {}
    for number, value in _fields(raw):
        if number not in known:
            continue
        name, what = known[number]
        if isinstance(what, dict):
            found[name] = _read(value, what)
        elif what in {TEXTS, BYTESES}:
            entry = dict(_fields(value))
            held = _plain(entry.get(2, b""), TEXT if what == TEXTS else BYTES)
            found.setdefault(name, {})[entry.get(1, b"").decode()] = held
        elif value:  # the empty text is how these messages leave something out
            found[name] = _plain(value, what)
    return found


def _plain(value: bytes, what: str) -> str:
    return value.decode() if what == TEXT else base64.b64encode(value).decode()


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
