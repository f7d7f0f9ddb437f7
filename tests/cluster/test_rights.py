"""The chart's rights, rendered by helm, enforced by the API server: enough for a release, and each missed by name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from canary.adapters.kubernetes.access import Right, denied
from canary.adapters.kubernetes.paths import LEASE, ROUTE_KINDS
from canary.core.outcome import ExitCode
from tests.charts.conftest import Helm, documents, helm  # noqa: F401 - a fixture
from tests.cluster.conftest import CANARY_IMAGE, Ran
from tests.cluster.place import Place, until
from tests.cluster.test_old_records import UIDS, in_turn

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

ACCOUNT = "canary-shop"
PLURALS = {
    "ServiceAccount": "serviceaccounts",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "ConfigMap": "configmaps",
    "Job": "jobs",
}
JOB = {"job.create": "true", "job.image": "example.test/canary@sha256:" + "a" * 64, "release.image": CANARY_IMAGE}
Rendered = dict[tuple[str, str], Any]


@pytest.fixture
def render(place: Place, helm: Helm) -> Callable[..., Rendered]:  # noqa: F811 - the fixture
    """What the chart makes of a release file."""

    def go(file: Path, **values: str) -> Rendered:
        ran = helm.render(file, namespace=place.namespace, **values)
        assert ran.code == 0, ran.err
        return {(each["kind"], each["metadata"]["name"]): each for each in documents(ran.out)}

    return go


def install(place: Place, rendered: Rendered) -> None:
    for (kind, _), each in rendered.items():
        place.make(place.path(PLURALS[kind]), each)


def allowed(place: Place, kubeconfig: Path, verb: str = "patch") -> bool:
    """Whether what was installed is known to the authorizer, which learns of it by a watch."""
    rights = [Right(verb="patch", resource=LEASE, name="canary-shop")]
    rights.append(Right(verb=verb, resource=ROUTE_KINDS["HTTPRoute"], name="shop"))
    return not denied(place.api(kubeconfig), place.namespace, rights)


def test_every_object_of_the_chart_is_taken(
    place: Place, release_file: Callable[..., Path], render: Callable[..., Rendered]
) -> None:
    rendered = render(release_file("workload: {name: shop, container: app}"), **JOB)
    assert {kind for kind, _ in rendered} == set(PLURALS)
    install(place, rendered)


def test_a_release_needs_the_charts_rights_and_no_more(
    shop: Place,
    rbac: None,
    release_file: Callable[..., Path],
    render: Callable[..., Rendered],
    canary: Callable[..., Ran],
) -> None:
    file = release_file("workload: {name: shop, container: app}")
    rendered = render(file)
    install(shop, rendered)
    kubeconfig = shop.log_in(ACCOUNT)
    until(lambda: allowed(shop, kubeconfig))

    role = rendered["Role", ACCOUNT]
    lacking = copy.deepcopy(role["rules"])
    (routes,) = (each for each in lacking if each["apiGroups"] == ["gateway.networking.k8s.io"])
    routes["verbs"].remove("patch")
    shop.merge("roles", ACCOUNT, {"rules": lacking})
    until(lambda: not allowed(shop, kubeconfig))
    refused = canary("run", str(file), "--lines", kubeconfig=kubeconfig)
    assert refused.code == ExitCode.NOT_PERMITTED, refused.err
    assert "patch httproutes.gateway.networking.k8s.io/shop" in refused.err + refused.out

    shop.merge("roles", ACCOUNT, {"rules": role["rules"]})
    until(lambda: allowed(shop, kubeconfig))
    in_turn(shop, UIDS, chunks=1)  # old records, for the right to prune them
    ran = canary("run", str(file), "--lines", kubeconfig=kubeconfig)
    assert ran.code == 0, ran.err
    if not shop.real:  # a real API server keeps its log to itself
        assert unused(shop, role) == set(UNUSED)


UNUSED = {
    "get jobs.batch": "in a Job's pod",
    "patch jobs.batch": "in a Job's pod",
    "get pods": "after another pod has died",
    "patch horizontalpodautoscalers.autoscaling": "where stable has an autoscaler",
    "list scaledobjects.keda.sh": "where KEDA is installed",
    "patch scaledobjects.keda.sh": "where KEDA is installed",
    "list servicemonitors.monitoring.coreos.com": "where the Prometheus operator is installed",
    "list podmonitors.monitoring.coreos.com": "where the Prometheus operator is installed",
    "list authorizationpolicies.security.istio.io": "where Istio is installed",
}
"""Rights of the role that a release which goes well does not come to need, and when another one does."""


def unused(place: Place, role: Any) -> set[str]:
    """Rights of the engine that it was never asked to use."""
    engine = f"system:serviceaccount:{place.namespace}:{ACCOUNT}"
    asked = place.do("GET", "/sandbox/requests")["requests"]
    used = {f"{one['verb']} {one['resource']}" for one in asked if one["user"] == engine}
    given = {
        f"{verb} {plural}.{group}".rstrip(".")
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for plural in rule["resources"]
        for verb in rule["verbs"]
    }
    return given - used
