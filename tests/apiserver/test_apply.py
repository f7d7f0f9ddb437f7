"""Server-side apply and managedFields, over HTTP."""

from __future__ import annotations

import json
from typing import Any


def entries(item: Any) -> dict[tuple[str, str, str], Any]:
    return {
        (each["manager"], each["operation"], each.get("subresource", "")): each["fieldsV1"]
        for each in item["metadata"].get("managedFields", ())
    }


def apply(api: Any, path: str, body: Any, manager: str, **query: Any) -> Any:
    return api.patch(path, body, "apply", fieldManager=manager, **query)


def test_apply_makes_what_is_not_there_and_says_so(api: Any, maps: str, make: Any) -> None:
    answer = api.call("PATCH", f"{maps}/settings", make.config_map(a="1"), kind="apply", fieldManager="ann")
    assert answer.status_code == 201
    made = answer.json()
    assert entries(made) == {("ann", "Apply", ""): {"f:data": {"f:a": {}}}}
    again = api.call("PATCH", f"{maps}/settings", make.config_map(a="1"), kind="apply", fieldManager="ann")
    assert (again.status_code, again.json()) == (200, made)


def test_managedfields_tell_managers_operations_and_subresources_apart(api: Any, deployments: str, make: Any) -> None:
    api.create(deployments, make.deployment(), fieldManager="maker")
    path = f"{deployments}/shop"
    api.patch(path, {"spec": {"replicas": 2}}, fieldManager="scaler")
    api.patch(f"{path}/scale", {"spec": {"replicas": 3}}, fieldManager="scaler")
    api.patch(f"{path}/status", {"status": {"replicas": 3}}, fieldManager="kubelet")
    body = {**make.deployment(), "metadata": {"name": "shop", "labels": {"x": "y"}}}
    found = entries(apply(api, path, body, "scaler", force="true"))
    assert found["scaler", "Update", "scale"] == {"f:spec": {"f:replicas": {}}}
    assert found["kubelet", "Update", "status"] == {"f:status": {"f:replicas": {}}}
    assert found["scaler", "Apply", ""]["f:metadata"] == {"f:labels": {"f:x": {}}}
    assert ("scaler", "Update", "") not in found  # nothing is left of it
    assert "f:replicas" not in found["maker", "Update", ""]["f:spec"]
    container = found["maker", "Update", ""]["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"app"}']
    assert {".", "f:image", "f:name"} <= set(container)


def test_the_manager_is_by_default_the_program_that_asks(api: Any, maps: str, make: Any) -> None:
    made = api.create(maps, make.config_map(a="1"), headers={"User-Agent": "curl/8.0 (x)"})
    assert [each["manager"] for each in made["metadata"]["managedFields"]] == ["curl"]
    refused = api.refuse(422, "PATCH", f"{maps}/settings", make.config_map(), kind="apply")
    assert "fieldManager" in refused["message"]


def test_apply_of_what_another_owns_conflicts_and_names_owner_and_field(api: Any, deployments: str, make: Any) -> None:
    path = f"{deployments}/shop"
    body = make.deployment()
    body["spec"]["replicas"] = 2
    apply(api, path, body, "ann")
    api.patch(path, {"metadata": {"labels": {"a": "b"}}}, fieldManager="eve")
    body["spec"]["replicas"] = 3
    body["metadata"]["labels"] = {"a": "c"}
    status = api.refuse(409, "PATCH", path, body, kind="apply", fieldManager="bob")
    assert status["reason"] == "Conflict"
    assert {(cause["reason"], cause["message"], cause["field"]) for cause in status["details"]["causes"]} == {
        ("FieldManagerConflict", 'conflict with "ann"', ".spec.replicas"),
        ("FieldManagerConflict", 'conflict with "eve" using apps/v1', ".metadata.labels.a"),
    }
    forced = apply(api, path, body, "bob", force="true")
    assert forced["spec"]["replicas"] == 3
    assert "f:replicas" not in entries(forced)["ann", "Apply", ""]["f:spec"]
    api.refuse(409, "PATCH", path, {**body, "spec": {**body["spec"], "replicas": 4}}, kind="apply", fieldManager="ann")


def test_saying_the_same_shares_a_field_and_the_last_to_give_it_up_removes_it(api: Any, maps: str, make: Any) -> None:
    path = f"{maps}/settings"
    apply(api, path, make.config_map(a="1", b="2"), "ann")
    shared = apply(api, path, make.config_map(a="1"), "bob")
    assert len(entries(shared)) == 2
    assert apply(api, path, make.config_map(b="2"), "ann")["data"] == {"a": "1", "b": "2"}
    assert apply(api, path, make.config_map(), "bob")["data"] == {"b": "2"}


def test_defaults_belong_to_nobody(api: Any, routes: str, make: Any) -> None:
    body = make.route()
    del body["spec"]["rules"][0]["backendRefs"][0]["weight"]
    made = apply(api, f"{routes}/shop", body, "ann")
    assert made["spec"]["rules"][0]["backendRefs"][0]["weight"] == 1
    assert set(entries(made)["ann", "Apply", ""]["f:spec"]) == {"f:parentRefs", "f:rules"}
    assert apply(api, f"{routes}/shop", body, "ann") == made


def test_an_update_takes_over_what_it_changes_alone(api: Any, routes: str, make: Any) -> None:
    apply(api, f"{routes}/shop", make.route(hostnames=["a.example"]), "gitops")
    changed = api.patch(
        f"{routes}/shop",
        [{"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": 1}],
        "json",
        fieldManager="canary",
    )
    found = entries(changed)
    assert found["canary", "Update", ""] == {"f:spec": {"f:rules": {}}}
    assert set(found["gitops", "Apply", ""]["f:spec"]) == {"f:hostnames", "f:parentRefs"}


def test_taking_everything_out_of_everybodys_hands(api: Any, maps: str, make: Any) -> None:
    apply(api, f"{maps}/settings", make.config_map(a="1"), "ann")
    cleared = api.patch(f"{maps}/settings", {"metadata": {"managedFields": [{}]}}, fieldManager="eve")
    assert entries(cleared) == {}
    assert cleared["data"] == {"a": "1"}


def test_apply_reads_yaml(api: Any, maps: str) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata:\n  a: '1'  # said why\n"
    made = api.do("PATCH", f"{maps}/settings", raw=text, kind="apply", fieldManager="ann")
    assert made["data"] == {"a": "1"}
    api.refuse(400, "PATCH", f"{maps}/settings", raw="a: [", kind="apply", fieldManager="ann")
    api.refuse(400, "PATCH", f"{maps}/settings", raw="a: &x [*x]", kind="apply", fieldManager="ann")


def test_applies_that_are_refused(api: Any, maps: str, routes: str, make: Any) -> None:
    path, who = f"{maps}/settings", {"kind": "apply", "fieldManager": "ann"}
    body = make.config_map(a="1")
    managed = {**body, "metadata": {"name": "settings", "managedFields": [{"manager": "x"}]}}
    assert "must be nil" in api.refuse(400, "PATCH", path, managed, **who)["message"]
    api.refuse(404, "PATCH", f"{routes}/none/status", make.route("none"), **who)
    wrong = make.route()
    wrong["spec"]["rules"] = {"not": "a list"}
    assert "typed patch" in api.refuse(api.own_mistake, "PATCH", f"{routes}/shop", wrong, **who)["message"]
    api.refuse(422, "PATCH", path, body, kind="apply", fieldManager="x" * 129)
    api.refuse(422, "PATCH", f"{routes}/shop", make.route(weights=(-1, 1)), **who)
    assert api.get(maps)["items"] == api.get(routes)["items"] == []


def test_a_version_is_held_against_what_is_there_and_against_nothing_where_nothing_is(
    api: Any, maps: str, make: Any
) -> None:
    body = {**make.config_map(a="1"), "metadata": {"name": "settings", "resourceVersion": "1"}}
    assert apply(api, f"{maps}/settings", body, "ann")["data"] == {"a": "1"}
    api.refuse(409, "PATCH", f"{maps}/settings", body, kind="apply", fieldManager="ann")


def test_status_is_applied_through_its_subresource_alone(api: Any, deployments: str, make: Any) -> None:
    path = f"{deployments}/shop"
    apply(api, path, make.deployment(), "ann")
    body = {**make.deployment(), "status": {"replicas": 4}}
    body["spec"]["replicas"] = 9
    told = apply(api, f"{path}/status", body, "kubelet")
    assert (told["status"], told["spec"]["replicas"]) == ({"replicas": 4}, 1)
    assert entries(told)["kubelet", "Apply", "status"] == {"f:status": {"f:replicas": {}}}


def test_lists_by_key_are_merged_item_by_item(api: Any, deployments: str, make: Any) -> None:
    path = f"{deployments}/shop"
    apply(api, path, make.deployment(), "ann")
    sidecar = json.loads(json.dumps(make.deployment()))
    sidecar["spec"]["template"]["spec"]["containers"] = [{"name": "proxy", "image": "proxy:1"}]
    both = apply(api, path, sidecar, "bob")
    assert [each["name"] for each in both["spec"]["template"]["spec"]["containers"]] == ["app", "proxy"]
    sidecar["spec"]["template"]["spec"]["containers"] = []
    one = apply(api, path, sidecar, "bob")
    assert [each["name"] for each in one["spec"]["template"]["spec"]["containers"]] == ["app"]
