"""Schemas: defaults, refusals, unknown fields, and that every kind has one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from canary.sandbox.apiserver.definitions import broken_definition, definitions
from canary.sandbox.apiserver.kinds import DATA, built_in, schema_of
from canary.sandbox.apiserver.resources import BUILT_IN, Registry, Resource
from canary.sandbox.apiserver.schema import fill, mistakes, prune

TABLE = json.loads((DATA / "built-in.json").read_text(encoding="utf-8"))
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def rule(api: Any, routes: str, body: Any) -> Any:
    return api.create(routes, body)["spec"]["rules"][0]


# Defaults ----------------------------------------------------------------------------------------------------


def test_an_httproute_rule_without_matches_gets_the_default_match(api: Any, routes: str, make: Any) -> None:
    made = rule(api, routes, make.route())
    assert made["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]


def test_an_httproute_match_gets_its_own_defaults(api: Any, routes: str, make: Any) -> None:
    body = make.route()
    body["spec"]["rules"][0]["matches"] = [{"headers": [{"name": "x", "value": "y"}]}]
    (match,) = rule(api, routes, body)["matches"]
    assert match == {
        "path": {"type": "PathPrefix", "value": "/"},
        "headers": [{"type": "Exact", "name": "x", "value": "y"}],
    }


def test_backend_references_get_weight_group_and_kind(api: Any, routes: str, make: Any) -> None:
    body = make.route()
    body["spec"]["rules"][0]["backendRefs"] = [
        {"name": "stable", "port": 80},
        {"name": "zero", "port": 80, "weight": 0},
    ]
    one, zero = rule(api, routes, body)["backendRefs"]
    assert one == {"group": "", "kind": "Service", "name": "stable", "port": 80, "weight": 1}
    assert zero["weight"] == 0
    parent = api.get(f"{routes}/shop")["spec"]["parentRefs"][0]
    assert parent == {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}


def test_nulls_give_way_to_defaults_and_absence(api: Any, routes: str, make: Any) -> None:
    body = make.route(hostnames=None)
    body["spec"]["rules"][0] |= {"matches": None, "filters": None}
    made = api.create(routes, body)["spec"]
    assert made["rules"][0]["matches"]
    assert "filters" not in made["rules"][0]
    assert "hostnames" not in made


def test_nulls_mean_absent_in_built_in_kinds_at_any_depth(api: Any, deployments: str, make: Any) -> None:
    body = make.deployment()  # what `kubectl create deployment --dry-run=client -o yaml` writes
    body["metadata"]["creationTimestamp"] = None
    body["spec"]["template"]["metadata"]["creationTimestamp"] = None
    body["spec"]["template"]["spec"]["containers"][0]["env"] = None
    body["spec"]["strategy"] = None
    made = api.create(deployments, body, fieldValidation="Strict")
    assert made["spec"]["strategy"]["type"] == "RollingUpdate"
    assert "creationTimestamp" not in made["spec"]["template"]["metadata"]


def test_built_in_kinds_get_their_defaults(api: Any, ns: str, deployments: str, make: Any) -> None:
    spec = api.create(deployments, make.deployment())["spec"]
    assert (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (1, 10, 600)
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"},
    }
    (container,) = spec["template"]["spec"]["containers"]
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert container["ports"] == [{"containerPort": 8080, "protocol": "TCP"}]
    assert spec["template"]["spec"]["restartPolicy"] == "Always"

    core = f"/api/v1/namespaces/{ns}"
    service = api.create(f"{core}/services", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})["spec"]
    assert service["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert service["type"] == "ClusterIP"
    assert service["clusterIP"] == service["clusterIPs"][0]
    secret = api.create(f"{core}/secrets", {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
    assert (secret["data"], secret["type"]) == ({"a": "Yg=="}, "Opaque")
    assert "stringData" not in secret
    job = {"metadata": {"name": "j"}, "spec": {"template": make.deployment()["spec"]["template"]}}
    job["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    made = api.create(f"/apis/batch/v1/namespaces/{ns}/jobs", job)["spec"]
    assert (made["backoffLimit"], made["completions"], made["parallelism"], made["suspend"]) == (6, 1, 1, False)


def test_a_services_address_stays_and_may_not_be_changed(api: Any, ns: str) -> None:
    services = f"/api/v1/namespaces/{ns}/services"
    made = api.create(services, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
    put = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 81}]}}
    assert api.do("PUT", f"{services}/s", put)["spec"]["clusterIP"] == made["spec"]["clusterIP"]
    api.refuse(422, "PATCH", f"{services}/s", {"spec": {"clusterIP": "10.1.1.1"}}, kind="merge")


def test_a_deployments_selector_matches_its_template_and_never_changes(api: Any, deployments: str, make: Any) -> None:
    body = make.deployment()
    body["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    assert "does not match template" in api.refuse(422, "POST", deployments, body)["message"]
    api.create(deployments, make.deployment())
    change = {
        "spec": {
            "selector": {"matchLabels": {"app": "other"}},
            "template": {"metadata": {"labels": {"app": "other"}}},
        }
    }
    assert "field is immutable" in api.refuse(422, "PATCH", f"{deployments}/shop", change, kind="merge")["message"]


# Refusals ----------------------------------------------------------------------------------------------------


def test_an_unknown_field_is_refused_warned_of_or_dropped(api: Any, routes: str, make: Any) -> None:
    body = make.route()
    body["spec"]["rules"][0]["backendRefs"][0]["wieght"] = 5
    status = api.refuse(400, "POST", routes, body, fieldValidation="Strict")
    assert 'unknown field "spec.rules[0].backendRefs[0].wieght"' in status["message"]
    for wish in ({}, {"fieldValidation": "Warn"}):
        answer = api.call("POST", routes, body, dryRun="All", **wish)
        assert answer.status_code == 201
        expected = '299 - "unknown field \\"spec.rules[0].backendRefs[0].wieght\\""'
        assert answer.headers["Warning"] == expected
        assert "wieght" not in answer.text
    quiet = api.call("POST", routes, body, fieldValidation="Ignore")
    assert (quiet.status_code, "Warning" in quiet.headers, "wieght" in quiet.text) == (201, False, False)
    api.refuse(422, "PATCH", f"{routes}/shop", {"spec": {"typo": 1}}, kind="merge", fieldValidation="Strict")
    api.refuse(422, "POST", routes, body, fieldValidation="Sometimes")


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        ("weight", "much", "spec.rules[0].backendRefs[0].weight"),
        ("weight", 1.5, "spec.rules[0].backendRefs[0].weight"),
        ("weight", True, "spec.rules[0].backendRefs[0].weight"),
        ("weight", 1_000_001, "spec.rules[0].backendRefs[0].weight"),
        ("weight", -1, "spec.rules[0].backendRefs[0].weight"),
        ("port", 70_000, "spec.rules[0].backendRefs[0].port"),
        ("name", "", "spec.rules[0].backendRefs[0].name"),
        ("name", None, "spec.rules[0].backendRefs[0].name"),
        ("kind", "not a kind", "spec.rules[0].backendRefs[0].kind"),
    ],
)
def test_what_breaks_a_custom_resources_schema_is_invalid(
    api: Any, routes: str, make: Any, *, path: str, value: Any, field: str
) -> None:
    body = make.route()
    body["spec"]["rules"][0]["backendRefs"][0][path] = value
    status = api.refuse(422, "POST", routes, body)
    assert status["reason"] == "Invalid"
    assert field in [cause["field"] for cause in status["details"]["causes"]]


def test_enums_counts_and_required_fields_are_held(api: Any, routes: str, make: Any) -> None:
    body = make.route()
    body["spec"]["rules"][0]["matches"] = [{"path": {"type": "Fuzzy", "value": "/"}}]
    assert "supported values" in api.refuse(422, "POST", routes, body)["message"]
    many = make.route(hostnames=[f"h{number}.example" for number in range(17)])
    assert "must have at most 16 items" in api.refuse(422, "POST", routes, many)["message"]
    without = make.route(parentRefs=[{"group": "x.io"}])
    assert "Required value" in api.refuse(422, "POST", routes, without)["message"]


@pytest.mark.parametrize(
    "change",
    [
        {"spec": "x"},
        {"spec": {"replicas": "3"}},
        {"spec": {"template": []}},
        {"spec": {"template": {"spec": {"containers": {"a": 1}}}}},
        {"metadata": {"name": "x", "labels": "a"}},
        {"metadata": {"name": "x", "labels": {"a": 1}}},
        {"metadata": {"name": 3}},
        {"metadata": {"name": "x", "finalizers": "a"}},
    ],
)
def test_wrong_types_in_a_built_in_kind_cannot_be_decoded(api: Any, deployments: str, make: Any, change: Any) -> None:
    body = {**make.deployment(), **change}
    assert "cannot be handled as a Deployment" in api.refuse(400, "POST", deployments, body)["message"]


def test_enums_of_built_in_kinds_are_held(api: Any, ns: str) -> None:
    body = {"metadata": {"name": "s"}, "spec": {"type": "Cloud", "ports": [{"port": 80}]}}
    assert "supported values" in api.refuse(422, "POST", f"/api/v1/namespaces/{ns}/services", body)["message"]


def test_times_must_be_times(api: Any, routes: str, make: Any) -> None:
    api.create(routes, make.route())
    condition = {"type": "Accepted", "status": "True", "reason": "A", "message": "", "lastTransitionTime": "yesterday"}
    parents = [{"parentRef": {"name": "web"}, "controllerName": "x.io/y", "conditions": [condition]}]
    status = api.refuse(422, "PATCH", f"{routes}/shop/status", {"status": {"parents": parents}}, kind="merge")
    assert "date-time" in status["message"]


# Exhaustiveness ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(TABLE["kinds"]))
def test_every_built_in_kind_builds_a_schema(name: str) -> None:
    api_version, _, kind = name.rpartition("/")
    schema = built_in(api_version, kind)
    assert schema["properties"]["metadata"]["properties"]["name"] == {"type": "string"}
    empty: Any = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}}
    fill(empty, schema)
    kept, unknown = prune({**empty, "nothing": 1}, schema)
    assert (kept, unknown) == (empty, ["nothing"])
    assert all(cause.reason == "FieldValueRequired" for cause in mistakes(empty, schema))


@pytest.mark.parametrize("resource", BUILT_IN, ids=lambda each: each.qualified)
def test_every_built_in_resource_has_a_schema_that_knows_its_metadata(resource: Resource) -> None:
    schema = schema_of(resource)
    assert prune({"metadata": {"labels": {"a": "b"}, "x": 1}}, schema)[1] == ["metadata.x"]


@pytest.mark.parametrize("definition", definitions(), ids=lambda each: each["spec"]["names"]["kind"])
def test_every_packaged_definition_is_well_formed_and_serves_an_object(definition: Any) -> None:
    assert broken_definition(definition) == []
    registry = Registry()
    registry.define(definition)
    for version in definition["spec"]["versions"]:
        resource = registry.find(definition["spec"]["group"], version["name"], definition["spec"]["names"]["plural"])
        assert resource is not None
        kept, unknown = prune({"metadata": {"name": "x"}, "spec": {}, "typo": 1}, schema_of(resource))
        assert (unknown, kept["spec"]) == (["typo"], {})


# Definitions -------------------------------------------------------------------------------------------------


@pytest.mark.emulated
def test_a_definition_is_served_at_once_and_its_objects_go_with_it(api: Any, ns: str, make: Any) -> None:
    widgets = f"/apis/test.example.com/v1/namespaces/{ns}/widgets"
    api.refuse(404, "GET", widgets)
    api.create(CRDS, make.definition())
    kind = {"apiVersion": "test.example.com/v1", "kind": "Widget"}
    assert api.create(widgets, {**kind, "metadata": {"name": "w"}, "spec": {}})["spec"] == {"size": 3}
    assert api.refuse(422, "POST", widgets, {**kind, "metadata": {"name": "x"}, "spec": {"size": "big"}})
    established = {each["type"] for each in api.get(f"{CRDS}/widgets.test.example.com")["status"]["conditions"]}
    assert established == {"NamesAccepted", "Established"}
    api.do("DELETE", f"{CRDS}/widgets.test.example.com")
    api.refuse(404, "GET", widgets)
    api.create(CRDS, make.definition())
    assert api.get(widgets)["items"] == []
    api.do("DELETE", f"{CRDS}/widgets.test.example.com")


@pytest.mark.emulated
def test_without_a_status_subresource_status_is_like_any_field(api: Any, ns: str, make: Any) -> None:
    body = make.definition("plains")
    version = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    version["status"] = {"type": "object", "properties": {"a": {"type": "string"}}}
    api.create(CRDS, body)
    plains = f"/apis/test.example.com/v1/namespaces/{ns}/plains"
    made = api.create(plains, {"metadata": {"name": "p"}, "status": {"a": "b"}})
    assert made["status"] == {"a": "b"}
    assert api.patch(f"{plains}/p", {"status": {"a": "c"}})["status"] == {"a": "c"}
    api.refuse(404, "PATCH", f"{plains}/p/status", {}, kind="merge")


@pytest.mark.parametrize(
    "change",
    [
        {"spec": None},
        {"spec": "x"},
        {"spec": {}},
        {"spec.group": "nodots"},
        {"spec.scope": "World"},
        {"spec.names": {}},
        {"spec.versions": []},
        {"spec.versions": "v1"},
        {"spec.versions.0.storage": False},
        {"spec.versions.0.schema": None},
        {"spec.versions.0.name": 3},
        {"spec.versions.0.schema.openAPIV3Schema": {"type": "thing"}},
        {"spec.versions.0.schema.openAPIV3Schema": {"type": "object", "properties": {"a": "b"}}},
        {"spec.versions.0.schema.openAPIV3Schema": {"type": "object", "properties": {"a": {"pattern": "("}}}},
        {"spec.versions.0.schema.openAPIV3Schema": {"type": "array", "x-kubernetes-list-type": "map"}},
        {"metadata.name": "other.test.example.com"},
    ],
)
def test_definitions_that_cannot_be_served_are_refused(api: Any, make: Any, change: Any) -> None:
    body = make.definition("broken")
    for path, value in change.items():
        place: Any = body
        *way, last = path.split(".")
        for step in way:
            place = place[int(step) if step.isdigit() else step]
        place[last] = value
    answer = api.call("POST", CRDS, body)
    assert answer.status_code in {400, 422}, answer.text
    api.refuse(404, "GET", f"{CRDS}/broken.test.example.com")


@pytest.mark.emulated
def test_a_definition_may_not_take_the_place_of_a_built_in_kind(api: Any, make: Any) -> None:
    body = make.definition("leases", "coordination.k8s.io")
    assert "by the API server itself" in api.refuse(422, "POST", CRDS, body)["message"]
