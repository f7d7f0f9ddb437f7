"""Rules and references are known again by what they are, not by where they stand or how they are written."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strategies import Ambiguous, NoRoom, NoSuchRule, Pool, RefId, attach, choose, detach, rules_of, stamp

SETTINGS = settings(
    derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], database=None
)
POOL = Pool(stable=RefId("Service", "", "shop", "app", 80), canary=RefId("Service", "", "shop", "app-canary", 80))


def defaulted(route: Any) -> Any:
    """What the API server makes of a route: the defaults of the HTTPRoute CRD (Gateway API v1.6) written out."""
    full = copy.deepcopy(route)
    for rule in full["spec"]["rules"]:
        rule.setdefault("matches", [{"path": {"type": "PathPrefix", "value": "/"}}])
        for match in rule["matches"]:
            path = match.setdefault("path", {})
            path.setdefault("type", "PathPrefix")
            path.setdefault("value", "/")
            for entry in (*match.get("headers", ()), *match.get("queryParams", ())):
                entry.setdefault("type", "Exact")
        for ref in rule["backendRefs"]:
            ref.setdefault("group", "")
            ref.setdefault("kind", "Service")
            ref.setdefault("weight", 1)
    return full


@SETTINGS
@given(data=st.data())
def test_a_route_is_the_same_before_and_after_the_api_server_wrote_its_defaults_out(
    kit: Any, data: st.DataObject
) -> None:
    case = data.draw(kit.cases)
    for bare, full in zip(rules_of(case.route), rules_of(defaulted(case.route)), strict=True):
        assert bare.key == full.key
        assert [(ref.id, ref.weight) for ref in bare.refs] == [(ref.id, ref.weight) for ref in full.refs]


@SETTINGS
@given(data=st.data())
def test_a_release_that_meets_the_defaults_on_its_way_ends_where_it_began(kit: Any, data: st.DataObject) -> None:
    case = data.draw(kit.cases)
    try:
        known = choose(case.route, case.pool, selectors=case.selectors, shares=case.shares)
    except NoRoom:
        return
    route = defaulted(case.route)
    notes = stamp(route, token=kit.token, release=kit.release, original=known)["metadata"]["annotations"]
    route["metadata"].setdefault("annotations", {}).update(notes)
    route = kit.apply(route, attach(route, pool=case.pool, original=known, token=kit.token))
    route = defaulted(route)
    restore = detach(route, pool=case.pool, original=known, release=kit.release)
    route = kit.apply(route, restore.patch)
    assert json.dumps(defaulted(route)["spec"], sort_keys=True) == json.dumps(
        defaulted(case.route)["spec"], sort_keys=True
    )
    assert restore.kept == ()


def test_a_match_without_a_path_matches_every_path() -> None:
    methods: list[Any] = [{"method": "GET"}, {"method": "GET", "path": {"type": "PathPrefix", "value": "/"}}]
    rules = [{"matches": [match]} for match in methods]
    assert len({rule.key for rule in rules_of({"metadata": {}, "spec": {"rules": rules}})}) == 1


def test_a_grpc_method_has_its_default_too() -> None:
    def key(method: Any) -> str:
        return rules_of({"metadata": {}, "spec": {"rules": [{"matches": [{"method": method}]}]}})[0].key

    assert key({"service": "a.B"}) == key({"type": "Exact", "service": "a.B"})
    assert key({"service": "a.B"}) != key({"type": "RegularExpression", "service": "a.B"})


def ref(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "port": 80, **more}


def route(*rules: Any) -> dict[str, Any]:
    return {"metadata": {"name": "front", "namespace": "shop"}, "spec": {"rules": list(rules)}}


def rule(*refs: Any, **more: Any) -> dict[str, Any]:
    return {"backendRefs": list(refs), **more}


def matching(path: str) -> list[Any]:
    return [{"path": {"type": "Exact", "value": path}}]


@pytest.mark.parametrize(
    "near",
    [ref("app", namespace="other"), {"name": "app", "port": 81}, ref("app", kind="Backend"), ref("app", group="x.io")],
)
def test_a_near_miss_is_not_stable(near: Any) -> None:
    with pytest.raises(NoSuchRule, match="Check the stable Service's name and port"):
        choose(route(rule(near)), POOL, selectors=None, shares=[Decimal(50)])


def test_rules_are_chosen_by_name_and_by_index_and_once() -> None:
    given = route(rule(ref("app"), name="a"), rule(ref("help"), name="b"), rule(ref("app"), matches=matching("/c")))

    def keys(*selectors: Any) -> list[str]:
        chosen = choose(given, POOL, selectors=selectors or None, shares=[Decimal(50)])
        return [known.key for known in chosen.rules]

    assert keys() == ["name:a", 'matches:[{"path":{"type":"Exact","value":"/c"}}]']
    assert keys("a") == keys(0) == keys("a", 0) == ["name:a"]
    assert keys(2, "a") == keys()[::-1]


@pytest.mark.parametrize(
    ("rules", "selectors", "error", "sentence"),
    [
        ([rule(ref("app"), name="a")], ["b"], NoSuchRule, 'no rule named "b"; known: "a"'),
        ([rule(ref("app"))], ["b"], NoSuchRule, "none of its rules has a name"),
        ([rule(ref("app"))], [""], NoSuchRule, 'no rule named ""'),
        ([rule(ref("app"))], [1], NoSuchRule, "has 1 rules, so there is no rule 1; count from 0"),
        ([rule(ref("app"))], [-1], NoSuchRule, "there is no rule -1"),
        ([rule(ref("app"))], [], NoSuchRule, "no rule of shop/front is chosen"),
        ([rule(ref("help"))], [0], NoSuchRule, "does not send to app:80; choose one that does"),
        ([rule(ref("app", weight=0))], [0], NoSuchRule, "does not send to app:80"),
        ([rule(ref("app", weight=0), ref("help"))], None, NoSuchRule, "it sends to app:80, help:80"),
        ([], None, NoSuchRule, "it sends to nothing"),
        ([rule(ref("app"), name="a"), rule(ref("help"), name="a")], ["a"], Ambiguous, "names must be unique"),
        ([rule(ref("app")), rule(ref("app"))], None, Ambiguous, "the same matches; give it a name"),
        ([rule(ref("app"), name="a"), rule(ref("app"), name="a")], None, Ambiguous, "the same name"),
        ([rule(ref("app"), ref("app"))], None, Ambiguous, "merge the two references into one"),
        ([rule(ref("app"), ref("help"), ref("help"))], None, Ambiguous, "names a reference twice"),
        ([rule(ref("app"), ref("app-canary"))], None, Ambiguous, "already sends to app-canary:80; remove that"),
        ([rule(ref("app"), *(ref(f"n{n}") for n in range(15)))], None, NoRoom, "16 is the most"),
        ([rule(ref("app", weight=7), ref("help", weight=1_000_000))], None, NoRoom, "cannot express 50 %"),
    ],
)
def test_what_cannot_be_worked_on_is_refused_with_what_to_do(
    rules: list[Any], selectors: Any, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error) as caught:
        choose(route(*rules), POOL, selectors=selectors, shares=[Decimal(50)])
    assert sentence in str(caught.value)


def test_a_canary_next_to_stable_in_a_rule_that_was_not_chosen_is_refused_too() -> None:
    # Rolling back takes the canary's traffic off everywhere; what stood there before would not come back.
    tested = rule(ref("app"), ref("app-canary"), name="b")
    with pytest.raises(Ambiguous, match='rule "b" already sends to app-canary:80'):
        choose(route(rule(ref("app"), name="a"), tested), POOL, selectors=["a"], shares=[Decimal(50)])


def test_somebodys_own_way_to_the_canary_is_left_alone() -> None:
    header = rule(ref("app-canary"), matches=[{"headers": [{"name": "x", "value": "y"}]}])
    chosen = choose(route(rule(ref("app"), name="a"), header), POOL, selectors=None, shares=[Decimal(50)])
    assert [known.key for known in chosen.rules] == ["name:a"]


def test_a_note_too_long_for_an_annotation_is_refused() -> None:
    long = [rule(ref("app"), matches=matching("/" + "x" * 65_536))]
    with pytest.raises(NoRoom, match="choose fewer rules"):
        choose(route(*long), POOL, selectors=None, shares=[Decimal(100)]).text()
