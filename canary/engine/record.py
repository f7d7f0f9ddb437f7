"""The record: everything that led to each decision, in numbered, compressed, hash-chained chunks.

An entry is one JSON object on one line: `{"kind": "look" | "event" | "told", ...}`. A chunk is zlib-compressed
lines whose first line names the chunk's number and the hash of the chunk before it, so that a missing or changed
chunk is seen.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

CHUNK_LIMIT = 256 * 1024
"""Bytes of a chunk after compression; a ConfigMap holds 1 MiB."""

ENTRIES_LIMIT = 4_000
"""Entries kept unflushed at most; more are dropped oldest first and counted (the API server is away)."""


class RecordError(Exception):
    """A record is not whole; the message names the chunk."""


class Recorder:
    """Collects entries and cuts them into chunks; it stores nothing itself.

    Args:
        index: number of chunks that stand already.
        digest: hash of the newest of them; empty for none.
    """

    def __init__(self, index: int = 0, digest: str = "") -> None:
        self.index = index
        self.digest = digest
        self._entries: list[str] = []
        self._dropped = 0
        self._cut: tuple[bytes, int] | None = None

    def add(self, kind: str, **values: Any) -> None:
        """Remember one entry; values must be JSON-able."""
        self._entries.append(json.dumps({"kind": kind, **values}, separators=(",", ":"), default=str))
        if len(self._entries) > ENTRIES_LIMIT and self._cut is None:
            self._dropped += len(self._entries) - ENTRIES_LIMIT
            del self._entries[: len(self._entries) - ENTRIES_LIMIT]

    def __len__(self) -> int:
        return len(self._entries)

    def cut(self) -> bytes | None:
        """The next chunk, the same bytes until `stored` is called; None when there is nothing to store."""
        if self._cut is None:
            if not self._entries:
                return None
            self._cut = self._compress(len(self._entries))
        return self._cut[0]

    def stored(self) -> None:
        """The chunk that `cut` gave stands in the store."""
        if self._cut is None:
            return
        chunk, entries = self._cut
        del self._entries[:entries]
        self._dropped = 0
        self.index, self.digest, self._cut = self.index + 1, hashlib.sha256(chunk).hexdigest(), None

    def _compress(self, entries: int) -> tuple[bytes, int]:
        while True:
            head = json.dumps({"chunk": self.index, "after": self.digest, "dropped": self._dropped})
            chunk = zlib.compress("\n".join([head, *self._entries[:entries]]).encode(), 6)
            if len(chunk) <= CHUNK_LIMIT or entries == 1:
                return chunk, entries
            entries //= 2


def entries(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """All entries of a record, oldest first.

    Raises:
        RecordError: a chunk is missing, damaged or out of order.
    """
    digest = ""
    for number, chunk in enumerate(chunks):
        try:
            lines = _decompress(chunk).decode().split("\n")
            head = json.loads(lines[0])
            rows = [json.loads(line) for line in lines[1:]]
        except (zlib.error, ValueError) as error:
            raise RecordError(f"chunk {number} of the record is damaged: {error}") from error
        if not isinstance(head, dict) or head.get("chunk") != number or head.get("after") != digest:
            raise RecordError(f"chunk {number} of the record does not follow the one before it")
        digest = hashlib.sha256(chunk).hexdigest()
        yield from rows


def _decompress(chunk: bytes) -> bytes:
    """At most 64 MiB: what is stored may have been replaced by somebody."""
    inflate = zlib.decompressobj()
    data = inflate.decompress(chunk, 64 * 1024 * 1024)
    if inflate.unconsumed_tail:
        raise ValueError("it inflates to more than 64 MiB")
    return data
