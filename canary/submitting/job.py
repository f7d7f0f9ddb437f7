"""The Job's manifest: one object that carries everything, the release file included.

The chart renders the same Job for those who ship with helm and kubectl; a test compares the two, field by field.
The file travels in an annotation of the pod that the downward API mounts as a file: one create is the whole
submission, it cannot be half done, a running Job keeps the file it began with, and nothing is left to be swept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from canary.core.aftermath import JobAction, codes_for
from canary.core.policy import LAST_CALL
from canary.spec import Release
from canary.spec.template import LIVE, PodTemplate
from canary.submitting import changes
from canary.submitting.identity import SERVICE_LABEL
from canary.submitting.values import JobValues

Object = dict[str, Any]

SPARE = 600.0
"""Seconds of the Job's deadline beyond the engine's own: nodes, image pulls, engines that are replaced."""

FILE_NOTE = changes.PREFIX + "release-file"
"""Annotation of the pod whose value is the release file's text."""

TEMPLATE_NOTE = changes.PREFIX + "template-file"
"""The same for the pod template that the release file names."""

FILE_LIMIT = 192 * 1024
"""Bytes of a release file and its pod template: all annotations of an object together hold 256 KiB."""

FOLDER, FILE, TEMPLATE = "/etc/canary", "release.yaml", "template.yaml"
TERMINATION_LOG = "/dev/termination-log"
CONTAINER = "canary"

JOB_NAME, MESSAGE_FILE, MADE_FOR = "JOB_NAME", "TERMINATION_MESSAGE_PATH", "CANARY_VERSION"
"""Variables by which the engine knows its Job, where its last word goes, and whose Job it was made to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What one Job is made from.

    Attributes:
        file, text: the release file, read and as it was written.
        values: the operator's.
        name, identity, attempt, nonce: see `identity` and `deciding`.
        account: the engine's ServiceAccount.
        version: of the program that makes it; the image must hold the same.
        requester: who submits it, where a gate needs to know; else empty.
    """

    file: Release
    text: str
    values: JobValues
    name: str
    identity: str
    attempt: int
    nonce: str
    account: str
    version: str
    requester: str = ""


def template_text(file: Release) -> str:
    """The pod template that a release file names, as it was written; empty where it names none."""
    template = file.spec.workload.template if file.spec.workload else LIVE
    return template.text if isinstance(template, PodTemplate) else ""


def least_deadline(file: Release) -> int:
    """The least `activeDeadlineSeconds`, so that the engine ends the release and never the Job."""
    return int(file.spec.deadline + LAST_CALL + file.spec.drain + SPARE)


def job_of(given: Submission) -> Object:
    """The Job."""
    values, service = given.values, given.file.spec.stable.service
    notes = {
        changes.IDENTITY: given.identity,
        changes.ATTEMPT: str(given.attempt),
        changes.NONCE: given.nonce,
        **({changes.REQUESTER: given.requester} if given.requester else {}),
        **({changes.PREFIX + "image": given.file.spec.image} if given.file.spec.image else {}),
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": given.name,
            "namespace": given.file.metadata.namespace,
            "labels": {
                "app.kubernetes.io/name": "canary-engine",
                "app.kubernetes.io/managed-by": "canary-engine",
                SERVICE_LABEL: service,
            },
            "annotations": notes,
        },
        "spec": {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": values.backoff_limit,
            "activeDeadlineSeconds": values.active_deadline_seconds or least_deadline(given.file),
            "ttlSecondsAfterFinished": values.ttl_seconds_after_finished,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": _failure_rules()},
            "template": {"metadata": _pod_metadata(given), "spec": _pod(given)},
        },
    }


def _failure_rules() -> list[Object]:
    first = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    rules = [
        {
            "action": str(action),
            "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": list(codes_for(action))},
        }
        for action in (JobAction.FAIL_JOB, JobAction.IGNORE, JobAction.COUNT)
    ]
    return [first, *rules]


def _pod_metadata(given: Submission) -> Object:
    values = given.values
    labels = {
        "app.kubernetes.io/name": "canary-engine",
        SERVICE_LABEL: given.file.spec.stable.service,
        "sidecar.istio.io/inject": "false",
    }
    notes = {
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        "karpenter.sh/do-not-disrupt": "true",
        "sidecar.istio.io/inject": "false",
        "linkerd.io/inject": "disabled",
    }
    return {
        "labels": labels | values.pod_labels,
        "annotations": notes | values.pod_annotations | _files(given),
    }


def _files(given: Submission) -> dict[str, str]:
    template = template_text(given.file)
    return {FILE_NOTE: given.text, **({TEMPLATE_NOTE: template} if template else {})}


def _pod(given: Submission) -> Object:
    values = given.values
    taints = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    lost = [
        {"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": values.node_loss_seconds}
        for taint in taints
    ]
    names = {FILE_NOTE: FILE, TEMPLATE_NOTE: TEMPLATE}
    paths = [
        {"path": names[note], "fieldRef": {"fieldPath": f"metadata.annotations['{note}']"}} for note in _files(given)
    ]
    optional = {
        "priorityClassName": values.priority_class_name,
        "imagePullSecrets": values.image_pull_secrets,
        "nodeSelector": values.node_selector,
        "affinity": values.affinity,
    }
    return {
        "restartPolicy": "Never",
        "serviceAccountName": given.account,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": values.termination_grace_period_seconds,
        **{key: value for key, value in optional.items() if value},
        "tolerations": [*lost, *values.tolerations],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": values.user,
            "runAsGroup": values.user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(given)],
        "volumes": [
            {"name": "release", "downwardAPI": {"items": paths}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
            *values.volumes,
        ],
    }


def _container(given: Submission) -> Object:
    values, image, port = given.values, given.file.spec.image, given.values.metrics_port
    template = ["--template", f"{FOLDER}/{TEMPLATE}"] if template_text(given.file) else []
    metrics = [f"--metrics-port={port}", "--metrics-listen=0.0.0.0"] if port else []
    return {
        "name": CONTAINER,
        "image": values.image,
        "imagePullPolicy": values.image_pull_policy,
        "args": ["run", f"{FOLDER}/{FILE}", *template, "--lines", *metrics, *(["--image", image] if image else [])],
        **({"ports": [{"name": "metrics", "containerPort": port, "protocol": "TCP"}]} if port else {}),
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
            {"name": JOB_NAME, "value": given.name},
            {"name": MESSAGE_FILE, "value": TERMINATION_LOG},
            {"name": MADE_FOR, "value": given.version},
            *values.env,
        ],
        "resources": values.resources,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePath": TERMINATION_LOG,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "release", "mountPath": FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - in the pod
            *values.volume_mounts,
        ],
    }
