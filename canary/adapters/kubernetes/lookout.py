"""How a Deployment and its endpoints stand, asked of the API server until they are there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from canary.adapters.kubernetes.endpoints import SERVICE_NAME
from canary.adapters.kubernetes.objects import Objects
from canary.adapters.kubernetes.paths import DEPLOYMENT, ENDPOINT_SLICE, POD, SERVICE
from canary.adapters.kubernetes.rollout import Standing, ready_endpoints, rollout, trouble
from canary.adapters.kubernetes.versions import Version, same_image
from canary.adapters.kubernetes.waiting import Waiting
from canary.ports import Endpoints, JsonObject, NotFound, PortError


class Lookout:
    """Looks at a namespace.

    Args:
        objects: the namespace.
        waiting: the rhythm.
    """

    def __init__(self, objects: Objects, waiting: Waiting) -> None:
        self._objects, self._waiting = objects, waiting

    def look(self, name: str, selector: Mapping[str, str], *, version: Version | None = None) -> Standing:
        """How a Deployment stands, with what its pods say where it is not ready.

        Args:
            name: the Deployment's.
            selector: labels of its pods.
            version: what stable must have; pods with another image are left out.

        Raises:
            NotFound: somebody deleted it or gave it another version.
        """
        what = self._objects.what(DEPLOYMENT, name)
        try:
            deployment = self._objects.get(DEPLOYMENT, name)
        except NotFound as error:
            raise NotFound(f"{what} was deleted by somebody else") from error
        if version is not None and not version.still(deployment):
            raise version.foreign(what, deployment)
        standing = rollout(deployment)
        if standing.ready:
            return standing
        worse = trouble(pod for pod in self._pods(selector) if version is None or _runs(pod, version.image))
        if worse is None:
            return standing
        if standing.hopeless or standing.stuck:
            # The controller knows that it will not get there, the pods know why.
            return Standing(reason=f"{standing.reason}; {worse.reason}", stuck=True, hopeless=standing.hopeless)
        return worse

    def failing(self, selector: Mapping[str, str], *, ready: int) -> tuple[str, str]:
        """Why a pod will not become ready again, and why none is; each empty where nothing says so."""
        try:
            worse = trouble(self._pods(selector))
        except PortError:
            return "", ""
        if worse is None:
            return "", ""
        return worse.reason if worse.hopeless else "", worse.reason if ready == 0 else ""

    def explained(
        self, on_change: Callable[[Endpoints], None], selector: Mapping[str, str]
    ) -> Callable[[Endpoints], None]:
        """The same with the pods' own words whenever the canary, whose labels these are, lost an endpoint."""
        most = 0

        def tell(seen: Endpoints) -> None:
            nonlocal most
            most = max(most, seen.canary)
            if seen.canary < most:
                trouble, missing = self.failing(selector, ready=seen.canary)
                seen = replace(seen, trouble=trouble, missing=missing)
            on_change(seen)

        return tell

    def await_endpoints(self, cancelled: threading.Event, service: JsonObject, wanted: int) -> int:
        """Wait until a Service has enough ready endpoints, and count them.

        Raises:
            WorkloadFailure: it does not get them.
        """
        name, uid = service["metadata"]["name"], service["metadata"].get("uid")

        def look() -> Standing:
            ready = self.endpoints(name, uid=uid)
            if ready >= wanted:
                return Standing(ready=True)
            reason = f"{self._objects.what(SERVICE, name)} has {ready} ready endpoints, {wanted} are wanted"
            return Standing(reason=f"{reason}; check its selector and targetPort")

        self._waiting.until_ready(cancelled, look, within=self._waiting.pace.endpoints, steady=0.0)
        return self.endpoints(name, uid=uid)

    def endpoints(self, service: str, *, uid: str | None = None) -> int:
        """How many of a Service's endpoints are ready; of an earlier Service of this name, none."""
        return ready_endpoints(self._objects.list(ENDPOINT_SLICE, f"{SERVICE_NAME}={service}"), service_uid=uid)

    def within(self, deployment: JsonObject) -> float:
        """Seconds that a Deployment may take: its own deadline, which tells the reason better than we can, and more."""
        given = deployment["spec"].get("progressDeadlineSeconds")
        pace = self._waiting.pace
        return float(pace.progress if given is None else given) + pace.grace

    def _pods(self, selector: Mapping[str, str]) -> list[JsonObject]:
        return self._objects.list(POD, ",".join(f"{key}={value}" for key, value in sorted(selector.items())))


def _runs(pod: JsonObject, image: str) -> bool:
    return any(same_image(each.get("image"), image) for each in pod["spec"]["containers"])
