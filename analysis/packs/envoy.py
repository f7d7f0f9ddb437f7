"""Gateways whose data plane is Envoy: the same counters everywhere, under another cluster name on each.

Names of series: Envoy's docs (cluster_stats), tried on Envoy 1.40; times are in milliseconds. Errors are what clients
see: `upstream_rq_xx` has the last answer of each request, Envoy's own included (503, 503, 200 counts as one 200; a
connection that was refused or reset as one 503, a timeout as one 504). What became of the attempts before it is in
`upstream_rq_retry`, one for each attempt that was made again, whatever it failed of. `retry_upstream_rq_xx` has only
those of them that were answered: a canary whose connections break, and are retried, is not in it.

Histograms are merged from Envoy's threads when it flushes its statistics, every 5 s (`stats_flush_interval`); counters
are read as they are. A scrape in between shows the requests and not yet their latencies: all of them come, each once,
with the next flush, for both arms at the same moment. (With `stats_flush_on_admin` they come one scrape late instead.)
"""

from __future__ import annotations

from collections.abc import Callable

from analysis.model import RETRIES, Arm
from analysis.packs.base import Feed, Pack, Target, escape_regex
from analysis.sources.model import ROUTE, Key, Role

Clusters = Callable[[Target, Arm], str]
"""From a target and an arm to the expression of its cluster's name."""

ANSWERED = "envoy_cluster_upstream_rq_xx"
RETRIED = "envoy_cluster_upstream_rq_retry"
MILLISECONDS = 0.001

FLUSH = 5.0
"""Seconds; Envoy's own default of `stats_flush_interval`."""

PUSHED = 1.0
"""Seconds; controllers push to Envoy as they reconcile. An assumption, no controller was timed."""

BLIND = (
    "Requests whose cluster does not exist are in no arm's counters; they are counted for all routes of the proxy.",
    "Requests that matched no route are counted nowhere here.",
    "Failures that a retry made good: errors are what clients see. They are in the metric retries.",
    "A latency is that of the whole request, retries included; what timed out or broke is an error and has none.",
    "Latencies come up to five seconds late (stats_flush_interval): a share's first look has some of the one before.",
    "gRPC errors are not HTTP errors: they come with code 200.",
)

SHARED = "A Service's counters are shared by all routes of the gateway that send to it."

TRIED = (
    "Tried on a running Envoy 1.40 with weighted clusters and retries under these cluster names, not behind the "
    "controller itself."
)


def feeds_of(clusters: Clusters) -> Callable[[Target], tuple[Feed, ...]]:
    """The feeds of a gateway whose clusters are called so."""

    def feeds(target: Target) -> tuple[Feed, ...]:
        arms = tuple(feed for arm in target.services for feed in _arm(arm, clusters(target, arm)))
        lost = "envoy_http_no_cluster"
        return (*arms, *(Feed(family=lost, where=(), key=Key(ROUTE, None, role)) for role in (Role.TOTAL, Role.BAD)))

    return feeds


def beside_of(clusters: Clusters) -> Callable[[Target], tuple[Feed, ...]]:
    """Attempts sent to a pod. Requests without a ready pod are never sent."""

    def feeds(target: Target) -> tuple[Feed, ...]:
        return tuple(
            Feed(
                family="envoy_cluster_upstream_rq_total",
                where=(("envoy_cluster_name", clusters(target, arm)),),
                key=Key(RETRIES, arm, Role.STARTED),
            )
            for arm in target.services
        )

    return feeds


def _arm(arm: Arm, cluster: str) -> tuple[Feed, ...]:
    here = ("envoy_cluster_name", cluster)
    failed = ("envoy_response_code_class", "5")
    return (
        Feed(family=ANSWERED, where=(here,), key=Key("errors", arm, Role.TOTAL)),
        Feed(family=ANSWERED, where=(here, failed), key=Key("errors", arm, Role.BAD)),
        # Attempts: the last one of each request, and those before it.
        *(Feed(family=family, where=(here,), key=Key(RETRIES, arm, Role.TOTAL)) for family in (ANSWERED, RETRIED)),
        Feed(family=RETRIED, where=(here,), key=Key(RETRIES, arm, Role.BAD)),
        Feed(
            family="envoy_cluster_upstream_rq_time_bucket",
            where=(here,),
            key=Key("latency", arm, Role.BUCKET),
            scale=MILLISECONDS,
        ),
    )


def _named(target: Target, arm: Arm) -> str:
    return f"{escape_regex(target.namespace)}_{escape_regex(target.services[arm])}_{target.port_of(arm)}"


def _kgateway(target: Target, arm: Arm) -> str:
    return f"kube_{_named(target, arm)}"


def _cilium(target: Target, arm: Arm) -> str:
    # Envoy writes the colons of `NS:SVC:PORT` as underscores.
    known = [
        f"{escape_regex(namespace)}/cilium\\-gateway\\-{escape_regex(name)}" for namespace, name in target.gateways
    ]
    gateway = f"({'|'.join(known)})" if known else "[^/]+/cilium\\-gateway\\-[^/]+"
    return f"{gateway}/{_named(target, arm)}"


KGATEWAY = Pack(
    name="kgateway",
    feeds=feeds_of(_kgateway),
    exact=False,
    blind=(*BLIND, SHARED),
    missing="kgateway's proxies serve their metrics on port 9091 at /metrics: are they scraped? References to "
    "a kgateway Backend instead of a Service are counted under other names.",
    verified=TRIED,
    unit="ms",
    late=FLUSH,
    takes=PUSHED,
    retries=True,
    beside=beside_of(_kgateway),
)
"""Cluster `kube_NS_SVC_PORT` (pkg/pluginsdk/ir/backend.go)."""

CONTOUR = Pack(
    name="contour",
    feeds=feeds_of(_named),
    exact=False,
    blind=(*BLIND, SHARED),
    missing="Contour's Envoys serve their metrics on port 8002 at /stats/prometheus: are they scraped?",
    verified=TRIED,
    unit="ms",
    late=FLUSH,
    takes=PUSHED,
    retries=True,
    beside=beside_of(_named),
)
"""alt_stat_name `NS_SVC_PORT` (internal/envoy/cluster.go)."""

CILIUM = Pack(
    name="cilium",
    feeds=feeds_of(_cilium),
    exact=False,
    blind=(*BLIND, SHARED, "Every node has an Envoy: read them through Prometheus, or name all of them."),
    missing="Cilium's Envoys serve their metrics on port 9964 at /metrics when envoy.prometheus is enabled: are all "
    "nodes scraped? A Gateway whose name has a dot is not found: Envoy cuts names at dots.",
    verified=TRIED,
    unit="ms",
    late=FLUSH,
    takes=PUSHED,
    retries=True,
    beside=beside_of(_cilium),
)
"""Cluster `GWNS/cilium-gateway-GW/NS:SVC:PORT`."""
