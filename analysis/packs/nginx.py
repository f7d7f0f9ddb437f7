"""NGINX Gateway Fabric with NGINX Plus: counts per peer of an upstream, and no histogram.

Names: NGINX Gateway Fabric's docs; labels: the same metrics of NGINX's agent as its other docs list them. The upstream
of a Service is `NS_SVC_PORT` (internal/controller/nginx/config, backend_refs.go). The open-source NGINX counts nothing
per upstream.
"""

from __future__ import annotations

from analysis.model import Arm
from analysis.packs.base import Feed, Pack, Target, escape_regex
from analysis.sources.model import Key, Role

PEER = "nginx_http_upstream_peer"


def _there(target: Target, arm: Arm) -> tuple[str, str]:
    namespace, service = escape_regex(target.namespace), escape_regex(target.services[arm])
    return ("nginx_upstream_name", f"{namespace}_{service}_{target.port_of(arm)}")


def _feeds(target: Target) -> tuple[Feed, ...]:
    feeds: list[Feed] = []
    for arm in target.services:
        there, total, bad = _there(target, arm), Key("errors", arm, Role.TOTAL), Key("errors", arm, Role.BAD)
        # An attempt that brought no response is a failure of its own: a refused connection has no status.
        feeds += [
            Feed(family=f"{PEER}_responses_total", where=(there,), key=total),
            Feed(family=f"{PEER}_fails_total", where=(there,), key=total),
            Feed(family=f"{PEER}_responses_total", where=(there, ("nginx_status_range", "5xx")), key=bad),
            Feed(family=f"{PEER}_fails_total", where=(there,), key=bad),
        ]
    return tuple(feeds)


def _beside(target: Target) -> tuple[Feed, ...]:
    return tuple(
        Feed(family=f"{PEER}_requests_total", where=(_there(target, arm),), key=Key("errors", arm, Role.STARTED))
        for arm in target.services
    )


NGINX_PLUS = Pack(
    name="nginx-gateway-fabric-plus",
    feeds=_feeds,
    exact=False,
    blind=(
        "Latency: NGINX keeps averages and no histogram.",
        "What clients see: errors are failed attempts, also those without an answer or that a retry made good.",
        "A Service's counters are shared by all routes of the gateway that send to it.",
        "Requests that NGINX answered itself (no endpoint) are counted nowhere.",
        "gRPC errors are not HTTP errors: they come with status 200.",
    ),
    missing="Only NGINX Plus counts per upstream: is the data plane NGINX Plus, and are its pods scraped?",
    verified="Names and labels from NGINX's docs, tried on an exposition written from them; no NGINX Plus was run.",
    unit="",
    pod_label="nginx_peer_address",
    beside=_beside,
)
