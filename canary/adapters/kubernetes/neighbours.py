"""What stands around stable in its namespace and selects pods: what must not take the canary's, and what had better.

Kinds that the cluster does not serve, or that may not be listed, are as if there were none; `unread` names the latter.
Other namespaces are not looked into: a monitor or a policy there that names this namespace is not seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes.labels import escapable, selector_of
from canary.adapters.kubernetes.objects import Objects
from canary.adapters.kubernetes.paths import (
    AUTHORIZATION_POLICY,
    BUDGET,
    DEPLOYMENT,
    NETWORK_POLICY,
    POD_MONITOR,
    SERVICE,
    SERVICE_MONITOR,
    Resource,
)
from canary.adapters.kubernetes.served import served
from canary.ports import JsonObject, NotFound, Refused

_BUILT_IN = (NETWORK_POLICY, BUDGET)
_CUSTOM = (SERVICE_MONITOR, POD_MONITOR, AUTHORIZATION_POLICY)
COVERS = (*_BUILT_IN, *_CUSTOM)
"""Kinds that do something for stable's pods which the canary may need as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """What was listed.

    Attributes:
        services, deployments: of the namespace, those of releases left out.
        covers: the objects of each kind of `COVERS`, by the kind; those of releases left out.
        unread: kinds that may not be listed.
    """

    services: tuple[JsonObject, ...] = ()
    deployments: tuple[JsonObject, ...] = ()
    covers: dict[Resource, tuple[JsonObject, ...]] = field(default_factory=dict)
    unread: tuple[Resource, ...] = ()

    def forbidden(self, labels: dict[str, str]) -> list[JsonObject]:
        """Selectors that must not take the canary's pods.

        Traffic that no route's weight decides (Services), pods of two owners counted as one (Deployments and the
        autoscalers that count by them, budgets). A budget or a Deployment for all pods of the namespace means them all.

        Args:
            labels: of stable's pods.
        """
        found = [selector for each in self.services if (selector := selector_of(each)) is not None]
        owners = [*self.deployments, *self._of(BUDGET)]
        chosen = [(each.get("spec") or {}).get("selector") or {} for each in owners]
        return found + [selector for selector in chosen if escapable(selector, labels)]

    def wanted(self) -> list[JsonObject]:
        """Selectors that had better go on taking the canary's pods."""
        policies = (each.get("spec") or {} for each in self._of(NETWORK_POLICY))
        others = [
            (each.get("spec") or {}).get("selector")
            for resource in (POD_MONITOR, AUTHORIZATION_POLICY)
            for each in self._of(resource)
        ]
        return [selector for selector in (*(each.get("podSelector") for each in policies), *others) if selector]

    def _of(self, wanted: Resource) -> tuple[JsonObject, ...]:
        """Objects of a kind, under whichever version it is served."""
        return next((items for resource, items in self.covers.items() if resource.kind == wanted.kind), ())


def read(objects: Objects) -> Neighbours:
    """List them.

    Raises:
        Unavailable: the API server could not be asked.
    """
    unread: list[Resource] = []

    def items(resource: Resource) -> tuple[JsonObject, ...]:
        try:
            found = objects.list(resource)
        except NotFound:
            return ()
        except Refused:
            unread.append(resource)
            return ()
        return tuple(each for each in found if derive.release_of(each) is None)

    return Neighbours(
        services=items(SERVICE),
        deployments=items(DEPLOYMENT),
        covers={resource: items(resource) for resource in (*_BUILT_IN, *served(objects.api, _CUSTOM))},
        unread=tuple(unread),
    )
