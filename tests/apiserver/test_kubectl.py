"""The real kubectl against the emulator."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from canary.sandbox.apiserver.logs import LOG_FILE

pytestmark = pytest.mark.real

Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


def text(body: Any) -> str:
    return json.dumps(body)


def columns(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines()]


def test_get_as_yaml_table_wide_and_names(api: Any, deployments: str, routes: str, make: Any, kubectl: Kubectl) -> None:
    api.create(deployments, make.deployment())
    api.create(routes, make.route(hostnames=["a.example"]))
    head, row = columns(kubectl("get", "deployments").stdout)
    assert head == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert row[:4] == ["shop", "0/1", "0", "0"]
    wide = kubectl("get", "deploy", "-o", "wide").stdout
    assert wide.split("\n")[0].split()[5:] == ["CONTAINERS", "IMAGES", "SELECTOR"]
    assert wide.split("\n")[1].split()[5:] == ["app", "shop:1", "app=shop"]
    head, row = columns(kubectl("get", "httproutes").stdout)
    assert (head, row[:2]) == (["NAME", "HOSTNAMES", "AGE"], ["shop", '["a.example"]'])
    shown = kubectl("get", "httproute", "shop", "-o", "yaml").stdout
    assert "weight: 90" in shown
    assert "managedFields" not in shown
    assert "managedFields" in kubectl("get", "httproute", "shop", "-o", "yaml", "--show-managed-fields").stdout
    assert kubectl("get", "all", "-o", "name").stdout.split() == ["deployment.apps/shop"]
    path = "-o=jsonpath={.spec.rules[0].backendRefs[*].weight}"
    assert kubectl("get", "httproute", "shop", path).stdout == "90 10"
    assert "No resources found" in kubectl("get", "secrets").stderr
    assert "(NotFound)" in kubectl("get", "secret", "none", code=1).stderr


@pytest.mark.emulated
def test_get_wide_shows_where_pods_are(api: Any, ns: str, make: Any, kubectl: Kubectl) -> None:
    body = make.pod()
    body["spec"]["nodeName"] = "sandbox"
    api.create(f"/api/v1/namespaces/{ns}/pods", body)
    state = {"name": "app", "ready": True, "restartCount": 2, "image": "x", "imageID": ""}
    status = {"phase": "Running", "podIP": "127.0.0.9", "containerStatuses": [state]}
    api.patch(f"/api/v1/namespaces/{ns}/pods/one/status", {"status": status})
    _, row = columns(kubectl("get", "pods", "-o", "wide").stdout)
    assert row[:4] == ["one", "1/1", "Running", "2"]
    assert row[5:7] == ["127.0.0.9", "sandbox"]


def test_get_watch_prints_each_change(
    api: Any, maps: str, make: Any, kubectl_program: str, kubectl_environment: Any
) -> None:
    api.create(maps, make.config_map("first"))
    with subprocess.Popen(
        [kubectl_program, "get", "configmaps", "-w"],
        env=kubectl_environment("the-administrators-token"),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().split() == ["NAME", "DATA", "AGE"]
            assert process.stdout.readline().split()[:2] == ["first", "0"]
            api.create(maps, make.config_map("second"))
            api.patch(f"{maps}/second", {"data": {"a": "b"}})
            assert process.stdout.readline().split()[:2] == ["second", "0"]
            assert process.stdout.readline().split()[:2] == ["second", "1"]
        finally:
            process.send_signal(signal.SIGINT)


def test_describe_shows_the_object_and_its_events(
    api: Any, ns: str, deployments: str, make: Any, kubectl: Kubectl
) -> None:
    made = api.create(deployments, make.deployment())
    about = {"kind": "Deployment", "name": "shop", "namespace": ns, "uid": made["metadata"]["uid"]}
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {**about, "apiVersion": "apps/v1"},
        "reason": "Raised",
        "message": "to ten percent",
        "type": "Normal",
        "source": {"component": "canary"},
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "count": 1,
    }
    api.create(f"/api/v1/namespaces/{ns}/events", event)
    shown = kubectl("describe", "deployment", "shop").stdout
    assert "shop:1" in shown
    assert "to ten percent" in shown
    assert "to ten percent" in kubectl("get", "events").stdout


def test_explain_reads_the_schemas(kubectl: Kubectl) -> None:
    assert "backendRefs" in kubectl("explain", "httproute.spec.rules").stdout
    assert "replicas" in kubectl("explain", "deployment.spec").stdout


@pytest.mark.parametrize("kind", ["route", "deployment"])
def test_apply_on_the_clients_side_creates_configures_and_leaves_alone(make: Any, kubectl: Kubectl, kind: str) -> None:
    body = getattr(make, kind)()
    assert "created" in kubectl("apply", "-f", "-", stdin=text(body)).stdout
    before = json.loads(kubectl("get", kind.replace("route", "httproute"), "shop", "-o", "json").stdout)
    again = kubectl("apply", "-f", "-", stdin=text(body)).stdout
    # kubectl cannot see that defaults in lists of custom resources are defaults, and says "configured" to no change.
    assert ("configured" if kind == "route" else "unchanged") in again
    assert json.loads(kubectl("get", kind.replace("route", "httproute"), "shop", "-o", "json").stdout) == before
    if kind == "route":
        body["spec"]["rules"][0]["backendRefs"][0]["weight"] = 50
    else:
        body["spec"]["template"]["spec"]["containers"][0]["image"] = "shop:2"
    assert "configured" in kubectl("apply", "-f", "-", stdin=text(body)).stdout


def test_apply_on_the_servers_side_conflicts_unless_forced(make: Any, kubectl: Kubectl) -> None:
    apply = ("apply", "--server-side", "-f", "-")
    body = make.route(hostnames=["a.example"])
    assert "serverside-applied" in kubectl(*apply, "--field-manager=gitops", stdin=text(body)).stdout
    kubectl("patch", "httproute", "shop", "--type=merge", "-p", '{"spec":{"hostnames":["b.example"]}}')
    refused = kubectl(*apply, "--field-manager=gitops", stdin=text(body), code=1).stderr
    assert 'conflict with "kubectl-patch" using gateway.networking.k8s.io/v1: .spec.hostnames' in refused
    kubectl(*apply, "--field-manager=gitops", "--force-conflicts", stdin=text(body))
    assert kubectl("get", "httproute", "shop", "-o=jsonpath={.spec.hostnames[0]}").stdout == "a.example"


def test_a_typo_is_refused_by_default_and_warned_of_on_request(make: Any, kubectl: Kubectl) -> None:
    body = make.route()
    body["spec"]["rules"][0]["backendRefs"][0]["wieght"] = 5
    refused = kubectl("apply", "-f", "-", stdin=text(body), code=1).stderr
    assert 'unknown field "spec.rules[0].backendRefs[0].wieght"' in refused
    warned = kubectl("apply", "--validate=warn", "-f", "-", stdin=text(body)).stderr
    assert 'Warning: unknown field "spec.rules[0].backendRefs[0].wieght"' in warned


def test_patch_in_three_kinds(api: Any, routes: str, deployments: str, make: Any, kubectl: Kubectl) -> None:
    api.create(routes, make.route())
    api.create(deployments, make.deployment())
    test = '[{"op":"test","path":"/spec/rules/0/name","value":"%s"},{"op":"remove","path":"/spec/rules/0/name"}]'
    assert (
        "the server rejected our request"
        in kubectl("patch", "httproute", "shop", "--type=json", "-p", test % "other", code=1).stderr
    )
    kubectl("patch", "httproute", "shop", "--type=json", "-p", test % "main")
    assert "name" not in api.get(f"{routes}/shop")["spec"]["rules"][0]
    kubectl("patch", "httproute", "shop", "--type=merge", "-p", '{"metadata":{"labels":{"a":"b"}}}')
    image = '{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"shop:2"}]}}}}'
    kubectl("patch", "deployment", "shop", "-p", image)  # strategic
    (container,) = api.get(f"{deployments}/shop")["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["ports"][0]["containerPort"]) == ("shop:2", 8080)
    assert (
        "is not supported by gateway.networking.k8s.io/v1"
        in kubectl("patch", "httproute", "shop", "-p", "{}", code=1).stderr
    )
    kubectl("patch", "deployment", "shop", "--subresource=status", "--type=merge", "-p", '{"status":{"replicas":3}}')
    assert api.get(f"{deployments}/shop")["status"] == {"replicas": 3}
    kubectl("set", "image", "deployment/shop", "app=shop:3")
    kubectl("label", "httproute", "shop", "c=d")
    kubectl("annotate", "httproute", "shop", "e=f")
    metadata = api.get(f"{routes}/shop")["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == ({"a": "b", "c": "d"}, {"e": "f"})


def test_edit_sends_what_the_editor_left(api: Any, routes: str, deployments: str, make: Any, kubectl: Kubectl) -> None:
    api.create(routes, make.route())
    api.create(deployments, make.deployment())
    kubectl("edit", "httproute", "shop", KUBE_EDITOR="sed -i 's/weight: 90/weight: 70/'")
    assert api.get(f"{routes}/shop")["spec"]["rules"][0]["backendRefs"][0]["weight"] == 70
    kubectl("edit", "deployment", "shop", KUBE_EDITOR="sed -i 's/image: shop:1/image: shop:9/'")
    assert api.get(f"{deployments}/shop")["spec"]["template"]["spec"]["containers"][0]["image"] == "shop:9"
    assert "no changes" in kubectl("edit", "httproute", "shop", KUBE_EDITOR="true").stderr


def test_create_replace_and_delete(api: Any, maps: str, make: Any, kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("create", "configmap", "settings", "--from-literal=a=b")
    assert "already exists" in kubectl("create", "configmap", "settings", code=1).stderr
    kubectl("replace", "-f", "-", stdin=text(make.config_map(a="c")))
    assert api.get(f"{maps}/settings")["data"] == {"a": "c"}
    kubectl("create", "secret", "generic", "key", "--from-literal=a=b")
    assert kubectl("get", "secret", "key", "-o=jsonpath={.data.a}").stdout == "Yg=="
    kubectl("create", "serviceaccount", "engine")
    kubectl("create", "namespace", f"of-{maps.split('/')[4]}")
    kubectl("delete", "configmap", "settings", "--dry-run=server")
    api.get(f"{maps}/settings")
    assert "deleted" in kubectl("delete", "configmap", "settings").stdout
    api.refuse(404, "GET", f"{maps}/settings")
    assert "NotFound" in kubectl("delete", "configmap", "settings", code=1).stderr
    kubectl("delete", "secrets", "--all")
    made = kubectl("create", "deployment", "web", "--image=x:1", "--dry-run=client", "-o", "yaml").stdout
    kubectl("create", "-f", "-", stdin=made)
    kubectl("expose", "deployment", "web", "--port=80")
    kubectl("delete", "deployment,service", "web")


@pytest.mark.emulated
def test_delete_in_the_foreground(api: Any, deployments: str, make: Any, kubectl: Kubectl) -> None:
    api.create(deployments, make.deployment())
    kubectl("delete", "deployment", "shop", "--cascade=foreground")
    api.refuse(404, "GET", f"{deployments}/shop")


def test_scale_and_rollout(api: Any, deployments: str, make: Any, kubectl: Kubectl) -> None:
    api.create(deployments, make.deployment())
    kubectl("scale", "deployment", "shop", "--replicas=3", "--current-replicas=1")
    assert api.get(f"{deployments}/shop")["spec"]["replicas"] == 3
    kubectl("rollout", "restart", "deployment", "shop")
    made = api.get(f"{deployments}/shop")
    assert made["metadata"]["generation"] == 3
    ready = {"observedGeneration": 3, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3, "readyReplicas": 3}
    api.patch(f"{deployments}/shop/status", {"status": ready})
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment", "shop").stdout


def test_wait_for_conditions_values_and_deletion(api: Any, deployments: str, make: Any, kubectl: Kubectl) -> None:
    api.create(deployments, make.deployment())
    condition = {"type": "Available", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    api.patch(f"{deployments}/shop/status", {"status": {"conditions": [condition], "replicas": 2}})
    kubectl("wait", "deployment/shop", "--for=condition=Available", "--timeout=10s")
    kubectl("wait", "deployment/shop", "--for=jsonpath={.status.replicas}=2", "--timeout=10s")
    kubectl("delete", "deployment", "shop", "--wait=true")
    kubectl("wait", "deployment/shop", "--for=delete", "--timeout=10s")


@pytest.mark.emulated
def test_logs_whole_tail_and_followed(
    api: Any,
    ns: str,
    make: Any,
    *,
    kubectl: Kubectl,
    kubectl_program: str,
    kubectl_environment: Any,
    tmp_path: Path,
) -> None:
    log = tmp_path / "pod.log"
    pods = f"/api/v1/namespaces/{ns}/pods"
    api.create(pods, make.pod(annotations={LOG_FILE: str(log)}))
    assert "ContainerCreating" in kubectl("logs", "one", code=1).stderr
    log.write_text("first\nsecond\n")
    assert kubectl("logs", "one").stdout == "first\nsecond\n"
    assert kubectl("logs", "one", "--tail=1").stdout == "second\n"
    assert kubectl("logs", "one", "--tail=0").stdout == ""
    with subprocess.Popen(
        [kubectl_program, "logs", "-f", "one"],
        env=kubectl_environment("the-administrators-token"),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["first\n", "second\n"]
        with log.open("a") as more:
            more.write("third\n")
        assert process.stdout.readline() == "third\n"
        api.do("DELETE", f"{pods}/one")
        assert process.wait(20) == 0  # what is followed ends with its pod


@pytest.mark.emulated
def test_logs_are_read_from_logs_alone(api: Any, ns: str, make: Any, kubectl: Kubectl, tmp_path: Path) -> None:
    private = tmp_path / "private.key"
    private.write_text("secret")
    for name, place in (("one", private), ("two", tmp_path), ("three", tmp_path / "none.log")):
        api.create(f"/api/v1/namespaces/{ns}/pods", make.pod(name, annotations={LOG_FILE: str(place)}))
        refused = kubectl("logs", name, code=1)
        assert "ContainerCreating" in refused.stderr
        assert "secret" not in refused.stdout


def test_auth_can_i_and_its_list_for_an_administrator_and_a_restricted_user(
    api: Any, maps: str, make: Any, restrict: Any, kubectl: Kubectl
) -> None:
    group = "gateway.networking.k8s.io"
    token = restrict(
        {"apiGroups": [group], "resources": ["httproutes"], "resourceNames": ["shop"], "verbs": ["get", "patch"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]},
    )
    ask = ("auth", "can-i")
    assert kubectl(*ask, "*", "*").stdout == "yes\n"
    assert kubectl(*ask, "patch", "httproutes.gateway.networking.k8s.io/shop", token=token).stdout == "yes\n"
    assert kubectl(*ask, "patch", "httproutes.gateway.networking.k8s.io/other", token=token, code=1).stdout == "no\n"
    assert kubectl(*ask, "list", "httproutes", token=token, code=1).stdout == "no\n"
    assert kubectl(*ask, "create", "configmaps", token=token).stdout == "yes\n"
    assert kubectl(*ask, "patch", "httproutes", "--subresource=status", token=token, code=1).stdout == "no\n"
    listed = kubectl(*ask, "--list", token=token).stdout
    assert "httproutes.gateway.networking.k8s.io" in listed
    assert "[shop]" in listed
    assert "[*]" in kubectl(*ask, "--list").stdout
    assert "Forbidden" in kubectl("get", "configmaps", token=token, code=1).stderr
    assert "admin" in kubectl("auth", "whoami").stdout


def test_diff_against_the_server_shows_the_change_and_makes_none(
    api: Any, routes: str, make: Any, kubectl: Kubectl
) -> None:
    body = make.route()
    kubectl("apply", "-f", "-", stdin=text(body))
    kubectl("diff", "-f", "-", stdin=text(body))
    before = api.get(f"{routes}/shop")
    body["spec"]["rules"][0]["backendRefs"][0]["weight"] = 33
    diff = kubectl("diff", "-f", "-", stdin=text(body), code=1).stdout
    assert "-      weight: 90" in diff
    assert "+      weight: 33" in diff
    assert "+  resourceVersion" not in diff
    kubectl("apply", "--dry-run=server", "-f", "-", stdin=text(body))
    kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", stdin=text(body))
    kubectl("diff", "--server-side", "--force-conflicts", "-f", "-", stdin=text(body), code=1)
    assert api.get(f"{routes}/shop") == before


def test_api_resources_lists_what_is_served(kubectl: Kubectl) -> None:
    listed = kubectl("api-resources", "-o", "name").stdout.split()
    assert {"httproutes.gateway.networking.k8s.io", "deployments.apps", "pods"} <= set(listed)
    assert "gateway.networking.k8s.io/v1" in kubectl("api-versions").stdout
    assert "emulator" in kubectl("version").stdout
