"""Routes as people write them, what other managers do to them meanwhile, and what no patch of ours may do."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import jsonpatch
import pytest
from hypothesis import strategies as st

from canary.adapters.memory.patching import PatchFailed
from canary.adapters.memory.patching import apply as apply_ours
from strategies import RELEASE, TOKEN, Pool, RefId, Rule, rules_of, share_of
from tests.strategies.small import BARE, NAMED, UNNAMED, Release

NAMESPACE = "shop"
LIMIT = 1_000_000
TOKEN_VALUE, RELEASE_VALUE = "r1/i1", "r1"
OURS = (TOKEN, RELEASE, "canary-engine.io/original", "canary-engine.io/abort")

WEIGHTS = st.one_of(
    st.sampled_from([1, 1, 2, 9, 10, 100, 333]), st.integers(1, 50_000), st.sampled_from([LIMIT - 1, LIMIT])
)
FILTER = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"add": [{"value": "1", "name": "x-arm"}]}}
SHARES = st.one_of(
    st.sampled_from(["0.01", "0.1", "1", "5", "12.5", "33.3333", "50", "99", "99.9"]).map(Decimal),
    st.integers(1, 999_999).map(lambda number: Decimal(number) / 10_000),
)


@dataclass(frozen=True)
class Case:
    """A route and what a release wants of it."""

    route: dict[str, Any]
    pool: Pool
    selectors: tuple[str | int, ...] | None
    shares: tuple[Decimal, ...]


# Routes ------------------------------------------------------------------------------------------------------


def shuffled(draw: Any, mapping: dict[str, Any]) -> dict[str, Any]:
    return dict(draw(st.permutations(list(mapping.items()))))


def reference(draw: Any, to: RefId, weight: int | None) -> dict[str, Any]:
    ref: dict[str, Any] = {"name": to.name, "port": to.port}
    if to.namespace != NAMESPACE or draw(st.booleans()):
        ref["namespace"] = to.namespace
    ref |= draw(st.sampled_from([{}, {"kind": "Service"}, {"group": "", "kind": "Service"}]))
    ref |= draw(st.sampled_from([{}, {}, {"filters": [FILTER]}, {"vendorField": {"b": [1, None], "a": 0.5}}]))
    if weight is not None:
        ref["weight"] = weight
    return shuffled(draw, ref)


@st.composite
def pools(draw: Any) -> Pool:
    stable = RefId("Service", "", draw(st.sampled_from([NAMESPACE, NAMESPACE, "elsewhere"])), "app", 8080)
    canary = RefId("Service", "", draw(st.sampled_from([NAMESPACE, NAMESPACE, "canaries"])), "app-canary", 8080)
    return Pool(stable=stable, canary=canary)


def others() -> list[RefId]:
    """Near misses among them: the same name at another port and in another namespace."""
    names = [(NAMESPACE, "help", 80), (NAMESPACE, "static", 80), (NAMESPACE, "app", 9090), ("far", "app", 8080)]
    return [RefId("Service", "", namespace, name, port) for namespace, name, port in names]


def matches(draw: Any, index: int) -> dict[str, Any]:
    path = {"path": shuffled(draw, {"type": "PathPrefix", "value": f"/{index}"})}
    options = [
        {},
        {"matches": [path]},
        {"matches": [{"path": {"value": f"/{index}"}}]},
        {"matches": [{**path, "headers": [{"name": "x", "value": "y"}]}, {**path, "method": "GET"}]},
    ]
    # Only one rule may leave its matches out, else nobody could tell two rules apart.
    chosen: dict[str, Any] = draw(st.sampled_from(options if index == 0 else options[1:]))
    return chosen


def rule(draw: Any, index: int, pool: Pool, *, stable: bool) -> dict[str, Any]:
    made: dict[str, Any] = matches(draw, index)
    if draw(st.booleans()):
        made["name"] = f"rule-{index}"
    refs = [
        reference(draw, other, draw(st.one_of(st.none(), st.just(0), WEIGHTS)))
        for other in draw(st.lists(st.sampled_from(others()), max_size=3, unique=True))
    ]
    if stable:
        at = draw(st.integers(0, len(refs)))
        refs.insert(at, reference(draw, pool.stable, draw(st.one_of(st.none(), WEIGHTS))))
    elif draw(st.integers(0, 4)) == 0:
        refs = [reference(draw, pool.canary, 1)]  # somebody's own way to the canary, next to no stable
    made["backendRefs"] = refs
    made |= draw(
        st.sampled_from(
            [{}, {"filters": [FILTER]}, {"timeouts": {"request": "10s"}}, {"vendorField": ["ä", {"~/": 1}]}]
        )
    )
    return shuffled(draw, made)


@st.composite
def cases(draw: Any) -> Case:
    pool = draw(pools())
    sends = [True, *draw(st.lists(st.booleans(), max_size=3))]
    rules = [rule(draw, index, pool, stable=stable) for index, stable in enumerate(draw(st.permutations(sends)))]
    metadata: dict[str, Any] = {"name": "front", "namespace": NAMESPACE, "uid": "u-1", "resourceVersion": "7"}
    metadata |= draw(st.sampled_from([{}, {"annotations": {"team/a~b": "x"}}, {"generation": 3, "labels": {"a": "b"}}]))
    spec = {
        "parentRefs": [{"name": "gw"}],
        "hostnames": ["a.example"],
        "rules": rules,
        "vendorField": {"z": 1, "a": []},
    }
    chosen = [
        index for index, each in enumerate(rules_of({"metadata": metadata, "spec": spec})) if each.find(pool.stable)
    ]
    by_name = [rules[index].get("name", index) for index in chosen]
    selectors = draw(st.sampled_from([None, tuple(by_name), tuple(by_name[:1])]))
    shares = tuple(sorted({*draw(st.lists(SHARES, min_size=1, max_size=3)), Decimal(100)}))
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": metadata,
        "spec": shuffled(draw, spec),
    }
    return Case(route=shuffled(draw, route), pool=pool, selectors=selectors, shares=shares)


# What other managers do ----------------------------------------------------------------------------------------

Edit = Callable[[dict[str, Any]], None]
"""Changes a route in place, in the same way whether or not the canary's reference stands there."""


def _refs(route: dict[str, Any], index: int) -> list[dict[str, Any]]:
    rules = route["spec"]["rules"]
    found: list[dict[str, Any]] = rules[index % len(rules)]["backendRefs"] if rules else []
    return found


def _named(refs: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [ref for ref in refs if ref["name"] == name]


def _rule(route: dict[str, Any], index: int) -> dict[str, Any]:
    rules = route["spec"]["rules"]
    found: dict[str, Any] = rules[index % len(rules)] if rules else {}
    return found


def _annotate(route: dict[str, Any], value: str) -> None:
    route["metadata"].setdefault("annotations", {})["team/note"] = value


def _reorder(route: dict[str, Any], by: int) -> None:
    rules = route["spec"]["rules"]
    route["spec"]["rules"] = rules[by:] + rules[:by]


def _add_rule(route: dict[str, Any], number: int, *, first: bool) -> None:
    new = {
        "matches": [{"path": {"type": "Exact", "value": f"/new/{number}"}}],
        "backendRefs": [{"name": "n", "port": 1}],
    }
    route["spec"]["rules"].insert(0 if first else len(route["spec"]["rules"]), new)


def _remove_rule(route: dict[str, Any], index: int) -> None:
    rules = route["spec"]["rules"]
    if len(rules) > 1:
        del rules[index % len(rules)]


def _copy_rule(route: dict[str, Any], index: int) -> None:
    if route["spec"]["rules"]:
        route["spec"]["rules"].append(copy.deepcopy(_rule(route, index)))


@st.composite
def harmless(draw: Any) -> Edit:
    """Edits that leave every list of references alone."""
    index, number = draw(st.integers(0, 3)), draw(st.integers(0, 99))
    options: list[Edit] = [
        lambda route: _annotate(route, str(number)),
        lambda route: route["metadata"].setdefault("labels", {}).update(tier=str(number)),
        lambda route: route["spec"]["hostnames"].append(f"h{number}.example"),
        lambda route: _rule(route, index).update(timeouts={"request": f"{number}s"}),
        lambda route: _rule(route, index).update(filters=[FILTER] * (number % 3)),
        lambda route: _rule(route, index).update(name=f"renamed-{number}"),
        lambda route: _rule(route, index).update(matches=[{"path": {"type": "Exact", "value": f"/moved/{number}"}}]),
        lambda route: _reorder(route, index),
        lambda route: _add_rule(route, number, first=bool(index % 2)),
        lambda route: _remove_rule(route, index),
    ]
    chosen: Edit = draw(st.sampled_from(options))
    return chosen


@st.composite
def weighing(draw: Any, more: tuple[str, ...] = ()) -> Edit:
    """Somebody sets the weight of references of one name in one rule."""
    index, name = draw(st.integers(0, 3)), draw(st.sampled_from(["app", "app-canary", "help", "static", *more]))
    weight = draw(st.one_of(st.just(0), WEIGHTS))

    def edit(route: dict[str, Any]) -> None:
        for ref in _named(_refs(route, index), name):
            ref["weight"] = weight

    return edit


@st.composite
def meddling(draw: Any, more: tuple[str, ...] = ()) -> Edit:
    """Edits of the lists of references themselves, and of our annotations."""
    index, weight = draw(st.integers(0, 3)), draw(st.one_of(st.none(), st.just(0), WEIGHTS))
    name = draw(st.sampled_from(["app", "app-canary", "help", *more]))

    def add(route: dict[str, Any], at: int) -> None:
        refs = _refs(route, index)
        refs.insert(
            0 if at == 0 else len(refs), {"name": "added", "port": 1} | ({} if weight is None else {"weight": weight})
        )

    def remove(route: dict[str, Any]) -> None:
        refs = _refs(route, index)
        refs[:] = [ref for ref in refs if ref["name"] != name]

    def twice(route: dict[str, Any]) -> None:
        refs = _refs(route, index)
        refs.extend(copy.deepcopy(_named(refs, name)))

    def strip(route: dict[str, Any]) -> None:
        notes = route["metadata"].get("annotations", {})
        for note in OURS:
            notes.pop(note, None)

    def zero(route: dict[str, Any]) -> None:
        for ref in _refs(route, index):
            ref["weight"] = 0

    options: list[Edit] = [lambda route: add(route, 0), lambda route: add(route, 1), remove, twice, strip, zero]
    chosen: Edit = draw(st.sampled_from([*options, lambda route: _copy_rule(route, index)]))
    return chosen


# What no patch of ours may do ----------------------------------------------------------------------------------


def bare(route: dict[str, Any], pool: Pool) -> str:
    """The route's bytes without what is ours to change: weights, references of ours, our annotations."""
    plain = copy.deepcopy(route)
    for rule, read in zip(plain["spec"]["rules"], rules_of(route), strict=True):
        kept = [raw for raw, ref in zip(rule["backendRefs"], read.refs, strict=True) if ref.id not in pool.ours]
        rule["backendRefs"] = [{key: value for key, value in raw.items() if key != "weight"} for raw in kept]
    notes = plain["metadata"].pop("annotations", None) or {}
    plain["metadata"] = {key: value for key, value in plain["metadata"].items() if key != "resourceVersion"}
    return json.dumps([plain, {key: value for key, value in notes.items() if key not in OURS}])


def parts(rule: Rule, pool: Pool) -> dict[Any, Fraction]:
    """What each reference's part of the rule is, the pool's taken together."""
    found: dict[Any, Fraction] = {}
    for ref in rule.refs:
        key = "pool" if ref.id in pool.parts else ref.id
        found[key] = found.get(key, Fraction(0)) + Fraction(ref.weight, rule.total or 1)
    return found


def check_write(before: dict[str, Any], after: dict[str, Any], pool: Pool) -> None:
    """What holds for every write, whatever the others did."""
    assert bare(before, pool) == bare(after, pool)
    for was, now in zip(rules_of(before), rules_of(after), strict=True):
        if was.raw == now.raw:
            continue
        assert was.every(pool.stable), "a rule without stable was written to"
        assert now.total > 0
        assert all(ref.weight <= max([LIMIT, *(old.weight for old in was.every(ref.id))]) for ref in now.refs)
        # Two exceptions: a rule in which nothing had a weight, and a pool heavier than a weight may be.
        if was.total > 0 and sum(ref.weight for ref in was.refs if ref.id in pool.parts) <= LIMIT:
            left, right = parts(was, pool), parts(now, pool)
            assert {key: part for key, part in left.items() if part} == {
                key: part for key, part in right.items() if part
            }


def check_share(rules: Iterable[Rule], pool: Pool, share: Decimal) -> None:
    wanted = Fraction(share) / 100
    for rule in rules:
        assert abs(share_of(rule, pool) - wanted) <= wanted / 100
        # Neither arm is starved by rounding.
        assert (share_of(rule, pool) == 1) == (share == 100)
        check_baseline(rule, pool, wanted)


def check_baseline(rule: Rule, pool: Pool, share: Fraction) -> None:
    """As much as the canary, or what is left: within 1 % of it, and stable has the rest."""
    if pool.baseline is None:
        return
    weights = {ref.id: ref.weight for ref in rule.refs if ref.id in pool.parts}
    whole, wanted = sum(weights.values()), min(share, 1 - share)
    assert abs(Fraction(weights[pool.baseline], whole) - wanted) <= wanted / 100
    if share <= Fraction(1, 2) and weights[pool.stable]:
        assert weights[pool.baseline] == weights[pool.canary]
    if share > Fraction(1, 2):
        assert weights[pool.stable] == 0


def apply_both(document: Any, operations: Any) -> Any:
    """What the reference implementation makes of a patch; ours must make the same of it.

    Raises:
        PatchFailed: the patch does not apply.
    """
    try:
        expected = jsonpatch.apply_patch(document, copy.deepcopy(list(operations)))
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        with pytest.raises(PatchFailed):
            apply_ours(document, operations)
        raise PatchFailed(str(error)) from error
    assert json.dumps(apply_ours(document, operations)) == json.dumps(expected)
    return expected


def nodes(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every place in a document."""
    yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from nodes(entry, (*path, key))


class Kit:
    """What this folder's tests share; test folders are not packages, so it comes as a fixture."""

    token, release, namespace, limit = TOKEN_VALUE, RELEASE_VALUE, NAMESPACE, LIMIT
    cases, harmless, weighing, meddling = cases(), harmless(), weighing(), meddling()
    edits = st.one_of(harmless, weighing, meddling)
    shares = SHARES
    check_write = staticmethod(check_write)
    check_share = staticmethod(check_share)
    apply = staticmethod(apply_both)
    bare = staticmethod(bare)
    nodes = staticmethod(nodes)


BASELINE = "app-baseline"


def with_baseline(case: Case) -> Case:
    return replace(case, pool=replace(case.pool, baseline=replace(case.pool.stable, name=BASELINE)))


class Fresh(Kit):
    """The same for releases with a fresh baseline, which others know by its name as well."""

    cases = cases().map(with_baseline)
    weighing, meddling = weighing(more=(BASELINE,)), meddling(more=(BASELINE,))
    edits = st.one_of(Kit.harmless, weighing, meddling)


@pytest.fixture(scope="session")
def kit() -> type[Kit]:
    return Kit


@pytest.fixture(scope="session", params=[Kit, Fresh], ids=["alone", "beside a baseline"])
def kits(request: pytest.FixtureRequest) -> type[Kit]:
    """Releases without a baseline, and with one."""
    chosen: type[Kit] = request.param
    return chosen


@pytest.fixture(params=[NAMED, UNNAMED, BARE], ids=["named", "unnamed", "bare"])
def release(kit: Any, request: pytest.FixtureRequest) -> Release:
    """In the middle of a release, the canary at 10 %."""
    begun = Release(kit, copy.deepcopy(request.param))
    begun.attach()
    begun.give(10)
    return begun
