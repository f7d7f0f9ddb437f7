"""A person's word on the route: what it does to every kind of route, and what it leaves undone for ever after."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from canary.adapters.memory.patching import PatchFailed, merge
from strategies import (
    ABORT,
    ORIGINAL,
    RELEASE,
    Abort,
    NoRoom,
    Original,
    SurgeryError,
    abort,
    abort_of,
    annotations_of,
    attach,
    choose,
    detach,
    rules_of,
    set_share,
    share_of,
    stamp,
    swap_token,
)
from tests.strategies.small import POOL, Release

SETTINGS = settings(
    derandomize=True, deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], database=None
)
SUCCESSOR = "r1/i2"
SAID = Abort(by="ops@acme", reason="checkout is slow", at="2026-01-01T03:00:00Z", release="r1")


@pytest.fixture(scope="module")
def kit(kits: Any) -> Any:
    return kits


def begun(kit: Any, case: Any) -> tuple[dict[str, Any], Original] | None:
    """A route on which a release has attached its canary; None where this one has no room for it."""
    try:
        original = choose(case.route, case.pool, selectors=case.selectors, shares=case.shares)
    except (NoRoom, SurgeryError):
        return None
    stamped = merge(case.route, stamp(case.route, token=kit.token, release=kit.release, original=original))
    return kit.apply(stamped, attach(stamped, pool=case.pool, original=original, token=kit.token)), original


def put_back(kit: Any, route: Any, case: Any, original: Original, said: Abort = SAID) -> Any:
    return abort(route, pool=case.pool, original=original, release=kit.release, said=said)


@SETTINGS
@given(data=st.data())
def test_one_write_lowers_says_who_and_revokes_every_raise(kit: Any, data: Any) -> None:
    case = data.draw(kit.cases)
    found = begun(kit, case)
    if found is None:
        event("no room")
        return
    route, original = found
    raises = [
        set_share(route, pool=case.pool, original=original, share=share, token=kit.token) for share in case.shares
    ]
    if data.draw(st.booleans(), label="raised"):
        route = kit.apply(route, raises[0])
    after = kit.apply(before := copy.deepcopy(route), put_back(kit, route, case, original).patch)
    kit.check_write(before, after, case.pool)
    assert all(share_of(rule, case.pool) == 0 for rule in rules_of(after) if rule.every(case.pool.stable))
    assert abort_of(after, release=kit.release) == SAID
    # Raises planned before, in flight or on the route as it is now: none goes through, until a successor takes over.
    for patch in (
        *raises,
        *(set_share(after, pool=case.pool, original=original, share=s, token=kit.token) for s in case.shares),
    ):
        with pytest.raises(PatchFailed):
            kit.apply(after, patch)
    successor = kit.apply(after, swap_token(after, token=SUCCESSOR, release=kit.release))
    assert abort_of(successor, release=kit.release) == SAID
    # Again is nothing, whoever says it; and detaching takes the note away with the rest.
    again = put_back(kit, after, case, original, Abort(by="eve", reason="me too", release="r1"))
    assert again.patch == ()
    end = kit.apply(after, detach(after, pool=case.pool, original=original, release=kit.release).patch)
    assert json.dumps(end["spec"], sort_keys=True) == json.dumps(case.route["spec"], sort_keys=True)
    assert end["metadata"].get("annotations") == case.route["metadata"].get("annotations")


@SETTINGS
@given(data=st.data())
def test_it_goes_through_whatever_others_did(kit: Any, data: Any) -> None:
    case = data.draw(kit.cases)
    found = begun(kit, case)
    if found is None:
        return
    route, original = found
    for edit in data.draw(st.lists(st.one_of(kit.harmless, kit.weighing, kit.meddling), max_size=3)):
        edit(route)
    plan = put_back(kit, route, case, original)
    after = kit.apply(before := copy.deepcopy(route), plan.patch)
    kit.check_write(before, after, case.pool)
    for rule in rules_of(after):
        if rule.every(case.pool.stable):
            assert share_of(rule, case.pool) == 0
        elif share_of(rule, case.pool):
            assert any(str(rule) in alarm for alarm in plan.alarms)
    if ABORT in annotations_of(after):
        assert abort_of(after, release=kit.release) == SAID


@SETTINGS
@given(data=st.data())
def test_the_note_of_a_release_says_whose_traffic_it_moves(kit: Any, data: Any) -> None:
    case = data.draw(kit.cases)
    found = begun(kit, case)
    if found is not None:
        noted = Original.decode(json.loads(annotations_of(found[0])[ORIGINAL]))
        assert (noted, noted.pool) == (found[1], case.pool)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("please", Abort(by="", reason="please")),
        ("", Abort(by="", reason="")),
        ("[1]", Abort(by="", reason="[1]")),
        ("[" * 99_999, Abort(by="", reason="[" * 500)),
        ('{"by": 3, "reason": null}', Abort(by="", reason="")),
        ('{"by": "a", "reason": "b", "release": "r1"}', Abort(by="a", reason="b", release="r1")),
        ('{"by": "a", "reason": "b", "release": "another"}', None),
    ],
)
def test_whatever_a_person_writes_there_is_a_word_to_stop_unless_another_release_is_meant(
    text: str, said: Abort | None
) -> None:
    route = {"metadata": {"annotations": {ABORT: text, RELEASE: "r1"}}}
    assert abort_of(route, release="r1") == said


@SETTINGS
@given(data=st.data())
def test_a_word_about_an_earlier_release_is_replaced(kit: Any, data: Any) -> None:
    case = data.draw(kit.cases)
    found = begun(kit, case)
    if found is not None:
        route, original = found
        route["metadata"]["annotations"][ABORT] = Abort(by="a", reason="b", release="r0").text()
        after = kit.apply(route, put_back(kit, route, case, original).patch)
        assert abort_of(after, release=kit.release) == SAID


def test_a_note_says_whether_another_release_takes_over_and_an_older_note_says_that_none_does() -> None:
    note = Abort(by="release newer", reason="supersede", at="2026-01-01T03:00:00Z", release="r1", superseded=True)
    for said in (note, SAID):
        route = {"metadata": {"annotations": {ABORT: said.text()}}}
        assert abort_of(route, release="r1") == said


def word(release: Release, **more: Any) -> Any:
    return abort(release.route, pool=POOL, original=release.original, release=release.kit.release, said=SAID, **more)


def test_where_nothing_is_noted_the_note_begins_the_annotations_of_the_version_that_was_read(release: Release) -> None:
    del release.route["metadata"]["annotations"]
    done = word(release)
    version = {"op": "test", "path": "/metadata/resourceVersion", "value": release.route["metadata"]["resourceVersion"]}
    begins = {"op": "add", "path": "/metadata/annotations", "value": {ABORT: SAID.text()}}
    assert done.patch[-2:] == (version, begins)
    after = release.kit.apply(release.route, done.patch)
    assert annotations_of(after) == {ABORT: SAID.text()}
    assert len(done.patch) > 2  # traffic goes back in the same write


def test_while_stable_is_updated_the_word_is_written_and_no_weight(release: Release) -> None:
    before = release.weights()
    assert before["app-canary"] > 0
    done = word(release, keep_weights=True)
    written = [(each["op"], each["path"].rpartition("~1")[2]) for each in done.patch]
    assert written == [("test", "release"), ("add", "abort"), ("add", "token")]
    release.route = release.kit.apply(release.route, done.patch)
    assert release.weights() == before
    assert annotations_of(release.route)[ABORT] == SAID.text()


def test_where_no_token_stands_none_is_revoked(release: Release) -> None:
    release.route["metadata"]["annotations"] = {"team": "shop"}
    done = word(release)
    release.route = release.kit.apply(release.route, done.patch)
    assert annotations_of(release.route) == {"team": "shop", ABORT: SAID.text()}


def test_where_somebody_took_our_notes_off_and_nothing_is_raised_the_word_is_written_all_the_same(
    release: Release,
) -> None:
    release.route = release.kit.apply(release.route, release.lower().patch)
    release.route["metadata"]["annotations"] = {"team": "shop"}
    for more in ({}, {"keep_weights": True}):
        done = release.kit.apply(release.route, word(release, **more).patch)
        assert annotations_of(done) == {"team": "shop", ABORT: SAID.text()}


def test_the_release_is_tested_once_whatever_is_written(release: Release) -> None:
    for more in ({}, {"keep_weights": True}):
        tested = [each["path"] for each in word(release, **more).patch if each["op"] == "test"]
        assert [path.rpartition("~1")[2] for path in tested].count("release") == 1
