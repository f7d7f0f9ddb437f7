"""A record as one file: its chunks as they were stored, so that the chain of hashes is checked wherever it is read."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass

from canary.engine.record import Piece, RecordError, RecordTooNew, pieces

KIND = "canary-record"
FORM = 1
LARGEST = 1024 * 1024 * 1024
"""Bytes of a file; three thousand looks are a few MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A record as it was stored.

    Attributes:
        release: the release's uid.
        chunks: in order.
        mark: how many chunks the journal knows of, and the hash of the newest; None where no journal was read.
    """

    release: str
    chunks: tuple[bytes, ...]
    mark: tuple[int, str] | None = None

    def text(self) -> str:
        """As one JSON document."""
        document = {
            "kind": KIND,
            "form": FORM,
            "release": self.release,
            "mark": self.mark,
            "chunks": [base64.b64encode(chunk).decode() for chunk in self.chunks],
        }
        return json.dumps(document, indent=1) + "\n"

    def read(self) -> tuple[list[Piece], str]:
        """What the chunks hold, up to the first that is damaged; and what is wrong, empty when nothing is.

        Raises:
            RecordTooNew: a newer engine wrote it.
        """
        found: list[Piece] = []
        try:
            found.extend(pieces(self.chunks))
        except RecordTooNew:
            raise
        except RecordError as error:
            return found, f"{error}; the chunks before it are whole"
        return found, self._end_missing()

    def _end_missing(self) -> str:
        index, digest = self.mark or (0, "")
        if index > len(self.chunks):
            return f"the record has {len(self.chunks)} chunks, and the journal knows of {index}: the last ones are gone"
        if index and hashlib.sha256(self.chunks[index - 1]).hexdigest() != digest:
            return f"chunk {index - 1} of the record is not the one that the journal knows of: it was replaced"
        return ""


def parse(text: str | bytes) -> Stored | None:
    """The record in a file's text; None where it is something else.

    Raises:
        RecordTooNew: a newer engine wrote it.
        RecordError: it is a record, and damaged.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("kind") != KIND:
        return None
    form = document.get("form")
    if isinstance(form, int) and form > FORM:
        raise RecordTooNew(f"the file has form {form}, this canary knows {FORM}; use the newer one")
    try:
        chunks = tuple(base64.b64decode(chunk, validate=True) for chunk in document["chunks"])
        mark = document.get("mark")
        known = (int(mark[0]), str(mark[1])) if mark else None
        return Stored(release=str(document["release"]), chunks=chunks, mark=known)
    except (binascii.Error, KeyError, IndexError, TypeError, ValueError) as error:
        raise RecordError(f"the file is a record, and damaged: {error!r}") from error
