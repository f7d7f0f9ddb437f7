"""What is special about built-in kinds: their defaults, and the rules that a schema cannot say.

Sources: the field descriptions under https://kubernetes.io/docs/reference/kubernetes-api/, and
https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and .../labels/ for names and labels.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from typing import Any

from canary.sandbox.apiserver.definitions import broken_definition
from canary.sandbox.apiserver.errors import Cause, Json
from canary.sandbox.apiserver.resources import Resource
from canary.sandbox.apiserver.selectors import matches

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
SUBDOMAIN = re.compile(rf"{LABEL.pattern}(\.{LABEL.pattern})*")
PATH_SEGMENT = re.compile(r"(?!\.{1,2}$)[^/%]+")
VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
QUALIFIED = re.compile(rf"({SUBDOMAIN.pattern}/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")

ANNOTATIONS_LIMIT = 256 * 1024
"""Bytes of all annotations together."""

DATA_LIMIT = 1024 * 1024
"""Bytes of a ConfigMap's or Secret's values together."""


def _put(item: Json, **values: Any) -> None:
    for key, value in values.items():
        item.setdefault(key, value)


# Defaults ----------------------------------------------------------------------------------------------------


def _namespace(item: Json) -> None:
    item["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = item["metadata"]["name"]
    _put(item, spec={"finalizers": ["kubernetes"]}, status={"phase": "Active"})


def _service(item: Json) -> None:
    spec = item.setdefault("spec", {})
    _put(spec, type="ClusterIP", sessionAffinity="None", internalTrafficPolicy="Cluster")
    if spec["type"] != "ExternalName":
        _put(spec, ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    for port in spec.get("ports") or ():
        _put(port, protocol="TCP", targetPort=port.get("port"))


def _pod_spec(spec: Json) -> None:
    _put(spec, restartPolicy="Always", dnsPolicy="ClusterFirst", schedulerName="default-scheduler")
    _put(spec, terminationGracePeriodSeconds=30, securityContext={})
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        latest = ":" not in str(container.get("image", "")).rpartition("/")[2] or str(container["image"]).endswith(
            ":latest"
        )
        _put(container, imagePullPolicy="Always" if latest else "IfNotPresent", resources={})
        _put(container, terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File")
        for port in container.get("ports") or ():
            _put(port, protocol="TCP")
        for name in ("readinessProbe", "livenessProbe", "startupProbe"):
            if probe := container.get(name):
                _put(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
                if "httpGet" in probe:
                    _put(probe["httpGet"], scheme="HTTP", path="/")


def _template(spec: Json) -> None:
    template = spec.setdefault("template", {})
    template.setdefault("metadata", {})
    _pod_spec(template.setdefault("spec", {}))


def _deployment(item: Json) -> None:
    spec = item.setdefault("spec", {})
    _put(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    _put(spec, strategy={"type": "RollingUpdate"})
    if spec["strategy"].setdefault("type", "RollingUpdate") == "RollingUpdate":
        _put(spec["strategy"].setdefault("rollingUpdate", {}), maxSurge="25%", maxUnavailable="25%")
    _template(spec)


def _replica_set(item: Json) -> None:
    _put(item.setdefault("spec", {}), replicas=1)
    _template(item["spec"])


def _job(item: Json) -> None:
    _put(
        item.setdefault("spec", {}),
        parallelism=1,
        completions=1,
        backoffLimit=6,
        completionMode="NonIndexed",
        suspend=False,
    )
    _template(item["spec"])


def _pod(item: Json) -> None:
    _pod_spec(item.setdefault("spec", {}))
    _put(item, status={"phase": "Pending"})


def _secret(item: Json) -> None:
    _put(item, type="Opaque")
    for key, text in (item.pop("stringData", None) or {}).items():
        item.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()


def _endpoint_slice(item: Json) -> None:
    for port in item.get("ports") or ():
        _put(port, name="", protocol="TCP")


def _definition(item: Json) -> None:
    if broken_definition(item):  # the rules will say so
        return
    spec = item["spec"]
    spec["names"].setdefault("singular", spec["names"]["kind"].lower())
    spec["names"].setdefault("listKind", spec["names"]["kind"] + "List")
    conditions = [{"type": kind, "status": "True", "reason": "Served", "message": "", "lastTransitionTime": None}
                  for kind in ("NamesAccepted", "Established")]  # fmt: skip
    stored = [version["name"] for version in spec["versions"] if version.get("storage")]
    item["status"] = {"acceptedNames": spec["names"], "storedVersions": stored, "conditions": conditions}


def _autoscaler(item: Json) -> None:
    _put(item.setdefault("spec", {}), minReplicas=1)


_DEFAULTS: dict[str, Callable[[Json], None]] = {
    "namespaces": _namespace,
    "services": _service,
    "pods": _pod,
    "secrets": _secret,
    "deployments.apps": _deployment,
    "replicasets.apps": _replica_set,
    "jobs.batch": _job,
    "endpointslices.discovery.k8s.io": _endpoint_slice,
    "horizontalpodautoscalers.autoscaling": _autoscaler,
    "customresourcedefinitions.apiextensions.k8s.io": _definition,
}


def default(resource: Resource, item: Json) -> None:
    """Fills in what a built-in kind gets when it is not written."""
    if fill := _DEFAULTS.get(resource.qualified):
        fill(item)


# Rules -------------------------------------------------------------------------------------------------------


def broken(resource: Resource, item: Json, old: Json | None) -> Iterator[Cause]:
    """Everything about an object that its kind's rules forbid.

    Args:
        resource: its resource.
        item: the object, with defaults.
        old: the object as it is now, for rules about what may not change.
    """
    yield from _metadata(resource, item["metadata"])
    yield from _finalizers(item["metadata"], old)
    if resource.custom:
        return
    if resource.kind == "CustomResourceDefinition":
        yield from broken_definition(item)
    if resource.kind in {"Deployment", "ReplicaSet"}:
        yield from _workload(item, old)
    if resource.kind == "Service":
        yield from _of_service(item, old)
    if resource.kind in {"ConfigMap", "Secret"}:
        size = sum(len(str(value).encode()) for value in (item.get("data") or {}).values())
        if size > DATA_LIMIT:
            yield Cause(
                reason="FieldValueTooLong", message=f"Too long: may not be more than {DATA_LIMIT} bytes", field=""
            )


def _metadata(resource: Resource, metadata: Json) -> Iterator[Cause]:
    name = metadata["name"]
    plain = resource.group == "rbac.authorization.k8s.io"
    form = LABEL if resource.kind in {"Namespace", "Service"} else PATH_SEGMENT if plain else SUBDOMAIN
    if not form.fullmatch(name) or len(name) > (63 if form is LABEL else 253):
        kind = "an RFC 1123 label" if form is LABEL else "a lowercase RFC 1123 subdomain"
        rule = (
            "must consist of lower case alphanumeric characters, '-' or '.', "
            "and must start and end with an alphanumeric character"
        )
        yield Cause(
            reason="FieldValueInvalid", message=f'Invalid value: "{name}": {kind} {rule}', field="metadata.name"
        )
    for key, value in (metadata.get("labels") or {}).items():
        yield from _label(key, value, "metadata.labels")
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        if not QUALIFIED.fullmatch(key):
            yield Cause(reason="FieldValueInvalid", message=f'Invalid value: "{key}": name part must consist of alphanumeric characters, \'-\', \'_\' or \'.\'', field="metadata.annotations")  # fmt: skip  # noqa: E501 - a server's words
    if sum(len(key.encode()) + len(str(value).encode()) for key, value in annotations.items()) > ANNOTATIONS_LIMIT:
        message = f"Too long: may not be more than {ANNOTATIONS_LIMIT} bytes"
        yield Cause(reason="FieldValueTooLong", message=message, field="metadata.annotations")


def _finalizers(metadata: Json, old: Json | None) -> Iterator[Cause]:
    if old is None or "deletionTimestamp" not in old["metadata"]:
        return
    added = set(metadata.get("finalizers") or ()) - set(old["metadata"].get("finalizers") or ())
    if added:
        rule = "no new finalizers can be added if the object is being deleted, found new finalizers"
        message = f"Forbidden: {rule} {sorted(added)}"
        yield Cause(reason="FieldValueForbidden", message=message, field="metadata.finalizers")


def _label(key: str, value: str, field: str) -> Iterator[Cause]:
    if not QUALIFIED.fullmatch(key) or len(key.rpartition("/")[2]) > 63:
        yield Cause(reason="FieldValueInvalid", message=f'Invalid value: "{key}": not a qualified name', field=field)
    if not VALUE.fullmatch(value):
        rule = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"  # noqa: E501 - a server's words
        yield Cause(reason="FieldValueInvalid", message=f'Invalid value: "{value}": {rule}', field=field)
    if len(value) > 63:
        yield Cause(reason="FieldValueTooLong", message="Too long: may not be more than 63 bytes", field=field)


def _workload(item: Json, old: Json | None) -> Iterator[Cause]:
    spec = item["spec"]
    selector, labels = spec.get("selector"), spec["template"]["metadata"].get("labels") or {}
    if not selector or not (selector.get("matchLabels") or selector.get("matchExpressions")):
        message = "Invalid value: {}: empty selector is invalid for deployment"
        yield Cause(reason="FieldValueInvalid", message=message, field="spec.selector")
    elif not matches(selector, labels):
        message = f"Invalid value: {labels}: `selector` does not match template `labels`"
        yield Cause(reason="FieldValueInvalid", message=message, field="spec.template.metadata.labels")
    for key, value in labels.items():
        yield from _label(key, value, "spec.template.metadata.labels")
    if old is not None and old["spec"].get("selector") != selector:
        yield Cause(reason="FieldValueInvalid", message="Invalid value: field is immutable", field="spec.selector")
    if not spec["template"]["spec"].get("containers"):
        yield Cause(reason="FieldValueRequired", message="Required value", field="spec.template.spec.containers")
    if spec.get("replicas", 1) < 0:
        message = f"Invalid value: {spec['replicas']}: must be greater than or equal to 0"
        yield Cause(reason="FieldValueInvalid", message=message, field="spec.replicas")


def _of_service(item: Json, old: Json | None) -> Iterator[Cause]:
    spec, before = item["spec"], (old or {}).get("spec", {})
    ports = spec.get("ports") or []
    if not ports and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        yield Cause(reason="FieldValueRequired", message="Required value", field="spec.ports")
    for index, port in enumerate(ports):
        if len(ports) > 1 and not port.get("name"):
            yield Cause(reason="FieldValueRequired", message="Required value", field=f"spec.ports[{index}].name")
        if not 1 <= port.get("port", 0) <= 65535:
            message = f"Invalid value: {port.get('port')}: must be between 1 and 65535, inclusive"
            yield Cause(reason="FieldValueInvalid", message=message, field=f"spec.ports[{index}].port")
    if (
        before.get("clusterIP")
        and spec.get("clusterIP") not in {None, before["clusterIP"]}
        and spec["type"] != "ExternalName"
    ):
        text = f'Invalid value: ["{spec["clusterIP"]}"]: may not change once set'
        yield Cause(reason="FieldValueInvalid", message=text, field="spec.clusterIPs[0]")
