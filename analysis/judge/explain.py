"""Findings: each result as a sentence with its numbers, and the numbers as data."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from types import MappingProxyType

from analysis.judge.config import JudgeConfig
from analysis.judge.tests import Limit, Test
from analysis.model import Finding, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What is known of one test after a look.

    Attributes:
        counts: (x_s, n_s, x_c, n_c) of this step.
        tolerated: the canary's tolerated rate.
        evidence: log evidence of harm since the release began.
        weight: the test's part of alpha.
        health: log evidence of health in this step.
        phi: dispersion that evidence was divided by.
        baking: stable's numbers are from before the bake.
    """

    counts: tuple[float, ...]
    tolerated: float
    evidence: float
    weight: float
    health: float
    phi: float
    baking: bool


def finding_of(test: Test, numbers: Numbers, config: JudgeConfig, *, looks: int) -> Finding:
    """One test's finding."""
    x_s, n_s, x_c, n_c = numbers.counts
    name = test.metric if not test.bound else f"{test.metric} over {_time(test.bound)}"
    share = numbers.evidence + _log(numbers.weight)
    guilty = share >= config.threshold
    within = numbers.health >= config.health_threshold and looks >= config.min_looks
    if numbers.baking:
        within = looks >= config.min_looks and (not n_c or x_c / n_c <= numbers.tolerated)
    if not n_c:
        verdict, code = Verdict.NO_DATA, "NO_REQUESTS"
    elif guilty:
        verdict, code = Verdict.UNHEALTHY, "WORSE"
    elif within and not numbers.evidence >= math.log(5.0):
        verdict, code = Verdict.HEALTHY, "WITHIN"
    else:
        verdict, code = Verdict.UNDECIDED, "NOT_YET"
    return Finding(
        metric=name,
        verdict=verdict,
        code=code,
        sentence=_sentence(test, numbers),
        numbers=MappingProxyType(
            {
                "stable_bad": x_s,
                "stable_total": n_s,
                "canary_bad": x_c,
                "canary_total": n_c,
                "stable_rate": x_s / n_s if n_s else 0.0,
                "canary_rate": x_c / n_c if n_c else 0.0,
                "difference_low": _difference(numbers.counts)[0],
                "difference_high": _difference(numbers.counts)[1],
                "tolerated": numbers.tolerated,
                "evidence": numbers.evidence,
                "threshold": config.threshold,
                "share_of_evidence": share,
                "health": numbers.health,
                "health_threshold": config.health_threshold,
                "dispersion": numbers.phi,
            }
        ),
    )


def _sentence(test: Test, numbers: Numbers) -> str:
    x_s, n_s, x_c, n_c = numbers.counts
    what = "errors" if not test.bound else f"slower than {_time(test.bound)}"
    if test.metric not in {"errors", "latency"}:
        what = test.metric
    if not n_c:
        return f"no canary requests for {test.metric} in this step"
    canary = f"canary {_percent(x_c / n_c)} {what} ({_count(x_c)} of {_count(n_c)})"
    if numbers.baking:
        against = "against stable before the bake (observational)"
    elif n_s:
        against = f"against stable {_percent(x_s / n_s)} ({_count(x_s)} of {_count(n_s)})"
    else:
        against = "with no stable requests to compare"
    return f"{canary} {against}; tolerated up to {_percent(numbers.tolerated)}; evidence {_odds(numbers.evidence)}"


def limit_finding(
    limit: Limit, *, bad: float, total: float, evidence: float, weight: float, both: bool, config: JudgeConfig
) -> Finding:
    """An absolute limit's finding; one that stable breaks too is not the canary's fault."""
    share = evidence + _log(weight)
    over = share >= config.threshold
    rate = bad / total if total else 0.0
    verdict, code = Verdict.UNDECIDED, "NOT_YET"
    if over and both:
        code = "LIMIT_BOTH"
    elif over:
        verdict, code = Verdict.UNHEALTHY, "LIMIT"
    elif total:
        verdict, code = Verdict.HEALTHY, "WITHIN"
    said = f"limit {limit.words}: canary {_percent(rate)} beyond it ({_count(bad)} of {_count(total)}), "
    said += "and stable breaks it too" if both else f"allowed {_percent(limit.rate)}; evidence {_odds(evidence)}"
    numbers = {
        "canary_bad": bad,
        "canary_total": total,
        "canary_rate": rate,
        "limit": limit.rate,
        "evidence": evidence,
        "threshold": config.threshold,
        "share_of_evidence": share,
    }
    return Finding(metric=limit.metric, verdict=verdict, code=code, sentence=said, numbers=MappingProxyType(numbers))


def no_data(idle: tuple[int, int], most: int, *, baking: bool, requests: int) -> Finding | None:
    """A finding when an arm has been without requests for too long; None otherwise."""
    stable, canary = idle
    if canary >= most or (not requests and canary):
        sentence = f"no request on the canary for {canary} looks"
        return Finding(metric="traffic", verdict=Verdict.NO_DATA, code="NO_REQUESTS", sentence=sentence)
    if stable >= most and not baking:
        sentence = f"no request on stable for {stable} looks, so there is nothing to compare with"
        return Finding(metric="traffic", verdict=Verdict.NO_DATA, code="NO_STABLE_REQUESTS", sentence=sentence)
    return None


def overall(verdict: Verdict, findings: Iterable[Finding], *, may_proceed: bool) -> str:
    """The reason in one sentence: the most telling finding's."""
    found = list(findings)
    if not found:
        return "nothing could be compared yet"
    named = next((finding for finding in found if finding.verdict is verdict), None)
    if verdict is Verdict.UNHEALTHY and named is None:
        return "together: " + "; ".join(finding.sentence for finding in found[:3])
    telling = (named or found[0]).sentence
    if verdict is Verdict.HEALTHY:
        return f"within what is tolerated: {telling}"
    if verdict is Verdict.UNDECIDED and may_proceed:
        worst = max(found, key=lambda finding: finding.numbers.get("difference_high", 0.0))
        high = worst.numbers.get("difference_high", 0.0)
        return f"{telling}; could have missed up to {_percent(max(high, 0.0))} more"
    return telling


def _difference(counts: tuple[float, ...], z: float = 1.96) -> tuple[float, float]:
    """Newcombe's 95 % interval of the difference canary - stable in this step, for one look at it.

    Source: Newcombe, Statistics in Medicine 17 (1998), method 10. It is what people see; no verdict rests on it.
    """
    x_s, n_s, x_c, n_c = counts
    if not n_s or not n_c:
        return -1.0, 1.0
    low_s, high_s = _wilson(x_s, n_s, z)
    low_c, high_c = _wilson(x_c, n_c, z)
    p_s, p_c = x_s / n_s, x_c / n_c
    gap = p_c - p_s
    return gap - math.hypot(p_c - low_c, high_s - p_s), gap + math.hypot(high_c - p_c, p_s - low_s)


def _wilson(x: float, n: float, z: float) -> tuple[float, float]:
    p = x / n
    middle, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return (middle - spread) / scale, (middle + spread) / scale


def _percent(rate: float) -> str:
    percent = rate * 100
    return f"{percent:.2f} %" if percent < 1 else f"{percent:.1f} %"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:g} ms" if seconds < 1 else f"{seconds:g} s"


def _log(value: float) -> float:
    return math.log(value) if value > 0 else float("-inf")


def _odds(evidence: float) -> str:
    """Evidence as "1 in N": how rare it would be, at most, if the canary were within what is tolerated."""
    if evidence <= 0:
        return "none"
    return f"1 in {math.exp(min(evidence, 60.0)):,.0f}" if evidence > math.log(2) else "next to none"
