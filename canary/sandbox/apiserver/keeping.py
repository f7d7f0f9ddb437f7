"""A store that outlives its process: every write is in a file before it is answered, as etcd's is on a disk.

The file is one JSON document a line: first everything as it was when the server started, then one line for each write.
A server that is killed with SIGKILL and started again with the same file goes on with every object that it ever
confirmed, with the same tokens, at versions above all that it gave. (The file is written, not synced: it survives the
death of the process, not that of the machine.) Users made with POST /sandbox/users are not kept.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO

from canary.sandbox.apiserver.errors import Json
from canary.sandbox.apiserver.store import Key, Store


class KeptStore(Store):
    """Every object, and a file that says so. `keep` must be called before the first write that is to be kept."""

    _sink: IO[str] | None = None

    def keep(self, path: Path, tokens: dict[str, str]) -> None:
        """Begin a new file with everything as it is now; it takes the old one's place whole or not at all.

        Args:
            path: the file.
            tokens: of the users, by name; only the file's owner can read them.
        """
        self.close()
        fresh = path.with_name(f"{path.name}.new")
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._sink = os.fdopen(handle, "w", encoding="utf-8")
        self._line({"tokens": tokens, **self.dump()})
        fresh.replace(path)

    def close(self) -> None:
        """Keep no more."""
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def put(self, resource: str, key: Key, item: Json) -> Json:
        """See Store."""
        stored = super().put(resource, key, item)
        self._line({"resource": resource, "key": list(key), "item": stored, "version": self.version})
        return stored

    def remove(self, resource: str, key: Key) -> Json:
        """See Store."""
        gone = super().remove(resource, key)
        self._line({"resource": resource, "key": list(key), "item": None, "version": self.version})
        return gone

    def _line(self, document: Json) -> None:
        if self._sink is not None:
            self._sink.write(json.dumps(document, separators=(",", ":")) + "\n")
            self._sink.flush()


def restored(path: Path) -> tuple[KeptStore, dict[str, str]]:
    """The store and the tokens that a file holds; an empty store and no tokens where there is no file.

    Raises:
        ValueError: the file was not written by this server. A last line that was torn by a kill is no such case: the
            write that it stood for was never confirmed.
    """
    if not path.exists():
        return KeptStore(), {}
    first, *changes = path.read_text(encoding="utf-8").split("\n")
    try:
        document = json.loads(first)
        items = {(each["resource"], *each["key"]): each["item"] for each in document["items"]}
        tokens, version = dict(document["tokens"]), int(document["version"])
        for line in changes[:-1]:  # what follows the last line's end is torn, or empty
            change = json.loads(line)
            items[(change["resource"], *change["key"])] = change["item"]
            version = change["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no state of this server ({error}): name another file, or remove it") from error
    kept = [
        {"resource": resource, "key": [namespace, name], "item": item}
        for (resource, namespace, name), item in items.items()
        if item is not None
    ]
    return KeptStore.load({"version": version, "items": kept}), tokens
