"""A pod template from a file: env, config and probes are released with the image, and come back with it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from canary.adapters.kubernetes import KubernetesWorkloads
from canary.core.outcome import ExitCode
from canary.ports import NotFound, Refused, Unavailable, WorkloadFailure
from tests.adapters.preflighting import Check, one

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("fenced")]

Make = Callable[..., KubernetesWorkloads]
TOKEN = "f00d/i1"  # noqa: S105 - the fence's
FIVE, FULL = Decimal(5), Decimal(100)
OLD_IMAGE, NEW_IMAGE = ("example.test/shop@sha256:" + digit * 64 for digit in "12")
NEW: dict[str, Any] = {
    "metadata": {"labels": {"app": "shop", "tier": "front", "since": "two"}, "annotations": {"about": "ümläuts & <>"}},
    "spec": {
        "containers": [
            {
                "name": "app",
                "image": "of-the-file",
                "env": [{"name": "PRICES", "value": "v2"}],
                "ports": [{"name": "http", "containerPort": 8080}],
                "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
                "resources": {"requests": {"cpu": "0.5"}},
            }
        ]
    },
}


@pytest.fixture
def released(workloads: Make) -> Make:
    """The port with the template; each call is another incarnation."""
    return lambda **changes: workloads(**{"template": NEW, **changes})


def template(shop: Any, name: str = "shop") -> Any:
    return shop.get("deployments", name)["spec"]["template"]


def app(shop: Any, name: str = "shop") -> Any:
    return template(shop, name)["spec"]["containers"][0]


def test_the_canary_is_made_from_the_file_and_stable_stays_as_it_is(shop: Any, released: Make) -> None:
    before = shop.get("deployments", "shop")
    released().provision(share=FIVE)
    assert shop.get("deployments", "shop") == before
    canary = app(shop, "shop-canary")
    assert (canary["image"], canary["env"]) == (NEW_IMAGE, [{"name": "PRICES", "value": "v2"}])
    assert canary["readinessProbe"]["httpGet"]["path"] == "/ready"
    labels = template(shop, "shop-canary")["metadata"]["labels"]
    assert labels["since"] == "two"
    assert labels["app"] != "shop"
    assert len(shop.get("endpointslices", "shop-1")["endpoints"]) == 4


@pytest.mark.parametrize("image", [NEW_IMAGE, OLD_IMAGE], ids=["a new image", "the same image: config alone"])
def test_stable_gets_the_whole_template_and_gives_it_back(shop: Any, released: Make, image: str) -> None:
    before = shop.get("deployments", "shop")["spec"]
    released(image=image).provision(share=FULL)
    for _ in range(2):
        released(image=image).update_stable(token=TOKEN)
        now = app(shop)
        assert (now["image"], now["env"][0]["value"]) == (image, "v2")
        assert template(shop)["metadata"] == NEW["metadata"]
    generation = shop.get("deployments", "shop")["metadata"]["generation"]
    released(image=image).update_stable(token=TOKEN)
    assert shop.get("deployments", "shop")["metadata"]["generation"] == generation
    for _ in range(2):
        released(image=image, template=None).revert_stable()  # a watchdog has no file
        assert shop.get("deployments", "shop")["spec"] == before


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_promotion_whose_answer_was_lost_is_recognised(shop: Any, released: Make, drop: str) -> None:
    before = template(shop)
    released(image=OLD_IMAGE).provision(share=FULL)
    shop.fault({"drop": drop}, times=1, verb="patch", resource="deployments.apps", name="shop")
    with pytest.raises(Unavailable):
        released(image=OLD_IMAGE).update_stable(token=TOKEN)
    if drop == "after":
        released(image=OLD_IMAGE, template=None).revert_stable()
        assert template(shop) == before
    released(image=OLD_IMAGE).update_stable(token=TOKEN)
    assert app(shop)["env"][0]["value"] == "v2"


def test_what_somebody_else_changes_stops_the_release_and_stays(shop: Any, released: Make) -> None:
    released().provision(share=FIVE)
    theirs = copy.deepcopy(template(shop))
    theirs["metadata"]["annotations"] = {"theirs": "yes"}
    shop.merge("deployments", "shop", {"spec": {"template": theirs}}, manager="kubectl-annotate")
    for ask in (lambda: released().provision(share=FULL), lambda: released().update_stable(token=TOKEN)):
        with pytest.raises(NotFound, match="was changed during the release by"):
            ask()
    released().revert_stable()
    assert template(shop)["metadata"]["annotations"] == {"theirs": "yes"}


def test_a_template_that_stable_does_not_get_ready_with_is_taken_back(
    shop: Any, controller: Any, released: Make
) -> None:
    before = template(shop)
    released().provision(share=FULL)
    controller.failing[NEW_IMAGE] = "CrashLoopBackOff"
    with pytest.raises(WorkloadFailure, match="CrashLoopBackOff"):
        released().update_stable(token=TOKEN)
    released(template=None).revert_stable()
    assert template(shop) == before


def test_notes_that_are_torn_are_not_guessed_at(shop: Any, released: Make) -> None:
    released().provision(share=FULL)
    note = {"metadata": {"annotations": {"canary-engine.io/old-template": "{"}}}
    shop.merge("deployments", "shop-canary", note)
    with pytest.raises(Refused, match="old template"):
        released(template=None).revert_stable()


# Preflight ------------------------------------------------------------------------------------------------------


def changed(**metadata: Any) -> Any:
    return {**NEW, "metadata": {**NEW["metadata"], **metadata}}


def test_a_template_that_fits_is_let_pass(check: Check) -> None:
    assert [each for each in check(template=NEW) if each.code is not None] == []


def test_pods_that_the_deployment_does_not_select(check: Check) -> None:
    one(check(template=changed(labels={"app": "shopp"})), "selects pods with app: shop", "metadata.labels")


def test_whose_rights_pods_have_is_not_for_a_file_to_choose(check: Check) -> None:
    account = {**NEW, "spec": {**NEW["spec"], "serviceAccountName": "admin"}}
    one(check(template=account), "run as ServiceAccount default", "run as admin", "correct serviceAccountName")


def test_pods_that_the_service_does_not_select(shop: Any, check: Check) -> None:
    shop.merge("services", "shop", {"spec": {"selector": {"app": "shop", "tier": "front"}}})
    found = [each for each in check(template=changed(labels={"app": "shop"})) if each.code is not None]
    assert len(found) == 1
    assert "would not select the pods" in found[0].what


def test_a_key_that_kubernetes_does_not_know(check: Check) -> None:
    wrong = copy.deepcopy(NEW)
    wrong["spec"]["containers"][0]["readinesProbe"] = {}
    found = [each for each in check(template=wrong) if each.code is not None]
    assert [each.code for each in found] == [ExitCode.PREFLIGHT_FAILED]
    assert "readinesProbe" in found[0].what


def test_the_same_version_is_told_only_where_the_whole_template_is_the_same(shop: Any, check: Check) -> None:
    def already(**changes: Any) -> bool:
        return any("already runs" in each.what for each in check(**changes))

    assert already(image=OLD_IMAGE)
    assert already(image=OLD_IMAGE, template=template(shop))
    assert not already(image=OLD_IMAGE, template=NEW)
