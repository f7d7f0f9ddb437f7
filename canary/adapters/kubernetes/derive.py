"""From stable's live objects to the canary's: pure functions, objects in and objects out.

The canary must be told apart by everything that selects pods. Its own selectors name one label that nobody else has
(the release's uid), so they take no pod of stable's. The other way round see `labels`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

from canary.adapters.kubernetes.labels import Unescapable, apart_from_itself, distinct_labels, takes
from canary.adapters.kubernetes.paths import DEPLOYMENT, MANAGED, PART_LABEL, PREFIX, RELEASE_LABEL, named
from canary.adapters.kubernetes.paths import SERVICE as SERVICES
from canary.ports import JsonObject

STABLE_IMAGE = PREFIX + "stable-image"
STABLE_REPLICAS = PREFIX + "stable-replicas"
STABLE_TEMPLATE = PREFIX + "stable-template"
OLD_TEMPLATE = PREFIX + "old-template"
NEW_TEMPLATE = PREFIX + "new-template"
VERSIONED = PREFIX + "versioned"
"""Annotations of the canary's Deployment: what stable was when the canary was made from it. They live exactly as
long as they are needed, and nothing of ours stands on stable. The last three only where a whole template is released:
stable's own, to be put back; the fingerprint that stable will have at promotion; and the names of the copies of
ConfigMaps and Secrets in it."""

HEADROOM = Decimal("1.2")
"""More replicas than the share alone asks for, up to as many as stable had."""

DEPLOYMENT_NAME_LIMIT = 240
"""Characters: the names of its ReplicaSets are longer by a dash and a hash of ten, and may have 253."""

INSTANCE = (
    "kubectl.kubernetes.io/",
    "deployment.kubernetes.io/",
    "autoscaling.alpha.kubernetes.io/",
    "meta.helm.sh/",
    "helm.sh/",
    "argocd.argoproj.io/",
    "fluxcd.io/",
    "fleet.cattle.io/",
    "objectset.rio.cattle.io/",
    "configsync.gke.io/",
    "config.kubernetes.io/",
    "kapp.k14s.io/",
    "openchoreo.dev/",
)
"""What annotations that belong to one object begin with, or to its owner: copied, they would hand the copy to the tool
that manages stable (which deletes it), or tell lies about its history."""

_KEPT = ("kubectl.kubernetes.io/default-container", "kubectl.kubernetes.io/restartedAt")
"""Of those, what a pod template carries on purpose: they say something about the pods."""

_COPIED_FROM_SERVICE = ("ipFamilies", "ipFamilyPolicy", "trafficDistribution", "internalTrafficPolicy")
_COPIED_FROM_PORT = ("name", "protocol", "port", "targetPort", "appProtocol")
_COPIED_FROM_DEPLOYMENT = ("minReadySeconds", "progressDeadlineSeconds")


class Underivable(Exception):
    """No canary can be made from stable; the message says why and what to do."""


def own_labels(release: str, part: str = "canary") -> dict[str, str]:
    """What the pods of the canary, or of another part, carry, and its Deployment and Service select."""
    return {RELEASE_LABEL: release, PART_LABEL: part}


def object_labels(release: str, part: str = "canary") -> dict[str, str]:
    """Labels of a part's Deployment and Service. None of stable's: some say which tool manages the object."""
    return {**MANAGED, **own_labels(release, part)}


def replicas_for(share: Decimal, *, stable: int) -> int:
    """How many replicas carry a share of the pool with less load per pod than stable's had before the release.

    The headroom is for a split that is random and for pods that are cold; all of the pool needs as many as stable had.
    At least two where stable has several: one pod cannot tell a bad node from a bad version, and its restart would
    leave the canary without endpoints.

    Args:
        share: percent of the pool, 0 to 100.
        stable: stable's replicas before the release, at least 1.
    """
    wanted = int((stable * share * HEADROOM / 100).to_integral_value(ROUND_CEILING))
    return max(min(2, stable), min(wanted, stable))


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
    return hashlib.sha256(compact(deployment["spec"]["template"]).encode()).hexdigest()[:16]


def compact(value: object) -> str:
    """The one spelling of a value as JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def with_image(template: Mapping[str, Any], container: str | None, image: str, *, name: str) -> JsonObject:
    """A pod template with another image in one container.

    Args:
        template: stays as it is.
        container: which container gets the image; None for the only one.
        image: the new one.
        name: of the Deployment, for sentences.

    Raises:
        Underivable: there is no such container.
    """
    made: JsonObject = json.loads(json.dumps(template))
    index, _ = container_of({"metadata": {"name": name}, "spec": {"template": made}}, container)
    made["spec"]["containers"][index]["image"] = image
    return made


def canary_deployment(
    stable: Mapping[str, Any],
    *,
    release: str,
    container: str | None,
    image: str,
    selectors: Iterable[Mapping[str, Any]],
    replicas: int,
    keep: Iterable[Mapping[str, Any]] = (),
    template: Mapping[str, Any] | None = None,
    promised: str = "",
    names: Mapping[str, str] | None = None,
) -> JsonObject:
    """The canary's Deployment: stable's template, or a given one, with the new image and labels of its own.

    Args:
        stable: stable's Deployment as it is now.
        release: the release's uid.
        container: which container gets the image; None for the only one.
        image: the new version.
        selectors: LabelSelectors that must not take the canary's pods: of Services, Deployments, budgets.
        replicas: how many.
        keep: LabelSelectors that had better take them, such as those of NetworkPolicies.
        template: in place of stable's.
        promised: the fingerprint that stable will have with it.
        names: of the copies of ConfigMaps and Secrets in it.

    Raises:
        Underivable: there is no such container, or a selector cannot be escaped.
    """
    _, before = container_of(stable, container)
    spec = stable["spec"]
    made = with_image(template or spec["template"], container, image, name=stable["metadata"]["name"])
    tell_apart(made, [spec["selector"], *selectors], release=release, keep=keep)
    known = {
        STABLE_IMAGE: str(before.get("image", "")),
        STABLE_REPLICAS: str(replicas_of(stable)),
        STABLE_TEMPLATE: fingerprint(stable),
        **({OLD_TEMPLATE: compact(spec["template"]), NEW_TEMPLATE: promised} if template else {}),
        **({VERSIONED: compact(names)} if names else {}),
    }
    return beside(stable, made, release=release, replicas=replicas, notes=known)


def tell_apart(
    template: JsonObject,
    selectors: Iterable[Mapping[str, Any]],
    *,
    release: str,
    part: str = "canary",
    keep: Iterable[Mapping[str, Any]] = (),
) -> None:
    """Give a pod template, in place, labels by which no selector takes its pods, and its part's own.

    Args:
        template: of stable's pods.
        selectors: LabelSelectors that must not take the pods.
        release: the release's uid.
        part: whose pods they are.
        keep: LabelSelectors that had better take them.

    Raises:
        Underivable: a selector cannot be escaped.
    """
    metadata = template.get("metadata") or {}
    old, own, notes = metadata.get("labels") or {}, own_labels(release, part), portable(metadata.get("annotations"))
    try:
        labels = distinct_labels(old, selectors, keep=keep, endings=endings(release, part))
    except Unescapable as error:
        raise Underivable(str(error)) from error
    template["metadata"] = {"labels": {**labels, **own}, **({"annotations": notes} if notes else {})}
    apart_from_itself(template["spec"], before=old, after=labels, own=own)


def beside(
    stable: Mapping[str, Any],
    template: JsonObject,
    *,
    release: str,
    replicas: int,
    part: str = "canary",
    notes: Mapping[str, str] | None = None,
) -> JsonObject:
    """A Deployment beside stable's.

    Args:
        stable: stable's as it is now.
        template: of its pods, told apart from stable's.
        release: the release's uid.
        replicas: how many.
        part: what it is called after stable's name, and by its labels.
        notes: its annotations.
    """
    spec = stable["spec"]
    return {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.kind,
        "metadata": {
            "name": named(stable["metadata"]["name"], part, limit=DEPLOYMENT_NAME_LIMIT),
            "namespace": stable["metadata"]["namespace"],
            "labels": object_labels(release, part),
            **({"annotations": notes} if notes else {}),
        },
        "spec": {
            **{key: spec[key] for key in _COPIED_FROM_DEPLOYMENT if key in spec},
            "replicas": replicas,
            "revisionHistoryLimit": 0,
            "selector": {"matchLabels": own_labels(release, part)},
            "template": template,
        },
    }


def canary_service(stable: Mapping[str, Any], *, name: str, release: str, part: str = "canary") -> JsonObject:
    """A part's Service: stable's ports, and the annotations by which a gateway treats a Service in its own way."""
    spec, metadata = stable["spec"], stable["metadata"]
    annotations = portable(metadata.get("annotations"))
    copied = {key: spec[key] for key in _COPIED_FROM_SERVICE if key in spec}
    if spec.get("clusterIP") == "None":
        copied["clusterIP"] = "None"
    return {
        "apiVersion": SERVICES.api_version,
        "kind": SERVICES.kind,
        "metadata": {
            "name": name,
            "namespace": metadata["namespace"],
            "labels": object_labels(release, part),
            **({"annotations": annotations} if annotations else {}),
        },
        "spec": {
            **copied,
            "selector": own_labels(release, part),
            "ports": [{key: port[key] for key in _COPIED_FROM_PORT if key in port} for port in spec.get("ports") or ()],
        },
    }


def endings(release: str, part: str = "canary") -> tuple[str, str]:
    """What a changed label's value ends with; the second is for where somebody has a canary by hand."""
    return part, f"{part}-{release}"


def portable(annotations: Mapping[str, str] | None) -> dict[str, str]:
    """Annotations that a copy of an object, or pods of another owner, may carry."""
    return {
        key: value
        for key, value in (annotations or {}).items()
        if key in _KEPT or not any(mark in key for mark in INSTANCE)
    }


def check_fits(stable: Mapping[str, Any], template: Mapping[str, Any]) -> None:
    """Whether another template may be stable's: selected by it, whose selector nobody can change, with the same rights.

    The rights because the file may come from a pull request: whoever writes it must not choose whose token pods get.

    Raises:
        Underivable: it may not.
    """
    before, after = _account(stable["spec"]["template"]), _account(template)
    if before != after:
        raise Underivable(
            f"its pods run as ServiceAccount {before}, and the template's would run as {after}, which no release "
            f"changes; correct serviceAccountName, or change stable's first"
        )
    selector, labels = stable["spec"]["selector"], labels_of_template(template)
    if takes(selector, labels):
        return
    wanted = ", ".join(f"{key}: {value}" for key, value in (selector.get("matchLabels") or {}).items())
    have = ", ".join(f"{key}: {value}" for key, value in labels.items()) or "none"
    raise Underivable(
        f"it selects pods with {wanted or selector}, which no release can change, and the template's labels are "
        f"{have}; write the selector's labels in the template's metadata.labels"
    )


def _account(template: Mapping[str, Any]) -> str:
    spec = template["spec"]
    return str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")


def replace_image(index: int, *, container: str, before: str, after: str) -> list[JsonObject]:
    """A JSON Patch of one container's image that holds only while the container and its image are what they were."""
    path = f"/spec/template/spec/containers/{index}"
    return [
        {"op": "test", "path": f"{path}/name", "value": container},
        {"op": "test", "path": f"{path}/image", "value": before},
        {"op": "replace", "path": f"{path}/image", "value": after},
    ]


def replace_template(deployment: Mapping[str, Any], template: JsonObject) -> list[JsonObject]:
    """A JSON Patch of the whole pod template that holds only for the version of the Deployment that was read.

    By its version and not by the template: API servers compare what a patch tests letter by letter, escapes included.
    """
    version = str(deployment["metadata"].get("resourceVersion") or "")
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        {"op": "replace", "path": "/spec/template", "value": template},
    ]


def labels_of(deployment: Mapping[str, Any]) -> dict[str, str]:
    """Labels of its pods."""
    return labels_of_template(deployment["spec"]["template"])


def labels_of_template(template: Mapping[str, Any]) -> dict[str, str]:
    """Labels of the pods that are made from it."""
    return (template.get("metadata") or {}).get("labels") or {}


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
