"""The scale subresource: how many replicas, in one form for every kind of workload."""

from __future__ import annotations

from typing import Any

from canary.sandbox.apiserver.errors import ApiError, Cause, Json, bad_request, invalid


def scale_of(item: Json) -> Json:
    """The autoscaling/v1 Scale of a workload."""
    labels = (item["spec"].get("selector") or {}).get("matchLabels") or {}
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: item["metadata"][key] for key in kept if key in item["metadata"]},
        "spec": {"replicas": item["spec"].get("replicas", 1)},
        "status": {
            "replicas": (item.get("status") or {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }


def with_scale(item: Json, scale: Any) -> Json:
    """The workload with the replicas of a Scale, at the version that the Scale names."""
    if not isinstance(scale, dict):
        raise bad_request("the body of the request is no Scale")
    spec, identity = scale.get("spec") or {}, scale.get("metadata") or {}
    if not isinstance(spec, dict) or not isinstance(identity, dict):
        raise bad_request("spec and metadata of a Scale must be objects")
    replicas = spec.get("replicas") or 0
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise bad_request("spec.replicas must be an integer")
    metadata = dict(item["metadata"])
    if version := identity.get("resourceVersion"):
        if not isinstance(version, str):
            raise bad_request("metadata.resourceVersion of a Scale must be a string")
        metadata["resourceVersion"] = version
    return {**item, "metadata": metadata, "spec": {**item["spec"], "replicas": replicas}}


def patched_scale(item: Json, scale: Any) -> Json:
    """The workload with the replicas of a Scale that a patch has made.

    Raises:
        ApiError: 422 where the patch made it no Scale.
    """
    try:
        return with_scale(item, scale)
    except ApiError as error:
        cause = Cause(reason="FieldValueInvalid", message=f"Invalid value: {error}", field="patch")
        raise invalid("", "", "", [cause]) from None
