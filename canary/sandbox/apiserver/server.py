"""The HTTP side: from a path and a body to an operation on objects, and back.

Everything runs on one event loop and every write is carried out between two awaits, so writes never interleave.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import traceback
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web

from canary.sandbox.apiserver import commands, discovery, errors, rbac, tables, watching
from canary.sandbox.apiserver.definitions import definitions
from canary.sandbox.apiserver.errors import ApiError, Json
from canary.sandbox.apiserver.faults import Faults
from canary.sandbox.apiserver.impersonation import acting
from canary.sandbox.apiserver.logs import stream_log
from canary.sandbox.apiserver.objects import Objects
from canary.sandbox.apiserver.reading import Options, read
from canary.sandbox.apiserver.resources import Registry, Resource
from canary.sandbox.apiserver.scale import scale_of
from canary.sandbox.apiserver.selectors import Selector, field_selector, label_selector
from canary.sandbox.apiserver.store import Store
from canary.sandbox.apiserver.wire import addressed, body_of, delete_options, options_of, refused, verb_of

LARGEST_BODY = 3 * 1024 * 1024
"""Bytes of a request; a real server refuses more with 413."""

LOG_LENGTH = 20_000
"""Requests that the log remembers."""

_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+)/(?P<version>[^/]+))"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<part>[^/]+))?/?"
)
_OF_A_NAMESPACE = frozenset({"status", "finalize"})
_PARTS = {"log": frozenset({"get"}), "scale": frozenset({"get", "update", "patch"})}
_PARTS["status"] = _PARTS["scale"]
_PARTS["token"] = frozenset({"create"})
_EVERYWHERE = frozenset({"list", "watch"})


@dataclass(slots=True, kw_only=True)
class Call:
    """One request for objects, understood."""

    verb: str
    resource: Resource
    namespace: str
    name: str
    part: str
    query: Mapping[str, str]


class Server:
    """The emulator.

    Args:
        tokens: who each bearer token is.
        store: with what is there from the start; an empty one by default.
    """

    def __init__(self, tokens: dict[str, rbac.User], store: Store | None = None) -> None:
        self.tokens = tokens
        self.store, self.registry, self.faults = store or Store(), Registry(), Faults()
        self.objects = Objects(self.store, self.registry, now)
        self.log: deque[Json] = deque(maxlen=LOG_LENGTH)
        self._count = 0

    def app(self) -> web.Application:
        """The web application."""
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self.handle)
        return app

    def runner(self) -> web.AppRunner:
        """What serves it. A watch ends with its client: the task of a request is cancelled when the client goes."""
        return web.AppRunner(self.app(), access_log=None, shutdown_timeout=0.2, handler_cancellation=True)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        try:
            return await self._handle(request)
        except ApiError as error:
            return refused(error)
        except web.HTTPRequestEntityTooLarge:
            return refused(ApiError(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728"))
        except ConnectionError:
            raise
        except Exception:  # noqa: BLE001 - a mistake of this server's own: said in its log, and told like one
            traceback.print_exc()
            return refused(ApiError(500, "InternalError", "Internal error occurred: the emulator's log says more"))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        token, path = addressed(request)
        if path in {"/healthz", "/livez", "/readyz"}:
            return web.Response(text="ok")
        if path.rstrip("/") == "/version":
            return web.json_response(discovery.VERSION)
        user = self.tokens.get(token)
        if user is None:
            raise errors.unauthorized()
        if path.startswith("/sandbox/"):
            return await commands.carry_out(self, request, path, user)
        user = acting(self.store, user, request)
        if (found := discovery.answer(self.registry, path)) is not None:
            return web.json_response(found)
        call = self._understand(request, path)
        entry = self._note(call, user)
        fault = self.faults.meeting(entry)
        if fault is not None:
            refused = await commands.meet(fault, request)
            if refused is not None:
                entry["code"] = refused.status
                return refused
        try:
            answer = await self._serve(request, call, user)
        except ApiError as error:
            entry["code"] = error.code
            raise
        entry["code"] = answer.status
        if fault is not None and fault.get("drop") == "after":
            commands.cut(request)
        return answer

    # Who and what ----------------------------------------------------------------------------------------------

    def _understand(self, request: web.Request, path: str) -> Call:
        match = _PATH.fullmatch(path)
        if match is None:
            raise errors.no_such_path()
        group, version = match["group"] or "", match["core"] or match["version"]
        resource = self.registry.find(group, version, match["plural"])
        namespace, name, part = match["namespace"] or "", match["name"] or "", match["part"] or ""
        if resource is None and match["namespace"] and match["plural"] in _OF_A_NAMESPACE and not name:
            resource = self.registry.find("", "v1", "namespaces")  # /api/v1/namespaces/NAME/status
            namespace, name, part = "", match["namespace"], match["plural"]
        if resource is None or (part and part not in resource.subresources):
            raise errors.no_such_path()
        if (namespace and not resource.namespaced) or (name and resource.namespaced and not namespace):
            raise errors.no_such_path()
        verb = verb_of(request, name, part)
        if verb not in resource.verbs or (part and verb not in _PARTS[part]):
            raise errors.method_not_allowed()
        if resource.namespaced and not namespace and verb not in _EVERYWHERE:
            raise errors.method_not_allowed()
        return Call(verb=verb, resource=resource, namespace=namespace, name=name, part=part, query=request.query)

    def _note(self, call: Call, user: rbac.User) -> Json:
        self._count += 1
        entry: Json = {
            "number": self._count,
            "at": datetime.now(UTC).timestamp(),
            "user": user.name,
            "verb": call.verb,
            "resource": call.resource.qualified,
            "subresource": call.part,
            "namespace": call.namespace,
            "name": call.name,
            "dryRun": call.query.get("dryRun", ""),
            "code": 0,
        }
        self.log.append(entry)
        return entry

    # Objects ---------------------------------------------------------------------------------------------------

    async def _serve(self, request: web.Request, call: Call, user: rbac.User) -> web.StreamResponse:
        if call.resource.verbs == ("create",):
            return await self._review(request, call, user)
        self._demand(call, user)
        if call.part == "log":
            pod = self.objects.get(call.resource, call.namespace, call.name)
            uid, key = pod["metadata"]["uid"], (call.namespace, call.name)

            def running() -> bool:
                now = self.store.get("pods", key) or {"metadata": {"uid": ""}}
                return bool(now["metadata"]["uid"] == uid) and _phase(now) not in {"Failed", "Succeeded"}

            return await stream_log(request, pod, running=running)
        if call.verb == "get":
            return self._one(request, call, self._get(call))
        if call.verb == "list":
            return self._list(request, call)
        if call.verb == "watch":
            return await self._watch(request, call)
        body, content = await body_of(request)
        options = options_of(request, call.query)
        answer, code = self._change(call, body, content, options)
        return self._one(request, call, answer, code, options.warnings)

    def _demand(self, call: Call, user: rbac.User) -> None:
        name = call.name
        if not name and call.verb in {"list", "watch"}:
            match = re.fullmatch(r"metadata\.name==?([^,!=]+)", call.query.get("fieldSelector", ""))
            name = match[1] if match else ""
        wanted = rbac.Request(
            verb=call.verb,
            group=call.resource.group,
            resource=call.resource.plural,
            subresource=call.part,
            # A namespace is in itself: who may read all objects in it may be allowed to read it too.
            namespace=call.namespace or (call.name if call.resource.kind == "Namespace" else ""),
            name=name,
        )
        rbac.demand(self.store, user, wanted)
        where = (call.namespace, call.name)
        if call.verb == "patch" and not call.part and self.store.get(call.resource.key, where) is None:
            # Only server-side apply gets so far; to make the object takes the right to do so.
            rbac.demand(self.store, user, replace(wanted, verb="create"))

    def _change(self, call: Call, body: Any, content: str, options: Options) -> tuple[Json, int]:
        objects, where = self.objects, (call.resource, call.namespace)
        if call.verb == "create":
            return self._token(call) if call.part == "token" else objects.create(*where, body, options), 201
        if call.verb == "update":
            return objects.replace(*where, call.name, body, options, part=call.part), 200
        if call.verb == "patch":
            item, new = objects.patch(*where, call.name, body, content=content, options=options, part=call.part)
            return item, 201 if new else 200
        wishes = delete_options(body, call.query, options)
        if call.verb == "deletecollection":
            for item in self._selected(call):
                objects.delete(*where, item["metadata"]["name"], wishes, options)
            return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}, 200
        item, gone = objects.delete(*where, call.name, wishes, options)
        if not gone:
            return item, 200
        details = {"name": call.name, "kind": call.resource.plural, "uid": item["metadata"]["uid"]}
        if call.resource.group:
            details["group"] = call.resource.group
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}, 200

    def _token(self, call: Call) -> Json:
        """A token of a ServiceAccount (TokenRequest); it lasts as long as this server."""
        self._get(call)
        token, all_of_them = secrets.token_hex(24), "system:serviceaccounts"
        groups = (all_of_them, f"{all_of_them}:{call.namespace}", "system:authenticated")
        self.tokens[token] = rbac.User(f"system:serviceaccount:{call.namespace}:{call.name}", groups)
        status = {"token": token, "expirationTimestamp": "2099-01-01T00:00:00Z"}
        return {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "status": status}

    def _get(self, call: Call) -> Json:
        return self.objects.get(call.resource, call.namespace, call.name)

    def _selected(self, call: Call) -> list[Json]:
        selected = _selector(call)
        items = self.store.items(call.resource.key, call.namespace)
        return [item for item in items if selected is None or selected(item)]

    def _one(
        self, request: web.Request, call: Call, item: Json, code: int = 200, warnings: list[str] | None = None
    ) -> web.Response:
        headers = [("Warning", f'299 - "{text.replace(chr(34), chr(92) + chr(34))}"') for text in warnings or ()]
        if item.get("kind") == call.resource.kind:
            if call.part == "scale":
                item = scale_of(item)
            else:
                item = self.objects.shown(call.resource, item)
                if code == 200 and call.verb == "get" and tables.wants_table(request.headers.get("Accept", "")):
                    include = call.query.get("includeObject", "Metadata")
                    item = tables.table(call.resource, [item], item["metadata"]["resourceVersion"], include=include)
        response = web.json_response(item, status=code)
        for name, text in headers:
            response.headers.add(name, text)
        return response

    def _list(self, request: web.Request, call: Call) -> web.Response:
        version = watching.read_version(call.query.get("resourceVersion", ""))
        watching.check_match(call.query, version, watch=False)
        if version is not None and version > self.store.version:
            raise errors.too_large_version(version, self.store.version)

        def show(item: Json) -> Json:
            return self.objects.shown(call.resource, item)

        found = watching.listing(self.store, call.resource, call.namespace, _selector(call), show)
        if tables.wants_table(request.headers.get("Accept", "")):
            include = call.query.get("includeObject", "Metadata")
            found = tables.table(call.resource, found["items"], found["metadata"]["resourceVersion"], include=include)
        return web.json_response(found)

    async def _watch(self, request: web.Request, call: Call) -> web.StreamResponse:
        wanted, selected = watching.wish(dict(call.query)), _selector(call)
        as_table, head = tables.wants_table(request.headers.get("Accept", "")), True
        include = call.query.get("includeObject", "Metadata")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        found = watching.changes(self.store, call.resource, call.namespace, selected, wanted)
        with contextlib.suppress(ConnectionError):
            async with contextlib.aclosing(found) as events:
                try:
                    async for event in events:
                        item = self.objects.shown(call.resource, event["object"])
                        if as_table and event["type"] != "BOOKMARK":
                            version = item["metadata"]["resourceVersion"]
                            item = tables.table(call.resource, [item], version, head=head, include=include)
                            head = False
                        await response.write(_line(event["type"], item))
                except ApiError as error:
                    await response.write(_line("ERROR", error.status()))
            await response.write_eof()
        return response

    async def _review(self, request: web.Request, call: Call, user: rbac.User) -> web.Response:
        body, _ = await body_of(request)
        asked = read(call.resource, "", body, "", options_of(request, call.query))
        if call.resource.kind == "SelfSubjectReview":
            answer = {**asked, "status": {"userInfo": {"username": user.name, "groups": list(user.groups)}}}
        elif call.resource.kind == "SelfSubjectRulesReview":
            answer = rbac.rules_review(self.store, user, asked)
        else:
            answer = rbac.review(self.store, user, asked)
        return web.json_response(answer, status=201)


def _line(kind: str, item: Json) -> bytes:
    """An event of a watch as it goes over the wire."""
    return json.dumps({"type": kind, "object": item}).encode() + b"\n"


def _phase(pod: Json) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def now() -> str:
    """The time, as objects have it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _selector(call: Call) -> Selector | None:
    labels = label_selector(call.query.get("labelSelector", ""))
    fields = field_selector(call.query.get("fieldSelector", ""), call.resource.qualified)
    if labels is None or fields is None:
        return labels or fields
    return lambda item: labels(item) and fields(item)


def load_definitions(server: Server, directory: Path | None) -> None:
    """Serve the Gateway API's kinds: from this package, or from the CustomResourceDefinitions of a directory."""
    resource = server.registry.find("apiextensions.k8s.io", "v1", "customresourcedefinitions")
    assert resource is not None  # noqa: S101 - it is in the table
    for definition in definitions(directory):
        server.objects.create(resource, "", definition, Options(manager="sandbox", validation="Ignore"))
