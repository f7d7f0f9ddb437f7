"""The sandbox's world as Kubernetes objects: a gateway, a shop that is released, and a help page that is left alone."""

from __future__ import annotations

import hashlib
from typing import Any

from canary.sandbox.traefik import CONTROLLER

NAMESPACE = "shop"
PORT = 8080
SHOP_WEIGHT, HELP_WEIGHT = 9, 1
"""Odd weights on purpose: a share of 5 % of nine needs a factor, and the help page must keep its tenth exactly."""


def image(version: str) -> str:
    """A reference by digest, as CI would give it; the sandbox's registry knows what runs behind it."""
    return f"sandbox.local/shop@sha256:{hashlib.sha256(version.encode()).hexdigest()}"


def namespace() -> dict[str, Any]:
    """The namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def gateway_class() -> dict[str, Any]:
    """The class that Traefik serves."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": "traefik"},
        "spec": {"controllerName": CONTROLLER},
    }


def gateway(port: int) -> dict[str, Any]:
    """One listener on Traefik's entry point."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {
            "gatewayClassName": "traefik",
            "listeners": [
                {"name": "web", "port": port, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "Same"}}}
            ],
        },
    }


def service(name: str) -> dict[str, Any]:
    """A Service over the pods labelled with its name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": PORT, "targetPort": PORT}]},
    }


def deployment(name: str, *, version: str, replicas: int) -> dict[str, Any]:
    """A Deployment of the sandbox's app."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [
                        {
                            "name": "app",
                            "image": image(version),
                            "ports": [{"name": "http", "containerPort": PORT}],
                            "readinessProbe": {"httpGet": {"path": "/readyz", "port": PORT}},
                        }
                    ]
                },
            },
        },
    }


def route() -> dict[str, Any]:
    """The user's own route: the shop shares a rule with the help page, and a second rule is nobody's business."""
    backends = [
        {"group": "", "kind": "Service", "name": "shop", "port": PORT, "weight": SHOP_WEIGHT},
        {"group": "", "kind": "Service", "name": "help", "port": PORT, "weight": HELP_WEIGHT},
    ]
    everything = [{"path": {"type": "PathPrefix", "value": "/"}}]
    about = [{"path": {"type": "PathPrefix", "value": "/about"}}]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "shop", "namespace": NAMESPACE},
        "spec": {
            "parentRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}],
            "rules": [
                {"name": "shop", "matches": everything, "backendRefs": backends},
                {"name": "about", "matches": about, "backendRefs": [{**backends[1], "weight": 1}]},
            ],
        },
    }


ENGINE = "canary-engine"
"""The ServiceAccount of the engine, and its Role's name."""

_RBAC = "rbac.authorization.k8s.io"


def role() -> dict[str, Any]:
    """What the engine may do: as little as a release of this route needs, by name wherever RBAC can say names."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "Role",
        "metadata": {"name": ENGINE, "namespace": NAMESPACE},
        "rules": [
            _may("gateway.networking.k8s.io", "httproutes", "get list watch patch", "shop"),
            _may("gateway.networking.k8s.io", "gateways", "get list"),
            _may("apps", "deployments", "get list watch patch", "shop shop-canary shop-baseline"),
            _may("apps", "deployments", "delete", "shop-canary shop-baseline"),
            _may("apps", "deployments", "create list watch"),
            _may("apps", "replicasets", "get list"),
            _may("", "services", "get list create"),
            _may("", "services", "patch delete", "shop-canary shop-baseline"),
            _may("", "pods", "get list watch"),
            _may("discovery.k8s.io", "endpointslices", "get list watch"),
            _may("autoscaling", "horizontalpodautoscalers", "get list"),
            _may("networking.k8s.io", "networkpolicies", "list"),
            _may("policy", "poddisruptionbudgets", "list"),
            _may("coordination.k8s.io", "leases", "get create update patch delete"),
            _may("", "configmaps", "get list watch create update patch delete"),
            _may("", "events", "create patch"),
            _may("batch", "jobs", "get patch"),
        ],
    }


WATCHDOG = "canary-watchdog"
"""The user that a watchdog in the sandbox is, and its Role's name."""


def watchdog_access() -> list[dict[str, Any]]:
    """A Role and its binding for the watchdog: it goes on with releases, and begins none."""
    metadata = {"name": WATCHDOG, "namespace": NAMESPACE}
    role = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": [
            _may("coordination.k8s.io", "leases", "get list watch patch"),
            _may("gateway.networking.k8s.io", "httproutes", "get patch"),
            _may("", "configmaps", "get patch create"),
            _may("apps", "deployments", "get list patch delete"),
            _may("", "services", "get list delete"),
            _may("", "pods", "list"),
            _may("discovery.k8s.io", "endpointslices", "list"),
            _may("", "events", "create"),
        ],
    }
    binding = {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": WATCHDOG},
        "subjects": [{"kind": "User", "name": WATCHDOG}],
    }
    return [role, binding]


def _may(group: str, resource: str, verbs: str, names: str = "") -> dict[str, Any]:
    rule: dict[str, Any] = {"apiGroups": [group], "resources": [resource], "verbs": verbs.split()}
    return {**rule, "resourceNames": names.split()} if names else rule


def role_binding() -> dict[str, Any]:
    """Gives the engine its Role."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": ENGINE, "namespace": NAMESPACE},
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": ENGINE},
        "subjects": [{"kind": "ServiceAccount", "name": ENGINE, "namespace": NAMESPACE}],
    }
