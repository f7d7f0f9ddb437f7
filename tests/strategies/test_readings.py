"""What a change by somebody else means, who made it, and what the gateway says."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strategies import (
    TOKEN,
    Change,
    Direction,
    Malformed,
    NoRoom,
    Pool,
    RefId,
    attach,
    choose,
    compare,
    last_writer,
    parents,
    rules_of,
    set_share,
    weights_shown,
)

POOL = Pool(stable=RefId("Service", "", "shop", "app", 80), canary=RefId("Service", "", "shop", "app-canary", 80))
Route = dict[str, Any]


def ref(name: str, weight: int | None = None) -> Route:
    return {"name": name, "port": 80} | ({} if weight is None else {"weight": weight})


def route(*refs: Route, token: str = "r1/i1") -> Route:  # noqa: S107 - the fence's token, no secret
    rules = [
        {"name": "main", "backendRefs": list(refs) or [ref("app", 90), ref("app-canary", 10), ref("help", 100)]},
        {"matches": [{"path": {"value": "/b"}}], "backendRefs": [ref("app"), ref("app-canary", 0)]},
        {"matches": [{"path": {"value": "/c"}}], "backendRefs": [ref("help")]},
    ]
    metadata = {"name": "front", "namespace": "shop", "uid": "u1", "annotations": {TOKEN: token}}
    return {"metadata": metadata, "spec": {"rules": rules}}


def original() -> Any:
    return choose(
        {
            "metadata": {"name": "front", "namespace": "shop"},
            "spec": {
                "rules": [
                    {"name": "main", "backendRefs": [ref("app", 100), ref("help", 100)]},
                    {"matches": [{"path": {"value": "/b"}}], "backendRefs": [ref("app")]},
                ]
            },
        },
        POOL,
        selectors=None,
        shares=[Decimal(100)],
    )


def change(edit: Callable[[Route], Any]) -> Change | None:
    before = route()
    after = copy.deepcopy(before)
    edit(after)
    return compare(before, after, pool=POOL, original=original(), token="r1/i1")  # noqa: S106 - as above


def refs_of(route: Route, index: int = 0) -> list[Route]:
    found: list[Route] = route["spec"]["rules"][index]["backendRefs"]
    return found


EDITS: dict[str, tuple[Callable[[Route], Any], Direction | None]] = {
    "nothing": (lambda _: None, None),
    "only metadata and status": (
        lambda route: (route["metadata"]["annotations"].update(a="b"), route.update(status={"parents": []})),
        None,
    ),
    "canary more": (lambda route: refs_of(route)[1].update(weight=11), Direction.RAISED),
    "stable less": (lambda route: refs_of(route)[0].update(weight=89), Direction.RAISED),
    "canary named twice": (lambda route: refs_of(route).append(ref("app-canary", 1)), Direction.RAISED),
    "stable gone": (lambda route: refs_of(route).pop(0), Direction.RAISED),
    "stable gone where the canary has nothing": (lambda route: refs_of(route, 1).pop(0), Direction.GONE),
    "canary less": (lambda route: refs_of(route)[1].update(weight=9), Direction.LOWERED),
    "stable more": (lambda route: refs_of(route)[0].update(weight=91), Direction.LOWERED),
    "stable named twice": (lambda route: refs_of(route).append(ref("app", 5)), Direction.LOWERED),
    "canary gone": (lambda route: refs_of(route).pop(1), Direction.LOWERED),
    "canary gone where it had nothing": (lambda route: refs_of(route, 1).pop(1), Direction.LOWERED),
    "everything multiplied": (
        lambda route: [one.update(weight=one["weight"] * 7) for one in refs_of(route)],
        Direction.FOREIGN,
    ),
    "another backend": (lambda route: refs_of(route)[2].update(weight=1), Direction.FOREIGN),
    "hostnames": (lambda route: route["spec"].update(hostnames=["x"]), Direction.FOREIGN),
    "order of rules": (lambda route: route["spec"]["rules"].reverse(), Direction.FOREIGN),
    "a rule of no interest gone": (lambda route: route["spec"]["rules"].pop(2), Direction.FOREIGN),
    "a chosen rule gone": (lambda route: route["spec"]["rules"].pop(0), Direction.GONE),
    "a chosen rule renamed": (lambda route: route["spec"]["rules"][0].update(name="other"), Direction.GONE),
    "a chosen rule renamed and raised": (
        lambda route: (route["spec"]["rules"][0].update(name="other"), refs_of(route)[1].update(weight=20)),
        Direction.RAISED,
    ),
    "a new rule to the canary": (
        lambda route: route["spec"]["rules"].append({"name": "new", "backendRefs": [ref("app-canary")]}),
        Direction.RAISED,
    ),
    "the canary in a rule that was not chosen": (
        lambda route: refs_of(route, 2).append(ref("app-canary")),
        Direction.RAISED,
    ),
    "raised in one rule and lowered in another": (
        lambda route: (refs_of(route)[1].update(weight=0), refs_of(route, 1)[1].update(weight=1)),
        Direction.RAISED,
    ),
    "another token": (
        lambda route: (route["metadata"]["annotations"].update({TOKEN: "r2/i9"}), refs_of(route)[1].update(weight=90)),
        Direction.RESTAMPED,
    ),
    "our token taken off": (lambda route: route["metadata"].pop("annotations"), None),
    "the route made again": (lambda route: route["metadata"].update(uid="u2"), Direction.GONE),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_change_is_classified_by_the_direction_of_the_canarys_share(name: str) -> None:
    edit, direction = EDITS[name]
    found = change(edit)
    assert (found and found.direction) == direction
    assert found is None or len(found.sentence.split()) > 3


def test_a_deleted_route_is_gone() -> None:
    found = compare(route(), None, pool=POOL, original=original(), token="r1/i1")  # noqa: S106 - as above
    assert found is not None
    assert found.direction is Direction.GONE


def test_the_sentence_names_the_rule_and_both_shares() -> None:
    found = change(lambda route: refs_of(route)[1].update(weight=30))
    assert found is not None
    assert found.sentence == 'rule "main": the canary\'s share went from 10 % to 25 %'


@settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], database=None)
@given(data=st.data())
def test_others_weights_are_judged_by_the_canarys_part_of_the_pool(kit: Any, data: st.DataObject) -> None:
    case = data.draw(kit.cases)
    try:
        known = choose(case.route, case.pool, selectors=None, shares=case.shares)
    except NoRoom:
        return
    before = copy.deepcopy(case.route)
    before["metadata"]["annotations"] = {TOKEN: kit.token}
    before = kit.apply(before, attach(before, pool=case.pool, original=known, token=kit.token))
    share = data.draw(st.sampled_from(case.shares))
    before = kit.apply(before, set_share(before, pool=case.pool, original=known, share=share, token=kit.token))
    after = copy.deepcopy(before)
    for edit in data.draw(st.lists(kit.weighing, max_size=2)):
        edit(after)

    def part(rule: Any) -> Fraction:
        canary = sum(one.weight for one in rule.refs if one.id == case.pool.canary)
        stable = sum(one.weight for one in rule.refs if one.id == case.pool.stable)
        return Fraction(canary, canary + stable) if canary else Fraction(0)

    moved = {now.key: part(now) - part(was) for was, now in zip(rules_of(before), rules_of(after), strict=True)}
    expected = None if before["spec"] == after["spec"] else Direction.FOREIGN
    if any(one > 0 for one in moved.values()):
        expected = Direction.RAISED
    elif any(moved[rule.key] < 0 for rule in known.rules):
        expected = Direction.LOWERED
    found = compare(before, after, pool=case.pool, original=known, token=kit.token)
    assert (found and found.direction) == expected


def entry(manager: str, time: str | None, **more: Any) -> Route:
    return {"manager": manager, "operation": "Update", "time": time, **more}


SPEC: Route = {"f:spec": {}}
META: Route = {"f:metadata": {}}
STATUS: Route = {"f:status": {}}


@pytest.mark.parametrize(
    ("entries", "writer"),
    [
        ([], ""),
        ([entry("argocd", "2026-01-01T00:00:00Z"), entry("kubectl-edit", "2026-01-02T00:00:00Z")], "kubectl-edit"),
        ([entry("kubectl-edit", "2026-01-02T00:00:00Z"), entry("argocd", "2026-01-01T00:00:00Z")], "kubectl-edit"),
        ([entry("canary-engine", "2026-01-03T00:00:00Z"), entry("argocd", "2026-01-01T00:00:00Z")], "argocd"),
        ([entry("gw", "2026-01-03T00:00:00Z", subresource="status"), entry("me", "2026-01-01T00:00:00Z")], "me"),
        ([entry("gw", "2026-01-03T00:00:00Z", fieldsV1=STATUS), entry("me", "2026-01-01T00:00:00Z")], "me"),
        # A later writer of annotations did not change a weight.
        (
            [
                entry("annotator", "2026-01-03T00:00:00Z", fieldsV1=META),
                entry("me", "2026-01-01T00:00:00Z", fieldsV1=SPEC),
            ],
            "me",
        ),
        ([entry("annotator", "2026-01-03T00:00:00Z", fieldsV1=META)], "annotator"),
        ([entry("undated", None), entry("dated", "2026-01-01T00:00:00Z")], "dated"),
        ([entry("canary-engine", "2026-01-03T00:00:00Z"), entry("gw", "2026", subresource="status")], ""),
        ("nonsense", ""),
        ([None, 3, {}], ""),
        (7, ""),
    ],
)
def test_the_last_writer_is_who_wrote_the_spec_and_is_neither_we_nor_a_status_writer(entries: Any, writer: str) -> None:
    assert last_writer({"metadata": {"managedFields": entries}}, ours="canary-engine") == writer


def condition(kind: str, status: str, generation: Any = 4) -> Route:
    return {"type": kind, "status": status, "observedGeneration": generation, "reason": "Why", "message": "so"}


def parent(*conditions: Any) -> Any:
    [found] = parents(
        {"status": {"parents": [{"parentRef": {"name": "gw"}, "controllerName": "c", "conditions": list(conditions)}]}}
    )
    return found


def test_a_parent_is_good_once_it_accepts_and_resolves_our_generation() -> None:
    found = parent(condition("Accepted", "True", 5), condition("ResolvedRefs", "True", 4))
    assert found.good(4)
    assert not found.good(5)
    assert found.reason == ""


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        ([condition("Accepted", "True"), condition("ResolvedRefs", "False")], "Why: so"),
        ([condition("Accepted", "False"), condition("ResolvedRefs", "True")], "Why: so"),
        ([condition("Accepted", "True")], "no status yet"),
        ([condition("Accepted", "True"), condition("ResolvedRefs", "True", "4")], ""),
        ([], "no status yet"),
        (["Accepted", {"type": ["Accepted"]}, 3], "no status yet"),
    ],
)
def test_a_parent_that_does_not_say_so_is_not_good_and_says_why(conditions: list[Any], reason: str) -> None:
    found = parent(*conditions)
    assert not found.good(1)
    assert found.reason == reason


def test_two_controllers_of_one_gateway_are_two_parents() -> None:
    entries = [{"parentRef": {"name": "gw"}, "controllerName": name} for name in ("a", "b")]
    assert len({one.key for one in parents({"status": {"parents": entries}})}) == 2
    assert parents({}) == ()
    with pytest.raises(Malformed, match="status is not a mapping"):
        parents({"status": "fine"})
    with pytest.raises(Malformed, match="no list of parents"):
        parents({"status": {"parents": "all"}})


def test_the_chosen_rules_weights_are_shown_a_line_each() -> None:
    assert weights_shown(route(), original=original()) == (
        'rule "main": app=90 app-canary=10 help=100',
        "rule 1: app=1 app-canary=0",
    )
