"""Findings of the classical metrics: each as a sentence with its numbers, and the numbers as data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

from analysis.classical import tests, words
from analysis.classical.config import ClassicalConfig, FixedTest, Grouped, ScoreConfig, Threshold
from analysis.classical.netflix import Label
from analysis.classical.observe import enough
from analysis.classical.score import FAILED
from analysis.classical.seen import Beside, Seen
from analysis.model import Finding, Verdict
from analysis.plural import counted

SUSPICIOUS = 5.0
"""An e-value of this is harm enough for a step not to pass."""

RESEMBLING = 0.5
"""Correlation from which a p-value is told to be too small."""

OUTSIDE = "outside of falseRollback"

LATER = "LOOKS_LATER"
"""The code of a test that this step need not wait for."""

BAKING = "nothing to compare with while it bakes"

NAMES = {
    "mannWhitney": "Mann-Whitney U",
    "welch": "Welch's t",
    "kolmogorovSmirnov": "Kolmogorov-Smirnov",
    "fisher": "Fisher's exact test",
    "proportions": "two-proportion z",
}

Case = tuple[bool, Verdict, str, str]
"""Whether it is so, and what is then said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stakes:
    """What a metric may spend.

    Attributes:
        level: of alpha, at one look.
        weight: its part of the one alpha.
        threshold: log evidence that condemns.
    """

    level: float
    weight: float
    threshold: float


def evidence(how: FixedTest, seen: Seen) -> float:
    """Log of the mean over the planned looks, those not yet taken worth 1: a test supermartingale."""
    looks = max(how.looks, len(seen.bets), 1)
    won = math.fsum(math.exp(min(one, 600.0)) for one in seen.bets)
    return math.log((won + looks - len(seen.bets)) / looks)


def finding_of(config: ClassicalConfig, beside: Beside, stakes: Stakes, *, baking: bool) -> Finding:
    """One metric's finding.

    Args:
        config: the metric.
        beside: what is remembered.
        stakes: what a fixed test may spend.
        baking: no second arm is left.
    """
    seen = beside.seen[config.name]
    numbers: dict[str, float] = {"canary_requests": float(seen.requests), "dropped": float(seen.dropped)}
    match config.how:
        case Threshold() as rule:
            numbers |= _rule_numbers(seen)
            verdict, code, said = _first(_of_rule(config, rule, seen))
        case FixedTest() as how:
            numbers |= _test_numbers(config, how, seen, stakes)
            cases = _of_test(config, how, seen, numbers, stakes)
            verdict, code, said = _first([*cases, *_not_yet(config, how, beside, baking=baking)])
        case how:
            verdict, code, said = _first(_of_group(config, how, seen, baking=baking))
            names = ("shift_low", "shift", "shift_high", "ratio")
            numbers |= {name: value for name, value in zip(names, seen.numbers, strict=False) if math.isfinite(value)}
    said = f"{config.name}: {said}"
    if seen.dropped:
        values = counted(seen.dropped, "value was not a number and was", "values were not numbers and were")
        said += f"; {values} left out"
    return Finding(metric=config.name, verdict=verdict, code=code, sentence=said, numbers=MappingProxyType(numbers))


def _first(cases: Iterable[Case]) -> tuple[Verdict, str, str]:
    return next((verdict, code, said) for so, verdict, code, said in cases if so)


def _few(config: ClassicalConfig, seen: Seen) -> str:
    return f"{seen.requests} of {config.min_requests} canary requests seen"


# Rules --------------------------------------------------------------------------------------------------------------


def _rule_numbers(seen: Seen) -> dict[str, float]:
    numbers = {"failures": float(seen.failures), "streak": float(seen.streak), "measured": float(seen.measured)}
    return numbers | ({"canary_value": seen.canary[-1]} if seen.canary else {})


def _of_rule(config: ClassicalConfig, rule: Threshold, seen: Seen) -> list[Case]:
    now = f"canary at {words.number(seen.canary[-1])}" if seen.canary else "not measured"
    budget = f"{seen.failures} failures in the release, {rule.failures} tolerated (a rule, {OUTSIDE})"
    said, few = f"{now}, wanted {rule.words}; {budget}", seen.requests < config.min_requests
    streak = f"{said}; {seen.streak} of {rule.successes} successes in a row"
    both = f"{said}; stable is outside of it too, so it is not the canary's fault"
    return [
        (seen.failures > rule.failures and not few, Verdict.UNHEALTHY, "RULE_BROKEN", said),
        (bool(seen.code), Verdict.NO_DATA, seen.code, seen.trouble),
        (not seen.measured, Verdict.NO_DATA, "NO_SAMPLES", "not measured yet in this step"),
        (few, Verdict.UNDECIDED, "TOO_FEW_REQUESTS", f"{said}; {_few(config, seen)}"),
        (bool(seen.shared) and not seen.streak, Verdict.UNDECIDED, "LIMIT_BOTH", both),
        (seen.streak < rule.successes, Verdict.UNDECIDED, "NOT_YET", streak),
        (True, Verdict.HEALTHY, "WITHIN", streak),
    ]


# Fixed tests --------------------------------------------------------------------------------------------------------


def _test_numbers(config: ClassicalConfig, how: FixedTest, seen: Seen, stakes: Stakes) -> dict[str, float]:
    found = evidence(how, seen)
    numbers = {"evidence": found, "threshold": stakes.threshold, "weight": stakes.weight, "level": stakes.level}
    if stakes.weight:
        numbers["share_of_evidence"] = found + math.log(stakes.weight)
    if seen.p is not None:
        numbers["p"] = seen.p
    if config.counts:
        names = ("stable_bad", "stable_total", "canary_bad", "canary_total")
        return numbers | dict(zip(names, map(float, seen.counts), strict=True))
    numbers |= {"stable_samples": float(len(seen.stable)), "canary_samples": float(len(seen.canary))}
    if seen.stable and seen.canary:
        numbers |= {"stable_median": words.middle(seen.stable), "canary_median": words.middle(seen.canary)}
        numbers["correlation"] = max(tests.correlation(seen.stable), tests.correlation(seen.canary))
    return numbers


def _of_test(
    config: ClassicalConfig, how: FixedTest, seen: Seen, numbers: dict[str, float], stakes: Stakes
) -> list[Case]:
    """What a test that has looked says."""
    said = f"{_sides(config, seen)}; {_outcome(how, seen, numbers)}"
    guilty = numbers.get("share_of_evidence", -math.inf) >= stakes.threshold - 1e-9
    looked = seen.p is not None
    suspicious = looked and tests.calibrated(seen.p or 0.0) >= SUSPICIOUS
    return [
        (guilty, Verdict.UNHEALTHY, "WORSE", said),
        (suspicious, Verdict.UNDECIDED, "SUSPICIOUS", said),
        (looked, Verdict.HEALTHY, "NOT_SHOWN_WORSE", said),
    ]


def _not_yet(config: ClassicalConfig, how: FixedTest, beside: Beside, *, baking: bool) -> list[Case]:
    """What a test that has not looked in this step says."""
    seen = beside.seen[config.name]
    name, sides, left = NAMES[how.kind], _sides(config, seen), config.delay + how.after - beside.judging
    lack = f"at least {how.min_samples} of each arm are needed"
    if seen.requests < config.min_requests:
        lack = _few(config, seen)
    scarce = f"{seen.trouble or sides}; {name} cannot look: {lack}"
    return [
        (baking, Verdict.UNDECIDED, "NO_SECOND_ARM", BAKING),
        (bool(seen.why), Verdict.UNDECIDED, "TEST_FAILED", f"{sides}; {name} could not be made: {seen.why}"),
        (how.last_only and not beside.last, Verdict.UNDECIDED, LATER, f"{name} looks once, in the last step"),
        (len(seen.bets) >= how.looks, Verdict.HEALTHY, "LOOKED_BEFORE", f"{name} looked once, in an earlier step"),
        (bool(seen.code) and left <= 0, Verdict.NO_DATA, seen.code, scarce),
        (left <= 0 and not enough(config, how, seen), Verdict.NO_DATA, "TOO_FEW_SAMPLES", scarce),
        (True, Verdict.UNDECIDED, "NOT_YET", f"{sides}; {name} looks once, in {words.seconds(left)}"),
    ]


def _sides(config: ClassicalConfig, seen: Seen) -> str:
    if config.counts:
        x_s, n_s, x_c, n_c = seen.counts
        return f"canary {x_c:,} bad of {n_c:,} against stable {x_s:,} of {n_s:,}"
    sides = [
        f"{arm} median {words.number(words.middle(values))} ({len(values)} samples)" if values else f"{arm} no samples"
        for arm, values in (("canary", seen.canary), ("stable", seen.stable))
    ]
    return " against ".join(sides)


def _outcome(how: FixedTest, seen: Seen, numbers: dict[str, float]) -> str:
    if seen.p is None:
        return f"{NAMES[how.kind]} condemned it in an earlier step"
    said = f"{NAMES[how.kind]}, looking once: p {words.p_value(seen.p)}; alone it condemns from "
    said += f"{words.p_value(numbers['level'] / 2)} down"
    if numbers.get("correlation", 0.0) > RESEMBLING:
        said += (
            f"; but samples resemble the ones before them (correlation {numbers['correlation']:.1f}), "
            "so that p is smaller than it should be: measure less often"
        )
    return said


# Kayenta's score ----------------------------------------------------------------------------------------------------


def _of_group(config: ClassicalConfig, how: Grouped, seen: Seen, *, baking: bool) -> list[Case]:
    sides = _sides(config, seen)
    said = f"{sides}; Kayenta's judge calls it {seen.label} (group {how.group})"
    samples = counted(max(1, how.min_samples), "sample of each arm is", "samples of each arm are")
    lack = f"{seen.trouble or sides}; {samples} needed to classify it"
    if seen.requests < config.min_requests:
        lack = f"{seen.trouble or sides}; {_few(config, seen)}"
    return [
        (baking, Verdict.UNDECIDED, "NO_SECOND_ARM", BAKING),
        (bool(seen.code), Verdict.NO_DATA, seen.code, seen.trouble),
        (not seen.label, Verdict.UNDECIDED, "NOT_YET", f"{sides}; not classified yet"),
        (seen.label == Label.ERROR, Verdict.NO_DATA, "CLASSIFICATION_FAILED", f"{said}: {seen.why}"),
        (seen.label == Label.NODATA, Verdict.NO_DATA, "TOO_FEW_SAMPLES", lack),
        (seen.label == Label.PASS, Verdict.HEALTHY, "WITHIN", said),
        (True, Verdict.UNDECIDED, "CLASSIFIED_BAD", said),
    ]


def score_finding(scoring: ScoreConfig, beside: Beside, *, baking: bool) -> Finding:
    """The score's finding.

    Args:
        scoring: its thresholds.
        beside: what is remembered.
        baking: no second arm is left.
    """
    least, most = beside.score
    said = _score_said(scoring, beside)
    verdict, code, sentence = _first(
        [
            (baking, Verdict.UNDECIDED, "NO_SECOND_ARM", f"score: {BAKING}"),
            (beside.scored is None, Verdict.UNDECIDED, "NOT_YET", f"score: computed after {scoring.after:g} s"),
            (most <= scoring.marginal, Verdict.UNHEALTHY, "SCORE", said),
            (least >= scoring.passes, Verdict.HEALTHY, "SCORE", said),
            (bool(beside.missing), Verdict.UNDECIDED, "SCORE_OPEN", said),
            (True, Verdict.UNDECIDED, "SCORE_MARGINAL", said),
        ]
    )
    numbers = {"score": least, "score_most": most, "passes": scoring.passes, "marginal": scoring.marginal}
    return Finding(metric="score", verdict=verdict, code=code, sentence=sentence, numbers=MappingProxyType(numbers))


def _score_said(scoring: ScoreConfig, beside: Beside) -> str:
    least, most = beside.score
    shown = f"{least:g}" if least == most else f"{least:g} to {most:g}"
    said = f"score {shown} of 100: passes from {scoring.passes:g}, condemns from {scoring.marginal:g} down"
    said += f" (Kayenta's judge, {OUTSIDE})"
    if beside.critical:
        said += f"; the critical metric {beside.critical} failed"
    bad = [name for name, seen in beside.seen.items() if seen.label in FAILED]
    said += f"; failed: {', '.join(bad)}" if bad else ""
    return said + (f"; not seen: {', '.join(beside.missing)}" if beside.missing else "")
