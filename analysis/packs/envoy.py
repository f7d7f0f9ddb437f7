"""Gateways whose data plane is Envoy: the same counters everywhere, under another cluster name on each.

Names of series: Envoy's docs (cluster_stats), seen on Envoy 1.40; times are in milliseconds. An error that was retried
is not among `upstream_rq_xx` (503, 503, 200 counts as one 200): it is in `retry_upstream_rq_xx`, which is added, so
that what is counted are attempts, and retries do not hide a canary that fails.
"""

from __future__ import annotations

from collections.abc import Callable

from analysis.model import Arm
from analysis.packs.base import Feed, Pack, Target, escape_regex
from analysis.sources.model import Key, Role

Clusters = Callable[[Target, str], str]
"""From a target and a Service to the expression of its cluster's name."""

FAMILIES = ("envoy_cluster_upstream_rq_xx", "envoy_cluster_retry_upstream_rq_xx")
MILLISECONDS = 0.001

BLIND = (
    "Requests that Envoy answered itself before it chose a cluster (no route, no cluster) are in no arm's counters.",
    "A Service's counters are shared by all routes of the gateway that send to it.",
    "Retries count as attempts, failed or not.",
    "Latencies come every five seconds (stats_flush_interval), and Envoy 1.40 was seen to give one for two requests.",
    "gRPC errors are not HTTP errors: they come with code 200.",
)


def _feeds(clusters: Clusters) -> Callable[[Target], tuple[Feed, ...]]:
    def feeds(target: Target) -> tuple[Feed, ...]:
        return tuple(feed for arm, service in target.services.items() for feed in _arm(arm, clusters(target, service)))

    return feeds


def _arm(arm: Arm, cluster: str) -> tuple[Feed, ...]:
    here = ("envoy_cluster_name", cluster)
    failed = ("envoy_response_code_class", "5")
    return (
        *(Feed(family=family, where=(here,), key=Key("errors", arm, Role.TOTAL)) for family in FAMILIES),
        *(Feed(family=family, where=(here, failed), key=Key("errors", arm, Role.BAD)) for family in FAMILIES),
        Feed(
            family="envoy_cluster_upstream_rq_time_bucket",
            where=(here,),
            key=Key("latency", arm, Role.BUCKET),
            scale=MILLISECONDS,
        ),
    )


def _kgateway(target: Target, service: str) -> str:
    return f"kube_{escape_regex(target.namespace)}_{escape_regex(service)}_{target.port}"


def _contour(target: Target, service: str) -> str:
    return f"{escape_regex(target.namespace)}_{escape_regex(service)}_{target.port}"


def _cilium(target: Target, service: str) -> str:
    # Envoy writes the colons of `NS:SVC:PORT` as underscores.
    known = [
        f"{escape_regex(namespace)}/cilium\\-gateway\\-{escape_regex(name)}" for namespace, name in target.gateways
    ]
    gateway = f"({'|'.join(known)})" if known else "[^/]+/cilium\\-gateway\\-[^/]+"
    return f"{gateway}/{_contour(target, service)}"


def _merged(target: Target, service: str) -> str:
    return f"service/{escape_regex(target.namespace)}/{escape_regex(service)}/{target.port}(/[^/]+)?"


KGATEWAY = Pack(name="kgateway", feeds=_feeds(_kgateway), exact=False, blind=BLIND)
"""Cluster `kube_NS_SVC_PORT` (pkg/pluginsdk/ir/backend.go)."""

CONTOUR = Pack(name="contour", feeds=_feeds(_contour), exact=False, blind=BLIND)
"""alt_stat_name `NS_SVC_PORT` (internal/envoy/cluster.go)."""

CILIUM = Pack(
    name="cilium",
    feeds=_feeds(_cilium),
    exact=False,
    blind=(*BLIND, "Every node has an Envoy: read them through Prometheus, or name all of them."),
)
"""Cluster `GWNS/cilium-gateway-GW/NS:SVC:PORT`."""

ENVOY_GATEWAY = Pack(
    name="envoy-gateway",
    feeds=_feeds(_merged),
    exact=False,
    blind=(
        *BLIND,
        "Only with EnvoyProxy's mergeBackends (1.9 and later) has a Service counters of its own; else nothing is read.",
    ),
)
"""Cluster `service/NS/SVC/PORT[/PROTOCOL]` with mergeBackends. Without it, clusters are named by index
(`httproute/NS/ROUTE/rule/N`), which a change of the route moves."""
