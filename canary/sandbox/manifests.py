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
