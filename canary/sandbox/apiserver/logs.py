"""A pod's log: the file that its annotation names, whole or followed."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from canary.sandbox.apiserver.errors import Json, bad_request

LOG_FILE = "sandbox.canary-engine.io/log-file"
"""Annotation by which the kubelet says where a pod's log is."""

FOLLOW_EVERY = 0.2
"""Seconds between looks at a log that is followed."""


async def stream_log(request: web.Request, pod: Json, *, running: Callable[[], bool]) -> web.StreamResponse:
    """Answers `kubectl logs`.

    Args:
        request: its query says how much, and whether to follow.
        pod: whose log.
        running: whether there will be more; a log that is followed ends when not.

    Raises:
        ApiError: 400 when the pod's container has not started.
    """
    place = (pod["metadata"].get("annotations") or {}).get(LOG_FILE)
    # Only what looks like a log: whoever may create pods names the file.
    if not place or not place.endswith(".log") or not Path(place).is_file():
        name = pod["metadata"]["name"]
        raise bad_request(f'container "app" in pod "{name}" is waiting to start: ContainerCreating')
    text = Path(place).read_bytes()
    tail = request.query.get("tailLines", "")
    lines = text.splitlines(keepends=True)
    if re.fullmatch("[0-9]{1,9}", tail):
        lines = lines[max(len(lines) - int(tail), 0) :]
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        await response.write(b"".join(lines))
        position = len(text)
        more_to_come = request.query.get("follow", "") in {"true", "1"}
        while more_to_come:
            more_to_come = running()
            await asyncio.sleep(FOLLOW_EVERY)
            if not Path(place).exists():
                break
            with Path(place).open("rb") as stream:
                stream.seek(position)
                more = stream.read()
            position += len(more)
            if more:
                await response.write(more)
        await response.write_eof()
    return response
