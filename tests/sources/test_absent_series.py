"""An arm of which no series exists, and one that has no requests: told apart wherever it is said."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from analysis.judge import JudgeConfig, MetricConfig, begin_step, observe, start
from analysis.model import Arm, Counts, Judgement, Look, Verdict
from analysis.packs import PACKS
from analysis.replay import form
from analysis.sources import Key, Reading, Role, Sample, Window, baseline
from tests.sources.worlds import both, errors

ERRORS = MetricConfig(name="errors", kind="errors", relative=0.5, absolute=0.01)
CONFIG = JudgeConfig(metrics=(ERRORS,), planned_looks=300)
LOOKS = 30


def reading_of(at: int, *, canary: int | None, stable: int | None = 80) -> Reading:
    """So many requests in each look, or no series."""
    arms = {Arm.STABLE: stable, Arm.CANARY: canary}
    found = tuple(
        errors(arm, Role.TOTAL, 1000 + each * (at // 5), at) for arm, each in arms.items() if each is not None
    )
    return Reading(at=at, samples=(*found, Sample(Key("", None, Role.TOTAL), "route", at, at)))


def looks(*, alone: bool, since: int = 0, **now: Any) -> list[Look]:
    """Looks of an engine; so many are as they should be, and then it is as it is now."""
    window = Window(metrics={"errors": False}, every=5.0, alone={"errors"} if alone else ())
    found = []
    for number in range(since + LOOKS + 1):
        good = number <= since and since
        look = window.advance(reading_of(5 * number, canary=20) if good else reading_of(5 * number, **now))
        if number:
            assert isinstance(look, Look), look
            found.append(look)
    return found


def judged(given: list[Look]) -> list[Judgement]:
    state = begin_step(CONFIG, start(CONFIG), share=20.0, last_share=50.0)
    found = []
    for look in given:
        again = form.look_of(json.loads(json.dumps(form.look_row(look, treated="judged"))))
        assert again == look, "a record keeps it"
        state, judgement = observe(CONFIG, state, look)
        found.append(judgement)
    return found


def codes(judgements: list[Judgement]) -> set[str]:
    return {finding.code for judgement in judgements for finding in judgement.findings}


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("since", [0, 10])
def test_an_arm_without_series_is_named_as_that_and_never_healthy(alone: bool, since: int) -> None:
    found = judged(looks(alone=alone, since=since, canary=None))[since:]
    assert "SERIES_ABSENT" in codes(found)
    assert "NO_REQUESTS" not in codes(found)
    assert Verdict.HEALTHY not in {judgement.verdict for judgement in found}
    said = "it is not scraped" if alone else "no request of it has ended there"
    assert all("no series of the canary exist" in judgement.sentence for judgement in found)
    assert said in found[-1].sentence


@pytest.mark.parametrize("since", [0, 10])
def test_a_canary_that_is_merely_not_scraped_is_not_condemned(since: int) -> None:
    """Its pods count for themselves: nobody knows what they did."""
    found = judged(looks(alone=True, since=since, canary=None))[since:]
    assert {judgement.verdict for judgement in found} == {Verdict.NO_DATA}
    assert not {"COMPLETIONS", "SHARE_MISMATCH"} & codes(found)
    assert found[-1].absent == "fail", "and the step ends by what the release says of absence"


ENDS = [("fail", ""), ("fail", "hold"), ("hold", "fail")]


@pytest.mark.parametrize(("no_data", "no_series"), ENDS)
@pytest.mark.parametrize("own", ["", "extend", "pass"])
@pytest.mark.parametrize("who", list(Arm))
def test_absence_and_silence_each_have_their_policy(no_data: str, no_series: str, own: str, who: Arm) -> None:
    """A metric's own policy goes before the release's, and pass leaves the word to the release."""
    config = replace(CONFIG, no_data=no_data, no_series=no_series, metrics=(replace(ERRORS, no_data=own),))
    both = {"canary": 20, "stable": 80}
    for now, wanted in ((None, no_series or no_data), (0, no_data)):
        window, state = looks(alone=True, since=25, **(both | {who.value: now})), start(config)
        state = begin_step(config, state, share=20.0, last_share=50.0)
        for look in window:
            state, judgement = observe(replace(config, check_share=False), state, look)
        mine = own if own == "extend" and who is Arm.CANARY else wanted
        assert (judgement.verdict, judgement.absent) == (Verdict.NO_DATA, mine)
        assert judgement.absence


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("since", [0, 10])
def test_a_canary_that_is_scraped_and_finishes_nothing_is_condemned(alone: bool, since: int) -> None:
    found = judged(looks(alone=alone, since=since, canary=0))[since:]
    assert found[-1].verdict is Verdict.UNHEALTHY
    assert "COMPLETIONS" in codes(found)
    assert "SERIES_ABSENT" not in codes(found)
    assert "no series" not in found[-1].sentence


def test_at_a_gateway_no_series_is_no_request_and_is_condemned_with_that_reason() -> None:
    found = judged(looks(alone=False, canary=None))
    assert found[-1].verdict is Verdict.UNHEALTHY
    assert found[-1].findings[0].code == "COMPLETIONS"
    assert "no series of the canary exist beside the other arm's" in found[-1].findings[0].sentence


@pytest.mark.parametrize("alone", [True, False])
def test_stable_without_series_is_nothing_to_compare_with(alone: bool) -> None:
    found = judged(looks(alone=alone, since=25, stable=None, canary=20))[25:]
    assert {judgement.verdict for judgement in found} == {Verdict.NO_DATA}
    assert all("no series of stable exist" in judgement.sentence for judgement in found)


def test_a_metric_without_series_is_named_while_the_others_go_on() -> None:
    window = Window(metrics={"errors": False, "checkouts": False}, every=5.0, alone={"checkouts"})
    own = MetricConfig(name="checkouts", kind="counts", relative=0.5, absolute=0.01, own=True, no_data="extend")
    config = JudgeConfig(metrics=(ERRORS, own), planned_looks=300)
    state = begin_step(config, start(config), share=20.0, last_share=50.0)
    window.advance(reading_of(0, canary=20))
    for number in range(1, LOOKS):
        checkout = Sample(Key("checkouts", Arm.STABLE, Role.TOTAL), "c", 5.0 * number, 9.0 * number)
        reading = reading_of(5 * number, canary=20)
        look = window.advance(replace(reading, samples=(*reading.samples, checkout)))
        assert isinstance(look, Look)
        assert look.absent == {"checkouts": (Arm.CANARY,)}
        state, judgement = observe(config, state, look)
    finding = next(one for one in judgement.findings if one.metric == "checkouts")
    assert (finding.verdict, finding.code) == (Verdict.NO_DATA, "SERIES_ABSENT")
    assert "no series of the canary for checkouts exist" in finding.sentence
    assert (judgement.verdict, judgement.absent) == (Verdict.UNDECIDED, "extend")


def test_what_was_counted_before_the_series_went_is_not_lost() -> None:
    """A reading in between made no look; the one after it does not show the arm any more."""
    window = Window(metrics={"errors": False}, every=15.0, alone={"errors"})
    window.advance(both(100, 10, 10))
    ahead = (errors(Arm.STABLE, Role.TOTAL, 20, 130), errors(Arm.CANARY, Role.TOTAL, 11, 110))
    window.advance(Reading(at=130, samples=ahead))
    look = window.advance(Reading(at=145, samples=(errors(Arm.STABLE, Role.TOTAL, 25, 145),)))
    assert isinstance(look, Look)
    assert (look.counts["errors"][Arm.CANARY].total, look.absent) == (1, {})


@pytest.mark.parametrize("compared", [True, False])
def test_an_absent_baseline_is_stables_absence_only_where_it_is_compared(compared: bool) -> None:
    counts = {"errors": {arm: Counts(total=5) for arm in Arm}, "baseline/errors": {Arm.CANARY: Counts(total=0)}}
    look = Look(start=0, end=5, counts=counts, absent={"baseline/errors": (Arm.STABLE,)})
    apart, _ = baseline.apart(look, compared=compared)
    assert apart.lacks(Arm.STABLE) == compared
    assert apart.counted(Arm.STABLE) != compared
    assert not apart.lacks(Arm.CANARY)


def test_only_those_who_see_pods_one_by_one_do_not_count_both_arms_together() -> None:
    assert {name for name, pack in PACKS.items() if not pack.together} == {"pods", "hubble"}
