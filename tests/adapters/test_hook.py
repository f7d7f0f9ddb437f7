"""Promotion by somebody else, on the emulated API server: stable's Deployment is looked at and never written."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from canary.adapters.kubernetes import KubernetesWorkloads
from canary.adapters.kubernetes.waiting import Pace
from canary.ports import Conflict, Mark, NotFound, WorkloadFailure

pytestmark = pytest.mark.real

TOKEN = "f00d/i1"  # noqa: S105 - the fence's
PACE = Pace(poll=0.02, steady=0.1, stuck=0.3, progress=10.0, grace=5.0, endpoints=10.0, hook=0.02)


def give(shop: Any, image: str) -> None:
    """What a GitOps tool does."""
    containers = shop.get("deployments", "shop")["spec"]["template"]["spec"]["containers"]
    containers[0]["image"] = image
    shop.merge("deployments", "shop", {"spec": {"template": {"spec": {"containers": containers}}}}, manager="argocd")


class Waiting:
    """A port that waits for the hook on a thread of its own."""

    def __init__(self, port: KubernetesWorkloads) -> None:
        self.port, self.ended = port, ""
        port.provision(share=Decimal(100))
        port.put_mark(TOKEN, over=port.mark())
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.port.update_stable(token=TOKEN)
            self.ended = "updated"
        except (NotFound, WorkloadFailure) as error:
            self.ended = f"{type(error).__name__}: {error}"

    def end(self) -> str:
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.ended


@pytest.fixture
def waiting(shop: Any, workloads: Callable[..., KubernetesWorkloads]) -> Waiting:
    return Waiting(workloads(hook=True, pace=PACE))


def looked(shop: Any, eventually: Callable[..., Any]) -> None:
    """The port has seen stable a few times since."""
    before = len(shop.requests())
    eventually(lambda: len(shop.requests()) > before + 20)


def test_it_ends_once_somebody_gave_stable_the_digest_and_it_is_ready(
    shop: Any, waiting: Waiting, images: tuple[str, str], eventually: Callable[..., Any]
) -> None:
    before = shop.get("deployments", "shop")
    looked(shop, eventually)
    assert waiting.ended == ""
    assert shop.get("deployments", "shop") == before  # no token, no image
    give(shop, images[1].replace("@", ":1.5@"))
    assert waiting.end() == "updated"
    waiting.port.revert_stable()
    waiting.port.remove()
    assert shop.get("deployments", "shop")["spec"]["template"]["spec"]["containers"][0]["image"].startswith(
        images[1].partition("@")[0] + ":1.5@"
    )
    managers = {each["manager"] for each in shop.get("deployments", "shop")["metadata"]["managedFields"]}
    assert "canary-engine" not in managers


def test_a_third_version_is_somebodys_change(shop: Any, waiting: Waiting) -> None:
    give(shop, "example.test/shop:hotfix")
    assert "changed by argocd to example.test/shop:hotfix" in waiting.end()


def test_a_stable_that_crashes_with_it_fails_with_the_reason(
    shop: Any, controller: Any, waiting: Waiting, images: tuple[str, str]
) -> None:
    controller.failing[images[1]] = "CrashLoopBackOff"
    give(shop, images[1])
    assert "CrashLoopBackOff" in waiting.end()


def test_the_wait_can_be_called_off(waiting: Waiting) -> None:
    waiting.port.cancel()
    assert waiting.end() == "WorkloadFailure: cancelled"


def test_the_token_is_kept_in_the_process_and_compared_all_the_same(
    workloads: Callable[..., KubernetesWorkloads],
) -> None:
    port = workloads(hook=True)
    first = port.mark()
    assert (first.token, bool(first.version)) == ("", True)
    port.put_mark(TOKEN, over=first)
    assert port.mark().token == TOKEN
    with pytest.raises(Conflict):
        port.put_mark("f00d/i2", over=Mark(token="", version="1"))
