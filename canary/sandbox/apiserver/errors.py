"""Refusals, with the status codes, reasons and words of a real API server.

The words matter: people search for them, and clients decide by `reason`. Source of the wording:
k8s.io/apimachinery, pkg/api/errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
"""A JSON object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One thing wrong with an object.

    Attributes:
        reason: machine-readable kind of mistake, such as FieldValueInvalid.
        message: what is wrong.
        field: path of the field.
    """

    reason: str
    message: str
    field: str


class ApiError(Exception):
    """A request that is answered with a Status of failure."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Json | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details
        self.retry_after = retry_after

    def status(self) -> Json:
        """The Status object that goes over the wire."""
        body: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": str(self),
            "reason": self.reason,
        }
        if self.details:
            body["details"] = self.details
        body["code"] = self.code
        return body


def _details(resource: str, name: str, **more: Any) -> Json:
    plural, _, group = resource.partition(".")
    details: Json = {"name": name} if name else {}
    if group:
        details["group"] = group
    return {**details, "kind": plural, **more}


def not_found(resource: str, name: str) -> ApiError:
    """No such object. `resource` is "plural.group", as everywhere in this module."""
    return ApiError(404, "NotFound", f'{resource} "{name}" not found', details=_details(resource, name))


def no_such_path() -> ApiError:
    """No resource is served under the path."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", details={})


def already_exists(resource: str, name: str) -> ApiError:
    """A create of a name that is taken."""
    return ApiError(409, "AlreadyExists", f'{resource} "{name}" already exists', details=_details(resource, name))


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(resource: str, name: str, why: str = MODIFIED) -> ApiError:
    """A write that lost a race, or whose precondition does not hold."""
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=_details(resource, name))


def apply_conflict(causes: Sequence[Cause]) -> ApiError:
    """A server-side apply of fields that belong to somebody else."""
    many = f"Apply failed with {len(causes)} conflict{'s' if len(causes) > 1 else ''}: "
    listing = (
        f"{causes[0].message}: {causes[0].field}"
        if len(causes) == 1
        else "conflicts:\n" + "\n".join(f"- {cause.message}: {cause.field}" for cause in causes)
    )
    return ApiError(409, "Conflict", many + listing, details={"causes": _causes(causes)})


def invalid(kind: str, group: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """An object that breaks its schema or its kind's rules."""
    listing = [f"{cause.field}: {cause.message}" for cause in causes]
    what = f"{kind}.{group}" if group else kind
    text = listing[0] if len(listing) == 1 else "[" + ", ".join(listing) + "]"
    details: Json = {"name": name, "kind": kind, "causes": _causes(causes)}
    if group:
        details["group"] = group
    return ApiError(422, "Invalid", f'{what} "{name}" is invalid: {text}', details=details)


def _causes(causes: Sequence[Cause]) -> list[Json]:
    return [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]


def patch_refused() -> ApiError:
    """A JSON Patch that cannot be carried out: a `test` that fails, or a path that is not there."""
    return ApiError(422, "Invalid", "the server rejected our request due to an error in our request", details={})


def bad_request(message: str) -> ApiError:
    """A request that cannot be understood."""
    return ApiError(400, "BadRequest", message)


def bad_option(kind: str, field: str, message: str, reason: str = "FieldValueNotSupported") -> ApiError:
    """A parameter of a request that makes no sense. `kind` is that of its options, such as PatchOptions."""
    return invalid(kind, "meta.k8s.io", "", [Cause(reason=reason, message=message, field=field)])


def too_large(message: str) -> ApiError:
    """A request that asks for more than the server does at once."""
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: {message}")


def unauthorized() -> ApiError:
    """No token, or one that nobody has."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(resource: str, name: str, why: str) -> ApiError:
    """A request that RBAC does not allow."""
    what = f'{resource} "{name}" is forbidden: {why}' if name else f"{resource} is forbidden: {why}"
    return ApiError(403, "Forbidden", what, details=_details(resource, name))


def method_not_allowed() -> ApiError:
    """A verb that the resource does not know."""
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message, details={})


def unsupported_media_type(accepted: Sequence[str]) -> ApiError:
    """A body in a format that this resource does not take."""
    message = "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted)
    return ApiError(415, "UnsupportedMediaType", message)


def expired(asked: int, oldest: int) -> ApiError:
    """A resourceVersion of which the history is gone."""
    return ApiError(410, "Expired", f"too old resource version: {asked} ({oldest})")


def too_large_version(asked: int, current: int) -> ApiError:
    """A read of a resourceVersion that does not exist yet."""
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return ApiError(504, "Timeout", message, details={"causes": [cause], "retryAfterSeconds": 1}, retry_after=1)
