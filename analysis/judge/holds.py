"""Findings that hold a step back without blaming the canary. JUDGE, "Where the comparison is blind"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from analysis.judge import words
from analysis.judge.flow import Flow
from analysis.judge.pods import Seen
from analysis.judge.tests import Test
from analysis.model import Arm, Finding, Judgement, Look, Verdict
from analysis.plural import counted

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


def no_data(idle: tuple[int, int], *, baking: bool, requests: int, other: str) -> Finding | None:
    """A finding when an arm has been without requests for too long; None otherwise."""
    stable, canary = idle
    if canary >= IDLE_LOOKS or (not requests and canary):
        sentence = f"no request on the canary for {counted(canary, 'look')}"
        return _silent("NO_REQUESTS", sentence, canary)
    if stable >= IDLE_LOOKS and not baking:
        sentence = f"no request on {words.the(other)} for {counted(stable, 'look')}"
        return _silent("NO_STABLE_REQUESTS", f"{sentence}, so there is nothing to compare with", stable)
    return None


def absent(look: Look, *, baking: bool, other: str) -> Finding | None:
    """A finding when no series of an arm exists at all; None otherwise."""
    arms = {Arm.CANARY: "the canary"} | ({} if baking else {Arm.STABLE: words.the(other)})
    found = "; ".join(said for arm, who in arms.items() if (said := words.absence(look, arm, who)))
    return Finding(metric="traffic", verdict=Verdict.NO_DATA, code="SERIES_ABSENT", sentence=found) if found else None


def _silent(code: str, sentence: str, looks: int) -> Finding:
    numbers = MappingProxyType({"idle_looks": float(looks)})
    return Finding(metric="traffic", verdict=Verdict.NO_DATA, code=code, sentence=sentence, numbers=numbers)


def hung(flow: Flow) -> Finding:
    """The canary's requests begin and do not end."""
    sentence = (
        f"{words.count(flow.unfinished)} requests began on the canary in the last {flow.stuck} looks and did not end, "
        "while stable's do: it hangs; look at its threads and what it waits for"
    )
    numbers = {"unfinished": float(flow.unfinished), "looks": float(flow.stuck)}
    return _held("HUNG", "traffic", sentence, numbers)


def starved(flow: Flow, *, asked: float, look: Look) -> Finding:
    """The canary completes less than half of its share: a limit, so UNHEALTHY.

    Args:
        flow: what is known of the step.
        asked: percent.
        look: the newest.
    """
    none = f"; {said}" if (said := words.absence(look, Arm.CANARY, "the canary")) else ""
    canary, every = flow.step
    sentence = (
        f"the canary finished {words.count(canary)} of {words.count(every)} requests in the last {flow.few} looks, "
        f"under half of its share of {asked:g} %: the others hang or never reach it{none}"
    )
    numbers = {"canary_total": float(canary), "stable_total": float(every - canary), "asked": asked / 100.0}
    return Finding(
        metric="traffic",
        verdict=Verdict.UNHEALTHY,
        code="COMPLETIONS",
        sentence=sentence,
        numbers=MappingProxyType(numbers),
    )


def pod_outlier(metric: str, name: str, pods: Mapping[str, Seen]) -> Finding:
    """One canary pod of several carries the excess."""
    pod, others = pods[name], [seen for other, seen in pods.items() if other != name]
    bad, total = sum(seen.bad for seen in others), sum(seen.total for seen in others)
    where = f" on node {pod.node}" if pod.node else ""
    sentence = (
        f"one canary pod carries the excess: {name}{where} has {words.percent(pod.bad / pod.total)} {metric} "
        f"({words.count(pod.bad)} of {words.count(pod.total)}), the other {len(others)} have "
        f"{words.percent(bad / total)} ({words.count(bad)} of {words.count(total)}): "
        "delete that pod, or cordon its node"
    )
    numbers = {"pod_bad": float(pod.bad), "pod_total": float(pod.total), "others_bad": float(bad)}
    return _held("POD_OUTLIER", metric, sentence, numbers | {"others_total": float(total)})


def with_cold_start(judgement: Judgement, warmup: float) -> Judgement:
    """With a finding that the canary may still be starting; it holds nothing and excuses nothing.

    Args:
        judgement: of a look soon after the warmup.
        warmup: seconds.
    """
    sentence = (
        f"the canary's latency is worse right after its warmup of {warmup:g} s: a longer cold start looks like that "
        "too, see spec.analysis.warmup"
    )
    finding = _held("COLD_START", "latency", sentence, {"warmup": warmup})
    return replace(
        judgement, findings=(*judgement.findings, finding), sentence=f"{judgement.sentence} (but {sentence})"
    )


def _held(code: str, metric: str, sentence: str, numbers: dict[str, float]) -> Finding:
    return Finding(
        metric=metric, verdict=Verdict.UNDECIDED, code=code, sentence=sentence, numbers=MappingProxyType(numbers)
    )
