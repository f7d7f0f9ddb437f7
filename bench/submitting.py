"""`canary submit`: how fast a second one attaches, and what a release that holds asks of the API server."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bar import Figure

from canary.sandbox.cluster import Sandbox
from canary.sandbox.manifests import NAMESPACE
from canary.sandbox.processes import environment, module
from canary.sandbox.scenarios import SCENARIOS
from canary.submitting.changes import changes_of

HOLDING = replace(SCENARIOS["good"], steps=((10, "20m", "30m"),), every="10s")
ENGINE, CI = f"system:serviceaccount:{NAMESPACE}:canary-engine", "ci"
IMAGE = "registry.test/canary@sha256:" + "a" * 64
WINDOW = 120.0
"""Seconds in which requests are counted: the lease, the journal and the record come by several times."""


def submitting(repeat: int) -> Iterator[Figure]:
    """One release that holds a step; others attach to it; its requests are counted."""
    with Sandbox(HOLDING) as sandbox:
        if sandbox.places is None:
            raise SystemExit("the sandbox is not up")
        data = {"account": "canary-engine", "values.json": json.dumps({"image": IMAGE})}
        settings = {"metadata": {"name": "canary-shop-job"}, "data": data}
        sandbox.request("POST", f"/api/v1/namespaces/{NAMESPACE}/configmaps", settings)
        token = sandbox.request("POST", "/sandbox/users", {"name": CI, "groups": ["system:masters"]})[1]["token"]
        admin = sandbox.places.admin.read_text()
        kubeconfig = sandbox.places.run / "ci.kubeconfig"
        kubeconfig.write_text(admin.replace(admin.split("/as/")[1].split('"')[0], token))
        sandbox.start_load(rate=100.0, seconds=1800.0)
        release = sandbox.write_release()
        release.write_text(
            release.read_text().replace("deadline: 4m", "deadline: 2h").replace("timeout: 6s", "timeout: 2m")
        )
        command = module("canary", "submit", str(release), "--kubeconfig", str(kubeconfig))
        with (sandbox.places.run / "followed.log").open("w") as sink, _submit(command, sink.fileno()) as first:
            try:
                _until_it_holds(sandbox)
                attached = [_attach(command) for _ in range(max(repeat, 3))]
                yield Figure(
                    name="canary submit: attached to the running release, s", values=[a for a, _ in attached], bar=1.0
                )
                yield Figure(name="canary submit: processor time of attaching, s", values=[cpu for _, cpu in attached])
                since = max(int(one["number"]) for one in _asked(sandbox, 0))
                time.sleep(WINDOW)
                asked = _asked(sandbox, since)
                for user, bar in ((ENGINE, 12.01), (CI, None)):
                    rate = 60.0 * sum(one["user"] == user for one in asked) / WINDOW
                    yield Figure(name=f"while a step holds: API requests a minute of {user}", values=[rate], bar=bar)
            finally:
                first.send_signal(signal.SIGINT)


def _submit(command: list[str], sink: int) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own command
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=sink, text=True, env=environment()
    )


def _attach(command: list[str]) -> tuple[float, float]:
    """Seconds from the start of the process to the line that says it, and its processor time until it was ended."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with _submit(command, subprocess.PIPE) as process:
        line = process.stderr.readline() if process.stderr else ""
        took = time.monotonic() - began
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    if not line.startswith("attached to"):
        raise SystemExit(f"it did not attach: {line}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _until_it_holds(sandbox: Sandbox) -> None:
    end = time.monotonic() + 180.0
    while time.monotonic() < end:
        jobs = sandbox.request("GET", f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs")[1]["items"]
        told = changes_of(jobs[0]) if jobs else ()
        if told and told[-1].phase == "JUDGING":
            return
        time.sleep(0.5)
    places = sandbox.places
    raise SystemExit("it never held a step\n" + (Path(places.run / "followed.log").read_text() if places else ""))


def _asked(sandbox: Sandbox, since: int) -> list[dict[str, str]]:
    return list(sandbox.request("GET", f"/sandbox/requests?since={since}")[1]["requests"])
