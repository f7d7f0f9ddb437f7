"""A clusterStatName is found in the EnvoyProxy of the route's gateways, where it may be read; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from canary.adapters.kubernetes.envoy_proxies import check_stat_names
from canary.adapters.kubernetes.paths import Resource

ROUTE = {"spec": {"parentRefs": [{"name": "public", "namespace": "infra"}]}}
REFERENCE = {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": "settings"}
STAT_NAME = {"spec": {"telemetry": {"metrics": {"clusterStatName": "%ROUTE_NAME%"}}}}
OWN = {"spec": {"gatewayClassName": "eg", "infrastructure": {"parametersRef": REFERENCE}}}
OF_CLASS = {
    ("Gateway", "infra", "public"): {"spec": {"gatewayClassName": "eg"}},
    ("GatewayClass", "", "eg"): {"spec": {"parametersRef": {**REFERENCE, "namespace": "envoy-gateway-system"}}},
}


def found(objects: Mapping[tuple[str, str, str], Any], route: Any = ROUTE) -> list[str]:
    def read(resource: Resource, namespace: str, name: str) -> Mapping[str, Any] | None:
        return objects.get((resource.kind, namespace, name))

    problems = check_stat_names(route, "shop", read=read)
    assert all(one.code is not None for one in problems), "a refusal"
    return [one.what for one in problems]


def test_a_gateways_own_settings_are_read() -> None:
    objects = {("Gateway", "infra", "public"): OWN, ("EnvoyProxy", "infra", "settings"): STAT_NAME}
    (what,) = found(objects)
    assert what.startswith("EnvoyProxy infra/settings sets clusterStatName '%ROUTE_NAME%': all backends of a rule")


def test_those_of_its_class_are_read_where_it_has_none() -> None:
    (what,) = found({**OF_CLASS, ("EnvoyProxy", "envoy-gateway-system", "settings"): STAT_NAME})
    assert "envoy-gateway-system/settings" in what
    own = {("Gateway", "infra", "public"): OWN, ("EnvoyProxy", "infra", "settings"): {"spec": {}}}
    assert found({**OF_CLASS, ("EnvoyProxy", "envoy-gateway-system", "settings"): STAT_NAME, **own}) == []


@pytest.mark.parametrize(
    "settings", [{}, {"spec": None}, {"spec": {"telemetry": {"metrics": {"clusterStatName": ""}}}}]
)
def test_without_one_nothing_is_said(settings: Any) -> None:
    assert found({("Gateway", "infra", "public"): OWN, ("EnvoyProxy", "infra", "settings"): settings}) == []


def test_what_may_not_be_read_is_not_objected_to() -> None:
    assert found({}) == []
    assert found({("Gateway", "infra", "public"): OWN}) == []
    assert found(OF_CLASS) == []
    assert found(OF_CLASS, route={"spec": {"parentRefs": [{"kind": "Service", "name": "s"}, None]}}) == []
