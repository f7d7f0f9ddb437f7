"""Metrics that lack data, each with a policy of its own: what a step that ends without them should do."""

from __future__ import annotations

from collections.abc import Sequence

from analysis import classical
from analysis.judge.config import JudgeConfig
from analysis.judge.once import once
from analysis.judge.state import JudgeState
from analysis.model import Finding, Verdict

STRICTEST = ("fail", "extend", "hold")
"""Policies that do something, the strictest first; with `pass` a metric is no part of the step."""


def absence_of(
    config: JudgeConfig,
    state: JudgeState,
    findings: Sequence[Finding],
    beside: classical.Word,
    idle: Finding | None,
) -> tuple[str, str]:
    """The policy that a step without some metric's data follows, and the sentence that says which metric.

    Args:
        config: the question.
        state: after the look.
        findings: of the tests, in their order.
        beside: what the classical metrics say.
        idle: that an arm as a whole has no data; for where no metric says anything of it.
    """
    compared, policies = {test.metric for test in state.tests}, _policies(config)
    absent = [
        (policies[test.metric] or _unsaid(config, finding), finding.sentence)
        for test, finding in zip(state.tests, findings, strict=True)
        if test.confirm and test.metric in policies and finding.verdict is Verdict.NO_DATA
    ]
    for name, policy in policies.items():
        if name not in compared:
            absent.append((policy, f"{name}: too little of it was counted on stable to compare with"))
    ruled = [(policy or config.no_data, sentence) for policy, sentence in (*absent, *beside.absent)]
    found = sorted((STRICTEST.index(policy), sentence) for policy, sentence in ruled if policy in STRICTEST)
    if not found:
        return (_unsaid(config, idle), idle.sentence) if idle else ("", "")
    return STRICTEST[found[0][0]], found[0][1]


def _unsaid(config: JudgeConfig, finding: Finding) -> str:
    """What the release says of all metrics."""
    return config.no_series or config.no_data if finding.code == "SERIES_ABSENT" else config.no_data


@once
def _policies(config: JudgeConfig) -> dict[str, str]:
    return {metric.name: metric.no_data for metric in config.metrics if not metric.dry_run}
