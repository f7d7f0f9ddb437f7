"""Which API server, with which credentials: a kubeconfig, or the pod's own service account."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from canary.adapters.kubernetes.api import Api
from canary.adapters.kubernetes.budget import CRITICAL, Budget, Pacer
from canary.adapters.kubernetes.errors import clean
from canary.adapters.kubernetes.tokenfile import follow
from canary.adapters.kubernetes.transport import PoolTransport
from canary.ports import Refused

POOL = 16
"""Connections kept: two watches, the decider, the lease, and the workers."""


class ConnectError(Refused):
    """There is no usable way to the API server; the message says what to do."""


def connect(
    *,
    kubeconfig: Path | None = None,
    context: str | None = None,
    in_cluster: bool = False,
    pacer: Pacer | None = None,
    critical: Budget = CRITICAL,
) -> Api:
    """An `Api` for a cluster. No request is made yet.

    Args:
        kubeconfig: path of the file; None for KUBECONFIG or ~/.kube/config.
        context: name of the context; None for the current one.
        in_cluster: use the pod's service account instead of a kubeconfig.
        pacer: time; tests pass their own.
        critical: the budget of critical calls; tests pass smaller ones.

    Raises:
        ConnectError: the configuration is missing, broken, or would not verify the server.
    """
    configuration = _load(kubeconfig, context, in_cluster=in_cluster)
    _check(configuration)
    configuration.retries = False
    configuration.keep_alive = True
    configuration.connection_pool_maxsize = POOL
    return Api(PoolTransport(configuration), pacer=pacer, critical=critical)


def _load(kubeconfig: Path | None, context: str | None, *, in_cluster: bool) -> Any:
    from kubernetes import config
    from kubernetes.client import Configuration

    configuration = Configuration()
    try:
        if in_cluster:
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # as below
        else:
            path = None if kubeconfig is None else str(kubeconfig)
            # The package has types, but not for its loaders.
            config.load_kube_config(config_file=path, context=context, client_configuration=configuration)  # type: ignore[no-untyped-call]
            follow(configuration, kubeconfig, context)
    except config.ConfigException as error:
        raise ConnectError(_advice(error, kubeconfig, in_cluster=in_cluster)) from None
    except Exception as error:  # noqa: BLE001 - raised again, as ours
        # The loader raises whatever a broken file leads it to, and a YAML or base64 error may quote the file, and
        # with it a credential.
        raise ConnectError(f"the kubeconfig cannot be used ({type(error).__name__}); check it with kubectl") from None
    return configuration


def _advice(error: Exception, kubeconfig: Path | None, *, in_cluster: bool) -> str:
    if in_cluster:
        return f"this is not a pod with a service account: {clean(error)}; pass a kubeconfig instead"
    where = f"the kubeconfig {kubeconfig}" if kubeconfig else "the kubeconfig"
    return f"{where} cannot be used: {clean(error)}; set KUBECONFIG or pass --kubeconfig"


def _check(configuration: Any) -> None:
    address = urlsplit(str(configuration.host))
    loopback = _loopback(address.hostname or "")
    if loopback:
        # As kubectl does: nothing on this machine is reached through a proxy.
        configuration.proxy = None
    if not configuration.verify_ssl:
        fix = "remove insecure-skip-tls-verify and set certificate-authority"
        raise ConnectError(f"the kubeconfig turns the verification of {address.hostname} off; {fix}")
    if address.scheme != "https" and not (address.scheme == "http" and loopback):
        raise ConnectError(f"the API server's address {address.scheme}://{address.hostname} is not https; use https")


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
