"""The records of all releases of a route, chunk by chunk; see `record` for one."""

from __future__ import annotations

from canary.adapters.kubernetes.api import Api
from canary.adapters.kubernetes.budget import PATIENT
from canary.adapters.kubernetes.paths import CONFIG_MAP, PART_LABEL, RELEASE_LABEL, named
from canary.adapters.kubernetes.record import _bytes, _index
from canary.ports import JsonObject

PAGE = 20
"""Chunks asked for at once: of 256 KiB each, at most."""


def records_of(api: Api, *, namespace: str, route: str) -> dict[str, tuple[bytes, ...]]:
    """The chunks of each record of a route, in order, by the release's uid.

    Raises:
        PortError: they cannot be read.
    """
    found: dict[str, list[JsonObject]] = {}
    query = {"labelSelector": f"{PART_LABEL}=record", "limit": str(PAGE)}
    doing, deadline = f"reading the records in {namespace}", api.deadline(PATIENT)
    while True:
        page = api.get(CONFIG_MAP.path(namespace), query=query, doing=doing, deadline=deadline)
        for item in page.get("items") or ():
            metadata = item.get("metadata") or {}
            uid = str((metadata.get("labels") or {}).get(RELEASE_LABEL) or "")
            if uid and str(metadata.get("name")).startswith(named("canary", route, uid)):
                found.setdefault(uid, []).append(item)
        following = (page.get("metadata") or {}).get("continue")
        if not following:
            break
        query = {**query, "continue": str(following)}
    return {uid: tuple(_bytes(item) or b"" for item in sorted(items, key=_index)) for uid, items in found.items()}
