"""The floor of stable's autoscaler: raised once, put back by anybody, and never written over another's word."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonpatch
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.adapters.kubernetes import scalers
from canary.adapters.kubernetes.paths import AUTOSCALER, SCALED_OBJECT, Resource

SETTINGS = settings(deadline=None, derandomize=True, max_examples=150)
KINDS = st.sampled_from([AUTOSCALER, SCALED_OBJECT])


def scaler(resource: Resource, least: int | None, most: int = 20, **metadata: Any) -> dict[str, Any]:
    names = ("minReplicas", "maxReplicas") if resource is AUTOSCALER else ("minReplicaCount", "maxReplicaCount")
    spec: dict[str, Any] = {"scaleTargetRef": {"kind": "Deployment", "name": "shop"}, names[1]: most}
    if least is not None:
        spec[names[0]] = least
    head = {"name": "shop", "namespace": "space", "resourceVersion": "7", **metadata}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": head, "spec": spec}


def after(item: dict[str, Any], patch: list[dict[str, Any]]) -> dict[str, Any]:
    done: dict[str, Any] = jsonpatch.apply_patch(copy.deepcopy(item), json.loads(json.dumps(patch)))
    return done


def without_empty_notes(item: dict[str, Any]) -> dict[str, Any]:
    made = copy.deepcopy(item)
    if not made["metadata"].get("annotations"):
        made["metadata"].pop("annotations", None)
    return made


@SETTINGS
@given(KINDS, st.none() | st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.booleans())
def test_what_was_held_is_put_back_exactly(
    resource: Resource, least: int | None, most: int, replicas: int, annotated: bool
) -> None:
    item = scaler(resource, least, most, **({"annotations": {"a/b": "c"}} if annotated else {}))
    patch = scalers.hold(item, release="f00d", replicas=replicas)
    held = after(item, patch)
    assert scalers.least(held) == max(scalers.least(item), min(replicas, most))
    if patch:
        assert scalers.hold(held, release="f00d", replicas=30) == []  # once, at the start
    assert not scalers.changed(held, "f00d")
    back = after(held, scalers.give_back(held, "f00d"))
    assert without_empty_notes(back) == without_empty_notes(item)
    assert scalers.give_back(back, "f00d") == []


@SETTINGS
@given(KINDS, st.none() | st.integers(1, 5), st.integers(1, 20))
def test_a_minimum_that_somebody_else_wrote_stays(resource: Resource, least: int | None, theirs: int) -> None:
    item = scaler(resource, least)
    held = after(item, scalers.hold(item, release="f00d", replicas=8))
    field = scalers.path_of(held).rpartition("/")[2]
    held["spec"][field] = theirs
    # Back to what it was is what a tool does that knows no other, and nobody's decision about this release.
    assert scalers.changed(held, "f00d") == (theirs not in {8, scalers.least(item)})
    if theirs != 8:
        back = after(held, scalers.give_back(held, "f00d"))
        assert back["spec"][field] == theirs
        assert scalers.held(back) is None


def test_another_releases_note_is_left_alone() -> None:
    item = scaler(AUTOSCALER, 2)
    held = after(item, scalers.hold(item, release="f00d", replicas=8))
    assert scalers.give_back(held, "0ther") == []
    assert scalers.hold(held, release="0ther", replicas=9) == []
    assert not scalers.changed(held, "0ther")


def test_a_patch_does_not_apply_once_the_world_has_moved() -> None:
    item = scaler(AUTOSCALER, 2)
    patch = scalers.hold(item, release="f00d", replicas=8)
    moved = scaler(AUTOSCALER, 2, resourceVersion="8")
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        after(moved, patch)
    held = after(item, patch)
    back = scalers.give_back(held, "f00d")
    held["spec"]["minReplicas"] = 3
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        after(held, back)


@pytest.mark.parametrize("note", ["", "{", "[]", '{"release": "f00d"}', '{"release": "f00d", "was": "x", "now": 1}'])
def test_a_note_that_nobody_can_read_is_none(note: str) -> None:
    item = scaler(AUTOSCALER, 2, annotations={scalers.FLOOR: note})
    assert scalers.held(item) is None
    assert scalers.give_back(item, "f00d") == []


def test_the_autoscaler_that_keda_made_is_kedas() -> None:
    assert scalers.scales(scaler(AUTOSCALER, 1), "shop")
    assert not scalers.scales(scaler(AUTOSCALER, 1), "web")
    made = scaler(AUTOSCALER, 1, ownerReferences=[{"kind": "ScaledObject", "name": "shop"}])
    assert not scalers.scales(made, "shop")
    bare = scaler(SCALED_OBJECT, 1)
    del bare["spec"]["scaleTargetRef"]["kind"]  # KEDA's default is Deployment
    assert scalers.scales(bare, "shop")


@SETTINGS
@given(KINDS, st.none() | st.integers(1, 9), st.integers(9, 20), st.integers(1, 30))
def test_the_canarys_autoscaler_grows_with_its_share_and_never_shrinks(
    resource: Resource, least: int | None, most: int, replicas: int
) -> None:
    item = scaler(resource, least, most)
    grown = after(item, scalers.grow(item, replicas))
    assert scalers.least(grown) == max(scalers.least(item), replicas)
    assert scalers.most(grown) == max(most, replicas)
    assert scalers.grow(grown, replicas) == []


def test_the_canarys_autoscaler_never_goes_below_what_its_share_needs() -> None:
    item = scaler(SCALED_OBJECT, 0, 3)
    item["spec"] |= {"idleReplicaCount": 0, "advanced": {"horizontalPodAutoscalerConfig": {"name": "mine"}}}
    made = scalers.for_canary(item, deployment="shop-canary", release="f00d", replicas=5)
    assert made["spec"] == {
        "scaleTargetRef": {"kind": "Deployment", "name": "shop-canary"},
        "minReplicaCount": 5,
        "maxReplicaCount": 5,
        "advanced": {"horizontalPodAutoscalerConfig": {}},
    }
    assert made["metadata"]["name"] == "shop-canary"
