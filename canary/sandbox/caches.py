"""What a controller knows of the objects it cares for: lists, then watches, and begins anew when a watch breaks."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import aiohttp

Key = tuple[str, str]


class Cache:
    """The objects of one resource, in every namespace.

    Args:
        api: the session to the API server.
        path: of the collection.
        labels: a label selector; empty for all.
    """

    def __init__(self, api: aiohttp.ClientSession, path: str, *, labels: str = "") -> None:
        self._api, self._path = api, path
        self._query = {"labelSelector": labels} if labels else {}
        self.items: dict[Key, Any] = {}
        self.known = False
        self.changed = asyncio.Event()

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError, KeyError):
                async with self._api.get(self._path, params=self._query) as answer:
                    listed = await answer.json()
                self.items = {key_of(item): item for item in listed["items"]}
                self.known = True
                self.changed.set()
                await self._watch(listed["metadata"]["resourceVersion"])
            await asyncio.sleep(0.2)

    async def _watch(self, version: str) -> None:
        query = {**self._query, "watch": "true", "resourceVersion": version, "timeoutSeconds": "300"}
        async with self._api.get(self._path, params=query, timeout=aiohttp.ClientTimeout(total=None)) as stream:
            async for line in stream.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                if event["type"] == "DELETED":
                    self.items.pop(key_of(event["object"]), None)
                elif event["type"] in {"ADDED", "MODIFIED"}:
                    self.items[key_of(event["object"])] = event["object"]
                self.changed.set()

    def took(self, item: Any) -> None:
        """Our own write was answered with this object: it need not be awaited."""
        found = self.items.get(key_of(item))
        if found is None or int(found["metadata"]["resourceVersion"]) < int(item["metadata"]["resourceVersion"]):
            self.items[key_of(item)] = item


def key_of(item: Any) -> Key:
    """Namespace and name."""
    return item["metadata"]["namespace"], item["metadata"]["name"]
