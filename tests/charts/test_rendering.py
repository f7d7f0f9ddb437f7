"""What helm says about the chart: lint, template, golden renders, and clear sentences for bad values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from canary import __version__

ROOT = Path(__file__).parents[2]
CHART, RELEASES, GOLDEN = ROOT / "charts" / "canary", ROOT / "examples" / "releases", Path(__file__).parent / "golden"
VIEWERS = 'rbac.viewers=[{"kind": "Group", "name": "developers", "apiGroup": "rbac.authorization.k8s.io"}]'
SUBMITTERS = 'rbac.submitters=[{"kind": "ServiceAccount", "name": "ci", "namespace": "build"}]'
Objects = Callable[..., dict[tuple[str, str], dict[str, Any]]]


def lines_of(text: str) -> list[str]:
    """All but blank lines, which helm's versions set differently."""
    return [line for line in text.splitlines() if line.strip()]


def test_lint_is_content(helm: Any) -> None:
    for release in ("minimal", "full"):
        file = f"release.file={RELEASES / release}.yaml"
        ran = helm("lint", "--strict", str(CHART), "--namespace", "shop", "--set-file", file)
        assert ran.code == 0, ran.out + ran.err
    assert helm("lint", str(CHART)).code == 0  # without any value, as chart museums do


@pytest.mark.parametrize(("release", "job"), [("minimal", False), ("minimal", True), ("full", True), ("scrape", True)])
def test_the_rendering_is_the_golden_one(
    helm: Any, job_values: dict[str, str], release: str, job: bool, documents: Callable[[str], Any]
) -> None:
    words = ("--set-json", VIEWERS, "--set-json", SUBMITTERS)
    file = RELEASES / f"{release}.yaml"
    namespace = YAML(typ="safe").load(file)["metadata"]["namespace"]
    values = job_values if job else {}
    ran = helm.render(file, *words, name="user-service", namespace=namespace, **values)
    assert ran.code == 0, ran.err
    like_the_golden_one(ran.out, f"{release}{'-job' if job else ''}.yaml")
    names = [(each["kind"], each["metadata"]["name"]) for each in documents(ran.out)]
    assert len(set(names)) == len(names)


def like_the_golden_one(text: str, name: str) -> None:
    golden = GOLDEN / name
    if not golden.exists():
        golden.write_text(text, encoding="utf-8")
        pytest.fail(f"{name} was missing and is written; read it, and run again")
    again = f"if it is meant, delete {name} and run again"
    assert lines_of(text) == lines_of(golden.read_text(encoding="utf-8")), again


def test_pod_monitors_are_the_golden_ones_and_need_something_to_scrape(
    helm: Any, job_values: dict[str, str], documents: Callable[[str], Any]
) -> None:
    wanted = {"podMonitor.create": "true", "podMonitor.labels.release": "prometheus", "watchdog.create": "true"}
    wanted["watchdog.image"] = job_values["job.image"]
    refused = helm.render(RELEASES / "minimal.yaml", **wanted)
    assert "job.metricsPort" in refused.err
    values = {**wanted, **job_values, "job.metricsPort": "9090"}
    only = helm.render(RELEASES / "minimal.yaml", "--show-only", "templates/podmonitor.yaml", name="x", **values)
    assert only.code == 0, only.err
    like_the_golden_one(only.out, "monitored.yaml")
    everything = documents(helm.render(RELEASES / "minimal.yaml", name="x", **values).out)
    pods = [each["spec"]["template"] for each in everything if each["kind"] in {"Job", "Deployment"}]
    for monitor in documents(only.out):
        wanted_labels = monitor["spec"]["selector"]["matchLabels"]
        (chosen,) = (pod for pod in pods if wanted_labels.items() <= pod["metadata"]["labels"].items())
        ports = [port["name"] for port in chosen["spec"]["containers"][0]["ports"]]
        assert [each["port"] for each in monitor["spec"]["podMetricsEndpoints"]] == ports


def test_every_verb_says_why(helm: Any) -> None:
    ran = helm.render(RELEASES / "full.yaml")
    verbs = re.findall(r"^ +- (get|list|watch|create|update|patch|delete|\*)\b(.*)$", ran.out, re.MULTILINE)
    assert len(verbs) > 30
    assert all(re.fullmatch(r" # \w.{5,}", why) for _, why in verbs), verbs
    assert not any("*" in verb for verb, _ in verbs)
    assert '"*"' not in ran.out


def test_a_template_beside_the_release_file_is_asked_for_and_not_forgotten(
    helm: Any, job_values: dict[str, str], documents: Callable[[str], Any], tmp_path: Path
) -> None:
    template = f"release.template={RELEASES / 'deploy' / 'user-service.yaml'}"
    (tmp_path / "another").write_text("another")
    ran = helm.render(RELEASES / "with-config.yaml", **job_values)
    assert "--set-file release.template=deploy/user-service.yaml" in ran.err
    ran = helm.render(RELEASES / "minimal.yaml", "--set-file", template, **job_values)
    assert "the release file names none" in ran.err
    names = set()
    for given in (template, f"release.template={tmp_path / 'another'}"):
        ran = helm.render(RELEASES / "with-config.yaml", "--set-file", given, **job_values)
        names.add(next(each["metadata"]["name"] for each in documents(ran.out) if each["kind"] == "Job"))
    assert len(names) == 2


def test_only_where_a_template_is_released_may_ci_read_a_deployments_history(objects: Objects, minimal: str) -> None:
    def asked(text: str) -> bool:
        rules = objects(text)["Role", "canary-user-service-submitter"]["rules"]
        return {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["list"]} in rules

    assert not asked(minimal)
    assert asked((RELEASES / "with-config.yaml").read_text())


def test_what_the_chart_asks_for_is_read_only_for_viewers(objects: Objects, minimal: str) -> None:
    roles = objects(minimal, "--set-json", VIEWERS)
    viewer = roles["Role", "canary-user-service-viewer"]
    assert {verb for rule in viewer["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    binding = roles["RoleBinding", "canary-user-service-viewer"]
    assert [each["name"] for each in binding["subjects"]] == ["developers"]
    assert ("RoleBinding", "canary-user-service-submitter") not in roles


def test_whoever_may_abort_may_move_this_routes_weights_and_nothing_else(objects: Objects, minimal: str) -> None:
    rendered = objects(minimal, "--set-json", VIEWERS.replace("viewers", "aborters"))
    (rule,) = rendered["Role", "canary-user-service-aborter"]["rules"]
    assert (rule["resources"], rule["resourceNames"]) == (["httproutes"], ["user-service-route"])
    assert rule["verbs"] == ["get", "patch"]
    assert rendered["RoleBinding", "canary-user-service-aborter"]["subjects"][0]["name"] == "developers"


def test_nobody_may_read_secrets_or_roles(objects: Objects, minimal: str) -> None:
    for (kind, _), role in objects(minimal).items():
        if kind == "Role":
            asked = {each for rule in role["rules"] for each in rule["resources"]}
            assert asked.isdisjoint({"secrets", "roles", "rolebindings", "serviceaccounts", "pods/exec", "*"})


def test_where_old_records_stay_the_engine_deletes_no_configmap_but_its_copies(objects: Objects, minimal: str) -> None:
    def deletes(text: str, wanted: str) -> bool:
        rules = objects(text, "--set", f"rbac.deleteOldRecords={wanted}")["Role", "canary-user-service"]["rules"]
        return any("delete" in rule["verbs"] for rule in rules if rule["resources"] == ["configmaps"])

    assert deletes(minimal, "true")
    assert not deletes(minimal, "false")
    copies = (RELEASES / "with-config.yaml").read_text().replace("# versioned:", "versioned:")
    assert deletes(copies, "false")


def test_what_somebody_else_makes_is_left_to_them(objects: Objects, minimal: str) -> None:
    off = {"rbac.create": "false", "serviceAccount.create": "false", "serviceAccount.name": "releases"}
    assert objects(minimal, **off) == {}
    rendered = objects(minimal, **{"serviceAccount.create": "false", "serviceAccount.name": "releases"})
    assert rendered["RoleBinding", "canary-user-service"]["subjects"][0]["name"] == "releases"


def test_a_service_whose_name_is_a_word_of_yaml_stays_a_name(objects: Objects, minimal: str) -> None:
    text = minimal.replace("service: user-service,", 'service: "true",')
    for each in objects(text).values():
        assert each["metadata"]["labels"]["canary-engine.io/service"] == "true"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "release.file is empty: pass the release file with --set-file"),
        ("a: [", "release.file is not YAML"),
        ("- a", "release.file is not YAML"),
        ("apiVersion: v1\nkind: Pod\n", "must begin with apiVersion: canary/v1"),
        ("apiVersion: canary/v1\nkind: Release\nspec: {{}}\n", "has no metadata, or it is no mapping"),
        ("{head}spec: 5\n", "has no spec, or it is no mapping"),
        ("{head}spec: {{route: shop}}\n", "has no spec.route, or it is no mapping"),
        ("{head}spec: {{route: {{name: r}}, stable: {{port: 1}}}}\n", "has no spec.stable.service"),
        ("{head}spec: {{route: {{name: r}}, stable: {{service: s}}, workload: x}}\n", "has no spec.workload, or it"),
        ("{head}spec: {{route: {{name: r, kind: TCPRoute}}, stable: {{service: s}}}}\n", "HTTPRoute or GRPCRoute"),
        ("{minimal_elsewhere}", 'is for namespace "elsewhere", and this would go to "shop"'),
    ],
)
def test_a_bad_release_file_is_refused_with_a_sentence(
    helm: Any, minimal: str, tmp_path: Path, text: str, words: str
) -> None:
    head = "apiVersion: canary/v1\nkind: Release\nmetadata: {name: x, namespace: shop}\n"
    elsewhere = minimal.replace("namespace: shop", "namespace: elsewhere")
    file = tmp_path / "release.yaml"
    file.write_text(text if text == "a: [" else text.format(head=head, minimal_elsewhere=elsewhere))
    ran = helm.render(file)
    assert ran.code != 0
    assert words in ran.err


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"release.image": ""}, "release.image is empty"),
        ({"release.image": "registry.test/app:1.2"}, "is not pinned"),
        ({"release.image": "registry.test/app@sha256:abc"}, "is not pinned"),
        ({"job.image": ""}, "job.image is empty"),
        ({"job.backoffLimit": "2"}, "/job/backoffLimit"),
        ({"job.user": "0"}, "/job/user"),
        ({"job.terminationGracePeriodSeconds": "5"}, "/job/terminationGracePeriodSeconds"),
        ({"job.imagePullPolicy": "Sometimes"}, "/job/imagePullPolicy"),
        ({"release.attempt": "0"}, "/release/attempt"),
        ({"jobs.create": "true"}, "jobs"),
    ],
)
def test_bad_values_are_refused_with_their_place(
    helm: Any, job_values: dict[str, str], values: dict[str, str], words: str
) -> None:
    ran = helm.render(RELEASES / "minimal.yaml", **{**job_values, **values})
    assert ran.code != 0
    assert words in ran.err


def test_a_tag_is_taken_when_it_is_allowed(objects: Objects, minimal: str, job_values: dict[str, str]) -> None:
    values = {**job_values, "release.image": "registry.test/app:1.2", "release.allowMutableTags": "true"}
    (job,) = (each for (kind, _), each in objects(minimal, **values).items() if kind == "Job")
    assert job["spec"]["template"]["spec"]["containers"][0]["args"][-2:] == ["--image", "registry.test/app:1.2"]


def test_the_schema_knows_every_value_and_its_default_fits() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    Draft7Validator.check_schema(schema)
    values = YAML(typ="safe").load(CHART / "values.yaml")
    Draft7Validator(schema).validate(values)
    known = {(part, key) for part, each in schema["properties"].items() for key in each.get("properties", ())}
    assert known == {(part, key) for part, each in values.items() for key in each}


def test_every_value_is_explained() -> None:
    lines = (CHART / "values.yaml").read_text(encoding="utf-8").splitlines()
    told = [at for at, line in enumerate(lines) if line.lstrip().startswith("#")]
    assert len(told) > 25
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    for value in re.findall(r"`((?:release|serviceAccount|rbac|job)\.\w+)", readme):
        part, key = value.split(".")
        assert key in YAML(typ="safe").load(CHART / "values.yaml")[part], value


def test_the_chart_is_of_the_engines_version() -> None:
    about = YAML(typ="safe").load(CHART / "Chart.yaml")
    assert about["appVersion"] == __version__


def test_the_notes_say_what_to_do_next(helm: Any, job_values: dict[str, str]) -> None:
    words = ("install", "x", str(CHART), "--dry-run=client", "--namespace", "shop")
    file = ("--set-file", f"release.file={RELEASES / 'minimal.yaml'}")
    ran = helm(*words, *file)
    assert ran.code == 0, ran.err
    notes = ran.out.partition("NOTES:")[2]
    assert "Nothing runs yet" in notes
    assert "canary submit FILE" in notes
    assert " 10  rolled back by the judge" in notes
    with_job = helm(*words, *file, *(word for item in job_values.items() for word in ("--set", "=".join(item))))
    assert "logs -f job/canary-user-service-" in with_job.out.partition("NOTES:")[2]
