"""Preflight finds what would go wrong later, says what to do about it, and touches nothing: route and metrics."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from analysis.sources import Reading
from analysis.sources.model import Key, Role, Sample, Trouble
from canary.adapters.kubernetes.budget import Budget, Deadline, Pacer
from canary.adapters.kubernetes.rehearsal import first_raise
from canary.core.outcome import ExitCode
from canary.ports import Unavailable
from strategies import annotations_of, choose, share_of
from strategies.route.model import rules_of
from tests.adapters.preflighting import GOOD, SHARES, Check, one, pool_of, refusing

pytestmark = pytest.mark.real


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
