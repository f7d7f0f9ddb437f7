"""The canary's objects are told apart by everything that selects pods, and are stable's in everything else."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes.labels import takes
from canary.adapters.kubernetes.rollout import ready_endpoints, rollout, trouble
from canary.adapters.kubernetes.versions import same_image

SETTINGS = settings(deadline=None, derandomize=True, max_examples=300)


@SETTINGS
@given(st.decimals(0, 100, places=2), st.integers(1, 500))
def test_no_pod_of_the_canary_carries_more_than_a_pod_of_stable_did(share: Decimal, stable: int) -> None:
    replicas, room = derive.replicas_for(share, stable=stable), derive.HEADROOM
    assert share / replicas <= Decimal(100) / stable + Decimal("1e-9")
    assert min(2, stable) <= replicas <= stable
    assert replicas == stable or share * room / replicas <= Decimal(100) / stable + Decimal("1e-9")
    # One less would leave no headroom, or too few to tell a bad node from a bad version.
    assert replicas == min(2, stable) or share * room / (replicas - 1) > Decimal(100) / stable


def deployment(**spec: Any) -> dict[str, Any]:
    containers = [
        {"name": "app", "image": "old", "env": [{"name": "A", "value": "b"}], "readinessProbe": {"httpGet": {}}},
        {"name": "proxy", "image": "sidecar"},
    ]
    labels = {"app": "shop", "tier": "front"}
    notes = {"prometheus.io/scrape": "true"}
    return {
        "metadata": {
            "name": "shop",
            "namespace": "space",
            "generation": 3,
            "labels": {"app.kubernetes.io/managed-by": "Helm", "argocd.argoproj.io/instance": "shop"},
            "annotations": {"argocd.argoproj.io/tracking-id": "x"},
        },
        "spec": {
            "replicas": 4,
            "minReadySeconds": 5,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {"metadata": {"labels": labels, "annotations": notes}, "spec": {"containers": containers}},
            **spec,
        },
    }


def derived(stable: dict[str, Any], **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "release": "f00d",
        "container": "app",
        "image": "new",
        "selectors": [{"matchLabels": {"tier": "front"}}],
        "replicas": 2,
    }
    return derive.canary_deployment(stable, **{**given, **changes})


def test_the_canary_is_stable_with_another_image_and_labels_of_its_own() -> None:
    stable = deployment()
    before = copy.deepcopy(stable)
    canary = derived(stable)
    assert stable == before
    template, own = canary["spec"]["template"], derive.own_labels("f00d")
    assert template["metadata"]["labels"] == {"app": "shop-canary", "tier": "front-canary", **own}
    expected = copy.deepcopy(before["spec"]["template"])
    expected["spec"]["containers"][0]["image"] = "new"
    expected["metadata"]["labels"] = template["metadata"]["labels"]
    assert template == expected
    assert canary["spec"]["minReadySeconds"] == 5
    assert canary["metadata"]["name"] == "shop-canary"


def test_rules_that_keep_stables_pods_apart_keep_the_canarys_apart_and_not_the_two_from_each_other() -> None:
    def term(**labels: str) -> dict[str, Any]:
        expression = {"key": "app", "operator": "In", "values": ["shop", "old-shop"]}
        selector = {"matchLabels": labels, "matchExpressions": [expression]}
        return {"topologyKey": "kubernetes.io/hostname", "labelSelector": selector}

    stable = deployment()
    stable["spec"]["template"]["spec"] |= {
        "affinity": {
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [term(tier="front"), term(app="batch")],
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term()}],
            }
        },
        "topologySpreadConstraints": [{"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", **term()}],
    }
    spec = derived(stable)["spec"]["template"]["spec"]
    labels = derived(stable)["spec"]["template"]["metadata"]["labels"]
    apart = spec["affinity"]["podAntiAffinity"]
    required, foreign = apart["requiredDuringSchedulingIgnoredDuringExecution"]
    preferred = apart["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"]
    for each in (required, preferred, spec["topologySpreadConstraints"][0]):
        assert takes(each["labelSelector"], labels)
        assert not takes(each["labelSelector"], stable["spec"]["template"]["metadata"]["labels"])
    assert foreign == term(app="batch")


def test_neither_deployment_takes_the_others_pods() -> None:
    stable = deployment()
    canary = derived(stable)
    of_stable = stable["spec"]["template"]["metadata"]["labels"]
    of_canary = canary["spec"]["template"]["metadata"]["labels"]
    assert not takes(stable["spec"]["selector"], of_canary)
    assert not takes(canary["spec"]["selector"], of_stable)
    assert takes(canary["spec"]["selector"], of_canary)


def test_nothing_hands_the_canary_to_the_tool_that_manages_stable() -> None:
    canary = derived(deployment())
    assert set(canary["metadata"]["labels"]) == {"app.kubernetes.io/managed-by", *derive.own_labels("f00d")}
    assert canary["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "canary-engine"
    assert all(name.startswith("canary-engine.io/") for name in canary["metadata"]["annotations"])


def test_the_container_must_be_named_when_there_are_several_and_must_exist() -> None:
    with pytest.raises(derive.Underivable, match=r"app, proxy.*spec\.workload\.container"):
        derived(deployment(), container=None)
    with pytest.raises(derive.Underivable, match="no container web, only app, proxy"):
        derived(deployment(), container="web")


def test_every_change_of_the_template_is_seen_and_nothing_else() -> None:
    one, other = deployment(), deployment(replicas=9)
    assert derive.fingerprint(one) == derive.fingerprint(other)
    other["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = "now"
    assert derive.fingerprint(one) != derive.fingerprint(other)


def test_the_canarys_service_has_stables_ports_and_what_the_gateway_reads_but_no_owner() -> None:
    port = {"name": "http", "port": 8080, "targetPort": "web", "appProtocol": "kubernetes.io/h2c", "protocol": "TCP"}
    stable = {
        "metadata": {
            "name": "shop",
            "namespace": "space",
            "labels": {"app": "shop"},
            "annotations": {
                "traefik.ingress.kubernetes.io/service.serversscheme": "h2c",
                "meta.helm.sh/release-name": "shop",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
                "kustomize.toolkit.fluxcd.io/prune": "enabled",
            },
        },
        "spec": {
            "type": "LoadBalancer",
            "clusterIP": "10.0.0.1",
            "selector": {"app": "shop"},
            "ports": [{**port, "nodePort": 31000}],
        },
    }
    canary = derive.canary_service(stable, name="shop-canary", release="f00d")
    assert canary["spec"] == {"selector": derive.own_labels("f00d"), "ports": [port]}
    assert canary["metadata"]["annotations"] == {"traefik.ingress.kubernetes.io/service.serversscheme": "h2c"}
    assert derive.canary_service({**stable, "spec": {"clusterIP": "None"}}, name="c", release="f00d")["spec"] == {
        "clusterIP": "None",
        "selector": derive.own_labels("f00d"),
        "ports": [],
    }


# How far the cluster is -----------------------------------------------------------------------------------------

DONE = {"observedGeneration": 3, "replicas": 4, "updatedReplicas": 4, "availableReplicas": 4}


@SETTINGS
@given(
    st.fixed_dictionaries(
        {key: st.integers(0, 6) for key in ("observedGeneration", "replicas", "updatedReplicas", "availableReplicas")}
    )
)
def test_ready_means_seen_complete_and_nothing_old_left(status: dict[str, int]) -> None:
    standing = rollout({**deployment(), "status": status})
    updated = status["updatedReplicas"]
    seen = status["observedGeneration"] >= 3
    assert standing.ready == (
        seen and updated >= 4 and status["availableReplicas"] >= 4 and status["replicas"] <= updated
    )
    assert standing.ready or standing.reason


def test_the_controllers_own_words_are_told() -> None:
    def stands(kind: str, state: str, reason: str, **spec: Any) -> Any:
        one = {"type": kind, "status": state, "reason": reason, "message": "its words"}
        return rollout({**deployment(**spec), "status": {"observedGeneration": 3, "conditions": [one]}})

    late = stands("Progressing", "False", "ProgressDeadlineExceeded")
    assert (late.hopeless, late.reason) == (True, "ProgressDeadlineExceeded: its words")
    quota = stands("ReplicaFailure", "True", "FailedCreate")
    assert (quota.hopeless, quota.stuck, quota.reason) == (False, True, "FailedCreate: its words")
    assert stands("Available", "False", "x", paused=True).stuck


def test_the_worst_trouble_of_a_pod_is_told_with_its_last_end() -> None:
    def pod(name: str, reason: str, restarts: int) -> dict[str, Any]:
        ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
        state = {"waiting": {"reason": reason, "message": "words"}}
        one = {"name": "app", "restartCount": restarts, "state": state, "lastState": ended if restarts else {}}
        return {"metadata": {"name": name}, "status": {"containerStatuses": [one]}}

    pods = [pod("a", "ContainerCreating", 0), pod("b", "ErrImagePull", 0), pod("c", "CrashLoopBackOff", 3)]
    worst = trouble(pods)
    assert worst is not None
    assert worst.hopeless
    assert "pod c, container app: CrashLoopBackOff: words (3 restarts, last ended with 137 OOMKilled)" in worst.reason
    pulling = trouble(pods[:2])
    assert pulling is not None
    assert (pulling.hopeless, pulling.stuck) == (False, True)
    assert trouble(pods[:1]) is None
    once = trouble([pod("d", "CrashLoopBackOff", 1)])
    assert once is not None
    assert not once.hopeless
    leaving = pod("e", "CrashLoopBackOff", 9)
    leaving["metadata"]["deletionTimestamp"] = "now"
    assert trouble([leaving]) is None


def test_a_container_that_runs_may_be_in_trouble_as_well() -> None:
    def pod(*, restarts: int, ready: bool) -> dict[str, Any]:
        ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}} if restarts else {}
        one = {"name": "app", "restartCount": restarts, "ready": ready, "state": {"running": {}}, "lastState": ended}
        return {"metadata": {"name": "a"}, "status": {"containerStatuses": [one]}}

    killed = trouble([pod(restarts=3, ready=True)])
    assert killed is not None
    assert killed.hopeless
    assert killed.reason == "pod a, container app: restarted 3 times, last ended with 137 OOMKilled"
    unready = trouble([pod(restarts=0, ready=False)])
    assert unready is not None
    assert (unready.hopeless, unready.stuck) == (False, False)
    assert "readiness probe" in unready.reason
    assert trouble([pod(restarts=1, ready=True)]) is None
    prepared = pod(restarts=5, ready=True)
    prepared["status"] = {"initContainerStatuses": prepared["status"]["containerStatuses"]}
    assert trouble([prepared]) is None


def test_images_are_the_same_by_digest() -> None:
    one, other = "r.test/shop@sha256:" + "1" * 64, "r.test/shop@sha256:" + "2" * 64
    assert same_image("r.test/shop:1.4@sha256:" + "1" * 64, one)
    assert same_image("mirror.test/shop@sha256:" + "1" * 64, one)
    assert not same_image(other, one)
    assert not same_image("r.test/shop:1.4", one)
    assert same_image("r.test/shop:1.4", "r.test/shop:1.4")
    assert not same_image(None, one)


def test_an_endpoint_counts_once_and_only_when_ready() -> None:
    def one(address: str, name: str, **conditions: bool | None) -> dict[str, Any]:
        return {"addresses": [address], "targetRef": {"kind": "Pod", "name": name}, "conditions": conditions}

    owner = [{"kind": "Service", "name": "shop", "uid": "new"}]
    four = [one("10.0.0.1", "a", ready=True), one("10.0.0.2", "b", ready=False), one("10.0.0.3", "c", ready=None)]
    six = [one("fd00::1", "a", ready=True)]
    slices = [{"metadata": {"ownerReferences": owner}, "endpoints": each} for each in (four, six)]
    assert ready_endpoints(slices) == 2
    assert ready_endpoints(slices, service_uid="new") == 2
    assert ready_endpoints(slices, service_uid="another") == 0
    assert ready_endpoints([{"metadata": {}, "endpoints": None}]) == 0
