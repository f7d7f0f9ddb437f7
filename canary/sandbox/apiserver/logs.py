"""A pod's log: the file that its annotation names, whole or followed."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from aiohttp import web

from canary.sandbox.apiserver.errors import Json, bad_request

LOG_FILE = "sandbox.canary-engine.io/log-file"
"""Annotation by which the kubelet says where a pod's log is."""

FOLLOW_EVERY = 0.2
"""Seconds between looks at a log that is followed."""


async def stream_log(request: web.Request, pod: Json) -> web.StreamResponse:
    """Answers `kubectl logs`.

    Raises:
        ApiError: 400 when the pod's container has not started.
    """
    place = (pod["metadata"].get("annotations") or {}).get(LOG_FILE)
    if not place or not Path(place).exists():
        name = pod["metadata"]["name"]
        raise bad_request(f'container "app" in pod "{name}" is waiting to start: ContainerCreating')
    text = Path(place).read_bytes()
    tail = request.query.get("tailLines", "")
    shown = b"".join(text.splitlines(keepends=True)[-int(tail) :] if tail.isdigit() and int(tail) else [text])
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        await response.write(shown)
        position = len(text)
        while request.query.get("follow", "") in {"true", "1"} and Path(place).exists():
            await asyncio.sleep(FOLLOW_EVERY)
            with Path(place).open("rb") as stream:
                stream.seek(position)
                more = stream.read()
            position += len(more)
            if more:
                await response.write(more)
        await response.write_eof()
    return response
