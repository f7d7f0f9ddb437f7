"""The watchdog: the engine of a bad canary killed with nobody else alive, and a thousand leases looked over."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bar import Figure

from canary.adapters.kubernetes import connect
from canary.adapters.kubernetes.fleets import KubernetesFleets
from canary.adapters.kubernetes.paths import LEASE, MANAGED
from canary.core import vigil
from canary.sandbox.cluster import Sandbox
from canary.sandbox.manifests import NAMESPACE
from canary.sandbox.meddlers import ROUTE
from canary.sandbox.processes import Child, environment, module
from canary.sandbox.scenarios import SCENARIOS

RELEASES = 1_000
PATIENCE = 120.0


def watchdog(repeat: int) -> Iterator[Figure]:
    """With the true Numbers: from SIGKILL to traffic on stable, and one look over a thousand releases."""
    killed = [_killed() for _ in range(min(repeat, 3))]
    name = "watchdog alone: SIGKILL of the engine to the canary's weight at 0, s"
    yield Figure(name=name, values=[one for one, _ in killed], bar=45.0, worst=True)
    yield Figure(name="watchdog alone: resident memory at most, MiB", values=[most for _, most in killed], bar=128.0)
    yield Figure(
        name="watchdog: 1,000 releases looked over, s", values=_looked_over(max(repeat, 3)), bar=2.0, worst=True
    )


def _killed() -> tuple[float, float]:
    with Sandbox(SCENARIOS["errors"]) as sandbox:
        if sandbox.places is None:
            raise SystemExit("the sandbox is not up")
        words = ("watchdog", "-n", NAMESPACE, "--kubeconfig", str(sandbox.watchdog()))
        dog = Child(module("canary", *words), log=sandbox.places.run / "watchdog.log")
        sandbox.start_load(rate=200.0, seconds=600.0)
        file = str(sandbox.write_release())
        command = module("canary", "run", file, "--kubeconfig", str(sandbox.places.engine), "--lines")
        with subprocess.Popen(  # noqa: S603 - our own command
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
        ) as engine:
            _until(lambda: _weight(sandbox) > 0)
            engine.kill()
            began = time.monotonic()
        most = 0.0
        while _weight(sandbox) > 0 and time.monotonic() - began < PATIENCE:
            most = max(most, _resident(dog.pid))
            time.sleep(0.05)
        took = time.monotonic() - began
        dog.stop()
        return took, most


def _weight(sandbox: Sandbox) -> int:
    _, route = sandbox.request("GET", ROUTE)
    refs = route["spec"]["rules"][0]["backendRefs"]
    return sum(ref["weight"] for ref in refs if ref["name"] == "shop-canary")


def _until(holds: object) -> None:
    end = time.monotonic() + PATIENCE
    while callable(holds) and not holds():
        if time.monotonic() > end:
            raise SystemExit("no traffic came to the canary: the figures would mean nothing")
        time.sleep(0.01)


def _resident(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20
    except (OSError, IndexError):
        return 0.0


def _looked_over(repeat: int) -> list[float]:
    """A list from the API server's emulator and the decision about every lease in it, all of them abandoned."""
    with tempfile.TemporaryDirectory() as folder:
        api = Child(module("canary.sandbox.apiserver", "--port", "0"), log=Path(folder) / "api.log", pipe=True)
        try:
            said = api.ready(30.0)
            config = Path(folder) / "kubeconfig"
            config.write_text(_kubeconfig(said["url"], said["tokens"]["admin"]))
            client = connect(kubeconfig=config)
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
            client.create("/api/v1/namespaces", namespace, doing="making a namespace")
            for number in range(RELEASES):
                client.create(LEASE.path(NAMESPACE), _lease(number), doing="making a lease")
            fleets, times = KubernetesFleets(client, namespace=None), []
            for _ in range(repeat):
                state = vigil.listed(vigil.Vigil(), fleets.read(), 0.0)
                began = time.perf_counter()
                state = vigil.listed(state, fleets.read(), 5.0)
                state, _ = vigil.decide(state, 5.0)
                times.append(time.perf_counter() - began)
                if len(state.leases) != RELEASES:
                    raise SystemExit(f"{len(state.leases)} leases were seen")
            return times
        finally:
            api.stop()


def _lease(number: int) -> dict[str, object]:
    name = f"canary-route-{number}"
    notes = {"canary-engine.io/route": f"HTTPRoute/route-{number}", "canary-engine.io/origin": "x" * 150}
    metadata = {"name": name, "namespace": NAMESPACE, "labels": dict(MANAGED), "annotations": notes}
    spec = {"holderIdentity": f"engine{number}", "leaseDurationSeconds": 30}
    return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}


def _kubeconfig(server: str, token: str) -> str:
    return f"""\
apiVersion: v1
kind: Config
current-context: it
clusters: [{{name: it, cluster: {{server: "{server}"}}}}]
users: [{{name: it, user: {{token: "{token}"}}}}]
contexts: [{{name: it, context: {{cluster: it, user: it}}}}]
"""
