"""A release's writes on every kind of route, alone and with others writing between any two of them."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from canary.adapters.memory.patching import PatchFailed, merge
from strategies import (
    RELEASE,
    TOKEN,
    NoRoom,
    Original,
    Pool,
    SurgeryError,
    attach,
    choose,
    detach,
    lower,
    rules_of,
    set_share,
    share_of,
    stamp,
)

SETTINGS = settings(
    derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], database=None
)


@pytest.fixture(scope="module")
def kit(kits: Any) -> Any:
    return kits


class Writer:
    """The engine's writes on one route, each checked."""

    def __init__(self, kit: Any, case: Any) -> None:
        self.kit, self.case, self.route = kit, case, copy.deepcopy(case.route)
        self.pool: Pool = case.pool
        self.original: Original = choose(self.route, self.pool, selectors=case.selectors, shares=case.shares)
        self.keys = {rule.key for rule in self.original.rules}

    def stamp(self) -> None:
        self.route = merge(
            self.route, stamp(self.route, token=self.kit.token, release=self.kit.release, original=self.original)
        )

    def write(self, patch: Any) -> None:
        before = copy.deepcopy(self.route)
        self.route = self.kit.apply(self.route, patch)
        assert not patch or before != self.route, "a write that changes nothing"
        self.kit.check_write(before, self.route, self.pool)

    def attach(self) -> None:
        self.write(attach(self.route, pool=self.pool, original=self.original, token=self.kit.token))

    def give(self, share: Decimal) -> None:
        patch = set_share(self.route, pool=self.pool, original=self.original, share=share, token=self.kit.token)
        self.route = self.kit.apply(before := self.route, patch)
        self.kit.check_write(before, self.route, self.pool)
        chosen = [rule for rule in rules_of(self.route) if rule.key in self.keys]
        self.kit.check_share(chosen, self.pool, share)

    def lower(self) -> tuple[str, ...]:
        lowering = lower(self.route, pool=self.pool, original=self.original, release=self.kit.release)
        self.write(lowering.patch)
        for rule in rules_of(self.route):
            if rule.every(self.pool.stable):
                assert all(ref.weight == 0 for ref in rule.refs if ref.id in self.pool.ours)
            elif share_of(rule, self.pool):
                assert any(str(rule) in alarm for alarm in lowering.alarms)
        again = lower(self.route, pool=self.pool, original=self.original, release=self.kit.release)
        assert again.patch == ()
        return lowering.alarms

    def detach(self) -> Any:
        restore = detach(self.route, pool=self.pool, original=self.original, release=self.kit.release)
        self.write(restore.patch)
        for rule in rules_of(self.route):
            assert not (rule.every(self.pool.stable) and any(rule.every(ref) for ref in self.pool.ours))
        again = detach(self.route, pool=self.pool, original=self.original, release=self.kit.release)
        assert again.patch == ()
        assert not {TOKEN, RELEASE} & set(self.route["metadata"].get("annotations") or {})
        return restore


def begun(kit: Any, data: st.DataObject) -> Writer | None:
    """A release on a drawn route; None where the route has no room, which must be said with its reason."""
    case = data.draw(kit.cases)
    try:
        return Writer(kit, case)
    except NoRoom as refusal:
        said = str(refusal)
    event("refused")
    assert "weights end at 1000000" in said
    assert "Start with a larger share, or write smaller weights" in said or (
        case.pool.baseline is not None and "leave out the baseline, or write smaller weights" in said
    )
    return None


@SETTINGS
@given(data=st.data())
def test_when_nobody_else_writes_the_end_is_the_beginning_byte_for_byte(kit: Any, data: st.DataObject) -> None:
    writer = begun(kit, data)
    if writer is None:
        return
    before = writer.case.route
    writer.stamp()
    writer.attach()
    steps = data.draw(st.integers(0, len(writer.case.shares)))
    for share in writer.case.shares[:steps]:
        writer.give(share)
    if data.draw(st.booleans()):
        writer.lower()
    restore = writer.detach()
    assert json.dumps(writer.route["spec"]) == json.dumps(before["spec"])
    assert (writer.route["metadata"].get("annotations") or {}) == (before["metadata"].get("annotations") or {})
    assert restore.kept == ()
    assert restore.alarms == ()


@SETTINGS
@given(data=st.data())
def test_the_pools_weight_is_one_multiple_of_what_stable_had_in_every_step(kit: Any, data: st.DataObject) -> None:
    writer = begun(kit, data)
    if writer is None:
        return
    before = rules_of(writer.case.route)
    writer.stamp()
    writer.attach()
    for share in writer.case.shares:
        writer.give(share)
        for was, now in zip(before, rules_of(writer.route), strict=True):
            if was.key not in writer.keys:
                assert was.raw == now.raw
                continue
            [known] = [rule for rule in writer.original.rules if rule.key == was.key]
            pool = [now.find(ref) for ref in writer.pool.parts]
            assert all(pool)
            whole = sum(ref.weight for ref in pool if ref)
            assert whole == (known.weight(writer.pool.stable) or 0) * known.factor
            assert [ref.weight for ref in now.refs if ref.id not in writer.pool.parts] == [
                ref.weight * known.factor for ref in was.refs if ref.id != writer.pool.stable
            ]
            for added in now.raw[-len(writer.pool.ours) :]:
                assert {"group", "kind", "weight"} <= set(added)


@SETTINGS
@given(data=st.data())
def test_edits_that_leave_the_references_alone_end_as_if_no_release_had_been(kit: Any, data: st.DataObject) -> None:
    writer = begun(kit, data)
    if writer is None:
        return
    shadow = copy.deepcopy(writer.case.route)
    play(writer, shadow, data, kit.harmless)
    assert json.dumps(writer.route["spec"]) == json.dumps(shadow["spec"])
    assert (writer.route["metadata"].get("annotations") or {}) == (shadow["metadata"].get("annotations") or {})


@SETTINGS
@given(data=st.data())
def test_whatever_others_write_survives_and_nothing_of_ours_is_left(kit: Any, data: st.DataObject) -> None:
    writer = begun(kit, data)
    if writer is None:
        return
    shadow = copy.deepcopy(writer.case.route)
    play(writer, shadow, data, kit.edits)
    assert kit.bare(writer.route, writer.pool) == kit.bare(shadow, writer.pool)


def play(writer: Writer, shadow: dict[str, Any], data: st.DataObject, edits: st.SearchStrategy[Any]) -> None:
    """A release with edits between its writes, which the shadow, a route without a release, gets as well."""

    def meanwhile() -> None:
        for edit in data.draw(st.lists(edits, max_size=2)):
            edit(writer.route)
            edit(shadow)

    writer.stamp()
    fenced = True
    try:
        meanwhile()
        writer.attach()
        for share in writer.case.shares:
            meanwhile()
            writer.give(share)
        event("reached the end")
    except SurgeryError as refusal:
        event(f"raise refused: {type(refusal).__name__}")
    except PatchFailed:
        fenced = False
    # Nothing but our token taken off makes a raise fail that was planned on the route as it is.
    assert fenced or TOKEN not in writer.route["metadata"].get("annotations", {})
    meanwhile()
    writer.lower()
    meanwhile()
    restore = writer.detach()
    for rule in rules_of(writer.route):
        if rule.key in writer.keys and not rule.every(writer.pool.stable):
            assert any(str(rule) in alarm for alarm in restore.alarms)
    here = {rule.key for rule in rules_of(writer.route)}
    for known in writer.original.rules:
        if known.key not in here and not any(known.key in sentence for sentence in restore.kept):
            # It goes by another name now, and was put back there.
            now = [[(ref.id, ref.weight) for ref in rule.refs] for rule in rules_of(writer.route)]
            assert [(ref, known.weight(ref)) for ref, _ in known.weights] in now
    for rule in rules_of(writer.route):
        known_here = [known for known in writer.original.rules if known.key == rule.key]
        if known_here and {ref.id: ref.weight for ref in rule.refs} != {
            ref: known_here[0].weight(ref) for ref, _ in known_here[0].weights
        }:
            assert any(str(rule) in sentence for sentence in (*restore.kept, *restore.alarms))


@SETTINGS
@given(data=st.data())
def test_a_raise_that_others_outran_fails_or_is_still_right(kit: Any, data: st.DataObject) -> None:
    writer = begun(kit, data)
    if writer is None:
        return
    writer.stamp()
    writer.attach()
    share = data.draw(st.sampled_from(writer.case.shares))
    patch = set_share(writer.route, pool=writer.pool, original=writer.original, share=share, token=kit.token)
    edited = copy.deepcopy(writer.route)
    data.draw(kit.edits)(edited)
    try:
        after = kit.apply(edited, patch)
    except PatchFailed:
        event("failed")
        # Only what the raise rests on makes it fail: the rules, and our token.
        after = None
    if after is None:
        assert (
            edited["spec"]["rules"] != writer.route["spec"]["rules"] or TOKEN not in edited["metadata"]["annotations"]
        )
        return
    event("held")
    kit.check_write(edited, after, writer.pool)
    written = [now for was, now in zip(rules_of(edited), rules_of(after), strict=True) if was.raw != now.raw]
    kit.check_share(written, writer.pool, share)
    assert edited["metadata"]["annotations"][TOKEN] == kit.token


@SETTINGS
@given(data=st.data())
def test_an_edit_of_a_chosen_rules_references_makes_the_raise_fail(kit: Any, data: st.DataObject) -> None:
    writer = begun(kit, data)
    if writer is None:
        return
    writer.stamp()
    writer.attach()
    share = data.draw(st.sampled_from(writer.case.shares))
    patch = set_share(writer.route, pool=writer.pool, original=writer.original, share=share, token=kit.token)
    chosen = [rule.index for rule in rules_of(writer.route) if rule.key in writer.keys]
    edited = copy.deepcopy(writer.route)
    refs = edited["spec"]["rules"][data.draw(st.sampled_from(chosen))]["backendRefs"]
    ref = data.draw(st.sampled_from(refs))
    change = data.draw(st.sampled_from(["weight", "swap", "drop", "token"]))
    if change == "weight":
        ref["weight"] = ref.get("weight", 1) + 1
    elif change == "swap":
        ref["name"] += "-2"
    elif change == "drop":
        refs.remove(ref)
    else:
        edited["metadata"]["annotations"][TOKEN] = "r1/i2"
    with pytest.raises(PatchFailed):
        kit.apply(edited, patch)


@SETTINGS
@given(data=st.data())
def test_a_lowering_goes_through_whatever_happened_to_weights_since_it_was_planned(
    kit: Any, data: st.DataObject
) -> None:
    writer = begun(kit, data)
    if writer is None:
        return
    writer.stamp()
    writer.attach()
    writer.give(writer.case.shares[0])
    lowering = lower(writer.route, pool=writer.pool, original=writer.original, release=kit.release)
    for edit in data.draw(st.lists(kit.weighing, min_size=1, max_size=4)):
        edit(writer.route)
    after = kit.apply(writer.route, lowering.patch)
    for rule in rules_of(after):
        if rule.key in writer.keys:
            assert all(ref.weight == 0 for ref in rule.refs if ref.id in writer.pool.ours)
            assert rule.total > 0
    tested = [operation["path"] for operation in lowering.patch if operation["op"] == "test"]
    release = "/metadata/annotations/" + RELEASE.replace("/", "~1")
    assert tested[0] == release
    assert {path.rsplit("/", 1)[-1] for path in tested[1:]} <= {"name", "port", "namespace", "kind"}
