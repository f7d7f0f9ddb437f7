"""The record: everything that led to each decision, in numbered, compressed, hash-chained chunks.

An entry is one JSON object on one line: `{"kind": ..., ...}`, of kind `judge` (a life of the engine begins: what the
judge is asked, and from which state it goes on), `step`, `look`, `event`, `told` or `end`. A chunk is zlib-compressed
lines whose first line names the form, the chunk's number, the hash of the chunk before it and the life that wrote it,
so that a missing or changed chunk is seen, and so that two engines that lived at once are told apart.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

FORM = 1
"""Of the chunks; a newer one is refused."""

CHUNK_LIMIT = 256 * 1024
"""Bytes of a chunk after compression; a ConfigMap holds 1 MiB."""

ENTRIES_LIMIT = 4_000
"""Entries kept unflushed at most; more are dropped oldest first and counted (the API server is away)."""


class RecordError(Exception):
    """A record is not whole; the message names the chunk."""


class RecordTooNew(RecordError):
    """It was written by a newer engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What one chunk holds.

    Attributes:
        life: incarnation of the engine that wrote it.
        dropped: entries that were lost just before it, because nothing could be stored for too long.
        rows: its entries, oldest first.
    """

    life: str
    dropped: int
    rows: tuple[dict[str, Any], ...]


class Recorder:
    """Collects entries and cuts them into chunks; it stores nothing itself.

    Args:
        index: number of chunks that stand already.
        digest: hash of the newest of them; empty for none.

    Attributes:
        life: incarnation of the engine that writes.
    """

    def __init__(self, index: int = 0, digest: str = "") -> None:
        self.index = index
        self.digest = digest
        self.life = ""
        self._entries: list[str] = []
        self._dropped = self._dropped_since = 0  # before the next chunk, and after the one that is cut
        self._cut: tuple[bytes, int] | None = None

    def add(self, kind: str, **values: Any) -> None:
        """Remember one entry; values must be JSON-able."""
        self._entries.append(json.dumps({"kind": kind, **values}, separators=(",", ":"), default=str))
        kept = self._cut[1] if self._cut is not None else 0
        over = len(self._entries) - kept - ENTRIES_LIMIT
        if over > 0:
            del self._entries[kept : kept + over]
            self._dropped_since += over

    def __len__(self) -> int:
        return len(self._entries)

    def cut(self) -> bytes | None:
        """The next chunk, the same bytes until `stored` is called; None when there is nothing to store."""
        if self._cut is None:
            if not self._entries:
                return None
            self._dropped, self._dropped_since = self._dropped + self._dropped_since, 0
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

    def follow(self, chunks: list[bytes]) -> bool:
        """Go on after these chunks instead: others were stored than the journal knew of.

        Returns:
            Whether that is anywhere else than before.
        """
        index, digest = len(chunks), hashlib.sha256(chunks[-1]).hexdigest() if chunks else ""
        moved = (index, digest) != (self.index, self.digest)
        self.index, self.digest, self._cut = index, digest, None
        return moved

    def _compress(self, entries: int) -> tuple[bytes, int]:
        while True:
            head = json.dumps(
                {
                    "form": FORM,
                    "chunk": self.index,
                    "after": self.digest,
                    "life": self.life,
                    "dropped": self._dropped,
                }
            )
            chunk = zlib.compress("\n".join([head, *self._entries[:entries]]).encode(), 6)
            if len(chunk) <= CHUNK_LIMIT:
                return chunk, entries
            if entries == 1:  # it would be refused, and everything after it with it
                reason = f"an entry of {len(self._entries[0])} bytes was too large to be stored"
                self._entries[0] = json.dumps({"kind": "lost", "reason": reason})
            entries = max(1, entries // 2)


def pieces(chunks: Iterable[bytes]) -> Iterator[Piece]:
    """What each chunk of a record holds, in order; those before a damaged one are given first.

    Raises:
        RecordTooNew: a newer engine wrote it.
        RecordError: a chunk is missing, damaged or out of order.
    """
    digest = ""
    for number, chunk in enumerate(chunks):
        try:
            lines = _decompress(chunk).decode().split("\n")
            head = json.loads(lines[0])
            rows = tuple(json.loads(line) for line in lines[1:])
        except (zlib.error, ValueError, RecursionError) as error:
            raise RecordError(f"chunk {number} of the record is damaged: {error}") from error
        if not isinstance(head, dict) or not all(isinstance(row, dict) for row in rows):
            raise RecordError(f"chunk {number} of the record is damaged: it is not made of entries")
        _check_head(head, number, digest)
        digest = hashlib.sha256(chunk).hexdigest()
        dropped = head.get("dropped") or 0
        if not isinstance(dropped, int):
            raise RecordError(f"chunk {number} of the record is damaged: it does not say how much was dropped")
        yield Piece(life=str(head.get("life", "")), dropped=dropped, rows=rows)


def _check_head(head: dict[str, Any], number: int, digest: str) -> None:
    form, found = head.get("form", FORM), head.get("chunk")
    if isinstance(form, int) and form > FORM:
        raise RecordTooNew(f"the record has form {form}, this canary knows {FORM}; use the newer one")
    if isinstance(found, int) and found > number:
        missing = f"chunk {number} is" if found == number + 1 else f"chunks {number} to {found - 1} are"
        raise RecordError(f"{missing} missing from the record: chunk {found} comes in place of it")
    if found != number:
        raise RecordError(f"chunk {number} of the record is damaged: it calls itself {found!r}")
    if head.get("after") != digest:
        raise RecordError(f"chunk {number} of the record does not follow the one before it: one of them was replaced")


def entries(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """All entries of a record, oldest first.

    Raises:
        RecordError: a chunk is missing, damaged or out of order.
    """
    for piece in pieces(chunks):
        yield from piece.rows


def lives(found: Iterable[Piece]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The entries of each life of the engine, in the order in which they began.

    Where entries were dropped, one of kind `lost` stands in their place.
    """
    by_life: dict[str, list[dict[str, Any]]] = {}
    for piece in found:
        rows = by_life.setdefault(piece.life, [])
        if piece.dropped:
            reason = f"{piece.dropped} entries were lost while the API server could not store them"
            rows.append({"kind": "lost", "reason": reason})
        rows += piece.rows
    return list(by_life.items())


def _decompress(chunk: bytes) -> bytes:
    """At most 64 MiB: what is stored may have been replaced by somebody."""
    inflate = zlib.decompressobj()
    data = inflate.decompress(chunk, 64 * 1024 * 1024)
    if inflate.unconsumed_tail:
        raise ValueError("it inflates to more than 64 MiB")
    return data
