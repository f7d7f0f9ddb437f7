"""Whose counters are read: what the release file says, and what only the route shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.model import Arm
from analysis.packs import PACKS
from canary.cli.counters import places_on, seen_on, target_of, why_none
from canary.ports import PortError
from canary.spec import Release, load, parse
from strategies import Pool, RefId

MINIMAL = Path(__file__).parents[2] / "examples" / "releases" / "minimal.yaml"
POOL = Pool(
    stable=RefId("Service", "", "shop", "user-service", 8080),
    canary=RefId("Service", "", "shop", "user-service-canary", 8080),
)


def rule(*services: str, name: str = "") -> dict[str, Any]:
    refs = [{"name": service, "port": 8080} for service in services]
    path = {"path": {"type": "PathPrefix", "value": f"/{name}{len(refs)}"}}
    return {"matches": [path], "backendRefs": refs, **({"name": name} if name else {})}


def route(*rules: dict[str, Any]) -> dict[str, Any]:
    parents = [{"name": "public"}, {"name": "other", "namespace": "infra"}, {"kind": "Service", "name": "mesh"}]
    metadata = {"name": "user-service-route", "namespace": "shop"}
    return {"kind": "HTTPRoute", "metadata": metadata, "spec": {"parentRefs": parents, "rules": list(rules)}}


class Routes:
    """A route, or the reason why there is none."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def read(self) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def release(text: str = "", **replaced: str) -> Release:
    text = MINIMAL.read_text() + text
    for old, new in replaced.items():
        text = text.replace(old, new)
    return parse(text)


def test_the_canarys_place_is_where_it_is_or_where_it_will_be_appended() -> None:
    before = route(rule("user-service", "legacy"), rule("elsewhere"), rule("legacy", "user-service", name="api"))
    assert places_on(before, pool=POOL, selectors=None) == {
        Arm.STABLE: ((0, 0), (2, 1)),
        Arm.CANARY: ((0, 2), (2, 2)),
    }
    during = route(rule("user-service", "legacy", "user-service-canary"), rule("elsewhere"))
    assert places_on(during, pool=POOL, selectors=None) == {Arm.STABLE: ((0, 0),), Arm.CANARY: ((0, 2),)}


@pytest.mark.parametrize("selectors", [("api",), (2,)])
def test_only_chosen_rules_count(selectors: tuple[str | int, ...]) -> None:
    before = route(rule("user-service", "legacy"), rule("elsewhere"), rule("legacy", "user-service", name="api"))
    assert places_on(before, pool=POOL, selectors=selectors) == {Arm.STABLE: ((2, 1),), Arm.CANARY: ((2, 2),)}


def test_the_route_tells_its_gateways_and_places() -> None:
    seen = seen_on(Routes(route(rule("user-service"))), target_of(load(MINIMAL)), pool=POOL, selectors=None)  # type: ignore[arg-type]
    assert seen.gateways == (("shop", "public"), ("infra", "other"))
    assert seen.places == {Arm.STABLE: ((0, 0),), Arm.CANARY: ((0, 1),)}


@pytest.mark.parametrize(
    "answer", [PortError("no"), {}, {"spec": {"rules": "x"}}, None, route(rule(*["user-service"] * 2))]
)
def test_a_route_that_tells_nothing_is_preflights_matter(answer: Any) -> None:
    target = target_of(load(MINIMAL))
    assert seen_on(Routes(answer), target, pool=POOL, selectors=None) == target  # type: ignore[arg-type]


def test_each_arm_has_its_own_service_port_and_deployment() -> None:
    target = target_of(load(MINIMAL))
    assert target.services == {Arm.STABLE: "user-service", Arm.CANARY: "user-service-canary"}
    assert target.workload_of(Arm.CANARY) == "user-service-canary"
    other = target_of(release("  canary: {service: next, port: 9090}\n", **{"  workload: {name: user-service}\n": ""}))
    assert [other.port_of(arm) for arm in (Arm.STABLE, Arm.CANARY)] == [8080, 9090]
    assert [other.workload_of(arm) for arm in (Arm.STABLE, Arm.CANARY)] == ["user-service", "next"]


def test_the_reason_why_there_may_be_no_counters_is_the_packs_own() -> None:
    assert why_none(load(MINIMAL)) == PACKS["traefik"].missing
    own = "gateway: none\n    metrics: [{query: {name: x, bad: 'b{s=\"$arm\"}', total: 't{s=\"$arm\"}'}}]"
    assert why_none(release(**{"gateway: traefik": own})) == ""
