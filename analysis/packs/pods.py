"""Counters kept beside or inside the pods, for gateways that do not tell the arms apart.

`hubble`: Cilium's own sight of HTTP, by workload. `pods`: what the app counts itself, told apart by the pods' names.
Both see what arrived, and neither what the gateway answered in a pod's stead.
"""

from __future__ import annotations

from analysis.packs.base import Feed, Pack, Target, escape_regex
from analysis.sources.model import Key, Role

FAILED = "5.."

UNDELIVERED = "Requests that never reached a pod (no endpoint, refused, timed out at the gateway) are counted nowhere."

ATTEMPTS = "What clients see: errors are failed attempts that arrived, also those that a gateway's retry made good."

SAFE = "[0-9a-z]"
"""Kubernetes draws the ends of pods' names from fewer letters; what counts is that they have no dash."""


def _hubble(target: Target) -> tuple[Feed, ...]:
    feeds: list[Feed] = []
    for arm in target.services:
        # Each request is seen where it leaves and where it arrives: one of the two is read.
        there = (
            ("reporter", "server"),
            ("destination_namespace", escape_regex(target.namespace)),
            ("destination_workload", escape_regex(target.workload_of(arm))),
        )
        feeds += [
            Feed(family="hubble_http_requests_total", where=there, key=Key("errors", arm, Role.TOTAL)),
            Feed(
                family="hubble_http_requests_total",
                where=(*there, ("status", FAILED)),
                key=Key("errors", arm, Role.BAD),
            ),
            Feed(
                family="hubble_http_request_duration_seconds_bucket",
                where=there,
                key=Key("latency", arm, Role.BUCKET),
            ),
        ]
    return tuple(feeds)


HUBBLE = Pack(
    name="hubble",
    feeds=_hubble,
    exact=False,
    blind=(
        UNDELIVERED,
        ATTEMPTS,
        "All traffic of the pods counts, from wherever it comes, not only this route's.",
        "A request that never ends is never counted: responses are.",
        "gRPC errors are not HTTP errors: they come with status 200.",
    ),
    missing="Hubble's HTTP metrics need L7 visibility of the pods (a CiliumNetworkPolicy with an http rule that also "
    "selects the canary's pods) and labels: hubble.metrics.enabled with "
    "httpV2:labelsContext=destination_namespace,destination_workload,destination_pod.",
    verified="Names and labels from Cilium's sources and docs, tried on an exposition written from them; no Cilium "
    "was run.",
    unit="s",
    pod_label="destination_pod",
    together=False,
)

COUNT = "http_request_duration_seconds"
"""What the client libraries of most languages call it, and Flagger's generic queries too."""

LABELS = (("namespace", "pod"), ("kubernetes_namespace", "kubernetes_pod_name"))
"""As the Prometheus operator names the pod's labels, and as many hand-written scrape configurations do."""

CODES = ("code", "status", "status_code")


def _pods(target: Target) -> tuple[Feed, ...]:
    feeds: list[Feed] = []
    for arm in target.services:
        # A Deployment's pod is NAME-HASH-END: the last two parts have no dash, so `shop` is never `shop-canary`.
        pods = f"{escape_regex(target.workload_of(arm))}\\-{SAFE}+\\-{SAFE}+"
        for space, pod in LABELS:
            there = ((space, escape_regex(target.namespace)), (pod, pods))
            total, bad = Key("errors", arm, Role.TOTAL), Key("errors", arm, Role.BAD)
            feeds += [
                Feed(family=f"{COUNT}_count", where=there, key=total),
                *(Feed(family=f"{COUNT}_count", where=(*there, (code, FAILED)), key=bad) for code in CODES),
                Feed(family=f"{COUNT}_bucket", where=there, key=Key("latency", arm, Role.BUCKET)),
            ]
    return tuple(feeds)


PODS = Pack(
    name="pods",
    feeds=_pods,
    exact=False,
    blind=(
        UNDELIVERED,
        ATTEMPTS,
        "All traffic of the pods counts, from wherever it comes, health checks too where the app counts them.",
        "What a pod did before its first scrape and after its last is not seen.",
        "Errors are what the app itself calls 5xx.",
    ),
    missing=f"The app must serve the histogram {COUNT} with a label code, status or status_code, and its series must "
    "carry namespace and pod (or kubernetes_namespace and kubernetes_pod_name). For counters of other names judge by "
    'query metrics, such as requests_total{pod=~"$arm-[0-9a-z]+-[0-9a-z]+"}.',
    verified="Tried on an exposition of Prometheus' own client library.",
    unit="s",
    pod_label="pod",
    together=False,
)
