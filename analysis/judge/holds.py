"""Findings that hold a step back without blaming the canary. JUDGE, "Where the comparison is blind"."""

from __future__ import annotations

from types import MappingProxyType

from analysis.judge import words
from analysis.judge.tests import Test
from analysis.model import Finding, Verdict

IDLE_LOOKS = 20
"""Looks in a row without a request after which there is no data."""


def share_finding(*, asked: float, stable: float, canary: float) -> Finding:
    """The canary's requests do not fit the share.

    Args:
        asked: percent.
        stable, canary: requests in this step.
    """
    seen = canary / (stable + canary)
    sentence = (
        f"the canary got {words.percent(seen)} of the requests "
        f"({words.count(canary)} of {words.count(stable + canary)}), "
        f"asked for {asked:g} %: something other than the weights decides who is served where"
    )
    numbers = {"asked": asked / 100.0, "seen": seen, "canary_total": canary, "stable_total": stable}
    return Finding(
        metric="traffic",
        verdict=Verdict.UNDECIDED,
        code="SHARE_MISMATCH",
        sentence=sentence,
        numbers=MappingProxyType(numbers),
    )


def both_worse(test: Test, *, bad: float, total: float, baseline: float, evidence: float) -> Finding:
    """Stable is worse than before the canary had traffic: the canary may be harming what both depend on.

    Args:
        test: which.
        bad, total: of stable in this step.
        baseline: stable's rate before.
        evidence: log evidence.
    """
    name = test.metric if not test.bound else f"{test.metric} over {words.time(test.bound)}"
    sentence = (
        f"stable itself is worse than before the canary had traffic: {words.percent(bad / total)} {name} "
        f"({words.count(bad)} of {words.count(total)}) against at most {words.percent(baseline)} then; "
        f"evidence {words.odds(evidence)}: "
        "the canary may be harming something that both depend on"
    )
    numbers = {"stable_bad": bad, "stable_total": total, "baseline": baseline, "evidence": evidence}
    return Finding(
        metric=test.metric,
        verdict=Verdict.UNDECIDED,
        code="BOTH_WORSE",
        sentence=sentence,
        numbers=MappingProxyType(numbers),
    )


def no_data(idle: tuple[int, int], *, baking: bool, requests: int) -> Finding | None:
    """A finding when an arm has been without requests for too long; None otherwise."""
    stable, canary = idle
    if canary >= IDLE_LOOKS or (not requests and canary):
        sentence = f"no request on the canary for {canary} looks"
        return _silent("NO_REQUESTS", sentence, canary)
    if stable >= IDLE_LOOKS and not baking:
        sentence = f"no request on stable for {stable} looks, so there is nothing to compare with"
        return _silent("NO_STABLE_REQUESTS", sentence, stable)
    return None


def _silent(code: str, sentence: str, looks: int) -> Finding:
    numbers = MappingProxyType({"idle_looks": float(looks)})
    return Finding(metric="traffic", verdict=Verdict.NO_DATA, code=code, sentence=sentence, numbers=numbers)
