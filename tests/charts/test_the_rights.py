"""The rendered rights, enforced by the API server: enough for a release, and nothing that preflight does not need."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from analysis.model import Arm
from analysis.sources import Reading
from analysis.sources.model import Key, Role, Sample
from canary.adapters.kubernetes import KubernetesPreflights, KubernetesRoutes, KubernetesWorkloads
from canary.adapters.kubernetes.budget import Pacer
from canary.core.outcome import ExitCode
from canary.ports import Problem
from strategies import Pool, RefId

pytestmark = pytest.mark.real

Objects = Callable[..., dict[tuple[str, str], dict[str, Any]]]
PLURALS = {
    "ServiceAccount": "serviceaccounts",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "ConfigMap": "configmaps",
    "Job": "jobs",
}
AROUND = {(verb, plural) for verb in ("list", "patch") for plural in ("horizontalpodautoscalers", "scaledobjects")} | {
    ("list", plural)
    for plural in (
        "networkpolicies",
        "poddisruptionbudgets",
        "servicemonitors",
        "podmonitors",
        "authorizationpolicies",
    )
}
"""What stands around stable: without these preflight warns, or knows less."""
OPTIONAL = {("get", "pods"), ("create", "events"), ("delete", "configmaps")} | {
    (verb, "jobs") for verb in ("get", "patch")
}
"""Without these a release works: it waits out a dead engine's lease, tells less, and old records stay."""

RELEASE = """\
apiVersion: canary/v1
kind: Release
metadata: {{name: shop, namespace: {namespace}}}
spec:
  route: {{name: shop}}
  stable: {{service: shop, port: 8080}}
  {arm}
  analysis:
    source: {{scrape: {{urls: ["http://127.0.0.1:1/metrics"]}}}}
    gateway: traefik
"""
ARMS = {"workload": "workload: {name: shop, container: app}", "services": "canary: {service: help}"}


class Said:
    """A source that knows stable."""

    def read(self, *, timeout: float) -> Reading:
        assert timeout > 0
        return Reading(at=0.0, samples=(Sample(Key("errors", Arm.STABLE, Role.TOTAL), "s", 1.0, 7.0),))


def root(kind: str) -> str:
    """The API group's root of a kind that the chart makes."""
    groups = {"Job": "/apis/batch/v1", "Role": "/apis/rbac.authorization.k8s.io/v1"}
    return groups.get(kind.removesuffix("Binding"), "/api/v1")


def install(cluster: Any, item: dict[str, Any]) -> None:
    """Create an object; a field that the API does not know is an error."""
    path = f"{root(item['kind'])}/namespaces/{cluster.namespace}/{PLURALS[item['kind']]}"
    status, answer = cluster.request("POST", f"{path}?fieldValidation=Strict", item)
    assert status == 201, answer


def rendered_for(objects: Objects, cluster: Any, arm: str, *words: str, **values: str) -> dict[Any, dict[str, Any]]:
    text = RELEASE.format(namespace=cluster.namespace, arm=ARMS[arm])
    return objects(text, *words, namespace=cluster.namespace, **values)


def log_in(cluster: Any, user: str, name: str) -> None:
    """Make a user known to the API server."""
    status, answer = cluster.request("POST", "/sandbox/users", {"name": name})
    assert status == 201, answer
    cluster.tokens[user] = answer["token"]


@pytest.fixture
def cleaned(cluster: Any) -> Iterator[Any]:
    """The cluster; users that a test made are forgotten."""
    known = dict(cluster.tokens)
    yield cluster
    cluster.tokens.clear()
    cluster.tokens.update(known)


def preflight(cluster: Any, arm: str, **more: Any) -> list[Problem]:
    api = cluster.api("chart")
    api.pacer = Pacer(sleep=lambda _: None)
    space = cluster.namespace
    canary = "shop-canary" if arm == "workload" else "help"
    workloads = KubernetesWorkloads(
        api,
        namespace=space,
        release="f00d",
        deployment="shop",
        container="app",
        image="example.test/shop@sha256:" + "2" * 64,
        stable_service="shop",
        canary_service=canary,
        port=8080,
        **more,
    )
    return KubernetesPreflights(
        api,
        namespace=space,
        routes=KubernetesRoutes(api, namespace=space, name="shop"),
        pool=Pool(
            stable=RefId("Service", "", space, "shop", 8080),
            canary=RefId("Service", "", space, canary, 8080),
            baseline=RefId("Service", "", space, fresh, 8080) if (fresh := more.get("baseline_service")) else None,
        ),
        selectors=None,
        shares=(Decimal(5), Decimal(50)),
        release="f00d",
        workloads=workloads if arm == "workload" else None,
        sources=Said(),
    ).check()


@pytest.fixture(params=sorted(ARMS))
def engine(request: pytest.FixtureRequest, shop: Any, cleaned: Any, controller: Any, objects: Objects) -> Any:
    """The shop, the chart installed in it, and its engine logged in; gives (arm, the role)."""
    arm = request.param
    if arm == "services":
        deployment = shop.get("deployments", "shop")
        labels = {"app": "help"}
        spec = copy.deepcopy(deployment["spec"])
        spec["selector"], spec["template"]["metadata"]["labels"] = {"matchLabels": labels}, labels
        body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "help"}, "spec": spec}
        before = len(ready(shop))
        shop.create(shop.path("deployments"), body)
        wait_until(lambda: len(ready(shop)) > before)
        # The canary's Service stands outside of the rule so far.
        rules = [{"name": "shop", "backendRefs": [{"name": "shop", "port": 8080}]}]
        shop.merge("httproutes", "shop", {"spec": {"rules": rules}})
        parents = shop.get("httproutes", "shop")["status"]["parents"]
        for condition in parents[0]["conditions"]:
            condition["observedGeneration"] = shop.get("httproutes", "shop")["metadata"]["generation"]
        shop.merge("httproutes", "shop", {"status": {"parents": parents}}, part="status")
    controller.close()
    rendered = rendered_for(objects, shop, arm)
    for each in rendered.values():
        install(shop, each)
    log_in(shop, "chart", f"system:serviceaccount:{shop.namespace}:canary-shop")
    return arm, rendered["Role", "canary-shop"]


def ready(shop: Any) -> list[Any]:
    return [each for each in shop.list("endpointslices") if each["endpoints"]]


def wait_until(condition: Callable[[], Any]) -> None:
    from adapters_conftest import eventually  # type: ignore[import-not-found]  # loaded by conftest

    eventually(condition)


def test_the_role_is_enough_and_no_right_of_it_is_too_much(shop: Any, engine: Any) -> None:
    arm, role = engine
    assert preflight(shop, arm) == []
    unneeded = set()
    for number, rule in enumerate(role["rules"]):
        for verb in rule["verbs"]:
            (plural,) = rule["resources"]
            found = _without(shop, role, number, arm, verbs=[each for each in rule["verbs"] if each != verb])
            if not any(each.code is ExitCode.NOT_PERMITTED for each in found):
                unneeded.add((verb, plural))
                continue
            assert found[0].code is ExitCode.NOT_PERMITTED
            assert f"{verb} {plural}" in found[0].what
        for name in rule.get("resourceNames", ()):
            rest = [each for each in rule["resourceNames"] if each != name]
            found = _without(shop, role, number, arm, resourceNames=rest or ["nothing"])
            assert any(each.code is ExitCode.NOT_PERMITTED and name in each.what for each in found), (rule, name)
    assert unneeded == (OPTIONAL | AROUND if arm == "workload" else OPTIONAL)


def test_a_first_version_needs_the_right_to_take_it_away_again(
    shop: Any, cleaned: Any, controller: Any, objects: Objects
) -> None:
    controller.close()
    arm = "workload: {name: shop, container: app, template: shop.yaml}\n  firstRelease: direct"
    rendered = objects(RELEASE.format(namespace=shop.namespace, arm=arm), namespace=shop.namespace)
    for each in rendered.values():
        install(shop, each)
    log_in(shop, "chart", f"system:serviceaccount:{shop.namespace}:canary-shop")
    deployment = shop.get("deployments", "shop")
    whole = {"metadata": {}, "spec": deployment["spec"]}
    assert preflight(shop, "workload", first=whole) == []
    role = rendered["Role", "canary-shop"]
    (number,) = (
        i
        for i, rule in enumerate(role["rules"])
        if "delete" in rule["verbs"] and "shop" in rule.get("resourceNames", ())
    )
    found = _without(shop, role, number, "workload", more={"first": whole}, verbs=[])
    assert [each.code for each in found] == [ExitCode.NOT_PERMITTED]
    assert "delete deployments" in found[0].what


def test_config_by_content_needs_each_of_its_rights(shop: Any, cleaned: Any, controller: Any, objects: Objects) -> None:
    controller.close()
    arm = "workload: {name: shop, container: app, template: shop.yaml, versioned: [ConfigMap, Secret]}"
    rendered = objects(RELEASE.format(namespace=shop.namespace, arm=arm), namespace=shop.namespace)
    for each in rendered.values():
        install(shop, each)
    log_in(shop, "chart", f"system:serviceaccount:{shop.namespace}:canary-shop")
    more = {"versioned": ("ConfigMap", "Secret")}
    assert preflight(shop, "workload", **more) == []
    role, tried = rendered["Role", "canary-shop"], []
    for number, rule in enumerate(role["rules"]):
        (plural,) = rule["resources"]
        if plural not in {"secrets", "replicasets"} and not (plural == "configmaps" and "delete" in rule["verbs"]):
            continue
        for verb in rule["verbs"]:
            rest = [each for each in rule["verbs"] if each != verb]
            found = _without(shop, role, number, "workload", more=more, verbs=rest)
            # What pruning lacks as well is told beside it.
            assert [each.code for each in found if each.code is not None] == [ExitCode.NOT_PERMITTED]
            assert f"{verb} {plural}" in found[0].what
            tried.append(f"{verb} {plural}")
    assert len(tried) == 9


def _without(
    shop: Any, role: dict[str, Any], number: int, arm: str, *, more: Any = None, **changes: Any
) -> list[Problem]:
    rules = copy.deepcopy(role["rules"])
    rules[number] |= changes
    if not rules[number]["verbs"]:
        del rules[number]
    shop.merge("roles", role["metadata"]["name"], {"rules": rules})
    try:
        return preflight(shop, arm, **(more or {}))
    finally:
        shop.merge("roles", role["metadata"]["name"], {"rules": role["rules"]})


def test_every_rendered_object_is_taken_by_the_api_server(
    cluster: Any, objects: Objects, job_values: dict[str, str]
) -> None:
    words = (
        *("--set-json", 'rbac.viewers=[{"kind": "Group", "name": "dev", "apiGroup": "rbac.authorization.k8s.io"}]'),
        *("--set-json", 'rbac.submitters=[{"kind": "ServiceAccount", "name": "ci", "namespace": "build"}]'),
        *("--set-json", 'job.imagePullSecrets=[{"name": "registry"}]'),
        *("--set-json", 'job.nodeSelector={"kubernetes.io/arch": "amd64"}'),
        *("--set-json", 'job.affinity={"nodeAffinity": {}}'),
        *("--set-json", 'job.env=[{"name": "TZ", "value": "UTC"}]'),
        *("--set-json", 'job.tolerations=[{"key": "spot", "operator": "Exists"}]'),
    )
    rendered = rendered_for(objects, cluster, "workload", *words, **job_values, **{"job.priorityClassName": "high"})
    assert {kind for kind, _ in rendered} == set(PLURALS)
    for each in rendered.values():
        install(cluster, each)


def test_an_unknown_field_would_be_noticed(cluster: Any, objects: Objects, job_values: dict[str, str]) -> None:
    rendered = rendered_for(objects, cluster, "workload", **job_values)
    (job,) = (each for (kind, _), each in rendered.items() if kind == "Job")
    job["spec"]["podFailurePolicy"]["rules"][0]["onPodCondition"] = []
    path = f"/apis/batch/v1/namespaces/{cluster.namespace}/jobs?fieldValidation=Strict"
    status, answer = cluster.request("POST", path, job)
    assert (status, "onPodCondition" in answer["message"]) == (400, True)


def test_a_submitter_applies_a_release_as_the_readme_says_and_can_touch_no_other(
    cleaned: Any, helm: Any, objects: Objects, job_values: dict[str, str], tmp_path: Path
) -> None:
    space, ci = cleaned.namespace, '[{"kind": "User", "name": "ci-of-shop", "apiGroup": "rbac.authorization.k8s.io"}]'
    for each in rendered_for(objects, cleaned, "workload", "--set-json", f"rbac.submitters={ci}").values():
        install(cleaned, each)
    log_in(cleaned, "ci", "ci-of-shop")
    only = ("--show-only", "templates/configmap.yaml", "--show-only", "templates/job.yaml")
    text = helm.render(tmp_path / "release.yaml", *only, namespace=space, **job_values).out
    where = ("--server", f"{cleaned.url}/as/{cleaned.tokens['ci']}", "--namespace", space)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "none")}

    def kubectl(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("kubectl")), *where, *words]
        return subprocess.run(command, env=env, input=text, capture_output=True, text=True, timeout=60, check=False)

    first, again = kubectl("apply", "-f", "-"), kubectl("apply", "-f", "-")
    assert first.returncode == 0, first.stderr
    assert [line.split()[1] for line in first.stdout.splitlines()] == ["created", "created"]
    assert again.returncode == 0, again.stderr
    assert [line.split()[1] for line in again.stdout.splitlines()] == ["unchanged", "unchanged"]
    job = next(line.split()[0] for line in first.stdout.splitlines() if "job" in line)
    assert kubectl("get", job, "-o", "name").returncode == 0
    for refused in (
        ("delete", job),
        ("patch", job, "--type=merge", "-p", '{"spec": {"suspend": true}}'),
        ("get", "secrets"),
        ("get", "httproute", "shop"),
        ("create", "role", "more", "--verb=get", "--resource=secrets"),
    ):
        ran = kubectl(*refused)
        assert "orbidden" in ran.stderr, (refused, ran)


def test_a_fresh_baseline_needs_each_of_its_names(shop: Any, cleaned: Any, controller: Any, objects: Objects) -> None:
    controller.close()
    arm = "workload: {name: shop, container: app, baseline: true}"
    rendered = objects(RELEASE.format(namespace=shop.namespace, arm=arm), namespace=shop.namespace)
    for each in rendered.values():
        install(shop, each)
    log_in(shop, "chart", f"system:serviceaccount:{shop.namespace}:canary-shop")
    more = {"baseline_service": "shop-baseline"}
    assert preflight(shop, "workload", **more) == []
    role, tried = rendered["Role", "canary-shop"], []
    for number, rule in enumerate(role["rules"]):
        if "shop-baseline" not in rule.get("resourceNames", ()):
            continue
        rest = [each for each in rule["resourceNames"] if each != "shop-baseline"]
        found = _without(shop, role, number, "workload", more=more, resourceNames=rest)
        assert any(each.code is ExitCode.NOT_PERMITTED and "shop-baseline" in each.what for each in found), rule
        tried += [f"{verb} {plural}" for verb in rule["verbs"] for plural in rule["resources"]]
    assert sorted(tried) == [
        "delete deployments",
        "delete services",
        "get deployments",
        "get services",
        "patch deployments",
    ]
