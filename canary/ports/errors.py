"""How a call of a port fails, with the server's own words and never a credential."""

from __future__ import annotations


class PortError(Exception):
    """The world did not do what was asked. Only its children are raised."""


class Conflict(PortError):
    """The object moved under us: 409, 412, or a JSON Patch `test` that failed (422). Read again and decide anew."""


class Refused(PortError):
    """The server says no and will say no again: permission, admission, schema (401, 403, 400, other 422)."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class NotFound(PortError):
    """The object is not there (404, 410 on a get)."""


class Unavailable(PortError):
    """No answer in time, a broken connection, 429 or 5xx; whether a write was done is not known."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class WorkloadFailure(PortError):
    """The workload will not get there; the message is the cluster's own reason (crash loop, image pull, ...)."""


class BaselineFailure(WorkloadFailure):
    """It is the fresh baseline, stable's own version, that will not: no word on the new one."""
