"""From stable's live objects to the canary's: pure functions, objects in and objects out.

The canary must be told apart by everything that selects pods. Its own selectors name one label that nobody else has
(the release's uid), so they take no pod of stable's. The other way round, a selector is a conjunction, so one label
that differs is enough for stable's Services and Deployment not to take the canary's pods; as few labels as possible
are changed, because NetworkPolicies, budgets and dashboards of the application select by the others.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

from canary.adapters.kubernetes.paths import DEPLOYMENT, LABEL_LIMIT, MANAGED, PART_LABEL, PREFIX, RELEASE_LABEL, named
from canary.adapters.kubernetes.paths import SERVICE as SERVICES
from canary.ports import JsonObject

STABLE_IMAGE = PREFIX + "stable-image"
STABLE_REPLICAS = PREFIX + "stable-replicas"
STABLE_TEMPLATE = PREFIX + "stable-template"
"""Annotations of the canary's Deployment: what stable was when the canary was made from it. They live exactly as
long as they are needed, and nothing of ours stands on stable."""

DEPLOYMENT_NAME_LIMIT = 240
"""Characters: the names of its ReplicaSets are longer by a dash and a hash of ten, and may have 253."""

_PREFERRED = ("app.kubernetes.io/instance", "app", "app.kubernetes.io/name")
"""Which label is changed when several would do: the first is what tells two installations of one program apart."""

_OWNERS = ("kubectl.kubernetes.io/", "meta.helm.sh/", "helm.sh/", "argocd.argoproj.io/", "toolkit.fluxcd.io/")
"""Annotations that say who manages an object; copied, they would hand the canary to that tool, which deletes it."""

_COPIED_FROM_SERVICE = ("ipFamilies", "ipFamilyPolicy", "trafficDistribution", "internalTrafficPolicy")
_COPIED_FROM_PORT = ("name", "protocol", "port", "targetPort", "appProtocol")
_COPIED_FROM_DEPLOYMENT = ("minReadySeconds", "progressDeadlineSeconds")


class Underivable(Exception):
    """No canary can be made from stable; the message says why and what to do."""


def own_labels(release: str) -> dict[str, str]:
    """What the canary's pods carry, and its Deployment and Service select."""
    return {RELEASE_LABEL: release, PART_LABEL: "canary"}


def object_labels(release: str) -> dict[str, str]:
    """Labels of the canary's Deployment and Service. None of stable's: some say which tool manages the object."""
    return {**MANAGED, **own_labels(release)}


def replicas_for(share: Decimal, *, stable: int) -> int:
    """How many replicas carry a share of the pool without more load per pod than stable's had before the release.

    At least two where stable has several: one pod cannot tell a bad node from a bad version, and its restart would
    leave the canary without endpoints.

    Args:
        share: percent of the pool, 0 to 100.
        stable: stable's replicas before the release, at least 1.
    """
    wanted = int((stable * share / 100).to_integral_value(ROUND_CEILING))
    return max(min(2, stable), wanted)


def container_of(deployment: Mapping[str, Any], name: str | None) -> tuple[int, Mapping[str, Any]]:
    """Index and object of the container that gets the image.

    Raises:
        Underivable: it is not there, or several are and none was named.
    """
    containers: Sequence[Mapping[str, Any]] = deployment["spec"]["template"]["spec"]["containers"]
    names = ", ".join(str(each.get("name")) for each in containers)
    who = f"Deployment {deployment['metadata']['name']}"
    if name is None:
        if len(containers) == 1:
            return 0, containers[0]
        raise Underivable(f"{who} has the containers {names}; say in spec.workload.container which gets the image")
    for index, each in enumerate(containers):
        if each.get("name") == name:
            return index, each
    raise Underivable(f"{who} has no container {name}, only {names}; correct spec.workload.container")


def fingerprint(deployment: Mapping[str, Any]) -> str:
    """Changes with every change of the pod template."""
    text = json.dumps(deployment["spec"]["template"], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def takes(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector (matchLabels, matchExpressions) takes an object with these labels."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for each in selector.get("matchExpressions") or ():
        key, values = each.get("key"), each.get("values") or ()
        holds = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not holds.get(each.get("operator"), True):
            return False
    return True


def selector_of(service: Mapping[str, Any]) -> JsonObject | None:
    """A Service's selector as a LabelSelector; None when it selects nothing by itself."""
    chosen = (service.get("spec") or {}).get("selector")
    return {"matchLabels": dict(chosen)} if chosen else None


def distinct_labels(labels: Mapping[str, str], selectors: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Stable's pod labels, changed where it takes the fewest changes for none of the selectors to take them.

    Args:
        labels: of stable's pods.
        selectors: LabelSelectors that must not take the result; those that do not take stable's pods do no harm.

    Raises:
        Underivable: a selector takes the pods however their labels are changed.
    """
    selectors, found, changed = list(selectors), dict(labels), set[str]()
    while taking := [selector for selector in selectors if takes(selector, found)]:
        votes = Counter(key for selector in taking for key in _keys(selector) if key not in changed)
        if not votes:
            text = json.dumps(taking[0], sort_keys=True)
            raise Underivable(
                f"the selector {text} would take the canary's pods as well, whichever of its labels is changed; "
                f"give stable's pods a label that only they have, and select by that"
            )
        key = min(votes, key=lambda each: (-votes[each], _rank(each), each))
        changed.add(key)
        if any(_needs_only_presence(selector, key) for selector in taking):
            del found[key]
        else:
            found[key] = named(found[key], "canary", limit=LABEL_LIMIT) if found[key] else "canary"
    return found


def canary_deployment(
    stable: Mapping[str, Any],
    *,
    release: str,
    container: str | None,
    image: str,
    selectors: Iterable[Mapping[str, Any]],
    replicas: int,
) -> JsonObject:
    """The canary's Deployment: stable's template with the new image and labels of its own.

    Args:
        stable: stable's Deployment as it is now.
        release: the release's uid.
        container: which container gets the image; None for the only one.
        image: the new version.
        selectors: LabelSelectors of the Services whose traffic the canary must not get.
        replicas: how many.

    Raises:
        Underivable: there is no such container, or a selector cannot be escaped.
    """
    index, before = container_of(stable, container)
    spec = stable["spec"]
    template: JsonObject = json.loads(json.dumps(spec["template"]))
    template["spec"]["containers"][index]["image"] = image
    metadata: JsonObject = dict(template.get("metadata") or {})
    metadata.pop("creationTimestamp", None)
    labels = distinct_labels(metadata.get("labels") or {}, [spec["selector"], *selectors])
    template["metadata"] = {**metadata, "labels": {**labels, **own_labels(release)}}
    _keep_apart_from_itself(template["spec"], before=metadata.get("labels") or {}, after=labels)
    notes = {
        STABLE_IMAGE: str(before.get("image", "")),
        STABLE_REPLICAS: str(replicas_of(stable)),
        STABLE_TEMPLATE: fingerprint(stable),
    }
    return {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.kind,
        "metadata": {
            "name": named(stable["metadata"]["name"], "canary", limit=DEPLOYMENT_NAME_LIMIT),
            "namespace": stable["metadata"]["namespace"],
            "labels": object_labels(release),
            "annotations": notes,
        },
        "spec": {
            **{key: spec[key] for key in _COPIED_FROM_DEPLOYMENT if key in spec},
            "replicas": replicas,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": own_labels(release)},
            "template": template,
        },
    }


def canary_service(stable: Mapping[str, Any], *, name: str, release: str) -> JsonObject:
    """The canary's Service: stable's ports, and the annotations by which a gateway treats a Service in its own way."""
    spec, metadata = stable["spec"], stable["metadata"]
    annotations = {
        key: value
        for key, value in (metadata.get("annotations") or {}).items()
        if not any(owner in key for owner in _OWNERS)
    }
    copied = {key: spec[key] for key in _COPIED_FROM_SERVICE if key in spec}
    if spec.get("clusterIP") == "None":
        copied["clusterIP"] = "None"
    return {
        "apiVersion": SERVICES.api_version,
        "kind": SERVICES.kind,
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": object_labels(release),
            **({"annotations": annotations} if annotations else {}),
        },
        "spec": {
            **copied,
            "selector": own_labels(release),
            "ports": [{key: port[key] for key in _COPIED_FROM_PORT if key in port} for port in spec.get("ports") or ()],
        },
    }


def replace_image(index: int, *, container: str, before: str, after: str) -> list[JsonObject]:
    """A JSON Patch of one container's image that holds only while the container and its image are what they were."""
    path = f"/spec/template/spec/containers/{index}"
    return [
        {"op": "test", "path": f"{path}/name", "value": container},
        {"op": "test", "path": f"{path}/image", "value": before},
        {"op": "replace", "path": f"{path}/image", "value": after},
    ]


def replicas_of(deployment: Mapping[str, Any]) -> int:
    """What is wanted now; 1 when unwritten, as Kubernetes has it."""
    wanted = deployment["spec"].get("replicas")
    return 1 if wanted is None else int(wanted)


def replicas_before(canary: Mapping[str, Any]) -> int:
    """Stable's replicas when the canary was made: an autoscaler takes them away as traffic leaves stable."""
    noted = note_of(canary, STABLE_REPLICAS) or ""
    return int(noted) if noted.isdecimal() else 1


def note_of(canary: Mapping[str, Any], name: str) -> str | None:
    """One of the annotations above."""
    value = (canary["metadata"].get("annotations") or {}).get(name)
    return value if isinstance(value, str) else None


def release_of(item: Mapping[str, Any]) -> str | None:
    """The uid of the release that made an object; None when none did."""
    value = ((item.get("metadata") or {}).get("labels") or {}).get(RELEASE_LABEL)
    return value if isinstance(value, str) else None


def _keep_apart_from_itself(spec: JsonObject, *, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Let the rules that spread stable's pods spread the canary's: else they forbid it every node that stable is on."""
    apart = (spec.get("affinity") or {}).get("podAntiAffinity") or {}
    terms = [
        *(apart.get("requiredDuringSchedulingIgnoredDuringExecution") or ()),
        *(each["podAffinityTerm"] for each in apart.get("preferredDuringSchedulingIgnoredDuringExecution") or ()),
        *(spec.get("topologySpreadConstraints") or ()),
    ]
    for term in terms:
        selector = term.get("labelSelector") or {}
        if not selector or not takes(selector, before):
            continue
        wanted = selector.get("matchLabels") or {}
        for key in wanted:
            wanted[key] = after.get(key, wanted[key])
        for each in selector.get("matchExpressions") or ():
            if each.get("operator") == "In":
                each["values"] = [after.get(each["key"], before[each["key"]])]


def _keys(selector: Mapping[str, Any]) -> set[str]:
    """Labels whose change makes the selector pass the pod by."""
    expressions = selector.get("matchExpressions") or ()
    return {
        *(selector.get("matchLabels") or {}),
        *(each["key"] for each in expressions if each.get("operator") in {"In", "Exists"}),
    }


def _needs_only_presence(selector: Mapping[str, Any], key: str) -> bool:
    expressions = selector.get("matchExpressions") or ()
    return any(each.get("key") == key and each.get("operator") == "Exists" for each in expressions)


def _rank(key: str) -> int:
    return _PREFERRED.index(key) if key in _PREFERRED else len(_PREFERRED)
