"""The watchdog as the chart installs it: alone, restricted, on two nodes, with rights to finish and none to begin."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from canary.cli.main import main

ROOT = Path(__file__).parents[2]
CHART, GOLDEN = ROOT / "charts" / "canary", Path(__file__).parent / "golden"
IMAGE = "registry.test/canary@sha256:" + "a" * 64
VALUES = {"watchdog.create": "true", "watchdog.image": IMAGE}
Objects = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture
def alone(helm: Any, documents: Callable[[str], list[dict[str, Any]]]) -> Callable[..., Objects]:
    """Renders the chart without a release file."""

    def render(**values: str) -> Objects:
        given = [word for key, value in {**VALUES, **values}.items() for word in ("--set", f"{key}={value}")]
        ran = helm("template", "x", str(CHART), "--namespace", "shop", *given)
        assert ran.code == 0, ran.err
        return {(each["kind"], each["metadata"]["name"]): each for each in documents(ran.out)}

    return render


def pod_of(rendered: Objects) -> dict[str, Any]:
    for (kind, _), each in rendered.items():
        if kind == "Deployment":
            return each["spec"]["template"]["spec"]
        if kind == "CronJob":
            return each["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    raise AssertionError("there is no pod")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("watchdog", {}),
        ("watchdog-everywhere-as-cronjob", {"watchdog.mode": "CronJob", "watchdog.allNamespaces": "true"}),
    ],
)
def test_the_rendering_is_the_golden_one(helm: Any, name: str, values: dict[str, str]) -> None:
    given = [word for key, value in {**VALUES, **values}.items() for word in ("--set", f"{key}={value}")]
    ran = helm("template", "x", str(CHART), "--namespace", "shop", *given)
    assert ran.code == 0, ran.err
    golden = GOLDEN / f"{name}.yaml"
    if not golden.exists():
        golden.write_text(ran.out, encoding="utf-8")
        pytest.fail(f"{golden.name} was missing and is written; read it, and run again")
    lines, known = ([line for line in text.splitlines() if line.strip()] for text in (ran.out, golden.read_text()))
    assert lines == known, f"if it is meant, delete {golden.name} and run again"


def test_without_a_release_file_there_is_the_watchdog_and_nothing_else(alone: Callable[..., Objects]) -> None:
    assert sorted(kind for kind, _ in alone()) == [
        "Deployment",
        "PodDisruptionBudget",
        "Role",
        "RoleBinding",
        "ServiceAccount",
    ]
    assert {name for _, name in alone()} == {"x-canary-watchdog"}
    assert ("PodDisruptionBudget", "x-canary-watchdog") not in alone(**{"watchdog.replicas": "1"})


def test_it_stands_beside_a_service_of_its_own(helm: Any, documents: Any) -> None:
    file = ROOT / "examples" / "releases" / "minimal.yaml"
    ran = helm.render(file, **VALUES)
    names = [(each["kind"], each["metadata"]["name"]) for each in documents(ran.out)]
    assert len(set(names)) == len(names)
    assert {("Role", "canary-user-service"), ("Role", "x-canary-watchdog")} <= set(names)


@pytest.mark.parametrize("mode", ["Deployment", "CronJob"])
def test_the_pod_is_restricted_and_its_words_are_the_commands(
    alone: Callable[..., Objects], mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pod = pod_of(alone(**{"watchdog.mode": mode}))
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(container["resources"]) == {"requests", "limits"}
    assert container["args"][0] == "watchdog"
    # The words are those of the command: it gets as far as the cluster that is not there.
    assert main([*container["args"], "--kubeconfig", "/nowhere"]) == 2
    assert "/nowhere" in capsys.readouterr().err


def test_two_stand_on_two_nodes_and_are_never_drained_together(alone: Callable[..., Objects]) -> None:
    rendered = alone()
    spec = rendered["Deployment", "x-canary-watchdog"]["spec"]
    assert spec["replicas"] == 2
    (spread,) = spec["template"]["spec"]["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["maxSkew"], spread["whenUnsatisfiable"]) == (
        "kubernetes.io/hostname", 1, "DoNotSchedule",
    )  # fmt: skip
    labels = spec["template"]["metadata"]["labels"]
    budget = rendered["PodDisruptionBudget", "x-canary-watchdog"]["spec"]
    for selector in (spread["labelSelector"], spec["selector"], budget["selector"]):
        assert selector["matchLabels"].items() <= labels.items()
    assert budget["maxUnavailable"] == 1
    assert "--replicas=2" in spec["template"]["spec"]["containers"][0]["args"]


def test_it_may_finish_releases_and_begin_none(alone: Callable[..., Objects]) -> None:
    rights = {
        (verb, resource)
        for rule in alone()["Role", "x-canary-watchdog"]["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }
    assert {resource for verb, resource in rights if verb == "create"} == {"configmaps", "events"}
    assert {resource for verb, resource in rights if verb == "delete"} == {"deployments", "services"}
    assert not {"secrets", "roles", "pods/exec", "*"} & {resource for _, resource in rights}
    everywhere = alone(**{"watchdog.allNamespaces": "true"})
    assert (
        everywhere["ClusterRole", "x-canary-watchdog-shop"]["rules"] == (alone()["Role", "x-canary-watchdog"]["rules"])
    )
    assert not any(kind in {"Role", "ClusterRole"} for kind, _ in alone(**{"rbac.create": "false"}))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"watchdog.image": ""}, "watchdog.image is empty"),
        ({"watchdog.replicas": "0"}, "/watchdog/replicas"),
        ({"watchdog.mode": "DaemonSet"}, "/watchdog/mode"),
        ({"watchdog.schedule": "often"}, "/watchdog/schedule"),
        ({"watchdog.user": "0"}, "/watchdog/user"),
    ],
)
def test_bad_values_are_refused_with_their_place(helm: Any, values: dict[str, str], words: str) -> None:
    given = [word for key, value in {**VALUES, **values}.items() for word in ("--set", f"{key}={value}")]
    ran = helm("template", "x", str(CHART), "--namespace", "shop", *given)
    assert ran.code != 0
    assert words in ran.err


def test_the_api_server_takes_every_field(alone: Callable[..., Objects], cluster: Any, documents: Any) -> None:
    groups = {
        "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
        "Job": "/apis/batch/v1/namespaces/{}/jobs",
        "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
        "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
        "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
        "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    }
    for values in ({}, {"watchdog.mode": "CronJob"}):
        for (_, name), each in alone(**values).items():
            kind = each["kind"]
            moved = json.loads(json.dumps(each).replace('"namespace": "shop"', f'"namespace": "{cluster.namespace}"'))
            if kind == "CronJob":  # the emulator knows what it makes
                kind, moved = "Job", {**moved, "kind": "Job", "spec": moved["spec"]["jobTemplate"]["spec"]}
            path = groups[kind].format(cluster.namespace)
            status, answer = cluster.request("POST", f"{path}?fieldValidation=Strict&dryRun=All", moved)
            assert status == 201, (kind, name, answer)
