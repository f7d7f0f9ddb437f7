"""The records of all releases of a route, chunk by chunk; see `record` for one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from canary.adapters.kubernetes.api import Api
from canary.adapters.kubernetes.budget import PATIENT, Deadline
from canary.adapters.kubernetes.objects import understood
from canary.adapters.kubernetes.paths import CONFIG_MAP, PART_LABEL, RELEASE_LABEL, named
from canary.adapters.kubernetes.record import _bytes, _index, chunk_name
from canary.ports import Conflict, JsonObject, NotFound

PAGE = 20
"""Chunks asked for at once: of 256 KiB each, at most."""

KEPT = 10
"""Releases of a route whose records are kept."""


def records_of(api: Api, *, namespace: str, route: str) -> dict[str, tuple[bytes, ...]]:
    """The chunks of each record of a route, in order, by the release's uid.

    Raises:
        PortError: they cannot be read.
    """
    found: dict[str, list[JsonObject]] = {}
    for uid, item in _chunks(api, namespace, route, api.deadline(PATIENT)):
        found.setdefault(uid, []).append(item)
    return {uid: tuple(_bytes(item) or b"" for item in sorted(items, key=_index)) for uid, items in found.items()}


def prune(api: Api, *, namespace: str, route: str, living: str) -> None:
    """Delete the records of older releases of a route: the `KEPT` newest stay, and the living one's whatever its age.

    A release is as old as its oldest chunk. The oldest go first and each from its end, so that what is left after a
    failure is still the beginning of a record; the next release goes on with it.

    Args:
        api: the API server.
        namespace, route: whose records.
        living: uid of the release that is under way or has just ended.

    Raises:
        PortError: they cannot be listed, or one could not be deleted.
    """
    deadline = api.deadline(PATIENT)
    with understood(f"pruning the records in {namespace}"):
        found: dict[str, list[JsonObject]] = {}
        for uid, item in _chunks(api, namespace, route, deadline):
            found.setdefault(uid, []).append({"metadata": item["metadata"]})  # without the chunk: there may be many
        ages = sorted((min(item["metadata"]["creationTimestamp"] for item in found[uid]), uid) for uid in found)
        for _, uid in ages[:-KEPT]:
            for item in sorted(found[uid] if uid != living else (), key=_index, reverse=True):
                name, one = item["metadata"]["name"], item["metadata"]["uid"]
                path, doing = CONFIG_MAP.path(namespace, name), f"deleting the old record {namespace}/{name}"
                with suppress(NotFound, Conflict):  # what has its name now, if anything, is not what was listed
                    api.delete(path, doing=doing, uid=one, deadline=deadline)


def _chunks(api: Api, namespace: str, route: str, deadline: Deadline) -> Iterator[tuple[str, JsonObject]]:
    """Every chunk of every record of the route, with its release's uid."""
    query = {"labelSelector": f"{PART_LABEL}=record", "limit": str(PAGE)}
    doing = f"reading the records in {namespace}"
    while True:
        page = api.get(CONFIG_MAP.path(namespace), query=query, doing=doing, deadline=deadline)
        for item in page.get("items") or ():
            metadata = item.get("metadata") or {}
            uid = str((metadata.get("labels") or {}).get(RELEASE_LABEL) or "")
            # The whole name: another route's may begin like ours.
            if uid and metadata.get("name") == chunk_name(named("canary", route, uid), _index(item)):
                yield uid, item
        following = (page.get("metadata") or {}).get("continue")
        if not following:
            return
        query = {**query, "continue": str(following)}
