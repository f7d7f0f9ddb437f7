"""From an HTTP request to its parts: who asks, which verb, which selection, which options, which body.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any, NoReturn

from aiohttp import web

from canary.sandbox.apiserver import errors, protobuf
from canary.sandbox.apiserver.errors import ApiError, Json
from canary.sandbox.apiserver.objects import APPLY, PATCHES
from canary.sandbox.apiserver.reading import Options
from canary.sandbox.apiserver.schema import mistakes

_AS = re.compile(r"/as/(?P<token>[^/]+)(?P<path>/.*)")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
TRUE = frozenset({"true", "1"})
"""How a query says yes."""

LONGEST_MANAGER = 128
"""Characters of a field manager's name."""


def addressed(request: web.Request) -> tuple[str, str]:
    """The bearer token and the path.

    A token may also stand before the path, as /as/TOKEN: kubectl sends none in a header over plain HTTP.
    """
    if match := _AS.fullmatch(request.path):
        return match["token"], match["path"]
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return (token if scheme.lower() == "bearer" else ""), request.path


def verb_of(request: web.Request, name: str, part: str = "") -> str:
    """The verb of a request for objects.

    Raises:
        ApiError: 405.
    """
    if request.method == "GET":
        if name:
            return "get"
        return "watch" if request.query.get("watch", "").lower() in TRUE else "list"
    if request.method == "DELETE":
        return "delete" if name else "deletecollection"
    verb = _VERBS.get(request.method, "")
    if not verb or (verb == "create") == (bool(name) and part != "token"):
        raise errors.method_not_allowed()
    return verb


_OPTIONS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "DELETE": "DeleteOptions"}


def options_of(request: web.Request, query: Mapping[str, str]) -> Options:
    """What a write asks for beside its body.

    Raises:
        ApiError: 422 for parameters that make no sense.
    """
    kind = _OPTIONS.get(request.method, "PatchOptions")
    dry_run = query.get("dryRun", "")
    if dry_run not in {"", "All"}:
        raise errors.bad_option(kind, "dryRun", f'Unsupported value: ["{dry_run}"]: supported values: "All"')
    validation = query.get("fieldValidation", "") or "Warn"
    if validation not in {"Ignore", "Warn", "Strict"}:
        values = f'Unsupported value: "{validation}": supported values: "", "Ignore", "Strict", "Warn"'
        raise errors.bad_option(kind, "fieldValidation", values)
    manager = query.get("fieldManager", "")
    if len(manager) > LONGEST_MANAGER or not (manager.isprintable() or not manager):
        text = f"Too long: may not be more than {LONGEST_MANAGER} bytes, all of them printable"
        raise errors.bad_option(kind, "fieldManager", text, "FieldValueTooLong")
    agent = request.headers.get("User-Agent", "").partition("/")[0][:LONGEST_MANAGER]
    applying = request.content_type == APPLY
    return Options(
        manager=manager or ("" if applying else agent or "unknown"),
        dry_run=dry_run == "All",
        validation=validation,
        force=query.get("force", "").lower() in TRUE,
    )


_DELETE_OPTIONS: Json = {
    "type": "object",
    "properties": {
        "dryRun": {"type": "array", "items": {"type": "string"}},
        "gracePeriodSeconds": {"type": "integer", "nullable": True},
        "orphanDependents": {"type": "boolean", "nullable": True},
        "propagationPolicy": {"type": "string", "enum": ["Background", "Foreground", "Orphan"], "nullable": True},
        "preconditions": {
            "type": "object",
            "nullable": True,
            "properties": {name: {"type": "string", "nullable": True} for name in ("uid", "resourceVersion")},
        },
    },
}


def delete_options(body: Any, query: Mapping[str, str], options: Options) -> Json:
    """DeleteOptions, from the body and the query; a dry run is noted in the options.

    Raises:
        ApiError: 400 for options of a wrong type, 422 for those that make no sense.
    """
    wishes = {**(body if isinstance(body, dict) else {})}
    if "propagationPolicy" in query:
        wishes["propagationPolicy"] = query["propagationPolicy"]
    for cause in mistakes(wishes, _DELETE_OPTIONS):
        if cause.reason == "FieldValueNotSupported":
            raise errors.bad_option("DeleteOptions", cause.field, cause.message)
        raise errors.bad_request(f"DeleteOptions.meta.k8s.io is invalid: {cause.field}: {cause.message}")
    if wishes.get("dryRun") not in (None, [], ["All"]):
        wrong = f'Unsupported value: {json.dumps(wishes["dryRun"])}: supported values: "All"'
        raise errors.bad_option("DeleteOptions", "dryRun", wrong)
    options.dry_run = options.dry_run or wishes.get("dryRun") == ["All"]
    return wishes


async def body_of(request: web.Request) -> tuple[Any, str]:
    """The decoded body and its media type.

    Raises:
        ApiError: 400 for a body that cannot be decoded, 415 for a format that is not taken.
    """
    raw = await request.read()
    content = request.content_type
    if request.method == "PATCH" and content not in PATCHES:
        raise errors.unsupported_media_type(PATCHES)
    if not raw:
        return {}, content
    try:
        if content in {APPLY, "application/yaml"}:
            return _yaml(raw), content
        if content == protobuf.CONTENT:
            return protobuf.decode(raw), content
        return _json(raw), content
    except RecursionError:
        raise errors.bad_request("the body of the request exceeds the maximum nesting depth") from None
    except ValueError as error:
        raise errors.bad_request(f"the body of the request cannot be decoded: {error}") from None


def _json(raw: bytes) -> Any:
    # Halves of characters (\ud800) cannot be written again; Go replaces them when it reads, and so does this.
    value = json.loads(raw.decode("utf-8"), parse_constant=_no_number, parse_float=_number)
    return _whole(value) if b"\\u" in raw else value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _number(text: str) -> float:
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        raise ValueError(f"the number {text} is out of range")
    return value


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(each) for key, each in value.items()}
    return value


def _yaml(raw: bytes) -> Any:
    try:
        return _json(raw)
    except ValueError:
        pass
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        value = YAML(typ="safe", pure=True).load(raw)
        # Dates, sets and keys that are no text: what JSON cannot say, the API cannot either.
        return _json(json.dumps(value, allow_nan=False, default=_as_text).encode())
    except (YAMLError, TypeError) as error:
        raise errors.bad_request(f"error decoding YAML: {error}") from None


def _as_text(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, date) else str(value)


def refused(error: ApiError) -> web.Response:
    """The answer to a request that is refused."""
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return web.json_response(error.status(), status=error.code, headers=headers)
