"""Istio's gateways: standard metrics as the gateway itself reports them.

Labels: Istio's standard metrics (istio_stats); `destination_service_name` is that of the cluster that was chosen, so
the arms of a weighted rule are apart. Envoy's own cluster counters are left out by Istio's bootstrap. Each request is
reported by every proxy on its way: only the gateway's report (`reporter="source"`) is read, or it would count twice.
"""

from __future__ import annotations

from analysis.packs.base import Feed, Pack, Target, escape_regex
from analysis.packs.envoy import PUSHED
from analysis.sources.model import ROUTE, Key, Role

FAILED = "5..|0"
"""Code 0: the request ended without one."""

MILLISECONDS = 0.001

REQUESTS = "istio_requests_total"


def _here(target: Target) -> tuple[tuple[str, str], ...]:
    """The gateway that reports: Istio calls the Deployment that it makes for a Gateway `NAME-CLASS`."""
    if not target.gateways:
        return (("reporter", "source"), ("source_workload", ".+\\-istio"))
    names = sorted({escape_regex(name) for _, name in target.gateways})
    spaces = sorted({escape_regex(namespace) for namespace, _ in target.gateways})
    return (
        ("reporter", "source"),
        ("source_workload", f"({'|'.join(names)})\\-istio"),
        ("source_workload_namespace", "|".join(spaces)),
    )


def _feeds(target: Target) -> tuple[Feed, ...]:
    here, feeds = _here(target), []
    for arm, service in target.services.items():
        there = (
            *here,
            ("destination_service_name", escape_regex(service)),
            ("destination_service_namespace", escape_regex(target.namespace)),
        )
        feeds += [
            Feed(family=REQUESTS, where=there, key=Key("errors", arm, Role.TOTAL)),
            Feed(family=REQUESTS, where=(*there, ("response_code", FAILED)), key=Key("errors", arm, Role.BAD)),
            Feed(
                family="istio_request_duration_milliseconds_bucket",
                where=there,
                key=Key("latency", arm, Role.BUCKET),
                scale=MILLISECONDS,
            ),
        ]
    nowhere = (*here, ("destination_service_name", "unknown"))
    lost = [
        Feed(family=REQUESTS, where=nowhere, key=Key(ROUTE, None, Role.TOTAL)),
        Feed(family=REQUESTS, where=(*nowhere, ("response_code", FAILED)), key=Key(ROUTE, None, Role.BAD)),
    ]
    return (*feeds, *lost)


ISTIO = Pack(
    name="istio",
    feeds=_feeds,
    exact=False,
    blind=(
        "Failures that a retry made good: errors are what clients see. The gateway retries twice by default.",
        "A Service's counters are shared by all routes of the gateway that send to it.",
        "Requests without a backend are in no arm's counters; they are counted for all routes of the gateway.",
        "gRPC errors are not HTTP errors: they come with code 200.",
        "Pods are not told apart.",
    ),
    missing="Only gateways that Istio deployed itself for the class istio are read (the Deployment GATEWAY-istio): for "
    "a gateway of another name, and for calls inside the mesh, judge by query metrics on istio_requests_total. "
    "A Telemetry resource may have removed the label destination_service_name or source_workload.",
    verified="Names and labels from Istio's sources and docs, tried on an exposition written from them; no Istio was "
    "run. That Envoy counts this way was tried on Envoy's own counters only.",
    unit="ms",
    takes=PUSHED,
)
