"""Who may do what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.sandbox.apiserver.rbac import Request, User, allows, permitted
from canary.sandbox.apiserver.store import Store

SOMEONE: Any = {"token": "a-users-token"}

Restrict = Callable[..., str]
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
ONE = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["mine"]}


def can(api: Any, token: str, **attributes: str) -> bool:
    body = {"spec": {"resourceAttributes": attributes}}
    answer = api.do("POST", REVIEWS, body, token=token)
    assert answer["kind"] == "SelfSubjectAccessReview"
    allowed: bool = answer["status"]["allowed"]
    return allowed


def test_without_rules_nothing_is_allowed_and_the_refusal_says_who_and_what(api: Any, maps: str, ns: str) -> None:
    status = api.refuse(403, "GET", maps, **SOMEONE)
    assert status["reason"] == "Forbidden"
    assert status["message"] == (
        'configmaps is forbidden: User "someone" cannot list resource "configmaps" '
        f'in API group "" in the namespace "{ns}"'
    )


def test_resourcenames_allow_what_names_one_object_and_nothing_else(
    api: Any, maps: str, make: Any, restrict: Restrict
) -> None:
    token = restrict(
        {**ONE, "verbs": ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]}
    )
    for name in ("mine", "other"):
        api.create(maps, make.config_map(name))
    who = {"token": token}
    mine = api.get(f"{maps}/mine", **who)
    api.do("PUT", f"{maps}/mine", {**mine, "data": {"a": "b"}}, **who)
    api.patch(f"{maps}/mine", {"data": {"c": "d"}}, **who)
    assert [item["metadata"]["name"] for item in api.get(maps, fieldSelector="metadata.name=mine", **who)["items"]] == [
        "mine"
    ]
    assert (
        api.call("GET", maps, fieldSelector="metadata.name=mine", watch="1", resourceVersion="5", **who).status_code
        == 200
    )

    for method, path in (("GET", "/other"), ("DELETE", "/other"), ("GET", ""), ("DELETE", "")):
        api.refuse(403, method, maps + path, **who)
    api.refuse(403, "PATCH", f"{maps}/other", {}, kind="merge", **who)
    api.refuse(403, "GET", maps, fieldSelector="metadata.name=other", **who)
    api.refuse(403, "GET", maps, fieldSelector="metadata.name!=mine", **who)
    api.refuse(403, "GET", maps, watch="1", **who)
    api.refuse(403, "POST", maps, make.config_map("mine"), **who)  # a create names nothing yet
    api.refuse(403, "POST", maps, make.config_map("new"), **who)
    api.do("DELETE", f"{maps}/mine", **who)


def test_apply_that_creates_takes_the_right_to_create(api: Any, maps: str, make: Any, restrict: Restrict) -> None:
    patcher = restrict({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch"]})
    both = restrict({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch", "create"]})
    how = {"kind": "apply", "fieldManager": "m"}
    assert (
        "cannot create"
        in api.refuse(403, "PATCH", f"{maps}/new", make.config_map("new"), **how, token=patcher)["message"]
    )
    api.do("PATCH", f"{maps}/new", make.config_map("new"), **how, token=both)
    api.do("PATCH", f"{maps}/new", make.config_map("new", a="b"), **how, token=patcher)


def test_subresources_are_rights_of_their_own(api: Any, deployments: str, make: Any, restrict: Restrict) -> None:
    whole = restrict({"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["*"]})
    scale = restrict({"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["patch"]})
    api.create(deployments, make.deployment(), token=whole)
    path = f"{deployments}/shop"
    api.refuse(403, "PATCH", f"{path}/scale", {"spec": {"replicas": 2}}, kind="merge", token=whole)
    api.refuse(403, "PATCH", f"{path}/status", {}, kind="merge", token=whole)
    api.refuse(403, "PATCH", path, {}, kind="merge", token=scale)
    assert api.patch(f"{path}/scale", {"spec": {"replicas": 2}}, token=scale)["spec"]["replicas"] == 2


def test_a_role_ends_at_its_namespace_and_a_clusterrole_does_not(
    api: Any, maps: str, ns: str, restrict: Restrict
) -> None:
    token = restrict({"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]})
    api.get(maps, token=token)
    api.refuse(403, "GET", "/api/v1/configmaps", token=token)
    api.refuse(403, "GET", "/api/v1/namespaces/default/configmaps", token=token)

    group = f"readers-of-{ns}"
    reader = api.new_user("reader", groups=[group])
    base = "/apis/rbac.authorization.k8s.io/v1"
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]
    api.create(f"{base}/clusterroles", {"metadata": {"name": group}, "rules": rules})
    binding = {
        "metadata": {"name": group},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": group},
        "subjects": [{"kind": "Group", "name": group, "apiGroup": "rbac.authorization.k8s.io"}],
    }
    api.create(f"{base}/clusterrolebindings", binding)
    api.get("/api/v1/configmaps", token=reader)
    api.get(maps, token=reader)
    api.do("DELETE", f"{base}/clusterrolebindings/{group}")
    api.refuse(403, "GET", maps, token=reader)


def test_a_service_account_is_bound_by_namespace_and_name(api: Any, maps: str, ns: str) -> None:
    token = api.new_user(f"system:serviceaccount:{ns}:engine")
    base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}"
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}]
    api.create(f"{base}/roles", {"metadata": {"name": "r"}, "rules": rules})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    subjects = [{"kind": "ServiceAccount", "name": "engine", "namespace": ns}]
    api.create(f"{base}/rolebindings", {"metadata": {"name": "r"}, "roleRef": role, "subjects": subjects})
    api.get(maps, token=token)


def test_reviews_of_ones_own_access_answer_as_requests_are_answered(api: Any, ns: str, restrict: Restrict) -> None:
    token = restrict({**ONE, "verbs": ["get", "create"]})
    of = {"resource": "configmaps", "namespace": ns}
    assert can(api, token, verb="get", name="mine", **of)
    assert not can(api, token, verb="get", name="other", **of)
    assert not can(api, token, verb="get", **of)
    assert not can(api, token, verb="create", **of)
    assert not can(api, token, verb="get", name="mine", resource="configmaps", namespace="default")
    assert can(api, "the-administrators-token", verb="*", resource="*", group="*")
    rules = api.do(
        "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", {"spec": {"namespace": ns}}, token=token
    )
    assert {**ONE, "verbs": ["get", "create"]} in rules["status"]["resourceRules"]
    me = api.do("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, **SOMEONE)
    assert me["status"]["userInfo"]["username"] == "someone"


@pytest.mark.parametrize("spec", ["x", [], {"resourceAttributes": []}, {"resourceAttributes": {"verb": 3}}])
def test_reviews_that_are_none_are_refused(api: Any, spec: Any) -> None:
    api.refuse(400, "POST", REVIEWS, {"spec": spec})


@pytest.mark.emulated
def test_only_administrators_command_the_sandbox(api: Any) -> None:
    for method, path in (("GET", "requests"), ("POST", "faults"), ("DELETE", "faults"), ("POST", "users")):
        api.refuse(403, method, f"/sandbox/{path}", {}, **SOMEONE)
    api.refuse(404, "GET", "/sandbox/nothing")
    for body in ({}, {"name": 3}, {"name": "x", "groups": "y"}, [], "x"):
        api.refuse(400, "POST", "/sandbox/users", body)


WORDS = st.sampled_from(["a", "b", "*"])
RULES = st.fixed_dictionaries(
    {"verbs": st.lists(WORDS, max_size=2), "apiGroups": st.lists(WORDS, max_size=2)},
    optional={
        "resources": st.lists(st.sampled_from(["a", "b", "*", "a/s", "*/s"]), max_size=2),
        "resourceNames": st.lists(st.sampled_from(["n", "m"]), max_size=2),
    },
)
REQUESTS = st.builds(
    Request,
    verb=st.sampled_from(["a", "b"]),
    group=st.sampled_from(["a", "b"]),
    resource=st.sampled_from(["a", "b"]),
    subresource=st.sampled_from(["", "s"]),
    name=st.sampled_from(["", "n", "m"]),
)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(RULES, REQUESTS)
def test_a_rule_never_allows_more_for_naming_objects(rule: Any, request: Request) -> None:
    open_rule = {key: value for key, value in rule.items() if key != "resourceNames"}
    if allows(rule, request):
        assert allows(open_rule, request)
        assert not rule.get("resourceNames") or request.name in rule["resourceNames"]
    assert allows({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, request)
    assert not permitted(Store(), User("x"), request)
    assert permitted(Store(), User("x", ("system:masters",)), request)


def test_a_service_account_gets_a_token_and_is_who_it_says(api: Any, ns: str) -> None:
    accounts = f"/api/v1/namespaces/{ns}/serviceaccounts"
    api.create(accounts, {"metadata": {"name": "robot"}})
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    token = api.create(f"{accounts}/robot/token", body)["status"]["token"]
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    who = api.create(path, review, token=token)["status"]["userInfo"]
    assert who["username"] == f"system:serviceaccount:{ns}:robot"
    assert f"system:serviceaccounts:{ns}" in who["groups"]
    api.refuse(403, "GET", accounts, token=token)
    api.refuse(404, "POST", f"{accounts}/nobody/token", body)
    api.refuse(405, "GET", f"{accounts}/robot/token")


@pytest.mark.emulated  # on a real server whoever asks is impersonated already
def test_who_may_impersonate_is_answered_as_the_other_and_nobody_else_may(
    api: Any, maps: str, ns: str, restrict: Restrict
) -> None:
    """`kubectl auth can-i --as`: the answer is about the other, not about whoever asks."""
    account = f"system:serviceaccount:{ns}:engine"
    attributes = {"verb": "list", "resource": "configmaps", "namespace": ns}
    body = {"spec": {"resourceAttributes": attributes}}
    as_engine = {"headers": {"Impersonate-User": account}}
    assert not api.do("POST", REVIEWS, body, **as_engine)["status"]["allowed"]
    status = api.refuse(403, "GET", maps, **as_engine)
    assert f'User "{account}" cannot list resource "configmaps"' in status["message"]
    who = api.do("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, **as_engine)
    assert who["status"]["userInfo"]["groups"] == [
        "system:serviceaccounts",
        f"system:serviceaccounts:{ns}",
        "system:authenticated",
    ]
    masters = {"headers": {"Impersonate-User": "me", "Impersonate-Group": "system:masters"}}
    assert api.do("POST", REVIEWS, body, **masters)["status"]["allowed"]
    refused = api.refuse(403, "GET", maps, **SOMEONE, **masters)
    assert (
        'User "someone" cannot impersonate resource "users" in API group "" at the cluster scope' in refused["message"]
    )
    may_be_it = {"apiGroups": [""], "resources": ["serviceaccounts"], "resourceNames": ["engine"]}
    token = restrict({**may_be_it, "verbs": ["impersonate"]})
    assert not api.do("POST", REVIEWS, body, token=token, **as_engine)["status"]["allowed"]
    api.refuse(500, "GET", maps, headers={"Impersonate-Group": "system:masters"})
