"""Stable's turn on the emulated API server: it gets the new version, or its own back, and nobody else's is touched."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from canary.adapters.kubernetes import KubernetesWorkloads
from canary.adapters.kubernetes.paths import TOKEN_LABEL
from canary.ports import Conflict, NotFound, Refused, Unavailable, WorkloadFailure
from tests.adapters.emulated import image_of

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("fenced")]

Make = Callable[..., KubernetesWorkloads]
TOKEN = "f00d/i1"  # noqa: S105 - the fence's
FULL = Decimal(100)


def promoted(workloads: Make) -> KubernetesWorkloads:
    """The port of a release that has given stable its image."""
    port = workloads()
    port.provision(share=FULL)
    port.update_stable(token=TOKEN)
    return port


def test_stable_gets_the_image_and_gives_it_back_and_nothing_else_changes(
    shop: Any, workloads: Make, images: tuple[str, str]
) -> None:
    workloads().provision(share=FULL)
    before = shop.get("deployments", "shop")["spec"]
    for _ in range(2):
        workloads().update_stable(token=TOKEN)
        assert image_of(shop.get("deployments", "shop")) == images[1]
    for _ in range(2):
        workloads().revert_stable()
        assert shop.get("deployments", "shop")["spec"] == before


@pytest.mark.parametrize("drop", ["before", "after"])
def test_a_promotion_whose_answer_was_lost_can_be_asked_for_again(
    shop: Any, workloads: Make, images: tuple[str, str], drop: str
) -> None:
    workloads().provision(share=FULL)
    shop.fault({"drop": drop}, times=1, verb="patch", resource="deployments.apps", name="shop")
    with pytest.raises(Unavailable):
        workloads().update_stable(token=TOKEN)
    workloads().update_stable(token=TOKEN)
    assert image_of(shop.get("deployments", "shop")) == images[1]


def test_an_image_that_somebody_else_gave_stable_is_not_written_over(
    shop: Any, workloads: Make, images: tuple[str, str]
) -> None:
    workloads().provision(share=FULL)
    third = "example.test/shop:hotfix"
    operation = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": third}]
    path = f"{shop.path('deployments', 'shop')}?fieldManager=kubectl-set"
    assert shop.request("PATCH", path, operation, content="application/json-patch+json")[0] == 200
    with pytest.raises(NotFound, match="kubectl-set"):
        workloads().update_stable(token=TOKEN)
    workloads().revert_stable()
    assert image_of(shop.get("deployments", "shop")) == third


def test_stable_is_not_done_before_it_is_ready_and_its_failure_is_told(
    shop: Any, controller: Any, workloads: Make, images: tuple[str, str]
) -> None:
    workloads().provision(share=FULL)
    controller.failing[images[1]] = "CrashLoopBackOff"
    with pytest.raises(WorkloadFailure, match="CrashLoopBackOff"):
        workloads().update_stable(token=TOKEN)
    workloads().revert_stable()
    assert image_of(shop.get("deployments", "shop")) == images[0]


def test_the_way_back_of_stable_is_known_even_when_the_canary_was_deleted(
    shop: Any, workloads: Make, images: tuple[str, str]
) -> None:
    port = promoted(workloads)
    shop.request("DELETE", shop.path("deployments", "shop-canary"))
    port.revert_stable()
    assert image_of(shop.get("deployments", "shop")) == images[0]
    port = workloads()
    assert port.revert_stable() is None  # nothing of ours in stable: nothing to put back
    with pytest.raises(NotFound, match="deleted by somebody else"):
        port.update_stable(token=TOKEN)


def test_an_image_that_is_not_known_is_not_guessed(shop: Any, workloads: Make) -> None:
    promoted(workloads)
    shop.request("DELETE", shop.path("deployments", "shop-canary"))
    with pytest.raises(Refused, match="is not known"):
        workloads().revert_stable()


def test_after_the_end_a_late_engine_neither_promotes_nor_puts_back(
    shop: Any, workloads: Make, images: tuple[str, str]
) -> None:
    port = promoted(workloads)
    shop.merge("deployments", "shop", {"metadata": {"labels": {TOKEN_LABEL: None}}})
    with pytest.raises(Conflict, match="does not carry our token, but none"):
        port.revert_stable()
    assert image_of(shop.get("deployments", "shop")) == images[1]


def test_a_promotion_that_was_computed_before_the_takeover_does_not_hold_after_it(
    shop: Any, workloads: Make, images: tuple[str, str]
) -> None:
    port, next_one = workloads(), workloads()
    port.provision(share=FULL)
    patch = port._stable_writes._objects.patch

    def slept(*words: Any, **named: Any) -> Any:
        next_one.put_mark("f00d/i2", over=next_one.mark())
        return patch(*words, **named)

    port._stable_writes._objects.patch = slept  # type: ignore[method-assign]  # it slept just before the request
    with pytest.raises(Conflict, match="does not carry our token, but f00d/i2"):
        port.update_stable(token=TOKEN)
    assert image_of(shop.get("deployments", "shop")) == images[0]


def test_the_token_is_no_part_of_the_template_and_goes_without_a_trace(shop: Any, workloads: Make) -> None:
    shop.merge("deployments", "shop", {"metadata": {"labels": {TOKEN_LABEL: None}}})
    before = shop.get("deployments", "shop")
    port = workloads()
    port.put_mark(TOKEN, over=port.mark())
    marked = shop.get("deployments", "shop")
    assert (marked["spec"], marked["metadata"]["generation"]) == (before["spec"], before["metadata"]["generation"])
    port.remove()
    left = shop.get("deployments", "shop")
    assert (left["spec"], left["metadata"].get("labels")) == (before["spec"], before["metadata"].get("labels"))
