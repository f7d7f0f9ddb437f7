"""What the names of Envoy's clusters tell when stable has no counters under the names that Envoy Gateway gives."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from analysis.packs.base import Target

LISTED = (
    ("envoy_cluster_membership_total", "envoy_cluster_name"),
    ("envoy_cluster_upstream_rq_xx", "envoy_cluster_name"),
)
"""Families that list every cluster, also one without traffic, with the label that names it; the first that is there."""

OWN = re.compile(
    r"(httproute|grpcroute|tcproute|udproute|tlsroute|service|securitypolicy|envoyextensionpolicy|ratelimit)/.*"
    r"|xds_cluster|prometheus_stats|ready|wasm_cluster|ratelimit_cluster|backend_tls.*|accesslog.*|tracing.*"
)
"""What Envoy Gateway calls clusters by itself."""

SHOWN = 3


def explained(target: Target, names: Collection[str], *, recipe: str) -> str:
    """Why stable has no counters, as far as the names of Envoy's clusters tell; empty where they do not.

    Args:
        target: whose counters are wanted.
        names: of all clusters that Envoy counts.
        recipe: how the clusters of a rule are kept apart.
    """
    rule = f"httproute/{target.namespace}/{target.route}/rule/"
    ours = sorted(name for name in names if name.startswith(rule))
    whole = [name for name in ours if "/backend/" not in name]
    if whole:
        return f"Both arms are counted in one cluster, {whole[0]}: {recipe}."
    if ours:
        return f"The route's clusters are {_some(ours)}: the references are not where the release takes them to be."
    strange = sorted(name for name in names if not OWN.fullmatch(name))
    named = [name for name in strange if _mentions(name, target.route)]
    if named:
        return (
            f"The route's cluster is called {_some(named)}, by a custom clusterStatName (EnvoyProxy, "
            "spec.telemetry.metrics): it gives all backends of a rule one name, so that stable and canary cannot be "
            "told apart. Remove it, or judge by what the app counts (gateway: pods) or by query metrics."
        )
    if strange and not any(name.startswith("httproute/") for name in names):
        return (
            f"No cluster is called as Envoy Gateway calls them (there are {_some(strange)}): either a custom "
            "clusterStatName (EnvoyProxy, spec.telemetry.metrics) is set, which gives both arms one name and must be "
            "removed, or these are another gateway's proxies."
        )
    return ""


def _mentions(name: str, route: str) -> bool:
    """Whether a name has the route's name as a word of its own; Envoy writes colons as underscores."""
    return re.search(rf"(?<![a-zA-Z0-9]){re.escape(route)}(?![a-zA-Z0-9])", name) is not None


def _some(names: Iterable[str]) -> str:
    """The first few, as they may be shown: label values come from outside."""
    every = ["".join(filter(str.isprintable, name))[:80] for name in names]
    return ", ".join(every[:SHOWN]) + (f" and {len(every) - SHOWN} more" if len(every) > SHOWN else "")
