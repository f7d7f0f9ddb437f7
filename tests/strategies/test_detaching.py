"""The route as it is now, minus what is ours: what others' edits leave of it."""

from __future__ import annotations

import copy

import pytest

from canary.adapters.memory.patching import PatchFailed
from strategies import (
    RELEASE,
    TOKEN,
    rules_of,
)
from tests.strategies.small import Release, matching, ref


def test_detaching_what_somebody_detached_already_is_done(release: Release) -> None:
    release.route = copy.deepcopy(release.before)
    restore = release.detach()
    assert (restore.patch, restore.kept, restore.alarms) == ((), (), ())


def test_a_rule_that_somebody_renamed_is_known_by_what_it_holds(release: Release) -> None:
    release.route["spec"]["rules"][0] |= {"name": "renamed", "matches": matching("/moved")}
    restore = release.roll_back()
    assert release.weights() == {"app": 9, "help": 1}
    assert restore.kept == ()


def test_a_rule_that_somebody_renamed_and_weighed_anew_still_loses_the_canary(release: Release) -> None:
    release.route["spec"]["rules"][0]["name"] = "renamed"
    release.refs()[1]["weight"] = 7
    restore = release.roll_back()
    assert release.weights() == {"app": 90, "help": 7}
    assert len(restore.kept) == 2


def test_a_rule_that_somebody_copied_loses_the_canary_in_both(release: Release) -> None:
    release.route["spec"]["rules"].append(copy.deepcopy(release.route["spec"]["rules"][0]))
    release.roll_back()
    assert [release.weights(0), release.weights(1)] == [{"app": 9, "help": 1}] * 2


def test_a_rule_that_somebody_removed_stays_removed_and_is_named(release: Release) -> None:
    key = rules_of(release.route)[0].key
    release.route["spec"]["rules"].clear()
    restore = release.roll_back()
    assert release.route["spec"]["rules"] == []
    assert restore.kept == (f"the rule {key} was removed or changed by somebody else and stays so",)


def test_a_second_reference_of_somebody_elses_keeps_its_weight(release: Release) -> None:
    release.refs().insert(1, ref("help", 77))
    restore = release.roll_back()
    assert [one["weight"] for one in release.refs()] == [90, 77, 10]
    assert "their change stays" in restore.kept[0]


def test_stable_without_weight_next_to_others_is_an_alarm(release: Release) -> None:
    # At 100 % somebody takes the canary out: whether stable is meant to get nothing, only people know.
    release.give(100)
    release.refs().pop(2)
    restore = release.roll_back()
    assert release.weights() == {"app": 0, "help": 10}
    assert "gives stable app:80 no weight" in restore.alarms[0]


def test_weights_that_a_reverter_wrote_back_are_left_as_they_are(release: Release) -> None:
    release.refs()[0]["weight"], release.refs()[1]["weight"], release.refs()[2]["weight"] = 9, 1, 0
    release.roll_back()
    assert release.route["spec"] == release.before["spec"]


def test_a_route_of_another_release_holds_nothing_of_ours(release: Release) -> None:
    # Our own detachment went through and its answer was lost; the next release was waiting.
    release.route["metadata"]["annotations"] |= {RELEASE: "r2", TOKEN: "r2/i1"}
    restore = release.detach()
    assert restore.patch == ()
    assert "another release's by now: r2" in restore.kept[0]


def test_an_annotation_that_came_after_the_reading_is_not_lost(release: Release) -> None:
    patch = release.detach().patch
    release.route["metadata"]["annotations"]["team"] = "x"
    with pytest.raises(PatchFailed):
        release.kit.apply(release.route, patch)
    after = release.kit.apply(release.route, release.detach().patch)
    assert after["metadata"]["annotations"] == {"team": "x"}


def test_keeping_takes_only_the_annotations(release: Release) -> None:
    spec = copy.deepcopy(release.route["spec"])
    after = release.kit.apply(release.route, release.detach(keep=True).patch)
    assert after["spec"] == spec
    assert "annotations" not in after["metadata"]


def test_a_canary_that_still_has_traffic_is_detached_with_its_weight_given_to_stable(release: Release) -> None:
    release.refs()[1]["weight"] = 7
    after = release.kit.apply(release.route, release.detach().patch)
    assert [one["weight"] for one in after["spec"]["rules"][0]["backendRefs"]] == [90, 7]
