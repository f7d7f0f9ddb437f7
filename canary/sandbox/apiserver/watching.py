"""Lists and watches: what is there, and then every change of it.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/, efficient detection of changes, streaming lists.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass

from canary.sandbox.apiserver import errors
from canary.sandbox.apiserver.errors import Json
from canary.sandbox.apiserver.resources import Resource
from canary.sandbox.apiserver.selectors import Selector
from canary.sandbox.apiserver.store import Change, Store

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
"""Annotation of the bookmark that ends a streamed list."""

BOOKMARK_EVERY = 60.0
"""Seconds between bookmarks, as a real server sends them about once a minute."""

LONGEST = 1800.0
"""Seconds of a watch whose client names no timeout."""

_NUMBER = re.compile(r"[0-9]{1,19}")

Show = Callable[[Json], Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a watch asks for.

    Attributes:
        version: resourceVersion; None, or 0, for whatever is there now.
        initial: sendInitialEvents: what is there now as events, then the bookmark that ends them.
        bookmarks: whether bookmarks are wanted.
        timeout: seconds until the server ends it.
    """

    version: int | None
    initial: bool
    bookmarks: bool
    timeout: float


def wish(query: Json) -> Wish:
    """Reads a watch's query.

    Raises:
        ApiError: 400 or 422 for parameters that make no sense.
    """
    version = read_version(query.get("resourceVersion", ""))
    initial = query.get("sendInitialEvents", "").lower() in {"true", "1"}
    check_match(query, version, watch=True)
    text = query.get("timeoutSeconds", "")
    return Wish(
        version=version,
        initial=initial,
        bookmarks=query.get("allowWatchBookmarks", "").lower() in {"true", "1"},
        timeout=min(float(text), LONGEST) if _NUMBER.fullmatch(text) and int(text) > 0 else LONGEST,
    )


def check_match(query: Mapping[str, str], version: int | None, *, watch: bool) -> None:
    """Nothing when resourceVersionMatch and sendInitialEvents go together with each other and with the version.

    Raises:
        ApiError: 422.
    """
    match, initial = query.get("resourceVersionMatch", ""), query.get("sendInitialEvents", "")
    field, rule = "resourceVersionMatch", ""
    if initial and not watch:
        field, rule = "sendInitialEvents", "sendInitialEvents is forbidden for list"
    elif initial and match != "NotOlderThan":
        rule = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
    elif match and watch and not initial:
        rule = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
    elif match not in {"", "NotOlderThan", "Exact"}:
        rule = "supported values: NotOlderThan, Exact"
    elif match and not watch and not query.get("resourceVersion"):
        rule = "resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif match == "Exact" and version is None:
        rule = 'resourceVersionMatch "Exact" is forbidden for resourceVersion "0"'
    if rule:
        cause = errors.Cause(reason="FieldValueForbidden", message=f"Forbidden: {rule}", field=field)
        raise errors.invalid("ListOptions", "meta.k8s.io", "", [cause])


def read_version(text: str) -> int | None:
    """A resourceVersion as a number; None for none, and for 0, which means any.

    Raises:
        ApiError: 400 for text that is no version.
    """
    if text in {"", "0"}:
        return None
    if not _NUMBER.fullmatch(text):
        wrong = f'resourceVersion: Invalid value: "{text}": invalid syntax'
        raise errors.bad_request(f"invalid resource version: {wrong}")
    return int(text)


def listing(store: Store, resource: Resource, namespace: str, selected: Selector | None, show: Show) -> Json:
    """The list object."""
    items = [show(item) for item in store.items(resource.key, namespace) if selected is None or selected(item)]
    return {
        "kind": resource.kind + "List",
        "apiVersion": resource.api_version,
        "metadata": {"resourceVersion": str(store.version)},
        "items": items,
    }


async def changes(
    store: Store, resource: Resource, namespace: str, selected: Selector | None, wanted: Wish
) -> AsyncGenerator[Json, None]:
    """The events of a watch, until its time is over.

    Raises:
        ApiError: 410 for a version whose history is gone, 504 for one that does not exist yet.
    """
    queue: asyncio.Queue[Change] = asyncio.Queue()
    stop = store.listen(resource.key, queue.put_nowait)
    try:
        for event in _first(store, resource, namespace, selected, wanted):
            yield event
        end = time.monotonic() + wanted.timeout
        bookmark = time.monotonic() + BOOKMARK_EVERY
        while (now := time.monotonic()) < end:
            try:
                change = await asyncio.wait_for(queue.get(), min(end, bookmark) - now)
            except TimeoutError:
                if wanted.bookmarks and time.monotonic() < end:
                    yield _bookmark(resource, store.version)
                bookmark = time.monotonic() + BOOKMARK_EVERY
                continue
            if (seen := _event(change, namespace, selected)) is not None:
                yield seen
        if wanted.bookmarks:  # where to go on from
            yield _bookmark(resource, store.version)
    finally:
        stop()


def _first(store: Store, resource: Resource, namespace: str, selected: Selector | None, wanted: Wish) -> list[Json]:
    """What is sent before anything changes."""
    if wanted.version is not None and not wanted.initial:
        if wanted.version > store.version:
            raise errors.too_large_version(wanted.version, store.version)
        oldest = store.oldest(resource.key)
        if wanted.version < oldest:
            raise errors.expired(wanted.version, oldest)
        past = (_event(change, namespace, selected) for change in store.since(resource.key, wanted.version))
        return [event for event in past if event is not None]
    there = [
        {"type": "ADDED", "object": item}
        for item in store.items(resource.key, namespace)
        if selected is None or selected(item)
    ]
    if wanted.initial:
        there.append(_bookmark(resource, store.version, end=True))
    return there


def _event(change: Change, namespace: str, selected: Selector | None) -> Json | None:
    """The change as this watcher sees it: what leaves a selection is deleted for it, what enters is added."""
    if namespace and change.item["metadata"].get("namespace") != namespace:
        return None
    is_in = selected is None or selected(change.item)
    was_in = change.before is not None and (selected is None or selected(change.before))
    if change.kind == "DELETED":
        return {"type": "DELETED", "object": change.item} if was_in else None
    if is_in:
        return {"type": "MODIFIED" if was_in else "ADDED", "object": change.item}
    return {"type": "DELETED", "object": change.item} if was_in else None


def _bookmark(resource: Resource, version: int, *, end: bool = False) -> Json:
    metadata: Json = {"resourceVersion": str(version)}
    if end:
        metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
    item = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
    return {"type": "BOOKMARK", "object": item}
