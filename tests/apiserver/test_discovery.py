"""What the server says of itself."""

from __future__ import annotations

from typing import Any

import pytest

# What Traefik lists at start, and what the engine needs.
SERVED = {
    "v1": ["namespaces", "services", "secrets", "configmaps", "pods", "events", "serviceaccounts"],
    "apps/v1": ["deployments", "replicasets"],
    "batch/v1": ["jobs"],
    "coordination.k8s.io/v1": ["leases"],
    "discovery.k8s.io/v1": ["endpointslices"],
    "authorization.k8s.io/v1": ["selfsubjectaccessreviews"],
    "gateway.networking.k8s.io/v1": [
        "gatewayclasses",
        "gateways",
        "httproutes",
        "grpcroutes",
        "tlsroutes",
        "backendtlspolicies",
    ],
    "gateway.networking.k8s.io/v1beta1": ["referencegrants"],
}


def root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


@pytest.mark.parametrize("version", SERVED)
def test_every_resource_that_traefik_and_the_engine_use_is_discovered_and_lists(api: Any, version: str) -> None:
    found = api.get(root(version))
    assert (found["kind"], found["groupVersion"]) == ("APIResourceList", version)
    by_name = {each["name"]: each for each in found["resources"]}
    for plural in SERVED[version]:
        entry = by_name[plural]
        if "list" not in entry["verbs"]:
            continue
        listed = api.get(f"{root(version)}/{plural}")
        assert (listed["kind"], listed["apiVersion"]) == (entry["kind"] + "List", version)
        assert int(listed["metadata"]["resourceVersion"]) > 0
        assert isinstance(listed["items"], list)


def test_groups_name_their_versions_and_prefer_the_stable_one(api: Any) -> None:
    groups = {each["name"]: each for each in api.get("/apis")["groups"]}
    gateway = groups["gateway.networking.k8s.io"]
    assert gateway["preferredVersion"]["version"] == "v1"
    assert {each["version"] for each in gateway["versions"]} == {"v1", "v1beta1"}
    assert api.get("/apis/gateway.networking.k8s.io")["name"] == "gateway.networking.k8s.io"
    assert api.get("/api")["versions"] == ["v1"]


def test_subresources_are_discovered_with_their_verbs(api: Any) -> None:
    by_name = {each["name"]: each for each in api.get("/apis/apps/v1")["resources"]}
    assert by_name["deployments/scale"]["kind"] == "Scale"
    assert set(by_name["deployments/status"]["verbs"]) == {"get", "patch", "update"}


@pytest.mark.emulated
def test_the_version_says_that_this_is_an_emulator(api: Any) -> None:
    assert "emulator" in api.get("/version")["gitVersion"]


@pytest.mark.emulated
def test_openapi_lists_a_document_for_each_group_with_its_schemas(api: Any) -> None:
    paths = api.get("/openapi/v3")["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/gateway.networking.k8s.io/v1"} <= set(paths)
    for each in paths.values():
        document = api.get(each["serverRelativeURL"])
        assert document["components"]["schemas"]
        assert document["paths"]


@pytest.mark.emulated
def test_a_path_under_which_nothing_is_served_is_not_found(api: Any) -> None:
    for path in ("/apis/apps/v2", "/apis/nothing", "/api/v2", "/openapi/v3/apis/no/v1", "/api/v1/unicorns", "/x", "/"):
        assert api.refuse(404, "GET", path)["reason"] == "NotFound"


@pytest.mark.emulated
def test_health_is_told_to_everybody_and_objects_to_nobody_unknown(api: Any) -> None:
    assert api.call("GET", "/healthz", token="").text == "ok"
    assert api.refuse(401, "GET", "/api/v1/configmaps", token="")["reason"] == "Unauthorized"
    assert api.refuse(401, "GET", "/as/wrong/api/v1/configmaps", token="")["reason"] == "Unauthorized"
