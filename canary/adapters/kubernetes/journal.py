"""The release's journal in a ConfigMap, replaced by compare-and-swap on its resourceVersion."""

from __future__ import annotations

from collections.abc import Mapping

from canary.adapters.kubernetes.api import JSON_PATCH, Api
from canary.adapters.kubernetes.paths import CONFIG_MAP, MANAGED, PART_LABEL
from canary.ports import JsonObject, NotFound, Refused, Stored

KEY = "journal"
LIMIT = 32 * 1024
"""Bytes: it is written on every transition."""


class KubernetesJournals:
    """One journal; see `canary.ports.Journals`.

    Args:
        api: the API server.
        namespace, name: of the ConfigMap, `canary-<...>-journal`.
        labels: put on it when it is created, beside our own.
    """

    def __init__(self, api: Api, *, namespace: str, name: str, labels: Mapping[str, str] | None = None) -> None:
        self._api, self._name, self._namespace = api, name, namespace
        self._labels = {**MANAGED, **(labels or {}), PART_LABEL: "journal"}
        self._collection, self._path = CONFIG_MAP.path(namespace), CONFIG_MAP.path(namespace, name)
        self._what = f"the journal (ConfigMap {namespace}/{name})"

    def load(self) -> Stored | None:
        """See Journals.

        Raises:
            Refused: a ConfigMap with this name exists that is not a journal.
        """
        try:
            found = self._api.get(self._path, doing=f"reading {self._what}")
        except NotFound:
            return None
        data = found.get("data")
        text = data.get(KEY) if isinstance(data, dict) else None
        if not isinstance(text, str):
            raise Refused(f"{self._what} has no entry {KEY!r}; it was not written by this engine, delete or rename it")
        return Stored(text=text, version=_version(found))

    def save(self, text: str, *, version: str | None) -> str:
        """See Journals.

        Raises:
            Refused: the text is longer than `LIMIT` bytes.
        """
        size = len(text.encode())
        if size > LIMIT:
            raise Refused(f"{self._what} would be {size} bytes, more than {LIMIT}; fewer metrics or rules")
        return _version(self._create(text) if version is None else self._replace(text, version))

    def _create(self, text: str) -> JsonObject:
        metadata = {"name": self._name, "namespace": self._namespace, "labels": self._labels}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {KEY: text}}
        return self._api.create(self._collection, body, doing=f"creating {self._what}")

    def _replace(self, text: str, version: str) -> JsonObject:
        operations = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": version},
            {"op": "add", "path": f"/data/{KEY}", "value": text},
        ]
        return self._api.patch(self._path, operations, content_type=JSON_PATCH, doing=f"writing {self._what}")


def _version(found: JsonObject) -> str:
    return str(found.get("metadata", {}).get("resourceVersion") or "")
