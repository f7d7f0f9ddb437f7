"""The chart's admission policy, evaluated by the API server: nobody decides at a gate under another's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from canary.adapters.kubernetes import KubernetesGates
from tests.charts.conftest import helm  # noqa: F401 - a fixture
from tests.cluster.place import NUMBERS, Place, until
from tests.cluster.place import POLICIES as POLICY
from tests.cluster.test_rights import PLURALS, Rendered, render  # noqa: F401 - a fixture

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

POLICIES = {
    "ValidatingAdmissionPolicy": POLICY,
    "ValidatingAdmissionPolicyBinding": POLICY.replace("policies", "policybindings"),
}
ENGINE, APPROVER = "canary-shop", "approver"
WAITING = {
    "state": "pending",
    "nonce": "n1",
    "release": "r1",
    "step": "1",
    "before": "50",
    "image": "example.test/shop@sha256:" + "2" * 64,
    "opened": "1",
    "expires": "9999999999",
    "onExpiry": "rollback",
    "decidedBy": "",
}

Write = Callable[..., tuple[int, Any]]


@pytest.fixture
def chart(
    place: Place,
    admission_policies: None,
    rbac: None,
    release_file: Callable[..., Path],
    render: Callable[..., Rendered],  # noqa: F811 - the fixture
) -> Iterator[Rendered]:
    """The chart with its policy, which binds in our namespace alone, installed and in force."""
    rendered = render(
        release_file("workload: {name: shop, container: app}"),
        **{"admissionPolicy.create": "true"},
    )
    made = []
    try:
        for (kind, name), each in rendered.items():
            if kind in POLICIES:
                place.make(POLICIES[kind], each)
                made.append(f"{POLICIES[kind]}/{name}")
            else:
                place.make(place.path(PLURALS[kind]), each)
        yield rendered
    finally:
        for path in made:
            place.do("DELETE", path)


@pytest.fixture
def write(place: Place, chart: Rendered) -> Write:
    """A change of the gate's entries by an account; the policy is in force, which takes a real server some seconds."""
    (gate,) = (name for kind, name in chart if kind == "ConfigMap" and name.endswith("-gate"))
    rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "patch"]}
    place.make(place.path("roles"), {"metadata": {"name": APPROVER}, "rules": [rule]})
    subjects = [{"kind": "ServiceAccount", "name": name, "namespace": place.namespace} for name in (APPROVER, ENGINE)]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": APPROVER}
    place.make(place.path("rolebindings"), {"metadata": {"name": APPROVER}, "roleRef": role, "subjects": subjects})
    ways = {name: place.api(place.log_in(name))._transport for name in (APPROVER, ENGINE)}

    def go(who: str, **data: str) -> tuple[int, Any]:
        return place.call("PATCH", place.path("configmaps", gate), {"data": data}, kind="merge", transport=ways[who])

    until(lambda: "must be the name" in str(go(APPROVER, decidedBy=f"somebody-{next(NUMBERS)}")[1]))
    assert go(ENGINE, **WAITING)[0] == 200
    return go


def name_of(place: Place, account: str) -> str:
    return f"system:serviceaccount:{place.namespace}:{account}"


def test_a_decision_carries_the_name_of_whoever_writes_it(place: Place, write: Write) -> None:
    status, answer = write(APPROVER, state="approved", decidedBy=name_of(place, ENGINE))
    assert (status, answer["reason"]) == (403, "Forbidden"), answer
    assert "decidedBy must be the name of whoever writes it" in answer["message"]
    assert write(APPROVER, state="approved", decidedBy=name_of(place, APPROVER))[0] == 200


def test_an_approver_changes_nothing_but_the_decision(place: Place, write: Write) -> None:
    for key in ("nonce", "release", "step", "before", "image", "opened", "expires", "onExpiry", "approvers"):
        status, answer = write(APPROVER, **{key: "another"})
        assert status == 403, (key, answer)
        assert "only the engine says what waits" in answer["message"]
    assert write(ENGINE, note="the engine may")[0] == 200


def test_what_is_decided_stays_decided_until_the_engine_opens_the_gate_anew(place: Place, write: Write) -> None:
    mine = name_of(place, APPROVER)
    assert write(APPROVER, state="rejected", decidedBy=mine, reason="no")[0] == 200
    status, answer = write(APPROVER, state="approved", decidedBy=mine)
    assert status == 403, answer
    assert "the gate is decided already" in answer["message"]
    assert write(ENGINE, state="pending", nonce="n2", decidedBy="")[0] == 200
    assert write(APPROVER, state="approved", decidedBy=mine)[0] == 200


def test_the_engine_finds_out_that_names_are_pinned(place: Place, write: Write) -> None:
    gates = KubernetesGates(place.api(place.log_in(ENGINE)), namespace=place.namespace, route="shop")
    assert gates.pinned()
