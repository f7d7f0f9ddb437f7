"""Stable's Deployment where there is none. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes.paths import DEPLOYMENT, RELEASE_LABEL
from canary.ports import JsonObject


def first_deployment(
    whole: Mapping[str, Any], *, name: str, namespace: str, release: str, container: str | None, image: str
) -> JsonObject:
    """Stable's Deployment where there is none: what the release's file says, with the image.

    Args:
        whole: a Deployment's metadata and spec, as somebody wrote them.
        name, namespace: where it goes.
        release: the release's uid; its label stands there until the release is over.
        container: which container gets the image; None for the only one.
        image: the version.

    Raises:
        Underivable: there is no such container.
    """
    metadata, spec = whole["metadata"], dict(whole["spec"])
    annotations = derive.portable(metadata.get("annotations"))
    spec["template"] = derive.with_image(spec["template"], container, image, name=name)
    return {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**(metadata.get("labels") or {}), RELEASE_LABEL: release},
            **({"annotations": annotations} if annotations else {}),
        },
        "spec": spec,
    }
