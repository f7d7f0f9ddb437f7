"""Secrets that every test carries, and the search for them in everything that the test wrote.

One stands in the environment, which children inherit. The others are real: the tokens of the users of each emulated
API server, a sandbox's too, which its worlds name here when they begin. Looked through after every test: what it
printed (also what it read back itself), what it logged, and the files below its folder; when a world ends, every
version of every object that was ever stored there, unpacked where it is packed; and at the end the folders that tests
share. A file that is a credential is no find.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from canary.sandbox.apiserver.store import Store
from canary.sandbox.cluster import Sandbox
from canary.sandbox.scenarios import Scenario

SECRET = "pl4nted-s3cret-of-the-environment"  # noqa: S105 - planted to be looked for
VARIABLE = "CANARY_PLANTED_SECRET"
CHUNK = 8 << 20
"""Bytes of a file that are looked through at once."""

_secrets: set[str] = {SECRET}
_read: list[str] = []
_folders: set[Path] = set()


_OF_KUBECONFIGS = {
    *("apiVersion", "kind", "clusters", "contexts", "current-context", "users", "preferences", "extensions")
}
_KUBECONFIG = re.compile(r"\s*(\{|---|" + "|".join(sorted(_OF_KUBECONFIGS)) + ":)")


class Shown(AssertionError):
    """A secret was written where people or machines can read it."""


def begin() -> None:
    """Plant the secret of the environment; hear what a test reads of its own output, and which folders are made."""
    os.environ[VARIABLE] = SECRET
    original, mktemp = pytest.CaptureFixture.readouterr, pytest.TempPathFactory.mktemp

    def readouterr(self: Any) -> Any:
        found = original(self)
        _read.extend(str(part) for part in found)
        return found

    def noted(self: pytest.TempPathFactory, basename: str, numbered: bool = True) -> Path:
        folder = mktemp(self, basename, numbered)
        _folders.add(folder)
        return folder

    pytest.CaptureFixture.readouterr = readouterr  # type: ignore[method-assign]
    pytest.TempPathFactory.mktemp = noted  # type: ignore[method-assign]


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
    if isinstance(folder, Path):
        _folders.discard(folder)
        search_files(folder)


def search_rest() -> None:
    """Look through the folders that belong to no single test, when nothing writes there any more."""
    while _folders:
        search_files(_folders.pop())


def search_files(folder: Path) -> None:
    """Look through every file below a folder, except credentials."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        where = str(path.relative_to(folder))
        if path.stat().st_size > CHUNK:
            _search_large(path, where)
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        first, _, rest = text.partition("\n")
        if first.startswith('{"tokens":'):  # the first line of the server's state
            search(rest, where)
        elif not is_credential(text):
            search(text, where)


def _search_large(path: Path, where: str) -> None:
    """Piece by piece, each with the end of the one before it; what was never written of a file is passed over."""
    kept, size = max(map(len, _secrets)), path.stat().st_size
    with path.open("rb") as file:
        before, place = b"", 0
        while place < size:
            try:
                place, gap = os.lseek(file.fileno(), place, os.SEEK_DATA), place
            except OSError:  # nothing was written from here on
                return
            file.seek(place)
            piece = (before if gap == place else b"") + file.read(CHUNK)
            place, before = file.tell(), piece[-kept:]
            search(piece.decode(errors="replace"), where)


def is_credential(text: str) -> bool:
    """Whether a file is there to hold a secret and nothing else: a token alone, or a kubeconfig."""
    return text.strip() in _secrets or (bool(_KUBECONFIG.match(text)) and _is_kubeconfig(text))


def _is_kubeconfig(text: str) -> bool:
    """A log that holds one is none: it does not begin so, or goes on."""
    try:
        value = YAML(typ="safe").load(text)
    except (YAMLError, ValueError):
        return False
    return isinstance(value, dict) and value.get("kind") == "Config" and set(value) <= _OF_KUBECONFIGS


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
