"""Whatever stands in the gate's object, people and engine read it without an error: it is written by others."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from canary.core import gates
from tests.core.test_gates import ANN, LATER, record

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
REQUEST = st.fixed_dictionaries(
    {"number": st.integers(-1, 9) | ANYTHING, "wish": st.sampled_from(list(gates.Wish)) | ANYTHING},
    optional={key: st.text(max_size=8) | ANYTHING for key in ("release", "by", "reason", "at")},
)
APPROVERS = st.dictionaries(st.sampled_from(["users", "groups", "separationOfDuties"]), ANYTHING)
SHAPED = (st.lists(REQUEST | ANYTHING, max_size=4) | APPROVERS | ANYTHING).map(json.dumps)
KEYS = st.sampled_from(["state", "nonce", "step", "image", "release", *gates.DECIDED, "requests", "approvers", "note"])
TEXTS = st.sampled_from(
    ["pending", "approved", "rejected", "closed", record()["nonce"], "r1", "[" * 5000, "[{}]", "1", "{}"]
)
JUNK = st.dictionaries(KEYS, TEXTS | SHAPED | ANYTHING, max_size=9)


@given(JUNK | JUNK.map(lambda junk: {**record(), "state": "approved", **junk}) | ANYTHING, ANYTHING)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_whatever_stands_in_the_object_is_read_without_an_error(data: Any, metadata: Any) -> None:
    found = {"data": data, "metadata": metadata}
    answer = gates.answer(found, record())
    assert answer is None or answer.void or answer.by
    gates.opening(found, record())
    gates.closing(found, "r1", "over")
    with contextlib.suppress(gates.NoGate, gates.Decided):
        gates.decision(found, approved=True, person=ANN, at=LATER, reason="")


@given(st.lists(REQUEST | ANYTHING, max_size=12))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_requests_of_any_shape_are_read_by_number_or_passed_over(listed: list[Any]) -> None:
    found = gates.requests_of({"data": {"requests": json.dumps(listed)}}, after=3)
    assert [one.number for one in found] == sorted(one.number for one in found)
    assert all(one.number > 3 and one.wish in gates.Wish for one in found)
    text = [part for one in found for part in (one.release, one.by, one.reason, one.at)]
    assert all(isinstance(part, str) and len(part) <= gates.LONGEST for part in text)


@given(APPROVERS)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_approvers_of_any_shape_let_somebody_decide_or_say_why_not(rule: dict[str, Any]) -> None:
    refused = gates.refusal({"approvers": json.dumps(rule)}, ANN)
    assert isinstance(refused, str)
    if rule.get("users") == [] and rule.get("groups") == [] and rule.get("separationOfDuties") is not True:
        assert refused == ""
