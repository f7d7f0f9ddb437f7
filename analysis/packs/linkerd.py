"""Linkerd: the clients' proxies count every backend of an HTTPRoute whose parent is a Service.

Names and labels: linkerd2-proxy's outbound metrics. What has a status has `http_status`; what ended without an answer
(refused, timed out, reset) has an empty one and `error` says why.
"""

from __future__ import annotations

from analysis.model import Arm
from analysis.packs.base import Feed, Pack, Target, escape_regex
from analysis.sources.model import ROUTE, Key, Role

PUSHED = 1.0
"""Seconds; the control plane streams to the proxies. An assumption, no Linkerd was timed."""

BACKEND = "outbound_http_route_backend"
STATUSES = f"{BACKEND}_response_statuses_total"

FAILED = ((("http_status", "5.."),), (("error", ".+"),))
"""A series that is both is counted once."""


def _route(target: Target) -> tuple[tuple[str, str], ...]:
    return (("route_name", escape_regex(target.route)), ("route_namespace", escape_regex(target.namespace)))


def _there(target: Target, arm: Arm) -> tuple[tuple[str, str], ...]:
    return (
        *_route(target),
        ("backend_name", escape_regex(target.services[arm])),
        ("backend_namespace", escape_regex(target.namespace)),
        ("backend_port", str(target.port_of(arm))),
    )


def _feeds(target: Target) -> tuple[Feed, ...]:
    feeds: list[Feed] = []
    for arm in target.services:
        there, bad = _there(target, arm), Key("errors", arm, Role.BAD)
        feeds += [
            Feed(family=STATUSES, where=there, key=Key("errors", arm, Role.TOTAL)),
            *(Feed(family=STATUSES, where=(*there, *failed), key=bad) for failed in FAILED),
            Feed(
                family=f"{BACKEND}_response_duration_seconds_bucket",
                where=there,
                key=Key("latency", arm, Role.BUCKET),
            ),
        ]
    family, bad = "outbound_http_route_request_statuses_total", Key(ROUTE, None, Role.BAD)
    return (
        *feeds,
        Feed(family=family, where=_route(target), key=Key(ROUTE, None, Role.TOTAL)),
        *(Feed(family=family, where=(*_route(target), *failed), key=bad) for failed in FAILED),
    )


def _beside(target: Target) -> tuple[Feed, ...]:
    return tuple(
        Feed(family=f"{BACKEND}_requests_total", where=_there(target, arm), key=Key("errors", arm, Role.STARTED))
        for arm in target.services
    )


LINKERD = Pack(
    name="linkerd",
    feeds=_feeds,
    exact=False,
    blind=(
        "Only clients with a Linkerd proxy are counted, and only requests that this HTTPRoute matched.",
        "What clients see: errors are failed attempts, also those that a retry made good. Retries are per route.",
        "The histogram ends at 10 s, with bounds from 25 ms on: faster and slower shifts are not seen.",
        "gRPC errors are not HTTP errors; GRPCRoutes have counters of their own.",
        "The pods that answered are not told apart.",
    ),
    missing="Linkerd counts on the clients' proxies (port 4191): are the clients meshed and scraped, and is the "
    "HTTPRoute's parent a Service? An ingress's proxy must be injected for its traffic to count.",
    verified="Names and labels from linkerd2-proxy's sources and docs, tried on an exposition written from them; no "
    "Linkerd was run.",
    unit="s",
    takes=PUSHED,
    beside=_beside,
)
