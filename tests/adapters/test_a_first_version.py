"""A service that nothing serves yet: its Deployment is made from the release's file, or refused with a reason."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from canary.adapters.kubernetes import KubernetesWorkloads
from canary.adapters.kubernetes.paths import RELEASE_LABEL
from canary.core.outcome import ExitCode
from canary.ports import Endpoints, NotFound, Problem, Unavailable, WorkloadFailure
from tests.adapters.preflighting import Check, one

pytestmark = pytest.mark.real

Make = Callable[..., KubernetesWorkloads]
IMAGE = "example.test/shop@sha256:" + "2" * 64
WHOLE: dict[str, Any] = {
    "metadata": {"labels": {"team": "shop"}, "annotations": {"about": "it", "meta.helm.sh/release-name": "x"}},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "shop"}},
        "template": {
            "metadata": {"labels": {"app": "shop"}},
            "spec": {"containers": [{"name": "app", "image": "x", "env": [{"name": "A", "value": "b"}]}]},
        },
    },
}


@pytest.fixture
def nothing(shop: Any, eventually: Callable[..., Any]) -> Any:
    """The shop without its Deployment."""
    shop.request("DELETE", shop.path("deployments", "shop"))
    eventually(lambda: not shop.get("endpointslices", "shop-1")["endpoints"])
    return shop


@pytest.fixture
def first(workloads: Make) -> Make:
    return lambda **changes: workloads(**{"first": WHOLE, "template": WHOLE["spec"]["template"], **changes})


def stable(shop: Any) -> Any:
    return shop.get("deployments", "shop")


def test_it_is_made_once_by_whichever_incarnation_and_let_go_of(nothing: Any, first: Make) -> None:
    assert first().deploy() == Endpoints(stable=3, canary=0)
    made = stable(nothing)
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["env"][0]["value"], made["spec"]["replicas"]) == (IMAGE, "b", 3)
    assert made["metadata"]["labels"] == {"team": "shop", RELEASE_LABEL: "f00d"}
    assert made["metadata"]["annotations"] == {"about": "it"}
    assert first().deploy().stable == 3
    assert stable(nothing)["metadata"]["uid"] == made["metadata"]["uid"]
    port = first()
    port.put_mark("f00d/i1", over=port.mark())
    for _ in range(2):
        first().remove(keep=True)
        left = stable(nothing)
        assert (left["spec"], left["metadata"]["uid"]) == (made["spec"], made["metadata"]["uid"])
        assert left["metadata"]["labels"] == {"team": "shop"}
    first().remove()  # whatever sweeps later
    assert stable(nothing)["metadata"]["uid"] == made["metadata"]["uid"]


def test_one_that_does_not_start_is_a_verdict_and_is_taken_away(nothing: Any, controller: Any, first: Make) -> None:
    controller.failing[IMAGE] = "CrashLoopBackOff"
    with pytest.raises(WorkloadFailure, match="CrashLoopBackOff"):
        first().deploy()
    first(first=None, template=None).remove()  # a watchdog has no file
    assert stable(nothing) is None


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_create_whose_answer_was_lost_is_gone_on_with(nothing: Any, first: Make, drop: str) -> None:
    nothing.fault({"drop": drop}, times=1, verb="create", resource="deployments.apps")
    with pytest.raises(Unavailable):
        first().deploy()
    assert first().deploy().stable == 3


def test_letting_go_must_be_known_before_anything_is_deleted(nothing: Any, first: Make) -> None:
    first().deploy()
    nothing.fault({"drop": "before"}, times=1, verb="patch", resource="deployments.apps")
    with pytest.raises(Unavailable):
        first().remove(keep=True)
    assert stable(nothing)["metadata"]["labels"][RELEASE_LABEL] == "f00d"
    first().remove(keep=True)
    assert RELEASE_LABEL not in stable(nothing)["metadata"]["labels"]


def test_one_that_somebody_else_made_is_left_alone_and_named(shop: Any, first: Make) -> None:
    before = stable(shop)
    with pytest.raises(WorkloadFailure, match=r"shop was made by kubectl-create.*not by this release"):
        first().deploy()
    first().remove()
    assert stable(shop) == before


def test_without_a_file_nothing_is_made(nothing: Any, workloads: Make) -> None:
    with pytest.raises(WorkloadFailure, match="names no Deployment"):
        workloads().deploy()
    with pytest.raises(NotFound):
        workloads().mark()


# Preflight ------------------------------------------------------------------------------------------------------


@pytest.fixture
def direct(check: Check) -> Check:
    def run(**changes: Any) -> list[Problem]:
        given = {"first": WHOLE, "template": WHOLE["spec"]["template"], **changes}
        return check(**given)

    return run


def changed(change: Callable[[Any], object]) -> Any:
    whole = copy.deepcopy(WHOLE)
    change(whole)
    return whole


def test_where_nothing_serves_it_is_said_what_that_means_and_let_pass(nothing: Any, direct: Check) -> None:
    found = direct()
    assert [each.code for each in found] == [None]
    assert found[0].first
    assert "no canary, no comparison, no gate" in found[0].what
    assert "spec.workload.name" in found[0].fix


def test_where_there_is_a_stable_it_is_a_release_like_any_other(shop: Any, direct: Check) -> None:
    found = direct()
    assert not any(each.first for each in found)
    assert [each for each in found if each.code is not None] == []


def test_a_name_with_a_typing_error_is_no_first_release(shop: Any, direct: Check) -> None:
    one(direct(deployment="shoop"), "has 4 ready endpoints, of another Deployment", "spec.workload.name")


def test_without_direct_it_is_said_how_to_get_there(nothing: Any, check: Check) -> None:
    found = [each for each in check() if each.code is not None]
    assert any("has no ready endpoints" in each.what for each in found)
    nothing.request("DELETE", nothing.path("services", "shop"))
    assert any("does not exist" in each.what for each in check())


def test_a_service_is_not_made(nothing: Any, direct: Check) -> None:
    nothing.request("DELETE", nothing.path("services", "shop"))
    one(direct(), "Service", "Create it")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda whole: whole["spec"]["template"]["metadata"]["labels"].update(app="other"),
            "would not select the pods",
        ),
        (lambda whole: whole["spec"]["selector"]["matchLabels"].update(tier="x"), "would not select its own pods"),
        (lambda whole: whole["spec"]["template"]["spec"].update(retsartPolicy="x"), "retsartPolicy"),
    ],
)
def test_what_could_not_stand_is_refused(
    nothing: Any, direct: Check, change: Callable[[Any], object], said: str
) -> None:
    found = [each for each in direct(first=changed(change)) if not each.first]
    assert [each.code for each in found] == [ExitCode.PREFLIGHT_FAILED]
    assert said in found[0].what
