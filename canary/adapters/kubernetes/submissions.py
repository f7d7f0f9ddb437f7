"""What submitting asks the API server: the operator's settings, a service's Jobs, what the newest release came to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from canary.adapters.kubernetes.api import Api
from canary.adapters.kubernetes.objects import Objects, understood
from canary.adapters.kubernetes.paths import CONFIG_MAP, DEPLOYMENT, JOB, POD, named
from canary.ports import Conflict, JsonObject, NotFound, PortError, Refused, Unavailable
from canary.submitting import SERVICE_LABEL, Attempt
from canary.submitting.changes import NONCE
from canary.submitting.reading import attempt_of

TRIES = 3
"""How often a create is sent whose answer does not come."""

JOB_LABEL = "batch.kubernetes.io/job-name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the chart left for those who submit.

    Attributes:
        values: the chart's `job` values as JSON; empty where the chart is not installed.
        account: the engine's ServiceAccount.
        version: of the program that the chart belongs to; empty where it is not installed.
    """

    values: str = ""
    account: str = ""
    version: str = ""


class Submissions:
    """Requests about the Jobs of one service.

    Args:
        api: the API server.
        namespace, service: stable's Service.
    """

    def __init__(self, api: Api, *, namespace: str, service: str) -> None:
        self.api, self.namespace, self._service = api, namespace, service
        self._objects = Objects(api, namespace)

    def settings(self) -> Settings:
        """The operator's; the defaults where there are none.

        Raises:
            PortError: they are there and cannot be read.
        """
        fallback = named("canary", self._service, limit=63)
        try:
            found = self._objects.get(CONFIG_MAP, named("canary", self._service, "job", limit=63))
        except NotFound:
            return Settings(account=fallback)
        with understood("reading the chart's settings"):
            data: dict[str, Any] = found.get("data") or {}
            return Settings(
                values=str(data.get("values.json") or ""),
                account=str(data.get("account") or fallback),
                version=str(data.get("version") or ""),
            )

    def attempts(self) -> list[Attempt]:
        """Every Job of the service that is still there."""
        with understood("listing the service's Jobs"):
            return [attempt_of(job) for job in self._objects.list(JOB, f"{SERVICE_LABEL}={self._service}")]

    def job(self, name: str) -> JsonObject:
        """One Job.

        Raises:
            NotFound, Refused, Unavailable: as their names say.
        """
        return self._objects.get(JOB, name)

    def pods(self, job: str) -> list[JsonObject]:
        """A Job's pods, oldest first; none where nobody may tell."""
        try:
            found = self._objects.list(POD, f"{JOB_LABEL}={job}")
        except PortError:
            return []
        return sorted(found, key=lambda pod: str((pod.get("metadata") or {}).get("creationTimestamp")))

    def stable_image(self, deployment: str, container: str | None) -> str:
        """What stable's Deployment is told to run; empty where it cannot be known."""
        try:
            with understood("reading stable's Deployment"):
                found = self._objects.get(DEPLOYMENT, deployment)
                containers = found["spec"]["template"]["spec"]["containers"]
                chosen = [one for one in containers if container in {None, one["name"]}]
                return str(chosen[0]["image"]) if chosen else ""
        except PortError:
            return ""

    def create(self, job: JsonObject) -> JsonObject:
        """Make the Job; one that was made although its answer was lost is known by its nonce.

        Raises:
            Conflict: another submission made one of this name.
            Unavailable: whether it was made is not known.
        """
        name, nonce = job["metadata"]["name"], job["metadata"]["annotations"][NONCE]
        for left in reversed(range(TRIES)):
            try:
                return self._objects.create(JOB, job)
            except (Conflict, Unavailable) as error:
                found = self._made(name)
                if found is not None and _note(found, NONCE) == nonce:
                    return found
                if found is not None:
                    raise Conflict(f"Job {self.namespace}/{name} was made by somebody else") from error
                if not left:
                    raise
        raise Unavailable(f"Job {self.namespace}/{name} could not be made")

    def _made(self, name: str) -> JsonObject | None:
        try:
            return self.job(name)
        except NotFound:
            return None


def _note(job: JsonObject, key: str) -> str:
    metadata = job.get("metadata")
    notes = metadata.get("annotations") if isinstance(metadata, dict) else None
    return str(notes.get(key) or "") if isinstance(notes, dict) else ""


def unauthorised(error: PortError) -> bool:
    """Whether the credentials are not, or no longer, taken: new ones may be."""
    return isinstance(error, Refused) and error.status == 401
