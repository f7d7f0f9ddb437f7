"""Config by content: the canary and a promoted stable name copies that nobody edits, and old copies go."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from canary.adapters.kubernetes import KubernetesWorkloads
from canary.adapters.kubernetes.paths import TOKEN_LABEL
from canary.adapters.kubernetes.references import Reference, references, renamed
from canary.adapters.kubernetes.versioned import ORIGINAL, VERSIONED_LABEL
from canary.core.outcome import ExitCode
from canary.ports import WorkloadFailure
from tests.adapters.preflighting import Check

Make = Callable[..., KubernetesWorkloads]
TOKEN = "f00d/i1"  # noqa: S105 - the fence's
FIVE, FULL = Decimal(5), Decimal(100)
BOTH = ("ConfigMap", "Secret")
PASSWORD = "a-password-of-the-shop"  # noqa: S105 - it stands in Secrets, where it belongs, and nowhere else
NEW: dict[str, Any] = {
    "metadata": {"labels": {"app": "shop", "tier": "front"}},
    "spec": {
        "containers": [
            {
                "name": "app",
                "ports": [{"name": "http", "containerPort": 8080}],
                "envFrom": [{"configMapRef": {"name": "prices"}}, {"secretRef": {"name": "maybe", "optional": True}}],
                "env": [{"name": "PW", "valueFrom": {"secretKeyRef": {"name": "db", "key": "pw"}}}],
            }
        ],
        "volumes": [{"name": "v", "configMap": {"name": "prices"}}],
    },
}


# References -----------------------------------------------------------------------------------------------------


def test_every_place_in_which_a_template_names_config() -> None:
    volumes = [
        {"name": "a", "configMap": {"name": "c1"}},
        {"name": "b", "secret": {"secretName": "s1", "optional": True}},
        {"name": "c", "projected": {"sources": [{"configMap": {"name": "c2"}}, {"secret": {"name": "s2"}}, {}]}},
        {"name": "d", "emptyDir": {}},
    ]
    init = {"envFrom": [{"secretRef": {"name": "s3", "optional": True}}, {"configMapRef": {"name": "c3"}}]}
    app = {
        "env": [
            {"name": "A", "value": "x"},
            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "c1", "key": "k", "optional": True}}},
            {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "k"}}},
        ]
    }
    spec = {"volumes": volumes, "initContainers": [init], "containers": [app], "imagePullSecrets": [{"name": "pull"}]}
    found = references({"spec": spec})
    assert found == [
        Reference("ConfigMap", "c1"),
        Reference("ConfigMap", "c2"),
        Reference("ConfigMap", "c3"),
        Reference("Secret", "s1", optional=True),
        Reference("Secret", "s2"),
        Reference("Secret", "s3"),
    ]
    made = renamed({"spec": spec}, {f"{one.kind}/{one.name}": f"{one.name}-x" for one in found})
    assert [one.name for one in references(made)] == [f"{one.name}-x" for one in found]
    assert made["spec"]["imagePullSecrets"] == [{"name": "pull"}]
    assert references({"spec": spec}) == found
    assert renamed(made, {}) == made


# On the API server ----------------------------------------------------------------------------------------------


def put(shop: Any, plural: str, name: str, **data: str) -> None:
    kind = {"configmaps": "ConfigMap", "secrets": "Secret"}[plural]
    given = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    content = data if kind == "ConfigMap" else given
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": content}
    if shop.get(plural, name):
        shop.merge(plural, name, {"data": body["data"]})
    else:
        shop.create(shop.path(plural), body)


@pytest.fixture
def config(shop: Any) -> Any:
    shop.merge("deployments", "shop", {"metadata": {"labels": {TOKEN_LABEL: "f00d.i1"}}})
    put(shop, "configmaps", "prices", list="one")
    put(shop, "secrets", "db", pw=PASSWORD)
    return shop


@pytest.fixture
def released(workloads: Make) -> Make:
    return lambda **changes: workloads(**{"template": NEW, "versioned": BOTH, **changes})


def named_by(shop: Any, name: str) -> dict[str, str]:
    """What a Deployment's template names, by the name of the original."""
    template = shop.get("deployments", name)["spec"]["template"]
    return {one.name.rpartition("-")[0] or one.name: one.name for one in references(template)}


def copies(shop: Any) -> list[str]:
    found = [*shop.list("configmaps"), *shop.list("secrets")]
    return sorted(one["metadata"]["name"] for one in found if VERSIONED_LABEL in (one["metadata"].get("labels") or {}))


@pytest.mark.real
def test_the_canary_and_a_promoted_stable_have_the_config_that_was_judged(config: Any, released: Make) -> None:
    released().provision(share=FIVE)
    names = named_by(config, "shop-canary")
    assert sorted(names) == ["db", "maybe", "prices"]
    assert names["maybe"] == "maybe"
    made = config.get("configmaps", names["prices"])
    assert (made["data"], made["immutable"]) == ({"list": "one"}, True)
    assert made["metadata"]["annotations"][ORIGINAL] == "prices"
    secret = config.get("secrets", names["db"])
    assert secret["data"] == config.get("secrets", "db")["data"]
    assert secret["type"] == config.get("secrets", "db")["type"]
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    for item in [*config.list("deployments"), *config.list("configmaps")]:
        assert not any(text in json.dumps(item) for text in (PASSWORD, encoded))
    put(config, "configmaps", "prices", list="edited while the release was on its way")
    released().provision(share=FULL)
    for _ in range(2):
        released().update_stable(token=TOKEN)
    assert named_by(config, "shop") == names
    released().remove()
    assert copies(config) == sorted([names["db"], names["prices"]])


@pytest.mark.real
def test_what_nobody_names_any_more_goes_and_what_going_back_needs_stays(config: Any, released: Make) -> None:
    released().provision(share=FULL)
    released().update_stable(token=TOKEN)
    released().remove()
    first = named_by(config, "shop")
    put(config, "configmaps", "prices", list="two")
    config.merge("deployments", "shop", {"metadata": {"labels": {TOKEN_LABEL: "beef.i1"}}})
    second = released(release="beef")
    second.provision(share=FULL)
    second.update_stable(token="beef/i1")  # noqa: S106 - the fence's
    template = copy.deepcopy(NEW)
    template["spec"]["volumes"][0]["configMap"]["name"] = first["prices"]
    labels = {"app": "shop", "pod-template-hash": "1"}
    kept = {**template, "metadata": {"labels": labels}}
    body = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "shop-1"},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": kept},
    }
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "x"  # type: ignore[index]
    config.create(config.path("replicasets"), body)
    second.remove()
    now = named_by(config, "shop")
    assert now["prices"] != first["prices"]
    assert copies(config) == sorted({now["prices"], first["prices"], now["db"]})
    config.request("DELETE", config.path("replicasets", "shop-1"))
    second.remove()
    assert copies(config) == sorted({now["prices"], now["db"]})
    assert config.get("configmaps", "prices")["data"] == {"list": "two"}


@pytest.mark.real
def test_a_release_that_is_rolled_back_leaves_no_copy_and_stable_its_own(config: Any, released: Make) -> None:
    before = config.get("deployments", "shop")["spec"]
    released().provision(share=FULL)
    released().update_stable(token=TOKEN)
    assert copies(config)
    port = released(template=None, versioned=())  # a watchdog
    port.revert_stable()
    assert config.get("deployments", "shop")["spec"] == before
    port.remove()
    assert copies(config)  # left to the next release
    released().remove()
    assert copies(config) == []


@pytest.mark.real
def test_only_the_kinds_that_are_asked_for(config: Any, released: Make) -> None:
    released(versioned=("ConfigMap",)).provision(share=FIVE)
    assert named_by(config, "shop-canary")["db"] == "db"
    assert len(copies(config)) == 1


@pytest.mark.real
def test_a_name_of_a_copy_is_left_as_it_is(config: Any, released: Make) -> None:
    """As undo has it: the old template comes back with its old config."""
    released().provision(share=FULL)
    names = named_by(config, "shop-canary")
    old = copy.deepcopy(NEW)
    old["spec"]["volumes"][0]["configMap"]["name"] = names["prices"]
    put(config, "configmaps", "prices", list="two")
    new, _ = released(first={"metadata": {}, "spec": {"template": old}}).first()
    assert new["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"] == names["prices"]


@pytest.mark.real
def test_somebody_elses_object_under_that_name_is_not_taken_for_it(config: Any, released: Make) -> None:
    released().provision(share=FIVE)
    name = named_by(config, "shop-canary")["prices"]
    released().remove()
    put(config, "configmaps", name, list="a lie")
    with pytest.raises(WorkloadFailure, match=f"{name} exists already and is no copy of ours"):
        released().provision(share=FIVE)
    assert config.get("configmaps", name)["data"] == {"list": "a lie"}


@pytest.mark.real
def test_sweeping_that_is_not_permitted_ends_a_release_all_the_same(config: Any, released: Make) -> None:
    released().provision(share=FIVE)
    config.fault({"status": 403}, verb="list", resource="secrets")
    released().remove()
    assert config.get("deployments", "shop-canary") is None


@pytest.mark.real
def test_preflight_says_what_is_not_there_and_shows_no_content(config: Any, check: Check) -> None:
    found = [each for each in check(template=NEW, versioned=BOTH) if each.code is not None]
    assert found == []
    config.request("DELETE", config.path("secrets", "db"))
    (one,) = (each for each in check(template=NEW, versioned=BOTH) if each.code is not None)
    assert one.code is ExitCode.PREFLIGHT_FAILED
    assert "/db, which the template names, does not exist; create it first" in one.what
    assert copies(config) == []
