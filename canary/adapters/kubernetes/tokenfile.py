"""A kubeconfig's `tokenFile` is read anew at every request, as kubectl does: tokens are rotated under long releases."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def follow(configuration: Any, kubeconfig: Path | None, context: str | None) -> None:
    """Let a configuration read its user's token file whenever credentials are asked for.

    The `kubernetes` package reads it once. Nothing is changed where the user has no such file.

    Args:
        configuration: a `kubernetes.client.Configuration` that was loaded from this kubeconfig.
        kubeconfig: path of the file; None for KUBECONFIG or ~/.kube/config.
        context: name of the context; None for the current one.
    """
    found = _named(kubeconfig, context)
    if found is None:
        return

    def read(asking: Any) -> None:
        asking.api_key["BearerToken"] = "Bearer " + found.read_text(encoding="utf-8").strip()

    configuration.refresh_api_key_hook = read


def _named(kubeconfig: Path | None, context: str | None) -> Path | None:
    from kubernetes.config.kube_config import KUBE_CONFIG_DEFAULT_LOCATION, KubeConfigMerger

    merged = KubeConfigMerger(str(kubeconfig or KUBE_CONFIG_DEFAULT_LOCATION)).config  # type: ignore[no-untyped-call]
    chosen = merged["contexts"].get_with_name(context or merged["current-context"])["context"]
    user = merged["users"].get_with_name(chosen["user"])["user"] if "user" in chosen else None
    if user is None or "tokenFile" not in user or "token" in user:
        return None
    return Path(user.path or ".").parent.joinpath(user["tokenFile"])
