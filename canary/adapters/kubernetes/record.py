"""The release's record in numbered, immutable ConfigMaps."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from canary.adapters.kubernetes.api import Api
from canary.adapters.kubernetes.budget import CRITICAL, PATIENT
from canary.adapters.kubernetes.paths import CONFIG_MAP, MANAGED, PART_LABEL, PREFIX, named
from canary.ports import Conflict, JsonObject, Refused

KEY = "chunk"
LIMIT = 256 * 1024
"""Bytes of a chunk; a ConfigMap holds 1 MiB, of base64."""

INDEX_LABEL = PREFIX + "chunk"


class KubernetesRecords:
    """One record; see `canary.ports.Records`.

    Args:
        api: the API server.
        namespace: of the ConfigMaps.
        name: their common name, `canary-<...>-record`; the chunk's number is appended.
        labels: put on each; together with our own they must tell this record from every other.
    """

    def __init__(self, api: Api, *, namespace: str, name: str, labels: Mapping[str, str]) -> None:
        self._api, self._namespace, self._name = api, namespace, name
        self._labels = {**MANAGED, **labels, PART_LABEL: "record"}
        self._what = f"the record (ConfigMaps {namespace}/{name}-...)"

    def append(self, index: int, chunk: bytes) -> None:
        """See Records.

        Raises:
            Refused: the chunk is longer than `LIMIT` bytes.
        """
        if len(chunk) > LIMIT:
            raise Refused(f"chunk {index} of {self._what} would be {len(chunk)} bytes, more than {LIMIT}")
        name = chunk_name(self._name, index)
        metadata = {
            "name": name,
            "namespace": self._namespace,
            "labels": {**self._labels, INDEX_LABEL: str(index)},
        }
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "immutable": True,
            "binaryData": {KEY: base64.b64encode(chunk).decode()},
        }
        deadline = self._api.deadline(CRITICAL)  # the engine waits for it before a raise
        try:
            self._api.create(
                CONFIG_MAP.path(self._namespace),
                body,
                doing=f"storing chunk {index} of {self._what}",
                deadline=deadline,
            )
        except Conflict:
            path = CONFIG_MAP.path(self._namespace, name)
            found = self._api.get(path, doing=f"reading chunk {index} of {self._what}", deadline=deadline)
            if _bytes(found) != chunk:
                raise

    def read(self) -> list[bytes]:
        """See Records.

        Raises:
            Refused: a chunk does not hold what this engine writes.
        """
        selector = ",".join(f"{key}={value}" for key, value in sorted(self._labels.items()))
        found: list[JsonObject] = []
        query = {"labelSelector": selector, "limit": "20"}
        deadline = self._api.deadline(PATIENT)
        while True:
            page = self._api.get(
                CONFIG_MAP.path(self._namespace), query=query, doing=f"reading {self._what}", deadline=deadline
            )
            found.extend(page.get("items") or [])
            following = (page.get("metadata") or {}).get("continue")
            if not following:
                break
            query = {**query, "continue": str(following)}
        return [self._checked(item) for item in sorted(found, key=_index)]

    def _checked(self, item: JsonObject) -> bytes:
        chunk = _bytes(item)
        if chunk is None:
            name = item.get("metadata", {}).get("name")
            raise Refused(f"ConfigMap {self._namespace}/{name} is not a chunk of a record; somebody changed it")
        return chunk


def chunk_name(record: str, index: int) -> str:
    """The ConfigMap's name of a chunk.

    Args:
        record: the common name of the record's.
        index: the chunk's number.
    """
    return named(record, f"{index:05d}")


def _bytes(item: JsonObject) -> bytes | None:
    data = item.get("binaryData")
    text = data.get(KEY) if isinstance(data, dict) else None
    if not isinstance(text, str):
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


def _index(item: JsonObject) -> int:
    text = (item.get("metadata", {}).get("labels") or {}).get(INDEX_LABEL)
    return int(text) if isinstance(text, str) and text.isdecimal() else -1
