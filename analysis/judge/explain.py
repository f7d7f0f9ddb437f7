"""Findings: each result as a sentence with its numbers, and the numbers as data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from analysis.judge import words
from analysis.judge.config import JudgeConfig
from analysis.judge.holds import IDLE_LOOKS
from analysis.judge.tests import Limit, Test
from analysis.model import RETRIES, Finding, Verdict
from analysis.plural import counted

HARM_HINT = math.log(5.0)
"""Evidence of harm at which a step is neither HEALTHY nor lets itself proceed undecided."""

RISEN = ("risen_looks", "risen_stable_bad", "risen_stable_total", "risen_canary_bad", "risen_canary_total")
"""Names of what a finding says of the looks in which evidence has risen."""


@dataclass(slots=True)
class Numbers:
    """What one test's verdict and sentence are made of.

    Attributes:
        counts: (x_s, n_s, x_c, n_c) of this step.
        tolerated: the canary's tolerated rate.
        evidence: log evidence of harm since the release began.
        agreed: log evidence of health in this step, as far as the two newest looks agree.
        quiet: newest looks in a row without a canary request for this test.
        no_room: stable fails so often, or so little is known of it, that nothing can be worse.
        baking: stable's numbers are from before the bake.
        other: what the arm beside the canary is called: stable, or baseline.
        rise: of the looks in which the evidence has risen to what it is, their number and (x_s, n_s, x_c, n_c).
        requests: of the canary in this step, by whichever test counted most.
        waits: this look said nothing of it, because it is too early for it.
        absent: there is no series of the canary for it.
    """

    counts: Sequence[float]
    tolerated: float
    evidence: float
    agreed: float
    quiet: int
    no_room: bool
    baking: bool
    other: str
    rise: Sequence[float]
    requests: float
    waits: bool
    absent: bool

    @property
    def risen(self) -> Mapping[str, float]:
        """The looks of `rise` as data, where the evidence hints at harm and the step's own counts do not tell it."""
        if self.evidence < HARM_HINT or not self.rise[-1] or tuple(self.rise[1:]) == tuple(self.counts):
            return {}
        return dict(zip(RISEN, self.rise, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """What verdicts take.

    Attributes:
        harm, health: evidence (logs).
        enough: there were looks enough for HEALTHY.
    """

    harm: float
    health: float
    enough: bool


def name_of(test: Test) -> str:
    """What a test's finding is called."""
    return test.metric if not test.bound else f"{test.metric} over {words.time(test.bound)}"


def verdict_of(numbers: Numbers, bars: Bars, share: float) -> tuple[Verdict, str]:
    """One test's verdict and its code.

    Args:
        numbers: what is known of it.
        bars: what verdicts take.
        share: its evidence, as a part of all.
    """
    _, _, x_c, n_c = numbers.counts
    if share >= bars.harm:
        return Verdict.UNHEALTHY, "WORSE"
    if not n_c:
        return Verdict.NO_DATA, "LEFT_OUT" if numbers.waits else "SERIES_ABSENT" if numbers.absent else "NO_REQUESTS"
    if numbers.quiet >= (1 if numbers.absent else IDLE_LOOKS):
        return Verdict.NO_DATA, "SERIES_ABSENT" if numbers.absent else "QUIET"
    if numbers.no_room:
        return Verdict.UNDECIDED, "STABLE_UNKNOWN" if numbers.baking else "STABLE_TOO_BAD"
    within = numbers.agreed >= bars.health
    if numbers.baking:
        within = x_c / n_c <= numbers.tolerated
    if within and bars.enough and numbers.evidence < HARM_HINT:
        return Verdict.HEALTHY, "WITHIN"
    return Verdict.UNDECIDED, "NOT_YET"


def sentence_of(test: Test, numbers: Numbers, code: str) -> str:
    """One test's finding as people read it."""
    x_s, n_s, x_c, n_c = numbers.counts
    what = "errors" if not test.bound else f"slower than {words.time(test.bound)}"
    base = f" slower than {words.time(test.base)}" if test.base else ""
    if test.metric == RETRIES:
        what = "of the attempts retried, unseen by clients"
    elif test.metric not in {"errors", "latency"}:
        what = test.metric if not test.bound else f"{test.metric} {what}"
    if not n_c:
        evidence = f"; evidence {words.odds(numbers.evidence)}" if numbers.evidence >= HARM_HINT else ""
        return f"{_uncounted(test, numbers)}{evidence}{_risen(numbers)}"
    canary = f"canary {words.percent(x_c / n_c)} {what} ({words.count(x_c)} of {words.count(n_c)})"
    if numbers.baking:
        against = "against stable before the bake (observational)"
    elif n_s:
        stable = f"{words.percent(x_s / n_s)}{base} ({words.count(x_s)} of {words.count(n_s)})"
        against = f"against {words.the(numbers.other)} {stable}"
    else:
        against = f"with no {numbers.other} requests to compare"
    said = f"{canary} {against}; tolerated up to {words.percent(numbers.tolerated)}; "
    said += f"evidence {words.odds(numbers.evidence)}{_risen(numbers)}"
    if code == "QUIET":
        said += f"; but no canary request for it in the last {counted(numbers.quiet, 'look')}"
    if code == "SERIES_ABSENT":
        said += "; but the canary has no series for it any more"
    if code == "STABLE_UNKNOWN":
        said += "; too little was known of stable when the bake began, or it was too bad to compare with"
    if code == "STABLE_TOO_BAD":
        said += f"; {words.the(numbers.other)} is too bad to compare with"
    return said


def _uncounted(test: Test, numbers: Numbers) -> str:
    """Why nothing was counted for a test in this step."""
    if numbers.waits:
        return f"nothing of {test.metric} is judged yet in this step: its warmup, delay or interval is not over"
    if numbers.absent:
        return f"no series of the canary for {test.metric} {words.absent(counted=False)}"
    if numbers.requests:
        return (
            f"none of the canary's {words.count(numbers.requests)} requests in this step was counted for "
            f"{test.metric}: "
            f"see that its series have the labels and buckets that {words.the(numbers.other)}'s have"
        )
    return f"no canary requests for {test.metric} in this step"


def _risen(numbers: Numbers) -> str:
    """The looks that the evidence comes from, where the step's own counts do not tell it."""
    if not numbers.risen:
        return ""
    looks, x_s, n_s, x_c, n_c = numbers.rise
    stable = f", {words.the(numbers.other)} {_part(x_s, n_s)}" if n_s else ""
    return f", risen in the last {counted(looks, 'look')}: canary {_part(x_c, n_c)}{stable}"


def _part(bad: float, total: float) -> str:
    return f"{words.percent(bad / total)} ({words.count(bad)} of {words.count(total)})"


def limit_finding(
    limit: Limit, *, counts: tuple[float, float, float], evidence: float, weight: float, both: bool, config: JudgeConfig
) -> Finding:
    """An absolute limit's finding; one that stable breaks too is not the canary's fault.

    Args:
        limit: which.
        counts: over the bound above it, over the bound below it, requests: of the canary in this step.
        evidence: log evidence that the canary is over it.
        weight: the limit's part of alpha.
        both: stable breaks it too.
        config: the question.
    """
    bad, bad_below, total = counts
    share = evidence + words.log(weight)
    verdict, code = Verdict.UNDECIDED, "NOT_YET"
    if both:
        code = "LIMIT_BOTH"
    elif share >= config.threshold:
        verdict, code = Verdict.UNHEALTHY, "LIMIT"
    elif total and bad_below / total <= limit.rate:
        verdict, code = Verdict.HEALTHY, "WITHIN"
    elif total and bad / total <= limit.rate:
        code = "BETWEEN_BUCKETS"
    said = f"limit {limit.words}: canary {words.percent(bad / total if total else 0.0)} beyond it "
    said += f"({words.count(bad)} of {words.count(total)}), allowed {words.percent(limit.rate)}; "
    said += f"evidence {words.odds(evidence)}"
    if both:
        said += "; stable breaks it too"
    if code == "BETWEEN_BUCKETS":
        least = f"of {words.time(limit.below)}" if limit.below > 0 else "below it"
        said += f"; no bucket {least} shows it kept ({words.count(bad_below)} are over that)"
    numbers = {
        "canary_bad": bad,
        "canary_total": total,
        "canary_rate": bad / total if total else 0.0,
        "limit": limit.rate,
        "evidence": evidence,
        "threshold": config.threshold,
        "share_of_evidence": share,
    }
    return Finding(metric=limit.metric, verdict=verdict, code=code, sentence=said, numbers=MappingProxyType(numbers))


def overall(verdict: Verdict, findings: Iterable[Finding], *, may_proceed: bool, stands: bool = False) -> str:
    """The reason in one sentence: the most telling finding's.

    Args:
        verdict: over all metrics.
        findings: the guilty ones first.
        may_proceed: an undecided step may go on at its maximum hold.
        stands: condemned at an earlier look, with less evidence now.
    """
    found = list(findings)
    if not found:
        return "nothing could be compared yet"
    named = next((finding for finding in found if finding.verdict is verdict), None)
    if verdict is Verdict.UNHEALTHY and named is None:
        before = "condemned at an earlier look, which stands; now: " if stands else "together: "
        return before + "; ".join(finding.sentence for finding in found[:3])
    telling = (named or found[0]).sentence
    if verdict is Verdict.HEALTHY:
        return f"within what is tolerated: {telling}"
    if verdict is Verdict.UNDECIDED and may_proceed:
        missed = max((one for one in found if "visible" in one.numbers), key=_missed, default=None)
        if missed is None:
            return telling
        what = missed.metric.replace("latency over", "slower than")
        step = f"; this step excludes more than {words.percent(missed.numbers.get('step_excludes', 1.0))}"
        return f"{telling}{step}; could have missed up to {words.percent(missed.numbers.get('visible', 1.0))} {what}"
    return telling


def _missed(finding: Finding) -> float:
    """How many times what is tolerated could have gone unseen."""
    return finding.numbers.get("visible", 0.0) / max(finding.numbers.get("tolerated", 1.0), 1e-9)
