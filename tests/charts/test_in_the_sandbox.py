"""A real release with nothing but the chart's rights, started as the chart's Job starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from canary.sandbox.cluster import Sandbox
from canary.sandbox.manifests import ENGINE, NAMESPACE, image
from canary.sandbox.meddlers import ROUTE
from canary.sandbox.processes import environment
from canary.sandbox.scenarios import SCENARIOS, release_file
from strategies.route.model import canonical
from tests.sandbox.conftest import alone  # noqa: F401 - a fixture: the machine has few places for a sandbox with load

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{ENGINE}"


@pytest.mark.parametrize("name", ["crash"])
def test_a_release_ends_as_promised_with_the_charts_rights(
    alone: None,  # noqa: F811 - the fixture
    objects: Callable[..., dict[tuple[str, str], dict[str, Any]]],
    job_values: dict[str, str],
    tmp_path: Path,
    name: str,
) -> None:
    scenario = SCENARIOS[name]
    text = release_file(scenario, metrics=("http://127.0.0.1:1/metrics",))
    values = {**job_values, "release.image": image("v2"), "serviceAccount.name": ENGINE}
    rendered = objects(text, **values)
    access = [each for (kind, _), each in rendered.items() if kind in {"ServiceAccount", "Role", "RoleBinding"}]
    (job,) = (each for (kind, _), each in rendered.items() if kind == "Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    with Sandbox(scenario, access=access) as sandbox:
        assert sandbox.places is not None
        before = sandbox.request("GET", ROUTE)[1]["spec"]
        sandbox.start_load(rate=scenario.rate, seconds=scenario.load_for)
        words = [str(sandbox.write_release()) if word.startswith("/etc/") else word for word in container["args"]]
        assert words != container["args"]
        ran = subprocess.run(
            [sys.executable, "-m", "canary", *words, "--kubeconfig", str(sandbox.places.engine), "-o", "json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=200,
            # As in the Job's pod: it knows its own name.
            env={**environment(), **{each["name"]: "here" for each in container["env"]}},
            cwd=tmp_path,
            check=False,
        )
        assert ran.returncode == scenario.ends, ran.stderr
        assert scenario.because in json.loads(ran.stdout)["reason"]
        assert canonical(sandbox.request("GET", ROUTE)[1]["spec"]) == canonical(before)
        asked = [each for each in sandbox.request("GET", "/sandbox/requests")[1]["requests"] if each["user"] == ACCOUNT]
        assert len(asked) > 50
        assert [each for each in asked if each["code"] == 403] == []
        assert {
            each["namespace"] for each in asked if each["resource"] != "selfsubjectaccessreviews.authorization.k8s.io"
        } == {NAMESPACE}
