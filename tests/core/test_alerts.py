"""What holds a step without blaming the canary is told once in each step, as an alarm."""

from __future__ import annotations

from decimal import Decimal

import pytest

from analysis.model import Finding, Judgement, Verdict
from canary.core import effects as do
from canary.core.alerts import ALARMS, alerts, ended
from canary.core.release import Policy, Release, StepPolicy

POLICY = Policy(
    steps=(StepPolicy(share=Decimal(10), hold_min=10, hold_max=60),),
    bake_min=10,
    bake_max=60,
    settle_window=2,
    settle_least=60,
    drain=20,
    deadline=3600,
    last_call=4000,
    exact_split=True,
)


def judged(*codes: str) -> Judgement:
    findings = tuple(
        Finding(metric="traffic", verdict=Verdict.UNDECIDED, sentence=f"{code} and why", code=code) for code in codes
    )
    return Judgement(
        verdict=Verdict.UNDECIDED,
        findings=findings,
        evidence=0.0,
        threshold=4.6,
        looks=1,
        requests=1,
        may_proceed=False,
        sentence="s",
    )


def test_each_kind_is_told_once_as_an_alarm_and_what_blames_the_canary_is_not_told_here() -> None:
    release = Release(uid="u", incarnation="i", policy=POLICY)
    release, done = alerts(release, judged("LIMIT_BOTH", "POD_OUTLIER", "WORSE"))
    told = [effect for effect in done if isinstance(effect, do.Tell)]
    assert [(one.reason, one.alarm) for one in told] == [("LimitBrokenByBoth", True), ("PodOutlier", True)]
    assert "POD_OUTLIER and why" in told[1].message
    release, done = alerts(release, judged("POD_OUTLIER", "HUNG"))
    assert [effect.reason for effect in done if isinstance(effect, do.Tell)] == ["Hung"]
    assert alerts(release, judged("WITHIN"))[1] == ()


@pytest.mark.parametrize("code", ALARMS)
def test_every_kind_is_told(code: str) -> None:
    _, (told,) = alerts(Release(uid="u", incarnation="i", policy=POLICY), judged(code))
    assert isinstance(told, do.Tell)
    assert (told.reason, told.alarm) == (ALARMS[code], True)


def test_the_kinds_are_these() -> None:
    assert set(ALARMS) == {"BOTH_WORSE", "HUNG", "LIMIT_BOTH", "POD_OUTLIER", "SHARE_MISMATCH"}


def test_a_step_ends_with_what_its_judgement_rests_on() -> None:
    release = Release(uid="u", incarnation="i", policy=POLICY, sentence="within", basis="dispersion unknown")
    assert ended(release, "HEALTHY") == "HEALTHY: within (dispersion unknown)"
