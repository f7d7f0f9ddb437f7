"""From an image to its verdict as a team does it: the chart installed, `canary submit` by CI, the release in a Job.

Everybody has the chart's rights and no others, enforced by the API server; on the way pods are killed, evicted, started
twice and lost with their node, and nothing of that changes how it ends.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from canary.adapters.kubernetes.leases import ORIGIN
from canary.core.outcome import ExitCode
from canary.sandbox import disruptions
from canary.sandbox.app import Faults
from canary.sandbox.cluster import Sandbox
from canary.sandbox.manifests import ENGINE, NAMESPACE, deployment, image
from canary.sandbox.meddlers import ROUTE
from canary.sandbox.processes import environment
from canary.sandbox.scenarios import SCENARIOS, Scenario, release_file
from canary.submitting.changes import changes_of
from canary.submitting.reading import end_of
from strategies.route.model import canonical
from tests.charts.conftest import ENGINE_IMAGE
from tests.planted import sandboxed
from tests.sandbox.conftest import alone  # noqa: F401 - a fixture: the machine has few places for a sandbox with load

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

HERE = f"namespaces/{NAMESPACE}"
JOBS, PODS = f"/apis/batch/v1/{HERE}/jobs", f"/api/v1/{HERE}/pods"
DEPLOYMENT = f"/apis/apps/v1/{HERE}/deployments/shop"
LEASE = f"/apis/coordination.k8s.io/v1/{HERE}/leases/canary-shop"
USERS = {f"system:serviceaccount:{NAMESPACE}:{ENGINE}", "ci"}
CI = '[{"kind": "User", "name": "ci", "apiGroup": "rbac.authorization.k8s.io"}]'
REVIEWS = "selfsubjectaccessreviews.authorization.k8s.io"
ENV = [{"name": "PRICES", "value": "v2"}]
WITHIN = 400.0

STORIES = {
    # Each step long enough for what happens in it, and for the next pod, on a machine that does other things as well.
    "good": replace(SCENARIOS["good"], steps=((10, "25s", "50s"), (50, "15s", "40s"))),
    # Few enough that the judge needs seconds, in which something can happen to its pod.
    "errors": replace(SCENARIOS["errors"], canary=Faults(errors=0.04), steps=((10, "20s", "60s"), (50, "3s", "30s"))),
}

Objects = Callable[..., dict[tuple[str, str], dict[str, Any]]]
Mischief = Callable[["Shop", str], None]


class Shop:
    """A sandbox with the chart installed, and CI's way to it."""

    def __init__(self, sandbox: Sandbox, scenario: Scenario, installed: dict[tuple[str, str], dict[str, Any]]) -> None:
        assert sandbox.places is not None
        self.sandbox, self.folder = sandbox, sandbox.places.run
        for (kind, _), each in installed.items():
            if kind == "ConfigMap":
                assert sandbox.request("POST", f"/api/v1/{HERE}/configmaps", each)[0] == 201
        token = sandbox.request("POST", "/sandbox/users", {"name": "ci"})[1]["token"]
        self.kubeconfig = self.folder / "ci.kubeconfig"
        text = sandbox.places.admin.read_text()
        self.kubeconfig.write_text(text.replace(text.split("/as/")[1].split('"')[0], token))
        self.release = sandbox.write_release()
        # As in a real release: long enough for a pod to be replaced between a raise and the traffic that follows it.
        text = self.release.read_text().replace("timeout: 6s", "timeout: 60s")
        assert "bake: {min: 3s, max: 8s}" in text
        text = text.replace("bake: {min: 3s, max: 8s}", "bake: {min: 5s, max: 120s}")
        # A machine that does other things as well is slow; that is not what these stories are about.
        text = re.sub(r"\n +- latency:.*", "", text)
        # Env comes with the image, from a file that only CI has.
        assert "container: app" in text
        self.release.write_text(text.replace("container: app", "container: app, template: shop.json"))
        template = deployment("shop", version="v2", replicas=2)["spec"]["template"]
        template["spec"]["containers"][0]["env"] = ENV
        self.release.with_name("shop.json").write_text(json.dumps(template))
        self.before = canonical(sandbox.request("GET", ROUTE)[1]["spec"])
        sandbox.start_load(rate=scenario.rate, seconds=scenario.load_for)

    def submit(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "canary", "submit", str(self.release), "-o", "json"]
        command += ["--kubeconfig", str(self.kubeconfig), *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environment(), stdout=pipe, stderr=pipe, text=True)

    def env(self, suffix: str = "") -> Any:
        """What a Deployment's pods are told; None while it is not there."""
        status, found = self.sandbox.request("GET", f"{DEPLOYMENT}{suffix}")
        return found["spec"]["template"]["spec"]["containers"][0].get("env") if status == 200 else None

    def jobs(self) -> list[Any]:
        return list(self.sandbox.request("GET", JOBS)[1]["items"])

    def pods(self) -> list[Any]:
        path = f"{PODS}?labelSelector=batch.kubernetes.io/job-name"
        return list(self.sandbox.request("GET", path)[1]["items"])

    def running(self) -> str:
        """The pod that holds the release, as its lease says; empty while none does.

        A second pod of the Job may stand by beside it, for as long as the release lasts.
        """
        lease = self.sandbox.request("GET", LEASE)[1]
        origin = (lease.get("metadata", {}).get("annotations") or {}).get(ORIGIN, "{}")
        held = json.loads(origin).get("pod", "") if lease.get("spec", {}).get("holderIdentity") else ""
        alive = {
            pod["metadata"]["name"]
            for pod in self.pods()
            if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]
        }
        return str(held) if held in alive else ""

    def wait_for(self, condition: Callable[[], Any]) -> Any:
        end = time.monotonic() + WITHIN
        while not (found := condition()):
            assert time.monotonic() < end
            time.sleep(0.1)
        return found

    def said(self, phase: str, step: str) -> bool:
        """Whether the newest life of the engine has said, in its Job, that it is there."""
        jobs = self.jobs()
        told = changes_of(jobs[0]) if jobs else ()
        return bool(told) and told[-1].phase == phase and step in told[-1].line


def kill(shop: Shop, pod: str) -> None:
    disruptions.kill(shop.sandbox.request, NAMESPACE, pod)
    shop.wait_for(lambda: shop.running() not in {"", pod})


def evict(shop: Shop, pod: str) -> None:
    disruptions.evict(shop.sandbox.request, NAMESPACE, pod)
    shop.wait_for(lambda: shop.running() not in {"", pod})


def duplicate(shop: Shop, pod: str) -> None:
    del pod
    disruptions.duplicate(shop.sandbox.request, NAMESPACE, shop.jobs()[0]["metadata"]["name"])
    shop.wait_for(lambda: len(shop.pods()) > 1)


def lose(shop: Shop, pod: str) -> None:
    disruptions.lose(shop.sandbox.request, NAMESPACE, pod)
    shop.wait_for(lambda: "deletionTimestamp" in shop.sandbox.request("GET", f"{PODS}/{pod}")[1]["metadata"])
    disruptions.remove_node(shop.sandbox.request)


def play(shop: Shop, mischief: list[tuple[str, str, Mischief]], done: list[str]) -> None:
    for phase, step, act in mischief:
        while not shop.said(phase, step):
            if end_of(shop.jobs()[0]) is not None:
                return
            time.sleep(0.1)
        act(shop, shop.wait_for(shop.running))
        done.append(act.__name__)


@pytest.mark.parametrize(
    ("name", "mischief"),
    [
        ("errors", [("JUDGING", "step 1", evict)]),
        pytest.param(
            "good",
            [
                ("JUDGING", "step 1", duplicate),
                ("JUDGING", "step 1", lose),
                ("JUDGING", "step 2", kill),
                ("BAKING", "bake", evict),
            ],
            marks=pytest.mark.soak,  # two minutes of pods that really come and go
        ),
    ],
)
def test_a_submitted_release_ends_as_it_must_whatever_happens_to_its_pods(
    alone: None,  # noqa: F811 - the fixture
    objects: Objects,
    name: str,
    mischief: list[tuple[str, str, Mischief]],
) -> None:
    scenario = STORIES[name]
    text = release_file(scenario, metrics=("http://127.0.0.1:1/metrics",))
    values = {"job.image": ENGINE_IMAGE, "serviceAccount.name": ENGINE, "job.nodeLossSeconds": "0"}
    installed = objects(text, "--set-json", f"rbac.submitters={CI}", **values)
    access = [each for (kind, _), each in installed.items() if kind in {"ServiceAccount", "Role", "RoleBinding"}]
    with sandboxed(scenario, access=access) as sandbox:
        shop = Shop(sandbox, scenario, installed)
        ci = shop.submit()
        shop.wait_for(shop.jobs)
        shop.wait_for(lambda: shop.env("-canary") == ENV)
        done: list[str] = []
        meddler = threading.Thread(target=play, args=(shop, mischief, done))
        meddler.start()
        again = shop.submit()  # a pipeline that was restarted
        out, err = ci.communicate(timeout=WITHIN)
        meddler.join(WITHIN)
        again_out, again_err = again.communicate(timeout=60)
        told, attached = json.loads(out), json.loads(again_out)
        assert (ci.returncode, again.returncode) == (scenario.ends, scenario.ends), err
        assert (told["attached"], attached["attached"], told["job"]) == (False, True, attached["job"])
        assert "attached to" in again_err
        assert done == [act.__name__ for _, _, act in mischief], err
        check_the_end(shop, scenario, disruptions_met=len(done))


def check_the_end(shop: Shop, scenario: Scenario, *, disruptions_met: int) -> None:
    (job,) = shop.jobs()
    assert [one["type"] for one in job["status"]["conditions"]][-1] == ("Failed" if scenario.ends else "Complete")
    assert canonical(shop.sandbox.request("GET", ROUTE)[1]["spec"]) == shop.before
    stable = shop.sandbox.request("GET", DEPLOYMENT)[1]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert stable == image("v1" if scenario.ends else "v2")
    assert shop.env() == (None if scenario.ends else ENV)
    assert shop.sandbox.request("GET", f"{DEPLOYMENT}-canary")[0] == 404
    asked = shop.sandbox.request("GET", "/sandbox/requests")[1]["requests"]
    ours = [one for one in asked if one["user"] in USERS]
    assert len(ours) > 50
    assert [one for one in ours if one["code"] == 403] == []
    assert {one["namespace"] for one in ours if one["resource"] != REVIEWS} == {NAMESPACE}
    said = (changes_of(job)[-1].code, disruptions_met > 0)
    assert said == (int(scenario.ends), True)
    kept = shop.submit()
    out, err = kept.communicate(timeout=60)
    assert (kept.returncode, len(shop.jobs())) == (scenario.ends, 1), err
    if scenario.ends is ExitCode.JUDGED_BAD:
        assert "--again" in err
    assert Path(shop.release).exists()
    assert json.loads(out)["attached"] is True
