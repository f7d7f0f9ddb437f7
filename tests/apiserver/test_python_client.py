"""The official Python client against the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, watch
from kubernetes.client import ApiException

pytestmark = pytest.mark.real

GATEWAY = {"group": "gateway.networking.k8s.io", "version": "v1", "plural": "httproutes"}


@pytest.fixture
def connection(api: Any) -> Iterator[Any]:
    configuration = client.Configuration()
    configuration.host = api.url
    configuration.api_key = {"authorization": "Bearer the-administrators-token"}
    with client.ApiClient(configuration) as made:
        yield made


def refused(code: int, call: Any, *arguments: Any, **named: Any) -> ApiException:
    with pytest.raises(ApiException) as error:
        call(*arguments, **named)
    assert error.value.status == code, error.value.body
    return error.value


def test_a_deployments_life(connection: Any, ns: str, make: Any) -> None:
    apps = client.AppsV1Api(connection)
    made = apps.create_namespaced_deployment(ns, make.deployment(), field_manager="tests")
    assert made.spec.replicas == 1
    assert made.metadata.managed_fields[0].manager == "tests"
    refused(409, apps.create_namespaced_deployment, ns, make.deployment())
    assert apps.patch_namespaced_deployment_scale("shop", ns, {"spec": {"replicas": 3}}).spec.replicas == 3
    refused(409, apps.replace_namespaced_deployment, "shop", ns, made)
    read = apps.read_namespaced_deployment("shop", ns)
    read.spec.template.spec.containers[0].image = "shop:2"
    assert apps.replace_namespaced_deployment("shop", ns, read).metadata.generation == 3
    status = apps.patch_namespaced_deployment_status("shop", ns, {"status": {"replicas": 3}})
    assert status.status.replicas == 3
    listed = apps.list_namespaced_deployment(ns, label_selector="app!=other")
    assert [item.metadata.name for item in listed.items] == ["shop"]
    wrong = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="another"))
    refused(409, apps.delete_namespaced_deployment, "shop", ns, body=wrong)
    right = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=made.metadata.uid))
    apps.delete_namespaced_deployment("shop", ns, body=right)
    refused(404, apps.read_namespaced_deployment, "shop", ns)


def test_custom_resources_and_their_patches(connection: Any, ns: str, make: Any) -> None:
    custom = client.CustomObjectsApi(connection)
    where = {**GATEWAY, "namespace": ns}
    custom.create_namespaced_custom_object(**where, body=make.route())
    one = {**where, "name": "shop"}
    swap = [
        {"op": "test", "path": "/spec/rules/0/backendRefs/0/weight", "value": 90},
        {"op": "replace", "path": "/spec/rules/0/backendRefs/0/weight", "value": 50},
    ]
    json_patch = {"_content_type": "application/json-patch+json"}
    patched = custom.patch_namespaced_custom_object(**one, body=swap, **json_patch)
    assert patched["spec"]["rules"][0]["backendRefs"][0]["weight"] == 50
    refused(422, custom.patch_namespaced_custom_object, **one, body=swap, **json_patch)
    merge = {"_content_type": "application/merge-patch+json"}
    dry = custom.patch_namespaced_custom_object(**one, body={"spec": {"hostnames": ["a.b"]}}, dry_run="All", **merge)
    assert dry["spec"]["hostnames"] == ["a.b"]
    assert custom.get_namespaced_custom_object(**one) == patched
    applied = custom.patch_namespaced_custom_object(
        **one,
        body={**make.route(), "spec": {"hostnames": ["c.d"]}},
        field_manager="gitops",
        _content_type="application/apply-patch+yaml",
    )
    assert applied["spec"]["hostnames"] == ["c.d"]
    assert {each["manager"] for each in applied["metadata"]["managedFields"]} >= {"gitops"}
    assert len(custom.list_namespaced_custom_object(**where)["items"]) == 1
    custom.delete_namespaced_custom_object(**one)


def test_watching_with_the_clients_watch(connection: Any, ns: str) -> None:
    core = client.CoreV1Api(connection)
    version = core.list_namespaced_config_map(ns).metadata.resource_version
    for name in ("one", "two"):
        core.create_namespaced_config_map(ns, {"metadata": {"name": name}})
    stream = watch.Watch().stream(core.list_namespaced_config_map, ns, resource_version=version, timeout_seconds=10)
    assert [(next(stream)["object"].metadata.name) for _ in range(2)] == ["one", "two"]
    stream.close()
    with pytest.raises(ApiException) as error:
        next(watch.Watch().stream(core.list_namespaced_config_map, ns, resource_version="5", timeout_seconds=10))
    assert error.value.status == 410


def test_leases_events_jobs_and_secrets(connection: Any, ns: str, make: Any) -> None:
    leases = client.CoordinationV1Api(connection)
    spec = client.V1LeaseSpec(holder_identity="me", lease_duration_seconds=30)
    lease = leases.create_namespaced_lease(ns, client.V1Lease(metadata=client.V1ObjectMeta(name="l"), spec=spec))
    lease.spec.holder_identity = "you"
    newer = leases.replace_namespaced_lease("l", ns, lease)
    assert newer.spec.holder_identity == "you"
    refused(409, leases.replace_namespaced_lease, "l", ns, lease)
    core = client.CoreV1Api(connection)
    about = client.V1ObjectReference(kind="ConfigMap", name="x", namespace=ns)
    event = client.CoreV1Event(metadata=client.V1ObjectMeta(generate_name="e-"), involved_object=about, reason="R")
    assert core.create_namespaced_event(ns, event).metadata.name.startswith("e-")
    found = core.list_namespaced_event(ns, field_selector="involvedObject.name=x")
    assert [item.reason for item in found.items] == ["R"]
    template = make.deployment()["spec"]["template"]
    template["spec"]["restartPolicy"] = "Never"
    job = {"metadata": {"name": "j"}, "spec": {"template": template, "backoffLimit": 0}}
    assert client.BatchV1Api(connection).create_namespaced_job(ns, job).spec.backoff_limit == 0
    secret = core.create_namespaced_secret(ns, {"metadata": {"name": "s"}, "stringData": {"a": "b"}})
    assert secret.data == {"a": "Yg=="}


def test_reviews_of_ones_own_access(connection: Any, ns: str) -> None:
    attributes = client.V1ResourceAttributes(verb="patch", group="", resource="configmaps", namespace=ns)
    spec = client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
    body = client.V1SelfSubjectAccessReview(spec=spec)
    assert client.AuthorizationV1Api(connection).create_self_subject_access_review(body).status.allowed


def test_discovery_of_the_version(connection: Any) -> None:
    assert "emulator" in client.VersionApi(connection).get_code().git_version
    assert "apps" in [group.name for group in client.ApisApi(connection).get_api_versions().groups]
