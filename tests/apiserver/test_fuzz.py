"""Nothing that comes over the wire makes the server fail, or changes it when it is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SOMEONE: Any = {"token": "a-users-token"}

FUZZ = settings(
    derandomize=True,
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES = st.sampled_from(["shop", "x", "..", "a b", "%2e", "é", "x" * 300, "~", "status", "log"])
SEGMENTS = (
    st.sampled_from(
        [
            "api",
            "apis",
            "v1",
            "apps",
            "namespaces",
            "pods",
            "deployments",
            "status",
            "scale",
            "log",
            "",
            "openapi",
            "v3",
            "gateway.networking.k8s.io",
            "httproutes",
            "as",
            "sandbox",
            "requests",
            "faults",
            "users",
            "selfsubjectreviews",
        ]
    )
    | NAMES
)
METHODS = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW"])
CONTENTS = st.sampled_from(
    [
        "application/json",
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
        "application/yaml",
        "application/vnd.kubernetes.protobuf",
        "text/plain",
        "",
        "x; y=z; /",
    ]
)
PARAMETERS = st.dictionaries(
    st.sampled_from(
        [
            "labelSelector",
            "fieldSelector",
            "resourceVersion",
            "resourceVersionMatch",
            "limit",
            "continue",
            "dryRun",
            "fieldManager",
            "fieldValidation",
            "force",
            "propagationPolicy",
            "sendInitialEvents",
            "includeObject",
            "since",
        ]
    ),
    st.sampled_from(
        ["", "0", "1", "true", "a=b", "a in (", "metadata.name=x", "-1", "All", "\ud7ff", "x" * 200, "\x00"]
    ),
    max_size=3,
)
KEYS = st.sampled_from(
    [
        "metadata",
        "spec",
        "status",
        "name",
        "labels",
        "rules",
        "backendRefs",
        "weight",
        "template",
        "containers",
        "ports",
        "replicas",
        "selector",
        "op",
        "path",
        "value",
        "from",
        "$patch",
        "data",
        "kind",
        "apiVersion",
        "finalizers",
        "ownerReferences",
        "preconditions",
        "dryRun",
        "$setElementOrder/containers",
        "managedFields",
        "annotations",
        "a",
    ]
)
LEAVES = st.sampled_from([None, True, 0, -1, 1.5, 10**30, "", "x", "/spec", "add", "\ud800", "replace", "All", [], {}])
BODIES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
TARGETS = st.sampled_from(
    [
        "/api/v1/namespaces/{}/configmaps",
        "/api/v1/namespaces/{}/pods",
        "/api/v1/namespaces/{}/pods/shop/status",
        "/api/v1/namespaces/{}/services/shop",
        "/api/v1/namespaces/{}/secrets/shop",
        "/apis/apps/v1/namespaces/{}/deployments",
        "/apis/apps/v1/namespaces/{}/deployments/shop",
        "/apis/apps/v1/namespaces/{}/deployments/shop/scale",
        "/apis/apps/v1/namespaces/{}/deployments/shop/status",
        "/apis/batch/v1/namespaces/{}/jobs",
        "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes",
        "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes/shop",
        "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes/shop/status",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
        "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
        "/sandbox/users",
    ]
)


def survives(api: Any, method: str, path: str, **given: Any) -> Any:
    answer = api.call(method, path, **given)
    assert answer.status_code < 500 or answer.json().get("reason") == "Timeout", (answer.status_code, answer.text)
    if (
        answer.status_code >= 400
        and answer.headers.get("Content-Type", "").startswith("application/json")
        and answer.text
    ):
        assert answer.json()["kind"] == "Status"
        assert answer.json()["message"]
    return answer


@FUZZ
@given(method=METHODS, segments=st.lists(SEGMENTS, max_size=8), query=PARAMETERS, accept=st.sampled_from(["", "*/*"]))
def test_garbage_paths_and_queries_are_refused_and_never_fail(
    api: Any, method: str, segments: list[str], query: Any, accept: str
) -> None:
    survives(api, method, "/" + "/".join(segments), headers={"Accept": accept}, **query)
    assert api.call("GET", "/healthz").text == "ok"


@pytest.fixture
def stocked(api: Any, ns: str, make: Any) -> str:
    """The test's namespace with something in it."""
    api.create(f"/apis/apps/v1/namespaces/{ns}/deployments", make.deployment())
    api.create(f"/apis/gateway.networking.k8s.io/v1/namespaces/{ns}/httproutes", make.route())
    api.create(f"/api/v1/namespaces/{ns}/pods", make.pod("shop"))
    api.create(f"/api/v1/namespaces/{ns}/services", {"metadata": {"name": "shop"}, "spec": {"ports": [{"port": 1}]}})
    return ns


@FUZZ
@given(
    method=st.sampled_from(["POST", "PUT", "PATCH", "PATCH", "PATCH"]),
    target=TARGETS,
    content=CONTENTS,
    body=BODIES,
    query=PARAMETERS,
)
def test_garbage_bodies_are_refused_and_never_fail(
    api: Any, stocked: str, *, method: str, target: str, content: str, body: Any, query: Any
) -> None:
    query.pop("dryRun", None)
    path = target.format(stocked)
    survives(api, method, path, body=body, headers={"Content-Type": content}, **{"fieldManager": "fuzz", **query})
    # What was taken can still be read, listed, and shown as a table.
    table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
    if "selfsubject" not in path and "sandbox" not in path:
        survives(api, "GET", path)
        survives(api, "GET", path, headers=table)


@FUZZ
@given(raw=st.binary(max_size=40) | st.binary(max_size=40).map(b"k8s\x00".__add__), content=CONTENTS)
def test_garbage_bytes_are_refused_and_never_fail(api: Any, stocked: str, raw: bytes, content: str) -> None:
    headers = {"Content-Type": content}
    for method, path in (
        ("PATCH", f"/api/v1/namespaces/{stocked}/pods/shop"),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"),
    ):
        survives(api, method, path, raw=raw, headers=headers, fieldManager="fuzz")


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"metadata":{"name":"x"},"spec":{"replicas":NaN}}',
        b'{"metadata":{"name":"x"},"spec":{"replicas":1e999}}',
        b'{"metadata":{"name":"x"},"spec":{"replicas":' + b"9" * 5000 + b"}}",
        b"\xff\xfe",
        b"",
        b"null",
        b'"x"',
    ],
)
def test_hostile_json_is_refused(api: Any, deployments: str, raw: bytes) -> None:
    answer = survives(api, "POST", deployments, raw=raw)
    assert answer.status_code in {400, 422}


def test_a_body_beyond_the_limit_is_refused_as_too_large(api: Any, maps: str) -> None:
    assert api.refuse(413, "POST", maps, raw=b"x" * (3 * 1024 * 1024 + 1))["reason"] == "RequestEntityTooLarge"


def test_halves_of_characters_are_replaced(api: Any, maps: str) -> None:
    raw = json.dumps({"metadata": {"name": "x"}, "data": {"a": "1\ud800", "b": "\U0001f600"}}).encode()
    assert api.do("POST", maps, raw=raw)["data"] == {"a": "1\ufffd", "b": "\U0001f600"}


@FUZZ
@given(body=BODIES)
def test_garbage_delete_options_are_refused_and_never_fail(api: Any, stocked: str, body: Any) -> None:
    survives(api, "DELETE", f"/api/v1/namespaces/{stocked}/pods/none", body=body)
    survives(api, "DELETE", f"/api/v1/namespaces/{stocked}/configmaps", body=body, dryRun="All")


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a body."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in below for place in places(each, (*path, key)))]


def put(value: Any, path: tuple[Any, ...], garbage: Any) -> Any:
    if not path:
        return garbage
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = put(value[path[0]], path[1:], garbage)
    return copied


def bodies(make: Any) -> dict[str, Any]:
    """One good body of each kind that has rules of its own."""
    named = {"metadata": {"name": "x", "labels": {"a": "b"}, "finalizers": ["a.example/b"]}}
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "1"}
    pod = make.pod("x", ownerReferences=[owner], annotations={"a": "b"})
    pod["spec"]["containers"][0] |= {"readinessProbe": {"httpGet": {"port": 1}}, "env": [{"name": "A", "value": "b"}]}
    deployment = make.deployment("x")
    deployment["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    deployment["spec"]["selector"]["matchExpressions"] = [{"key": "app", "operator": "In", "values": ["x"]}]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 9}},
    }
    definition = make.definition("fuzzes")
    columns = [{"name": "A", "type": "date", "jsonPath": ".a.b[0]"}]
    definition["spec"]["versions"][0] |= {"additionalPrinterColumns": columns, "subresources": {"status": {}}}
    at = {"namespace": "{}"}
    return {
        "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes": make.route("x"),
        "/apis/apps/v1/namespaces/{}/deployments": deployment,
        "/api/v1/namespaces/{}/pods": pod,
        "/api/v1/namespaces/{}/services": {
            **named,
            "spec": {"type": "ClusterIP", "selector": {"a": "b"}, "ports": [{"port": 80, "targetPort": "http"}]},
        },
        "/api/v1/namespaces/{}/secrets": {**named, "data": {"a": "Yg=="}, "stringData": {"b": "c"}},
        "/api/v1/namespaces/{}/configmaps": {**named, "data": {"a": "b"}, "binaryData": {"c": "Yg=="}},
        "/api/v1/namespaces/{}/events": {
            "metadata": {"name": "x"},
            "involvedObject": at,
            "lastTimestamp": "2026-01-01T00:00:00Z",
            "eventTime": None,
            "message": "m",
        },
        "/apis/batch/v1/namespaces/{}/jobs": {**named, "spec": {"template": deployment["spec"]["template"]}},
        "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers": {
            **named,
            "spec": {"scaleTargetRef": target, "maxReplicas": 3, "metrics": [metric]},
        },
        "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices": {
            **named,
            "addressType": "IPv4",
            "ports": [{"port": 80}],
            "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": True}}],
        },
        "/apis/coordination.k8s.io/v1/namespaces/{}/leases": {**named, "spec": {"holderIdentity": "me"}},
        "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles": {
            **named,
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["x"]}],
        },
        "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings": {
            **named,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "x"},
            "subjects": [{"kind": "User", "name": "someone"}],
        },
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": definition,
    }


@settings(FUZZ, max_examples=250)
@given(data=st.data())
def test_a_good_body_with_one_wrong_place_never_makes_the_server_fail(
    api: Any, ns: str, make: Any, data: st.DataObject
) -> None:
    good = bodies(make)
    target = data.draw(st.sampled_from(sorted(good)))
    body = good[target]
    place = data.draw(st.sampled_from(places(body)))
    garbage = data.draw(LEAVES | BODIES)
    path = target.format(ns)
    name = body["metadata"]["name"]
    try:
        if data.draw(st.booleans()):
            survives(api, "POST", path, body=put(body, place, garbage))
        else:
            kind = data.draw(st.sampled_from(["merge", "strategic", "apply"]))
            survives(api, "POST", path, body=body)
            survives(api, "PATCH", f"{path}/{name}", body=put(body, place, garbage), kind=kind, fieldManager="fuzz")
        table = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
        survives(api, "GET", path, headers=table)
        survives(api, "GET", path, **SOMEONE)
        if "customresourcedefinitions" in path:
            survives(api, "GET", f"/apis/test.example.com/v1/namespaces/{ns}/fuzzes", headers=table)
    finally:
        for item in api.get(path)["items"]:
            if not item["metadata"]["name"].endswith("gateway.networking.k8s.io"):
                one = f"{path}/{item['metadata']['name']}"
                survives(api, "PATCH", one, body={"metadata": {"finalizers": None}}, kind="merge")
                survives(api, "DELETE", one)


def test_the_bodies_that_are_made_wrong_are_right_to_begin_with(api: Any, ns: str, make: Any) -> None:
    for target, body in bodies(make).items():
        api.create(target.format(ns), body, fieldValidation="Strict", dryRun="All")
