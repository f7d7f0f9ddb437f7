"""Following a collection: list, then watch from there, for as long as somebody wants to know.

Broken connections are taken up again from the last version seen; an expired version (410) is answered by a new list.
Whoever listens is told everything that may have been missed: each list is reported whole.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from canary.adapters.kubernetes.api import BODY_LIMIT, Api
from canary.adapters.kubernetes.transport import Stream
from canary.ports import JsonObject, NotFound, PortError, Unavailable

LASTS = 240
"""Seconds that the server is asked to keep a watch open: little traffic, and load balancers cut at 5 minutes."""

QUIET = LASTS + 30.0
"""Seconds of silence after which a connection counts as broken; TCP keepalive notices dead peers sooner."""

FIRST_PAUSE, LAST_PAUSE = 0.2, 5.0
"""Seconds before a failed list or watch is tried again, doubled in between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The whole collection as it is now."""

    items: tuple[JsonObject, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One object as it is now."""

    item: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """One object is gone; `item` is its last state."""

    item: JsonObject


News = Listed | Changed | Deleted


class _Expired(Exception):
    """The version to watch from is too old."""


class Follower:
    """Follows one collection.

    Args:
        api: the API server.
        path: of the collection.
        selector: field and label selectors, as query parameters.
        doing: for messages, e.g. `watching HTTPRoute shop/web`.
        on_news: called with everything seen, on the thread that follows.
        pause: seconds before the first retry; tests pass less.
    """

    def __init__(
        self,
        api: Api,
        path: str,
        *,
        selector: Mapping[str, str],
        doing: str,
        on_news: Callable[[News], None],
        pause: float = FIRST_PAUSE,
    ) -> None:
        self._api, self._path, self._selector, self._doing = api, path, dict(selector), doing
        self._on_news, self._pause = on_news, pause
        self._stream: Stream | None = None

    def follow(self, stop: threading.Event) -> None:
        """Blocks until `stop`; nothing that the server does ends it."""
        breaker = threading.Thread(target=self._break_on, args=(stop,), daemon=True, name="watch-stop")
        breaker.start()
        version, failures, asked = "", 0, 0.0
        while not stop.is_set():
            began = self._api.pacer.monotonic()
            try:
                if not version:
                    version = self._list()
                version = self._watch(version, stop)
            except _Expired:
                version = ""
            except PortError as error:
                asked = getattr(error, "retry_after", None) or 0.0
            # A watch that lasted was a good one, however it ended; one that did not is opened again more slowly.
            failures = 0 if self._api.pacer.monotonic() - began > LAST_PAUSE else failures + 1
            wait = self._pause * 2.0 ** min(failures - 1, 10) if failures > 1 else 0.0
            stop.wait(max(min(LAST_PAUSE, wait), asked))
            asked = 0.0
        breaker.join()

    def _list(self) -> str:
        body = self._api.get(self._path, query=self._selector, doing=self._doing)
        items = body.get("items")
        found = tuple(item for item in items if isinstance(item, dict)) if isinstance(items, list) else ()
        self._on_news(Listed(items=found))
        return _version(body)

    def _watch(self, version: str, stop: threading.Event) -> str:
        query = {
            **self._selector,
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(LASTS),
        }
        try:
            stream = self._api.stream(self._path, query=query, doing=self._doing, quiet=QUIET)
        except NotFound as error:
            # 410 when the watch is opened; a real 404 shows again when the list is read.
            raise _Expired from error
        self._stream = stream
        try:
            # Set after the stream is known: whoever stops us either sees the stream or is seen here.
            if stop.is_set():
                return version
            for line in stream.lines(BODY_LIMIT):
                version = self._take(line) or version
        except Unavailable:
            pass  # what was seen so far was seen: go on from there
        finally:
            self._stream = None
            stream.close()
        return version

    def _take(self, line: bytes) -> str:
        if not line.strip():
            return ""
        try:
            event = json.loads(line)
            kind, item = event["type"], event["object"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Unavailable(f"{self._doing}: the watch sent something that is not an event") from error
        if not isinstance(item, dict):
            raise Unavailable(f"{self._doing}: the watch sent an event without an object")
        match kind:
            case "ADDED" | "MODIFIED":
                self._on_news(Changed(item=item))
            case "DELETED":
                self._on_news(Deleted(item=item))
            case "BOOKMARK":
                pass
            case _:
                # ERROR carries a Status: 410 most often, and a new list answers every other one as well.
                raise _Expired
        return _version(item)

    def _break_on(self, stop: threading.Event) -> None:
        stop.wait()
        stream = self._stream
        if stream is not None:
            stream.interrupt()


def _version(item: Mapping[str, Any]) -> str:
    metadata = item.get("metadata")
    return str(metadata.get("resourceVersion") or "") if isinstance(metadata, dict) else ""
