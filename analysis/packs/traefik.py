"""Traefik v3 with its kubernetesGateway provider.

Labels (Traefik's pkg/provider/kubernetes/gateway): until 3.7.5 a service is `NS-SVC-http-PORT@kubernetesgateway`,
shared by all routes; from 3.7.6 on `httproute-NS-ROUTE-gw-GWNS-GW-ep-EP-RULE-<20 hex>-svc-NS-SVC-REF@...`. What
is not alphanumeric becomes a dash. Weights are not part of the name, so a step keeps the series; they begin with a
Service's first request that ended, and are gone with its reference.
"""

from __future__ import annotations

import re

from analysis.model import Arm
from analysis.packs.base import Feed, Pack, Target, escape_regex
from analysis.sources.model import ROUTE, Key, Role

FAILED = "5.."
"""HTTP only: for gRPC, Traefik's `code` is the gRPC status."""

THROTTLE = 2.0
"""Seconds; Traefik's own default of providers.providersThrottleDuration."""

PROVIDER = "@kubernetesgateway"


def _normal(name: str) -> str:
    """As Traefik writes a name into a label."""
    return escape_regex(re.sub(r"[^a-zA-Z0-9]", "-", name))


def _router(target: Target) -> str:
    gateways = [f"{_normal(namespace)}\\-{_normal(name)}" for namespace, name in target.gateways]
    gateway = f"({'|'.join(gateways)})" if gateways else ".+"
    head = f"httproute\\-{_normal(target.namespace)}\\-{_normal(target.route)}"
    return f"{head}\\-gw\\-{gateway}\\-ep\\-.+\\-[0-9]+\\-[0-9a-f]{{20}}"


def _service(target: Target, arm: Arm) -> str:
    namespace, service = _normal(target.namespace), _normal(target.services[arm])
    new = f"{_router(target)}\\-svc\\-{namespace}\\-{service}\\-[0-9]+"
    old = f"{namespace}\\-{service}\\-http\\-{target.port_of(arm)}"
    return f"({new}|{old}){PROVIDER}"


def _feeds(target: Target) -> tuple[Feed, ...]:
    feeds: list[Feed] = []
    for arm in target.services:
        here = ("service", _service(target, arm))
        feeds += [
            Feed(family="traefik_service_requests_total", where=(here,), key=Key("errors", arm, Role.TOTAL)),
            Feed(
                family="traefik_service_requests_total",
                where=(here, ("code", FAILED)),
                key=Key("errors", arm, Role.BAD),
            ),
            Feed(
                family="traefik_service_request_duration_seconds_bucket",
                where=(here,),
                key=Key("latency", arm, Role.BUCKET),
            ),
        ]
    router = ("router", _router(target) + PROVIDER)
    family = "traefik_router_requests_total"
    return (
        *feeds,
        Feed(family=family, where=(router,), key=Key(ROUTE, None, Role.TOTAL)),
        Feed(family=family, where=(router, ("code", FAILED)), key=Key(ROUTE, None, Role.BAD)),
    )


TRAEFIK = Pack(
    name="traefik",
    feeds=_feeds,
    exact=True,
    blind=(
        "Requests that Traefik answered itself (no ready endpoint) are on no arm; they are counted on the route.",
        "Kept connections that broke, where Traefik's second try made it good: errors are what clients see.",
        "gRPC errors are not HTTP errors: their code is the gRPC status.",
        "Before 3.7.6 a Service's counters are shared by all routes that send to it.",
        "Pods are not told apart, and a request that never ends is never counted.",
        "Its default bounds (0.1, 0.3, 1.2 and 5 s) show no shift between them: set metrics.prometheus.buckets.",
    ),
    missing="Traefik serves its metrics with metrics.prometheus=true; what is counted per Service appears with its "
    "first request, and on the route only with metrics.prometheus.addRoutersLabels=true. A "
    "ServiceMonitor needs honorLabels: true, or Prometheus renames the label service to exported_service.",
    verified="Tried behind running Traefiks with their kubernetesGateway provider: 3.7.15, and 3.7.5 for the names "
    "before 3.7.6.",
    unit="s",
    takes=THROTTLE,
)
