"""Writes: versions, generations, subresources, dry runs, deletions, owners."""

from __future__ import annotations

from typing import Any

import pytest

# Create ------------------------------------------------------------------------------------------------------


def test_a_created_object_gets_its_identity_from_the_server(api: Any, maps: str, make: Any) -> None:
    body = make.config_map()
    body["metadata"] |= {"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z"}
    body["metadata"] |= {"deletionTimestamp": "2001-01-01T00:00:00Z", "selfLink": "/x"}
    metadata = api.create(maps, body)["metadata"]
    assert metadata["uid"] != "mine"
    assert not metadata["creationTimestamp"].startswith("2001")
    assert not {"deletionTimestamp", "selfLink", "generation"} & set(metadata)


def test_what_exists_is_not_created_again(api: Any, maps: str, make: Any) -> None:
    api.create(maps, make.config_map())
    assert api.refuse(409, "POST", maps, make.config_map())["reason"] == "AlreadyExists"


def test_generatename_makes_names(api: Any, maps: str) -> None:
    names = {api.create(maps, {"metadata": {"generateName": "x-"}})["metadata"]["name"] for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("x-") for name in names)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"metadata": {}}, 422),
        ({"metadata": {"name": "Upper"}}, 422),
        ({"metadata": {"name": "x", "namespace": "other"}}, 400),
        ({"kind": "Secret"}, 400),
        ({"apiVersion": "v2"}, 400),
        ({"metadata": "x"}, 400),
        ({"metadata": {"name": "x", "labels": {"a b": "c"}}}, 422),
        ({"metadata": {"name": "x", "labels": {"a": "c d"}}}, 422),
        ({"metadata": {"name": "x", "annotations": {"a": "x" * 300_000}}}, 422),
        ({"data": {"big": "x" * 1_100_000}}, 422),
    ],
)
def test_bodies_that_are_refused(api: Any, maps: str, make: Any, change: Any, code: int) -> None:
    api.refuse(code, "POST", maps, {**make.config_map(), **change})
    assert api.get(maps)["items"] == []


def test_what_is_created_names_no_version(api: Any, maps: str, make: Any) -> None:
    body = {**make.config_map(), "metadata": {"name": "x", "resourceVersion": "1"}}
    assert "should not be set" in api.refuse(api.own_mistake, "POST", maps, body)["message"]


def test_a_namespace_must_be_there(api: Any, make: Any) -> None:
    status = api.refuse(404, "POST", "/api/v1/namespaces/nowhere/configmaps", make.config_map())
    assert 'namespaces "nowhere" not found' in status["message"]


# Versions and generations ------------------------------------------------------------------------------------


def test_generation_moves_only_with_the_spec(api: Any, routes: str, make: Any) -> None:
    made = api.create(routes, make.route())
    assert made["metadata"]["generation"] == 1
    path = f"{routes}/shop"
    labelled = api.patch(path, {"metadata": {"labels": {"a": "b"}}})
    assert labelled["metadata"]["generation"] == 1
    status = {"status": {"parents": []}}
    assert api.patch(f"{path}/status", status)["metadata"]["generation"] == 1
    weighed = api.patch(path, [{"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": 80}], "json")
    assert weighed["metadata"]["generation"] == 2
    versions = [int(each["metadata"]["resourceVersion"]) for each in (made, labelled, weighed)]
    assert versions == sorted(set(versions))


def test_a_write_that_changes_nothing_moves_nothing(api: Any, routes: str, make: Any) -> None:
    made = api.create(routes, make.route())
    with api.watch(routes, resourceVersion=made["metadata"]["resourceVersion"]) as events:
        assert api.patch(f"{routes}/shop", {"spec": make.route()["spec"]}) == made
        assert api.do("PUT", f"{routes}/shop", made) == made
        api.patch(f"{routes}/shop", {"metadata": {"labels": {"a": "b"}}})
        assert next(events)["object"]["metadata"]["labels"] == {"a": "b"}


def test_a_stale_version_is_refused_by_every_kind_of_write(api: Any, routes: str, make: Any) -> None:
    old = api.create(routes, make.route())
    api.patch(f"{routes}/shop", {"metadata": {"labels": {"a": "b"}}})
    stale = {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}}
    path = f"{routes}/shop"
    for refused in (
        api.refuse(409, "PUT", path, old),
        api.refuse(409, "PUT", f"{path}/status", old),
        api.refuse(409, "PATCH", path, {**stale, "spec": {"hostnames": ["a.example"]}}, kind="merge"),
        api.refuse(409, "PATCH", path, {**old, **stale}, kind="apply", fieldManager="me", force="true"),
    ):
        assert refused["reason"] == "Conflict"
        assert "the object has been modified" in refused["message"]
    assert "hostnames" not in api.get(path)["spec"]


def test_an_update_of_a_custom_resource_must_name_a_version(api: Any, routes: str, make: Any) -> None:
    made = api.create(routes, make.route())
    del made["metadata"]["resourceVersion"]
    assert "must be specified for an update" in api.refuse(422, "PUT", f"{routes}/shop", made)["message"]


def test_an_update_without_a_version_of_a_built_in_kind_is_unconditional(api: Any, maps: str, make: Any) -> None:
    api.create(maps, make.config_map(a="1"))
    assert api.do("PUT", f"{maps}/settings", make.config_map(a="2"))["data"] == {"a": "2"}


def test_a_write_for_another_uid_is_refused(api: Any, maps: str, make: Any) -> None:
    api.create(maps, make.config_map())
    patch = {"metadata": {"uid": "of-an-earlier-one"}, "data": {"a": "b"}}
    assert "metadata.uid" in api.refuse(422, "PATCH", f"{maps}/settings", patch, kind="merge")["message"]
    assert "field is immutable" in api.refuse(422, "PATCH", f"{maps}/settings", patch, kind="merge")["message"]
    whole = {**make.config_map(), "metadata": {"name": "settings", "uid": "of-an-earlier-one"}}
    assert "Precondition failed: UID" in api.refuse(409, "PUT", f"{maps}/settings", whole)["message"]


def test_versions_of_one_kind_show_the_same_object(api: Any, ns: str, make: Any) -> None:
    beta = f"/apis/gateway.networking.k8s.io/v1beta1/namespaces/{ns}/httproutes"
    stable = beta.replace("v1beta1", "v1")
    made = api.create(beta, {**make.route(), "apiVersion": "gateway.networking.k8s.io/v1beta1"})
    assert made["apiVersion"] == "gateway.networking.k8s.io/v1beta1"
    shown = api.get(f"{stable}/shop")
    assert shown == {**made, "apiVersion": "gateway.networking.k8s.io/v1"}
    assert api.do("PUT", f"{stable}/shop", shown)["metadata"]["generation"] == 1
    assert [item["apiVersion"] for item in api.get(beta)["items"]] == ["gateway.networking.k8s.io/v1beta1"]


# Subresources ------------------------------------------------------------------------------------------------


def test_status_is_not_written_with_the_object_nor_the_object_with_its_status(
    api: Any, deployments: str, make: Any
) -> None:
    made = api.create(deployments, {**make.deployment(), "status": {"replicas": 7}})
    assert not made.get("status")
    path = f"{deployments}/shop"
    changed = api.patch(
        f"{path}/status", {"status": {"replicas": 1}, "spec": {"replicas": 5}, "metadata": {"labels": {"a": "b"}}}
    )
    assert changed["status"] == {"replicas": 1}
    assert (changed["spec"], changed["metadata"].get("labels")) == (made["spec"], None)
    again = api.patch(path, {"status": {"replicas": 9}, "spec": {"replicas": 5}})
    assert (again["status"], again["spec"]["replicas"]) == ({"replicas": 1}, 5)
    put = api.do(
        "PUT", path, {**again, "status": {"replicas": 9}, "metadata": {**again["metadata"], "labels": {"x": "y"}}}
    )
    assert (put["status"], put["metadata"]["labels"]) == ({"replicas": 1}, {"x": "y"})
    put = api.do("PUT", f"{path}/status", {**put, "status": {"replicas": 3}, "spec": {**put["spec"], "replicas": 2}})
    assert (put["status"], put["spec"]["replicas"]) == ({"replicas": 3}, 5)
    assert api.get(f"{path}/status") == put == api.get(path)


def test_status_of_a_custom_resource_is_isolated_as_well(api: Any, routes: str, make: Any) -> None:
    condition = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""}
    condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    parents = [{"parentRef": {"name": "web"}, "controllerName": "x.io/y", "conditions": [condition]}]
    made = api.create(routes, {**make.route(), "status": {"parents": parents}})
    assert "status" not in made
    api.do("PATCH", f"{routes}/shop", {"status": {"parents": parents}}, kind="merge")
    assert "status" not in api.get(f"{routes}/shop")
    body = {**make.route(), "status": {"parents": parents}}
    applied = api.patch(f"{routes}/shop", body, "apply", fieldManager="m", force="true")
    assert "status" not in applied
    assert "status" not in api.patch(f"{routes}/new", {**body, "metadata": {"name": "new"}}, "apply", fieldManager="m")
    told = api.patch(f"{routes}/shop/status", {"status": {"parents": parents}})
    assert told["status"]["parents"][0]["controllerName"] == "x.io/y"


def test_scale_reads_and_writes_the_replicas_alone(api: Any, deployments: str, make: Any) -> None:
    made = api.create(deployments, make.deployment())
    path = f"{deployments}/shop/scale"
    scale = api.get(path)
    assert (scale["kind"], scale["spec"]["replicas"]) == ("Scale", 1)
    assert scale["status"]["selector"] == "app=shop"
    assert api.do("PUT", path, {**scale, "spec": {"replicas": 3}})["spec"]["replicas"] == 3
    assert api.patch(path, {"spec": {"replicas": 4}})["spec"]["replicas"] == 4
    assert api.refuse(409, "PUT", path, scale)["reason"] == "Conflict"
    api.refuse(400, "PUT", path, {"metadata": {"resourceVersion": [1]}})
    api.refuse(422, "PATCH", path, {"spec": {"replicas": -1}}, kind="merge")
    api.refuse(422, "PATCH", path, {"spec": {"replicas": "x"}}, kind="merge")
    now = api.get(f"{deployments}/shop")
    assert {**now["spec"], "replicas": 1} == made["spec"]
    assert now["metadata"]["generation"] == 3


@pytest.mark.parametrize(
    ("method", "below"),
    [
        ("POST", "/one"),
        ("DELETE", "/one/status"),
        ("DELETE", "/one/log"),
        ("PATCH", "/one/log"),
        ("PUT", "/one/log"),
        ("PUT", ""),
        ("PATCH", ""),
        ("HEAD", ""),
        ("OPTIONS", "/one"),
    ],
)
def test_verbs_that_a_path_does_not_know_are_refused(api: Any, ns: str, make: Any, method: str, below: str) -> None:
    pods = f"/api/v1/namespaces/{ns}/pods"
    api.create(pods, make.pod())
    assert api.call(method, pods + below, {}, kind="merge").status_code == 405
    assert api.get(f"{pods}/one")["metadata"]["name"] == "one"


def test_a_namespaced_kind_is_only_read_over_all_namespaces(api: Any, maps: str, make: Any) -> None:
    api.create(maps, make.config_map())
    api.refuse(405, "POST", "/api/v1/configmaps", make.config_map("x"))
    api.refuse(405, "DELETE", "/api/v1/configmaps")
    api.refuse(404, "GET", "/api/v1/configmaps/settings")
    assert any(item["metadata"]["name"] == "settings" for item in api.get("/api/v1/configmaps")["items"])


# Dry runs ----------------------------------------------------------------------------------------------------


@pytest.mark.emulated
def test_dryrun_answers_as_if_and_changes_nothing(
    api: Any, routes: str, maps: str, deployments: str, make: Any
) -> None:
    route = api.create(routes, make.route())
    api.create(deployments, make.deployment())
    api.create(maps, {**make.config_map("kept"), "metadata": {"name": "kept", "finalizers": ["a.example/b"]}})
    before = [api.get(each) for each in (routes, deployments, maps)]
    path, dry = f"{routes}/shop", {"dryRun": "All"}

    made = api.create(routes, make.route("other"), **dry)
    assert made["metadata"]["uid"]
    weighed = {**route, "spec": {**route["spec"], "hostnames": ["a.example"]}}
    assert api.do("PUT", path, weighed, **dry)["metadata"]["generation"] == 2
    replace = [{"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": 1}]
    patched = api.patch(path, replace, "json", **dry)
    assert patched["spec"]["rules"][0]["backendRefs"][0]["weight"] == 1
    assert patched["metadata"]["resourceVersion"] == route["metadata"]["resourceVersion"]
    api.patch(path, {"spec": {"hostnames": ["b.example"]}}, **dry)
    api.patch(path, make.route(weights=(1, 2)), "apply", fieldManager="me", force="true", **dry)
    api.patch(f"{routes}/new", make.route("new"), "apply", fieldManager="me", **dry)
    api.patch(f"{path}/status", {"status": {"parents": []}}, **dry)
    api.do("PUT", f"{path}/status", {**route, "status": {"parents": []}}, **dry)
    api.patch(f"{deployments}/shop/scale", {"spec": {"replicas": 9}}, **dry)
    api.patch(f"{deployments}/shop", {"spec": {"replicas": 9}}, "strategic", **dry)
    api.do("DELETE", path, **dry)
    api.do("DELETE", path, {"dryRun": ["All"]})
    api.do("DELETE", f"{maps}/kept", **dry)
    api.do("DELETE", routes, **dry)
    api.do("DELETE", maps, {"kind": "DeleteOptions", "dryRun": ["All"]})
    api.create("/api/v1/namespaces", {"metadata": {"name": "never"}}, **dry)
    api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", make.definition("nevers"), **dry)

    assert [api.get(each) for each in (routes, deployments, maps)] == before
    api.refuse(404, "GET", "/api/v1/namespaces/never")
    api.refuse(404, "GET", "/apis/test.example.com/v1/nevers")


def test_dryrun_refuses_what_the_write_would_be_refused_for(api: Any, routes: str, make: Any) -> None:
    api.create(routes, make.route())
    api.refuse(409, "POST", routes, make.route(), dryRun="All")
    api.refuse(422, "POST", routes, make.route("x", weights=(-1, 0)), dryRun="All")
    test = [{"op": "test", "path": "/spec/rules/0/name", "value": "other"}]
    api.refuse(422, "PATCH", f"{routes}/shop", test, kind="json", dryRun="All")
    api.refuse(409, "DELETE", f"{routes}/shop", {"preconditions": {"uid": "x"}}, dryRun="All")
    api.refuse(404, "DELETE", f"{routes}/none", dryRun="All")
    api.refuse(422, "POST", routes, make.route("x"), dryRun="Some")
    api.refuse(422, "DELETE", f"{routes}/shop", {"dryRun": ["Some"]})


# Delete ------------------------------------------------------------------------------------------------------


def test_delete_holds_its_preconditions(api: Any, maps: str, make: Any) -> None:
    made = api.create(maps, make.config_map())["metadata"]
    path = f"{maps}/settings"
    for wrong in ({"uid": "another"}, {"resourceVersion": "1"}, {"uid": made["uid"], "resourceVersion": "1"}):
        assert "does not match" in api.refuse(409, "DELETE", path, {"preconditions": wrong})["message"]
    right = {"uid": made["uid"], "resourceVersion": made["resourceVersion"]}
    done = api.do("DELETE", path, {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": right})
    assert (done["status"], done["details"]["uid"]) == ("Success", made["uid"])
    api.refuse(404, "GET", path)
    api.refuse(404, "DELETE", path)


def test_finalizers_keep_an_object_until_the_last_is_taken_off(api: Any, maps: str, make: Any) -> None:
    body = make.config_map()
    body["metadata"]["finalizers"] = ["a.example/one", "a.example/two"]
    api.create(maps, body)
    path = f"{maps}/settings"
    marked = api.do("DELETE", path)
    assert marked["metadata"]["deletionTimestamp"]
    assert api.do("DELETE", path)["metadata"] == marked["metadata"]
    added = {"metadata": {"finalizers": ["a.example/one", "a.example/two", "a.example/three"]}}
    assert "no new finalizers" in api.refuse(422, "PATCH", path, added, kind="merge")["message"]
    assert api.patch(path, {"metadata": {"deletionTimestamp": None}})["metadata"]["deletionTimestamp"]
    with api.watch(maps, resourceVersion=marked["metadata"]["resourceVersion"]) as events:
        api.patch(path, {"metadata": {"finalizers": ["a.example/one"]}})
        api.get(path)
        api.patch(path, {"metadata": {"finalizers": None}})
        assert [next(events)["type"] for _ in range(2)] == ["MODIFIED", "DELETED"]
    api.refuse(404, "GET", path)


@pytest.mark.emulated
def test_what_an_object_owns_goes_with_the_last_of_its_owners(api: Any, maps: str, make: Any) -> None:
    def owned(name: str, *owners: Any) -> None:
        references = [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": each["metadata"]["name"], "uid": each["metadata"]["uid"]}
            for each in owners
        ]
        api.create(maps, {**make.config_map(name), "metadata": {"name": name, "ownerReferences": references}})

    one, two = (api.create(maps, make.config_map(name)) for name in ("one", "two"))
    owned("of-one", one)
    owned("of-both", one, two)
    owned("of-of-one", api.get(f"{maps}/of-one"))
    api.do("DELETE", f"{maps}/one")
    assert {item["metadata"]["name"] for item in api.get(maps)["items"]} == {"two", "of-both"}
    api.do("DELETE", f"{maps}/two")
    assert api.get(maps)["items"] == []


@pytest.mark.parametrize("how", ["body", "query"])
@pytest.mark.emulated
def test_orphans_stay(api: Any, maps: str, make: Any, how: str) -> None:
    owner = api.create(maps, make.config_map("owner"))["metadata"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["uid"]}
    api.create(maps, {**make.config_map("orphan"), "metadata": {"name": "orphan", "ownerReferences": [reference]}})
    wish = {"propagationPolicy": "Orphan"}
    api.do("DELETE", f"{maps}/owner", wish if how == "body" else None, **({} if how == "body" else wish))
    assert [item["metadata"]["name"] for item in api.get(maps)["items"]] == ["orphan"]


def test_deletecollection_takes_what_is_selected(api: Any, maps: str, make: Any) -> None:
    for name in ("a", "b", "c"):
        body = {**make.config_map(name), "metadata": {"name": name, "labels": {"old": str(name != "b").lower()}}}
        api.create(maps, body)
    api.do("DELETE", maps, labelSelector="old=true")
    assert [item["metadata"]["name"] for item in api.get(maps)["items"]] == ["b"]


@pytest.mark.emulated
def test_a_namespace_takes_its_objects_along(api: Any, make: Any) -> None:
    api.create("/api/v1/namespaces", {"metadata": {"name": "brief"}})
    api.create("/api/v1/namespaces/brief/configmaps", make.config_map())
    api.do("DELETE", "/api/v1/namespaces/brief")
    assert api.get("/api/v1/namespaces/brief/configmaps")["items"] == []
    api.refuse(404, "GET", "/api/v1/namespaces/brief")


def test_a_namespace_has_a_status_of_its_own(api: Any, ns: str) -> None:
    path = f"/api/v1/namespaces/{ns}"
    assert api.get(path)["status"] == {"phase": "Active"} == api.get(f"{path}/status")["status"]
    assert api.get(path)["metadata"]["labels"]["kubernetes.io/metadata.name"] == ns
