"""Preflight finds what would go wrong later, says what to do about it, and touches nothing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from analysis.model import Arm
from analysis.sources import Reading
from analysis.sources.model import Key, Role, Sample, Trouble
from canary.adapters.kubernetes import Api, KubernetesPreflights, KubernetesRoutes, KubernetesWorkloads
from canary.adapters.kubernetes.budget import Budget, Deadline, Pacer
from canary.adapters.kubernetes.derive import own_labels
from canary.adapters.kubernetes.paths import RELEASE_LABEL
from canary.adapters.kubernetes.rehearsal import first_raise
from canary.core.outcome import ExitCode
from canary.ports import Problem, Unavailable
from strategies import Pool, RefId, annotations_of, choose, share_of
from strategies.route.model import rules_of

pytestmark = pytest.mark.real

Check = Callable[..., list[Problem]]
PLURALS = ("deployments", "services", "httproutes", "configmaps", "leases", "events")
SHARES = (Decimal(5), Decimal(50))
GOOD = Reading(at=0.0, samples=(Sample(Key("errors", Arm.STABLE, Role.TOTAL), "s", 1.0, 7.0),))


class Told:
    """A source that says what it is told to, the last again and again."""

    def __init__(self, *readings: Reading) -> None:
        self.readings = list(readings)

    def read(self, *, timeout: float) -> Reading:
        assert timeout > 0
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]


def pool_of(namespace: str, *, stable: str = "shop", port: int = 8080) -> Pool:
    return Pool(
        stable=RefId("Service", "", namespace, stable, port),
        canary=RefId("Service", "", namespace, "shop-canary", 8080),
    )


def versions(shop: Any) -> dict[str, str]:
    """Every object of the namespace that preflight could touch, with its version."""
    return {
        f"{plural}/{each['metadata']['name']}": each["metadata"]["resourceVersion"]
        for plural in PLURALS
        for each in shop.list(plural)
    }


@pytest.fixture
def check(shop: Any, controller: Any) -> Check:
    """Runs preflight, and makes sure that it wrote nothing. The world stands still meanwhile."""

    def run(
        *readings: Reading,
        api: Api | None = None,
        release: str = "f00d",
        selectors: tuple[str | int, ...] | None = None,
        shares: tuple[Decimal, ...] = SHARES,
        workload: bool = True,
        pool: Pool | None = None,
        missing: str = "",
        **changes: Any,
    ) -> list[Problem]:
        controller.close()
        api = api or shop.api()
        api.pacer = Pacer(sleep=lambda _: None)
        pool = pool or pool_of(shop.namespace)
        workloads: Any = {
            "namespace": shop.namespace,
            "release": release,
            "deployment": "shop",
            "container": "app",
            "image": "example.test/shop@sha256:" + "2" * 64,
            "stable_service": pool.stable.name,
            "canary_service": "shop-canary",
            "port": 8080,
        }
        preflights = KubernetesPreflights(
            api,
            namespace=shop.namespace,
            routes=KubernetesRoutes(api, namespace=shop.namespace, name=changes.pop("route", "shop")),
            pool=pool,
            selectors=selectors,
            shares=shares,
            release=release,
            workloads=KubernetesWorkloads(api, **{**workloads, **changes}) if workload else None,
            sources=Told(*(readings or (GOOD,))),
            missing=missing,
        )
        before, log = versions(shop), shop.requests()
        found = preflights.check()
        assert versions(shop) == before
        since = [each for each in shop.requests() if each["number"] > (log[-1]["number"] if log else 0)]
        wrote = [each for each in since if each["verb"] not in {"get", "list", "watch"}]
        assert all(each["dryRun"] == "All" for each in wrote), wrote
        assert all(each.what.endswith(".") and len(each.fix) > 10 for each in found), found
        return found

    return run


def refusing(found: list[Problem]) -> list[Problem]:
    return [problem for problem in found if problem.code is not None]


def one(found: list[Problem], *words: str, code: ExitCode | None = ExitCode.PREFLIGHT_FAILED) -> Problem:
    """The one finding that holds the words, and no other that refuses beside it."""
    matching = [each for each in found if all(word in f"{each.what} {each.fix}" for word in words)]
    assert len(matching) == 1, found
    assert matching[0].code is code, found
    if code is not None:
        assert refusing(found) == matching
    return matching[0]


def test_a_good_world_has_no_problem(check: Check) -> None:
    assert check() == []


def test_every_write_of_the_release_is_rehearsed(shop: Any, check: Check) -> None:
    check()
    rehearsed = {(e["verb"], e["resource"], e["name"]) for e in shop.requests() if e["dryRun"] == "All"}
    assert rehearsed == {
        ("patch", "httproutes.gateway.networking.k8s.io", "shop"),
        ("create", "deployments.apps", ""),
        ("create", "services", ""),
        ("patch", "deployments.apps", "shop"),
        ("create", "leases.coordination.k8s.io", ""),
        ("create", "configmaps", ""),
    }


def test_lease_and_journal_that_are_there_already_are_no_problem(shop: Any, check: Check) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "canary-shop"}}
    shop.create(shop.path("leases"), lease)
    journal = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "canary-shop-journal"}}
    shop.create(shop.path("configmaps"), journal)
    # Without labels there is nothing to add one to; both have some when the engine made them.
    for plural, name in (("leases", "canary-shop"), ("configmaps", "canary-shop-journal")):
        shop.merge(plural, name, {"metadata": {"labels": {"a": "b"}}})
    assert check() == []


# The route ------------------------------------------------------------------------------------------------------


def test_a_route_that_is_not_there(check: Check) -> None:
    one(check(route="nowhere"), "nowhere", "release file")


def test_a_rule_that_is_not_there(check: Check) -> None:
    one(check(selectors=("checkout",)), 'no rule named "checkout"', '"shop"')


def test_a_route_that_holds_another_release(shop: Any, check: Check) -> None:
    marks = {"canary-engine.io/release": "0ther", "canary-engine.io/token": "0ther/1"}
    shop.merge("httproutes", "shop", {"metadata": {"annotations": marks}})
    one(check(), "release 0ther", "kubectl", "annotate", code=ExitCode.HELD_BY_ANOTHER)


def test_our_own_mark_is_no_obstacle_after_a_restart(shop: Any, check: Check) -> None:
    marks = {"canary-engine.io/release": "f00d", "canary-engine.io/token": "f00d/1"}
    shop.merge("httproutes", "shop", {"metadata": {"annotations": marks}})
    assert check() == []


def test_a_stable_that_another_release_may_write(shop: Any, check: Check) -> None:
    shop.merge("deployments", "shop", {"metadata": {"labels": {"canary-engine.io/token": "0ther.i1"}}})
    words = "release 0ther", "kubectl", "label deployment shop canary-engine.io/token-"
    one(check(), *words, code=ExitCode.HELD_BY_ANOTHER)


def test_our_own_token_on_stable_is_no_obstacle_after_a_restart(shop: Any, check: Check) -> None:
    shop.merge("deployments", "shop", {"metadata": {"labels": {"canary-engine.io/token": "f00d.i1"}}})
    assert check() == []


def test_a_route_that_no_gateway_accepts(shop: Any, check: Check) -> None:
    shop.merge("httproutes", "shop", {"status": {"parents": []}}, part="status")
    one(check(), "No gateway accepts", "parentRefs")


def test_a_parent_that_is_bad_beside_a_good_one_is_a_warning(shop: Any, check: Check) -> None:
    good = shop.get("httproutes", "shop")["status"]["parents"][0]
    bad = copy.deepcopy(good)
    bad["controllerName"] = "example.test/other"
    bad["conditions"][0].update(status="False", reason="NotAllowedByListeners", message="not here")
    shop.merge("httproutes", "shop", {"status": {"parents": [good, bad]}}, part="status")
    one(check(), "NotAllowedByListeners: not here", code=None)


def test_a_webhook_that_refuses_the_first_raise_is_quoted(shop: Any, check: Check) -> None:
    said = 'admission webhook "policy.example" denied the request: weights only on Mondays'
    shop.fault({"status": 403, "reason": "Forbidden", "message": said}, verb="patch", name="shop")
    found = check()
    assert {problem.code for problem in found} == {ExitCode.PREFLIGHT_FAILED}
    assert any("first raise" in problem.what and "only on Mondays" in problem.what for problem in found)


def test_a_route_that_moves_meanwhile_is_read_again(shop: Any, check: Check) -> None:
    resource = "httproutes.gateway.networking.k8s.io"
    shop.fault({"status": 409, "message": "moved"}, times=2, verb="patch", resource=resource)
    assert check() == []


def test_a_route_to_which_the_first_raise_never_applies(shop: Any, check: Check) -> None:
    resource = "httproutes.gateway.networking.k8s.io"
    shop.fault({"status": 409, "message": "moved"}, verb="patch", resource=resource)
    one(check(), "moved", "managedFields")


def test_the_rehearsed_patch_leads_from_the_untouched_route_to_the_first_share(shop: Any) -> None:
    route, pool = shop.get("httproutes", "shop"), pool_of(shop.namespace)
    original = choose(route, pool, selectors=None, shares=SHARES)
    patch = first_raise(route, pool=pool, original=original, share=SHARES[0], release="f00d")
    status, raised = shop.request(
        "PATCH", shop.path("httproutes", "shop"), patch, content="application/json-patch+json"
    )
    assert status == 200, raised
    assert share_of(rules_of(raised)[0], pool) * 100 == 5
    assert annotations_of(raised)["canary-engine.io/release"] == "f00d"


@pytest.mark.parametrize(
    ("manager", "words"),
    [
        ("argocd-controller", ("Argo CD", "ignoreDifferences", "RespectIgnoreDifferences", "/spec/rules")),
        ("kustomize-controller", ("Flux (kustomize-controller)", "Kustomization", "/spec/rules")),
        ("helm-controller", ("Flux (helm-controller)", "driftDetection", "/spec/rules")),
    ],
)
def test_a_tool_that_would_revert_the_route_is_named_with_its_own_remedy(
    shop: Any, check: Check, manager: str, words: tuple[str, ...]
) -> None:
    shop.merge("httproutes", "shop", {"spec": {"hostnames": ["shop.example.test"]}}, manager=manager)
    found = check()
    one(found, manager, "HTTPRoute", "weights", *words, code=None)
    assert refusing(found) == []


def test_a_tool_that_would_revert_the_promotion_is_named(shop: Any, check: Check) -> None:
    shop.merge("deployments", "shop", {"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}})
    one(check(), "Deployment", "image at promotion", "/spec/template/spec/containers/0/image", code=None)


def test_a_tool_that_is_told_to_leave_the_object_alone_is_not_named(shop: Any, check: Check) -> None:
    off = {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}
    metadata = {"annotations": off, "labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}
    shop.merge("deployments", "shop", {"metadata": metadata}, manager="kustomize-controller")
    assert check() == []


# The workload and the Services ----------------------------------------------------------------------------------


def test_a_deployment_that_is_not_there(check: Check) -> None:
    one(check(deployment="shoop"), "shoop", "release file")


def test_a_container_that_is_not_there(check: Check) -> None:
    one(check(container="web"), "no container web", "app")


def test_a_service_that_is_not_there(shop: Any, check: Check) -> None:
    found = check(pool=pool_of(shop.namespace, stable="shoop"))
    assert any("Service" in each.what and "shoop does not exist" in each.what for each in found)
    assert all(each.code is ExitCode.PREFLIGHT_FAILED for each in found)


def test_a_port_that_the_service_does_not_have(shop: Any, check: Check) -> None:
    found = check(pool=pool_of(shop.namespace, port=9090))
    assert any("no port 9090; it has 8080" in each.what for each in found)


def test_a_service_without_ready_endpoints(shop: Any, controller: Any, check: Check) -> None:
    controller.close()
    shop.merge("endpointslices", "shop-1", {"endpoints": []})
    one(check(), "no ready endpoints", "kubectl")


def test_a_service_that_selects_other_pods(shop: Any, check: Check) -> None:
    shop.merge("services", "shop", {"spec": {"selector": {"app": "help"}}})
    found = check()
    assert any("does not select the pods of Deployment" in each.what for each in found)


def test_a_stable_that_is_not_steady(shop: Any, controller: Any, check: Check) -> None:
    controller.close()
    shop.merge("deployments", "shop", {"spec": {"replicas": 5}})
    one(check(), "not steady", "rollout status")


def test_no_stable_version(shop: Any, controller: Any, check: Check) -> None:
    controller.close()
    shop.merge("deployments", "shop", {"spec": {"replicas": 0}})
    one(check(), "0 replicas")


@pytest.mark.parametrize("plural", ["deployments", "services"])
@pytest.mark.parametrize(("owner", "words"), [("0ther", "left by release 0ther"), (None, "belongs to kubectl-create")])
def test_names_of_the_canary_that_are_taken(
    shop: Any, check: Check, plural: str, owner: str | None, words: str
) -> None:
    body = shop.get(plural, "shop")
    labels = {RELEASE_LABEL: owner} if owner else {}
    body["metadata"] = {"name": "shop-canary", "namespace": shop.namespace, "labels": labels}
    for key in ("clusterIP", "clusterIPs"):
        body["spec"].pop(key, None)
    if plural == "services":
        body["spec"]["selector"] = {"app": "nothing"}
    shop.create(shop.path(plural), body)
    one(check(), words, "kubectl", "delete")


def test_a_canary_of_an_earlier_release_that_is_still_being_deleted(shop: Any, check: Check) -> None:
    spec = {"selector": own_labels("0ther"), "ports": [{"port": 8080}]}
    metadata = {"name": "shop-canary", "namespace": shop.namespace, "labels": own_labels("0ther")}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {**metadata, "finalizers": ["x.test/y"]}, "spec": spec}
    shop.create(shop.path("services"), body)
    shop.request("DELETE", shop.path("services", "shop-canary"))
    one(check(), "still being deleted", "x.test/y")
    shop.merge("services", "shop-canary", {"metadata": {"finalizers": None}})


def test_what_we_made_ourselves_is_no_obstacle_after_a_restart(shop: Any, check: Check) -> None:
    spec = {"selector": own_labels("f00d"), "ports": [{"port": 8080}]}
    metadata = {"name": "shop-canary", "namespace": shop.namespace, "labels": own_labels("f00d")}
    shop.create(shop.path("services"), {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    assert check() == []


def test_the_same_image_is_told_and_allowed(check: Check, images: tuple[str, str]) -> None:
    one(check(image=images[0]), "already runs", code=None)


def autoscaler(shop: Any, **metadata: Any) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
    body = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "shop", "namespace": shop.namespace, **metadata},
        "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 9},
    }
    shop.create(shop.path("horizontalpodautoscalers"), body)


def test_an_autoscaler_that_would_take_stables_pods_away_is_told_unless_its_minimum_is_held(
    shop: Any, check: Check
) -> None:
    autoscaler(shop)
    assert check() == []
    one(check(floor=False), "from 4 down to 2", "minReplicas to 4", code=None)
    refused = {"status": 403, "reason": "Forbidden", "message": "no"}
    shop.fault(refused, verb="patch", resource="horizontalpodautoscalers.autoscaling")
    one(check(), "from 4 down to 2", "cannot be held", "minReplicas to 4", code=None)


def test_a_tool_that_would_put_the_minimum_back_is_named(shop: Any, check: Check) -> None:
    autoscaler(shop, labels={"kustomize.toolkit.fluxcd.io/name": "apps"})
    one(check(), "Flux", "/spec/minReplicas", code=None)


def test_a_minimum_that_another_release_left_held_is_told(shop: Any, check: Check) -> None:
    note = '{"release":"0ther","was":1,"now":2}'
    autoscaler(shop, annotations={"canary-engine.io/floor": note})
    one(check(), "held at 2 by release 0ther; it was 1", "annotate", code=None)


def cover(shop: Any, plural: str, api_version: str, kind: str, name: str = "shop") -> None:
    selecting = "podSelector" if kind == "NetworkPolicy" else "selector"
    spec = {selecting: {"matchLabels": {"app": "shop"}}}
    body = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec}
    shop.create(shop.path(plural), body)


def test_a_network_policy_that_would_not_cover_the_canary_is_refused_unless_it_is_copied(
    shop: Any, check: Check
) -> None:
    cover(shop, "networkpolicies", "networking.k8s.io/v1", "NetworkPolicy")
    one(check(), "NetworkPolicy", "would not cover the canary's", "Add NetworkPolicy to spec.workload.copy")
    assert check(copies=("NetworkPolicy",)) == []
    rehearsed = {(e["verb"], e["resource"]) for e in shop.requests() if e["dryRun"] == "All"}
    assert ("create", "networkpolicies.networking.k8s.io") in rehearsed
    cover(shop, "networkpolicies", "networking.k8s.io/v1", "NetworkPolicy", "shop-canary")
    found = refusing(check(copies=("NetworkPolicy",)))
    assert any("shop-canary exists already" in each.what and "kubectl" in each.fix for each in found)


def test_a_budget_that_would_not_cover_the_canary_is_told(shop: Any, check: Check) -> None:
    cover(shop, "poddisruptionbudgets", "policy/v1", "PodDisruptionBudget")
    one(check(), "PodDisruptionBudget", "would not cover", "can do without", code=None)
    assert check(copies=("PodDisruptionBudget",)) == []


def test_without_a_workload_the_canarys_service_must_be_there(shop: Any, check: Check) -> None:
    one(check(workload=False), "shop-canary does not exist")


# Permissions ----------------------------------------------------------------------------------------------------

RULES = {
    "route": ("gateway.networking.k8s.io", "httproutes", ["get", "list", "watch", "patch"], ["shop"]),
    "deployments": ("apps", "deployments", ["get", "patch"], ["shop", "shop-canary"]),
    "canary": ("apps", "deployments", ["delete"], ["shop-canary"]),
    "making": ("apps", "deployments", ["create", "list"], []),
    "services": ("", "services", ["get", "list", "create", "delete"], []),
    "endpoints": ("discovery.k8s.io", "endpointslices", ["list", "watch"], []),
    "pods": ("", "pods", ["list"], []),
    "leases": ("coordination.k8s.io", "leases", ["get", "create", "patch"], []),
    "journal": ("", "configmaps", ["get", "list", "watch", "create", "patch"], []),
    "events": ("", "events", ["create"], []),
    "policies": ("networking.k8s.io", "networkpolicies", ["list"], []),
    "budgets": ("policy", "poddisruptionbudgets", ["list"], []),
}
LESS = {"events", "policies", "budgets"}
"""Without these a release works, and something is only told less well."""


def permit(shop: Any, rules: dict[str, Any]) -> Api:
    """A Role for the engine's ServiceAccount with these rules; returns the engine's way in."""
    written = [
        {"apiGroups": [group], "resources": [plural], "verbs": verbs, **({"resourceNames": names} if names else {})}
        for group, plural, verbs, names in rules.values()
    ]
    group = "rbac.authorization.k8s.io"
    head = {"apiVersion": f"{group}/v1", "metadata": {"name": "engine", "namespace": shop.namespace}}
    shop.create(shop.path("roles"), {**head, "kind": "Role", "rules": written})
    subject = {"kind": "ServiceAccount", "name": "canary-engine", "namespace": "shop"}
    ref = {"apiGroup": group, "kind": "Role", "name": "engine"}
    shop.create(shop.path("rolebindings"), {**head, "kind": "RoleBinding", "roleRef": ref, "subjects": [subject]})
    api: Api = shop.api("engine")
    return api


def test_a_narrow_role_is_enough(shop: Any, check: Check) -> None:
    assert check(api=permit(shop, RULES)) == []


@pytest.mark.parametrize("missing", [name for name in RULES if name not in LESS])
def test_each_missing_rule_is_named_with_the_rule_to_add(shop: Any, check: Check, missing: str) -> None:
    found = check(api=permit(shop, {name: rule for name, rule in RULES.items() if name != missing}))
    group, plural, verbs, _ = RULES[missing]
    assert found[0].code is ExitCode.NOT_PERMITTED
    for verb in verbs:
        assert f"{verb} {plural}" in found[0].what
    assert f'apiGroups: ["{group}"], resources: [{plural}]' in found[0].fix
    assert [each for each in found[1:] if each.code is ExitCode.NOT_PERMITTED] == []


def test_events_are_not_needed(shop: Any, check: Check) -> None:
    found = check(api=permit(shop, {name: rule for name, rule in RULES.items() if name != "events"}))
    one(found, "create events", code=None)


@pytest.mark.parametrize("missing", ["policies", "budgets"])
def test_what_may_not_be_listed_is_told_and_needed_only_for_copies(shop: Any, check: Check, missing: str) -> None:
    api = permit(shop, {name: rule for name, rule in RULES.items() if name != missing})
    _, plural, _, _ = RULES[missing]
    one(check(api=api), f"may not list {plural}", code=None)


def test_copies_need_rights(shop: Any, check: Check) -> None:
    found = check(api=permit(shop, RULES), copies=("NetworkPolicy",))
    one(found, "create networkpolicies", code=ExitCode.NOT_PERMITTED)


# Metrics --------------------------------------------------------------------------------------------------------


def test_a_source_that_is_down_is_quoted(check: Check) -> None:
    down = Reading(at=0.0, trouble=Trouble.DOWN, sentence="nobody answers on 10.0.0.9:9090")
    one(check(down), "10.0.0.9:9090", "spec.analysis.source")


def test_a_source_that_knows_nothing_about_stable(check: Check) -> None:
    only_route = Reading(at=0.0, samples=(Sample(Key("", None, Role.TOTAL), "s", 1.0, 7.0),))
    one(check(only_route), "no counters of stable", "spec.analysis.gateway")
    one(check(only_route, missing="Give it a filter."), "no counters of stable", "Give it a filter.")


def test_one_bad_reading_is_not_believed(check: Check) -> None:
    assert check(Reading(at=0.0, trouble=Trouble.SLOW, sentence="slow"), GOOD) == []


# When the API server cannot be asked ----------------------------------------------------------------------------


def test_an_api_server_that_does_not_answer_is_no_finding(shop: Any, check: Check) -> None:
    shop.fault({"status": 503}, verb="get", resource="httproutes.gateway.networking.k8s.io")
    api = shop.api()
    api.deadline = lambda _=None: Deadline(Budget(total=0.3, attempt=0.1), Pacer())
    with pytest.raises(Unavailable):
        check(api=api)
