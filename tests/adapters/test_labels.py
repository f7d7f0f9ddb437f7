"""No selector that takes stable's pods takes the canary's, and as few labels as possible are changed for it."""

from __future__ import annotations

from itertools import chain, combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.adapters.kubernetes import derive
from canary.adapters.kubernetes.labels import Unescapable, apart_from_itself, distinct_labels, escapable, takes

KEYS = ("app", "app.kubernetes.io/name", "app.kubernetes.io/instance", "tier", "version")
VALUES = st.sampled_from(["shop", "front", "v1", "", "x" * 63])
LABELS = st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1)
SETTINGS = settings(deadline=None, derandomize=True, max_examples=200)


@st.composite
def pods_and_selectors(draw: st.DrawFn) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Labels of stable's pods, and selectors that take them, as Services and a Deployment would write them."""
    labels = draw(LABELS)
    selectors = []
    for _ in range(draw(st.integers(1, 4))):
        keys = draw(st.lists(st.sampled_from(sorted(labels)), min_size=1, unique=True))
        selector: dict[str, Any] = {"matchLabels": {}, "matchExpressions": []}
        for key in keys:
            match draw(st.sampled_from(["equal", "In", "Exists", "equal and NotIn"])):
                case "In":
                    values = [labels[key], "other"]
                    selector["matchExpressions"].append({"key": key, "operator": "In", "values": values})
                case "Exists":
                    selector["matchExpressions"].append({"key": key, "operator": "Exists"})
                case how:
                    selector["matchLabels"][key] = labels[key]
                    if how == "equal and NotIn":
                        one = {"key": key, "operator": "NotIn", "values": ["other"]}
                        selector["matchExpressions"].append(one)
        selectors.append(selector)
    return labels, selectors


@SETTINGS
@given(pods_and_selectors())
def test_no_selector_that_takes_stables_pods_takes_the_canarys(
    case: tuple[dict[str, str], list[dict[str, Any]]],
) -> None:
    labels, selectors = case
    assert all(takes(selector, labels) for selector in selectors)
    found = distinct_labels(labels, selectors)
    assert not any(takes(selector, found) for selector in selectors)


@SETTINGS
@given(pods_and_selectors())
def test_labels_that_nothing_selects_by_stay_and_values_stay_valid(
    case: tuple[dict[str, str], list[dict[str, Any]]],
) -> None:
    labels, selectors = case
    found = distinct_labels(labels, selectors)
    selected = {key for each in selectors for key in each["matchLabels"]}
    selected |= {expression["key"] for each in selectors for expression in each["matchExpressions"]}
    assert {key: value for key, value in labels.items() if key not in selected} == {
        key: value for key, value in found.items() if key not in selected
    }
    assert set(found) <= set(labels)
    assert all(len(value) <= 63 and value[:1] != "-" for value in found.values())


@SETTINGS
@given(LABELS, st.sampled_from(KEYS))
def test_one_label_that_all_selectors_share_is_all_that_changes(labels: dict[str, str], shared: str) -> None:
    labels = {**labels, shared: "shop"}
    selectors = [{"matchLabels": {shared: "shop"}}, {"matchLabels": labels}]
    found = distinct_labels(labels, selectors)
    assert {key for key in labels if found.get(key) != labels[key]} == {shared}


def test_a_selector_that_would_take_the_changed_pods_is_refused_with_what_to_do() -> None:
    taken = [{"matchLabels": {"app": "shop"}}, {"matchLabels": {"app": "shop-canary"}}]
    with pytest.raises(Unescapable, match=r"shop-canary.*label that only they have"):
        distinct_labels({"app": "shop"}, taken)
    with pytest.raises(Unescapable, match="NotIn"):
        distinct_labels({}, [{"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["b"]}]}])


@SETTINGS
@given(pods_and_selectors())
def test_no_smaller_set_of_labels_would_do(case: tuple[dict[str, str], list[dict[str, Any]]]) -> None:
    labels, selectors = case
    found = distinct_labels(labels, selectors)
    size = sum(found.get(key) != value for key, value in labels.items())
    subsets = chain.from_iterable(combinations(labels, number) for number in range(size))
    for keys in subsets:
        # What escapes with these keys escapes with them taken away or set to what nobody selects.
        for other in ({**labels, **dict.fromkeys(keys, "nobody")}, {k: v for k, v in labels.items() if k not in keys}):
            assert any(takes(selector, other) for selector in selectors)


# Layouts that are found in the world: labels of the pods, selectors that take them, and what is to change -----------

HELM = {"app.kubernetes.io/name": "api", "app.kubernetes.io/instance": "prod", "app.kubernetes.io/version": "1.4"}
NAME_AND_INSTANCE = {key: HELM[key] for key in ("app.kubernetes.io/name", "app.kubernetes.io/instance")}
EKS = {"app": "api", "pod-template-hash": "5d9c"}


def equal(**labels: str) -> dict[str, Any]:
    return {"matchLabels": labels}


def expressed(*expressions: tuple[str, str, list[str] | None]) -> dict[str, Any]:
    listed = [{"key": key, "operator": how, **({"values": of} if of else {})} for key, how, of in expressions]
    return {"matchExpressions": listed}


LAYOUTS: dict[str, tuple[dict[str, str], list[dict[str, Any]], set[str]]] = {
    "app only": ({"app": "api"}, [equal(app="api")], {"app"}),
    "Helm's standard labels, one selector for Deployment, Service and budget": (
        HELM,
        [{"matchLabels": NAME_AND_INSTANCE}] * 3,
        {"app.kubernetes.io/instance"},
    ),
    "Helm with a component, several Deployments of one release": (
        {**HELM, "app.kubernetes.io/component": "web"},
        [
            {"matchLabels": {**NAME_AND_INSTANCE, "app.kubernetes.io/component": "web"}},
            {"matchLabels": {"app.kubernetes.io/component": "web"}},
        ],
        {"app.kubernetes.io/component"},
    ),
    "kustomize's commonLabels, in every selector": (
        {"app": "api", "env": "prod", "team": "pay"},
        [equal(app="api", env="prod", team="pay"), equal(app="api", env="prod", team="pay")],
        {"app"},
    ),
    "Istio's app and version: the Service by app, the Deployment by both": (
        {"app": "reviews", "version": "v1"},
        [equal(app="reviews"), equal(app="reviews", version="v1")],
        {"app"},
    ),
    "name and tier: the Service by tier, the Deployment by name": (
        {"name": "api", "tier": "front"},
        [equal(tier="front"), equal(name="api")],
        {"name", "tier"},
    ),
    "one shared label of several Deployments behind one Service": (
        {"app": "api-eu", "part-of": "api"},
        [equal(**{"part-of": "api"}), equal(app="api-eu")],
        {"app", "part-of"},
    ),
    "a headless Service beside the normal one": (
        {"app": "api", "role": "leader"},
        [equal(app="api"), equal(app="api"), equal(app="api", role="leader")],
        {"app"},
    ),
    "a budget by app, the Service by app and component": (
        {"app": "api", "component": "web"},
        [equal(app="api"), equal(app="api", component="web"), equal(app="api")],
        {"app"},
    ),
    "matchExpressions with In": (
        {"app": "api", "track": "main"},
        [expressed(("app", "In", ["api", "web"])), equal(app="api", track="main")],
        {"app"},
    ),
    "a selector that asks only whether a label is there": (
        {"app": "api", "public": "yes"},
        [expressed(("public", "Exists", None)), equal(app="api")],
        {"app", "public"},
    ),
    "stable told from a canary by hand: track NotIn canary": (
        {"app": "api", "track": "stable"},
        [{**equal(app="api"), **expressed(("track", "NotIn", ["canary"]))}, equal(app="api", track="stable")],
        {"app"},
    ),
    "an immutable selector beside labels of the template that change with each version": (
        {"app": "api", "git-sha": "0a1b2c", "chart": "api-1.2.3"},
        [equal(app="api"), equal(app="api")],
        {"app"},
    ),
    "a ReplicaSet's own hash is no reason to change more": (EKS, [equal(app="api"), {"matchLabels": EKS}], {"app"}),
    "selectors of other applications": ({"app": "api"}, [equal(app="api"), equal(app="web"), equal(tier="x")], {"app"}),
    "an operator's long label keys": (
        {"database.example.com/cluster": "c1", "database.example.com/role": "primary", "app": "db"},
        [
            {"matchLabels": {"database.example.com/cluster": "c1", "database.example.com/role": "primary"}},
            {"matchLabels": {"database.example.com/cluster": "c1"}},
        ],
        {"database.example.com/cluster"},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_the_world(layout: str) -> None:
    labels, selectors, changed = LAYOUTS[layout]
    assert any(takes(selector, labels) for selector in selectors)
    found = distinct_labels(labels, selectors)
    assert not any(takes(selector, found) for selector in selectors)
    assert {key for key in labels if found.get(key) != labels[key]} == changed


def test_of_equally_small_changes_the_one_that_keeps_policies_is_made() -> None:
    labels = {"app": "api", "tier": "front"}
    selectors, policies = [equal(app="api", tier="front")], [equal(app="api"), equal(tier="front", app="api")]
    assert distinct_labels(labels, selectors)["app"] == "api-canary"
    assert distinct_labels(labels, selectors, keep=policies) == {"app": "api", "tier": "front-canary"}


def test_beside_a_canary_made_by_hand_the_second_ending_is_taken() -> None:
    by_hand = [equal(app="api"), equal(app="api-canary")]
    assert distinct_labels({"app": "api"}, by_hand, endings=derive.endings("f00d")) == {"app": "api-canary-f00d"}


def test_many_labels_that_all_must_change_are_no_search_without_end() -> None:
    labels = {f"key-{number}": "v" for number in range(40)}
    selectors = [equal(**{key: "v"}) for key in labels]
    assert set(distinct_labels(labels, selectors).values()) == {"v-canary"}
    pairs = [equal(**{one: "v", other: "v"}) for one, other in combinations(sorted(labels)[:20], 2)]
    found = distinct_labels(labels, pairs)
    assert not any(takes(selector, found) for selector in pairs)


def test_a_selector_for_the_whole_namespace_cannot_be_escaped() -> None:
    assert not escapable({}, {"app": "api"})
    assert not escapable(expressed(("batch", "DoesNotExist", None)), {"app": "api"})
    assert escapable(equal(app="api"), {"app": "api"})


# Rules by which pods of one kind are placed by each other -----------------------------------------------------------

BEFORE, AFTER, OWN = {"app": "api", "tier": "front"}, {"app": "api-canary", "tier": "front"}, {"release": "f00d"}


def placed(selector: dict[str, Any], kind: str) -> Any:
    """What becomes of a selector in a rule of this kind."""
    term = {"topologyKey": "zone", "labelSelector": selector}
    spec: dict[str, Any] = {"topologySpreadConstraints": [term]}
    if kind != "spread":
        name, how = kind.split()
        strict = how == "required"
        terms = [term] if strict else [{"weight": 1, "podAffinityTerm": term}]
        spec = {"affinity": {name: {f"{how}DuringSchedulingIgnoredDuringExecution": terms}}}
    apart_from_itself(spec, before=BEFORE, after=AFTER, own=OWN)
    return term["labelSelector"]


@pytest.mark.parametrize(
    "kind", ["spread", "podAffinity required", "podAntiAffinity required", "podAntiAffinity preferred"]
)
def test_rules_about_its_own_kind_are_about_the_canarys_kind(kind: str) -> None:
    for selector in (
        equal(app="api"),
        expressed(("app", "In", ["api", "old-api"])),
        {**equal(tier="front"), **expressed(("app", "Exists", None))},
    ):
        made = placed(selector, kind)
        assert takes(made, {**AFTER, **OWN})
        assert not takes(made, BEFORE)
    foreign = equal(app="cache")
    assert placed(foreign, kind) == equal(app="cache")


def test_a_node_for_oneself_is_shared_with_the_canary() -> None:
    made = placed(expressed(("app", "NotIn", ["api"])), "podAntiAffinity required")
    assert made == expressed(("app", "NotIn", ["api", "api-canary"]))
