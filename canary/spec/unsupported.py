"""What the format knows and this version does not do: refused by name, with what exists, and never ignored."""

from __future__ import annotations

_STRATEGIES = "linear, exponential and steps exist"

KEYS: dict[str, str] = {
    "spec.strategy.blueGreen": _STRATEGIES,
    "spec.strategy.header": _STRATEGIES,
    "spec.strategy.cookie": _STRATEGIES,
    "spec.strategy.mirror": _STRATEGIES,
    "spec.strategy.preset": _STRATEGIES,
    "spec.notify": "nobody is told yet; follow the release with canary run",
    "spec.gates.approvers.slack": "users and groups exist, as the API server knows them",
    "spec.gates.approvers.min": "the first decision counts; leave min out",
    "spec.routes": "one route: {kind: HTTPRoute, name: ...} exists",
    "spec.analysis.metrics.query.value": "gauge exists",
    "spec.analysis.boundary": "the boundary is the one with the guarantee",
    "spec.promote.inPlace": "the engine makes a second set of pods",
}
"""Dotted key without indices: what exists instead."""

VALUES: dict[str, dict[str, str]] = {
    "spec.strategy": dict.fromkeys(("linear", "exponential", "steps"), "write it as a mapping, such as {linear: {}}"),
    "spec.route.kind": dict.fromkeys(("GRPCRoute", "TLSRoute", "TCPRoute"), "HTTPRoute exists"),
    "spec.analysis.noData": {
        "pass": "nothing seen is never taken for good; a metric that may be absent says noData: pass itself"
    },
    "spec.onConcurrent": {"queue": "wait exists"},
}
"""Dotted key without indices: the values that are not built yet, and what exists instead."""

_TWO_SERVICES = (
    "run both versions yourself, each behind a Service, and leave workload out: the engine moves traffic between them"
)

REFUSED: dict[str, dict[str, tuple[str, str]]] = {
    "spec.workload.kind": {
        "StatefulSet": ("its pods have names and volumes of their own, which a second set cannot have", _TWO_SERVICES),
        "DaemonSet": ("it has one pod on each node, so no share of them can carry a share of traffic", _TWO_SERVICES),
        "Rollout": ("Argo Rollouts moves its traffic already, and two controllers would fight", "use one of the two"),
    },
    "spec.analysis.gateway": {
        "kong": (
            "Kong counts per rule, not per backend: its counters do not tell stable from canary",
            "write pods to judge by what the app counts, or none with query metrics that tell the pods apart",
        ),
        "nginx-gateway-fabric": (
            "the open-source NGINX counts nothing per backend",
            "write nginx-gateway-fabric-plus where the data plane is NGINX Plus; else pods, or none with query metrics",
        ),
        "nginx": (
            "the open-source NGINX counts nothing per backend",
            "write nginx-gateway-fabric-plus where the data plane is NGINX Plus; else pods, or none with query metrics",
        ),
    },
}
"""Dotted key without indices: values that can never work, why, and what to write instead."""
