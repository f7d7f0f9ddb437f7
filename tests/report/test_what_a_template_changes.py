"""What a pod template changes: what people wrote, without what Kubernetes fills in, and without values."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from canary.report.changed import MOST_LINES, changes, lines

LIVE: dict[str, Any] = {
    "metadata": {"creationTimestamp": None, "labels": {"app": "shop"}},
    "spec": {
        "containers": [
            {
                "name": "app",
                "image": "shop:1",
                "imagePullPolicy": "IfNotPresent",
                "env": [
                    {"name": "LEVEL", "value": "info"},
                    {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                ],
                "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                "readinessProbe": {
                    "httpGet": {"path": "/ready", "port": 8080, "scheme": "HTTP"},
                    "failureThreshold": 3,
                    "periodSeconds": 5,
                    "successThreshold": 1,
                    "timeoutSeconds": 1,
                },
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "serviceAccount": "shop",
        "serviceAccountName": "shop",
        "terminationGracePeriodSeconds": 30,
    },
}
WRITTEN: dict[str, Any] = {
    "metadata": {"labels": {"app": "shop"}},
    "spec": {
        "serviceAccountName": "shop",
        "containers": [
            {
                "name": "app",
                "env": [
                    {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                    {"name": "LEVEL", "value": "info"},
                ],
                "ports": [{"containerPort": 8080}],
                "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 5},
            }
        ],
    },
}


def told(change: Callable[[Any], object]) -> list[str]:
    """Lines after something was changed in what is written."""
    given = copy.deepcopy(WRITTEN)
    change(given)
    return [str(each) for each in changes(LIVE, given, container="app")]


def app(template: Any) -> Any:
    return template["spec"]["containers"][0]


def test_what_kubernetes_fills_in_the_image_and_the_order_are_no_changes() -> None:
    assert told(lambda _: None) == []
    assert told(lambda given: app(given).update(image="shop:2")) == []
    assert "only the image is released" in lines([], file="x")[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: app(t)["env"][1].update(value="debug"), ["~ spec.containers[app].env[LEVEL].value"]),
        (lambda t: app(t)["env"].append({"name": "X", "value": "y"}), ["+ spec.containers[app].env[X].value"]),
        (lambda t: app(t)["env"].pop(), ["- spec.containers[app].env[LEVEL].value"]),
        (lambda t: app(t).update(args=["--password=x"]), ["+ spec.containers[app].args[0]"]),
        (
            lambda t: app(t)["readinessProbe"]["httpGet"].update(path="/health"),
            ['~ spec.containers[app].readinessProbe.httpGet.path: "/ready" -> "/health"'],
        ),
        (
            lambda t: app(t)["readinessProbe"].update(periodSeconds=10),
            ["- spec.containers[app].readinessProbe.periodSeconds: 5"],
        ),
        (
            lambda t: app(t).update(resources={"limits": {"memory": "1Gi"}}),
            ['+ spec.containers[app].resources.limits[memory]: "1Gi"'],
        ),
        (
            lambda t: t["spec"].update(initContainers=[{"name": "mesh", "restartPolicy": "Always"}]),
            ['+ spec.initContainers[mesh].restartPolicy: "Always"'],
        ),
        (lambda t: t["spec"].update(volumes=[{"name": "v"}]), ["+ spec.volumes[v]"]),
        (lambda t: t["metadata"]["labels"].update({"a.b/c": "d"}), ['+ metadata.labels[a.b/c]: "d"']),
        (lambda t: t["metadata"].update(annotations={"sum": "abc"}), ["+ metadata.annotations[sum]"]),
        (
            lambda t: app(t).update(imagePullPolicy="Always"),
            [
                '+ spec.containers[app].imagePullPolicy: "Always"',
            ],
        ),
    ],
)
def test_what_somebody_wrote_is_one(change: Callable[[Any], object], said: list[str]) -> None:
    assert told(change) == said


def test_values_that_may_be_secret_are_in_no_output() -> None:
    given = copy.deepcopy(WRITTEN)
    app(given)["env"].append({"name": "TOKEN", "value": "hunter2"})
    app(given)["command"] = ["run", "hunter2"]
    assert "hunter2" not in repr(changes(LIVE, given, container=None))


def test_many_are_counted() -> None:
    given = copy.deepcopy(WRITTEN)
    given["metadata"]["labels"] = {f"l{i}": "x" for i in range(MOST_LINES + 5)}
    said = lines(changes(LIVE, given, container="app"), file="deploy/web.yaml")
    assert len(said) == MOST_LINES + 2
    assert said[-1] == "  and 6 more"
