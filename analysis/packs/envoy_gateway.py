"""Envoy Gateway: one cluster per rule, unless something makes it one per Service.

By default the references of a rule share one cluster (`httproute/NS/ROUTE/rule/N`), and nothing tells the arms apart.
Two things do (internal/ir/xds.go, internal/gatewayapi/route.go): a filter on a reference of the rule, whatever it does,
gives `httproute/NS/ROUTE/rule/N/backend/M`, by the places of rule and reference; and `mergeBackends` (1.9 and later)
gives `service/NS/SVC/PORT[/PROTOCOL]`. One rule may have both kinds. A custom `clusterStatName` gives all clusters of
a rule one name again (envoyproxy/gateway#7008).
"""

from __future__ import annotations

from analysis.model import Arm
from analysis.packs.base import Feed, Pack, PackError, Target, escape_regex
from analysis.packs.envoy import BLIND, FLUSH, PUSHED, TRIED, beside_of, feeds_of
from analysis.packs.naming import LISTED, explained

RECIPE = (
    "give stable's reference a filter (such as a RequestHeaderModifier that sets x-canary-track: stable), or set "
    "mergeBackends in the EnvoyProxy (1.9 and later)"
)


def _cluster(target: Target, arm: Arm) -> str:
    namespace, service = escape_regex(target.namespace), escape_regex(target.services[arm])
    merged = f"service/{namespace}/{service}/{target.port_of(arm)}(/[^/]+)?"
    places = [f"{rule}/backend/{reference}" for rule, reference in target.places.get(arm, ())]
    # Envoy ends the label at the first dot and makes the rest part of the family's name, where `.` and `-` are the
    # same: routes `a.b-c` and `a.b.c` cannot be told apart. Merged clusters have no route in their names.
    if not places or "." in target.route:
        return merged
    return f"({merged}|httproute/{namespace}/{escape_regex(target.route)}/rule/({'|'.join(places)}))"


def _feeds(target: Target) -> tuple[Feed, ...]:
    _refuse_shared_places(target)
    return feeds_of(_cluster)(target)


def _refuse_shared_places(target: Target) -> None:
    places = [place for arm in target.places.values() for place in arm]
    if len(places) != len(set(places)):
        raise PackError("one reference of the route would count for both arms; give the canary a reference of its own")


ENVOY_GATEWAY = Pack(
    name="envoy-gateway",
    feeds=_feeds,
    exact=False,
    blind=(
        *BLIND,
        "With mergeBackends a Service's counters are shared by all routes that send to it.",
        "With a filter clusters are called by the places of rule and reference: whoever moves them moves the counters.",
    ),
    missing=f"Envoy Gateway counts per rule, not per Service, unless told: {RECIPE}. A route whose name has a dot "
    "needs mergeBackends. With a custom clusterStatName (EnvoyProxy, telemetry.metrics) both arms have one name: "
    "leave it out, or judge by query metrics.",
    verified=TRIED,
    unit="ms",
    late=FLUSH,
    takes=PUSHED,
    listed=LISTED,
    explain=lambda target, names: explained(target, names, recipe=RECIPE),
    retries=True,
    beside=beside_of(_cluster),
)
