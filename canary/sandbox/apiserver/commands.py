"""What only this server has: faults on demand, the log of requests, and users that come into being."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import deque
from typing import Protocol

from aiohttp import web

from canary.sandbox.apiserver import errors, rbac
from canary.sandbox.apiserver.errors import ApiError, Json
from canary.sandbox.apiserver.faults import Faults
from canary.sandbox.apiserver.schema import mistakes
from canary.sandbox.apiserver.wire import body_of, refused

_USER: Json = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "groups": {"type": "array", "items": {"type": "string"}}},
}


class Commanded(Protocol):
    """What is commanded: the part of the server that these commands touch."""

    tokens: dict[str, rbac.User]
    faults: Faults
    log: deque[Json]


async def carry_out(server: Commanded, request: web.Request, path: str, user: rbac.User) -> web.Response:
    """A request under /sandbox/, which is for administrators.

    Raises:
        ApiError: 400, 403 or 404.
    """
    if rbac.MASTERS not in user.groups:
        raise errors.forbidden(path.strip("/"), "", f'User "{user.name}" is no administrator')
    match request.method, path:
        case "GET", "/sandbox/requests":
            text = request.query.get("since", "0")
            if not re.fullmatch(r"[0-9]{1,9}", text):
                raise errors.bad_request("since must be the number of a request")
            since = int(text)
            return web.json_response({"requests": [entry for entry in server.log if entry["number"] > since]})
        case "POST", "/sandbox/faults":
            server.faults.add((await body_of(request))[0])
            return web.json_response({"faults": len(server.faults.active)}, status=201)
        case "DELETE", "/sandbox/faults":
            server.faults.clear()
            return web.json_response({"faults": 0})
        case "POST", "/sandbox/users":
            body = (await body_of(request))[0]
            for cause in mistakes(body, _USER):
                raise errors.bad_request(f"a user's {cause.field}: {cause.message}")
            token = secrets.token_hex(24)
            server.tokens[token] = rbac.User(body["name"], tuple(body.get("groups") or ()))
            return web.json_response({"token": token}, status=201)
    raise errors.no_such_path()


async def meet(fault: Json, request: web.Request) -> web.Response | None:
    """What a fault does before the request is carried out; an answer when it is not to be."""
    if "delay" in fault:
        await asyncio.sleep(fault["delay"])
    if fault.get("drop") == "before":
        cut(request)
        return web.Response(status=500)
    if "body" in fault:
        return web.Response(status=fault.get("status", 200), text=fault["body"], content_type="application/json")
    if "status" in fault:
        reason, message = fault.get("reason", ""), fault.get("message", "a fault was asked for")
        return refused(ApiError(fault["status"], reason, message, retry_after=fault.get("retryAfter")))
    return None


def cut(request: web.Request) -> None:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
