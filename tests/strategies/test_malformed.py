"""Objects come from outside: whatever stands anywhere in them, the answer is a value or a SurgeryError."""

from __future__ import annotations

import contextlib
import copy
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from strategies import (
    RELEASE,
    TOKEN,
    Malformed,
    Original,
    SurgeryError,
    annotations_of,
    attach,
    choose,
    compare,
    detach,
    generation_of,
    last_writer,
    lower,
    parents,
    rules_of,
    set_share,
    stamp,
    swap_token,
    uid_of,
    version_of,
    weights_shown,
)

SETTINGS = settings(
    derandomize=True, deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow], database=None
)


def nested(depth: int) -> Any:
    """Deeper than Python recurses."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def knotted() -> Any:
    """A YAML file's alias may point to what contains it."""
    value: dict[str, Any] = {"name": "x"}
    value["self"] = value
    return value


WRONG = st.one_of(
    st.sampled_from(
        [None, True, False, 0, -1, 1.5, float("nan"), float("inf"), 10**400, "", "app", [], {}, [[]], [{}]]
    ),
    st.just({1: "a", "b": 2, None: 3}),
    st.builds(nested, st.just(2_000)),
    st.builds(knotted),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
        max_leaves=5,
    ),
)


def spoil(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return document


@SETTINGS
@given(data=st.data())
def test_a_wrong_value_anywhere_is_a_surgery_error_or_no_matter(kit: Any, data: st.DataObject) -> None:
    case = data.draw(kit.cases)
    good = copy.deepcopy(case.route)
    conditions = [{"type": "Accepted", "status": "True", "observedGeneration": 1}]
    good["status"] = {"parents": [{"parentRef": {"name": "gw"}, "controllerName": "c", "conditions": conditions}]}
    good["metadata"]["managedFields"] = [{"manager": "m", "time": "t", "fieldsV1": {"f:spec": {}}}]
    good["metadata"]["annotations"] = {TOKEN: kit.token, RELEASE: kit.release}
    known = choose(good, case.pool, selectors=None, shares=[Decimal(100)])
    if data.draw(st.booleans()):
        good = kit.apply(good, attach(good, pool=case.pool, original=known, token=kit.token))
    bad = copy.deepcopy(good)
    for path in data.draw(st.lists(st.sampled_from(list(kit.nodes(good))), min_size=1, max_size=2)):
        # The second place may have gone with the first.
        with contextlib.suppress(KeyError, IndexError, TypeError):
            bad = spoil(bad, path, data.draw(WRONG))
    surgery: dict[str, Any] = {"pool": case.pool, "original": known}
    calls: list[Any] = [
        lambda: rules_of(bad),
        lambda: choose(bad, case.pool, selectors=case.selectors, shares=case.shares).text(),
        lambda: stamp(bad, token=kit.token, release=kit.release, original=known),
        lambda: swap_token(bad, token=kit.token, release=kit.release),
        lambda: attach(bad, token=kit.token, **surgery),
        lambda: set_share(bad, token=kit.token, share=Decimal(50), **surgery),
        lambda: lower(bad, release=kit.release, **surgery),
        lambda: detach(bad, release=kit.release, **surgery),
        lambda: compare(good, bad, token=kit.token, **surgery),
        lambda: compare(bad, good, token=kit.token, **surgery),
        lambda: parents(bad),
        lambda: last_writer(bad, ours="canary-engine"),
        lambda: weights_shown(bad, original=known),
        lambda: (annotations_of(bad), generation_of(bad), uid_of(bad), version_of(bad)),
    ]
    for call in calls:
        try:
            call()
        except SurgeryError as error:
            said = str(error)
        else:
            continue
        event("refused")
        assert len(said.split()) > 3


@SETTINGS
@given(data=st.data())
def test_a_damaged_note_is_malformed_and_an_undamaged_one_is_itself(kit: Any, data: st.DataObject) -> None:
    case = data.draw(kit.cases)
    known = choose(case.route, case.pool, selectors=None, shares=[Decimal(100)])
    encoded = json.loads(known.text())
    assert Original.decode(encoded) == known
    bad = spoil(encoded, data.draw(st.sampled_from(list(kit.nodes(encoded)))), data.draw(WRONG))
    try:
        decoded = Original.decode(bad)
    except Malformed as error:
        said = str(error)
    else:
        # What is taken is taken whole: it can be used without a type going wrong.
        assert Original.decode(json.loads(decoded.text())) == decoded
        assert all(
            rule.factor >= 1 and all(weight or weight in {0, None} for _, weight in rule.weights)
            for rule in decoded.rules
        )
        detach(case.route, pool=case.pool, original=decoded, release=kit.release)
        lower(case.route, pool=case.pool, original=decoded, release=kit.release)
        return
    assert "damaged" in said


@pytest.mark.parametrize(
    ("ref", "place"),
    [
        ({"name": 7}, "backendRefs[0].name"),
        ({"name": "a", "weight": "1"}, "backendRefs[0].weight"),
        ({"name": "a", "weight": -1}, "backendRefs[0].weight"),
        ({"name": "a", "weight": True}, "backendRefs[0].weight"),
        ({"name": "a", "port": "http"}, "backendRefs[0].port"),
        ({"name": "a", "kind": ["Service"]}, "backendRefs[0].kind"),
        ("a", "backendRefs[0]"),
    ],
)
def test_the_sentence_names_the_place(ref: Any, place: str) -> None:
    with pytest.raises(Malformed) as caught:
        rules_of({"metadata": {}, "spec": {"rules": [{"backendRefs": [ref]}]}})
    assert f"spec.rules[0].{place}" in str(caught.value)
