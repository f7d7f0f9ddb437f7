"""What the API server sends is not trusted: whatever it is, callers get a `PortError` or a finding, never a crash."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from analysis.sources import Reading
from canary.adapters.kubernetes import Api, KubernetesPreflights, KubernetesRoutes, KubernetesWorkloads
from canary.adapters.kubernetes.endpoints import Counting
from canary.adapters.kubernetes.waiting import Pace
from canary.adapters.kubernetes.watching import Changed, Deleted, Listed
from canary.ports import Endpoints, PortError
from strategies import Pool, RefId

SPEC: dict[str, Any] = {"template": {"spec": {"containers": "none"}}, "replicas": "many"}
ANSWERS: list[dict[str, Any]] = [
    {},
    {"metadata": None},
    {"metadata": {}, "spec": None},
    {"metadata": {"name": "shop", "namespace": "space"}, "spec": {}},
    {"metadata": {"name": "shop", "namespace": "space"}, "spec": SPEC},
    {"metadata": {"name": 7, "labels": ["a"], "annotations": 3}, "spec": {"rules": {}, "selector": 5, "ports": 1}},
    {"items": [{}, {"metadata": {"labels": 4}}, {"metadata": {}, "endpoints": [None]}, 7]},
    {"items": "many", "metadata": "none"},
]


class Silent:
    """A source without counters."""

    def read(self, *, timeout: float) -> Reading:  # noqa: ARG002 - the port's signature
        return Reading(at=0.0)


@pytest.fixture(params=range(len(ANSWERS)))
def api(request: pytest.FixtureRequest, server: Any, say: Any, make_api: Callable[..., Api]) -> Api:
    server.script = [say.reply(200, ANSWERS[request.param])]
    made = make_api()
    made.pacer = type(made.pacer)(monotonic=made.pacer.monotonic, sleep=lambda _: None)
    return made


def make(api: Api) -> KubernetesWorkloads:
    return KubernetesWorkloads(
        api,
        namespace="space",
        release="f00d",
        deployment="shop",
        container=None,
        image="new",
        stable_service="shop",
        canary_service="shop-canary",
        port=8080,
        pace=Pace(poll=0.01, steady=0.0, progress=0.05, grace=0.0, endpoints=0.05),
    )


ARGUMENTS: dict[str, dict[str, Any]] = {
    "provision": {"share": Decimal(5)},
    "update_stable": {"token": "f00d/i1"},
}


@pytest.mark.parametrize("call", ["provision", "update_stable", "revert_stable", "remove", "mark"])
def test_the_workload_answers_with_a_port_error_at_worst(api: Api, call: str) -> None:
    arguments = ARGUMENTS.get(call, {})
    # Where nothing that is ours is to be seen, there is nothing to remove, and that is no error.
    with contextlib.suppress(PortError) if call == "remove" else pytest.raises(PortError):
        getattr(make(api), call)(**arguments)


def test_preflight_finds_something_wrong_with_it(api: Api) -> None:
    pool = Pool(
        stable=RefId("Service", "", "space", "shop", 8080), canary=RefId("Service", "", "space", "shop-canary", 8080)
    )
    preflights = KubernetesPreflights(
        api,
        namespace="space",
        routes=KubernetesRoutes(api, namespace="space", name="shop"),
        pool=pool,
        selectors=None,
        shares=[Decimal(5)],
        release="f00d",
        workloads=make(api),
        sources=Silent(),
    )
    found = preflights.check()
    assert any(problem.code is not None for problem in found)


@pytest.mark.parametrize("item", ANSWERS)
def test_counting_endpoints_goes_on(item: dict[str, Any]) -> None:
    seen: list[Endpoints] = []
    counting = Counting("shop", "shop-canary", seen.append)
    labels = {"kubernetes.io/service-name": "shop"}
    for news in (Listed(items=(item,)), Changed(item=item), Deleted(item=item)):
        counting(news)
    good = {"metadata": {"name": "x", "labels": labels}, "endpoints": [{"addresses": ["10.0.0.1"]}]}
    counting(Changed(item=good))
    assert seen[-1] == Endpoints(stable=1, canary=0)
