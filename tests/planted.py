"""Secrets that every test carries, and the search for them in everything that the test wrote.

One stands in the environment, which children inherit. The others are real: the tokens of the users of each emulated
API server, a sandbox's too, which its worlds name here when they begin. Looked through after every test: what it
printed (also what it read back itself), what it logged, and the files below its folder; and, when a world ends, every
version of every object that was ever stored there, unpacked where it is packed. A file that is a credential is no find.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from canary.sandbox.apiserver.store import Store
from canary.sandbox.cluster import Sandbox
from canary.sandbox.scenarios import Scenario

SECRET = "pl4nted-s3cret-of-the-environment"  # noqa: S105 - planted to be looked for
VARIABLE = "CANARY_PLANTED_SECRET"
LARGEST = 8 << 20
"""Bytes of a file that are looked through; the large ones are data for the judge."""

_secrets: set[str] = {SECRET}
_read: list[str] = []


class Shown(AssertionError):
    """A secret was written where people or machines can read it."""


def begin() -> None:
    """Plant the secret of the environment, and hear whatever a test reads of its own output."""
    os.environ[VARIABLE] = SECRET
    original = pytest.CaptureFixture.readouterr

    def readouterr(self: Any) -> Any:
        found = original(self)
        _read.extend(str(part) for part in found)
        return found

    pytest.CaptureFixture.readouterr = readouterr  # type: ignore[method-assign]


def plant(*secrets: str) -> None:
    """Look for these as well, from now on."""
    _secrets.update(secret for secret in secrets if secret)


def search(text: str, where: str) -> None:
    """Fail where a text holds a secret, without showing it."""
    for secret in _secrets:
        place = text.find(secret)
        if place >= 0:
            around = text[max(0, place - 120) : place].replace(secret, "***")
            raise Shown(f"a secret was written to {where}, after {around!r}")


def search_test(item: pytest.Item) -> None:
    """Look through what a test wrote."""
    texts, _read[:] = list(_read), []
    for text in texts:
        search(text, "the output that the test read")
    for _, section, text in item._report_sections:
        search(text, section)
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if isinstance(folder, Path) and folder.exists():
        search_files(folder)


def search_files(folder: Path) -> None:
    """Look through every file below a folder, except credentials."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        if not is_credential(text):
            search(text, str(path.relative_to(folder)))


def is_credential(text: str) -> bool:
    """Whether a file is there to hold a secret: a token alone, a kubeconfig, the first line of the server's state."""
    alone = text.strip() in _secrets
    return alone or '"kind": "Config"' in text or "kind: Config\n" in text or text.startswith('{"tokens":')


@contextlib.contextmanager
def sandboxed(scenario: Scenario | None = None, *, access: Sequence[Any] | None = None) -> Iterator[Sandbox]:
    """A sandbox whose tokens are looked for as well: in its files and in all that its API server ever stored."""
    with Sandbox(scenario, access=access) as sandbox:
        assert sandbox.places is not None
        state = sandbox.places.run / "api.state"
        plant_of(state)
        yield sandbox
        search_files(sandbox.places.run)
        assert search_stored(state) > 0


def plant_of(state: Path) -> None:
    """Look for the tokens of an API server's users (its `--state` file), from now on."""
    with state.open(encoding="utf-8") as lines:
        tokens = json.loads(lines.readline())["tokens"]
    assert tokens
    plant(*tokens.values())


def search_stored(state: Path) -> int:
    """Look through all that an API server stored (its `--state` file) since it was started last, and what it knew then.

    Returns:
        How many versions of objects those were.
    """
    first, *written = state.read_text(encoding="utf-8").split("\n")[:-1]
    changes = [*json.loads(first).get("items", ()), *map(json.loads, written)]
    for change in changes:
        for text in texts_of(change["item"]):
            search(text, f"{change['resource']} {change['key']}")
    return len(changes)


def written_to(store: Store) -> list[tuple[str, str]]:
    """Every version of every object that a server in this process stores from now on: resource, and JSON."""
    written: list[tuple[str, str]] = []
    original = store.put

    def put(resource: str, key: Any, item: Any) -> Any:
        stored = original(resource, key, item)
        written.append((resource, json.dumps(stored)))
        return stored

    store.put = put  # type: ignore[method-assign]
    return written


def search_written(written: list[tuple[str, str]]) -> int:
    """Look through them; returns how many they are."""
    for resource, text in written:
        for one in texts_of(json.loads(text)):
            search(one, resource)
    return len(written)


def texts_of(value: Any) -> Iterator[str]:
    """Every text in a stored object, unpacked where it is packed."""
    match value:
        case dict():
            for key, one in value.items():
                yield str(key)
                yield from texts_of(one)
        case list():
            for one in value:
                yield from texts_of(one)
        case str():
            yield value
            try:
                raw = base64.b64decode(value, validate=True)
                yield raw.decode(errors="replace")
                yield zlib.decompress(raw).decode(errors="replace")
            except (ValueError, zlib.error):
                pass
