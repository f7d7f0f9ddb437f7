"""What Envoy Gateway was told to call its clusters, where the engine may read that.

With `spec.telemetry.metrics.clusterStatName` in its EnvoyProxy all clusters of a rule get one name, also those that a
filter keeps apart (envoyproxy/gateway#7008): stable and canary cannot be told apart by the gateway's counters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from canary.adapters.kubernetes.paths import GATEWAY, Resource
from canary.ports import Problem

GATEWAYS = Resource(group=GATEWAY, version="v1", plural="gateways", kind="Gateway")
GATEWAY_CLASSES = Resource(group=GATEWAY, version="v1", plural="gatewayclasses", kind="GatewayClass")
ENVOY_PROXIES = Resource(group="gateway.envoyproxy.io", version="v1alpha1", plural="envoyproxies", kind="EnvoyProxy")

Read = Callable[[Resource, str, str], Mapping[str, Any] | None]
"""An object by kind, namespace (empty for none) and name; None where there is none, or it may not be read."""


def check_stat_names(route: Mapping[str, Any], namespace: str, *, read: Read) -> list[Problem]:
    """A problem for each EnvoyProxy of the route's gateways that has a clusterStatName.

    Args:
        route: as it is.
        namespace: the route's.
        read: what may not be read is not known, and not objected to: the counters will show it.
    """
    found = []
    for where, proxy in _proxies(route, namespace, read):
        metrics = _inner(proxy, "spec", "telemetry", "metrics")
        name = metrics.get("clusterStatName")
        if not isinstance(name, str) or not name:
            continue
        found.append(
            Problem(
                what=f"EnvoyProxy {where} sets clusterStatName {name[:100]!r}: all backends of a rule are counted "
                "under one name, so that stable and canary cannot be told apart.",
                fix="Remove spec.telemetry.metrics.clusterStatName from it, or judge by what the app counts: gateway: "
                "pods, or query metrics with gateway: none.",
            )
        )
    return found


def _proxies(route: Mapping[str, Any], namespace: str, read: Read) -> list[tuple[str, Mapping[str, Any]]]:
    """The EnvoyProxies of the route's gateways, a Gateway's own before its class's."""
    found: dict[str, Mapping[str, Any]] = {}
    for parent in _inner(route, "spec").get("parentRefs") or ():
        if not isinstance(parent, Mapping) or parent.get("kind", "Gateway") != "Gateway":
            continue
        home = str(parent.get("namespace") or namespace)
        gateway = read(GATEWAYS, home, str(parent.get("name")))
        if gateway is None:
            continue
        own = _inner(gateway, "spec", "infrastructure", "parametersRef")
        where = _named(own, home)
        if not where:
            gateway_class = read(GATEWAY_CLASSES, "", str(_inner(gateway, "spec").get("gatewayClassName")))
            reference = _inner(gateway_class or {}, "spec", "parametersRef")
            where = _named(reference, str(reference.get("namespace")))
        if where and (proxy := read(ENVOY_PROXIES, *where)) is not None:
            found["/".join(where)] = proxy
    return list(found.items())


def _named(reference: Mapping[str, Any], namespace: str) -> tuple[str, str] | None:
    if reference.get("kind") != ENVOY_PROXIES.kind or reference.get("group") != ENVOY_PROXIES.group:
        return None
    return namespace, str(reference.get("name"))


def _inner(value: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """What is under a path; empty where it is not."""
    for key in path:
        value = value.get(key) or {}
        if not isinstance(value, Mapping):
            return {}
    return value
