"""`canary submit` and the chart make the same Job: one is written in Python and one for helm, and neither drifts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from canary import __version__
from canary.adapters.kubernetes.paths import named
from canary.spec import parse
from canary.submitting.job import FILE_NOTE, TEMPLATE_NOTE, Submission, job_of, template_text
from canary.submitting.values import JobValues
from tests.charts.conftest import JOB

ROOT = Path(__file__).parents[2]
RELEASES = ROOT / "examples" / "releases"
Objects = Callable[..., dict[tuple[str, str], dict[str, Any]]]

EVERYTHING = {
    "imagePullSecrets": [{"name": "registry"}],
    "backoffLimit": 9,
    "activeDeadlineSeconds": 100_000,
    "ttlSecondsAfterFinished": 60,
    "terminationGracePeriodSeconds": 90,
    "nodeLossSeconds": 5,
    "resources": {"requests": {"cpu": "1"}},
    "metricsPort": 9090,
    "user": 1000,
    "priorityClassName": "high",
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "affinity": {"nodeAffinity": {}},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "podAnnotations": {"linkerd.io/inject": "enabled"},
    "podLabels": {"team": "pay"},
    "env": [{"name": "TZ", "value": "UTC"}],
    "volumes": [{"name": "token", "secret": {"secretName": "prometheus"}}],
    "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets/prometheus"}],
}


def alike(job: dict[str, Any]) -> dict[str, Any]:
    """What must be the same: all but the name, and how the release file gets to its place."""
    spec = json.loads(json.dumps(job["spec"]))
    template = spec["template"]
    for note in (FILE_NOTE, TEMPLATE_NOTE):
        template["metadata"]["annotations"].pop(note, None)
    template["spec"]["volumes"] = [one for one in template["spec"]["volumes"] if one["name"] != "release"]
    (container,) = template["spec"]["containers"]
    container["env"] = [one for one in container["env"] if one["name"] != "JOB_NAME"]
    container["env"].sort(key=lambda one: str(one["name"]))
    return dict(spec)


@pytest.mark.parametrize("release", ["minimal", "full", "scrape", "with-config"])
@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_the_chart_and_submit_make_the_same_job(objects: Objects, release: str, values: dict[str, Any]) -> None:
    text = (RELEASES / f"{release}.yaml").read_text(encoding="utf-8")
    file = parse(text.encode(), file="release.yaml", image=JOB["release.image"], folder=RELEASES)
    template = template_text(file)
    words = ["--set-file", f"release.template={RELEASES / 'deploy/user-service.yaml'}"] if template else []
    words += [word for key, value in values.items() for word in ("--set-json", f"job.{key}={json.dumps(value)}")]
    rendered = objects(text, *words, namespace=file.metadata.namespace, **JOB)
    (chart,) = (each for (kind, _), each in rendered.items() if kind == "Job")
    settings = rendered["ConfigMap", named("canary", file.spec.stable.service, "job", limit=63)]["data"]
    assert settings["version"] == __version__
    ours = job_of(
        Submission(
            file=file,
            text=text,
            values=JobValues.model_validate_json(settings["values.json"]),
            name="x",
            identity="0" * 64,
            attempt=1,
            nonce="n",
            account=settings["account"],
            version=__version__,
        )
    )
    assert alike(ours) == alike(chart)
    notes = ours["spec"]["template"]["metadata"]["annotations"]
    assert (notes[FILE_NOTE], notes.get(TEMPLATE_NOTE, "")) == (text, template)
    names = {FILE_NOTE: "release.yaml", TEMPLATE_NOTE: "template.yaml"}
    (volume,) = (one for one in ours["spec"]["template"]["spec"]["volumes"] if one["name"] == "release")
    mounted = {one["path"]: one["fieldRef"]["fieldPath"] for one in volume["downwardAPI"]["items"]}
    assert mounted == {name: f"metadata.annotations['{note}']" for note, name in names.items() if note in notes}
    (files,) = (each["data"] for each in rendered.values() if "release.yaml" in each.get("data", {}))
    assert files.get("template.yaml", "") == template


def test_submits_defaults_are_the_charts() -> None:
    values = YAML(typ="safe").load(ROOT / "charts" / "canary" / "values.yaml")["job"]
    values.pop("create")
    assert JobValues().model_dump(by_alias=True) == values
