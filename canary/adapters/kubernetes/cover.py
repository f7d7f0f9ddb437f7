"""What covers stable's pods and would not cover the canary's, and a copy of it for the canary. Pure.

A copy is told apart by its selectors only: each that takes stable's pods and passes the canary's by names the canary's
own labels instead. Two kinds need more. A NetworkPolicy may name stable as a peer (the database lets only the shop
in): policies add up, so a copy with just those rules lets the canary in beside stable. A PodDisruptionBudget in
numbers was written for stable's size; the canary's copy lets one pod be disrupted at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes.labels import Labels, takes
from canary.adapters.kubernetes.paths import (
    AUTHORIZATION_POLICY,
    BUDGET,
    COPY_NAME_LIMIT,
    NETWORK_POLICY,
    POD_MONITOR,
    RELEASE_LABEL,
    SERVICE_MONITOR,
    Resource,
    named,
)
from canary.ports import JsonObject

_TAKEN_UP_BY_LABEL = {SERVICE_MONITOR.kind, POD_MONITOR.kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """How the two arms are told apart.

    Attributes:
        stable, canary: labels of their pods.
        stable_service, canary_service: names of their Services.
        baseline, baseline_service: labels of the fresh baseline's pods, and the name of its Service; None and empty
            where there is none. One copy covers it and the canary.
        service_labels: of stable's Service, by which monitors choose; the canary's Service has none of them.
        release: the release's uid.
        namespace: of both.
    """

    stable: Labels
    canary: Labels
    stable_service: str
    canary_service: str
    service_labels: Labels
    release: str
    namespace: str
    baseline: Labels | None = None
    baseline_service: str = ""

    @property
    def own(self) -> dict[str, str]:
        """Labels that only the canary's pods and Service have; with a baseline, those that it has as well."""
        own = derive.own_labels(self.release)
        return own if self.baseline is None else {RELEASE_LABEL: own[RELEASE_LABEL]}

    def kept(self, selector: Mapping[str, Any]) -> bool:
        """Whether a selector takes the canary's pods, and the baseline's."""
        return takes(selector, self.canary) and (self.baseline is None or takes(selector, self.baseline))

    def lost(self, selector: Mapping[str, Any] | None) -> bool:
        """Whether a selector takes stable's pods and passes the canary's, or the baseline's, by."""
        return selector is not None and takes(selector, self.stable) and not self.kept(selector)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """One object that covers stable and would not cover the canary.

    Attributes:
        resource: its kind.
        name: its name.
        does: what it does for stable, as the rest of a sentence that begins with the object.
        copy: the same for the canary.
    """

    resource: Resource
    name: str
    does: str
    copy: JsonObject


def gaps(resource: Resource, items: Iterable[Mapping[str, Any]], arms: Arms) -> list[Gap]:
    """The objects of one kind that cover stable and would not cover the canary."""
    found = []
    for item in items:
        spec = json.loads(json.dumps(item.get("spec") or {}))
        does = _MAKERS[resource.kind](spec, arms)
        if does:
            name = item["metadata"]["name"]
            copy = _copy(resource, item, spec, arms)
            found.append(Gap(resource=resource, name=name, does=does, copy=copy))
    return found


def owned_by(copy: JsonObject, deployment: Mapping[str, Any]) -> JsonObject:
    """The copy as a dependent of the canary's Deployment: the cluster's garbage collector deletes it with that."""
    owner = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": deployment["metadata"]["name"],
        "uid": deployment["metadata"]["uid"],
    }
    return {**copy, "metadata": {**copy["metadata"], "ownerReferences": [owner]}}


def _copy(resource: Resource, item: Mapping[str, Any], spec: JsonObject, arms: Arms) -> JsonObject:
    metadata = item["metadata"]
    # An operator takes up only monitors with the labels that it looks for.
    carried = _unowned(metadata.get("labels") or {}) if resource.kind in _TAKEN_UP_BY_LABEL else {}
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": named(metadata["name"], "canary", limit=COPY_NAME_LIMIT),
            "namespace": metadata["namespace"],
            "labels": {**carried, **derive.object_labels(arms.release)},
        },
        "spec": spec,
    }


def _network_policy(spec: JsonObject, arms: Arms) -> str:
    itself = arms.lost(spec.get("podSelector"))
    rules = {way: spec.get(way) or [] for way in ("ingress", "egress")}
    peers = {way: [rule for rule in listed if _admits(rule, way, arms)] for way, listed in rules.items()}
    if itself:
        spec["podSelector"] = {"matchLabels": arms.own}
        for way, listed in peers.items():
            for rule in listed:
                rule[_PEERS[way]] += _for_canary(rule[_PEERS[way]], arms)
        return "says what stable's pods may reach and who may reach them"
    chosen = {way: listed for way, listed in peers.items() if listed}
    if not chosen:
        return ""
    for way, listed in chosen.items():
        for rule in listed:
            rule[_PEERS[way]] = _for_canary(rule[_PEERS[way]], arms)
    spec.pop("ingress", None)
    spec.pop("egress", None)
    # Only where a rule is left: a direction without one would shut the others out.
    spec |= {**chosen, "policyTypes": [way.capitalize() for way in chosen]}
    return "lets stable's pods through to or from others"


def _unowned(labels: Labels) -> dict[str, str]:
    """Labels without those by which tools know what is theirs; by the last one Argo CD does, unless told otherwise."""
    marks = (*derive.INSTANCE, "app.kubernetes.io/instance")
    return {key: value for key, value in labels.items() if not any(mark in key for mark in marks)}


_PEERS = {"ingress": "from", "egress": "to"}


def _admits(rule: Mapping[str, Any], way: str, arms: Arms) -> bool:
    """Whether a rule names stable's pods and not the canary's as a peer; one without peers admits everybody."""
    peers = rule.get(_PEERS[way]) or []
    taken = any(
        arms.kept(each["podSelector"])
        for each in peers
        if each.get("podSelector") is not None and _surely_here(each, arms)
    )
    return not taken and any(arms.lost(each.get("podSelector")) for each in peers)


def _surely_here(peer: Mapping[str, Any], arms: Arms) -> bool:
    """Whether a peer's pods are looked for in our namespace, of whose labels only the name is known."""
    selector = peer.get("namespaceSelector")
    return selector is None or takes(selector, {"kubernetes.io/metadata.name": arms.namespace})


def _for_canary(peers: Iterable[Mapping[str, Any]], arms: Arms) -> list[JsonObject]:
    return [{**each, "podSelector": {"matchLabels": arms.own}} for each in peers if arms.lost(each.get("podSelector"))]


def _budget(spec: JsonObject, arms: Arms) -> str:
    if not arms.lost(spec.get("selector")):
        return ""
    spec["selector"] = {"matchLabels": arms.own}
    if isinstance(spec.get("minAvailable"), int):
        del spec["minAvailable"]
        spec["maxUnavailable"] = 1
    return "keeps a drained node from taking too many of stable's pods at once"


def _service_monitor(spec: JsonObject, arms: Arms) -> str:
    selector = spec.get("selector") or {}
    # A selector for every Service of the namespace takes the canary's as well.
    if not takes(selector, arms.service_labels) or takes(selector, derive.object_labels(arms.release)):
        return ""
    spec["selector"] = {"matchLabels": arms.own}
    return "lets Prometheus scrape stable through its Service"


def _pod_monitor(spec: JsonObject, arms: Arms) -> str:
    if not arms.lost(spec.get("selector") or {}):
        return ""
    spec["selector"] = {"matchLabels": arms.own}
    return "lets Prometheus scrape stable's pods"


def _authorization_policy(spec: JsonObject, arms: Arms) -> str:
    targets = spec.get("targetRefs") or []
    mine = [each for each in targets if each.get("kind") == "Service" and each.get("name") == arms.stable_service]
    if mine:
        services = [name for name in (arms.canary_service, arms.baseline_service) if name]
        spec["targetRefs"] = [{**each, "name": name} for each in mine for name in services]
    elif not targets and spec.get("selector") and arms.lost(spec["selector"]):
        spec["selector"] = {"matchLabels": arms.own}
    else:
        return ""
    return "says who may call stable's pods"


_MAKERS = {
    NETWORK_POLICY.kind: _network_policy,
    BUDGET.kind: _budget,
    SERVICE_MONITOR.kind: _service_monitor,
    POD_MONITOR.kind: _pod_monitor,
    AUTHORIZATION_POLICY.kind: _authorization_policy,
}
"""Each turns a spec into the canary's, in place, and says what the object does; nothing where the canary has it."""
